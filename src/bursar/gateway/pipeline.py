"""The way of a call, top to bottom. Each step is one function in the module that its name says."""

import msgspec

from bursar.budgets.holds import MarkReached
from bursar.domain.errors import BursarError, Forbidden
from bursar.gateway.attribute import Attributed, attribute
from bursar.gateway.call import Arrival, Call, Routing, Worker
from bursar.gateway.case import Case
from bursar.gateway.choose import choose_upstream, may_go_elsewhere
from bursar.gateway.client import Client, ClientGone
from bursar.gateway.decide import as_attributed, case_of
from bursar.gateway.dispatch import dispatch
from bursar.gateway.doubles import has_controls, refuse_doubles
from bursar.gateway.envelope import Envelope, Plan
from bursar.gateway.hold import hold
from bursar.gateway.prepare import as_at, prepare, prepare_routed
from bursar.gateway.rates import Taken
from bursar.gateway.recall import recall
from bursar.gateway.relay import relay
from bursar.gateway.routing import route_call
from bursar.gateway.settle import end_unsent, refuse, settle_lost
from bursar.gateway.shadow import cast, sampled
from bursar.gateway.thresholds import act_and_hold
from bursar.providers.base import Asked, Dialect, read_asked


async def serve(worker: Worker, client: Client, dialect: Dialect, path: str, upstream_name: str = "") -> None:
    """Carry one call from its client to a provider and back, with its money written down.

    Whatever happens in between, each attempt that was begun is settled exactly once and the call has one outcome.
    """
    now_us = worker.clock.now_us()
    arrival = Arrival(worker.ids.new(now_us), now_us, dialect, path, upstream_name)
    call: Call | None = None
    taken: Taken | None = None
    worker.in_flight += 1
    try:
        arrival.envelope = envelope = worker.envelopes.open(client.head)  # identify: whose key
        body = client.content  # receive: it is often there at once
        if body is None or len(body) > worker.settings.body_bytes_max:
            body = await client.body(worker.settings.body_bytes_max)
        arrival.body = body
        arrival.asked = asked = read_asked(dialect, body, envelope.headers)  # what, and of which model
        if has_controls(worker, envelope.mode):
            refuse_doubles(body)  # what it asks for must be beyond doubt
        upstream_name, asked = read_name(worker, arrival, asked)  # and what is meant by its name
        attributed = attribute_call(envelope, asked)  # attribute: for whom and for what
        case = judge(worker, arrival, envelope, asked, attributed)  # decide: may it, and as what
        routing: Routing | None = None
        if (worker.route_table.is_active or envelope.mode) and not upstream_name:
            routing = route(worker, arrival, envelope, asked, attributed, case)  # where to, by the route table
        if case:
            attributed = as_attributed(case, attributed)
        if routing is not None:
            call = prepare_routed(worker, arrival, envelope, asked, attributed, case, routing)
            taken = admit(worker, case, routing.ways[0].plan) if case else None  # its place in the limits
        else:
            plan = choose_upstream(worker, arrival, envelope, case.model if case else asked.model, upstream_name)
            taken = admit(worker, case, plan) if case else None
            call = prepare(worker, arrival, envelope, asked, attributed, plan, case)
        call.taken, call.routing = taken, routing
        if worker.cache_table.is_active and await recall(worker, call, arrival, envelope, attributed, case, client):
            return  # recall: its equal was answered before
        call.marks = worker.loops.judge(call.facts, now_us)  # does it go round in circles?
        try:
            await hold(worker, call, envelope, attributed)  # hold: its bound, against every budget that it touches
        except MarkReached as reached:  # one of them is past a threshold: its pace, an approval, a cheaper model
            await act_and_hold(worker, call, arrival, envelope, attributed, case, reached)
        if routing is not None and routing.rule.shadow is not None:  # one of those that a candidate is tried on?
            call.sample = sampled(worker, arrival, envelope, attributed, case, routing, client.head)
            call.heard = call.sample.heard if call.sample is not None else None
        attempt, reply = await dispatch(worker, call, client)  # attempts: each in the journal before it is sent
        try:
            await relay(worker, call, attempt, reply, client)  # answer back; meter, price, settle
        finally:
            reply.close()
    except ClientGone:
        end_unsent(worker, arrival)
    except BursarError as error:
        await refuse(worker, arrival, client, error, was_sent=bool(call and call.attempts))
    finally:
        worker.in_flight -= 1
        if call is not None:
            settle_lost(worker, call)
            if call.keeping is not None:
                call.keeping.drop()
            if call.sample is not None:
                cast(worker, call, call.sample)
            taken = call.taken  # a cheaper model may have its own limits
        if taken is not None:
            taken.release(was_sent=bool(call and call.attempts))


def read_name(worker: Worker, arrival: Arrival, asked: Asked) -> tuple[str, Asked]:
    """The upstream that the call names, "" for none, and what it asks for by its provider's own name of the model."""
    if arrival.upstream_name:  # named in the path: the model is that upstream's affair
        return arrival.upstream_name, asked
    dialect = arrival.dialect
    named = worker.names.read(dialect.family, asked.model, dialect.name, elsewhere=may_go_elsewhere(arrival))
    if named is None:
        return "", asked
    return named.upstream, msgspec.structs.replace(asked, model=named.model)


def attribute_call(envelope: Envelope, asked: Asked) -> Attributed:
    """What the headers say was read once; the body may add to it."""
    if asked.user or asked.metadata or asked.tags:
        return attribute(envelope.headers, asked, envelope.credential.defaults)
    return envelope.attributed


def judge(worker: Worker, arrival: Arrival, envelope: Envelope, asked: Asked, attributed: Attributed) -> Case | None:
    """What kills and policies make of the call; None where there are none. Raises Killed or PolicyRule, also for a
    model that may answer in the place of the one asked for, and Forbidden where such a one stands beside a forced one.
    """
    case: Case | None = None
    if not worker.decider.is_active:
        return case
    for model in (*(name for name, _ in asked.also), asked.model):
        case = worker.decider.judge(
            envelope.credential,
            attributed.attribution,
            asked if model == asked.model else msgspec.structs.replace(asked, model=model),
            arrival.dialect.operation,
            len(arrival.body),
            arrival.received_us,
        )
    if asked.also and case is not None and case.model_forced:
        raise Forbidden(
            f"a policy sends this call to {case.model_forced!r}, and it names other models that may answer beside it "
            f"({', '.join(name for name, _ in asked.also)}): leave them out",
            field="model",
        )
    return case


def admit(worker: Worker, case: Case, plan: Plan) -> Taken | None:
    """What depends on the upstream, and the limits. Raises Killed, PolicyRule or RateLimited."""
    upstream = plan.route.settings
    return worker.decider.admit(case, upstream.provider, upstream.region, worker.clock.now_us())


def route(
    worker: Worker, arrival: Arrival, envelope: Envelope, asked: Asked, attributed: Attributed, case: Case | None
) -> Routing | None:
    """What the route table makes of the call. The case then has the model of the way that is tried first."""
    seen = case or case_of(
        envelope.credential, attributed.attribution, asked, arrival.dialect.operation, len(arrival.body)
    )
    seen.mode = envelope.mode
    routing = route_call(worker, arrival, envelope, asked, seen)
    if case is not None and routing is not None:
        as_at(case, routing.ways[0])
    return routing
