"""What a request costs beside its bytes and can be read from it: paid searches, and what its provider keeps. A strict
budget holds them, so that no crowd of such calls passes its limit."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.system.test_budget_race import make_budget, until_posted
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world

pytestmark = pytest.mark.slow

USD = 10**12
SEARCH_PICO = USD // 100
INPUT_PICO = 2_500_000  # gpt-4o, a token
COMPLETION_PICO = 2_000_000  # gpt-3.5-turbo-instruct, a token of the answer


def messages(searches: int, *, may: int | None = None) -> bytes:
    tool = {"type": "web_search_20250305", "name": "web_search"} | ({} if may is None else {"max_uses": may})
    body = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 20,
        "tools": [tool],
        "messages": [{"role": "user", "content": "news?"}],
    }
    return asked("/v1/messages", body, input=50, output=5, searches=searches)


def continued(response_id: str, billed: int) -> bytes:
    body = {"model": "gpt-4o", "max_output_tokens": 20, "input": "and then?", "previous_response_id": response_id}
    return asked("/v1/responses", body, input=billed, output=5)


def asked(path: str, body: dict[str, object], **used: int) -> bytes:
    headers = {"content-type": "application/json", "authorization": "Bearer sk-client", "x-sim": json.dumps(used)}
    return request_bytes(path, json.dumps(body).encode(), headers)


def crowd(world: World, request: bytes, calls: int = 20) -> list[Answer]:
    async def all_at_once() -> list[Answer]:
        return list(await asyncio.gather(*(exchange(world.port, request) for _ in range(calls))))

    return asyncio.run(all_at_once())


def one(world: World, request: bytes) -> Answer:
    return asyncio.run(exchange(world.port, request))


def test_paid_searches_are_held_by_what_the_tool_allows(tmp_path: Path) -> None:
    with gateway_world(tmp_path / "data", workers=2) as world:
        budget = make_budget(world, limit_pico=USD // 4)
        answers = crowd(world, messages(5, may=5))
        assert {answer.status for answer in answers} == {200, 402}
        now = until_posted(world, budget, SEARCH_PICO * 5)
        assert (now.posted <= USD // 4, now.overrun) == (True, 0)
        assert one(world, messages(0)).status == 402, "ten searches are assumed of a tool without a limit"


def test_what_a_response_continues_is_held_by_what_it_was_or_by_the_model_s_window(tmp_path: Path) -> None:
    with gateway_world(tmp_path / "data") as world:
        budget = make_budget(world, limit_pico=USD)
        answers = crowd(world, continued("resp_unknown", 100_000))
        assert {answer.status for answer in answers} == {200, 402}
        carried = [answer.status for answer in answers].count(200) * 100_000 * INPUT_PICO
        before = until_posted(world, budget, carried)
        assert (before.posted <= USD, before.overrun) == (True, 0)
        first = one(
            world,
            asked("/v1/responses", {"model": "gpt-4o", "max_output_tokens": 20, "input": "hi"}, input=400, output=20),
        )
        assert first.status == 200
        known = json.loads(first.body)["id"]
        assert USD - before.posted < 128_000 * INPUT_PICO, "not enough is left for a whole window"
        assert one(world, continued("resp_unknown", 100)).status == 402
        assert one(world, continued(known, 430)).status == 200, "420 tokens were kept, and that is known"
        plain = asked("/v1/responses", {"model": "gpt-4o", "max_output_tokens": 20, "input": "hi"}, input=10, output=5)
        assert one(world, plain).status == 200, "an ordinary call is held by its own bytes"
        assert until_posted(world, budget, before.posted + 1).posted <= USD


def test_every_answer_to_every_prompt_of_a_completion_is_held(tmp_path: Path) -> None:
    body: dict[str, object] = {"model": "gpt-3.5-turbo-instruct", "prompt": ["a"] * 40, "max_tokens": 500}
    with gateway_world(tmp_path / "data") as world:
        budget = make_budget(world, limit_pico=USD // 10)
        answers = crowd(world, asked("/v1/completions", body, input=40, output=40 * 500))
        assert {answer.status for answer in answers} == {200, 402}
        carried = [answer.status for answer in answers].count(200)
        now = until_posted(world, budget, carried * 500 * COMPLETION_PICO)
        assert (now.posted <= USD // 10, now.overrun) == (True, 0)


def test_a_model_under_a_budget_of_its_own_does_not_answer_in_another_one_s_place(tmp_path: Path) -> None:
    body: dict[str, object] = {
        "model": "claude-haiku-4-5",
        "max_tokens": 20,
        "messages": [{"role": "user", "content": "hi"}],
        "fallbacks": [{"model": "claude-opus-4-1"}],
    }
    with gateway_world(tmp_path / "data") as world:
        make_budget(world, limit_pico=USD, match={"model": "claude-opus-4-1"})
        answer = one(world, asked("/v1/messages", body, input=10, output=5))
        assert (answer.status, answer.headers["x-bursar-error"]) == (403, "forbidden")
        del body["fallbacks"]
        assert one(world, asked("/v1/messages", body, input=10, output=5)).status == 200
