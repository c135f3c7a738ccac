"""Shadows: a sample of a route's calls goes to a candidate too, after the client has its answer.

Nobody waits for one, is shown it or fails by it. It is a call of its own all the same, with its attempt in the journal
before it is sent, held against the budgets, in its place in the limits, and booked under `traffic` = shadow.
"""

import msgspec

from bursar.budgets.holds import MarkReached
from bursar.domain.errors import BursarError, Forbidden
from bursar.domain.routes import SHADOW, Candidate, Receipt
from bursar.gateway.agreement import compare
from bursar.gateway.arms import draw
from bursar.gateway.attribute import Attributed
from bursar.gateway.call import Arrival, Call, Routing, Sample, Worker
from bursar.gateway.case import Case
from bursar.gateway.choose import choose_upstream
from bursar.gateway.client import Client
from bursar.gateway.decide import changed
from bursar.gateway.dispatch import dispatch
from bursar.gateway.envelope import Envelope, Plan
from bursar.gateway.heads import Head, Headers
from bursar.gateway.heard import Heard
from bursar.gateway.hold import hold
from bursar.gateway.prepare import prepare
from bursar.gateway.rates import Taken
from bursar.gateway.relay import relay
from bursar.gateway.settle import settle_lost
from bursar.gateway.shadow_fits import keeps_from_shadow
from bursar.gateway.translation import Translation, bound
from bursar.providers.splice import with_value
from bursar.spool.records import Compared
from bursar.translate.codec import Codec
from bursar.translate.conversation import Losses
from bursar.translate.registry import CODECS

DROPPED = "bursar_shadows_dropped_total"
SENT = "bursar_shadows_sent_total"
STORED_BY_DEFAULT = "openai-responses"  # its provider keeps an answer unless told not to


def sampled(
    worker: Worker,
    arrival: Arrival,
    envelope: Envelope,
    attributed: Attributed,
    case: Case | None,
    routing: Routing,
    head: Head,
) -> Sample | None:
    """The call as its shadow will need it, if it is one of the sample, can have one, and there is a place."""
    rule, shadow, asked = routing.rule, routing.rule.shadow, arrival.asked
    if shadow is None or asked is None:
        return None
    if draw(rule.name, shadow.name, attributed.attribution, arrival.call_id) >= shadow.percent / 100:
        return None
    why = keeps_from_shadow(arrival.dialect.name, asked, arrival.body)
    if not why and not worker.shadows.enter():
        why = "full"
    if why:
        _dropped(worker, rule.name, why)
        return None
    return Sample(arrival, envelope, attributed, case, routing, head, shadow.candidate.model or routing.default_model)


def cast(worker: Worker, call: Call, sample: Sample) -> None:
    """The client has its answer, or never will: begin the shadow, or let its place go."""
    heard, why = sample.heard, ""
    if heard.overflowed:
        why = "large"
    elif not heard.chunks:
        why = "unanswered"
    if why:
        worker.shadows.leave()
        _dropped(worker, sample.routing.rule.name, why)
        return
    codec, at = _codec_of(call), (call.route.name, call.asked.model)
    worker.shadows.start(lambda: follow(worker, sample, codec, at))


async def follow(worker: Worker, sample: Sample, codec: Codec, at: tuple[str, str]) -> None:
    """Send one shadow and compare. codec: what the client's answer is read by; at: where that came from."""
    rule, call, taken = sample.routing.rule, None, None
    shown = await sample.heard.said(codec)
    try:
        if shown is None:
            _dropped(worker, rule.name, "unanswered")
            return
        plan = _plan(worker, sample)
        if (plan.route.name, sample.model) == at:
            _dropped(worker, rule.name, "same")
            return
        case, taken = _admit(worker, sample, plan)
        call = _prepared(worker, sample, plan, case, taken)
        await hold(worker, call, sample.envelope, sample.attributed)
        nobody = _Nobody(sample.head, 0.0)
        worker.metrics.count(SENT, f"route={rule.name}")
        attempt, reply = await dispatch(worker, call, nobody)
        try:
            await relay(worker, call, attempt, reply, nobody)
        finally:
            reply.close()
    except MarkReached as reached:
        worker.budgeting.the_refills().unmark(reached.claim.key)
        _dropped(worker, rule.name, "budget")
    except BursarError as error:
        if call is None or not call.attempts:
            _dropped(worker, rule.name, error.code)
    finally:
        if call is not None:
            settle_lost(worker, call)
        if taken is not None:
            taken.release(was_sent=bool(call and call.attempts))
    if call is None or call.heard is None or shown is None:
        return
    found = await call.heard.said(_codec_of(call))
    if found is not None:
        seen = compare(shown, found, wants_json=_wants_json(sample.arrival))
        now_us, ids = worker.clock.now_us(), (call.facts.call_id, sample.arrival.call_id)
        worker.recorder.write(Compared(now_us, *ids, *msgspec.structs.astuple(seen)))


class _Nobody(Client, eq=False):
    """Who a shadow's answer goes to: it takes everything and keeps nothing."""

    async def reply(self, status: int, headers: Headers, body: bytes) -> None:
        self.started = True

    async def start(self, status: int, headers: Headers) -> None:
        self.started = True

    async def send(self, chunk: bytes) -> None:
        self.bytes_sent += len(chunk)

    async def end(self) -> None:
        return


def _plan(worker: Worker, sample: Sample) -> Plan:
    """Where it goes. Raises what keeps any call from there."""
    envelope, shadow, default = sample.envelope, sample.routing.rule.shadow, sample.routing.default
    upstream = shadow.candidate.upstream if shadow is not None else ""
    plan = choose_upstream(worker, sample.arrival, envelope, sample.model, upstream)
    if envelope.credential.client_secret and (default is None or default.provider != plan.route.provider):
        raise Forbidden(  # a provider's key is for that provider's eyes
            f"a shadow of {sample.routing.rule.name!r} goes to a provider that the caller's own key isn't for",
            field="authorization",
        )
    return plan


def _admit(worker: Worker, sample: Sample, plan: Plan) -> tuple[Case | None, Taken | None]:
    """As policies, kills and limits see it there. Raises Killed, PolicyRule or RateLimited."""
    if sample.case is None or not worker.decider.is_active:
        return None, None
    now_us, there = worker.clock.now_us(), plan.route.settings
    case = worker.decider.reconsider(sample.case, sample.model, there.provider, there.region, now_us)
    return case, worker.decider.place(case, now_us)


def _prepared(worker: Worker, sample: Sample, plan: Plan, case: Case | None, taken: Taken | None) -> Call:
    """A call of its own, made of the client's bytes. Raises BadRequest where they can't be said there."""
    first, rule = sample.arrival, sample.routing.rule
    now_us = worker.clock.now_us()
    arrival = msgspec.structs.replace(first, call_id=worker.ids.new(now_us), received_us=now_us)
    if first.dialect.name == STORED_BY_DEFAULT:
        arrival.body = changed(with_value(first.body, "store", b"false"), "store")
    asked = msgspec.structs.replace(first.dialect.read_request(arrival.body), model=sample.model)
    call = prepare(worker, arrival, sample.envelope, asked, sample.attributed, plan, case)
    call.facts = msgspec.structs.replace(call.facts, traffic="shadow", fingerprint="", client_retry=0)
    call.attempts_max = 1
    call.taken, call.heard = taken, Heard()
    name = rule.shadow.name if rule.shadow is not None else ""
    places = [Candidate(plan.route.name, sample.model)]
    receipt = Receipt(rule.name, rule.strategy, places, None, name, SHADOW, shadow_of=first.call_id)
    call.receipt = msgspec.json.encode(receipt).decode()
    return call


def _codec_of(call: Call) -> Codec:
    """What the answer of its provider is read by."""
    translation = call.translation
    return translation.other if isinstance(translation, Translation) else bound(CODECS[call.dialect.name], call.asked)


def _wants_json(arrival: Arrival) -> bool:
    if arrival.asked is None:
        return False
    try:
        codec = bound(CODECS[arrival.dialect.name], arrival.asked)
        return codec.read_request(arrival.body, Losses()).format is not None
    except BursarError:
        return False


def _dropped(worker: Worker, route: str, reason: str) -> None:
    worker.metrics.count(DROPPED, f"route={route}", f"reason={reason}")
