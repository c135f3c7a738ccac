"""The JSON API of anomalies and markers: what was found, why, what it costs; labels, actions, what happened when.

Handlers that share a path are coroutines, as in `controls.py`.
"""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from litestar import Response, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from bursar.console.acting import act
from bursar.console.anomalies import (
    AnomaliesTold,
    AnomalyBooks,
    AnomalyDetail,
    AnomalyTold,
    MarkerTold,
    StepTold,
    anomalies_told,
    anomaly_told,
    course_told,
    detail_of,
    marker_told,
    read_label,
)
from bursar.console.api.answers import csv_bytes
from bursar.console.api.controls import Asked, as_csv
from bursar.console.api.parameters import PROBLEMS, Period, Shape
from bursar.console.context import ACTOR, ConsoleContext
from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import BadMarker
from bursar.domain.periods import parse_period
from bursar.domain.watching import Marker
from bursar.explore.vocabulary import marker_scope
from bursar.watch.course import course_of

Open = Annotated[
    bool | None, QueryParameter(name="open", description="Only what goes on. Default: false, with what has ended.")
]

COLUMNS = (
    "id", "status", "title", "dimension", "value", "signals", "change", "clock", "began_at", "ended_at", "expected",
    "actual", "excess", "excess_per_hour", "per_month", "unpriced_count", "why", "where", "label", "labelled_by",
    "label_note",
)  # fmt: skip


class LabelWish(msgspec.Struct, forbid_unknown_fields=True):
    """label: true, false, expected (true, and wanted), or none to take the word back. note: why."""

    label: str
    note: str = ""


class ActionWish(msgspec.Struct, forbid_unknown_fields=True):
    """offer: throttle, cheaper or approve. on: false keeps it as a draft."""

    offer: str
    on: bool = False


class MarkerWish(msgspec.Struct, forbid_unknown_fields=True):
    """What happened. at: with its UTC offset; null: now. scope: whom it is about, as {"feature": "search"}; at most
    one."""

    title: str
    at: datetime | None = None
    kind: str = "deploy"
    scope: dict[str, str] = {}


@get("/api/anomalies", sync_to_thread=True, responses=PROBLEMS, summary="What is out of the ordinary, by money")
def anomalies(
    request: Asked, open_: Open = None, period: Period = None, format_: Shape = None
) -> Response[AnomaliesTold]:
    """Those found in a period (30d) or going on still: what goes on first, by what it would cost in a month."""
    context = _context(request)
    asked = parse_period(period or "30d", context.now(), context.config.console.timezone)
    told = anomalies_told(context.anomalies(), open_only=bool(open_), since_us=us_from_datetime(asked.start))
    return as_csv(anomalies_csv(told.anomalies)) if format_ == "csv" else Response(told)


@get("/api/anomalies/{anomaly_id:str}", sync_to_thread=True, responses=PROBLEMS, summary="One anomaly, and why")
def anomaly(request: Asked, anomaly_id: FromPath[str]) -> AnomalyDetail:
    """By its id or the end of it: its parts, whom it falls on, the calls around it. 404 `unknown_anomaly`."""
    return anomaly_told(_books(request), anomaly_id)


@get("/api/anomalies/{anomaly_id:str}/pace", sync_to_thread=True, responses=PROBLEMS, summary="How it went over time")
def anomaly_pace(request: Asked, anomaly_id: FromPath[str]) -> list[StepTold]:
    """What each step cost and what was to be expected of it, from twice as long before it as it lasted. 404
    `unknown_anomaly`."""
    context = _context(request)
    finding = context.anomalies().findings.one(anomaly_id)
    with context.ledger.reading() as session:
        return course_told(course_of(session, context.ledger.dialect, finding, context.clock.now_us()))


@put("/api/anomalies/{anomaly_id:str}/label", sync_to_thread=True, responses=PROBLEMS, summary="Say what it was")
def label_anomaly(request: Asked, anomaly_id: FromPath[str], data: JSONBody[LabelWish]) -> AnomalyDetail:
    """Labels show each detector's precision, and raise the threshold of one that is often wrong.

    400 `bad_control`, 404 `unknown_anomaly`.
    """
    return detail_of(_books(request).findings.label(anomaly_id, read_label(data.label), actor=ACTOR, note=data.note))


@post("/api/anomalies/{anomaly_id:str}/apply", sync_to_thread=True, status_code=200, responses=PROBLEMS,
      summary="Do something about it")  # fmt: skip
def apply_to_anomaly(request: Asked, anomaly_id: FromPath[str], data: JSONBody[ActionWish]) -> AnomalyDetail:
    """One of its offers, as a draft or at once. 400 `bad_control`, 404 `unknown_anomaly`, 409 `name_taken`."""
    return detail_of(act(_context(request).acting(), anomaly_id, data.offer, is_on=data.on, actor=ACTOR))


@get("/api/markers", responses=PROBLEMS, summary="What happened when")
async def markers(request: Asked, period: Period = None) -> list[MarkerTold]:
    """Of a period (30d), the newest first: deploys that were told, and changes of settings out of the audit log."""
    context = _context(request)
    asked = parse_period(period or "30d", context.now(), context.config.console.timezone)
    start_us, end_us = us_from_datetime(asked.start), us_from_datetime(asked.end)
    found = await asyncio.to_thread(lambda: context.anomalies().markers.between(start_us, end_us))
    return [marker_told(one) for one in found]


@post("/api/markers", responses=PROBLEMS, summary="Say that something happened")
async def make_marker(request: Asked, data: JSONBody[MarkerWish]) -> MarkerTold:
    """A deploy, a launch: anomalies that begin near it show it. 400 `bad_marker`."""
    books = _books(request)
    return marker_told(await asyncio.to_thread(_add, books, data))


def _add(books: AnomalyBooks, wish: MarkerWish) -> Marker:
    if len(wish.scope) > 1:
        raise BadMarker("scope: at most one dimension with its value", field="scope")
    dimension, value = next(iter(wish.scope.items()), ("", ""))
    at = wish.at.replace(tzinfo=UTC) if wish.at and wish.at.tzinfo is None else wish.at
    at_us = None if at is None else us_from_datetime(at)
    return books.markers.add(wish.title, at_us=at_us, kind=wish.kind, scope=marker_scope(dimension, value), actor=ACTOR)


def anomalies_csv(found: list[AnomalyTold]) -> bytes:
    """A row each, in the order of the list."""
    rows = []
    for one in found:
        told = msgspec.structs.asdict(one) | {
            "dimension": one.series.dimension, "value": one.series.value, "signals": "; ".join(one.signals),
        }  # fmt: skip
        rows.append([told[name] for name in COLUMNS])
    return csv_bytes(COLUMNS, rows)


def _context(request: Asked) -> ConsoleContext:
    context: ConsoleContext = request.app.state.context
    return context


def _books(request: Asked) -> AnomalyBooks:
    return _context(request).anomalies()


ANOMALY_HANDLERS = [anomalies, anomaly, anomaly_pace, label_anomaly, apply_to_anomaly, markers, make_marker]
