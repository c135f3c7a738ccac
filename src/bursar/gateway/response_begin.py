"""A response that goes on in the background: written down, so that it is settled at its real usage when it is done."""

import msgspec
import structlog

from bursar.domain.errors import JobsUnavailable
from bursar.domain.jobs import Held, Job, JobDetail, owner_of
from bursar.gateway.call import Attempt, Call, Worker
from bursar.providers.base import Answer
from bursar.providers.batches import RESPONSE
from bursar.providers.openai_responses import RESPONSES

BACKGROUND = b'"background"'
FIRST_LOOK_US = 60 * 1_000_000

log = structlog.get_logger("bursar.gateway")


async def keep_pending(worker: Worker, call: Call, attempt: Attempt, answer: Answer) -> None:
    """Write the job down if the answer goes on without us: one that is queued, or a stream that was cut. For settled
    attempts. Without the control store the call goes on all the same, assumed at its bound for good."""
    if (answer.complete and not answer.is_pending) or not answer.upstream_id:
        return
    if call.dialect.name != RESPONSES.name or BACKGROUND not in call.body:
        return
    facts, holding = call.facts, call.holding
    scope = facts.scope
    posted = call.cost_pico if holding is not None else 0
    job = Job(
        facts.call_id,
        RESPONSE,
        call.route.name,
        owner_of(facts.credential_kind, facts.credential_id, (scope.organization, scope.team, scope.project)),
        msgspec.json.encode(facts).decode(),
        JobDetail(
            attempt.attempt_id,
            call.route.provider,
            model=call.asked.model,
            bound_pico=attempt.bound_pico,
            posted_pico=posted,
            held=[]
            if holding is None
            else [Held(*part.key, part.window_key, amount) for part, amount in holding.parts],
        ),
        facts.received_us,
        0 if has_own_key(call) else facts.received_us + FIRST_LOOK_US,
        upstream_id=answer.upstream_id,
        status=answer.finish_reason or "in_progress",
    )
    try:
        await worker.jobs.ask(lambda book: book.begin(job))
    except JobsUnavailable:
        log.error("a background response will stay assumed at its bound", call_id=facts.call_id)


def has_own_key(call: Call) -> bool:
    """Whether the caller's own provider key went out, which only the caller can use again."""
    key = call.route.api_key
    return not key or key not in call.head
