"""Initiatives: what each shall save in a quarter and has; one of them month by month; the form; the buttons."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from bursar.advisor.initiatives import UNMEASURED, MonthSaving, Standing
from bursar.advisor.initiatives_flags import guard_figure
from bursar.console.api.initiatives import (
    InitiativeAnswer,
    initiative_answers,
    one_answer,
    take_out_csv,
)
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.format import Format
from bursar.console.forms.fields import Fields
from bursar.console.forms.initiatives import (
    can_say,
    fill_initiative,
    place_of_error,
    read_initiative,
    unknown_fields,
)
from bursar.console.initiatives import booked_by_month
from bursar.console.pages.serving import Asked, fields_of, html
from bursar.console.quarters import QuarterRow, quarter_row, read_quarter, total_row
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadControl, BursarError, ChangedMeanwhile, UnknownControl
from bursar.domain.initiatives import GUARD_METRICS, Booking, Guard, Initiative, InitiativeTerms
from bursar.explore.filters import parse_filter
from bursar.governance.initiatives import InitiativeBook, mark_of_terms

ENTRIES_SHOWN = 30
GUARD_WORDS = {
    "error_rate": "Failed calls, percent",
    "latency_p95_ms": "Latency of 95 of 100 calls, ms",
    "feedback": "Feedback, 0 to 1",
}
GUARD_SHORT = {"error_rate": "failed calls", "latency_p95_ms": "p95 latency", "feedback": "feedback"}
UNIT_CHOICES = (
    ("calls", "calls"), ("ok_calls", "successful calls"), ("total_input_tokens", "input tokens"),
    ("total_output_tokens", "output tokens"),
)  # fmt: skip


class ShownInitiative(msgspec.Struct, frozen=True):
    """A row of the quarter. fill: per cent of what was due, for its bar."""

    id: str
    name: str
    href: str
    owner: str
    status: str
    row: QuarterRow
    fill: float
    flags: list[tuple[str, str]]


class ShownEntry(msgspec.Struct, frozen=True):
    """A booking."""

    name: str
    month: str
    kind: str
    amount: Decimal
    low: Decimal | None
    high: Decimal | None
    at: datetime
    by: str


class FormPage(msgspec.Struct, frozen=True):
    """What the form's template reads. old: the name of what is changed, "" for something new."""

    noun: str
    old: str
    typed: Mapping[str, str]
    errors: Mapping[str, str]
    back: str
    says_all: bool
    units: list[tuple[str, str]]
    guards: list[tuple[str, str]]


def initiatives_answer(context: ConsoleContext) -> list[InitiativeAnswer]:
    """The page's figures for programs: every month, not a quarter's alone."""
    return initiative_answers(context.initiatives())


def initiatives_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads."""
    desk = context.initiatives()
    quarter, entries, standings = read_quarter(view.get("quarter"), desk.today), desk.book.bookings(), desk.standings()
    booked = booked_by_month(entries)
    rows = [_shown(one, quarter_row(one, quarter, booked)) for one in standings]
    rows.sort(key=lambda one: (-one.row.realised, -one.row.target, one.name))
    running = sum(one.status in ("running", "done") for one in rows)
    return {
        "data": {
            "lead": f"{f.count(running)} of {f.count(len(rows))} running or done" if rows else "",
            "rows": rows,
            "total": total_row([one.row for one in rows]),
            "flagged": sum(bool(one.flags) for one in rows),
            "quarter": quarter.name,
            "months": [display.month(date.fromisoformat(f"{name}-01")).split(" ")[0] for name in quarter.months],
            "is_now": quarter == read_quarter("", desk.today),
            "before_href": view.url(quarter=quarter.step(-1).name),
            "after_href": view.url(quarter=quarter.step(1).name),
            "entries": [_entry(one) for one in entries[: -ENTRIES_SHOWN - 1 : -1]],
            "entry_count": len(entries),
            "unbooked": _unbooked(standings, booked, desk.is_closed),
        },
        "csrf": context.csrf,
        "has_pickers": False,
    }


def initiative_page(context: ConsoleContext, view: View, f: Format, name: str) -> dict[str, Any]:
    """One of them. Raises UnknownControl."""
    desk = context.initiatives()
    one = next((one for one in desk.standings() if name in (one.initiative.name, one.initiative.initiative_id)), None)
    if one is None:
        raise UnknownControl(f"no initiative is named {name[:200]!r}", field="name")
    kept, terms = one.initiative, one.initiative.terms
    booked = {month: amount for (owner, month), amount in booked_by_month(desk.book.bookings()).items()
              if owner == kept.initiative_id}  # fmt: skip
    return {
        "data": {
            "one": one, "kept": kept, "terms": terms,
            "id": kept.initiative_id,
            "months": [(display.month(month.first), month, booked.get(month.month), _month_href(view, one, month))
                       for month in reversed(one.months)],
            "booked": sum(booked.values(), Decimal(0)) if booked else None,
            "target": sum((month.target for month in one.months), Decimal(0)),
            "saved_percent": _percent(one.months),
            "since": datetime_from_us(kept.created_us),
            "guard": _guard_text(terms.guard),
            "method": next((month.method for month in reversed(one.months) if month.method != UNMEASURED), ""),
            "edit_href": f"/edit/initiative?of={quote(kept.name, safe='')}",
            "baseline_href": _explore(view, one, terms.baseline_from, terms.baseline_until),
            "days": (display.days(terms.baseline_from, terms.baseline_to), _day(terms.start), _day(kept.ended)),
        },
        "csrf": context.csrf,
        "has_pickers": False,
    }  # fmt: skip


def change_initiatives(context: ConsoleContext, form: Mapping[str, str]) -> str:
    """What a button asks for, done; where it leads. Raises Forbidden without the page's own token, BadControl,
    UnknownControl."""
    context.check_form(form)
    desk = context.initiatives()
    act, name = form.get("act", ""), form.get("id", "")
    match act:
        case "start":
            desk.book.start(name, actor=ACTOR)
        case "done":
            desk.book.finish(name, actor=ACTOR)
        case "stop":
            desk.book.stop(name, actor=ACTOR)
        case "book" | "adjust":
            desk.close(actor=ACTOR, adjust=act == "adjust")
            return "/initiatives#booked"
        case _:
            raise BadControl(f"act is {act[:40]!r}; it is start, done, stop, book or adjust", field="act")
    return f"/initiatives/{quote(name, safe='')}"


@post("/initiatives/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Redirect:
    """A button of the pages of initiatives."""
    fields = await fields_of(request)
    target = await asyncio.to_thread(change_initiatives, request.app.state.context, fields)
    return Redirect(target, status_code=303)


@get("/edit/initiative", include_in_schema=False)
async def show_form(request: Asked) -> Response[Any]:
    """The form of a new one, or with `?of=NAME` of one there is."""
    context: ConsoleContext = request.app.state.context
    name = request.query_params.get("of", "")

    def build() -> Response[Any]:
        if not name:
            return _form(request, context, name, Fields({"mix": "feature, request_type"}))
        terms = context.initiatives().book.one(name).terms
        typed = fill_initiative(terms) | {"seen": mark_of_terms(terms)}
        return _form(request, context, name, Fields(typed), says_all=can_say(terms))

    return await asyncio.to_thread(build)


@post("/edit/initiative", include_in_schema=False, status_code=200)
async def send_form(request: Asked) -> Response[Any]:
    """Saved, it leads to the initiative; with mistakes it comes back, each at its field."""
    context: ConsoleContext = request.app.state.context
    fields = await fields_of(request)
    context.check_form(fields)
    return await asyncio.to_thread(_sent, request, context, fields)


def _sent(request: Asked, context: ConsoleContext, fields: dict[str, str]) -> Response[Any]:
    book, name, form = context.initiatives().book, fields.get("of", ""), Fields(fields)
    if fields.get("act") == "remove":
        book.remove(name, actor=ACTOR)
        return Redirect("/initiatives", status_code=303)
    try:
        if unknown := unknown_fields(fields):
            raise BadControl(f"{unknown[0][:40]!r} is no field of this form", field="")
        terms = read_initiative(form)
        if terms is not None:
            kept = _kept(book, name, form, terms)
            return Redirect(f"/initiatives/{kept.initiative_id}", status_code=303)
    except BursarError as error:
        if error.status >= 500:
            raise
        form.wrong(place_of_error(error), error.message.removeprefix(f"{error.field}: "))
    return _form(request, context, name, form, status=400)


def _kept(book: InitiativeBook, name: str, form: Fields, terms: InitiativeTerms) -> Initiative:
    """What the form makes or changes. Raises BadControl, NameTaken, ChangedMeanwhile, UnknownControl."""
    if not name:
        return book.create(form.text("name"), terms, actor=ACTOR)
    try:
        before = book.one(name)
        if not can_say(before.terms):
            raise BadControl(
                "this form can't say all that it does, and saving would lose the rest; change it where it was made",
                field="",
            )
        return book.change(name, terms, actor=ACTOR, seen=form.text("seen"))
    except UnknownControl as error:
        gone = f"{name[:200]!r} was removed meanwhile; make a new one if it is still wanted"
        raise ChangedMeanwhile(gone, field="name") from error


def _form(
    request: Asked, context: ConsoleContext, name: str, form: Fields, *, status: int = 200, says_all: bool = True
) -> Response[Any]:
    view = context.view("/edit/initiative", {"of": [name]} if name else {})
    known = dict(UNIT_CHOICES)
    unit = form.text("unit")
    page = FormPage(
        "initiative", name, form.typed, form.errors, f"/initiatives/{quote(name, safe='')}" if name else "/initiatives",
        says_all=says_all, units=[*UNIT_CHOICES, *([] if not unit or unit in known else [(unit, unit)])],
        guards=[("", "nothing"), *((metric, GUARD_WORDS[metric]) for metric in GUARD_METRICS)],
    )  # fmt: skip
    return html(
        request, view, "edit_initiative.html", "initiatives", f"{'Change' if name else 'New'} initiative",
        lambda _f: {"data": page, "csrf": context.csrf}, status=status, twins=False, has_pickers=False,
    )  # fmt: skip


def _shown(one: Standing, row: QuarterRow) -> ShownInitiative:
    kept = one.initiative
    fill = round(100 * min(max(float(row.share or 0), 0.0), 1.0), 1)
    flags = [(flag.code, flag.text) for flag in one.flags]
    return ShownInitiative(
        kept.initiative_id, kept.name, f"/initiatives/{kept.initiative_id}", kept.terms.owner, kept.status, row, fill,
        flags,
    )  # fmt: skip


def _entry(one: Booking) -> ShownEntry:
    return ShownEntry(
        one.name, display.month(date.fromisoformat(f"{one.month}-01")), one.kind, one.amount, one.low, one.high,
        datetime_from_us(one.computed_us), one.computed_by,
    )  # fmt: skip


def _unbooked(
    standings: Sequence[Standing], booked: Mapping[tuple[str, str], Decimal], is_closed: Any
) -> dict[str, Any]:
    """Closed months without an entry, and by how much those that have one differ by now."""
    closed = [
        (one.initiative.initiative_id, month) for one in standings for month in one.months if is_closed(month.month)
    ]
    differ = [month.realised - booked[owner, month.month] for owner, month in closed if (owner, month.month) in booked]
    return {
        "missing": sum((owner, month.month) not in booked for owner, month in closed),
        "differ": sum(bool(amount) for amount in differ),
        "by": sum(differ, Decimal(0)),
    }


def _percent(months: Sequence[MonthSaving]) -> float | None:
    expected = sum((month.expected for month in months), Decimal(0))
    realised = sum((month.realised for month in months), Decimal(0))
    return float(100 * realised / expected) if expected else None


def _guard_text(guard: Guard | None) -> str:
    if guard is None:
        return ""
    side = "at least" if guard.metric == "feedback" else "at most"
    return f"{GUARD_SHORT[guard.metric]} {side} {guard_figure(guard.metric, guard.limit)}"


def _month_href(view: View, one: Standing, month: MonthSaving) -> str:
    return _explore(view, one, month.first, month.until)


def _explore(view: View, one: Standing, first: date, until: date) -> str:
    """Its calls of some days, in UTC as they are measured."""
    filters = tuple(parse_filter(text) for text in one.initiative.terms.filters)
    last = until - timedelta(days=1)
    return view.url("/explore", period=f"{first}..{last}", tz="UTC", filters=filters)


def _day(at: date | None) -> str:
    return display.day(at, year=True) if at else ""


def initiative_figures(context: ConsoleContext, name: str) -> InitiativeAnswer:
    """One page's figures for programs. Raises UnknownControl."""
    return one_answer(context.initiatives(), name)


def initiative_csv(answer: InitiativeAnswer) -> bytes:
    return take_out_csv([answer])


INITIATIVE_PAGES = [change, show_form, send_form]
