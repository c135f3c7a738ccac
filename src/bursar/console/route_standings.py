"""Routes and how they do: what went through each in the last day, its experiment, its shadow, its upstreams' health."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

import msgspec

from bursar.console.context import ConsoleContext
from bursar.console.experiments import ExperimentAnswer, experiment_so_far
from bursar.console.shadows import ShadowAnswer, shadow_so_far
from bursar.domain.errors import UnknownControl
from bursar.domain.routes import RouteRule, Target
from bursar.explore.routed import Went, went_since
from bursar.gateway.metrics import counts_in

HOURS = 24
RESTING = "bursar_upstream_resting"


Role = Literal["way", "candidate", "shadow", "other"]


class WayAnswer(msgspec.Struct, frozen=True):
    """A place where a route's calls may go, or where they went. role: "way", "candidate" of the experiment, "shadow",
    "other": not of the route as it is now. Figures as in `Went`; a shadow's are in its own answer.

    resting: workers that put the upstream behind the others now; None: no worker has told.
    """

    upstream: str
    model: str
    role: Role
    weight: int
    lacks: list[str]
    attempts: int
    calls: int
    cost: Decimal | None
    unpriced: int
    errors: int
    ms_p50: int | None
    resting: int | None


class RouteStanding(msgspec.Struct, frozen=True):
    """A route. share: of all calls of clients, routed or not; None: there were none. Figures are of the last day."""

    name: str
    source: Literal["control store", "settings file"]
    is_on: bool
    route: RouteRule
    share: float | None
    attempts: int
    calls: int
    cost: Decimal | None
    unpriced: int
    errors: int
    ms_p50: int | None
    ways: list[WayAnswer]
    experiment: ExperimentAnswer | None
    shadow: ShadowAnswer | None


class RoutesAnswer(msgspec.Struct, frozen=True):
    """All routes as they are asked. calls: all of clients since then, routed or not."""

    since: datetime
    calls: int
    routes: list[RouteStanding]


def routes_standing(context: ConsoleContext) -> RoutesAnswer:
    """Those of the control store, then those of the settings file."""
    now = context.now()
    since = (now - timedelta(hours=HOURS)).replace(second=0, microsecond=0)
    with context.ledger.reading() as session:
        total, went = went_since(session, since.replace(tzinfo=None))
    counts = counts_in(context.run_dir)
    found = []
    if context.open_controls is not None:
        found = [
            _standing(context, one.rule, "control store", one.is_on, total, went, counts)
            for one in context.controls().routes.all()
        ]
    found += [_standing(context, rule, "settings file", True, total, went, counts) for rule in context.filed_routes()]
    return RoutesAnswer(since, total, found)


def route_standing(context: ConsoleContext, name: str) -> tuple[RoutesAnswer, RouteStanding]:
    """One of them; of two of a name the one that is asked. Raises UnknownControl."""
    answer = routes_standing(context)
    for one in answer.routes:
        if one.name == name:
            return answer, one
    raise UnknownControl(f"there is no route named {name[:200]!r} (`bursar routes list`)", field="name")


def _standing(
    context: ConsoleContext,
    rule: RouteRule,
    source: Literal["control store", "settings file"],
    is_on: bool,
    total: int,
    went: list[Went],
    counts: Mapping[tuple[str, ...], int],
) -> RouteStanding:
    mine = [one for one in went if one.route == rule.name]
    whole = next((one for one in mine if not one.upstream), Went(rule.name, "", "", 0, 0, None, 0, 0, None))
    places = [one for one in mine if one.upstream]
    trial, shadow = rule.experiment, rule.shadow
    return RouteStanding(
        rule.name, source, is_on, rule, whole.calls / total if total else None,
        whole.attempts, whole.calls, whole.cost, whole.unpriced, whole.errors, whole.ms_p50,
        _ways(rule, places, counts),
        None if trial is None else experiment_so_far(context.ledger, rule, trial, context.now()),
        None if shadow is None else shadow_so_far(context.ledger, rule, shadow, context.now(), counts),
    )  # fmt: skip


def _ways(rule: RouteRule, places: list[Went], counts: Mapping[tuple[str, ...], int]) -> list[WayAnswer]:
    """What the route names, each with what went there; then places where calls went that it names no longer."""
    named: list[tuple[Target, Role]] = [(target, "way") for target in rule.targets]
    if rule.experiment is not None:
        named.append((rule.experiment.candidate, "candidate"))
    if rule.shadow is not None:
        named.append((rule.shadow.candidate, "shadow"))
    live = [at for at, (_, role) in enumerate(named) if role != "shadow"]
    live.sort(key=lambda at: (not named[at][0].model, not named[at][0].upstream))  # who says most has its own first
    of: dict[int, list[Went]] = {}
    others = []
    for place in places:
        at = next((at for at in live if _is_there(named[at][0], place)), None)
        if at is None:
            others.append(_way(Target(place.upstream, place.model), "other", place, counts))
        else:
            of.setdefault(at, []).append(place)
    ways = []
    for at, (target, role) in enumerate(named):
        mine = of.get(at, [])
        there = msgspec.structs.replace(target, upstream=mine[0].upstream) if len(mine) == 1 else target
        went = mine[0] if len(mine) == 1 else _together(mine) if mine else None
        ways.append(_way(there, role, went, counts))
    return [*ways, *others]


def _is_there(target: Target, one: Went) -> bool:
    return target.upstream in ("", one.upstream) and target.model in ("", one.model)


def _together(places: list[Went]) -> Went:
    """Several models, or upstreams, of one target. Medians can't be added up: unknown."""
    known = [one.cost for one in places if one.cost is not None]
    return Went(
        places[0].route, places[0].upstream, "", sum(one.attempts for one in places),
        sum(one.calls for one in places), sum(known, Decimal(0)) if known else None,
        sum(one.unpriced for one in places), sum(one.errors for one in places), None,
    )  # fmt: skip


def _way(
    target: Target,
    role: Role,
    went: Went | None,
    counts: Mapping[tuple[str, ...], int],
) -> WayAnswer:
    seen = went or Went("", "", "", 0, 0, None, 0, 0, None)
    return WayAnswer(
        target.upstream, target.model, role, target.weight, list(target.lacks), seen.attempts, seen.calls, seen.cost,
        seen.unpriced, seen.errors, seen.ms_p50, counts.get((RESTING, f"upstream={target.upstream}")),
    )  # fmt: skip
