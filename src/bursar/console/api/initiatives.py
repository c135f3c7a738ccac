"""The JSON API of initiatives: what they are, what they saved month by month, what was booked of it.

Handlers that share a path are coroutines, as in `controls.py`.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from bursar.advisor.initiatives import MonthSaving, Standing
from bursar.advisor.initiatives_flags import Flag, GuardReading
from bursar.console.api.answers import csv_bytes
from bursar.console.api.controls import Asked, as_csv, listed
from bursar.console.api.parameters import PROBLEMS, Shape
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.initiatives import InitiativeDesk, booked_by_month
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import UnknownControl
from bursar.domain.initiatives import Booking, Initiative, InitiativeTerms
from bursar.domain.money import plain


class MonthAnswer(msgspec.Struct, frozen=True):
    """One month of one initiative; money is decimal text in USD, null where it isn't known.

    first, until: the days that were measured, the last one excluded. realised = expected - actual - handed, exactly;
    low, high: its 90 % interval. handed: what later initiatives that share its calls go on from.
    booked: what the entries of a closed month add up to; null: none yet. method:
    `comparison`, `carried` (by the last trend that was seen), `before_after`, or `unmeasured`: it was booked, and other
    terms or another initiative have it now.
    new_calls, new_cost: of kinds of calls that the baseline doesn't know: in none of the sums.
    """

    month: str
    first: date
    until: date
    is_closed: bool
    target: str
    realised: str
    low: str | None
    high: str | None
    booked: str | None
    expected: str
    actual: str
    handed: str
    units: str
    unit_cost_before: str | None
    unit_cost_now: str | None
    method: str
    trend: float
    calls: int
    new_calls: int
    new_cost: str
    unpriced_count: int


class InitiativeAnswer(msgspec.Struct, frozen=True):
    """An initiative and what it saved. target, realised, booked: so far, in USD; terms.target is a month's.

    comparison: the calls it is compared with, or why with none. drift: the most, as a share, by which both went apart
    over the baseline (95 %).
    """

    initiative_id: str
    name: str
    status: str
    terms: InitiativeTerms
    ended: date | None
    created_at: datetime
    created_by: str
    target: str
    realised: str
    booked: str
    comparison: str
    drift: float | None
    guard: GuardReading | None
    flags: list[Flag]
    baseline_calls: int
    baseline_kinds: int
    months: list[MonthAnswer]


class BookingAnswer(msgspec.Struct, frozen=True):
    """An entry. kind: `booking`, a month's first; `adjustment`, by how much it differed later."""

    number: int
    initiative_id: str
    name: str
    month: str
    kind: str
    amount: str
    low: str | None
    high: str | None
    method: str
    computed_at: datetime
    computed_by: str


class NewInitiative(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An initiative to be planned."""

    name: str
    terms: InitiativeTerms


class ChangedInitiative(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that it shall say from now on."""

    terms: InitiativeTerms


class OnDay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A day (UTC); null: the day that it has already, else today."""

    on: date | None = None


class CloseMonths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """adjust: also book by how much months differ by now that are booked already."""

    adjust: bool = False


def desk_of(request: Asked) -> InitiativeDesk:
    context: ConsoleContext = request.app.state.context
    return context.initiatives()


@get("/api/initiatives", responses=PROBLEMS, summary="Initiatives, and what each saved by month")
async def initiatives(request: Asked, format_: Shape = None) -> Response[list[InitiativeAnswer]]:
    """Oldest first. As CSV a row for each initiative and month, as a take-out tracker has them; one without a measured
    month has one row."""
    answers = await asyncio.to_thread(initiative_answers, desk_of(request))
    return as_csv(take_out_csv(answers)) if format_ == "csv" else Response(answers)


@post("/api/initiatives", responses=PROBLEMS, summary="Plan an initiative")
async def make_initiative(request: Asked, data: JSONBody[NewInitiative]) -> InitiativeAnswer:
    """400 `bad_control`, 409 `name_taken`."""
    return await asyncio.to_thread(_after, request, lambda desk: desk.book.create(data.name, data.terms, actor=ACTOR))


@get("/api/initiatives/{name:str}", responses=PROBLEMS, summary="One initiative")
async def one_initiative(request: Asked, name: FromPath[str]) -> InitiativeAnswer:
    """By its name or id. 404 `unknown_control`."""
    return await asyncio.to_thread(one_answer, desk_of(request), name)


@put("/api/initiatives/{name:str}", responses=PROBLEMS, summary="Change an initiative")
async def change_initiative(request: Asked, name: FromPath[str], data: JSONBody[ChangedInitiative]) -> InitiativeAnswer:
    """By its name or id: what isn't said is at its default. What was booked stays. 400 `bad_control`,
    404 `unknown_control`."""
    return await asyncio.to_thread(_after, request, lambda desk: desk.book.change(name, data.terms, actor=ACTOR))


@delete("/api/initiatives/{name:str}", status_code=200, responses=PROBLEMS, summary="Remove an initiative")
async def remove_initiative(request: Asked, name: FromPath[str]) -> dict[str, str]:
    """By its name or id; what was booked of it stays. 404 `unknown_control`."""
    gone = await asyncio.to_thread(desk_of(request).book.remove, name, actor=ACTOR)
    return {"removed": gone.initiative_id}


@post("/api/initiatives/{name:str}/start", sync_to_thread=True, status_code=200, responses=PROBLEMS,
      summary="Start an initiative")  # fmt: skip
def start_initiative(request: Asked, name: FromPath[str], data: JSONBody[OnDay]) -> InitiativeAnswer:
    """Its savings count from that day on. 400 `bad_control`, 404 `unknown_control`."""
    return _after(request, lambda desk: desk.book.start(name, data.on, actor=ACTOR))


@post("/api/initiatives/{name:str}/done", sync_to_thread=True, status_code=200, responses=PROBLEMS,
      summary="An initiative is delivered")  # fmt: skip
def finish_initiative(request: Asked, name: FromPath[str]) -> InitiativeAnswer:
    """It goes on being measured. 400 `bad_control`, 404 `unknown_control`."""
    return _after(request, lambda desk: desk.book.finish(name, actor=ACTOR))


@post("/api/initiatives/{name:str}/stop", sync_to_thread=True, status_code=200, responses=PROBLEMS,
      summary="Stop an initiative")  # fmt: skip
def stop_initiative(request: Asked, name: FromPath[str], data: JSONBody[OnDay]) -> InitiativeAnswer:
    """From that day on nothing is counted. 400 `bad_control`, 404 `unknown_control`."""
    return _after(request, lambda desk: desk.book.stop(name, data.on, actor=ACTOR))


@get("/api/initiative-bookings", responses=PROBLEMS, summary="What was booked, entry by entry")
async def bookings(request: Asked, format_: Shape = None) -> Response[list[BookingAnswer]]:
    """Oldest first; of initiatives that were removed too."""
    found = await asyncio.to_thread(desk_of(request).book.bookings)
    return listed([booking_answer(one) for one in found], format_, BookingAnswer)


@post("/api/initiative-bookings", status_code=200, responses=PROBLEMS, summary="Book closed months")
async def close_months(request: Asked, data: JSONBody[CloseMonths]) -> list[BookingAnswer]:
    """The entries that were written now: none where all is booked."""
    found = await asyncio.to_thread(desk_of(request).close, actor=ACTOR, adjust=data.adjust)
    return [booking_answer(one) for one in found]


def initiative_answers(desk: InitiativeDesk) -> list[InitiativeAnswer]:
    """All that weren't removed, oldest first."""
    booked = booked_by_month(desk.book.bookings())
    return [_answer(one, booked, desk) for one in desk.standings()]


def one_answer(desk: InitiativeDesk, name: str) -> InitiativeAnswer:
    """By name or id. Raises UnknownControl."""
    answers = initiative_answers(desk)
    for one in answers:
        if name in (one.name, one.initiative_id):
            return one
    raise UnknownControl(f"no initiative is named {name[:200]!r} (`bursar initiatives list`)", field="name")


TAKE_OUT = (
    "initiative", "initiative_id", "owner", "status", "hypothesis", "scope", "unit", "baseline_from", "baseline_to",
    "start", "ended", "month", "first", "until", "is_closed", "currency", "target", "realised", "low", "high", "booked",
    "cumulative_realised", "expected", "actual", "handed", "units", "unit_cost_before", "unit_cost_now", "method",
    "comparison", "trend", "calls", "new_calls", "new_cost", "unpriced_count", "flags",
)  # fmt: skip


def take_out_csv(answers: Sequence[InitiativeAnswer]) -> bytes:
    """A row for each initiative and month."""
    rows = []
    for one in answers:
        cumulative = Decimal(0)
        own = {
            "initiative": one.name, "initiative_id": one.initiative_id, "owner": one.terms.owner, "status": one.status,
            "hypothesis": one.terms.hypothesis, "scope": " ".join(one.terms.filters), "unit": one.terms.unit,
            "baseline_from": one.terms.baseline_from, "baseline_to": one.terms.baseline_to, "start": one.terms.start,
            "ended": one.ended, "currency": "USD", "comparison": one.comparison,
            "flags": " ".join(flag.code for flag in one.flags),
        }  # fmt: skip
        for month in one.months:
            cumulative += Decimal(month.realised)
            told = msgspec.structs.asdict(month) | {"cumulative_realised": plain(cumulative)}
            rows.append([(own | told).get(name) for name in TAKE_OUT])
        if not one.months:
            rows.append([own.get(name) for name in TAKE_OUT])
    return csv_bytes(TAKE_OUT, rows)


def booking_answer(one: Booking) -> BookingAnswer:
    return BookingAnswer(
        one.number, one.initiative_id, one.name, one.month, one.kind, plain(one.amount), _plain(one.low),
        _plain(one.high), one.method, datetime_from_us(one.computed_us), one.computed_by,
    )  # fmt: skip


def _after(request: Asked, act: Callable[[InitiativeDesk], Initiative]) -> InitiativeAnswer:
    """What an initiative is once something was done to it."""
    desk = desk_of(request)
    return one_answer(desk, act(desk).initiative_id)


def _answer(one: Standing, booked: dict[tuple[str, str], Decimal], desk: InitiativeDesk) -> InitiativeAnswer:
    kept = one.initiative
    mine = {month: amount for (owner, month), amount in booked.items() if owner == kept.initiative_id}
    return InitiativeAnswer(
        initiative_id=kept.initiative_id,
        name=kept.name,
        status=kept.status,
        terms=kept.terms,
        ended=kept.ended,
        created_at=datetime_from_us(kept.created_us),
        created_by=kept.created_by,
        target=plain(sum((month.target for month in one.months), Decimal(0))),
        realised=plain(one.realised),
        booked=plain(sum(mine.values(), Decimal(0))),
        comparison=one.comparison,
        drift=one.drift,
        guard=one.guard,
        flags=one.flags,
        baseline_calls=one.baseline_calls,
        baseline_kinds=one.baseline_kinds,
        months=[_month(month, mine.get(month.month), desk) for month in one.months],
    )


def _month(one: MonthSaving, booked: Decimal | None, desk: InitiativeDesk) -> MonthAnswer:
    return MonthAnswer(
        month=one.month,
        first=one.first,
        until=one.until,
        is_closed=desk.is_closed(one.month),
        target=plain(one.target),
        realised=plain(one.realised),
        low=_plain(one.low),
        high=_plain(one.high),
        booked=_plain(booked),
        expected=plain(one.expected),
        actual=plain(one.actual),
        handed=plain(one.handed),
        units=plain(one.units),
        unit_cost_before=_plain(one.unit_cost_before),
        unit_cost_now=_plain(one.unit_cost_now),
        method=one.method,
        trend=round(one.trend, 6),
        calls=one.calls,
        new_calls=one.new_calls,
        new_cost=plain(one.new_cost),
        unpriced_count=one.unpriced,
    )


def _plain(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


INITIATIVE_HANDLERS = [
    initiatives, make_initiative, one_initiative, change_initiative, remove_initiative, start_initiative,
    finish_initiative, stop_initiative, bookings, close_months,
]  # fmt: skip
