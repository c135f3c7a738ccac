"""A shipped trace against a gateway, at its own pace or faster: the arrivals and sizes are real, the names made up."""

import asyncio
import random
from collections.abc import Iterator
from itertools import islice

import msgspec

from bursar.domain.usage import Usage
from bursar.simulate.cast import INTERNAL_USERS
from bursar.simulate.client import post
from bursar.simulate.generate import Event
from bursar.simulate.request import to_request
from bursar.simulate.trace import WINDOW_S, Arrival, load_arrivals, load_rates

IN_FLIGHT_MAX = 512
SERVEGEN_SCALE = 0.01  # the tenants make 400 requests a second between them: one in a hundred is enough


class Played(msgspec.Struct, frozen=True):
    """How a trace is dressed: model and wire, and what its calls are tagged with."""

    model: str
    dialect: str
    feature: str
    team: str
    stream: bool


PLAYED = {
    "azure-code": Played("claude-opus-5", "anthropic-messages", "code-completion", "platform", True),
    "azure-conv": Played("gpt-5.4", "openai-chat", "conversation", "support", True),
    "mooncake": Played("claude-sonnet-5", "anthropic-messages", "conversation", "support", True),
    "servegen": Played("gpt-5.4-mini", "openai-responses", "tenant-traffic", "platform", False),
}


class ReplayTotals(msgspec.Struct):
    """What came of it. late_ms_max: the most a call left after its time, since this client was busy."""

    trace: str
    calls: int = 0
    ok: int = 0
    statuses: dict[int, int] = {}
    late_ms_max: int = 0
    seconds: float = 0.0


async def replay(
    trace: str, base_url: str, *, speed: float = 1.0, limit: int | None = None, seed: int = 0, key: str
) -> ReplayTotals:
    """Send the trace's requests when they are due.

    speed: 10 plays an hour in six minutes. limit: the first so many calls.
    """
    totals = ReplayTotals(trace)
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(IN_FLIGHT_MAX)
    start = loop.time()

    async def one(event: Event) -> None:
        ready = to_request(event, key=key, label=trace)
        try:
            reply = await post(base_url, ready.path, ready.headers, ready.body)
        finally:
            gate.release()
        totals.ok += 200 <= reply.status < 300
        totals.statuses[reply.status] = totals.statuses.get(reply.status, 0) + 1

    async with asyncio.TaskGroup() as calls:
        for event in islice(requests(trace, seed), limit):
            due = start + event.at_us / 1_000_000 / speed
            await asyncio.sleep(max(0.0, due - loop.time()))
            await gate.acquire()
            totals.late_ms_max = max(totals.late_ms_max, int((loop.time() - due) * 1000))
            totals.calls += 1
            calls.create_task(one(event))
    totals.seconds = loop.time() - start
    return totals


def requests(trace: str, seed: int = 0) -> Iterator[Event]:
    """The trace as events; `at_us` counts from its start."""
    if trace == "servegen":
        yield from _tenants(seed)
        return
    for number, arrival in enumerate(load_arrivals(trace)):
        yield _event(trace, arrival, "", number)


def _tenants(seed: int) -> Iterator[Event]:
    """Each tenant's requests drawn from its rates, window by window; sizes come from the conversation trace."""
    rng = random.Random(seed)
    sizes = load_arrivals("azure-conv")
    tenants = list(load_rates().values())
    number = 0
    for window in range(len(tenants[0].per_second)):
        due: list[tuple[float, str]] = []
        for tenant in tenants:
            rate = tenant.per_second[window] * SERVEGEN_SCALE
            at_s = rng.expovariate(rate) if rate else WINDOW_S
            while at_s < WINDOW_S:
                due.append((window * WINDOW_S + at_s, tenant.tenant))
                at_s += rng.expovariate(rate)
        for at_s, name in sorted(due):
            yield _event("servegen", rng.choice(sizes)._replace(at_s=at_s), name, number)
            number += 1


def _event(trace: str, arrival: Arrival, customer: str, number: int) -> Event:
    played = PLAYED[trace]
    return Event(
        at_us=int(arrival.at_s * 1_000_000),
        feature=played.feature,
        team=played.team,
        customer=customer,
        plan="",
        environment="production",
        request_type="replay",
        session="",
        agent="",
        user=INTERNAL_USERS[number % len(INTERNAL_USERS)],
        provider="anthropic" if played.dialect.startswith("anthropic") else "openai",
        model=played.model,
        dialect=played.dialect,
        stream=played.stream,
        usage=Usage(
            input=arrival.input_tokens - arrival.cached_tokens,
            cache_read=arrival.cached_tokens,
            output=arrival.output_tokens,
        ),
        ending="ok",
        failed_attempts=(),
        first_byte_ms=0,
        duration_ms=0,
        request=number,
        client_retry=0,
        incident="",
    )
