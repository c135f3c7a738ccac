"""Budgets beside the books: what each has spent by the hour, its forecast, and the answers of page and API."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from bursar.alerts.facts import BudgetStanding
from bursar.budgets.budget import Budget
from bursar.budgets.forecast import HORIZON_HOURS, HOUR_US, Forecast, forecast, horizon
from bursar.budgets.lease import Standing
from bursar.budgets.outlook import Outlook, tell_outlook
from bursar.budgets.schedule import scheduled_window
from bursar.budgets.told import (
    BudgetDetail,
    BudgetTold,
    explore_filters,
    explore_name,
    left_pico,
    period_text,
    spec_at,
    tell_budget,
    tell_detail,
)
from bursar.budgets.windows import Window, local_instant
from bursar.console.budget_plans import plans_about
from bursar.console.context import ACTOR, ConsoleContext
from bursar.controlfile.amounts import pico_from_text
from bursar.controlfile.budgets import standing_limit
from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.errors import BadWindow, UnknownBudget
from bursar.domain.money import pico_from_usd, plain
from bursar.domain.periods import Period, parse_period, zone
from bursar.explore.filters import Filter
from bursar.explore.query import Query
from bursar.forecast.hours import HISTORY_HOURS, hours_ahead
from bursar.forecast.planned_hours import with_plans, without_plans

FORESEEN_MAX = 50


class BudgetsAnswer(msgspec.Struct, frozen=True):
    """Every budget in force, the one with the largest share of its limit used first."""

    budgets: list[BudgetTold]


class BudgetAnswer(BudgetDetail, frozen=True):
    """One budget. books_usd: list cost of its calls in the window by the books: seconds behind what workers report,
    and with every later correction. null if none of it has a price."""

    forecast: Outlook
    books_usd: str | None


class Known(NamedTuple):
    """A budget with how it stands now; `nearest` is the value (or the whole) with least left."""

    budget: Budget
    standings: list[Standing]
    now_us: int

    @property
    def nearest(self) -> Standing | None:
        limited = [one for one in self.standings if left_pico(one) is not None]
        return min(limited or self.standings, key=lambda one: left_pico(one) or 0, default=None)

    @property
    def window(self) -> Window:
        return scheduled_window(self.budget.window, self.now_us)

    @property
    def told(self) -> BudgetTold:
        return tell_budget(self.budget, self.standings, self.now_us)

    @property
    def used(self) -> float:
        """The share of the limit that is spent or held, to sort by."""
        nearest = self.nearest
        if nearest is None or nearest.limit is None:
            return 0.0
        return (nearest.posted + nearest.held) / nearest.limit if nearest.limit else 1.0


class Foreseen(NamedTuple):
    """The forecast of the nearest value, and what was spent each hour: (start of the hour, pico)."""

    hours: list[tuple[int, int]]
    forecast: Forecast


def known_budgets(context: ConsoleContext) -> list[Known]:
    """All in force, the fullest first."""
    if context.budgets is None:
        return []
    store = context.budgets()
    found = store.all()
    now_us = context.clock.now_us()
    known = [Known(one, rows, now_us) for one, rows in zip(found, store.standings(found), strict=True)]
    return sorted(known, key=lambda one: (-one.used, one.budget.name))


def known_budget(context: ConsoleContext, name_or_id: str) -> Known:
    """Raises UnknownBudget."""
    if context.budgets is None:
        raise UnknownBudget(f"no budget is named {name_or_id!r}", field="name")
    store = context.budgets()
    budget = store.find(name_or_id)
    return Known(budget, store.standings([budget])[0], context.clock.now_us())


def budget_facts(context: ConsoleContext) -> list[BudgetStanding]:
    """How budgets stand, for alerts; the FORESEEN_MAX fullest with a forecast, each of which asks the books once."""
    facts = []
    for number, known in enumerate(known_budgets(context)):
        nearest = known.nearest
        ahead = foresee(context, known).forecast if number < FORESEEN_MAX and nearest is not None else None
        for one in known.standings:
            if one.limit is not None:
                exhausts_us = (
                    ahead.at_us if ahead is not None and ahead.state == "exhausts" and one is nearest else None
                )
                facts.append(
                    BudgetStanding(
                        known.budget.budget_id,
                        known.budget.name,
                        one.key.value,
                        one.window_key,
                        one.limit,
                        one.posted,
                        one.held,
                        exhausts_us,
                    )
                )
    return facts


def budgets_answer(context: ConsoleContext) -> BudgetsAnswer:
    return BudgetsAnswer([one.told for one in known_budgets(context)])


def budget_answer(context: ConsoleContext, name_or_id: str) -> BudgetAnswer:
    """Raises UnknownBudget."""
    known = known_budget(context, name_or_id)
    return told_whole(context, known, foresee(context, known))


def approve_budget(
    context: ConsoleContext, name_or_id: str, percent: int | None, value: str, until_us: int | None, reason: str
) -> None:
    """Let calls past its `approve` thresholds, and tell the workers. value: of its `each`; "" is all of them.

    Raises UnknownBudget, BadBudget, Unavailable.
    """
    store = context.budget_store()
    store.approve(name_or_id, percent=percent, value=value, until_us=until_us, reason=reason, actor=ACTOR)
    context.tell_budgets()


def raise_budget(context: ConsoleContext, name_or_id: str, limit: str, until: str, reason: str) -> None:
    """Another limit from now on, and tell the workers. until: local to the budget's zone; "" is for good.

    Raises UnknownBudget, BadBudget, BadWindow, Unavailable.
    """
    store, now_us = context.budget_store(), context.clock.now_us()
    budget = store.find(name_or_id)
    limit_pico = pico_from_text(limit, "limit")
    until_us = local_instant(until, spec_at(budget, now_us).timezone) if until else None
    if until_us is not None and until_us <= now_us:
        raise BadWindow("that is over already; give a time that is still to come", field="until")
    store.raise_limit(budget.budget_id, limit_pico, until_us=until_us, reason=reason, actor=ACTOR)
    context.tell_budgets()


def end_raises(context: ConsoleContext, name_or_id: str) -> None:
    """Back to the limit for good, where another one holds for a while. Raises UnknownBudget, Unavailable."""
    store = context.budget_store()
    budget = store.find(name_or_id)
    limit_pico, raises = standing_limit(budget.limit, context.clock.now_us())
    if raises:
        store.raise_limit(budget.budget_id, limit_pico, until_us=None, reason="ended early", actor=ACTOR)
        context.tell_budgets()


def told_whole(context: ConsoleContext, known: Known, foreseen: Foreseen) -> BudgetAnswer:
    detail = tell_detail(known.budget, known.standings, known.now_us)
    about = known.nearest.key.value if known.nearest is not None else ""
    return BudgetAnswer(
        **msgspec.structs.asdict(detail),
        forecast=tell_outlook(known.budget, foreseen.forecast, about, known.now_us),
        books_usd=_books(context, known),
    )


def foresee(context: ConsoleContext, known: Known) -> Foreseen:
    """Two questions to the books, and two more a day for each planned event with a scope."""
    nearest, window, now_us = known.nearest, known.window, known.now_us
    hours, of_calls = _hours(context, known)
    recent = now_us - HISTORY_HOURS * HOUR_US
    since_us = min((at for at, pico in of_calls if pico and at >= recent), default=now_us)
    limit, spent = (None, 0) if nearest is None else (nearest.limit, nearest.posted)
    until_us = horizon(window, now_us)
    hours_to_come = -(-(until_us - now_us) // HOUR_US) + 1
    timezone = spec_at(known.budget, now_us).timezone
    about = plans_about(context, filters_of(known, _value(known)), timezone, until_us)
    terms, place = [(plan.terms, share) for plan, share in about], zone(timezone)
    ahead = hours_ahead(without_plans(of_calls, terms, place), since_us, now_us, hours_to_come)
    ahead, changing = with_plans(ahead, now_us, terms, place)
    names = tuple(about[number][0].name for number in changing)
    return Foreseen(hours, forecast(ahead, dict(of_calls), window, spent, limit, now_us, names))


def filters_of(known: Known, value: str = "") -> tuple[Filter, ...]:
    """The budget's calls, as Explore's filters; of a budget with `each` only those that have a value of it."""
    found = tuple(Filter(name, (wanted,)) for name, wanted in explore_filters(known.budget, value))
    each = known.budget.each
    return (*found, Filter(explore_name(each), ("",), "not")) if each and not value else found


def period_of(known: Known) -> Period:
    """What counts now, as a period for Explore."""
    return parse_period(period_text(known.window, known.now_us), datetime_from_us(known.now_us), "UTC")


def _value(known: Known) -> str:
    """Of its `each`, the one with least left."""
    return known.nearest.key.value if known.nearest is not None else ""


def _hours(context: ConsoleContext, known: Known) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(start of an hour, pico) by the books; and of calls alone, as workers count and a forecast learns."""
    now_us = known.now_us
    longest, recent = now_us - HORIZON_HOURS * HOUR_US, now_us - HISTORY_HOURS * HOUR_US
    first_us = min(max(known.window.counted_from_us, longest), recent) // HOUR_US * HOUR_US
    last_us = (now_us // HOUR_US + 1) * HOUR_US
    period = Period(datetime_from_us(first_us), datetime_from_us(last_us), "", "UTC", "span", 1)
    filters = filters_of(known, _value(known))
    asked = Query(period, ("list_cost",), ("hour",), filters, timezone="UTC")
    rows = [
        (row["hour"], row["list_cost"] or Decimal(0)) for row in context.explorer.run(asked, rows_only=True).dicts()
    ]
    apart = context.explorer.one_offs(period, ("hour",), measure="list_cost", filters=filters)
    starts = [us_from_datetime(datetime.fromisoformat(hour)) for hour, _ in rows]
    hours = [(at, pico_from_usd(cost)) for at, (_, cost) in zip(starts, rows, strict=True)]
    of_calls = [
        (at, pico_from_usd(cost - apart.get((hour,), Decimal(0))))
        for at, (hour, cost) in zip(starts, rows, strict=True)
    ]
    return hours, of_calls


def _books(context: ConsoleContext, known: Known) -> str | None:
    if not known.window.in_force:
        return None
    totals = context.explorer.run(Query(period_of(known), ("list_cost",), (), filters_of(known))).totals
    cost = totals["list_cost"]
    return None if cost is None else plain(cost)
