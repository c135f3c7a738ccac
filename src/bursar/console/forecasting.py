"""The forecast as an address asks for it: `/forecast?by=team&growth=10`, made once while the books stay as they are."""

import threading
from decimal import Decimal, InvalidOperation

from bursar.console.context import ConsoleContext, KeptForecast
from bursar.console.view import View
from bursar.domain.errors import BadRequest
from bursar.domain.periods import zone
from bursar.domain.plans import Plan
from bursar.explore.vocabulary import dimension
from bursar.forecast.factors import check_scope
from bursar.forecast.history import PARTS_MAX
from bursar.forecast.report import make_forecast
from bursar.forecast.told import Forecast, Wish
from bursar.governance.plans import PlanBook
from bursar.governance.store import ControlStore
from bursar.site import Site

MADE_AGAIN_US = 60_000_000  # while calls come in
QUARTER_US = 900_000_000
REMEMBERED = 16
KEPT_US = 3_600_000_000  # what Overview shows while a newer one is made
PARTS_DEFAULT = 12
GROWTH_MIN, GROWTH_MAX = Decimal(-90), Decimal(1_000)
_ONE_AT_A_TIME = threading.Lock()


def open_plans(site: Site) -> PlanBook:
    """The planned events of a site's control store, which is made and brought up to date."""
    site.prepare()
    return PlanBook(ControlStore(site.control_location), site.secret(), site.clock, check_scope)


def known_plans(context: ConsoleContext) -> tuple[Plan, ...]:
    """By their first day; none in a console without a control store."""
    if context.open_plans is None:
        return ()
    return tuple(sorted(context.plans().all(), key=lambda one: (one.terms.start, one.name)))


def read_wish(context: ConsoleContext, view: View) -> Wish:
    """What the address asks for. Raises BadRequest that names the parameter."""
    dimension(view.by)
    return Wish(
        now=context.now(),
        timezone=view.timezone,
        dimension=view.by,
        filters=view.filters,
        top=_top(view),
        growth=_growth(view),
        plans=known_plans(context),
    )


def forecast_of(context: ConsoleContext, view: View) -> Forecast:
    """The same one while nothing was loaded since, for a quarter of an hour at most; while calls come in, for a minute.

    Raises BadRequest, BadQuery.
    """
    wish = read_wish(context, view)
    key = (wish.timezone, wish.dimension, wish.filters, wish.top, wish.growth, wish.plans)
    now_us, version = context.clock.now_us(), context.ledger.version
    with _ONE_AT_A_TIME:
        kept = context.forecasts.get(key)
        if kept is not None and kept.made_us // QUARTER_US == now_us // QUARTER_US:  # as much of today is gone
            is_young = 0 <= now_us - kept.made_us < MADE_AGAIN_US and not _is_behind(kept.forecast)
            if kept.version == version or is_young:
                return kept.forecast
        largest = context.largest_parts.setdefault((wish.timezone, wish.filters, wish.now.date()), {})
        found = make_forecast(context.explorer, wish, largest)
        while len(context.largest_parts) > REMEMBERED:
            del context.largest_parts[next(iter(context.largest_parts))]
        while len(context.forecasts) >= REMEMBERED:
            del context.forecasts[next(iter(context.forecasts))]
        context.forecasts[key] = KeptForecast(now_us, version, found)
    return found


def kept_forecast(context: ConsoleContext, view: View) -> tuple[Forecast | None, bool]:
    """The newest of the view's calls that was made today and within the hour, by whatever parts; whether it is as new
    as `forecast_of` would hand out. Nothing is made, and nothing is waited for."""
    now_us, today = context.clock.now_us(), context.now().astimezone(zone(view.timezone)).date()
    plans, version = known_plans(context), context.ledger.version
    found: list[KeptForecast] = []
    for (timezone, _, filters, _, growth, its_plans), kept in list(context.forecasts.items()):
        is_same = (timezone, filters, growth, its_plans) == (view.timezone, view.filters, None, plans)
        is_recent = kept.forecast.today == today and 0 <= now_us - kept.made_us < KEPT_US
        if is_same and is_recent and (kept.version == version or not _is_behind(kept.forecast)):
            found.append(kept)
    if not found:
        return None, False
    newest = max(found, key=lambda one: one.made_us)
    return newest.forecast, newest.version == version or now_us - newest.made_us < MADE_AGAIN_US


def _is_behind(found: Forecast) -> bool:
    """Whether it knows no call of its own day: what was loaded since may be days of calls."""
    return not any(pico for day, pico in found.spent if day == found.today)


def _growth(view: View) -> Decimal | None:
    text = view.get("growth").strip().removesuffix("%").strip()
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not (value.is_finite() and GROWTH_MIN <= value <= GROWTH_MAX):
        raise BadRequest(
            f"growth is {text[:40]!r}; write percent a month, from {GROWTH_MIN} to {GROWTH_MAX}", field="growth"
        )
    return value


def _top(view: View) -> int:
    text = view.get("limit")
    if not text:
        return PARTS_DEFAULT
    if not text.isdecimal() or not 1 <= int(text) <= PARTS_MAX:
        raise BadRequest(f"limit is {text[:40]!r}; write a number from 1 to {PARTS_MAX}", field="limit")
    return int(text)
