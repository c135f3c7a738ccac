"""The JSON API of exchange rates: rows by purpose, the rate of a day, and how they are brought in."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import JSONBody, QueryParameter

from bursar.console.api.answers import csv_bytes
from bursar.console.api.controls import Asked, as_csv
from bursar.console.api.parameters import PROBLEMS, Shape
from bursar.console.context import ACTOR, ConsoleContext
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadControl
from bursar.domain.money import plain
from bursar.finance.fx.book import Added, RateBook
from bursar.finance.fx.rates import KeptRate, Rate, RateRow
from bursar.finance.fx.reading import Told

_Currency = Annotated[str | None, QueryParameter(description="ISO 4217: USD.", schema_extra={"pattern": "^[A-Z]{3}$"})]
_Purpose = Annotated[str | None, QueryParameter(description="books, gst, tds or report.")]
_Day = Annotated[str | None, QueryParameter(description="2026-11-12; default: today (UTC).")]


class RateAnswer(msgspec.Struct, frozen=True):
    """A row as it was brought in: one `currency` was worth `rate` of `into`. Of two for one day the later holds."""

    number: int
    day: date
    currency: str
    into: str
    rate: str
    purpose: str
    source: str
    added_at: datetime
    added_by: str


class RateOnDay(msgspec.Struct, frozen=True):
    """What a day is converted by. state: `known` or `unknown`; an unknown rate is null, never 1.

    day: the day it is of, `age_days` before the one that was asked for. via, inverse: how it was made of quoted ones.
    """

    state: str
    currency: str
    into: str
    purpose: str
    asked: date
    rate: str | None
    day: date | None
    age_days: int | None
    source: str
    via: str
    inverse: bool
    told: str


class NewRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rate by hand, as decimal text, for each of `purposes`."""

    day: date
    currency: str
    into: str
    rate: str
    purposes: list[str]
    source: str


class RatesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A CSV of rates, and what it doesn't say of itself: see docs/exchange-rates.md."""

    content: str
    source: str = ""
    purposes: list[str] = []
    into: str = ""
    base: str = ""
    day: date | None = None


def book_of(request: Asked) -> RateBook:
    context: ConsoleContext = request.app.state.context
    return context.finance().rates


@get("/api/rates", responses=PROBLEMS, summary="Exchange rates as they were brought in")
async def rates(
    request: Asked, currency: _Currency = None, purpose: _Purpose = None, format_: Shape = None
) -> Response[list[RateAnswer]]:
    """Those of the latest day first, at most 1,000."""
    book = book_of(request)
    found = await asyncio.to_thread(lambda: book.listed(currency=currency or "", purpose=purpose or ""))
    answers = [rate_answer(one) for one in found]
    return as_csv(rates_csv(answers)) if format_ == "csv" else Response(answers)


@get("/api/rates/on", responses=PROBLEMS, summary="The exchange rate of a day")
async def rate_on(
    request: Asked, currency: _Currency = None, into: _Currency = None, day: _Day = None, purpose: _Purpose = None
) -> RateOnDay:
    """400 `bad_control` for a day or a purpose that isn't one."""
    context: ConsoleContext = request.app.state.context
    asked = read_day(day) if day else context.now().date()
    book = book_of(request)
    rate = await asyncio.to_thread(
        lambda: book.rates().rate(currency or "USD", into or "INR", asked, purpose or "report")
    )
    return rate_on_day(rate, currency or "USD", into or "INR", asked, purpose or "report")


@post("/api/rates", responses=PROBLEMS, summary="Add exchange rates by hand")
async def add_rates(request: Asked, data: JSONBody[list[NewRate]]) -> Added:
    """All of them or none; one that holds already isn't added again. 400 `bad_control`."""
    rows = [row for one in data for row in rows_of(one)]
    return await asyncio.to_thread(book_of(request).add, rows, actor=ACTOR)


@post("/api/rates/import", responses=PROBLEMS, summary="Add exchange rates from a CSV")
async def import_rates(request: Asked, data: JSONBody[RatesFile]) -> Added:
    """All of it or, where a line can't be read, nothing. 400 `bad_control` names the lines."""
    told = Told(data.source, tuple(data.purposes), data.into, data.base, data.day)
    return await asyncio.to_thread(book_of(request).import_csv, data.content, told, actor=ACTOR)


def rate_answer(one: KeptRate) -> RateAnswer:
    row = one.row
    return RateAnswer(
        one.number, row.day, row.currency, row.into, plain(row.rate), row.purpose, row.source,
        datetime_from_us(one.added_us), one.added_by,
    )  # fmt: skip


def rates_csv(answers: Sequence[RateAnswer]) -> bytes:
    heads = RateAnswer.__struct_fields__
    return csv_bytes(heads, [[getattr(one, name) for name in heads] for one in answers])


def rate_on_day(rate: Rate | None, currency: str, into: str, asked: date, purpose: str) -> RateOnDay:
    """A rate as the API tells it; None is `unknown`."""
    if rate is None:
        told = f"no rate of {currency} in {into} is known for {asked} ({purpose})"
        return RateOnDay("unknown", currency, into, purpose, asked, None, None, None, "", "", False, told)
    return RateOnDay(
        "known", currency, into, purpose, asked, plain(rate.rate), rate.day, rate.age_days, rate.source, rate.via,
        rate.inverse, rate.told(),
    )  # fmt: skip


def rows_of(one: NewRate) -> list[RateRow]:
    """A row for each purpose. Raises BadControl."""
    try:
        rate = Decimal(one.rate)
    except InvalidOperation as error:
        raise BadControl(f"rate: {one.rate[:40]!r} is no number", field="rate") from error
    if not one.purposes:
        raise BadControl("purposes: what the rate is for: books, gst, tds or report", field="purposes")
    return [RateRow(one.day, one.currency, one.into, rate, purpose, one.source) for purpose in one.purposes]


def read_day(text: str) -> date:
    """Raises BadControl."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadControl(f"day: {text[:40]!r} is no day; write 2026-11-12", field="day") from error


RATE_HANDLERS = [rates, rate_on, add_rates, import_rates]
