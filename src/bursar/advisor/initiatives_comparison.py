"""Calls that an initiative doesn't touch: what became cheaper or dearer there did so for everyone.

Of a feature that is touched in part, the rest is compared with the same rest before: calls that are in the scope of an
initiative at any time are kinds of their own.

Looked for, they must be alike, have gone the same way before, and still agree with each other afterwards. A wrong
comparison is worse than none, so a doubt means none, and the reason is told.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from math import log, sqrt
from typing import NamedTuple

from bursar.advisor.initiatives_rates import Daily, Rates, rates_of, trend_of
from bursar.explore.unit_costs import Cell

COMMON_DAYS_MIN = 14
GROUPS_MIN = 2
ALIKE_MIN = 0.5
DRIFT_MAX = 0.10
APART_MAX = 0.15
CALLS_MIN = 100
_SURE = 1.645  # one-sided, 95 %


class Group(NamedTuple):
    """Calls that may be compared with: in the baseline's days and from the start on."""

    before: Daily
    after: Daily


class Chosen(NamedTuple):
    """group: None where there is no comparison. why: of which it is, or why there is none. drift: over the baseline, in
    per cent at most (with 95 % certainty) that both went apart; None: too few days to say."""

    group: Group | None
    why: str
    drift: float | None = None


def drift_of(mine: Rates, theirs: Rates) -> float | None:
    """By how much, at most, two groups' normalised unit costs went apart over the baseline: a share, with certainty.

    The slope of the difference of their logarithms over the days that both have, and its error: a trend that can't be
    ruled out counts as one. None: fewer than COMMON_DAYS_MIN days in common.
    """
    one, other = _index(mine), _index(theirs)
    days = sorted(one.keys() & other.keys())
    if len(days) < COMMON_DAYS_MIN:
        return None
    xs = [float((day - days[0]).days) for day in days]
    ys = [one[day] - other[day] for day in days]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in zip(xs, ys, strict=True))
    error = sqrt(rest / (len(xs) - 2) / spread)
    return (abs(slope) + _SURE * error) * (xs[-1] + 1)


def alike(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """How much of two groups' cost goes to the same models, 0 to 1. Both: pico by model asked for."""
    totals = sum(one.values()), sum(other.values())
    if not all(totals):
        return 0.0
    return sum(min(one[name] / totals[0], other.get(name, 0) / totals[1]) for name in one)


def given(mine: Rates, group: Group, named: str) -> Chosen:
    """The comparison that somebody named: it is taken, and how parallel it was is told."""
    rates = rates_of(group.before)
    if trend_of(rates, group.after) is None:
        return Chosen(None, f"{named}: no calls of the same kinds both in the baseline and since")
    return Chosen(group, named, drift_of(mine, rates))


def chosen(
    mine: Rates, models: Mapping[str, int], groups: Mapping[str, Group], their_models: Mapping[str, Mapping[str, int]]
) -> Chosen:
    """Of untouched groups, by name, those that may be compared with; or why none may."""
    fit: dict[str, Group] = {}
    drifts = []
    few = other = drifting = 0
    for name, group in sorted(groups.items()):
        rates = rates_of(group.before)
        if sum(rates.units.values()) < CALLS_MIN or trend_of(rates, group.after) is None:
            few += 1
        elif alike(models, their_models.get(name, {})) < ALIKE_MIN:
            other += 1
        elif (drift := drift_of(mine, rates)) is None or drift > DRIFT_MAX:
            drifting += 1
        else:
            fit[name] = group
            drifts.append(drift)
    if len(fit) < GROUPS_MIN:
        return Chosen(
            None,
            f"nothing: of {len(groups)} untouched features {few} have too few calls, {other} use other models, "
            f"{drifting} didn't surely go the same way before, and {len(fit)} of {GROUPS_MIN} would do",
        )
    pool = pooled(fit)
    whole = _factor(pool)
    if any(abs(_factor(group) / whole - 1) > APART_MAX for group in fit.values()):
        return Chosen(None, f"untouched features went different ways since ({', '.join(fit)})")
    return Chosen(pool, ", ".join(fit), max(drifts))


def pooled(groups: Mapping[str, Group]) -> Group:
    """Several groups as one, whose kinds of calls stay apart."""
    before = {(day, (name, *kind)): cell for name, one in groups.items() for (day, kind), cell in one.before.items()}
    after = {(day, (name, *kind)): cell for name, one in groups.items() for (day, kind), cell in one.after.items()}
    return Group(before, after)


def daily_of(cells: Iterable[Cell], kind_at: Sequence[int], unit_at: int = 0) -> Daily:
    """Cells added up by day and some of what they are told apart by."""
    found: dict[tuple[date, tuple[str, ...]], tuple[Fraction, int]] = {}
    for cell in cells:
        key = (cell.day, tuple(cell.stratum[place] for place in kind_at))
        units, pico = found.get(key, (Fraction(0), 0))
        found[key] = (units + Fraction(cell.units[unit_at]), pico + cell.pico)
    return found


def _factor(group: Group) -> float:
    trend = trend_of(rates_of(group.before), group.after)
    return 1.0 if trend is None else float(trend.factor)


def _index(rates: Rates) -> dict[date, float]:
    """By day, the logarithm of cost over what the window's own rates expect of that day's units."""
    cost: dict[date, int] = defaultdict(int)
    expected: dict[date, Fraction] = defaultdict(Fraction)
    for (day, kind), (units, pico) in rates.daily.items():
        if kind in rates.by_stratum:
            cost[day] += pico
            expected[day] += rates.by_stratum[kind] * units
    return {day: log(cost[day] / float(expected[day])) for day in cost if cost[day] > 0 and expected[day] > 0}
