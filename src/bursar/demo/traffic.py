"""Live traffic for the demo against the gateway's real port, plain and streamed, tagged: the company's own pace, or
as many calls a second as are asked for."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from bursar.domain.clock import SystemClock
from bursar.simulate.billing import cost_pico, load_models
from bursar.simulate.client import Reply, post
from bursar.simulate.generate import DAY_US, Event, events
from bursar.simulate.request import to_request

POOL_CALLS = 20_000  # a day's events to draw from; after that they come again
DEAR_PICO = 500_000_000  # $0.0005: dearer calls are drawn as much more rarely, so that today isn't all live traffic
SEARCH_SHARE = 0.4  # of the search team's calls, of which there are so many that little else would be seen
STREAM_SHARE = 0.25  # at least so many chats are streamed
PLANTED_ONCE = ("retry-loop", "unpriced")
KEY_DEFAULT = "sk-demo-0123456789abcdef"
IN_FLIGHT_MAX = 64
LATE_MAX_US = 60_000_000  # calls that are due longer (the machine slept) aren't made up for

Source = Callable[[int], Iterator[Event]]
"""Events in order of time from a moment on; `at_us` is when each is due."""


class TrafficTotals(msgspec.Struct):
    """What the clients saw."""

    calls: int = 0
    answered: int = 0  # any status
    ok: int = 0  # 2xx
    statuses: dict[int, int] = {}


async def traffic(
    base_url: str,
    source: Source,
    *,
    until: asyncio.Event,
    key_of: Callable[[str], str] = lambda team: KEY_DEFAULT,
    label: str = "live",
) -> TrafficTotals:
    """Make a source's calls when they are due until the event is set or none is left, then wait for the answers.

    key_of: the key that a team ("" for none) comes with.
    """
    clock = SystemClock()
    calls = source(clock.now_us())
    totals = TrafficTotals()
    under_way: set[asyncio.Task[None]] = set()

    async def one(event: Event) -> None:
        ready = to_request(event, key=key_of(event.team), label=label)
        _count(totals, await post(base_url, ready.path, ready.headers, ready.body))

    # a source draws a whole day's calls at a time, which the loop mustn't wait for
    while not until.is_set() and (event := await asyncio.to_thread(next, calls, None)) is not None:
        now_us = clock.now_us()
        await _pause(until, (event.at_us - now_us) / 1e6)
        if until.is_set() or now_us - event.at_us > LATE_MAX_US or len(under_way) >= IN_FLIGHT_MAX:
            continue
        task = asyncio.create_task(one(event))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    if under_way:
        await asyncio.gather(*under_way)
    return totals


def at_its_own_pace(seed: int, calls_per_day: float) -> Source:
    """The history goes on: the same hours, weekdays and sizes."""

    def source(now_us: int) -> Iterator[Event]:
        from_us = now_us
        while True:
            yield from events(seed, from_us, from_us + DAY_US, calls_per_day)
            from_us += DAY_US

    return source


def at_a_rate(seed: int, rate: float) -> Source:
    """rate: calls per second on average; the gaps between them are exponential."""

    def source(now_us: int) -> Iterator[Event]:
        rng = random.Random(seed)  # noqa: S311 (seeded, so that a run can be replayed)
        pool, at_us, number = draw_pool(seed, now_us, rng), now_us, 0
        while pool:
            at_us += round(rng.expovariate(rate) * 1_000_000)
            yield pool[number % len(pool)]._replace(at_us=at_us)
            number += 1

    return source


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


def added(one: TrafficTotals, other: TrafficTotals) -> TrafficTotals:
    """Both together."""
    statuses = dict(Counter(one.statuses) + Counter(other.statuses))
    return TrafficTotals(one.calls + other.calls, one.answered + other.answered, one.ok + other.ok, statuses)


async def _pause(until: asyncio.Event, seconds: float) -> None:
    if seconds <= 0:
        return
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
