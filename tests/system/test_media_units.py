"""Speech by the character, transcription by the second, images one by one: priced exactly, or plainly not."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest
from tests.system.test_budget_race import make_budget, until_posted
from tests.wire_client import exchange, request_bytes
from tests.world import World, gateway_world

pytestmark = pytest.mark.slow

HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-client"}
FORM = (
    b'--b0\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\nContent-Type: audio/mpeg\r\n\r\n\xff\xfb'
    b'\r\n--b0\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b0--\r\n'
)


def ask(world: World, path: str, body: bytes, headers: dict[str, str]) -> int:
    return asyncio.run(exchange(world.port, request_bytes(path, body, headers))).status


def test_each_is_priced_by_its_own_measure(tmp_path: Path) -> None:
    text = "How much is it? " * 10
    speech = json.dumps({"model": "tts-1", "input": text, "voice": "alloy"}).encode()
    image = json.dumps({"model": "dall-e-3", "prompt": "a cat", "size": "1024x1792", "quality": "hd"}).encode()
    form = HEADERS | {"content-type": "multipart/form-data; boundary=b0"}
    with gateway_world(tmp_path / "data") as world:
        assert ask(world, "/v1/audio/speech", speech, HEADERS) == 200
        assert ask(world, "/v1/audio/transcriptions", FORM, form) == 200
        assert ask(world, "/v1/images/generations", image, HEADERS) == 200
        world.settle_down()
        world.load()
        rows = world.rows(
            "SELECT list_cost, bound_cost, quality, characters, audio_seconds, images FROM charges ORDER BY seq"
        )
        (sums,) = world.rows("SELECT sum(characters) AS c, sum(audio_seconds) AS s, sum(images) AS i FROM rollup_new")
    spoken, heard, drawn = rows
    assert (spoken["characters"], spoken["quality"]) == (160, "reported")
    assert spoken["list_cost"] == spoken["bound_cost"] == Decimal(160) * 15 / 10**6
    assert (heard["audio_seconds"], heard["list_cost"], heard["bound_cost"]) == (10, Decimal("0.001"), None)
    assert (drawn["images"], drawn["list_cost"], drawn["quality"]) == (1, None, "unpriced")
    assert (sums["c"], sums["s"], sums["i"]) == (160, 10, 1)


def test_a_hard_budget_holds_what_speech_costs(tmp_path: Path) -> None:
    speech = json.dumps({"model": "tts-1", "input": "x" * 1_000, "voice": "alloy"}).encode()  # 1.5 cents
    with gateway_world(tmp_path / "data") as world:
        budget = make_budget(world, limit_pico=2 * 10**10)
        assert ask(world, "/v1/audio/speech", speech, HEADERS) == 200
        assert ask(world, "/v1/audio/speech", speech, HEADERS) == 402
        assert until_posted(world, budget, 15 * 10**9).posted == 15 * 10**9
