"""Routes: where calls go, what each way cost and how it did, and what experiments and shadows have shown."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from bursar.console.api.answers import csv_bytes
from bursar.console.context import ConsoleContext
from bursar.console.experiments import ExperimentAnswer
from bursar.console.format import Format
from bursar.console.pages.costs import share_of
from bursar.console.route_standings import RoutesAnswer, RouteStanding, WayAnswer, route_standing, routes_standing
from bursar.console.shadows import ShadowAnswer
from bursar.console.view import View
from bursar.domain.controls import written
from bursar.domain.ladders import DEFAULT_LADDERS
from bursar.domain.routes import RouteRule
from bursar.explore.filters import Filter
from bursar.explore.shadows import Pair

ROLES = {"way": "", "candidate": "experiment's candidate", "shadow": "shadow", "other": "not of the route now"}
LOGARITHMS = ("latency", "cost")  # metrics whose means are of logarithms


class ShownRoute(msgspec.Struct, frozen=True):
    """A row of the list. says: what else it asks for or does. notes: (words, is it bad) of experiment and shadow."""

    one: RouteStanding
    href: str
    calls_href: str
    about: str
    says: list[str]
    places: str
    bar: float
    notes: list[tuple[str, str]]


class ShownWay(msgspec.Struct, frozen=True):
    """A way of one route."""

    one: WayAnswer
    name: str
    role: str
    calls_href: str
    bar: float


class ShownPair(msgspec.Struct, frozen=True):
    """A shadow's pair. change: the candidate's cost against the client's, over pairs that are both priced."""

    one: Pair
    href: str
    per_shown: Decimal | None
    per_shadow: Decimal | None
    shares: list[tuple[str, str, float | None]]


def routes_figures(context: ConsoleContext) -> RoutesAnswer:
    """The page's figures for programs."""
    return routes_standing(context)


def route_figures(context: ConsoleContext, name: str) -> RouteStanding:
    """One route's. Raises UnknownControl."""
    return route_standing(context, name)[1]


def routes_csv(answer: RoutesAnswer) -> bytes:
    """A row for each way of each route."""
    return _csv(answer.routes)


def route_csv(one: RouteStanding) -> bytes:
    """A row for each way."""
    return _csv([one])


def routes_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the list's template reads."""
    answer = routes_standing(context)
    most = max((one.calls for one in answer.routes), default=0)
    routed = sum(one.calls for one in answer.routes)
    ladders = [*context.config.ladders, *(DEFAULT_LADDERS if context.config.default_ladders else ())]
    lead = ""
    if answer.routes and answer.calls:
        lead = f"{f.count(routed)} of {f.count(answer.calls)} calls of the last 24 hours were routed"
    return {
        "data": {
            "lead": lead,
            "routes": [_shown(view, answer, one, most) for one in answer.routes],
            "ladders": [
                (one.name, list(one.models), ", ".join(one.modes) or "eco, balanced, sport") for one in ladders
            ],
        }
    }


def route_page(context: ConsoleContext, view: View, f: Format, name: str) -> dict[str, Any]:
    """Everything the template of one route reads. Raises UnknownControl."""
    answer, one = route_standing(context, name)
    most = max((way.calls for way in one.ways), default=0)
    pairs = [_pair(view, one, pair) for pair in one.shadow.pairs] if one.shadow is not None else []
    return {
        "data": {
            "one": one,
            "about": written(one.route.match) or "every call",
            "says": _says(one.route),
            "calls_href": _calls(view, answer, one.name),
            "ways": [_way(view, answer, one, way, most) for way in one.ways],
            "pairs": pairs,
            "share": f.percent(Decimal(one.calls), Decimal(answer.calls)) if answer.calls else "",
            "logarithms": LOGARITHMS,
        }
    }


def _shown(view: View, answer: RoutesAnswer, one: RouteStanding, most: int) -> ShownRoute:
    places = ", ".join(_place(way) for way in one.ways if way.role == "way")
    return ShownRoute(
        one, view.url(f"/routes/{quote(one.name, safe='')}"), _calls(view, answer, one.name),
        written(one.route.match) or "every call", _says(one.route), places,
        share_of(Decimal(one.calls), Decimal(most)), _notes(one.experiment, one.shadow),
    )  # fmt: skip


def _notes(trial: ExperimentAnswer | None, shadow: ShadowAnswer | None) -> list[tuple[str, str]]:
    notes = []
    if trial is not None:
        verdicts = {one.verdict for one in trial.findings}
        if trial.stopped:
            notes.append((f"experiment {trial.experiment} stopped", "bad"))
        elif "worse" in verdicts:
            notes.append((f"experiment {trial.experiment}: worse", "bad"))
        else:
            told = "better" if "better" in verdicts else "not told apart"
            notes.append((f"experiment {trial.experiment}: {told}", "good" if told == "better" else ""))
    if shadow is not None:
        compared = sum(pair.compared for pair in shadow.pairs)
        agreed = sum((pair.agreement or 0.0) * pair.compared for pair in shadow.pairs)
        told = f"{agreed / compared:.0%} agreement" if compared else "nothing compared yet"
        notes.append((f"shadow {shadow.shadow}: {told}", ""))
    return notes


def _says(rule: RouteRule) -> list[str]:
    """What a route asks for and does, beside its match and its ways."""
    said = []
    if rule.hours:
        said.append(f"{rule.hours} UTC")
    if rule.input_bytes_min is not None:
        said.append(f"from {rule.input_bytes_min:,} bytes on")
    if rule.input_bytes_max is not None:
        said.append(f"up to {rule.input_bytes_max:,} bytes")
    if rule.regions:
        said.append(f"regions {', '.join(rule.regions)}")
    if rule.quality_gate is not None:
        said.append(f"quality gate {rule.quality_gate.weights}")
    if rule.hedge_after_ms is not None:
        said.append(f"hedged after {rule.hedge_after_ms:,} ms")
    if rule.first_byte_timeout_s is not None:
        said.append(f"waits {rule.first_byte_timeout_s:g} s for a first byte")
    if rule.after_timeout:
        said.append("tries the next after a time-out")
    return said


def _way(view: View, answer: RoutesAnswer, one: RouteStanding, way: WayAnswer, most: int) -> ShownWay:
    own = tuple(
        Filter(field, (value,)) for field, value in (("upstream", way.upstream), ("model_sent", way.model)) if value
    )
    live = (*own, Filter("traffic", ("shadow" if way.role == "shadow" else "live",)))
    href = _calls(view, answer, one.name, live)
    return ShownWay(way, _place(way), ROLES[way.role], href, share_of(Decimal(way.calls), Decimal(most)))


def _pair(view: View, one: RouteStanding, pair: Pair) -> ShownPair:
    upstream, _, model = pair.candidate.partition("/")
    own = (Filter("route", (one.name,)), Filter("traffic", ("shadow",)), Filter("upstream", (upstream,)),
           Filter("model_sent", (model,)))  # fmt: skip
    shares = [
        ("ended alike", "the same reason to end", pair.finish),
        ("same tools", "the same tools, each as often", pair.tool_names),
        ("same tool calls", "with the same arguments", pair.tool_calls),
        ("same JSON", "of answers that had to be JSON", pair.json),
        ("same text", "but for case and white space", pair.text),
        ("words in common", "F1 of the words, counted", pair.words),
    ]
    each = Decimal(pair.priced) if pair.priced else None
    return ShownPair(
        pair, view.url("/calls", period="30d", filters=own),
        pair.shown_cost / each if each else None, pair.shadow_cost / each if each else None,
        [share for share in shares if share[2] is not None],
    )  # fmt: skip


def _calls(view: View, answer: RoutesAnswer, route: str, more: tuple[Filter, ...] = ()) -> str:
    """The calls behind a figure of the last day."""
    until = view.now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    period = f"{answer.since:%Y-%m-%dT%H:%MZ}..{until:%Y-%m-%dT%H:%MZ}"
    traffic = () if any(one.field == "traffic" for one in more) else (Filter("traffic", ("live",)),)
    return view.url("/calls", period=period, filters=(Filter("route", (route,)), *traffic, *more))


def _place(way: WayAnswer) -> str:
    return "/".join(part for part in (way.upstream, way.model) if part)


def _csv(routes: list[RouteStanding]) -> bytes:
    heads = ["route", "source", "is_on", "match", "strategy", *WayAnswer.__struct_fields__]
    rows: list[list[Any]] = []
    for one in routes:
        own = [one.name, one.source, one.is_on, written(one.route.match), one.route.strategy]
        rows += [[*own, *(_cell(value) for value in msgspec.structs.astuple(way))] for way in one.ways]
    return csv_bytes(heads, rows)


def _cell(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value
