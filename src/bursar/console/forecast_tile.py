"""The forecast's tile on Overview: what the month will come to, in its band, beside its budget or the month before.

Overview never waits for a forecast: one that isn't kept yet is made behind it, and the tile says so until it is there.
"""

import threading
from datetime import timedelta
from decimal import Decimal

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bursar.budgets.told import left_pico, spec_at
from bursar.console.budgeting import Known, filters_of, known_budgets
from bursar.console.context import ConsoleContext
from bursar.console.forecasting import forecast_of, kept_forecast
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.errors import BursarError
from bursar.domain.money import usd_from_pico
from bursar.domain.periods import zone
from bursar.forecast.told import Forecast

log = structlog.get_logger(__name__)

LATER_S = 1.0  # after the page is asked for: made at once, it would take the page's own time


class ForecastTile(msgspec.Struct, frozen=True):
    """amount: None: nothing is said, and `said` is why. band: low and high, USD; None: too little history, see `said`.

    beside: "of budget NAME", or "vs last month"; against: that amount, USD. level: danger where a budget is passed,
    doubt where its band reaches past it.
    """

    label: str
    said: str = ""
    amount: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    beside: str = ""
    against: Decimal | None = None
    level: str = ""


def forecast_tile(context: ConsoleContext, view: View) -> ForecastTile:
    """Of the month that runs, whatever the page's period is; its filters are the page's."""
    today = context.now().astimezone(zone(view.timezone)).date()
    label = f"All of {display.month(today).rsplit(' ', 1)[0]}"  # the year is that of any clock
    found, is_fresh = kept_forecast(context, view)
    if not is_fresh:
        _make_later(context, view)
    if found is None:
        return ForecastTile(label, "being worked out")
    if found.too_young:
        there = f", there {'is' if found.age == 1 else 'are'} {found.age}" if found.age else ""
        return ForecastTile(label, f"too little history: two whole days with calls are needed{there}")
    return _tile(context, view, found, label)


def _tile(context: ConsoleContext, view: View, found: Forecast, label: str) -> ForecastTile:
    month = found.figures[0]
    amount = usd_from_pico(month.amount.expected)
    low = high = None
    said = f"no band before {found.days_for_band(month.last)} days of calls"
    if found.has_band(month.last):
        low, high, said = usd_from_pico(month.amount.low), usd_from_pico(month.amount.high), ""
    name, limit = _budget(context, view)
    if limit is not None:
        level = "danger" if amount > limit else "doubt" if high is not None and high > limit else ""
        return ForecastTile(label, said, amount, low, high, f"of budget {name}", limit, level)
    before = _month_before(found)
    return ForecastTile(label, said, amount, low, high, "last month" if before else "", before)


def _budget(context: ConsoleContext, view: View) -> tuple[str, Decimal | None]:
    """(name, limit in USD) of the smallest calendar month's budget that is about just the calls of the page."""
    try:
        fitting = [one for one in known_budgets(context) if _fits(one, view)]
    except (SQLAlchemyError, BursarError) as error:  # the forecast is worth reading without it
        log.warning("budgets_unread", error=str(error))
        return "", None
    limits = [(one.nearest.limit, one.budget.name) for one in fitting if one.nearest and one.nearest.limit is not None]
    if not limits:
        return "", None
    limit, name = min(limits)
    return name, usd_from_pico(limit)


def _fits(known: Known, view: View) -> bool:
    window = known.window
    return (
        not known.budget.each
        and window.in_force
        and spec_at(known.budget, known.now_us).kind == "month"
        and window.timezone == view.timezone
        and set(filters_of(known)) == set(view.filters)
        and known.nearest is not None
        and left_pico(known.nearest) is not None
    )


def _month_before(found: Forecast) -> Decimal | None:
    """What it cost; None where calls began in it or after."""
    last = found.today.replace(day=1) - timedelta(days=1)
    first = last.replace(day=1)
    if found.today - timedelta(days=found.age) > first:
        return None
    return usd_from_pico(sum(pico for day, pico in found.spent if first <= day <= last)) or None


_UNDER_WAY: set[int] = set()
_GUARD = threading.Lock()


def _make_later(context: ConsoleContext, view: View) -> None:
    """In a thread of its own, one at a time for each console."""
    with _GUARD:
        if id(context) in _UNDER_WAY:
            return
        _UNDER_WAY.add(id(context))

    def make() -> None:
        try:
            forecast_of(context, msgspec.structs.replace(view, by="feature", extra={}))
        except Exception as error:  # nobody waits: the next page tries again. A console that stops closes its ledger
            log.warning("forecast_not_made", error=f"{type(error).__name__}: {error}")
        finally:
            with _GUARD:
                _UNDER_WAY.discard(id(context))

    timer = threading.Timer(LATER_S, make)
    timer.daemon = True
    timer.start()
