"""Names of models on a running gateway: where the call goes, what is sent, and what its row says."""

import asyncio
import json
from pathlib import Path

from tests import world as worlds
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world


def ask(world: World, path: str, model: str, label: str) -> Answer:
    body = {"model": model, "messages": [{"role": "user", "content": "tea"}], "max_tokens": 20}
    headers = {
        "content-type": "application/json",
        "authorization": "Bearer sk-client",
        "x-sim": json.dumps({"label": label}),
    }
    return asyncio.run(exchange(world.port, request_bytes(path, json.dumps(body).encode(), headers)))


def test_a_named_model_is_sent_by_its_own_name_and_its_row_says_both(tmp_path: Path, monkeypatch) -> None:
    plain = worlds.make_config

    def with_aliases(*arguments: object, **settings: object) -> object:
        config = plain(*arguments, **settings)  # type: ignore[arg-type]
        config.aliases = {"fast": "openai:gpt-4o-mini"}
        return config

    monkeypatch.setattr(worlds, "make_config", with_aliases)
    with gateway_world(tmp_path / "data") as world:
        for model in ("fast", "openai/gpt-4o-mini"):
            assert ask(world, "/v1/chat/completions", model, model).status == 200
        assert ask(world, "/v1/messages", "anthropic/claude-haiku-4-5", "native").status == 200
        refused = ask(world, "/v1/chat/completions", "anthropic/claude-haiku-4-5", "foreign")
        assert refused.status == 403  # it could be translated, but not with a key of OpenAI's
        assert json.loads(refused.body)["error"]["code"] == "forbidden"
        assert "bursar keys create" in json.loads(refused.body)["error"]["message"]
        world.settle_down()
        world.load()
        rows = world.rows("SELECT model_asked, model_sent, upstream, quality FROM charges ORDER BY received_at")
    assert rows == [
        {"model_asked": "fast", "model_sent": "gpt-4o-mini", "upstream": "openai", "quality": "reported"},
        {"model_asked": "openai/gpt-4o-mini", "model_sent": "gpt-4o-mini", "upstream": "openai", "quality": "reported"},
        {
            "model_asked": "anthropic/claude-haiku-4-5",
            "model_sent": "claude-haiku-4-5",
            "upstream": "anthropic",
            "quality": "reported",
        },
    ]
