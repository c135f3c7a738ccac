"""When the next attempt goes to another upstream, and what each answer says of the one it came from."""

from bursar.domain.errors import BursarError, Overloaded, UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from bursar.gateway.call import Attempt, Call, Way, Worker
from bursar.gateway.hold import bound_there, output_limit
from bursar.gateway.names import with_model
from bursar.gateway.upstream import Reply
from bursar.gateway.upstream_rates import cool_until_us

ELSEWHERE_STATUSES = frozenset({401, 403, 404, 408, 429, 500, 502, 503, 504, 529})
"""The provider refused or failed, and says so itself: nothing is billed, and another one may do better."""

FAILED_STATUSES = frozenset({500, 502, 503, 504, 529})


def may_follow(call: Call, error: BursarError) -> bool:
    """Whether another attempt may follow one without an answer: nothing was sent, or the route allows it after all."""
    if isinstance(error, UpstreamUnreachable):
        return True
    if not turns(call):
        return False
    if isinstance(error, UpstreamTimeout | UpstreamBroken):
        return call.routing is not None and call.routing.rule.after_timeout
    return isinstance(error, Overloaded)


def turns(call: Call) -> bool:
    """Whether there is an upstream that was not tried yet."""
    return call.routing is not None and any(
        not way.is_tried and way.plan.route is not call.route for way in call.routing.ways
    )


def turn(worker: Worker, call: Call) -> bool:
    """Point the call at the next way: one that is well, else any. False: there is no other, it stays where it is."""
    if call.routing is None:
        return False
    now_us = worker.clock.now_us()
    for way in call.routing.ways:
        if way.plan.route is call.route and way.model == call.asked.model:
            way.is_tried = True
    left = [way for way in call.routing.ways if not way.is_tried and suits(call, way)]
    if not left:
        return False
    way = next((one for one in left if not one.plan.route.health.why_not(now_us)), left[0])
    way.is_tried = True
    if way.model != call.asked.model:
        call.body = with_model(call.body, way.model)
        call.asked.model = way.model
    call.route, call.head = way.plan.route, way.plan.head
    asked = call.asked
    if asked.stream and not asked.wants_usage and not call.strips_usage and call.route.settings.include_usage:
        body = call.dialect.with_usage(call.body, asked)
        call.strips_usage, call.body = body is not call.body, body
    call.bound = bound_there(worker, call, way, output_limit(worker, call), call.facts.received_us)
    return True


def suits(call: Call, way: Way) -> bool:
    """An upstream that takes no `stream_options` can't have a body that was given them for another one."""
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
        health.cool(until_us)
