"""Every attempt's end, exactly once, in the journal, the counters and the memory of recent calls."""

import msgspec
import structlog

from bursar.domain.charge import Outcome
from bursar.domain.errors import BursarError
from bursar.gateway.call import Arrival, Attempt, Call, Worker
from bursar.gateway.client import Client, with_length
from bursar.gateway.decide import tokens_used
from bursar.gateway.meter import Metered, unanswered
from bursar.gateway.prompt_marks import marks_ended
from bursar.providers.base import Answer, error_headers
from bursar.providers.values import Kept
from bursar.spool.records import CallFacts, Ended, Settled

log = structlog.get_logger("bursar.gateway")

NO_ANSWER = Answer()
ANSWERED = (Outcome.OK, Outcome.TRUNCATED)


def settle(
    worker: Worker,
    call: Call,
    attempt: Attempt,
    metered: Metered,
    outcome: Outcome,
    *,
    answer: Answer = NO_ANSWER,
    http_status: int = 0,
    error_code: str = "",
    response_bytes: int = 0,
    final: bool = True,
    call_outcome: Outcome | None = None,
    client_status: int = 0,
    client_gone_percent: int = -1,
) -> None:
    """Write the attempt's end. A second call for the same attempt is a mistake of ours and changes nothing.

    call_outcome: how the call ended, where that isn't how its attempt did. The other fields: `Settled`.
    """
    if not attempt.is_open:
        return
    attempt.is_open = False
    if attempt.ticket is not None:
        marks_ended(worker, attempt, metered, was_answered=outcome in ANSWERED or outcome is Outcome.ABORTED)
    cost_pico = (attempt.bound_pico or 0) if metered.list_pico is None else metered.list_pico
    call.cost_pico += cost_pico
    if attempt.retried is not None:
        worker.retry_cap.end(attempt.retried, cost_pico)
    if final and call.holding is not None:  # before the client hears the end: its next call finds the hold freed
        worker.budgeting.settle(call.holding, call.cost_pico)
    if final and call.first is not None:
        worker.firsts.leave(call.first, was_answered=outcome in ANSWERED)
    facts = call.facts
    model = answer.model
    record = Settled(
        attempt.attempt_id,
        attempt.first_byte_us,
        worker.clock.now_us(),
        http_status,
        outcome,
        metered.quality,
        error_code or answer.error_code,
        answer.finish_reason,
        model,
        answer.tier,
        answer.upstream_id,
        metered.usage,
        metered.lines,
        metered.list_pico,
        metered.counterfactual_pico,
        metered.lever,
        metered.sku_id,
        metered.sku_price_id,
        answer.cost_pico,
        response_bytes,
        final,
        call_outcome or outcome,
        client_status,
        client_gone_percent,
        metered.saved,
    )
    if answer.kept is not None:
        record = as_kept(record, answer.kept, price_is_guess=metered.price_is_guess)
    settled = worker.recorder.write(record)
    if call.marks is not None:
        worker.loops.ended(
            call.marks,
            facts,
            call_outcome or outcome,
            http_status,
            record.error_code,
            metered.list_pico,
            attempt.number,
            final,
            record.ended_us,
        )
    if call.taken is not None:
        call.taken.add_tokens(tokens_used(record, len(call.body)), record.ended_us)
    worker.recent.add(attempt.attempt_id, attempt.dispatched, settled)
    worker.metrics.settled(record, call.route.provider, facts.dialect, model or facts.model_asked, facts.received_us)


def as_kept(record: Settled, kept: Kept, *, price_is_guess: bool) -> Settled:
    """With what it says of a cached content's time; a deletion is when we hear of it."""
    return msgspec.structs.replace(
        record,
        kept_from_us=kept.from_us,
        kept_until_us=kept.until_us or record.ended_us,
        price_is_guess=price_is_guess,
    )


def settle_lost(worker: Worker, call: Call) -> None:
    """Whatever is still open when a call leaves the pipeline: a cancelled task, a mistake of ours. Its bound counts."""
    if call.marks is not None and not call.attempts:
        worker.loops.unsent(call.marks)
    for attempt in call.attempts:
        if attempt.is_open:
            metered = unanswered(attempt.bound_pico, attempt.sku_price_id)
            settle(worker, call, attempt, metered, Outcome.ABORTED, error_code="worker_stopped")
    if call.first is not None:
        worker.firsts.leave(call.first)
    if call.retried is not None:  # it went away between two attempts
        worker.retry_cap.end(call.retried, 0)
    if call.holding is not None:  # nothing was sent, or what was is settled
        worker.budgeting.settle(call.holding, call.cost_pico)


def end_unsent(worker: Worker, arrival: Arrival) -> None:
    """The client left before its request was whole."""
    end_without_attempt(worker, arrival, Outcome.ABORTED, "client_gone", 0)


async def refuse(worker: Worker, arrival: Arrival, client: Client, error: BursarError, *, was_sent: bool) -> None:
    """Answer with the error in the caller's own dialect. A call that was never sent gets its row here."""
    if not was_sent:
        outcome = Outcome.REFUSED if error.status != 400 else Outcome.CLIENT_ERROR
        end_without_attempt(worker, arrival, outcome, error.code, error.status)
    if client.started:
        return
    body = arrival.dialect.error(error, arrival.call_id)
    headers = [
        (b"content-type", b"application/json"),
        (b"x-bursar-call-id", arrival.call_id.encode()),
        (b"x-bursar-error", error.code.encode()),
        (b"x-should-retry", b"true" if error.retry else b"false"),
    ]
    headers += error_headers(arrival.dialect, error)
    headers += [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in error.headers.items()]
    await client.reply(error.status, with_length(headers, len(body)), body)


def end_without_attempt(
    worker: Worker, arrival: Arrival, outcome: Outcome, error_code: str, client_status: int
) -> None:
    """A call without any attempt. Without a known key there is nobody to show it to: it is only counted."""
    if error_code:
        worker.metrics.count("bursar_refused_total", "code=" + error_code)
    envelope = arrival.envelope
    if envelope is None:
        return
    facts = CallFacts(
        arrival.call_id,
        arrival.received_us,
        arrival.dialect.name,
        arrival.dialect.operation,
        envelope.credential.scope,
        envelope.credential.id,
        envelope.credential.kind,
        arrival.asked.model if arrival.asked else "",
        arrival.asked.stream if arrival.asked else False,
        len(arrival.body),
        "",
        envelope.attributed.attribution,
        envelope.attributed.tags_dropped,
        envelope.client,
        envelope.client_retry,
    )
    record = Ended(worker.clock.now_us(), outcome, error_code, client_status, facts)
    worker.recent.add(facts.call_id, worker.recorder.write(record))
    worker.metrics.count("bursar_calls_total", f"dialect={arrival.dialect.name}", f"outcome={outcome}")
