"""A call whose equal was answered before gets that answer: no provider is asked, nothing is held, and its row says so.

Its charge is zero, and known to be: its counterfactual is what the provider would have taken, all of it saved by the
lever `response_cache` but for what the other levers save of that.
"""

import msgspec

from bursar.cache.answers import Answers, Found
from bursar.cache.entry import Entry
from bursar.cache.flights import Lead
from bursar.cache.key import Meanings, key_of, meaning_of, provider_headers, space_of, tenant_of
from bursar.cache.wishes import Wishes
from bursar.domain.caching import NO_UPSTREAM, CacheRule, ExactCaching, SemanticCaching
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
from bursar.gateway.identify import kind_of_key
from bursar.gateway.keep import said_of_cache
from bursar.gateway.keeping import Keeping
from bursar.gateway.likeness import ENTRY_BYTES_MAX
from bursar.gateway.meter import Metered
from bursar.gateway.resemble import begin_look, is_sampled, question_in, resembling, within
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
    wishes = envelope.wishes
    if rule is None or worker.answers is None or not (wishes.reads or wishes.keeps):
        return False
    exact, semantic = rule.terms.exact, rule.terms.semantic
    if exact is not None and await recall_equal(worker, worker.answers, call, arrival, envelope, rule, exact, client):
        return True
    if semantic is None or not (wishes.reads and wishes.keeps):
        return False
    return await recall_like(worker, worker.answers, call, arrival, envelope, rule, semantic, client)


async def recall_equal(
    worker: Worker,
    answers: Answers,
    call: Call,
    arrival: Arrival,
    envelope: Envelope,
    rule: CacheRule,
    exact: ExactCaching,
    client: Client,
) -> bool:
    """The same request was answered before, or is being answered now."""
    wishes = envelope.wishes
    key = key_for(worker, call, arrival, envelope, rule, exact)
    if key is None:
        return False
    found = Found()
    if wishes.reads:
        left_s = (call.deadline_us - worker.clock.now_us()) / 1_000_000
        wait_s = max(0.0, min(WAIT_S_MAX, left_s / 2))
        age_s_max = exact.ttl_s if wishes.age_s_max is None else min(exact.ttl_s, wishes.age_s_max)
        found = await answers.find(key, age_s_max, wait_s, leads=wishes.keeps)
    if found.entry is not None:
        await answer_again(worker, call, client, found.entry, wishes)
        return True
    if wishes.keeps:
        ttl_s = exact.ttl_s if wishes.ttl_s is None else min(exact.ttl_s, wishes.ttl_s)
        call.keeping = keeping_of(call, answers, key, ttl_s, exact.entry_bytes_max, found.lead)
    return False


def keeping_of(call: Call, answers: Answers, key: bytes, ttl_s: int, bytes_max: int, lead: Lead | None) -> Keeping:
    """What may be kept of the call's answer, as long as it is the one of this upstream, model and limit."""
    asked = call.asked
    return Keeping(
        answers, key, ttl_s * 1_000_000, bytes_max, lead, call.route.name, asked.model, asked.max_output_tokens
    )


async def recall_like(
    worker: Worker,
    answers: Answers,
    call: Call,
    arrival: Arrival,
    envelope: Envelope,
    rule: CacheRule,
    semantic: SemanticCaching,
    client: Client,
) -> bool:
    """One that means the same was answered before; in shadow mode that is only measured."""
    question = question_in(worker, call, arrival, envelope, rule)
    if question is None:
        return False
    is_live, look = semantic.mode == "on", begin_look(worker, rule, question)
    if is_live:
        looked = await within(worker, look, worker.settings.cache_semantic_wait_s)
        if looked is None and look.done():  # it can't be compared
            return False
        near, now_us = looked.near if looked is not None else None, worker.clock.now_us()
        wished_s = envelope.wishes.age_s_max
        age_s_max = semantic.ttl_s if wished_s is None else min(semantic.ttl_s, wished_s)
        is_fresh = near is not None and near.value.is_fresh(now_us, age_s_max)
        if near is not None and is_fresh and not is_sampled(semantic.sample_percent, call.facts.call_id):
            if call.keeping is not None:
                call.keeping.drop()
            await answer_again(worker, call, client, near.value, envelope.wishes, near.similarity)
            return True
    like = resembling(worker, call, arrival, rule, question, look, is_live=is_live)
    if call.keeping is None:
        call.keeping = keeping_of(call, answers, b"", semantic.ttl_s, ENTRY_BYTES_MAX, None)
    call.keeping.like = like
    return False


def key_for(
    worker: Worker, call: Call, arrival: Arrival, envelope: Envelope, rule: CacheRule, exact: ExactCaching
) -> bytes | None:
    """What the call's equals have in common; None: its answer must not be another's."""
    asked, facts, credential = call.asked, call.facts, envelope.credential
    if facts.operation not in KEPT_OPERATIONS or asked.continues:
        return None
    if not exact.with_tools and (asked.tools or asked.reads_more or has_request_fee(call.route.provider, asked.model)):
        return None  # something may be done, or was read that is another by now
    tenant = tenant_of(exact.share, credential.scope, credential.id, kind_of_key(credential))
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
        space_of(worker.secret, rule.rule_id, rule.cleared_us),
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


async def answer_again(
    worker: Worker, call: Call, client: Client, entry: Entry, wishes: Wishes, similarity: float | None = None
) -> None:
    """The kept answer, in the form it had, and the row that says what it saved. similarity: None: of an equal."""
    now_us = worker.clock.now_us()
    metered = metered_again(entry, by_meaning=similarity is not None)
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
    headers += said_of_cache("exact" if similarity is None else "semantic", metered.saved.total, wishes)
    if similarity is not None:
        headers.append((b"x-bursar-cache-similarity", b"%.4f" % similarity))
        if wishes.prism:
            headers.append((b"x-prism-cache-similarity", b"%.4f" % similarity))
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


def metered_again(entry: Entry, *, by_meaning: bool = False) -> Metered:
    """Nothing was used and nothing is owed; what is not known of the kept answer's price claims no saving."""
    saved = Saved()
    if entry.list_pico is not None:
        lever = "semantic_cache" if by_meaning else "response_cache"
        saved = msgspec.structs.replace(entry.saved, **{lever: entry.list_pico})
    return Metered(Usage(), [], 0, saved.total, saved.lever, Quality.REPORTED, entry.sku_id, entry.sku_price_id, saved)
