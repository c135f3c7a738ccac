"""Forecast: what will be spent, how sure that is, how good it was, and what is planned."""

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from litestar import post
from litestar.response import Redirect

from bursar.budgets.outlook import tell_outlook
from bursar.console.budgeting import foresee, known_budgets
from bursar.console.charts import Mark
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.forecast_chart import ForecastChart, forecast_chart
from bursar.console.forecasting import forecast_of
from bursar.console.format import Format
from bursar.console.marking import about, marks_along
from bursar.console.pages.costs import gateway_address
from bursar.console.pages.serving import Asked, fields_of
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import BadControl, BadRequest
from bursar.domain.money import usd_from_pico
from bursar.domain.periods import parse_period
from bursar.domain.plans import KINDS, PlanTerms
from bursar.explore.filters import Filter
from bursar.forecast.accuracy import Accuracy
from bursar.forecast.models import NAIVE, NAMES
from bursar.forecast.told import OTHERS, Amount, Figure, Forecast, Part
from bursar.governance.checks import read_terms

BUDGETS_SHOWN = 6
BY_CHOICES = ("feature", "team", "customer", "model", "environment")
PAST_SHOWN = 45  # days of the past in the chart
SPAN_WORDS = {"7": "Next 7 days", "30": "Next 30 days", "90": "Next 90 days"}
CHANGES = {"volume": "calls", "price": "price"}
TYPED = ("growth", "limit")
MISS_DAYS = 3  # days ahead whose error is told of a part


class Money(msgspec.Struct, frozen=True):
    """An amount with its band, USD. needs: days of calls that a band would need; 0: there is one."""

    expected: Decimal
    low: Decimal
    high: Decimal
    needs: int = 0


class Tile(msgspec.Struct, frozen=True):
    """One figure. plans: what planned events change of it; None: nothing does. scenario: None where none was asked."""

    label: str
    days: str
    money: Money
    spent: Decimal | None
    plans: Decimal | None
    scenario: Decimal | None


class Row(msgspec.Struct, frozen=True):
    """A part. figures: none for one that is too young to say."""

    name: str
    href: str
    lately: Decimal
    figures: list[Money]
    said_by: str
    age: int
    share: float


class ShownPlan(msgspec.Struct, frozen=True):
    """A planned event. number: of its mark in the chart; what it changes, by figure."""

    number: int
    id: str
    name: str
    days: str
    what: str
    scope: str
    note: str
    figures: list[Decimal]


class ShownBudget(msgspec.Struct, frozen=True):
    """When a budget will be exhausted, in a sentence."""

    name: str
    href: str
    said: str
    level: str


def forecast_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads. What can't be read is told at the form, beside the forecast without it."""
    error: BadRequest | None = None
    found: Forecast | None = None
    try:
        found = forecast_of(context, view)
    except BadRequest as refused:
        error = refused
        if refused.field in TYPED:
            rest = {name: value for name, value in view.extra.items() if name not in TYPED}
            found = forecast_of(context, msgspec.structs.replace(view, extra=rest))
    said = found is not None and not found.too_young
    return {
        "data": {
            "found": found,
            "error": str(error) if error else "",
            "error_field": (error.field or "") if error else "",
            "lead": _lead(found) if found and said else "",
            "tiles": _tiles(found) if found and said else [],
            "chart": _chart(found, f) if found and said else None,
            "happened": _happened(context, view, found) if found and said else [],
            "good": _how_good(found) if found and said else [],
            "rows": [_row(one, view, found) for one in found.parts] if found and said else [],
            "totals": [_banded(found, one) for one in found.figures] if found else [],
            "short": _short(found) if found and said else "",
            "lately": _usd(sum(one.lately for one in found.parts)) if found else Decimal(0),
            "plans": _plans(found) if found and said else [],
            "budgets": _budgets(context, view),
            "by": [(f.field(name), view.url(by=name), name == view.by) for name in BY_CHOICES],
            "growth": view.get("growth"),
            "kinds": KINDS,
            "can_plan": context.open_plans is not None,
            "tomorrow": (found.today + timedelta(days=1)).isoformat() if found else "",
            "noun": f.field(view.by),
            "usd": usd_from_pico,
        },
        "csrf": context.csrf,
        "has_any": context.explorer.first_call_at() is not None,
        "gateway": gateway_address(context),
        "has_pickers": False,
        "tag_names": context.tag_names(view),
    }


def change_plans(context: ConsoleContext, form: Mapping[str, str]) -> str:
    """Plan an event, or take one back; where it leads. Raises Forbidden, BadControl, BadQuery, NameTaken,
    UnknownControl."""
    context.check_form(form)
    match form.get("act", ""):
        case "add":
            given = {name: form[name].strip() for name in PLAN_FIELDS if form.get(name, "").strip()}
            if "percent" in given:  # as it is written on the page
                given["percent"] = given["percent"].replace(display.MINUS, "-").removesuffix("%").strip()
            terms = read_terms(given, PlanTerms)
            context.plans().add(form.get("name", ""), terms, actor=ACTOR)
        case "remove":
            context.plans().remove(form.get("id", ""), actor=ACTOR)
        case act:
            raise BadControl(f"act is {act[:40]!r}; it is add or remove", field="act")
    return "/forecast#plans"


PLAN_FIELDS = ("start", "end", "percent", "kind", "scope", "note")


@post("/forecast/plans", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Redirect:
    """The form and the buttons of planned events."""
    fields = await fields_of(request)
    target = await asyncio.to_thread(change_plans, request.app.state.context, fields)
    return Redirect(target, status_code=303)


FORECAST_PAGES = [change]


def _lead(found: Forecast) -> str:
    age = min(found.age, len(found.spent) - 1)
    return f"from {age} days of calls, by {found.said_by}"


def _tiles(found: Forecast) -> list[Tile]:
    return [
        Tile(
            _label(one), display.days(one.first, one.last), _banded(found, one), _usd(one.spent) if one.spent else None,
            _usd(one.amount.expected - one.unplanned) if one.amount.expected != one.unplanned else None,
            None if one.scenario is None else _usd(one.scenario),
        )
        for one in found.figures
    ]  # fmt: skip


def _label(one: Figure) -> str:
    return SPAN_WORDS.get(one.key) or f"All of {display.month(one.first)}"


def _chart(found: Forecast, f: Format) -> ForecastChart:
    spent = found.spent[-(min(found.age, PAST_SHOWN) + 1) :]
    plans = [(one.plan.terms.start, one.plan.name) for one in found.effects]
    return forecast_chart(
        spent,
        found.days,
        plans,
        banded=sum(found.has_band(one.day) for one in found.days),
        tell_tick=f.money_tick,
        tell_day=lambda day: display.day(day, year=False),
    )


def _happened(context: ConsoleContext, view: View, found: Forecast) -> list[Mark]:
    """What happened in the days that the chart shows, as far as it is about what the filters let through."""
    first, last = found.spent[-(min(found.age, PAST_SHOWN) + 1)][0], found.days[-1].day
    shown = parse_period(f"{first}..{last}", view.now, view.timezone)
    markers = about(context.markers(shown), view.filters)
    return marks_along(markers, us_from_datetime(shown.start), us_from_datetime(shown.end))


def _how_good(found: Forecast) -> list[str]:
    """The back-test in words."""
    lines = []
    for one in found.accuracy:
        if one.error is None or one.naive_error is None:
            continue
        span = "day" if one.days == 1 else f"{one.days} days"
        verdict = _against_naive(one, is_believed=found.said_by == NAMES[NAIVE])
        lines.append(
            f"The next {span}: forecasts were off by {_percent(one.error)} on average, in {one.tries} tries. {verdict}"
            f"{_held(one)}"
        )
    parts = next((one for one in found.parts_accuracy if one.days == MISS_DAYS), None)
    if parts is not None and parts.error is not None and parts.naive_error is not None:
        lines.append(
            f"Part by part, three days ahead, it was {_percent(parts.error)} of what they cost, and "
            f"{_percent(parts.naive_error)} by repeating last week.{_held(parts)}"
        )
    return lines


def _against_naive(one: Accuracy, *, is_believed: bool) -> str:
    """is_believed: repeating last week is what the whole is forecast by now."""
    naive, error = one.naive_error or 0.0, one.error or 0.0
    how = f"Repeating last week would have been off by {_percent(naive)}."
    if error <= naive:
        return how
    return f"{how} That would have been better{', and is what is done now' if is_believed else ''}."


def _held(one: Accuracy) -> str:
    """Of how many, so that nobody takes three of four for a rate."""
    if not one.bands:
        return ""
    share = f", {_percent(one.held / one.bands)}" if one.bands >= 10 else ""
    return f" What came was inside the band {one.held} of {one.bands} times{share}; it should be four in five."


def _row(part: Part, view: View, found: Forecast) -> Row:
    most = max((one.lately for one in found.parts), default=0)
    href = ""
    if part.name != OTHERS:
        href = view.url("/explore", filters=(*view.filters, Filter(view.by, (part.name,))), period="30d")
    figures = [_banded(found, whole, one, part.age) for whole, one in zip(found.figures, part.figures, strict=False)]
    return Row(
        part.name or "(none)", href, _usd(part.lately), figures,
        part.said_by, part.age,
        round(100 * part.lately / most, 1) if most > 0 else 0.0,
    )  # fmt: skip


def _plans(found: Forecast) -> list[ShownPlan]:
    return [
        ShownPlan(
            number, one.plan.plan_id, one.plan.name, _plan_days(one.plan.terms.start, one.plan.terms.end),
            f"{one.plan.terms.percent:+f} % {CHANGES[one.plan.terms.kind]}".replace("-", display.MINUS),
            one.plan.terms.scope or "everything", one.plan.terms.note, [_usd(pico) for pico in one.figures],
        )
        for number, one in enumerate(found.effects, 1)
    ]  # fmt: skip


def _plan_days(start: date, end: date | None) -> str:
    return display.days(start, end) if end else f"from {display.day(start, year=True)} on"


def _budgets(context: ConsoleContext, view: View) -> list[ShownBudget]:
    """The fullest ones."""
    shown = []
    for known in known_budgets(context)[:BUDGETS_SHOWN]:
        about = known.nearest.key.value if known.nearest is not None else ""
        told = tell_outlook(known.budget, foresee(context, known).forecast, about, known.now_us)
        level = {"spent": "danger", "exhausts": "doubt"}.get(told.state, "")
        shown.append(ShownBudget(known.budget.name, view.url(f"/budgets/{known.budget.budget_id}"), told.said, level))
    return shown


def _banded(found: Forecast, figure: Figure, amount: Amount | None = None, age: int | None = None) -> Money:
    """A figure of the whole, or a part's amount of it, whose age is given."""
    one = amount or figure.amount
    needs = 0 if found.has_band(figure.last, age) else found.days_for_band(figure.last)
    return Money(_usd(one.expected), _usd(one.low), _usd(one.high), needs)


def _short(found: Forecast) -> str:
    """What little history can't say, in words."""
    missing = [one for one in found.figures if not found.has_band(one.last)]
    if not missing:
        return ""
    days = "1 day of calls is" if found.age == 1 else f"{found.age} days of calls are"
    names = " and ".join(_label(one)[:1].lower() + _label(one)[1:] for one in missing)
    return (
        f"Too little history: {days} known. What is said of {names} only says that things go on as they are, and how "
        f"far off that is can't be told before there are {max(found.days_for_band(one.last) for one in missing)} days."
    )


def _usd(pico: int) -> Decimal:
    return usd_from_pico(pico)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
