"""A second attempt beside a slow first one: the answer that comes first wins, the other is cancelled and still has its
row, at what it reported if it did, else `assumed` at its bound: its provider may bill it.

Who begins, sends and settles an attempt is passed in by `dispatch`, which also holds the caps.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from bursar.domain.charge import Outcome
from bursar.domain.errors import BursarError
from bursar.gateway.call import Attempt, Call, Way, Worker
from bursar.gateway.client import Client
from bursar.gateway.meter import not_billed, unanswered
from bursar.gateway.relay import meter, outcome_of
from bursar.gateway.retry_cap import RetryHold
from bursar.gateway.settle import NO_ANSWER, settle
from bursar.gateway.turns import ELSEWHERE_STATUSES, next_way, note_answer, note_error, turn
from bursar.gateway.upstream import Reply
from bursar.providers.base import read_reply

CAUSE = "hedge"
LOST = "hedge_lost"

SHARED = frozenset(
    {"facts", "dropped_note", "deadline_us", "attempts_max", "holding", "cost_pico", "marks", "attempts", "routing",
     "taken", "retried", "first"}
)  # fmt: skip
PLACE = tuple(name for name in Call.__struct_fields__ if name not in SHARED)
"""What of a call is about the place where an attempt of it goes."""

Outcomes = Reply | BursarError


class Steps(NamedTuple):
    """What `dispatch` does with an attempt."""

    begin: Callable[[Worker, Call, int, str], Attempt]
    send: Callable[[Worker, Call, Attempt], Awaitable[Reply]]
    within_the_caps: Callable[[Worker, Call, Attempt, Way | None], Awaitable[RetryHold | None]]
    settle_failed: Callable[[Worker, Call, Attempt, BursarError, Client], None]
    settle_refused: Callable[[Worker, Call, Attempt, Reply], Awaitable[str]]


class _Run(NamedTuple):
    """One of the two. there: the call as it is at that place."""

    attempt: Attempt
    there: Call


def hedges(call: Call, number: int) -> bool:
    """Whether a second attempt may come beside this one."""
    return call.routing is not None and call.routing.rule.hedge_after_ms is not None and number == 1


async def send_hedged(
    worker: Worker, call: Call, attempt: Attempt, client: Client, steps: Steps
) -> tuple[Attempt, Outcomes]:
    """Send an attempt, and another one to the next way if no first byte of it comes in time.

    Returns the attempt that counts and how it ended; the call is then at its place. The other one is settled.
    """
    wait_s = (call.routing.rule.hedge_after_ms or 0) / 1_000 if call.routing is not None else 0
    runs: dict[asyncio.Task[Outcomes], _Run] = {}
    runs[_start(steps.send(worker, call, attempt))] = _Run(attempt, msgspec.structs.replace(call))
    try:
        done, _ = await asyncio.wait(runs, timeout=wait_s)
        if not done and not client.gone:
            await _begin_second(worker, call, attempt, steps, runs)
        while True:
            done, _ = await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=lambda one: runs[one].attempt.number):
                outcome = task.result()
                if len(runs) > 1 and not _is_good(outcome):
                    await _drop_failed(worker, call, runs.pop(task), outcome, client, steps)
                    continue
                won = runs.pop(task)
                for other, lost in list(runs.items()):
                    del runs[other]
                    await _end_lost(worker, call, other, lost)
                _put(call, won.there)
                return won.attempt, outcome
    finally:  # none is left, unless the call was cancelled: its caller then lets go of the place that it is at
        for task in runs:
            task.cancel()
        for run in list(runs.values())[:-1]:
            run.there.route.health.left()
        for run in list(runs.values())[-1:]:
            _put(call, run.there)


async def _begin_second(
    worker: Worker, call: Call, attempt: Attempt, steps: Steps, runs: dict[asyncio.Task[Outcomes], _Run]
) -> None:
    way = next_way(worker, call)
    hold = await steps.within_the_caps(worker, call, attempt, way) if way is not None else None
    if way is None or hold is None:
        return
    call.retried = None
    if any(task.done() for task in runs):  # the answer came while the place was asked for
        worker.retry_cap.end(hold, 0)
        return
    call.asked = msgspec.structs.replace(call.asked)  # what is changed in it is about the second place alone
    turn(worker, call, way, stays_too=True)
    second = steps.begin(worker, call, len(call.attempts) + 1, CAUSE)
    second.retried = hold
    call.route.health.begin(second.dispatched_us)
    runs[_start(steps.send(worker, call, second))] = _Run(second, msgspec.structs.replace(call))


def _start(sending: Awaitable[Reply]) -> asyncio.Task[Outcomes]:
    async def run() -> Outcomes:
        try:
            return await sending
        except BursarError as error:
            return error

    return asyncio.ensure_future(run())


def _is_good(outcome: Outcomes) -> bool:
    return isinstance(outcome, Reply) and outcome.status not in ELSEWHERE_STATUSES


async def _drop_failed(worker: Worker, call: Call, run: _Run, outcome: Outcomes, client: Client, steps: Steps) -> None:
    """One of the two failed while the other is under way: that one decides."""
    _put(call, run.there)
    if isinstance(outcome, BursarError):
        note_error(worker, call, outcome)
        steps.settle_failed(worker, call, run.attempt, outcome, client)
    else:
        run.attempt.first_byte_us = outcome.first_byte_us
        note_answer(worker, call, run.attempt, outcome)
        await steps.settle_refused(worker, call, run.attempt, outcome)


async def _end_lost(worker: Worker, call: Call, task: asyncio.Task[Outcomes], run: _Run) -> None:
    """The other one won."""
    _put(call, run.there)
    attempt = run.attempt
    task.cancel()
    found = (await asyncio.gather(task, return_exceptions=True))[0]
    metered, outcome, code, status = unanswered(attempt.bound_pico, attempt.sku_price_id), Outcome.ABORTED, LOST, 0
    answer, size = NO_ANSWER, 0
    if isinstance(found, Reply):  # it came in the same moment
        attempt.first_byte_us, status = found.first_byte_us, found.status
        note_answer(worker, call, attempt, found)
        if found.content is not None:
            answer, size = read_reply(call.dialect, found.content, status, found.headers), len(found.content)
            metered, outcome = meter(worker, call, answer, status, 0), outcome_of(status, answer)
        found.close()
    elif isinstance(found, BursarError):
        note_error(worker, call, found)
        if found.code in ("upstream_unreachable", "overloaded"):  # nothing was sent
            metered, outcome, code = not_billed(), Outcome.PROVIDER_ERROR, found.code
    else:
        call.route.health.left()
    settle(
        worker,
        call,
        attempt,
        metered,
        outcome,
        answer=answer,
        http_status=status,
        error_code=code,
        response_bytes=size,
        final=False,
    )


def _put(call: Call, there: Call) -> None:
    for name in PLACE:
        setattr(call, name, getattr(there, name))
