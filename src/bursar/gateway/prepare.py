"""The call as it goes out: its facts for the journal, its head, and the client's bytes with the named changes."""

import msgspec

from bursar.domain.errors import BadRequest
from bursar.domain.hashing import fingerprint
from bursar.gateway.attribute import Attributed
from bursar.gateway.call import Arrival, Call, Routing, Way, Worker
from bursar.gateway.case import Case
from bursar.gateway.choose import body_for
from bursar.gateway.decide import as_decided, notes_of, with_model
from bursar.gateway.envelope import Envelope, Plan
from bursar.gateway.heads import Headers
from bursar.gateway.translation import limit_note, translate
from bursar.providers.base import Asked
from bursar.spool.records import CallFacts


def prepare(
    worker: Worker,
    arrival: Arrival,
    envelope: Envelope,
    asked: Asked,
    attributed: Attributed,
    plan: Plan,
    case: Case | None,
) -> Call:
    """Everything of it but what its budgets and the loop breaker add. Raises BadRequest if it can't be said there."""
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
        notes = notes_of(case, asked)
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
        wishes=envelope.wishes,
        own_key=credential.own_key,
    )


def prepare_routed(
    worker: Worker,
    arrival: Arrival,
    envelope: Envelope,
    asked: Asked,
    attributed: Attributed,
    case: Case | None,
    routing: Routing,
) -> Call:
    """The same for the first way of a route that can say it all; those before it are left out, and the receipt says so.

    Raises BadRequest where none is left.
    """
    while True:
        first = routing.ways[0]
        there = msgspec.structs.replace(asked, model=first.model)
        try:
            return prepare(worker, arrival, envelope, there, attributed, first.plan, case)
        except BadRequest as error:
            if first.plan.other is None or len(routing.ways) == 1:
                raise
            del routing.ways[0]
            routing.passed.append((first.plan.route.name, first.model, error.code))
            if case is not None:
                as_at(case, routing.ways[0])


def as_at(case: Case, way: Way) -> None:
    """The case as it is where the call goes first."""
    case.model = way.model
    if way.case is not None:
        case.output_tokens_sent, case.warnings = way.case.output_tokens_sent, way.case.warnings
    case.model_forced = case.model if case.model_forced else ""


def model_asked(arrival: Arrival) -> str:
    """The model as the client wrote it: the facts keep that, whatever it means."""
    return arrival.asked.model if arrival.asked else ""


def whole_request(arrival: Arrival) -> bytes:
    """Path and body, where the path says what the body leaves out: the model, and whether it is a stream."""
    return arrival.path.encode() + b"\n" + arrival.body
