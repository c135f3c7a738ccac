"""Vectors that upstreams made: asked for once, remembered within bounds, and not of one that has just failed."""

import asyncio
import random
from array import array
from collections.abc import Awaitable, Callable, Coroutine
from math import sqrt
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.gateway.embedding_calls import DIMENSIONS_MAX, read_vector
from bursar.gateway.may_embed import HAS_KEY, why_no_embeddings
from bursar.gateway.vectors import ENTRY_BYTES, HELD_MAX, Embedded, Vectors


class Upstream:
    """Counts what it is asked. gate: it answers when that is open."""

    def __init__(self, found: Embedded) -> None:
        self.found = found
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Embedded:
        self.asked += 1
        await self.gate.wait()
        return self.found


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


def test_a_text_is_asked_for_once_by_all_who_want_it_and_then_known():
    async def work() -> None:
        vectors, upstream = Vectors(), Upstream(Embedded(b"1234"))
        upstream.gate.clear()
        waiting = [asyncio.ensure_future(vectors.get(b"k", "up/m", upstream)) for _ in range(5)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # one waits no longer: the others do
        await asyncio.sleep(0)
        upstream.gate.set()
        assert await asyncio.gather(*waiting[1:]) == [b"1234"] * 4
        assert await vectors.get(b"k", "up/m", upstream) == b"1234"
        assert upstream.asked == 1
        assert await vectors.get(b"other", "up/m", upstream) == b"1234"
        assert upstream.asked == 2

    run(work)


def test_what_fails_rests_for_a_time_that_doubles_and_a_text_it_does_not_want_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
):
    async def work() -> None:
        now = 100.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
        vectors, good = Vectors(), Upstream(Embedded(b"v"))
        bad, unwanted = Upstream(Embedded(failed=True)), Upstream(Embedded())
        assert await vectors.get(b"a", "up/m", unwanted) is None
        assert not vectors.rests("up/m")
        for rest_s in (1, 2, 4, 8, 16, 32, 60, 60):
            assert await asyncio.gather(*(vectors.get(b"%d" % at, "up/m", bad) for at in range(4))) == [None] * 4
            assert await vectors.get(b"a", "up/m", good) is None  # it isn't asked
            assert await vectors.get(b"a of it", "other/m", good) == b"v"
            now += rest_s - 0.5
            assert vectors.rests("up/m")
            now += 0.5
            assert not vectors.rests("up/m")
        assert good.asked == 1
        assert await vectors.get(b"b", "up/m", good) == b"v"
        assert await vectors.get(b"c", "up/m", bad) is None
        now += 1  # after a good one it begins at a second again
        assert not vectors.rests("up/m")

    run(work)


def test_a_mistake_of_ours_leaves_nobody_waiting_and_what_does_not_fit_is_not_asked():
    async def broken() -> Embedded:
        raise ValueError("a mistake")

    async def work() -> None:
        vectors = Vectors()
        assert await vectors.get(b"k", "up/m", broken) is None
        upstream = Upstream(Embedded(b"v"))
        upstream.gate.clear()
        waiting = [asyncio.ensure_future(vectors.get(b"%d" % at, "up/m", upstream)) for at in range(HELD_MAX)]
        await asyncio.sleep(0)
        assert await vectors.get(b"one more", "up/m", upstream) is None
        upstream.gate.set()
        assert await asyncio.gather(*waiting) == [b"v"] * HELD_MAX

    run(work)


@pytest.mark.parametrize("seed", range(5))
def test_memory_stays_within_its_bound(seed: int):
    async def work() -> None:
        chance, vectors = random.Random(seed), Vectors(10_000)

        def ask(size: int) -> Callable[[], Awaitable[Embedded]]:
            return Upstream(Embedded(b"x" * size))

        for _ in range(300):
            key = b"%d" % chance.randrange(60)
            await vectors.get(key, "up/m", ask(chance.choice((10, 500, 20_000))))
            assert vectors.bytes == sum(len(one) + ENTRY_BYTES for one in vectors._known.values()) <= 10_000

    run(work)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40).filter(lambda all_: max(map(abs, all_)) > 1e-300))
def test_a_vector_is_made_of_length_one(numbers: list[float]):
    found = read_vector(msgspec.json.encode({"data": [{"embedding": numbers}], "object": "list"}))
    assert found is not None
    vector = array("f", found)
    assert len(vector) == len(numbers)
    assert sqrt(sum(one * one for one in vector)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b'{"data":[]}', b'{"data":[{}]}', b'{"data":[{"embedding":[]}]}',
        b'{"data":[{"embedding":[0,0]}]}', b'{"data":[{"embedding":"AAAA"}]}', b'{"data":[{"embedding":[1e999]}]}',
        b'{"data":[{"embedding":[1]},{"embedding":[1]}]}',
        msgspec.json.encode({"data": [{"embedding": [1.0] * (DIMENSIONS_MAX + 1)}]}),
    ],
)  # fmt: skip
def test_what_holds_no_single_vector_is_none(body: bytes):
    assert read_vector(body) is None


def test_an_upstream_embeds_with_the_operators_key_that_is_here_or_that_its_workers_have(tmp_path: Path):
    told = [
        {"name": "openai", "base_url": "http://a", "dialect": "openai", "provider": "openai", "api_key_env": "KEY"},
        {"name": "here", "base_url": "http://a", "dialect": "openai", "provider": "here"},
        {"name": "talks", "base_url": "http://a", "dialect": "openai", "provider": "t", "speaks": ["openai-chat"]},
        {"name": "anthropic", "base_url": "http://a", "dialect": "anthropic", "provider": "anthropic"},
        {"name": "bedrock", "base_url": "http://a", "dialect": "bedrock", "provider": "aws",
         "api_key_env": "AWS_ACCESS_KEY_ID"},
    ]  # fmt: skip
    why = why_no_embeddings(told, {"AWS_ACCESS_KEY_ID": "id"}, tmp_path)
    assert why("here") == ""
    assert "set KEY where" in why("openai")
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in why("bedrock")
    for name in ("talks", "anthropic"):
        assert "no embeddings" in why(name)
    assert "there are anthropic, bedrock, here, openai, talks" in why("nowhere")
    (tmp_path / "metrics-0.json").write_bytes(msgspec.json.encode([[[HAS_KEY, "upstream=openai"], 1]]))
    assert why("openai") == ""
    given = why_no_embeddings(told, {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "s", "KEY": "k"}, tmp_path)
    assert [given(name) for name in ("openai", "bedrock")] == ["", ""]
