"""Cost per unit within kinds of calls, and how sure a saving is: the statistics of initiatives, without any IO.

Money and units are exact (`Fraction`, pico-USD); floats are for intervals alone. A day is one observation: calls of a
day resemble each other, so an interval that took each call for itself would be far too narrow.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from fractions import Fraction
from math import pi, sqrt, tan
from statistics import NormalDist
from typing import NamedTuple

Stratum = tuple[str, ...]
Daily = Mapping[tuple[date, Stratum], tuple[Fraction, int]]
"""(day, kind of calls) → (units, pico-USD)."""

Influence = dict[date, float]
"""By how much each day moved a figure, in pico-USD; the sum of their squares is its variance."""

CONFIDENCE = 0.90
STRATUM_CALLS_MIN = 20
STRATUM_DAYS_MIN = 3


class Rates(NamedTuple):
    """Cost per unit of each kind of calls over a window, and the days it was seen on."""

    by_stratum: dict[Stratum, Fraction]
    units: dict[Stratum, Fraction]
    daily: Daily
    days: int

    def cost_of(self, units: Mapping[Stratum, Fraction]) -> Fraction:
        """What so many units would have cost at these rates: of kinds that have one."""
        return sum((self.by_stratum[kind] * count for kind, count in units.items()), Fraction(0))

    def influence(self, units: Mapping[Stratum, Fraction]) -> Influence:
        """How each day of the window moved `cost_of(units)`: the share of its surprise that it stands for."""
        found: Influence = defaultdict(float)
        for (day, kind), (count, pico) in self.daily.items():
            if kind in units and self.units.get(kind):
                surprise = pico - self.by_stratum[kind] * count
                found[day] += float(units[kind] / self.units[kind] * surprise)
        return _corrected(found, self.days)


def rates_of(daily: Daily, calls: Mapping[Stratum, int] | None = None, *, keep_all: bool = False) -> Rates:
    """The rates of a window. A kind seen too rarely has none, unless all are kept: it is as if it were new.

    calls: of each kind, where units aren't calls.
    """
    units: dict[Stratum, Fraction] = defaultdict(Fraction)
    pico: dict[Stratum, int] = defaultdict(int)
    days: dict[Stratum, set[date]] = defaultdict(set)
    for (day, kind), (count, cost) in daily.items():
        units[kind] += count
        pico[kind] += cost
        days[kind].add(day)
    seen = units if calls is None else calls
    kept = [
        kind
        for kind, count in units.items()
        if count > 0 and (keep_all or (seen.get(kind, 0) >= STRATUM_CALLS_MIN and len(days[kind]) >= STRATUM_DAYS_MIN))
    ]
    every = {day for day, _ in daily}
    return Rates({kind: Fraction(pico[kind]) / units[kind] for kind in kept}, dict(units), daily, len(every))


def combined(parts: Iterable[tuple[float, Influence]]) -> Influence:
    """A sum of figures, each times its factor: what one day did to two of them may cancel out."""
    found: Influence = defaultdict(float)
    for factor, influence in parts:
        for day, moved in influence.items():
            found[day] += factor * moved
    return found


class Trend(NamedTuple):
    """What became dearer or cheaper where nothing was done: a factor on the expected cost. moved: by which days."""

    factor: Fraction
    moved: Influence


NO_TREND = Trend(Fraction(1), {})


def trend_of(before: Rates, after: Daily) -> Trend | None:
    """Of a comparison group: its cost over what its own rates before expect. None: there is nothing to compare."""
    known = {key: cell for key, cell in after.items() if key[1] in before.by_stratum}
    rates = rates_of(known, keep_all=True)
    units = {kind: rates.units[kind] for kind in rates.by_stratum}
    expected = before.cost_of(units)
    if expected <= 0:
        return None
    factor = rates.cost_of(units) / expected
    over = 1 / float(expected)
    return Trend(factor, combined([(over, rates.influence(units)), (-float(factor) * over, before.influence(units))]))


def margin_of(influence: Influence, split: date, confidence: float = CONFIDENCE) -> float | None:
    """Half the width of the interval; None where a side has too few days to know how much they differ.

    split: days before it are the baseline's. Student's t, with as many degrees of freedom as the two sides give it
    (Welch and Satterthwaite).
    """
    sides = [[moved for day, moved in influence.items() if (day < split) is before] for before in (True, False)]
    if any(len(side) < 2 for side in sides):
        return None
    variances = [sum(moved * moved for moved in side) for side in sides]
    total = sum(variances)
    if total == 0:
        return 0.0
    freedom = total**2 / sum(one**2 / (len(side) - 1) for one, side in zip(variances, sides, strict=True) if one)
    return student(0.5 + confidence / 2, freedom) * sqrt(total)


def student(probability: float, freedom: float) -> float:
    """A quantile of Student's t, for probabilities above a half: Cornish and Fisher's expansion from three degrees of
    freedom on (within 1 % at 95 %); below, where that is too narrow, between what is exact for one and for two (at most
    3 % too wide)."""
    if freedom < 3:
        one = tan(pi * (probability - 0.5))
        two = (2 * probability - 1) * sqrt(0.5 / (probability * (1 - probability)))
        few = max(freedom, 1.0)
        if few < 2:
            return float(two * (one / two) ** (2 / few - 1))
        three = student(probability, 3.0)
        return float(three * (two / three) ** (6 / few - 2))
    z = NormalDist().inv_cdf(probability)
    n = freedom
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / n + second / n**2 + third / n**3


def half_even(value: Fraction) -> int:
    """To the whole pico: the one rounding a saving sees."""
    return round(value)


def _corrected(influence: Influence, days: int) -> Influence:
    """Surprises are measured from rates that the same days made, which makes them look small: n / (n - 1)."""
    factor = sqrt(days / (days - 1)) if days > 1 else 1.0
    return {day: moved * factor for day, moved in influence.items()}
