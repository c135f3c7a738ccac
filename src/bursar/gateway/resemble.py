"""A call that means the same as an earlier one: answered from what is kept, or only measured against it.

In shadow mode every call goes to its provider. Its question is compared meanwhile, and where the cache would have
answered, the kept answer is compared with the provider's: what comes of it is a record in the journal, in numbers.
"""

import asyncio
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from bursar.cache.entry import Entry
from bursar.cache.key import key_of, provider_headers, space_of, tenant_of
from bursar.domain.caching import LOCAL, CacheRule, SemanticCaching, measured_as
from bursar.domain.charge import Operation
from bursar.gateway.agreement import Said, compare
from bursar.gateway.call import Arrival, Call, Worker
from bursar.gateway.embedding_calls import Asking, asking_of, vector_of
from bursar.gateway.envelope import Envelope
from bursar.gateway.heard import Heard
from bursar.gateway.identify import kind_of_key
from bursar.gateway.last_question import last_question
from bursar.gateway.likeness import Likeness
from bursar.gateway.translation import bound
from bursar.providers.reading import UNREADABLE
from bursar.providers.services import has_request_fee
from bursar.providers.splice import doubled_field
from bursar.semantic.answers import contradict
from bursar.spool.records import Resembled
from bursar.translate.codec import Codec
from bursar.translate.registry import CODECS

if TYPE_CHECKING:
    from bursar.semantic.room import Looked

SHADOW_S_MAX = 30.0
"""How long a question waits for its turn to be compared, while its provider answers."""


class Question(msgspec.Struct, frozen=True):
    """What of a call is compared. key: of its tenant and of all that must be the same.

    asking: how its vector is asked for; None: the local model makes it.
    """

    key: bytes
    text: str
    asking: Asking | None = None


class Resembling(msgspec.Struct):
    """A call whose question is being compared while its provider answers."""

    worker: Worker
    likeness: Likeness
    rule: CacheRule
    ttl_us: int
    question: Question
    codec: Codec
    call_id: str
    wants_json: bool
    look: "asyncio.Future[Looked[Entry] | None]"
    is_live: bool = False  # the cache answers: only a hit that is asked anyway is measured
    is_over: bool = False

    def end(self, entry: Entry | None) -> None:
        """Its answer is whole and good, or (None) it isn't, and nothing comes of it."""
        if self.is_over:
            return
        self.is_over = True
        if entry is None or not self.worker.resemblances.enter():
            self.look.cancel()
            return
        self.worker.resemblances.start(lambda: self._measure(entry))

    async def _measure(self, entry: Entry) -> None:
        looked = await self.look
        if looked is None or looked.vector is None:  # not compared: it isn't counted either
            return
        agreement = None
        if looked.near is None:
            kept = msgspec.structs.replace(entry, expires_us=entry.created_us + self.ttl_us)
            self.likeness.keep(self.question.key, looked, kept)
        else:
            agreement = await self._agreement(looked.near.value, entry)
            if agreement is None:  # one of the answers can't be read: nothing is known of the hit
                return
        if self.is_live and looked.near is None:
            return
        self.worker.recorder.write(
            Resembled(
                self.worker.clock.now_us(),
                self.call_id,
                self.rule.rule_id,
                measured_as(self.rule.terms),
                None if looked.near is None else looked.near.similarity,
                agreement,
                entry.list_pico,
                0,
                self.is_live,
            )
        )

    async def _agreement(self, kept: Entry, asked: Entry) -> float | None:
        """How far the kept answer says what the provider's does, 0 to 1."""
        one, other = await said_by_entry(kept, self.codec), await said_by_entry(asked, self.codec)
        if one is None or other is None:
            return None
        return agreement_of(one, other, wants_json=self.wants_json)


def agreement_of(kept: Said, asked: Said, *, wants_json: bool) -> float:
    """How far two answers agree, 0 to 1. Where one says yes and the other no, or another number, they don't, however
    many words they share."""
    found = compare(kept, asked, wants_json=wants_json)
    by_words = found.tool_calls is None and found.json is None
    return 0.0 if by_words and contradict(kept.text, asked.text) else found.agreement


async def said_by_entry(entry: Entry, codec: Codec) -> Said | None:
    """What an answer said, in the form in which its caller had it."""
    return await Heard([entry.body], len(entry.body), entry.is_stream).said(codec)


def question_in(worker: Worker, call: Call, arrival: Arrival, envelope: Envelope, rule: CacheRule) -> Question | None:
    """What of the call is compared by meaning; None: it must not be."""
    terms, asked, facts, credential = rule.terms.semantic, call.asked, call.facts, envelope.credential
    if terms is None or facts.operation != Operation.CHAT or asked.continues or asked.tools or asked.reads_more:
        return None
    if has_request_fee(call.route.provider, asked.model):  # it searches, whatever it is asked
        return None
    tenant = tenant_of(terms.share, credential.scope, credential.id, kind_of_key(credential))
    if not tenant or arrival.dialect.name not in CODECS:
        return None
    try:
        if doubled_field(arrival.body) or doubled_field(call.body):
            return None
        found = last_question(arrival.dialect.name, arrival.body)
        sent = found if arrival.body == call.body else last_question(call.dialect.name, call.body)
    except UNREADABLE:
        return None
    if found is None or sent is None or found[0] != sent[0]:
        return None
    if b'"store":true' in sent[1]:  # its provider is to keep it
        return None
    key = key_of(
        worker.secret,
        space_of(worker.secret, rule.rule_id, rule.cleared_us),
        tenant,
        credential.client_secret,
        measured_as(rule.terms).encode(),
        f"{call.route.name}\0{facts.dialect}\0{arrival.path}\0{facts.model_asked}\0{asked.model}".encode(),
        b"%d%d%d" % (asked.stream, call.strips_usage, asked.streams_array),
        envelope.query,
        envelope.wishes.namespace,
        provider_headers(envelope.headers, call.route.settings.forward_headers),
        found[1],
        sent[1],
    )
    if terms.embedder == LOCAL:
        return Question(key, found[0])
    asking = asking_of(worker, call, envelope, tenant, found[0], rule, terms)
    return None if asking is None else Question(key, found[0], asking)


def begin_look(worker: Worker, rule: CacheRule, question: Question) -> "asyncio.Future[Looked[Entry] | None]":
    """Begin to compare, and go on at once."""
    return asyncio.ensure_future(look_up(worker, rule, question))


async def look_up(worker: Worker, rule: CacheRule, question: Question) -> "Looked[Entry] | None":
    """What is known of a question; None: it can't be compared."""
    terms, vector = rule.terms.semantic or SemanticCaching(), None
    if question.asking is not None:
        vector = await vector_of(worker, question.asking, question.text)
        if vector is None:
            return None
    now_us = worker.clock.now_us()
    return await worker.likeness.look(question.key, question.text, terms.similarity_min, now_us, SHADOW_S_MAX, vector)


async def within(worker: Worker, look: "asyncio.Future[Looked[Entry] | None]", wait_s: float) -> "Looked[Entry] | None":
    """What a look has found, if it has by then; it goes on, and its vector is known for the next one."""
    done, _ = await asyncio.wait([look], timeout=wait_s)
    if not done:
        worker.likeness.dropped += 1
        return None
    return look.result()


def resembling(
    worker: Worker,
    call: Call,
    arrival: Arrival,
    rule: CacheRule,
    question: Question,
    look: "asyncio.Future[Looked[Entry] | None]",
    *,
    is_live: bool,
) -> Resembling:
    """What keeps the call's answer for those who mean the same, or compares it with the one it would have got."""
    ttl_s, wished_s = (rule.terms.semantic or SemanticCaching()).ttl_s, call.wishes.ttl_s
    return Resembling(
        worker,
        worker.likeness,
        rule,
        (ttl_s if wished_s is None else min(ttl_s, wished_s)) * 1_000_000,
        question,
        bound(CODECS[arrival.dialect.name], arrival.asked or call.asked),
        call.facts.call_id,
        b'"json_object"' in arrival.body or b'"json_schema"' in arrival.body,
        look,
        is_live,
    )


def is_sampled(percent: float, call_id: str) -> bool:
    """Whether a hit is asked anyway, to be compared: by the call's id, so that who asks again has no say in it."""
    return int.from_bytes(blake2b(call_id.encode(), digest_size=8).digest(), "big") % 10_000 < percent * 100
