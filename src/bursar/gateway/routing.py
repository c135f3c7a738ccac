"""A route at work: who of its upstreams may take a call, and in which order."""

import contextlib

import msgspec

from bursar.domain.errors import BursarError, Forbidden, NoUpstream
from bursar.domain.routes import RouteRule
from bursar.gateway.bound import bound_at, input_bound
from bursar.gateway.call import Arrival, Routing, Way, Worker
from bursar.gateway.case import Case
from bursar.gateway.choose import choose_upstream
from bursar.gateway.envelope import Envelope
from bursar.gateway.fits import misfit
from bursar.gateway.strategies import PREFIX_BYTES, order
from bursar.providers.base import Asked


def route_call(worker: Worker, arrival: Arrival, envelope: Envelope, asked: Asked, case: Case) -> Routing | None:
    """The ways that a call may go, the first to be tried in front; None: no route is about it.

    case: as the policies leave it; its model is the one that would go out.
    Raises the refusal of its last candidate where none may take the call.
    """
    rule = worker.route_table.about(case, arrival.received_us)
    if rule is None:
        return None
    default = None
    with contextlib.suppress(BursarError):  # only the route knows this model, or this key goes nowhere else
        default = choose_upstream(worker, arrival, envelope, case.model).route
    ways: list[Way] = []
    passed: list[tuple[str, str, str]] = []
    refusal: BursarError | None = None
    for target in rule.targets:
        model = target.model or case.model
        there = None
        try:
            plan = choose_upstream(worker, arrival, envelope, model, target.upstream)
            settings = plan.route.settings
            if envelope.credential.client_secret and (default is None or default.provider != plan.route.provider):
                raise Forbidden(  # a provider's key is for that provider's eyes
                    f"route {rule.name!r} leads to {plan.route.name!r}, whose provider the caller's own key isn't for",
                    field="authorization",
                )
            if worker.decider.is_active:
                there = worker.decider.reconsider(case, model, settings.provider, settings.region, arrival.received_us)
        except BursarError as error:
            passed.append((target.upstream, model, error.code))
            refusal = error
            continue
        why = misfit(worker, rule, target, plan.route, asked, case, model)
        if why:
            passed.append((plan.route.name, model, why))
            continue
        ways.append(Way(plan, model, target.weight, case=there))
    if not ways:
        kept_out = "".join(f"; {name}/{model}: {why}" for name, model, why in passed)
        raise refusal or NoUpstream(f"route {rule.name!r} has no upstream for this call{kept_out}", field="model")
    return Routing(rule, _in_order(worker, arrival, asked, rule, case, ways), passed, default, case.model)


def _in_order(
    worker: Worker, arrival: Arrival, asked: Asked, rule: RouteRule, case: Case, ways: list[Way]
) -> list[Way]:
    """By the strategy; those that are down or ask for a rest come last, so that they are tried only if all are."""
    if len(ways) == 1:
        return ways
    now_us, session = worker.clock.now_us(), case.attribution.session
    if session and rule.strategy != "lowest-latency":
        key = session.encode()
    elif rule.strategy == "sticky":
        key = arrival.body[:PREFIX_BYTES]
    else:
        key = arrival.call_id.encode()
    strategy = rule.strategy
    loads = [way.plan.route.health.load(now_us) for way in ways] if strategy == "lowest-latency" else []
    costs = [price_of(worker, way, asked, len(arrival.body), now_us) for way in ways] if strategy == "cheapest" else []
    names = [f"{way.plan.route.name}/{way.model}" for way in ways]
    ordered = [ways[at] for at in order(strategy, key, names, [way.weight for way in ways], loads, costs)]
    rested = []
    for way in ordered:
        way.why = way.plan.route.health.why_not(now_us)
        if way.why:
            rested.append(way)
    return [way for way in ordered if not way.why] + rested if rested else ordered


def price_of(worker: Worker, way: Way, asked: Asked, body_bytes: int, now_us: int) -> int | None:
    """The most that the call costs there; None: unknown, so it comes last."""
    route, there = way.plan.route, msgspec.structs.replace(asked, model=way.model)
    tokens = (asked.max_output_tokens or worker.settings.output_tokens_default) * (asked.choices or 1)
    return bound_at(worker, route, there, input_bound(worker, route.name, there, body_bytes), tokens, now_us).pico
