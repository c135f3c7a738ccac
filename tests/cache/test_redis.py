"""Answers of several nodes in a real Redis: shared, gone in the middle, and back."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.world import free_port

from bursar.cache import redis_store
from bursar.cache.answers import EXPIRE_EVERY_US, SWEEP_AFTER_US, Answers
from bursar.cache.entry import Box, Entry
from bursar.cache.flights import Flights
from bursar.cache.memory import Memory
from bursar.cache.redis_store import CONNECTIONS_MAX, RedisStore
from bursar.domain.clock import FixedClock, SystemClock

SECRET, KEY = b"s" * 32, b"k" * 24


def start(port: int, directory: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory),
         "--requirepass", "hidden"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return process
        except OSError:
            assert time.monotonic() < deadline, "redis-server did not start"
            time.sleep(0.02)


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(redis_store, "TIMEOUT_S", 10.0)  # a busy machine is slower than a Redis may be
    port = free_port()
    process = start(port, tmp_path)
    yield port
    process.kill()
    process.wait()


def node(port: int, directory: Path) -> Answers:
    store = RedisStore(f"redis://127.0.0.1:{port}/0", "hidden")
    return Answers(Box(SECRET), Memory(10**6), Flights(directory / "flights"), SystemClock(), store)


def entry() -> Entry:
    now_us = SystemClock().now_us()
    return Entry(now_us, now_us + 60_000_000, 200, b"application/json", False, b"{}", "openai", "m", "stop", "ok", 1)


async def eventually(answers: Answers) -> Entry | None:
    for _ in range(100):
        found = await answers.find(KEY, None, 0.1, leads=False)
        if found.entry is not None:
            return found.entry
        await asyncio.sleep(0.02)
    return None


def test_what_one_node_keeps_another_finds(port: int, tmp_path: Path):
    async def go() -> None:
        one, other = node(port, tmp_path / "one"), node(port, tmp_path / "other")
        made = entry()
        one.keep(KEY, made, None)
        assert await eventually(other) == made
        assert other.shared is not None
        await other.shared.put(KEY, b"forged", made.created_us, made.expires_us)
        third = node(port, tmp_path / "third")
        assert (await third.find(KEY, None, 0.1, leads=False)).entry is None  # and removed
        assert await other.shared.get(KEY) is None
        for answers in (one, other, third):
            await answers.close()

    asyncio.run(go())


def test_more_calls_at_once_than_connections_are_all_answered(port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(redis_store, "TIMEOUT_S", 10.0)  # a busy machine is no fault here

    async def go() -> None:
        store = RedisStore(f"redis://127.0.0.1:{port}/0", "hidden")
        now_us = SystemClock().now_us()
        await store.put(KEY, b"kept", now_us, now_us + 60_000_000)
        found = await asyncio.gather(*(store.get(KEY) for _ in range(3 * CONNECTIONS_MAX)))
        assert (found, store.faults) == ([b"kept"] * 3 * CONNECTIONS_MAX, 0)
        await store.close()

    asyncio.run(go())


def test_a_redis_that_is_gone_costs_a_moment_once_and_is_found_again(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(redis_store, "REST_S", 0.3)

    async def go() -> None:
        dead = node(free_port(), tmp_path / "dead")
        started = time.monotonic()
        for _ in range(50):
            found = await dead.find(KEY, None, 0.1, leads=True)
            assert found.lead is not None
            dead.keep(KEY, entry(), found.lead)
            assert (await dead.find(KEY, None, 0.1, leads=True)).entry is not None  # at hand all the same
            dead._memory.remove(KEY)
        took_s = time.monotonic() - started
        assert took_s < 20
        assert dead.shared is not None
        assert 1 <= dead.shared.faults <= 4 + 3 * took_s / 0.3  # it isn't asked while it rests
        await dead.close()
        wrong = Answers(
            Box(SECRET), Memory(10**6), Flights(tmp_path / "w"), SystemClock(),
            RedisStore(f"redis://127.0.0.1:{port}/0", "no"),
        )  # fmt: skip
        assert (await wrong.find(KEY, None, 0.1, leads=False)).entry is None
        await wrong.close()

    asyncio.run(go())


def test_what_was_cleared_leaves_redis_and_nothing_else_does(port: int, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(redis_store, "TIMEOUT_S", 10.0)
    monkeypatch.setattr(redis_store, "SCAN_KEYS", 20)  # several steps
    gone, live, other_site = b"gone-one", b"live-one", b"other-si"

    async def go() -> None:
        store = RedisStore(f"redis://127.0.0.1:{port}/0", "hidden")
        now_us = SystemClock().now_us()
        keys = [space + bytes([number]) * 24 for space in (gone, live, other_site) for number in range(100)]
        for key in keys:
            await store.put(key, b"kept", now_us, now_us + 60_000_000)
        assert await store.sweep(frozenset({live}), frozenset({gone}))
        found = [await store.get(key) for key in keys]
        assert found == [None] * 100 + [b"kept"] * 200
        assert await store.sweep(frozenset({live}), frozenset())
        await store.close()
        dead = RedisStore(f"redis://127.0.0.1:{free_port()}/0")
        assert not await dead.sweep(frozenset({live}), frozenset({gone}))  # it is tried again
        await dead.close()

    asyncio.run(go())


def test_while_redis_is_down_a_clearing_holds_and_is_made_good_later(port: int, tmp_path: Path, monkeypatch):
    """Nobody meets what was cleared, since no key leads to it; when Redis is back it is removed there."""
    monkeypatch.setattr(redis_store, "REST_S", 0.0)
    gone, live = b"gone-one", b"live-one"

    async def go() -> None:
        clock = FixedClock(SystemClock().now_us())
        store = RedisStore(f"redis://127.0.0.1:{port}/0", "hidden")
        of = Answers(Box(SECRET), Memory(10**6), Flights(tmp_path / "flights"), clock, store)
        of.use(frozenset({gone, live}))
        of.keep(gone + KEY, entry(), None)
        await asyncio.gather(*of._writes)
        assert await store.get(gone + KEY) is not None
        asked, store._asked = store._asked, never  # it is down

        of.use(frozenset({live}))
        clock.at_us += SWEEP_AFTER_US
        of.look()
        await asyncio.gather(*of._writes)
        store._asked = asked  # and back
        assert await store.get(gone + KEY) is not None
        clock.at_us += EXPIRE_EVERY_US
        of.look()
        await asyncio.gather(*of._writes)
        assert await store.get(gone + KEY) is None
        await of.close()

    async def never(command: object, timeout_s: float) -> None:
        return None

    asyncio.run(go())
