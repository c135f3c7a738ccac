"""When the next attempt goes to another upstream, and what each answer says of the one it came from."""

import contextlib

import msgspec

from bursar.domain.errors import (
    BadRequest,
    BursarError,
    Overloaded,
    RateLimited,
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from bursar.domain.routes import Candidate, Receipt
from bursar.gateway.bound import bound_there, output_limit
from bursar.gateway.call import Attempt, Call, Routing, Told, Way, Worker
from bursar.gateway.case import Case
from bursar.gateway.choose import body_for
from bursar.gateway.decide import changed, with_model
from bursar.gateway.hold import send_output_limit
from bursar.gateway.translation import LIMIT_HEADER, Spoken, limit_note, limit_of, translate
from bursar.gateway.upstream import Reply
from bursar.gateway.upstream_rates import cool_until_us
from bursar.providers.base import Asked, Dialect

ELSEWHERE_STATUSES = frozenset({401, 403, 404, 408, 429, 500, 502, 503, 504, 529})
"""The provider refused or failed, and says so itself: nothing is billed, and another one may do better."""

FAILED_STATUSES = frozenset({500, 502, 503, 504, 529})


def may_follow(call: Call, error: BursarError) -> bool:
    """Whether another attempt may follow one without an answer: nothing was sent, or the route allows it after all."""
    if isinstance(error, UpstreamUnreachable):
        return True
    if call.routing is None or not any(suits(call, way) for way in left(call)):
        return False
    if isinstance(error, UpstreamTimeout | UpstreamBroken):
        return call.routing.rule.after_timeout
    return isinstance(error, Overloaded)


def left(call: Call) -> list[Way]:
    """The ways that were not tried yet."""
    if call.routing is None:
        return []
    return [
        way
        for way in call.routing.ways
        if not way.is_tried and not (way.plan.route is call.route and way.model == call.asked.model)
    ]


def next_way(worker: Worker, call: Call) -> Way | None:
    """Where the next attempt goes: to one that is well, else to any that is left; None: it stays where it is.

    They are asked one after the other whether they suit, since each answer may cost a translation.
    """
    now_us = worker.clock.now_us()
    ways = sorted(left(call), key=lambda way: bool(way.plan.route.health.why_not(now_us, call.own_key)))
    for way in ways:
        if suits(call, way) and (way.case is None or may_enter(worker, call, way.case, now_us)):
            return way
    return None


def may_enter(worker: Worker, call: Call, case: Case, now_us: int) -> bool:
    """Whether the limits about that place have room, and the cap of a policy about it can be set."""
    most = case.output_tokens_sent
    if most and call.dialect.with_output_limit(call.body, most) is None:
        return False
    return worker.decider.has_room(case, now_us, call.taken)


def turn(worker: Worker, call: Call, way: Way, *, stays_too: bool = False) -> None:
    """Point the call at another way. stays_too: the attempt before goes on beside the next one."""
    for one in call.routing.ways if call.routing else ():
        if one is way or (one.plan.route is call.route and one.model == call.asked.model):
            one.is_tried = True
    if way.case is not None:
        with contextlib.suppress(RateLimited):  # its room went while a refusal was read: one call too many is let on
            call.taken = worker.decider.move(way.case, worker.clock.now_us(), call.taken, stays_too=stays_too)
    if way.plan.other is not None or call.translation is not None:
        say_anew(call, way)
    elif way.model != call.asked.model:
        call.asked, call.body = with_model(call.asked, call.body, way.model, call.dialect)
    call.route = way.plan.route
    if call.translation is None:
        call.head = way.plan.head
    asked = call.asked
    if not call.strips_usage:
        body = body_for(call.route, call.dialect, asked, call.body)
        call.strips_usage, call.body = body is not call.body, body
    most = way.case.output_tokens_sent if way.case is not None else 0
    if most and (asked.max_output_tokens is None or asked.max_output_tokens > most):  # a policy about that place
        send_output_limit(call, most * (asked.choices or 1))
    call.bound = bound_there(worker, call, way, output_limit(worker, call), call.facts.received_us)


def say_anew(call: Call, way: Way) -> None:
    """The request once more from what the caller said, for an upstream of another dialect than the last one's."""
    said = told_for(call, way)
    way.told = None  # it is the call's from here on, and changed there
    if said is None:  # who goes there asked whether it suits
        raise BadRequest(f"upstream {way.plan.route.name!r} can't be told this request", field="model")
    notes = [note for note in call.notes if note[0] != LIMIT_HEADER]
    if isinstance(said, Spoken):
        call.translation, call.dialect, call.head, call.asked, call.body = msgspec.structs.astuple(said)
        notes += limit_note(said)
    elif call.translation is not None:
        if limit_of(call.translation, call.asked) is not None:
            notes = call.notes
        call.dialect, call.translation = call.translation.caller, None
        call.asked, call.body = said
    call.notes, call.strips_usage = notes, False


def told_for(call: Call, way: Way) -> Spoken | tuple[Asked, bytes] | None:
    """What a way would be told, by translation, or in the caller's own dialect; None where it can't be.

    Found once: whether a way suits is asked before the call goes there, and maybe more often.
    """
    dialect, asked, body, limit = call.dialect, call.asked, call.body, None
    if call.translation is not None:
        dialect, asked, body = call.translation.caller, call.translation.asked, call.translation.body
        limit = limit_of(call.translation, call.asked)
    told = way.told
    if told is not None and told.body is body and told.limit == limit and told.asked == asked:
        return told.found
    found: Spoken | tuple[Asked, bytes] | None
    try:
        found = said_for(way, dialect, asked, body, limit)
    except BursarError:
        found = None
    way.told = Told(asked, body, limit, found)
    return found


def said_for(way: Way, dialect: Dialect, asked: Asked, body: bytes, limit: int | None) -> Spoken | tuple[Asked, bytes]:
    """What a way would be told of a request in the caller's own dialect. Raises BadRequest where it can't be."""
    if way.plan.other is not None:
        return translate(way.plan.other, dialect, msgspec.structs.replace(asked, model=way.model), body, limit)
    asked, body = with_model(asked, body, way.model, dialect)
    if limit is not None:
        body = changed(dialect.with_output_limit(body, limit), "max_tokens")
        asked = msgspec.structs.replace(asked, max_output_tokens=limit)
    return asked, body


def suits(call: Call, way: Way) -> bool:
    """An upstream that takes no `stream_options` can't have a body that was given them for another one; one of another
    dialect must be able to say it all."""
    if way.plan.other is not None or call.translation is not None:
        return told_for(call, way) is not None
    return way.plan.route.settings.include_usage or not call.strips_usage


def note_error(worker: Worker, call: Call, error: BursarError) -> None:
    """No answer came."""
    if isinstance(error, Overloaded):  # our own queue was full: that says nothing of the upstream
        call.route.health.left()
    else:
        call.route.health.failed(worker.clock.now_us())


def note_answer(worker: Worker, call: Call, attempt: Attempt, reply: Reply) -> None:
    """An answer's head came: how long it took, whether it is a failure, and whether the provider wants a rest."""
    health, now_us = call.route.health, worker.clock.now_us()
    if reply.status in FAILED_STATUSES:
        health.failed(now_us)
    else:
        health.answered(now_us, max(0, (reply.first_byte_us or now_us) - attempt.dispatched_us))
    until_us = cool_until_us(reply.status, reply.headers, now_us)
    if until_us:
        health.cool(until_us, now_us, call.own_key)


def receipt_of(routing: Routing) -> str:
    """Why the call goes where it goes, as its rows keep it."""
    default = routing.default
    return _ENCODER.encode(
        Receipt(
            routing.rule.name,
            routing.rule.strategy,
            [Candidate(way.plan.route.name, way.model, way.why) for way in routing.ways]
            + [Candidate(*one) for one in routing.passed],
            None if default is None else Candidate(default.name, routing.default_model),
            routing.rule.experiment.name if routing.arm and routing.rule.experiment is not None else "",
            routing.arm,
            routing.gate,
        )
    ).decode()


_ENCODER = msgspec.json.Encoder()
