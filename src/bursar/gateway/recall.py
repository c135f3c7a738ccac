"""A call whose equal was answered before gets that answer: no provider is asked, nothing is held, and its row says so.

Its charge is zero, and known to be: its counterfactual is what the provider would have taken, all of it saved by the
lever `response_cache` but for what the other levers save of that.
"""

import msgspec

from bursar.cache.answers import Found
from bursar.cache.entry import Entry
from bursar.cache.key import Meanings, key_of, meaning_of, provider_headers, tenant_of
from bursar.cache.wishes import Wishes
from bursar.domain.caching import NO_UPSTREAM, CacheRule, ExactCaching
from bursar.domain.charge import Operation, Outcome, Quality
from bursar.domain.hashing import keyed_hash
from bursar.domain.ids import attempt_id
from bursar.domain.savings import Saved
from bursar.domain.usage import Usage
from bursar.gateway.attribute import Attributed
from bursar.gateway.call import Arrival, Attempt, Call, Worker
from bursar.gateway.case import Case
from bursar.gateway.client import Client
from bursar.gateway.decide import case_of
from bursar.gateway.envelope import Envelope
from bursar.gateway.heads import Headers
from bursar.gateway.keep import said_of_cache
from bursar.gateway.keeping import Keeping
from bursar.gateway.meter import Metered
from bursar.gateway.settle import settle
from bursar.gateway.translation import notes_of
from bursar.gateway.turns import receipt_of
from bursar.providers.base import Answer
from bursar.providers.reading import UNREADABLE
from bursar.providers.services import has_request_fee
from bursar.providers.splice import doubled_field
from bursar.spool.records import Dispatched

KEPT_OPERATIONS = frozenset({Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDINGS})
WAIT_S_MAX = 120.0  # for an equal that is under way; then the call asks by itself
STORED = b'"store"'


def cache_rule(
    worker: Worker, call: Call, envelope: Envelope, attributed: Attributed, case: Case | None
) -> CacheRule | None:
    """The rule that decides about the call, as it will be sent; None: none does."""
    call.cache_case = seen = (
        case_of(envelope.credential, attributed.attribution, call.asked, call.facts.operation, len(call.body))
        if case is None
        else msgspec.structs.replace(case)
    )
    seen.model, seen.provider = call.asked.model, call.route.provider
    if envelope.credential.client_secret:  # alone, or beside a Bursar key
        call.cache_owner = keyed_hash(worker.secret, envelope.credential.client_secret)
    return worker.cache_table.find(seen)


async def recall(
    worker: Worker,
    call: Call,
    arrival: Arrival,
    envelope: Envelope,
    attributed: Attributed,
    case: Case | None,
    client: Client,
) -> bool:
    """Answer the call from what is kept; True: it is done. Else it goes on, and what comes of it may be kept."""
    rule = cache_rule(worker, call, envelope, attributed, case)
    exact, wishes = None if rule is None else rule.terms.exact, envelope.wishes
    if exact is None or worker.answers is None or not (wishes.reads or wishes.keeps):
        return False
    key = key_for(worker, call, arrival, envelope, exact)
    if key is None:
        return False
    found = Found()
    if wishes.reads:
        left_s = (call.deadline_us - worker.clock.now_us()) / 1_000_000
        wait_s = max(0.0, min(WAIT_S_MAX, left_s / 2))
        age_s_max = exact.ttl_s if wishes.age_s_max is None else min(exact.ttl_s, wishes.age_s_max)
        found = await worker.answers.find(key, age_s_max, wait_s, leads=wishes.keeps)
    if found.entry is not None:
        await answer_again(worker, call, client, found.entry, wishes)
        return True
    if wishes.keeps:
        ttl_s = exact.ttl_s if wishes.ttl_s is None else min(exact.ttl_s, wishes.ttl_s)
        call.keeping = Keeping(
            worker.answers,
            key,
            ttl_s * 1_000_000,
            exact.entry_bytes_max,
            found.lead,
            call.route.name,
            call.asked.model,
            call.asked.max_output_tokens,
        )
    return False


def key_for(worker: Worker, call: Call, arrival: Arrival, envelope: Envelope, exact: ExactCaching) -> bytes | None:
    """What the call's equals have in common; None: its answer must not be another's."""
    asked, facts, credential = call.asked, call.facts, envelope.credential
    if facts.operation not in KEPT_OPERATIONS or asked.continues:
        return None
    if not exact.with_tools and (asked.tools or asked.reads_more or has_request_fee(call.route.provider, asked.model)):
        return None  # something may be done, or was read that is another by now
    kind = "passthrough" if credential.client_secret else credential.kind  # its own, beside a Bursar key or alone
    tenant = tenant_of(exact.share, credential.scope, credential.id, kind)
    if not tenant:
        return None
    meaning = MEANINGS.of(call.body)
    as_asked = MEANINGS.of(arrival.body) if call.translation is not None else b""
    if meaning is None or as_asked is None:
        return None
    place = f"{call.route.name}\0{facts.dialect}\0{arrival.path}\0{facts.model_asked}\0{asked.model}\0"
    flags = b"%d%d%d" % (asked.stream, call.strips_usage, asked.streams_array)
    return key_of(
        worker.secret,
        tenant,
        credential.client_secret,
        place.encode(),
        flags,
        envelope.query,
        envelope.wishes.namespace,
        provider_headers(envelope.headers, call.route.settings.forward_headers),
        meaning,
        as_asked,
    )


def readable(body: bytes) -> bytes | None:
    """What a body means; None: it is in doubt, or its provider is to keep the answer."""
    try:
        if doubled_field(body):  # which of the two its provider heeds isn't known
            return None
        meaning = meaning_of(body)
        is_stored = STORED in meaning and msgspec.json.decode(meaning).get("store") is True
    except UNREADABLE:
        return None
    return None if is_stored else meaning


MEANINGS = Meanings(readable)


async def answer_again(worker: Worker, call: Call, client: Client, entry: Entry, wishes: Wishes) -> None:
    """The kept answer, in the form it had, and the row that says what it saved."""
    now_us = worker.clock.now_us()
    metered = metered_again(entry)
    attempt = begin_unsent(worker, call, entry, now_us)
    gone = client.gone  # while it waited for its equal
    settle(
        worker,
        call,
        attempt,
        metered,
        Outcome(entry.outcome),
        answer=Answer(model=entry.model_served, finish_reason=entry.finish_reason),
        http_status=entry.status,
        response_bytes=len(entry.body),
        call_outcome=Outcome.ABORTED if gone else None,
        client_status=0 if gone else entry.status,
        client_gone_percent=0 if gone else -1,
    )
    if gone:
        return
    headers: Headers = [(b"content-type", entry.content_type), (b"x-bursar-call-id", call.facts.call_id.encode())]
    headers += call.notes
    if call.translation is not None:
        headers += notes_of(call.translation)
    if call.dropped_note:
        headers.append((b"x-bursar-tags-dropped", call.dropped_note.encode("ascii", "replace")))
    headers += said_of_cache("exact", metered.saved.total, wishes)
    headers += [
        (b"x-bursar-cost-quality", metered.quality.encode()),
        (b"x-bursar-cost", b"0"),
        (b"age", b"%d" % max(0, (now_us - entry.created_us) // 1_000_000)),
    ]
    if not entry.is_stream:
        headers.append((b"content-length", b"%d" % len(entry.body)))
        await client.reply(entry.status, headers, entry.body)
        return
    await client.start(entry.status, headers)
    await client.send(entry.body)
    await client.end()


def begin_unsent(worker: Worker, call: Call, entry: Entry, now_us: int) -> Attempt:
    """The row of an answer that no upstream was asked for: in the journal like every other."""
    recorder, asked = worker.recorder, call.asked
    attempt = Attempt(attempt_id(call.facts.call_id, 1), 1, now_us, 0, entry.sku_price_id, first_byte_us=now_us)
    receipt = call.receipt if call.routing is None else receipt_of(call.routing)
    attempt.dispatched = recorder.write(
        Dispatched(
            recorder.next_seq(), attempt.attempt_id, 1, now_us, entry.provider, NO_UPSTREAM, asked.model, "",
            asked.tier, "", 0, entry.sku_price_id, call.facts, receipt,
        )
    )  # fmt: skip
    call.attempts.append(attempt)
    return attempt


def metered_again(entry: Entry) -> Metered:
    """Nothing was used and nothing is owed; what is not known of the kept answer's price claims no saving."""
    saved = Saved()
    if entry.list_pico is not None:
        saved = msgspec.structs.replace(entry.saved, response_cache=entry.list_pico)
    return Metered(Usage(), [], 0, saved.total, saved.lever, Quality.REPORTED, entry.sku_id, entry.sku_price_id, saved)
