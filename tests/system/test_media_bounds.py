"""Calls with images under a strict budget: neither refused for the size of their base64, nor let through for the
shortness of an address."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.providers.pictures import b64, png
from tests.system.test_budget_race import make_budget, until_posted
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world

pytestmark = pytest.mark.slow

CENT = 10**10
REMOTE_TOKENS = 2_833 + 8 * 5_667  # the most that an image comes to with gpt-4o-mini
TOKEN = 150_000  # pico-USD


def look(url: str, billed: int) -> bytes:
    parts = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    body = {"model": "gpt-4o-mini", "max_tokens": 10, "messages": [{"role": "user", "content": parts}]}
    control = json.dumps({"input": billed, "output": 5})
    headers = {"content-type": "application/json", "authorization": "Bearer sk-client", "x-sim": control}
    return request_bytes("/v1/chat/completions", json.dumps(body).encode(), headers)


def ask(world: World, request: bytes) -> Answer:
    return asyncio.run(exchange(world.port, request))


def test_a_large_picture_is_held_at_its_tokens_not_at_its_bytes(tmp_path: Path) -> None:
    picture = "data:image/png;base64," + b64(png(512, 512, size=900_000))
    with gateway_world(tmp_path / "data") as world:
        budget = make_budget(world, limit_pico=CENT)  # its bytes as tokens would be 18 cents
        assert ask(world, look(picture, 8_600)).status == 200
        assert until_posted(world, budget, 8_600 * TOKEN).overrun == 0


def test_an_address_is_held_at_the_most_that_an_image_can_be(tmp_path: Path) -> None:
    async def all_at_once(world: World) -> list[int]:
        request = look("https://example.com/a.png", REMOTE_TOKENS)
        return [answer.status for answer in await asyncio.gather(*(exchange(world.port, request) for _ in range(30)))]

    with gateway_world(tmp_path / "data", workers=2) as world:
        budget = make_budget(world, limit_pico=REMOTE_TOKENS * TOKEN * 7 // 2)
        statuses = asyncio.run(all_at_once(world))
        assert (statuses.count(200), statuses.count(402)) == (3, 27)
        now = until_posted(world, budget, 3 * REMOTE_TOKENS * TOKEN)
        assert (now.posted <= REMOTE_TOKENS * TOKEN * 7 // 2, now.overrun) == (True, 0)


def test_a_bill_above_the_published_rule_is_posted_in_full_and_learned(tmp_path: Path) -> None:
    billed = 3 * REMOTE_TOKENS
    with gateway_world(tmp_path / "data") as world:
        budget = make_budget(world, limit_pico=billed * TOKEN * 2)
        request = look("https://example.com/a.png", billed)
        assert ask(world, request).status == 200
        assert ask(world, request).status == 402  # held at more than what is left, which one as published would fit
        now = until_posted(world, budget, billed * TOKEN)
        assert now.overrun > 0


def test_a_restarted_gateway_holds_what_it_had_learned_to_hold(tmp_path: Path) -> None:
    text = {"model": "gpt-4o-mini", "max_tokens": 10, "messages": [{"role": "user", "content": "tea " * 2_000}]}
    headers = {"content-type": "application/json", "authorization": "Bearer sk-client", "x-sim": '{"input": 2000}'}
    request = request_bytes("/v1/chat/completions", json.dumps(text).encode(), headers)
    with gateway_world(tmp_path / "data") as world:
        for _ in range(20):
            assert ask(world, request).status == 200
    with gateway_world(tmp_path / "data") as world:
        make_budget(world, limit_pico=6_000 * TOKEN)  # its 8,000 bytes as tokens would be more
        answer = ask(world, request)
        assert answer.status == 200, answer.body
