"""Ask the books, forecast, and tell it in money: by the end of the month and in 7, 30 and 90 days."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import msgspec
import numpy as np

from bursar.domain.calendar import month_on
from bursar.domain.money import pico_from_usd
from bursar.domain.periods import parse_period
from bursar.domain.plans import PlanTerms
from bursar.explore.query import OTHER, Explorer, Query
from bursar.forecast.course import Course, Past, Together, is_young, together
from bursar.forecast.exact import pico_of, split_exactly
from bursar.forecast.factors import FACTOR_MIN, days_from, growth_factors, plan_factors, scope_shares
from bursar.forecast.history import History, read_history, share_gone
from bursar.forecast.models import NAMES, Floats
from bursar.forecast.told import OTHERS, Amount, Day, Effect, Figure, Forecast, Part, Wish

AHEAD = 92  # days after today: ninety, and any month's rest
SPANS = (7, 30, 90)
LATELY = 30
SPLITS = ("feature", "customer")
"""Ways to split the whole that it is forecast by, so that what is said of it doesn't depend on how it is looked at."""
SPLIT_PARTS = 50


class Stretch(NamedTuple):
    """Of days ahead: 0 is what is left of today; `until` isn't in it. begins: its first day, which may be past."""

    key: str
    first: int
    until: int
    begins: date


def make_forecast(explorer: Explorer, wish: Wish, largest: dict[str, list[str]] | None = None) -> Forecast:
    """Ask the books and forecast. Raises BadQuery.

    largest: names of the largest parts by dimension, as they were found before, and those found now: which parts the
    whole is split by needn't be of this minute, and ranking many customers takes a fifth of the time.
    """
    largest = {} if largest is None else largest
    gone = share_gone(explorer, wish.now, wish.timezone, wish.filters)

    def read(dimension: str, top: int, names: Sequence[str] | None = None) -> History:
        return read_history(explorer, wish.now, wish.timezone, dimension, wish.filters, top, gone, names)

    def read_split(dimension: str) -> History:
        found = read(dimension, SPLIT_PARTS, largest.get(dimension) if dimension != wish.dimension else None)
        largest[dimension] = [name for name in found.names if name != OTHER]
        return found

    def shares(history: History) -> list[Floats]:
        return [scope_shares(explorer, wish, history.dimension, history.names, plan.terms.scope) for plan in wish.plans]

    splits = [read_split(one) for one in SPLITS]
    known = next((one for one in splits if one.dimension == wish.dimension and wish.top <= SPLIT_PARTS), None)
    history = read(wish.dimension, wish.top) if known is None else known.folded(wish.top)
    found = forecast(wish, history, shares(history), [cleaned(wish, one, shares(one)) for one in splits])
    period = parse_period(f"{LATELY}d", wish.now, wish.timezone)
    unpriced = explorer.run(Query(period, ("unpriced_count",), (), wish.filters)).totals["unpriced_count"]
    return msgspec.structs.replace(found, unpriced=unpriced)


def forecast(wish: Wish, history: History, shares: Sequence[Floats], splits: Sequence[Past]) -> Forecast:
    """shares: of each part in the scope of each plan. splits: ways to split the same whole."""
    spent = _spent(history)
    found = together(cleaned(wish, history, shares), list(splits), AHEAD)
    bare = Forecast(
        history.today, history.timezone, wish.dimension, found.whole.age[0], True, "", spent, [], [], [], [],
        found.whole.accuracy, found.parts.accuracy,
    )  # fmt: skip
    if is_young(bare.age):
        return bare
    dates = days_from(history.today, AHEAD + 1)
    factors = plan_factors(_planned(wish, shares), dates, len(history.names))
    planned, stretches = found.parts.expected * factors, stretches_from(history.today)
    whole = planned.sum(axis=0)
    days = _picos(whole)
    unplanned = _picos((found.parts.expected * factors[:, :1]).sum(axis=0))
    grown = None if wish.growth is None else _picos(whole * growth_factors(float(wish.growth), len(whole)))
    low, high = found.whole.bands.of_days(whole[None])
    course = msgspec.structs.replace(found.whole, expected=whole[None])
    return msgspec.structs.replace(
        bare,
        too_young=False,
        said_by=found.said_by,
        figures=[_figure(one, course, days, unplanned, grown, spent) for one in stretches],
        days=[
            Day(day, _amount(days[at], low[0, at], high[0, at]), unplanned[at], None if grown is None else grown[at])
            for at, day in enumerate(dates)
        ],
        parts=_parts(history, found, planned, days, stretches),
        effects=_effects(wish, shares, found.parts.expected, dates, stretches),
    )


def cleaned(wish: Wish, history: History, shares: Sequence[Floats]) -> Past:
    """The past as it would have been without what was planned then, so that it isn't counted twice."""
    dates = [*history.dates, history.today]
    factors = plan_factors(_planned(wish, shares), dates, len(history.names))
    return history.past(np.maximum(factors, FACTOR_MIN))


def stretches_from(today: date) -> list[Stretch]:
    """The rest of the month, then whole days from tomorrow on."""
    begins = today.replace(day=1)
    left = (month_on(begins, 1) - today).days
    tomorrow = today + timedelta(days=1)
    return [Stretch("month", 0, left, begins), *(Stretch(str(days), 1, days + 1, tomorrow) for days in SPANS)]


def _figure(
    stretch: Stretch, whole: Course, days: list[int], unplanned: list[int], grown: list[int] | None,
    spent: list[tuple[date, int]],
) -> Figure:  # fmt: skip
    span = slice(stretch.first, stretch.until)
    gone = sum(pico for day, pico in spent if day >= stretch.begins) if stretch.first == 0 else 0
    low, high = whole.bands.of_sum(whole.expected, stretch.first, stretch.until)
    coming = _amount(sum(days[span]), low[0], high[0])
    return Figure(
        stretch.key,
        stretch.begins,
        spent[-1][0] + timedelta(days=stretch.until - 1),
        gone,
        Amount(gone + coming.expected, gone + coming.low, gone + coming.high),
        gone + sum(unplanned[span]),
        None if grown is None else gone + sum(grown[span]),
    )


def _parts(history: History, found: Together, planned: Floats, days: list[int], stretches: list[Stretch]) -> list[Part]:
    """Those that are too young to say anything are told, and counted in with the others."""
    names, age = history.names, found.parts.age
    lately = [
        sum(map(pico_from_usd, [*row[-(LATELY - 1) :], today]))
        for row, today in zip(history.days, history.so_far, strict=True)
    ]
    amounts = split_exactly(days, planned)
    young = [at for at, name in enumerate(names) if name != OTHER and is_young(age[at])]
    rest = [at for at, name in enumerate(names) if name == OTHER]
    told = [at for at in range(len(names)) if at not in young and at not in rest]
    spent = [_month_so_far(history, at, stretches[0].begins) for at in range(len(names))]

    def figures(rows: list[int], by: int) -> list[Amount]:
        """Of several rows, as wide as that of row `by`, the largest of them, is."""
        told_amounts = []
        for one in stretches:
            gone = sum(spent[row] for row in rows) if one.first == 0 else 0
            low, high = found.parts.bands.of_sum(planned, one.first, one.until)
            coming = sum(sum(amounts[row][one.first : one.until]) for row in rows)
            of_one = float(planned[by, one.first : one.until].sum())
            wider = coming / 1e12 / of_one if len(rows) > 1 and of_one > 0 else 1.0
            around = _amount(coming, low[by] * wider, high[by] * wider)
            told_amounts.append(Amount(gone + around.expected, gone + around.low, gone + around.high))
        return told_amounts

    parts = [
        Part(names[at], lately[at], figures([at], at), amounts[at], NAMES[found.parts.chosen[at]], age[at])
        for at in told
    ]
    together_rows = [*rest, *young]
    if together_rows:
        by = max(together_rows, key=lambda at: float(planned[at].sum()))
        of_days = [sum(column) for column in zip(*(amounts[at] for at in together_rows), strict=True)]
        others = Part(
            OTHERS, sum(lately[at] for at in rest), figures(together_rows, by), of_days,
            NAMES[found.parts.chosen[by]], max(age[at] for at in together_rows),
        )  # fmt: skip
        parts.append(others)
    return [*parts, *(Part(names[at], lately[at], [], [], "", age[at]) for at in young)]


def _effects(
    wish: Wish, shares: Sequence[Floats], expected: Floats, dates: list[date], stretches: list[Stretch]
) -> list[Effect]:
    """Of each plan: what there is with it, less what there would be if it stayed as it is today."""
    planned = _planned(wish, shares)
    effects = []
    everything = (expected * plan_factors(planned, dates, len(expected))).sum(axis=0)
    for at, plan in enumerate(wish.plans):
        others = [*planned[:at], *planned[at + 1 :]]
        now = plan_factors([planned[at]], dates[:1], len(expected))
        without = (expected * now * plan_factors(others, dates, len(expected))).sum(axis=0)
        change = everything - without
        effects.append(Effect(plan, [pico_of(float(change[one.first : one.until].sum())) for one in stretches]))
    return effects


def _planned(wish: Wish, shares: Sequence[Floats]) -> list[tuple[PlanTerms, Floats]]:
    return [(plan.terms, share) for plan, share in zip(wish.plans, shares, strict=True)]


def _spent(history: History) -> list[tuple[date, int]]:
    days = [*history.dates, history.today]
    sums = [sum(map(pico_from_usd, column)) for column in zip(*history.days, strict=True)]
    return list(zip(days, [*sums, sum(map(pico_from_usd, history.so_far))], strict=False))


def _month_so_far(history: History, at: int, begins: date) -> int:
    past = sum(
        pico_from_usd(amount) for day, amount in zip(history.dates, history.days[at], strict=True) if day >= begins
    )
    return past + pico_from_usd(history.so_far[at])


def _picos(usd: Floats) -> list[int]:
    return [pico_of(float(one)) for one in usd]


def _amount(expected: int, low: float, high: float) -> Amount:
    """The band never leaves out what is expected, whatever rounding did."""
    return Amount(expected, min(pico_of(float(low)), expected), max(pico_of(float(high)), expected))
