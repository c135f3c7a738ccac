"""Live traffic for the demo: a few calls per second against the gateway's real port, plain and streamed, tagged."""

import asyncio
import random

import msgspec

from bursar.domain.clock import SystemClock
from bursar.simulate.billing import cost_pico, load_models
from bursar.simulate.client import Reply, post
from bursar.simulate.generate import DAY_US, Event, events
from bursar.simulate.request import to_request

RATE_DEFAULT = 4.0
POOL_CALLS = 20_000  # a day's events to draw from; after that they come again
DEAR_PICO = 500_000_000  # $0.0005: dearer calls are drawn as much more rarely, so that today isn't all live traffic
SEARCH_SHARE = 0.4  # of the search team's calls, of which there are so many that little else would be seen
STREAM_SHARE = 0.25  # at least so many chats are streamed
PLANTED_ONCE = ("retry-loop", "unpriced")
KEY_DEFAULT = "sk-demo-0123456789abcdef"
IN_FLIGHT_MAX = 64


class TrafficTotals(msgspec.Struct):
    """What the clients saw."""

    calls: int = 0
    answered: int = 0  # any status
    ok: int = 0  # 2xx
    statuses: dict[int, int] = {}


async def traffic(
    base_url: str,
    *,
    seed: int = 0,
    rate: float = RATE_DEFAULT,
    until: asyncio.Event,
    key: str = KEY_DEFAULT,
    label: str = "live",
) -> TrafficTotals:
    """Call until the event is set, then wait for the answers under way.

    rate: calls per second on average; the gaps between them are exponential.
    """
    clock, rng = SystemClock(), random.Random(seed)  # noqa: S311 (seeded, so that a run can be replayed)
    now_us = clock.now_us()
    pool = await asyncio.to_thread(draw_pool, seed, now_us, rng)
    totals = TrafficTotals()
    under_way: set[asyncio.Task[None]] = set()

    async def one(number: int) -> None:
        ready = to_request(pool[number % len(pool)], key=key, label=label)
        _count(totals, await post(base_url, ready.path, ready.headers, ready.body))

    number = 0
    while pool and not until.is_set():
        if len(under_way) < IN_FLIGHT_MAX:
            task = asyncio.create_task(one(number))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            number += 1
        await _pause(until, rng.expovariate(rate))
    if under_way:
        await asyncio.gather(*under_way)
    return totals


def draw_pool(seed: int, now_us: int, rng: random.Random) -> list[Event]:
    """Today's calls in a random order, at their real sizes.

    Four calls a second are eighty times what the history has, and at the same mix would cost eighty times as much.
    """
    models = load_models()
    pool = []
    for event in events(seed + 1, now_us - DAY_US, now_us, POOL_CALLS):
        if event.incident in PLANTED_ONCE or (event.team == "search" and rng.random() > SEARCH_SHARE):
            continue
        if rng.random() * cost_pico(models[event.model], event.usage) < DEAR_PICO:
            is_chat = event.dialect != "openai-embeddings"
            pool.append(event._replace(stream=event.stream or (is_chat and rng.random() < STREAM_SHARE)))
    rng.shuffle(pool)
    return pool


async def _pause(until: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await until.wait()
    except TimeoutError:
        return


def _count(totals: TrafficTotals, reply: Reply) -> None:
    totals.calls += 1
    totals.answered += reply.status > 0
    totals.ok += 200 <= reply.status < 300
    totals.statuses[reply.status] = totals.statuses.get(reply.status, 0) + 1
