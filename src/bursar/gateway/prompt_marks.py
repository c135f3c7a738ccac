"""Marks for the provider's prompt cache on the call's way: set just before an attempt is sent, judged by its bill.

What is marked is the attempt's own bytes; the call's stay as they are, for an attempt that goes elsewhere.
"""

from bursar.domain.charge import Operation
from bursar.domain.errors import BursarError
from bursar.gateway.call import Attempt, Call, Worker
from bursar.gateway.meter import Metered
from bursar.gateway.prompt_cache.caching import CallOf, Ruled
from bursar.gateway.prompt_cache.prices import cache_prices
from bursar.gateway.retry_after import REFUSAL_BYTES_MAX
from bursar.gateway.upstream_reply import Reply

MARKED_HEADER = b"x-bursar-prompt-cache"
REFUSED_STATUSES = frozenset({400, 422})


def marked_body(worker: Worker, call: Call, attempt: Attempt) -> bytes:
    """What the attempt sends: the call's body, with marks where a rule wants them and they are likely to pay."""
    seen, facts, asked = call.cache_case, call.facts, call.asked
    if seen is None or call.dialect.operation != Operation.CHAT:
        return call.body
    seen.model, seen.provider = asked.model, call.route.provider
    rule = worker.cache_table.find(seen)
    if rule is None or rule.terms.prompt is None:
        return call.body
    sheet = worker.meter.sheet(call.route.provider, asked.model, asked.model, asked.tier, "", attempt.dispatched_us, 0)
    marked = worker.prompt_caches.mark(
        CallOf(
            dialect=call.dialect.name,
            model=asked.model,
            provider=call.route.provider,
            account=f"{call.route.name}\0{call.cache_owner}",
            credential_id=facts.credential_id,
            feature=facts.attribution.feature,
            request_type=facts.attribution.request_type,
            client=facts.client,
        ),
        Ruled(rule.rule_id, rule.terms.prompt, None if sheet is None else cache_prices(sheet)),
        call.body,
        attempt.dispatched_us,
    )
    call.notes = [note for note in call.notes if note[0] != MARKED_HEADER]
    if marked is None:
        return call.body
    call.notes.append((MARKED_HEADER, marked.note.encode()))
    attempt.ticket, attempt.marked_by, attempt.mark = marked.ticket, rule.rule_id, marked.note
    return marked.body


async def refuses_mark(worker: Worker, call: Call, attempt: Attempt, reply: Reply) -> bool:
    """Whether the provider refused the call for what we added to it, and names it: it isn't added there any more.

    Some that speak a dialect don't know all of it. The client's own request may be a good one: it goes out as it came.
    """
    mark = attempt.mark.encode()
    if reply.status not in REFUSED_STATUSES or not mark or mark in call.body:
        return False
    if reply.content is None:
        try:
            reply.content = await reply.body(REFUSAL_BYTES_MAX)
        except BursarError:  # whoever reads it for the client meets the same
            return False
    if mark not in reply.content:
        return False
    worker.prompt_caches.watch.refuse(attempt.marked_by, call.asked.model, attempt.mark, worker.clock.now_us())
    return True


def marks_ended(worker: Worker, attempt: Attempt, metered: Metered, *, was_answered: bool) -> None:
    """What the attempt's marks came to. One that was refused, or never heard of, paid nothing that is known."""
    ticket, attempt.ticket = attempt.ticket, None
    if ticket is None:
        return
    if was_answered and metered.usage.total_input:
        worker.prompt_caches.billed(ticket, metered.usage, worker.clock.now_us())
    else:
        worker.prompt_caches.unbilled(ticket)
