"""What the workers of a site know of cached contents: their tokens and ends, and what is posted for them in budgets.

Kept in the control store, since whoever makes one and whoever changes it may be different workers. It is what a change
is held and charged by at once; the books work out again what each call really bears, and the console posts the
difference to the budgets (`console/cache_returns.py`).
"""

import msgspec
import structlog

from bursar.domain.errors import JobsUnavailable
from bursar.domain.jobs import CACHE, Held, Job, JobDetail, cache_name, owner_of
from bursar.gateway.call import Attempt, Call, Worker
from bursar.providers.base import Answer
from bursar.providers.values import Kept, KnownCache

log = structlog.get_logger("bursar.gateway")


async def recall_cache(worker: Worker, call: Call) -> None:
    """Look up what is known of the cached content that a call changes."""
    keeps = call.asked.keeps
    if keeps is None or not keeps.cache_id:
        return
    name = cache_name(call.route.provider, keeps.cache_id)
    try:
        job = await worker.jobs.ask(lambda book: book.newest(CACHE, name))
    except JobsUnavailable:  # it goes on, as one that wasn't made through Bursar
        return
    if job is not None:
        keeps.known = KnownCache(job.detail.model, job.detail.tokens, job.detail.until_us)


async def remember_cache(worker: Worker, call: Call, attempt: Attempt, answer: Answer, kept: Kept) -> None:
    """Write down until when it is kept now, and in which budgets how much stands for that. For settled attempts.

    Without the control store the call goes on all the same, and what isn't used isn't given back to budgets.
    """
    if not kept.until_us or not answer.upstream_id:
        return
    facts, holding, keeps = call.facts, call.holding, call.asked.keeps
    scope = facts.scope
    known = keeps.known if keeps is not None else None
    job = Job(
        facts.call_id,
        CACHE,
        call.route.name,
        owner_of(facts.credential_kind, facts.credential_id, (scope.organization, scope.team, scope.project)),
        msgspec.json.encode(facts).decode(),
        JobDetail(
            attempt.attempt_id,
            call.route.provider,
            model=answer.model or (known.model if known is not None else call.asked.model),
            bound_pico=attempt.bound_pico,
            posted_pico=call.cost_pico if holding is not None else 0,
            held=[]
            if holding is None
            else [Held(*part.key, part.window_key, amount) for part, amount in holding.parts],
            tokens=kept.tokens,
            until_us=kept.until_us,
        ),
        facts.received_us,
        upstream_id=cache_name(call.route.provider, answer.upstream_id),
    )
    try:
        await worker.jobs.ask(lambda book: book.begin(job))
    except JobsUnavailable:
        log.error("a cached content isn't known to the other workers", call_id=facts.call_id)
