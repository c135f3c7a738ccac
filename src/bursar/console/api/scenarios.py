"""The JSON API of simulations: comparisons, the customers behind them, and scenarios that are kept."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from bursar.console.api.answers import csv_bytes
from bursar.console.api.parameters import PROBLEMS, Shape, Zone
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.pages.serving import as_csv
from bursar.console.simulating import AS_IS, WHICH, Asked, read_asked
from bursar.console.view import View
from bursar.domain.clock import datetime_from_us
from bursar.domain.money import plain
from bursar.finance.scenarios.book import Saved
from bursar.finance.scenarios.simulate import MONTHS_MAX
from bursar.finance.scenarios.told import Comparison, CustomerTold

Asking = Request[Any, Any, Any]
Steps = Annotated[
    str | None,
    QueryParameter(
        description="A scenario: `usage 2 plan=pro; price +10%`. Up to four stand side by side: a, b, c, d.",
        max_length=512,
        schema_extra={"pattern": "^(usage [1-9])?$"},
    ),
]
Name = Annotated[str | None, QueryParameter(max_length=120, description="What it is called.",
                                            schema_extra={"pattern": "^[a-z]{0,9}$"})]  # fmt: skip
Months = Annotated[int | None, QueryParameter(ge=1, le=MONTHS_MAX, description="Months shown. Default: 6.")]
Base = Annotated[
    int | None, QueryParameter(ge=1, le=12, description="Complete months that customers are the mean of. Default: 3.")
]
Seed = Annotated[int | None, QueryParameter(ge=0, le=2**31 - 1, description="Of the worlds. Default: 1.")]
HEADS = (
    "scenario", "steps", "month", "customers", "revenue", "ai_cost", "other_cost", "margin", "margin_low",
    "margin_high", "margin_percent", "change", "change_low", "change_high", "currency",
)  # fmt: skip
CUSTOMER_HEADS = (
    "customer", "plan", "segment", "is_free", "revenue", "ai_cost", "other_cost", "margin", "margin_as_is",
    "break_even_price", "usage_at_zero", "why", "currency",
)  # fmt: skip


class SavedAnswer(msgspec.Struct, frozen=True):
    """A scenario that is kept. steps: as an address has them."""

    scenario_id: str
    name: str
    steps: str
    note: str
    created_at: datetime
    created_by: str


class NewScenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One to be kept."""

    name: str
    steps: str
    note: str = ""


def scenarios_answer(context: ConsoleContext, view: View) -> dict[str, Any]:
    """A comparison in JSON's words: money as decimal text. Raises BadScenario."""
    asked = read_asked(view)
    return _told(asked, context.finance().scenarios.compare(asked))


def scenarios_csv(answer: dict[str, Any]) -> bytes:
    """A row for each scenario and month."""

    def rows() -> Any:
        for one in (answer["as_is"], *answer["scenarios"]):
            for month in one["months"]:
                told, band, change = month["amounts"], month["amounts"]["band"], month["change_band"]
                share = told["share"]["value"] if told["share"] else ""
                yield [
                    one["name"], one["text"], month["month"], month["customers"], told["revenue"], told["ai_cost"],
                    told["other_cost"], told["margin"], band["low"], band["high"], share, month["change"],
                    change["low"], change["high"], answer["currency"],
                ]  # fmt: skip

    return csv_bytes(HEADS, rows())


def saved_answer(one: Saved) -> SavedAnswer:
    return SavedAnswer(
        one.scenario_id, one.name, one.text, one.note, datetime_from_us(one.created_us), one.created_by
    )  # fmt: skip


def builtins(value: Any) -> Any:
    """JSON's own values: exact decimals as plain text, days as ISO."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, msgspec.Struct):
        return {name: builtins(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [builtins(one) for one in value]
    return value


def _told(asked: Asked, found: Comparison) -> dict[str, Any]:
    told: dict[str, Any] = builtins(found)
    told["timezone"] = asked.timezone
    for place, one in zip(asked.places, told["scenarios"], strict=True):
        one["place"] = place
    return told


def _view(request: Asking, **given: Any) -> View:
    context: ConsoleContext = request.app.state.context
    return context.view("/scenarios", {name: ["" if one is None else str(one)] for name, one in given.items()})


@get("/api/scenarios", sync_to_thread=True, responses=PROBLEMS, summary="What margin would be, by scenario and month")
def compare(
    request: Asking,
    a: Steps = None,
    b: Steps = None,
    c: Steps = None,
    d: Steps = None,
    a_name: Name = None,
    b_name: Name = None,
    c_name: Name = None,
    d_name: Name = None,
    months: Months = None,
    base: Base = None,
    seed: Seed = None,
    tz: Zone = None,
    format_: Shape = None,
) -> Response[dict[str, Any]]:
    """Up to four scenarios beside what is: exact amounts, bands of 1,000 worlds, plans, and who turns to loss.

    400 `bad_scenario` names the place and the step. Money is decimal text.
    """
    view = _view(request, a=a, b=b, c=c, d=d, a_name=a_name, b_name=b_name, c_name=c_name, d_name=d_name,
                 months=months, base=base, seed=seed, tz=tz)  # fmt: skip
    answer = scenarios_answer(request.app.state.context, view)
    return as_csv(scenarios_csv(answer)) if format_ == "csv" else Response(answer)


@get("/api/scenarios/customers", sync_to_thread=True, responses=PROBLEMS, summary="Every customer in a scenario")
def customers(
    request: Asking,
    of: Annotated[str | None, QueryParameter(description="as-is (default), or the place of a scenario: a, b, c or d.",
                                             schema_extra={"enum": ["", AS_IS]})] = None,
    which: Annotated[str | None, QueryParameter(description="all (default), losing or turned.",
                                                schema_extra={"enum": ["", *WHICH]})] = None,
    a: Steps = None,
    b: Steps = None,
    c: Steps = None,
    d: Steps = None,
    months: Months = None,
    base: Base = None,
    tz: Zone = None,
    format_: Shape = None,
) -> Response[dict[str, Any]]:  # fmt: skip
    """In the last month shown, the largest loss first: margin, beside what it is; break-even price and usage."""
    context: ConsoleContext = request.app.state.context
    asked = read_asked(_view(request, a=a, b=b, c=c, d=d, months=months, base=base, tz=tz))
    found = context.finance().scenarios.customers(asked, of or AS_IS, which or "all")
    if format_ == "csv":
        return as_csv(csv_bytes(CUSTOMER_HEADS, map(_customer_row, found)))
    return Response({"of": of or AS_IS, "currency": "USD", "customers": builtins(found)})


@get("/api/scenarios/saved", responses=PROBLEMS, summary="Scenarios that are kept")
async def saved(request: Asking) -> list[SavedAnswer]:
    """Oldest first."""
    context: ConsoleContext = request.app.state.context

    def kept() -> list[Saved]:
        return context.finance().scenarios.book.all()

    return [saved_answer(one) for one in await asyncio.to_thread(kept)]


@post("/api/scenarios/saved", responses=PROBLEMS, summary="Keep a scenario")
async def save(request: Asking, data: JSONBody[NewScenario]) -> SavedAnswer:
    """400 `bad_scenario`, 409 `name_taken`."""
    context: ConsoleContext = request.app.state.context

    def do() -> Saved:
        return context.finance().scenarios.book.save(data.name, data.steps, data.note, actor=ACTOR)

    return saved_answer(await asyncio.to_thread(do))


@delete("/api/scenarios/saved/{name:str}", status_code=200, responses=PROBLEMS, summary="Remove a kept scenario")
async def remove(request: Asking, name: FromPath[str]) -> dict[str, str]:
    """By its name or id. 404 `unknown_scenario`."""
    context: ConsoleContext = request.app.state.context
    gone = await asyncio.to_thread(lambda: context.finance().scenarios.book.remove(name, actor=ACTOR))
    return {"removed": gone.scenario_id}


def _customer_row(one: CustomerTold) -> list[Any]:
    tipping = one.tipping
    amounts = [one.revenue, one.ai_cost, one.other_cost, one.margin, one.was, tipping.price, tipping.usage]
    texts = ["" if amount is None else plain(amount) for amount in amounts]
    return [one.customer, one.plan, one.segment, one.is_free, *texts, tipping.why, "USD"]


SCENARIO_API_HANDLERS = [compare, customers, saved, save, remove]
