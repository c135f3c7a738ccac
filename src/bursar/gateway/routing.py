"""A route at work: who of its upstreams may take a call, and in which order."""

import msgspec

from bursar.domain.errors import BursarError, Forbidden, NoUpstream
from bursar.domain.routes import CANDIDATE, RouteRule
from bursar.gateway.arms import arm_of
from bursar.gateway.bound import bound_at, input_bound
from bursar.gateway.call import Arrival, Routing, Way, Worker
from bursar.gateway.case import Case
from bursar.gateway.choose import choose_upstream
from bursar.gateway.envelope import Envelope
from bursar.gateway.fits import SMALL_TOKENS, misfit
from bursar.gateway.gated import judge_way
from bursar.gateway.route import Route
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
    default: Route | None
    try:
        default = choose_upstream(worker, arrival, envelope, case.model).route
    except BursarError:  # only the route knows this model, or this key goes nowhere else
        default = None
    ways: list[Way] = []
    passed: list[tuple[str, str, str]] = []
    refusal: BursarError | None = None
    arm, first, targets = "", None, rule.targets
    cheap = targets[0] if rule.quality_gate is not None and targets else None
    if rule.experiment is not None and (arm := arm_of(rule, case.attribution, arrival.call_id)) == CANDIDATE:
        first = rule.experiment.candidate
        targets = (first, *targets)
    client_secret, decider = envelope.credential.client_secret, worker.decider
    size = case.body_bytes + (asked.max_output_tokens or 0)
    for target in targets:
        model = target.model or case.model
        there = None
        try:
            plan = choose_upstream(worker, arrival, envelope, model, target.upstream)
            if client_secret and (default is None or default.provider != plan.route.provider):
                raise Forbidden(  # a provider's key is for that provider's eyes
                    f"route {rule.name!r} leads to {plan.route.name!r}, whose provider the caller's own key isn't for",
                    field="authorization",
                )
            if decider.is_active:
                settings = plan.route.settings
                there = decider.reconsider(case, model, settings.provider, settings.region, arrival.received_us)
        except BursarError as error:
            passed.append((target.upstream, model, error.code))
            refusal = error
            continue
        if (
            size > SMALL_TOKENS or rule.regions or target.lacks or target.context_tokens
            or plan.route.settings.data_classes
        ) and (why := misfit(worker, rule, target, plan.route, asked, case, model)):  # fmt: skip
            passed.append((plan.route.name, model, why))
            continue
        ways.append(Way(plan, model, target.weight, case=there, leads=target is first, is_cheap=target is cheap))
    if not ways:
        kept_out = "".join(f"; {name}/{model}: {why}" for name, model, why in passed)
        raise refusal or NoUpstream(f"route {rule.name!r} has no upstream for this call{kept_out}", field="model")
    judged = None
    if rule.quality_gate is not None:
        judged = judge_way(worker, arrival, asked, rule.quality_gate, ways)
    ordered = _in_order(worker, arrival, asked, rule, case, ways, envelope.credential.own_key)
    default_model = case.model
    if default is None and judged is not None:  # only the route knows this model: what the gate saves is the dear one
        dear = next((way for way in ways if not way.is_cheap), ways[0])
        default, default_model = dear.plan.route, dear.model
    return Routing(rule, ordered, passed, default, default_model, arm, judged)


def _in_order(
    worker: Worker, arrival: Arrival, asked: Asked, rule: RouteRule, case: Case, ways: list[Way], own_key: str
) -> list[Way]:
    """By the strategy; those that are down or ask for a rest come last, so that they are tried only if all are."""
    if len(ways) == 1:
        return ways
    now_us = worker.clock.now_us()
    ordered = ways if rule.strategy == "ordered" else _drawn(worker, arrival, asked, rule, case, ways, now_us)
    if ways[0].leads:
        ordered.sort(key=lambda way: not way.leads)
    rested = []
    for way in ordered:
        why = way.plan.route.health.why_not(now_us, own_key)
        if why:
            way.why = why
            rested.append(way)
    return [way for way in ordered if not way.why] + rested if rested else ordered


def _drawn(
    worker: Worker, arrival: Arrival, asked: Asked, rule: RouteRule, case: Case, ways: list[Way], now_us: int
) -> list[Way]:
    """Any other order than as written."""
    session = case.attribution.session
    if session and rule.strategy != "lowest-latency":
        key = session.encode()
    elif rule.strategy == "sticky":
        key = arrival.body[:PREFIX_BYTES]
    else:
        key = arrival.call_id.encode()
    strategy = rule.strategy
    loads = [way.plan.route.health.load(now_us) for way in ways] if strategy == "lowest-latency" else []
    costs = [price_of(worker, way, asked, len(arrival.body), now_us) for way in ways] if strategy == "cheapest" else []
    names = [way.plan.route.name + way.model for way in ways]
    return [ways[at] for at in order(strategy, key, names, [way.weight for way in ways], loads, costs)]


def price_of(worker: Worker, way: Way, asked: Asked, body_bytes: int, now_us: int) -> int | None:
    """The most that the call costs there; None: unknown, so it comes last."""
    route, there = way.plan.route, msgspec.structs.replace(asked, model=way.model)
    tokens = (asked.max_output_tokens or worker.settings.output_tokens_default) * (asked.choices or 1)
    return bound_at(worker, route, there, input_bound(worker, route.name, there, body_bytes), tokens, now_us).pico
