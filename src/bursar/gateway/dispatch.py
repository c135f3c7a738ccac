"""Attempts at the upstream: the one place that decides whether there is another one (law 6).

An attempt follows another only if the first one can't have been billed: the connection was never made, or the
provider itself said that it failed. After a time-out or a broken connection the request may have been billed, so the
client hears of it instead, unless its route says otherwise. Where it goes next: `turns.py`.
"""

import asyncio
import random
from collections.abc import Awaitable

from bursar.domain.charge import Outcome
from bursar.domain.errors import BursarError, UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from bursar.domain.ids import attempt_id
from bursar.gateway.bound import bound_there, output_limit
from bursar.gateway.call import Attempt, Call, Way, Worker
from bursar.gateway.client import Client
from bursar.gateway.hedge import Steps, hedges, send_hedged
from bursar.gateway.meter import not_billed, unanswered
from bursar.gateway.prompt_marks import marked_body, refuses_mark
from bursar.gateway.retry_after import REFUSAL_BYTES_MAX, RETRIED_STATUSES, wait_before_retry_s
from bursar.gateway.retry_cap import RetryHold
from bursar.gateway.settle import settle
from bursar.gateway.turns import ELSEWHERE_STATUSES, may_follow, next_way, note_answer, note_error, receipt_of, turn
from bursar.gateway.upstream import Reply
from bursar.providers.base import read_reply
from bursar.spool.records import Dispatched

RETRY_NOTE = (b"x-bursar-retry", b"not made: retries have cost as much as gateway.retry_usd_per_hour_max allows")
NO_REGION = ""  # the dialects served so far have none that is known before the answer
BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 4.0


async def dispatch(worker: Worker, call: Call, client: Client) -> tuple[Attempt, Reply]:
    """Send the call, again if that is allowed, and return the attempt whose answer goes to the client.

    Raises UpstreamUnreachable, UpstreamBroken or UpstreamTimeout when there is no answer; the attempts are settled.
    """
    cause = ""
    number = 0
    retried: RetryHold | None = None
    while True:
        number += 1
        attempt = begin(worker, call, number, cause)
        attempt.retried, call.retried = retried, None
        if call.routing is not None:
            call.route.health.begin(attempt.dispatched_us)
        is_last = number >= call.attempts_max or client.gone or costs_too_much(worker, call, attempt)
        try:
            if hedges(call, number) and not is_last:
                attempt, found = await send_hedged(worker, call, attempt, client, STEPS)
                number = len(call.attempts)
                is_last = number >= call.attempts_max
                if isinstance(found, BursarError):
                    raise found
                reply = found
            else:
                reply = await send(worker, call, attempt)
        except BursarError as error:
            if call.routing is not None:
                note_error(worker, call, error)
            follows = not is_last and has_time(worker, call, number) and may_follow(call, error)
            way = next_way(worker, call) if follows else None
            if follows and (retried := await within_the_caps(worker, call, attempt, way, error)):
                settle_failed(worker, call, attempt, error, client, final=False)
                cause = "connect" if isinstance(error, UpstreamUnreachable) else error.code
                if way is None:
                    await asyncio.sleep(backoff_s(number))
                else:
                    turn(worker, call, way)
                continue
            settle_failed(worker, call, attempt, error, client, final=True)
            error.headers.update({name.decode(): value.decode() for name, value in call.notes if name == RETRY_NOTE[0]})
            raise
        except asyncio.CancelledError:
            if call.routing is not None:
                call.route.health.left()
            raise
        attempt.first_byte_us = reply.first_byte_us
        if call.routing is not None:
            note_answer(worker, call, attempt, reply)
            way = next_way(worker, call) if reply.status in ELSEWHERE_STATUSES and not is_last else None
            if way is not None and (retried := await within_the_caps(worker, call, attempt, way)):
                cause = await settle_refused_by_provider(worker, call, attempt, reply)
                turn(worker, call, way)
                continue
        if reply.status >= 400:
            wait_s = await wait_before_again_s(worker, call, attempt, reply, is_last=is_last)
            in_time = wait_s is not None and has_time(worker, call, number, wait_s)
            if wait_s is not None and in_time and (retried := await within_the_caps(worker, call, attempt, None)):
                cause = await settle_refused_by_provider(worker, call, attempt, reply)
                await asyncio.sleep(wait_s)
                continue
        return attempt, reply


async def wait_before_again_s(
    worker: Worker, call: Call, attempt: Attempt, reply: Reply, *, is_last: bool
) -> float | None:
    """How long to wait before a refused call goes to the same upstream again; None: it doesn't. Not at all where only
    what we added to it was refused, which it goes without from now on."""
    was_our_mark = bool(attempt.mark) and await refuses_mark(worker, call, attempt, reply)
    if is_last:
        return None
    if was_our_mark:
        return 0.0
    if reply.status not in RETRIED_STATUSES or not has_time(worker, call, attempt.number):
        return None
    return await wait_before_retry_s(reply, backoff_s(attempt.number))


def begin(worker: Worker, call: Call, number: int, cause: str) -> Attempt:
    """Write the attempt to the journal: from here on it can't be lost, whatever happens to this process."""
    asked, route, recorder = call.asked, call.route, worker.recorder
    now_us = worker.clock.now_us()
    bound = call.bound
    attempt = Attempt(attempt_id(call.facts.call_id, number), number, now_us, bound.pico, bound.sku_price_id)
    attempt.dispatched = recorder.write(
        Dispatched(
            recorder.next_seq(),
            attempt.attempt_id,
            number,
            now_us,
            route.provider,
            route.name,
            asked.model,
            NO_REGION,
            asked.tier,
            cause,
            bound.pico,
            bound.sku_price_id,
            call.facts,
            call.receipt if call.routing is None else receipt_of(call.routing),
        )
    )
    call.attempts.append(attempt)
    return attempt


def send(worker: Worker, call: Call, attempt: Attempt) -> Awaitable[Reply]:
    """One request on one connection; back when the answer's head is there, or all of a plain answer."""
    timeout_s = worker.settings.first_byte_timeout_s
    if call.routing is not None and call.routing.rule.first_byte_timeout_s is not None:
        timeout_s = min(timeout_s, call.routing.rule.first_byte_timeout_s)
    left_s = (call.deadline_us - attempt.dispatched_us) / 1_000_000
    signer, body = call.route.signer, call.body
    if call.cache_case is not None:
        body = marked_body(worker, call, attempt)
    return call.route.pool.send(
        call.head if signer is None else signer.sign(call.head, body, attempt.dispatched_us),
        body,
        first_byte_timeout_s=min(timeout_s, left_s),
        whole=not call.asked.stream,
    )


def settle_failed(
    worker: Worker, call: Call, attempt: Attempt, error: BursarError, client: Client, *, final: bool
) -> None:
    """No answer came. Nothing was sent: nothing is billed. It was sent: it may be billed, so its bound is assumed."""
    sent = isinstance(error, UpstreamBroken | UpstreamTimeout)
    outcome = Outcome.TIMEOUT if isinstance(error, UpstreamTimeout) else Outcome.PROVIDER_ERROR
    metered = unanswered(attempt.bound_pico, attempt.sku_price_id) if sent else not_billed()
    settle(
        worker,
        call,
        attempt,
        metered,
        outcome,
        error_code=error.code,
        final=final,
        call_outcome=Outcome.ABORTED if client.gone else outcome,
        client_status=0 if client.gone or not final else error.status,
    )


async def settle_refused_by_provider(worker: Worker, call: Call, attempt: Attempt, reply: Reply) -> str:
    """The provider said that it failed: read its reason, settle at nothing, return the cause of the next attempt."""
    try:
        body = reply.content if reply.content is not None else await reply.body(REFUSAL_BYTES_MAX)
    except BursarError:
        body = b""
    finally:
        reply.close()
    answer = read_reply(call.dialect, body, reply.status, reply.headers)
    settle(
        worker,
        call,
        attempt,
        not_billed(),
        Outcome.PROVIDER_ERROR,
        answer=answer,
        http_status=reply.status,
        response_bytes=len(body),
        final=False,
    )
    return f"status_{reply.status}"


def costs_too_much(worker: Worker, call: Call, attempt: Attempt) -> bool:
    """Whether another attempt could bring what this call's retries cost at most above `gateway.retry_usd_max`.

    A bound that isn't known can't be added up: then the number of attempts is the only cap.
    """
    if attempt.bound_pico is None:
        return False
    if attempt.number == 1:
        return attempt.bound_pico > worker.retry_pico_max
    retried = sum(earlier.bound_pico or 0 for earlier in call.attempts[1:])
    return retried + attempt.bound_pico > worker.retry_pico_max


async def within_the_caps(
    worker: Worker, call: Call, failed: Attempt, way: Way | None, error: BursarError | None = None
) -> RetryHold | None:
    """A place in the hour's cap on retries (`gateway.retry_usd_per_hour_max`); None, and said in the answer, if it is
    full. None too where the upstream that it would go to is so dear that `gateway.retry_usd_max` forbids it."""
    if failed.retried is not None and not isinstance(error, UpstreamBroken | UpstreamTimeout):  # it wasn't billed
        worker.retry_cap.end(failed.retried, 0)
        failed.retried = None
    pico = call.bound.pico
    if way is not None:
        pico = bound_there(worker, call, way, output_limit(worker, call), call.facts.received_us).pico
        if (pico or 0) + sum(earlier.bound_pico or 0 for earlier in call.attempts[1:]) > worker.retry_pico_max:
            return None
    call.retried = hold = await worker.retry_cap.begin(call.facts, pico, worker.clock.now_us())
    if hold is None:
        call.notes = [*call.notes, RETRY_NOTE]
    return hold


def has_time(worker: Worker, call: Call, number: int, wait_s: float = 0.0) -> bool:
    """Whether the call's one deadline leaves room for the wait and another attempt."""
    needed_s = max(wait_s, backoff_s(number)) + backoff_s(number)
    return worker.clock.now_us() + int(needed_s * 1_000_000) < call.deadline_us


def backoff_s(number: int) -> float:
    """Exponential, with full jitter on its upper half."""
    return min(BACKOFF_MAX_S, BACKOFF_FIRST_S * float(2 ** (number - 1))) * random.uniform(0.5, 1.0)  # noqa: S311


def settle_hedged(worker: Worker, call: Call, attempt: Attempt, error: BursarError, client: Client) -> None:
    """One of two attempts failed, while the other is under way."""
    settle_failed(worker, call, attempt, error, client, final=False)


STEPS = Steps(begin, send, within_the_caps, settle_hedged, settle_refused_by_provider)
