"""One anomaly: its course, why it costs what it costs, the calls to look at, what can be done; and its forms."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import post
from litestar.response import Redirect

from bursar.console.acting import act
from bursar.console.anomalies import (
    AnomalyDetail,
    StepTold,
    course_told,
    detail_of,
    precision_told,
    read_label,
)
from bursar.console.api.answers import csv_bytes
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.anomalies import Names, length, rarer, shown_marker
from bursar.console.pages.anomaly_rows import (
    OFFERS,
    alike,
    apart,
    calls_of,
    cause_rows,
    chance,
    only_value,
    seen_words,
    shown_movement,
    shown_offers,
)
from bursar.console.pages.serving import Asked, fields_of
from bursar.console.timeline import Timeline, step_words, timeline
from bursar.console.view import View
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadControl, BadMarker
from bursar.domain.findings import Finding
from bursar.domain.money import usd_from_pico
from bursar.domain.periods import Period
from bursar.domain.watching import Label, SeriesKey
from bursar.explore.filters import Filter
from bursar.explore.vocabulary import marker_scope
from bursar.watch.course import Course, course_of
from bursar.watch.telling import SIGNALS

LABELS = {Label.TRUE: "True", Label.FALSE: "False", Label.EXPECTED: "Expected"}
LABEL_HINTS = {
    Label.TRUE: "It was one", Label.FALSE: "It was nothing: it is followed no longer",
    Label.EXPECTED: "It was one, and wanted: it goes on without alerts",
}  # fmt: skip
PLACES = {"policy": "/controls#policies", "limit": "/controls#limits", "budget": "/budgets"}
CHANGES = {
    "spike": "it passes", "shift": "it stays", "growth": "it grows a little each step", "new": "it is new",
    "silence": "it has stopped",
}  # fmt: skip
CLOCKS = {"minute": "the minutes", "hour": "the hours", "day": "the days"}


class AnomalyFigures(msgspec.Struct, frozen=True):
    """The page's figures for programs: what the API tells, and the course."""

    anomaly: AnomalyDetail
    course: list[StepTold]


def anomaly_figures(context: ConsoleContext, finding_id: str) -> AnomalyFigures:
    """Raises UnknownAnomaly."""
    finding, course = _read(context, finding_id)
    return AnomalyFigures(detail_of(finding), course_told(course))


def anomaly_csv(told: AnomalyFigures) -> bytes:
    """The whole, its factors, the values it falls on, and the course: each a row with its kind in the first column."""
    one = told.anomaly
    rows: list[list[Any]] = [["whole", one.name, "", one.began_at, one.ended_at or one.counted_until, one.expected,
                              one.actual, one.excess]]  # fmt: skip
    rows += [["factor", part.factor, "", "", "", "", "", part.amount] for part in one.parts]
    for movement in one.movements:
        within = "; ".join(f"{each.dimension}={each.value}" for each in movement.within)
        rows += [
            [movement.dimension, "(others)" if each.is_rest else each.value, within, "", "", each.expected, each.actual,
             each.excess]
            for each in movement.values
        ]  # fmt: skip
    rows += [["step", "", "", step.start, step.end, step.expected or "", step.actual, ""] for step in told.course]
    return csv_bytes(("what", "name", "within", "start", "end", "expected", "actual", "excess"), rows)


def anomaly_page(context: ConsoleContext, view: View, f: Format, finding_id: str) -> dict[str, Any]:
    """Everything the template reads. Raises UnknownAnomaly."""
    finding, course = _read(context, finding_id)
    told, names = detail_of(finding), Names(context)
    end = told.ended_at or told.counted_until
    calls = calls_of(context, view, finding)
    first_bad = next((row for row in calls.values() if row.is_first_bad), None)
    precision = next((one for one in context.anomalies().findings.precisions()
                      if one.signal is finding.signals[0]), None)  # fmt: skip
    own = (Filter(finding.series.dimension, (finding.series.value,)),) if finding.series.dimension else ()
    movements = [shown_movement(f, names, one) for one in told.movements]
    return {
        "data": {
            "one": told,
            "is_open": told.status == "open",
            "whose": names(finding.series),
            "dimension": f.field(finding.series.dimension) if finding.series.dimension else "",
            "lasted": length(f, told.began_at, end),
            "excess": Decimal(told.excess),
            "per_hour": Decimal(told.excess_per_hour),
            "per_month": Decimal(told.per_month),
            "expected": Decimal(told.expected),
            "actual": Decimal(told.actual),
            "actual_href": _calls_href(view, finding, finding.began_us, finding.until_us),
            "timeline": _timeline(context, view, f, finding, course),
            "step": step_words(course.step_us),
            "compared": _compared(view, finding, course),
            "causes": cause_rows(f, finding),
            "mixed_by": f.field(told.mixed_by).lower() if told.mixed_by else "",
            "movements": [one for one in movements if len(one.rows) > 1],
            "only": [only_value(one) for one in movements if len(one.rows) == 1],
            "like": alike(f, told.before, told.after),
            "calls_before": [calls[one] for one in told.calls_before if one in calls],
            "calls_after": [calls[one] for one in told.calls_after if one in calls],
            "first_bad": first_bad,
            "markers": [(shown_marker(one, names), apart(f, one.at_us, finding.began_us, finding.clock))
                        for one in finding.evidence.markers],
            "signals": [(SIGNALS[one.signal], f.field(one.series.dimension) if one.series.dimension else "all calls",
                         names(one.series), CHANGES[one.change.value], CLOCKS[one.clock.value],
                         datetime_from_us(one.began_us), seen_words(f, one, one.expected),
                         seen_words(f, one, one.actual)) for one in finding.detections],
            "chance": chance(f, finding.surprise),
            "offers": shown_offers(f, told, finding),
            "deeds": told.deeds,
            "places": PLACES,
            "offer_words": OFFERS,
            "labels": LABELS,
            "label_hints": LABEL_HINTS,
            "label": told.label or "",
            "led_by": SIGNALS[finding.signals[0]],
            "precision": precision,
            "rarer": rarer(precision_told(precision)) if precision else "",
            "explore_href": view.url("/explore", period=_days(told.began_at, end), by="model", filters=own),
        },
        "csrf": context.csrf,
        "has_pickers": False,
    }  # fmt: skip


def change_anomaly(context: ConsoleContext, form: Mapping[str, str]) -> str:
    """What a form of its page asks for, done; where it leads. Raises Forbidden without the page's own token,
    BadControl, BadMarker, UnknownAnomaly, NameTaken."""
    context.check_form(form)
    name = form.get("id", "")
    match form.get("act", ""):
        case "label":
            label = read_label(form.get("label", ""))
            kept = context.anomalies().findings.label(name, label, actor=ACTOR, note=form.get("note", ""))
            return f"/anomalies/{quote(kept.finding_id, safe='')}#label"
        case "draft" | "apply" as how:
            done = act(context.acting(), name, form.get("offer", ""), is_on=how == "apply", actor=ACTOR)
            return f"/anomalies/{quote(done.finding_id, safe='')}#actions"
        case "mark":
            _mark(context, form)
            return "/anomalies#markers"
        case other:
            raise BadControl(f"act is {other[:40]!r}; it is label, draft, apply or mark", field="act")


@post("/anomalies/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Redirect:
    """A form of these pages."""
    fields = await fields_of(request)
    target = await asyncio.to_thread(change_anomaly, request.app.state.context, fields)
    return Redirect(target, status_code=303)


def _mark(context: ConsoleContext, form: Mapping[str, str]) -> None:
    """Something that happened just now, as the form on the list says it; whom it is about as `feature=search`."""
    dimension, is_said, value = (part.strip() for part in form.get("scope", "").partition("="))
    if (dimension and not is_said) or (is_said and not (dimension and value)):
        raise BadMarker("scope: a dimension and a value, as feature=search; or leave it empty", field="scope")
    context.anomalies().markers.add(
        form.get("title", ""),
        kind=form.get("kind", "") or "deploy",
        scope=marker_scope(dimension, value),
        source="console",
        actor=ACTOR,
    )


def _read(context: ConsoleContext, finding_id: str) -> tuple[Finding, Course]:
    finding = context.anomalies().findings.one(finding_id)
    with context.ledger.reading() as session:
        return finding, course_of(session, context.ledger.dialect, finding, context.clock.now_us())


def _timeline(context: ConsoleContext, view: View, f: Format, finding: Finding, course: Course) -> Timeline:
    first, last = course.steps[0].start_us, course.steps[-1].end_us
    near = {SeriesKey(), finding.series, *finding.nested}
    markers = [one for one in context.markers(Period(datetime_from_us(first), datetime_from_us(last)))
               if one.scope in near]  # fmt: skip
    return timeline(
        finding, course, markers, f.zone, now_us=context.clock.now_us(),
        href=lambda start, end: _calls_href(view, finding, start, end), tell=f.plain_money, tell_tick=f.money_tick,
    )  # fmt: skip


def _calls_href(view: View, finding: Finding, start_us: int, end_us: int) -> str:
    own = (Filter(finding.series.dimension, (finding.series.value,)),) if finding.series.dimension else ()
    return view.url("/calls", period=_span(start_us, end_us), filters=own, order="dearest")


def _span(start_us: int, end_us: int) -> str:
    """Whole minutes, as an address says them; the last one that is begun is in it."""
    minute = 60_000_000
    start, end = (datetime_from_us(at // minute * minute).astimezone(UTC) for at in (start_us, end_us + minute - 1))
    return f"{start:%Y-%m-%dT%H:%MZ}..{end:%Y-%m-%dT%H:%MZ}"


def _days(start: datetime, end: datetime) -> str:
    return f"{start:%Y-%m-%d}..{end:%Y-%m-%d}"


def _compared(view: View, finding: Finding, course: Course) -> list[tuple[datetime, datetime, Decimal, str]]:
    return [
        (datetime_from_us(start), datetime_from_us(end), usd_from_pico(pico), _calls_href(view, finding, start, end))
        for (start, end), pico in zip(course.windows_us, course.windows_pico, strict=True)
    ]


ANOMALY_PAGES: Sequence[Any] = [change]
