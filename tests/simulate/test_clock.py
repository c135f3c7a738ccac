"""The jumping loop: real sockets, no waiting, the same order each time."""

import asyncio
import json
import time

import pytest

from bursar.simulate import clock as clocks
from bursar.simulate.billing import LogEntry
from bursar.simulate.client import post
from bursar.simulate.clock import JumpingClock, Stuck, run_jumping
from bursar.simulate.generate import DAY_US, events
from bursar.simulate.provider import Options, Provider
from bursar.simulate.request import to_request

HOUR_US = 3_600_000_000


def test_sleeping_takes_no_time_and_keeps_its_order():
    clock = JumpingClock(start_us=0)
    seen: list[tuple[str, int]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, round(clock.now_us() / 1_000_000)))

    async def all_of_them() -> None:
        await asyncio.gather(sleeper("an hour", 3_600), sleeper("a minute", 60), sleeper("a day", 86_400))

    started = time.monotonic()
    run_jumping(all_of_them(), clock)
    assert time.monotonic() - started < 60
    assert seen == [("a minute", 60), ("an hour", 3_600), ("a day", 86_400)]


def an_hour_of_traffic(seed: int) -> tuple[list[LogEntry], int]:
    """A provider and its clients in one loop: paced streams, faults from the seed."""
    clock = JumpingClock()
    options = Options(seed, {"529": 0.1, "cut": 0.1, "slow": 0.1}, delay_ms=700, interval_ms=250)

    async def play() -> list[LogEntry]:
        provider = Provider(options, clock)
        url = f"http://127.0.0.1:{await provider.start()}"
        start_us = clock.now_us() // DAY_US * DAY_US + 10 * HOUR_US
        async with asyncio.TaskGroup() as calls:
            for event in events(seed, start_us, start_us + HOUR_US, 1_000):
                due_s = (event.at_us - start_us) / 1_000_000
                await asyncio.sleep(max(0.0, due_s - clock.monotonic_s()))
                ready = to_request(event, key="sk-test")
                calls.create_task(post(url, ready.path, ready.headers, ready.body))
        await provider.stop()
        return list(provider.bill.entries)

    return run_jumping(play(), clock), clock.passed_us


def test_an_hour_of_paced_traffic_passes_in_seconds_and_is_the_same_again():
    started = time.monotonic()
    entries, passed_us = an_hour_of_traffic(seed=8)
    assert time.monotonic() - started < 60
    assert passed_us > 0.9 * HOUR_US
    assert len(entries) > 20
    assert {entry.fault for entry in entries} >= {"", "529", "cut"}
    assert [(e.seq, e.fault, e.cost_pico) for e in entries] == [
        (e.seq, e.fault, e.cost_pico) for e in an_hour_of_traffic(seed=8)[0]
    ]


def test_prefixes_are_forgotten_when_their_time_is_over():
    clock = JumpingClock()

    async def ask_thrice() -> list[int]:
        provider = Provider(Options(), clock)
        url = f"http://127.0.0.1:{await provider.start()}"
        body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "long " * 2_000}]}).encode()
        for wait_s in (0, 200, 301):
            await asyncio.sleep(wait_s)
            await post(url, "/v1/chat/completions", {"authorization": "Bearer k"}, body)
        await provider.stop()
        return [entry.usage.cache_read for entry in provider.bill.entries]

    first, within, after = run_jumping(ask_thrice(), clock)
    assert first == after == 0
    assert within >= 1_024


def test_a_deadlock_is_said_and_not_waited_for(monkeypatch):
    monkeypatch.setattr(clocks, "IDLE_REAL_S", 0.05)

    async def wait_for_nothing() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        run_jumping(wait_for_nothing(), JumpingClock())
