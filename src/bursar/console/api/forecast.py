"""The JSON API of the forecast: what is expected, how good that was, and what is planned."""

import asyncio
from datetime import date, datetime
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody

from bursar.budgets.told import usd_text
from bursar.console.api.answers import csv_bytes
from bursar.console.api.parameters import PROBLEMS, By, Filters, Growth, PartLimit, Shape, Zone
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.forecasting import forecast_of, known_plans
from bursar.console.pages.serving import as_csv
from bursar.console.view import View, filter_text
from bursar.domain.clock import datetime_from_us
from bursar.domain.plans import Plan, PlanTerms
from bursar.forecast.accuracy import Accuracy
from bursar.forecast.told import Amount, Forecast, Part

Asked = Request[Any, Any, Any]


class AmountAnswer(msgspec.Struct, frozen=True):
    """USD as decimal text: what is expected, between `low` and `high` four times in five; null: too little history to
    say, a third as many days of calls as it reaches ahead are needed."""

    expected: str
    low: str | None
    high: str | None


class FigureAnswer(msgspec.Struct, frozen=True):
    """Of the days from `first` to `last`. key: month, 7, 30 or 90. spent: of it so far; it is in all other amounts.

    unplanned: without planned events. scenario: with the growth that was asked for; null: none was.
    """

    key: str
    first: date
    last: date
    spent: str
    amount: AmountAnswer
    unplanned: str
    scenario: str | None


class PartAnswer(msgspec.Struct, frozen=True):
    """A value of the dimension; what is expected of the parts adds up to the whole, figure by figure and day by day.

    figures: by key; null: too young to say, and counted in with "(others)". days: what is expected of each day ahead.
    """

    name: str
    lately: str
    figures: dict[str, AmountAnswer] | None
    days: list[str]
    said_by: str
    age_days: int


class DayAnswer(msgspec.Struct, frozen=True):
    """A day ahead; the first is what is left of today."""

    day: date
    amount: AmountAnswer
    unplanned: str
    scenario: str | None


class SpentAnswer(msgspec.Struct, frozen=True):
    """A day of the past; the last is today, so far."""

    day: date
    spent: str


class PlanAnswer(msgspec.Struct, frozen=True):
    """A planned event."""

    plan_id: str
    name: str
    terms: PlanTerms
    created_at: datetime
    created_by: str


class EffectAnswer(msgspec.Struct, frozen=True):
    """What a planned event changes from now on, USD by figure."""

    plan: PlanAnswer
    figures: dict[str, str]


class ForecastAnswer(msgspec.Struct, frozen=True):
    """too_young: fewer than two whole days are known, and nothing is said. accuracy: of the whole, in the back-test;
    parts_accuracy: of all parts, weighted by what they cost. unpriced_count: attempts of the last 30 days that are in
    no amount."""

    today: date
    timezone: str
    currency: str
    by: str
    filters: list[str]
    growth: str | None
    too_young: bool
    age_days: int
    said_by: str
    figures: list[FigureAnswer]
    parts: list[PartAnswer]
    days: list[DayAnswer]
    spent: list[SpentAnswer]
    accuracy: list[Accuracy]
    parts_accuracy: list[Accuracy]
    unpriced_count: int
    plans: list[EffectAnswer]


class NewPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event to be planned."""

    name: str
    terms: PlanTerms


def forecast_answer(context: ConsoleContext, view: View) -> ForecastAnswer:
    """Raises BadRequest, BadQuery."""
    found = forecast_of(context, view)
    keys = [one.key for one in found.figures]
    return ForecastAnswer(
        today=found.today,
        timezone=found.timezone,
        currency=context.config.console.currency,
        by=found.dimension,
        filters=[filter_text(one) for one in view.filters],
        growth=view.get("growth") or None,
        too_young=found.too_young,
        age_days=found.age,
        said_by=found.said_by,
        figures=[
            FigureAnswer(
                one.key, one.first, one.last, usd_text(one.spent), _amount(one.amount, found.has_band(one.last)),
                usd_text(one.unplanned), None if one.scenario is None else usd_text(one.scenario),
            )
            for one in found.figures
        ],
        parts=[_part(one, found) for one in found.parts],
        days=[
            DayAnswer(
                one.day, _amount(one.amount, found.has_band(one.day)), usd_text(one.unplanned),
                None if one.scenario is None else usd_text(one.scenario),
            )
            for one in found.days
        ],
        spent=[SpentAnswer(day, usd_text(pico)) for day, pico in found.spent],
        accuracy=found.accuracy,
        parts_accuracy=found.parts_accuracy,
        unpriced_count=found.unpriced,
        plans=_effects(found, keys),
    )  # fmt: skip


def forecast_csv(answer: ForecastAnswer) -> bytes:
    """A row for each part."""
    keys = [one.key for one in answer.figures]
    amounts = [f"{key}{edge}" for key in keys for edge in ("", "_low", "_high")]
    heads = ["part", "lately", *amounts, "said_by", "age_days", "currency"]

    def row(one: PartAnswer) -> list[object]:
        known = [(one.figures or {}).get(key, AmountAnswer("", "", "")) for key in keys]
        told = [text for amount in known for text in (amount.expected, amount.low or "", amount.high or "")]
        return [one.name, one.lately, *told, one.said_by, one.age_days, answer.currency]

    return csv_bytes(heads, map(row, answer.parts))


def plan_answer(plan: Plan) -> PlanAnswer:
    return PlanAnswer(plan.plan_id, plan.name, plan.terms, datetime_from_us(plan.created_us), plan.created_by)


def _amount(one: Amount, has_band: bool) -> AmountAnswer:  # it is what is told
    low, high = (usd_text(one.low), usd_text(one.high)) if has_band else (None, None)
    return AmountAnswer(usd_text(one.expected), low, high)


def _part(one: Part, found: Forecast) -> PartAnswer:
    figures = {
        whole.key: _amount(amount, found.has_band(whole.last, one.age))
        for whole, amount in zip(found.figures, one.figures, strict=False)
    } or None
    return PartAnswer(
        one.name, usd_text(one.lately), figures, [usd_text(day) for day in one.days], one.said_by, one.age
    )


def _effects(found: Forecast, keys: list[str]) -> list[EffectAnswer]:
    return [
        EffectAnswer(plan_answer(one.plan), dict(zip(keys, map(usd_text, one.figures), strict=True)))
        for one in found.effects
    ]


@get("/api/forecast", sync_to_thread=True, responses=PROBLEMS, summary="What will be spent, and how sure that is")
def forecast(
    request: Asked,
    by: By = None,
    growth: Growth = None,
    limit: PartLimit = None,
    filter_: Filters = None,
    tz: Zone = None,
    format_: Shape = None,
) -> Response[ForecastAnswer]:
    """By the end of the month and in 7, 30 and 90 days, by part and by day, with the error of forecasts of the past."""
    context: ConsoleContext = request.app.state.context
    query = {"by": [by or ""], "growth": [growth or ""], "limit": [str(limit or "")], "tz": [tz or ""]}
    view = context.view("/forecast", {**query, "filter": filter_ or []})
    answer = forecast_answer(context, view)
    return as_csv(forecast_csv(answer)) if format_ == "csv" else Response(answer)


@get("/api/plans", responses=PROBLEMS, summary="Planned events that forecasts take into account")
async def plans(request: Asked) -> list[PlanAnswer]:
    """By their first day."""
    return [plan_answer(one) for one in await asyncio.to_thread(known_plans, request.app.state.context)]


@post("/api/plans", responses=PROBLEMS, summary="Plan an event")
async def add_plan(request: Asked, data: JSONBody[NewPlan]) -> PlanAnswer:
    """400 `bad_control`, `bad_query` for a scope that can't be, 409 `name_taken`."""
    context: ConsoleContext = request.app.state.context
    return plan_answer(await asyncio.to_thread(lambda: context.plans().add(data.name, data.terms, actor=ACTOR)))


@delete("/api/plans/{name:str}", status_code=200, responses=PROBLEMS, summary="Remove a planned event")
async def remove_plan(request: Asked, name: FromPath[str]) -> dict[str, str]:
    """By its name or id. 404 `unknown_control`."""
    context: ConsoleContext = request.app.state.context
    gone = await asyncio.to_thread(lambda: context.plans().remove(name, actor=ACTOR))
    return {"removed": gone.plan_id}


FORECAST_HANDLERS = [forecast, plans, add_plan, remove_plan]
