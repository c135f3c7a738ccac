"""Exchange rates: the latest of each pair and purpose, all that were brought in, and two forms to bring in more."""

import asyncio
from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec
from litestar import post
from litestar.response import Redirect

from bursar.console.api.rates import NewRate, RateAnswer, rate_answer, read_day, rows_of
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.serving import Asked, fields_of
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.errors import BadControl
from bursar.finance.fx.rates import PURPOSE_WORDS, PURPOSES, shown_rate
from bursar.finance.fx.reading import Told

LISTED = 60


class LatestRate(msgspec.Struct, frozen=True):
    """The newest of a pair for a purpose. said: how it reads today; "": it is too old to be used."""

    purpose: str
    pair: str
    rate: str
    day: str
    source: str
    age: int
    is_used: bool


def rates_figures(context: ConsoleContext) -> list[RateAnswer]:
    """The page's rows for programs."""
    return [rate_answer(one) for one in context.finance().rates.listed()]


def rates_page(context: ConsoleContext, _view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads."""
    book, today = context.finance().rates, context.now().date()
    rows = book.listed()
    shown = [
        {"day": display.day(one.row.day, year=True), "pair": f"1 {one.row.currency} in {one.row.into}",
         "rate": shown_rate(one.row.rate), "purpose": PURPOSE_WORDS[one.row.purpose], "source": one.row.source,
         "by": one.added_by}
        for one in rows[:LISTED]
    ]  # fmt: skip
    return {
        "data": {
            "lead": f"{f.count(len(rows))} brought in" if rows else "",
            "latest": _latest(context, today),
            "rows": shown,
            "more": max(len(rows) - LISTED, 0),
            "purposes": [(name, PURPOSE_WORDS[name]) for name in PURPOSES],
            "today": today.isoformat(),
        },
        "csrf": context.csrf,
        "has_pickers": False,
    }


def change_rates(context: ConsoleContext, form: Mapping[str, str]) -> str:
    """Add one by hand or those of a CSV; where it leads. Raises Forbidden, BadControl; then nothing was added."""
    context.check_form(form)
    purposes = [name for name in PURPOSES if form.get(f"for_{name}") == "yes"]
    typed = {name: form.get(name, "").strip() for name in ("day", "currency", "into", "base", "rate", "source")}
    book = context.finance().rates
    match form.get("act", ""):
        case "add":
            one = NewRate(
                read_day(typed["day"]), typed["currency"].upper(), typed["into"].upper(),
                typed["rate"].replace(",", ""), purposes, typed["source"],
            )  # fmt: skip
            book.add(rows_of(one), actor=ACTOR)
        case "import":
            day = read_day(typed["day"]) if typed["day"] else None
            told = Told(typed["source"], tuple(purposes), typed["into"].upper(), typed["base"].upper(), day)
            book.import_csv(form.get("content", ""), told, actor=ACTOR)
        case act:
            raise BadControl(f"act is {act[:40]!r}; it is add or import", field="act")
    return "/rates"


@post("/rates/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Redirect:
    """Both forms."""
    fields = await fields_of(request)
    target = await asyncio.to_thread(change_rates, request.app.state.context, fields)
    return Redirect(target, status_code=303)


def _latest(context: ConsoleContext, today: date) -> list[LatestRate]:
    book = context.finance().rates
    newest: dict[tuple[str, str, str], LatestRate] = {}
    rates = book.rates()
    for one in book.listed():
        row = one.row
        key = (row.purpose, row.currency, row.into)
        if key in newest:
            continue
        used = rates.rate(row.currency, row.into, today, row.purpose)
        newest[key] = LatestRate(
            PURPOSE_WORDS[row.purpose], f"1 {row.currency} in {row.into}", shown_rate(row.rate),
            display.day(row.day, year=True), row.source, max((today - row.day).days, 0), is_used=used is not None,
        )  # fmt: skip
    return sorted(newest.values(), key=lambda one: (one.pair, one.purpose))


RATE_PAGES = [change]
