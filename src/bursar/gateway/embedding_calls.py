"""Embeddings that the semantic cache asks an upstream for: a call of its own, booked to whoever's call it compares.

It is in the journal before it is sent, held against the budgets that such a call touches and settled there, under
`traffic` = cache_embedding, with the operator's key. What fails, or may not be, is a vector less and nothing more.
"""

import asyncio
from array import array
from math import hypot, isfinite

import msgspec

from bursar.budgets.holds import MarkReached
from bursar.cache.key import key_of
from bursar.cache.wishes import NO_WISHES
from bursar.domain.caching import CacheRule, SemanticCaching, measured_as, upstream_of_embedder
from bursar.domain.charge import Outcome
from bursar.domain.errors import (
    BursarError,
    NoUpstream,
    NoUpstreamKey,
    Overloaded,
    PolicyRule,
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from bursar.domain.routes import Candidate, Embeds, Receipt
from bursar.domain.tags import Attribution
from bursar.gateway.attribute import Attributed
from bursar.gateway.call import Arrival, Call, Worker
from bursar.gateway.case import Case
from bursar.gateway.choose import choose_upstream
from bursar.gateway.client import Client
from bursar.gateway.decide import as_attributed
from bursar.gateway.dispatch import dispatch
from bursar.gateway.envelope import Envelope, Plan
from bursar.gateway.fits import DATA_CLASS
from bursar.gateway.heads import Head, Headers
from bursar.gateway.hold import hold
from bursar.gateway.meter import unanswered
from bursar.gateway.prepare import prepare
from bursar.gateway.rates import Taken
from bursar.gateway.relay import relay
from bursar.gateway.settle import settle, settle_lost
from bursar.gateway.vectors import Embedded
from bursar.providers.base import Asked
from bursar.providers.openai_embeddings import EMBEDDINGS

SENT = "bursar_semantic_embeddings_total"
DROPPED = "bursar_semantic_embeddings_dropped_total"
TEXT_BYTES_MAX = 8 * 1024
"""A longer text isn't embedded: what it costs grows with it, and one vector says little of so much."""
DIMENSIONS_MAX = 16_384
LATE_S = 1.0  # after its time, for what isn't about its first byte: a hold, or an answer that trickles
PATH = "/v1/embeddings"
FAULTS_OF_TEXT = (400, 413, 422)  # the provider doesn't want this text; another one it may
FAILURES = (UpstreamUnreachable, UpstreamBroken, UpstreamTimeout, Overloaded, NoUpstream, NoUpstreamKey)


class Asking(msgspec.Struct, frozen=True):
    """Who asks for a vector, and what of.

    key: of the tenant, the embedder and the text. envelope: of the call that is compared, without its caller's own key.
    taken: that call's places in the limits, in which this isn't counted again.
    """

    key: bytes
    embedder: str
    envelope: Envelope
    attribution: Attribution
    tags_dropped: int
    taken: Taken | None
    embeds: Embeds


def asking_of(
    worker: Worker, call: Call, envelope: Envelope, tenant: str, text: str, rule: CacheRule, semantic: SemanticCaching
) -> Asking | None:
    """What would be asked; None: it may not be.

    Only who has a Bursar key causes it: a provider's own key is known to be good by its provider alone, and whoever
    makes one up would spend the operator's money.
    """
    credential, facts = envelope.credential, call.facts
    if credential.kind != "virtual" or len(text.encode()) > TEXT_BYTES_MAX:
        return None
    ours = msgspec.structs.replace(
        envelope,
        headers=[],
        credential=credential._replace(client_header=b"", client_secret=b"", own_key=""),
        query=b"",
        attempts_max=1,
        mode="",
        wishes=NO_WISHES,
        plans={},
        touched={},
    )
    return Asking(
        key_of(worker.secret, b"", tenant, credential.client_secret, semantic.embedder.encode(), text.encode()),
        semantic.embedder,
        ours,
        facts.attribution,
        facts.tags_dropped,
        call.taken,
        Embeds(facts.call_id, rule.rule_id, measured_as(rule.terms), semantic.mode),
    )


async def vector_of(worker: Worker, asking: Asking, text: str) -> bytes | None:
    """The text's vector, float32, of length 1 together; None: there is none. Never raises but when cancelled."""
    return await worker.vectors.get(asking.key, asking.embedder, lambda: ask(worker, asking, text))


async def ask(worker: Worker, asking: Asking, text: str) -> Embedded:
    """Ask the upstream, once."""
    upstream, model = upstream_of_embedder(asking.embedder)
    call, taken, answer, why, failed = None, None, _Answer(Head("POST", PATH, b"", []), 0.0), "", False
    try:
        async with asyncio.timeout(worker.settings.cache_embedding_timeout_s + LATE_S):
            arrival = _arrival(worker, model, text)
            attributed = Attributed(asking.attribution, asking.tags_dropped)
            case, asked = _judged(worker, asking, arrival)
            if case is not None:
                attributed = as_attributed(case, attributed)
            plan = _plan(worker, asking, arrival, upstream, model)
            taken = _admitted(worker, asking, case, plan, arrival.received_us)
            call = _prepared(worker, asking, arrival, asked, attributed, plan, case)
            call.taken = taken
            await hold(worker, call, asking.envelope, attributed)
            worker.metrics.count(SENT, f"upstream={upstream}")
            attempt, reply = await dispatch(worker, call, answer)
            try:
                await relay(worker, call, attempt, reply, answer)
            finally:
                reply.close()
    except TimeoutError:
        why, failed = "slow", bool(call and call.attempts)
        _end_late(worker, call)
    except MarkReached as reached:
        worker.budgeting.the_refills().unmark(reached.claim.key)
        why = "budget"
    except BursarError as error:
        why, failed = error.code, isinstance(error, FAILURES)
    finally:
        if call is not None:
            settle_lost(worker, call)
        if taken is not None:
            taken.release(was_sent=bool(call and call.attempts))
    if not why and answer.status >= 400:
        why, failed = f"status_{answer.status}", answer.status not in FAULTS_OF_TEXT
    vector = read_vector(answer.body_heard) if not why else None
    if vector is None:
        worker.metrics.count(DROPPED, f"upstream={upstream}", f"reason={why or 'unreadable'}")
        return Embedded(failed=failed or not why)
    return Embedded(vector)


def read_vector(body: bytes) -> bytes | None:
    """The one vector of an answer in OpenAI's words, made of length 1, as float32; None: there is none."""
    try:
        found = _BODY.decode(body).data
    except msgspec.DecodeError:
        return None
    numbers = found[0].embedding if len(found) == 1 else []
    if not 0 < len(numbers) <= DIMENSIONS_MAX:
        return None
    length = hypot(*numbers)
    if not isfinite(length) or not length:
        return None
    return array("f", [number / length for number in numbers]).tobytes()


class _Answer(Client, eq=False):
    """Who the answer goes to: it keeps it."""

    status: int = 0
    body_heard: bytes = b""

    async def reply(self, status: int, headers: Headers, body: bytes) -> None:
        self.started, self.status, self.body_heard = True, status, body


class _Item(msgspec.Struct):
    embedding: list[float] = []


class _Body(msgspec.Struct):
    data: list[_Item] = []


_BODY = msgspec.json.Decoder(_Body)


def _arrival(worker: Worker, model: str, text: str) -> Arrival:
    now_us = worker.clock.now_us()
    body = msgspec.json.encode({"model": model, "input": text})
    return Arrival(worker.ids.new(now_us), now_us, EMBEDDINGS, PATH, "", body, asked=EMBEDDINGS.read_request(body))


def _judged(worker: Worker, asking: Asking, arrival: Arrival) -> tuple[Case | None, Asked]:
    """What kills and policies make of it. Raises Killed or PolicyRule, also for a vector of another model."""
    asked = arrival.asked or Asked()
    case = worker.decider.judge(
        asking.envelope.credential,
        asking.attribution,
        asked,
        EMBEDDINGS.operation,
        len(arrival.body),
        arrival.received_us,
    )
    if case is not None and case.model != asked.model:
        raise PolicyRule(f"a policy sends embeddings to {case.model!r}, and vectors of two models can't be compared")
    return case, asked


def _plan(worker: Worker, asking: Asking, arrival: Arrival, upstream: str, model: str) -> Plan:
    """Where it goes. Raises what keeps any call from there, and PolicyRule for data that isn't for that upstream: its
    caller never asked for it."""
    if upstream not in worker.routes.by_name:
        raise NoUpstream(f"there is no upstream {upstream!r}")
    plan = choose_upstream(worker, arrival, asking.envelope, model, upstream)
    classes = plan.route.settings.data_classes
    if classes and asking.attribution.tags.get(DATA_CLASS) not in classes:
        raise PolicyRule(f"upstream {upstream!r} is for data of {', '.join(classes)}")
    return plan


def _admitted(worker: Worker, asking: Asking, case: Case | None, plan: Plan, now_us: int) -> Taken | None:
    """What depends on the upstream; and a place in the limits that only this is under. Raises Killed, PolicyRule or
    RateLimited."""
    if case is None:
        return None
    there = plan.route.settings
    return worker.decider.admit(case, there.provider, there.region, now_us, beside=asking.taken)


def _prepared(
    worker: Worker,
    asking: Asking,
    arrival: Arrival,
    asked: Asked,
    attributed: Attributed,
    plan: Plan,
    case: Case | None,
) -> Call:
    """A call of its own, tried once, within its time."""
    call = prepare(worker, arrival, asking.envelope, asked, attributed, plan, case)
    call.facts = msgspec.structs.replace(call.facts, traffic="cache_embedding", fingerprint="", client_retry=0)
    call.attempts_max = 1
    call.deadline_us = arrival.received_us + int(worker.settings.cache_embedding_timeout_s * 1_000_000)
    receipt = Receipt("", "", [Candidate(plan.route.name, asked.model)], embeds=asking.embeds)
    call.receipt = msgspec.json.encode(receipt).decode()
    return call


def _end_late(worker: Worker, call: Call | None) -> None:
    """It was sent, and nothing whole came in time: it may be billed, so its bound is assumed."""
    for attempt in call.attempts if call is not None else ():
        if call is not None and attempt.is_open:
            metered = unanswered(attempt.bound_pico, attempt.sku_price_id)
            settle(worker, call, attempt, metered, Outcome.TIMEOUT, error_code=UpstreamTimeout.code)
