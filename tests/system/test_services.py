"""Services, deployments, pictures and sound through the real gateway, against the simulator."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world, make_config

from bursar.config import Config, Upstream
from bursar.providers.services import defaults_of

KEY = {"authorization": "Bearer sk-own"}


def with_services(data: Path, simulator: str, **gateway: object) -> Config:
    config = make_config(data, simulator, **gateway)
    for name in ("groq", "openrouter", "azure", "vllm"):
        said = {**defaults_of(name), "api_key_env": "SIM_OPENAI_KEY"}
        path = said["base_url"].split("/", 3)[3:]
        said["base_url"] = "/".join([simulator, *path]) if name != "vllm" else simulator
        config.upstreams[name] = Upstream(**said)
    config.upstreams["azure"].model_names = {"prod-chat": "gpt-4o-mini"}
    config.upstreams["azure"].forward_headers = ["x-sim"]
    return config


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.world.make_config", with_services)
        with gateway_world(tmp_path_factory.mktemp("services") / "data") as world:
            yield world


def send(world: World, path: str, body: dict[str, object], **headers: str) -> Answer:
    raw = request_bytes(path, json.dumps(body).encode(), {**KEY, "content-type": "application/json", **headers})
    return asyncio.run(exchange(world.port, raw))


def test_a_services_path_reaches_it_behind_its_own(world: World) -> None:
    chat = {"model": "llama-3.1-8b-instant", "messages": [{"role": "user", "content": "hi"}]}
    assert send(world, "/groq/v1/chat/completions", chat).status == 200
    assert send(world, "/openrouter/v1/chat/completions", chat).status == 200
    assert [entry.path for entry in world.sim_log()][-2:] == ["/openai/v1/chat/completions", "/api/v1/chat/completions"]
    refused = send(world, "/groq/v1/embeddings", {"model": "x", "input": "hi"})
    assert (refused.status, refused.headers["x-bursar-error"]) == (404, "no_upstream")
    assert "doesn't speak openai-embeddings" in json.loads(refused.body)["error"]["message"]


def test_an_azure_client_calls_its_deployment_and_is_priced_by_what_it_serves(world: World) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=world.url, api_key="sk-own", api_version="2024-10-21", max_retries=0, http_client=httpx.Client()
    ) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="prod-chat",
            messages=[{"role": "user", "content": "hi"}],
            extra_headers={"x-sim": '{"served":"gpt-4o-mini-2024-07-18","input":1000,"output":100}'},
        )
        assert raw.headers["x-bursar-cost-quality"] == "reported"
        assert raw.headers["x-bursar-cost"] == "0.00021"
        stream = client.chat.completions.create(
            model="prod-chat", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        assert list(stream)
    seen = world.sim_log()[-1]
    assert seen.path == "/openai/deployments/prod-chat/chat/completions"
    assert "api-key" in seen.header_names
    assert "authorization" not in seen.header_names
    v1 = send(world, "/azure/openai/v1/chat/completions", {"model": "prod-chat", "messages": []})
    assert v1.status == 200
    assert world.sim_log()[-1].path == "/openai/v1/chat/completions"


def test_pictures_and_sound_are_priced_by_tokens_or_unpriced_and_never_free(world: World) -> None:
    with openai.OpenAI(base_url=world.url + "/v1", api_key="sk-own", max_retries=0) as client:
        picture = client.images.with_raw_response.generate(
            model="gpt-image-1", prompt="a cat", extra_headers={"x-sim": '{"input":10,"output":1000}'}
        )
        assert picture.headers["x-bursar-cost"] == "0.04005"
        old = client.images.with_raw_response.generate(model="dall-e-3", prompt="a cat")
        assert old.headers["x-bursar-cost-quality"] == "unpriced"
        assert "x-bursar-cost" not in old.headers
        heard = client.audio.transcriptions.with_raw_response.create(
            model="gpt-4o-transcribe",
            file=("a.mp3", b"\xff\xfb{"),
            extra_headers={"x-sim": '{"input":100,"output":10}'},
        )
        assert heard.headers["x-bursar-cost"] == "0.0007"
        assert heard.parse().text
        whisper = client.audio.transcriptions.with_raw_response.create(model="whisper-1", file=("a.mp3", b"\xff\xfb"))
        assert whisper.headers["x-bursar-cost"] == "0.001"  # ten seconds at 0.006 dollars a minute
        said = client.audio.speech.with_raw_response.create(model="tts-1", voice="alloy", input="hello")
        assert said.headers["x-bursar-cost"] == "0.000075"  # five characters at 15 dollars a million
        assert said.content.startswith(b"\xff\xfb")
        free = client.moderations.with_raw_response.create(input="hello")
        assert (free.headers["x-bursar-cost"], free.headers["x-bursar-cost-quality"]) == ("0", "reported")


def test_a_background_response_is_charged_once_however_often_it_is_asked_for(world: World) -> None:
    with openai.OpenAI(base_url=world.url + "/v1", api_key="sk-own", max_retries=0) as client:
        raw = client.responses.with_raw_response.create(model="gpt-4o-mini", input="hi", background=True)
        assert raw.headers["x-bursar-cost-quality"] == "assumed"
        begun = raw.parse()
        assert begun.status == "queued"
        before = len(world.records())
        for _ in range(3):
            assert client.responses.retrieve(begun.id).status == "completed"
    assert len(world.records()) == before + 1, "its end is written down, and its looks are not"


def test_what_was_called_is_in_the_ledger_with_its_quality(world: World) -> None:
    world.settle_down()
    world.load()
    rows = world.rows(
        "SELECT operation, quality, count(*) AS calls, count(list_cost) AS priced FROM charges GROUP BY ALL"
    )
    by = {(row["operation"], row["quality"]): row["priced"] for row in rows}
    assert by["image_generation", "unpriced"] == 0
    assert by["transcription", "reported"] == 2
    assert by["speech", "reported"] == 1
    assert by["image_generation", "reported"] == by["moderation", "reported"] == 1
