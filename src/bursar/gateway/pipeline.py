"""The way of a call, top to bottom. Each step is one function in the module that its name says."""

import msgspec

from bursar.budgets.holds import MarkReached
from bursar.domain.errors import BursarError
from bursar.domain.hashing import fingerprint
from bursar.gateway.attribute import Attributed, attribute
from bursar.gateway.call import Arrival, Call, Routing, Worker
from bursar.gateway.case import Case
from bursar.gateway.choose import body_for, choose_upstream, may_go_elsewhere
from bursar.gateway.client import Client, ClientGone
from bursar.gateway.decide import as_attributed, as_decided, case_of, notes_of, with_model
from bursar.gateway.dispatch import dispatch
from bursar.gateway.doubles import has_controls, refuse_doubles
from bursar.gateway.envelope import Envelope, Plan
from bursar.gateway.heads import Headers
from bursar.gateway.hold import hold
from bursar.gateway.rates import Taken
from bursar.gateway.relay import relay
from bursar.gateway.routing import route_call
from bursar.gateway.settle import end_unsent, refuse, settle_lost
from bursar.gateway.thresholds import act_and_hold
from bursar.gateway.translation import limit_note, translate
from bursar.providers.base import Asked, Dialect
from bursar.spool.records import CallFacts


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
        arrival.asked = asked = dialect.read_request(body)  # what is asked, and of which model
        if has_controls(worker, envelope.mode):
            refuse_doubles(body)  # what it asks for must be beyond doubt
        upstream_name, asked = read_name(worker, arrival, asked)  # and what is meant by its name
        attributed = attribute_call(envelope, asked)  # attribute: for whom and for what
        case = judge(worker, arrival, envelope, asked, attributed)  # decide: may it, and as what
        routing: Routing | None = None
        if (worker.route_table.is_active or envelope.mode) and not upstream_name:
            routing = route(worker, arrival, envelope, asked, attributed, case)  # where to, by the route table
        if routing is not None:
            plan, asked = routing.ways[0].plan, msgspec.structs.replace(asked, model=routing.ways[0].model)
        else:
            plan = choose_upstream(worker, arrival, envelope, case.model if case else asked.model, upstream_name)
        if case:
            taken = admit(worker, case, plan)  # its place in the limits
            attributed = as_attributed(case, attributed)
        call = prepare(worker, arrival, envelope, asked, attributed, plan, case)
        call.taken, call.routing = taken, routing
        call.marks = worker.loops.judge(call.facts, now_us)  # does it go round in circles?
        try:
            await hold(worker, call, envelope, attributed)  # hold: its bound, against every budget that it touches
        except MarkReached as reached:  # one of them is past a threshold: its pace, an approval, a cheaper model
            await act_and_hold(worker, call, arrival, envelope, attributed, case, reached)
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
            taken = call.taken  # a cheaper model may have its own limits
        if taken is not None:
            taken.release(was_sent=bool(call and call.attempts))


def whole_request(arrival: Arrival) -> bytes:
    """Path and body, where the path says what the body leaves out: the model, and whether it is a stream."""
    return arrival.path.encode() + b"\n" + arrival.body


def read_name(worker: Worker, arrival: Arrival, asked: Asked) -> tuple[str, Asked]:
    """The upstream that the call names, "" for none, and what it asks for by its provider's own name of the model."""
    if arrival.upstream_name:  # named in the path: the model is that upstream's affair
        return arrival.upstream_name, asked
    named = worker.names.read(arrival.dialect.family, asked.model, elsewhere=may_go_elsewhere(arrival))
    if named is None:
        return "", asked
    return named.upstream, msgspec.structs.replace(asked, model=named.model)


def attribute_call(envelope: Envelope, asked: Asked) -> Attributed:
    """What the headers say was read once; the body may add to it."""
    if asked.user or asked.metadata or asked.tags:
        return attribute(envelope.headers, asked, envelope.credential.defaults)
    return envelope.attributed


def judge(worker: Worker, arrival: Arrival, envelope: Envelope, asked: Asked, attributed: Attributed) -> Case | None:
    """What kills and policies make of the call; None where there are none. Raises Killed or PolicyRule."""
    return worker.decider.judge(
        envelope.credential,
        attributed.attribution,
        asked,
        arrival.dialect.operation,
        len(arrival.body),
        arrival.received_us,
    )


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
        first = routing.ways[0]
        case.model = first.model
        case.output_tokens_sent = first.case.output_tokens_sent if first.case else case.output_tokens_sent
        case.model_forced = case.model if case.model_forced else ""
    return routing


def prepare(
    worker: Worker,
    arrival: Arrival,
    envelope: Envelope,
    asked: Asked,
    attributed: Attributed,
    plan: Plan,
    case: Case | None,
) -> Call:
    """The call as it goes out: its facts for the journal, its head, and the client's bytes with the named changes."""
    credential, dialect = envelope.credential, arrival.dialect
    facts = CallFacts(
        arrival.call_id,
        arrival.received_us,
        dialect.name,
        dialect.operation,
        credential.scope,
        credential.id,
        credential.kind,
        model_asked(arrival),
        asked.stream,
        len(arrival.body),
        fingerprint(worker.secret, arrival.body if not asked.model_in_path else whole_request(arrival)),
        attributed.attribution,
        attributed.tags_dropped,
        envelope.client,
        envelope.client_retry,
    )
    body = arrival.body
    if plan.other is None and asked.model != model_asked(arrival) and not (case and case.model_forced):
        asked, body = with_model(asked, body, asked.model, dialect)
    notes: Headers = []
    if case:
        asked, body = as_decided(asked, body, case, dialect)
        notes = notes_of(case)
    head, translation = plan.head, None
    if plan.other is not None:
        spoken = translate(plan.other, dialect, asked, body)
        translation, dialect, head, asked, body = msgspec.structs.astuple(spoken)
        notes += limit_note(spoken)
    if known := plan.route.settings.model_names.get(asked.model):  # what the operator says an id stands for
        asked = msgspec.structs.replace(asked, model=known)
    decided, body = body, body_for(plan.route, dialect, asked, body)
    return Call(
        facts,
        dialect,
        asked,
        plan.route,
        head,
        body,
        body is not decided,
        attributed.dropped_note,
        arrival.received_us + int(worker.settings.call_timeout_s * 1_000_000),
        min(worker.settings.attempts_max, envelope.attempts_max),
        notes=notes,
        translation=translation,
    )


def model_asked(arrival: Arrival) -> str:
    """The model as the client wrote it: the facts keep that, whatever it means."""
    return arrival.asked.model if arrival.asked else ""
