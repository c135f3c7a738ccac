"""What several initiatives saved, so that no cent is counted twice: each charge's saving is split once, and adds up.

A charge that is in the scope of one initiative is measured by it: what its unit cost in the baseline, less what it cost
now. In the scope of several, they take turns by their start, each from what the one before has left:

    expected by the first  →  expected by the second  →  …  →  what it cost
         saved by the first     saved by the second        saved by the last

The steps add up to the first's expectation less the cost, whatever is between. A later one takes its turn only if its
baseline was measured after the one before had begun; else it can't tell the other's saving from its own, and the
earlier one owns the charge.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from bursar.advisor.initiatives_rates import Influence, Rates, Stratum, Trend, combined, half_even, rates_of
from bursar.explore.unit_costs import Cell

Units = dict[Stratum, Fraction]


class Plan(NamedTuple):
    """How one initiative measures. mix_at: where its kinds of calls are in a cell's; unit_at: which of its units."""

    start: date
    baseline_from: date
    rates: Rates
    mix_at: tuple[int, ...]
    unit_at: int


class Part:
    """What one initiative makes of one month.

    gained: units of charges that it measures. handed: of those, what a later one goes on from, by its place.
    paid:   (day, kind) → units and pico of those that nobody comes after.
    new_calls, new_pico: of kinds of calls that no baseline knows: never a saving.
    """

    def __init__(self) -> None:
        self.gained: Units = defaultdict(Fraction)
        self.handed: dict[int, Units] = defaultdict(lambda: defaultdict(Fraction))
        self.paid: dict[tuple[date, Stratum], tuple[Fraction, int]] = {}
        self.calls = 0
        self.new_calls = 0
        self.new_pico = 0
        self.unpriced = 0

    @property
    def paid_pico(self) -> int:
        return sum(pico for _, pico in self.paid.values())

    def pay(self, key: tuple[date, Stratum], units: Fraction, pico: int) -> None:
        before = self.paid.get(key, (Fraction(0), 0))
        self.paid[key] = (before[0] + units, before[1] + pico)


Parts = dict[tuple[int, str], Part]
"""(place of the plan, month) → its part."""

Trends = Callable[[int, str], Trend]


class Saving(NamedTuple):
    """Of one part, in exact pico: what it expected, what was left of that. influence: by which days it was moved."""

    expected: Fraction
    left: Fraction
    influence: Influence

    @property
    def pico(self) -> int:
        """Rounded once."""
        return half_even(self.expected - self.left)


def turns(owners: int, plans: Sequence[Plan]) -> tuple[int, ...]:
    """Which plans measure charges of these scopes, in order; `plans` are in the order of their start."""
    found: list[int] = []
    for at, plan in enumerate(plans):
        if owners >> at & 1 and (not found or plan.baseline_from >= plans[found[-1]].start):
            found.append(at)
    return tuple(found)


def split(plans: Sequence[Plan], cells: Iterable[Cell]) -> Parts:
    """Each cell's units and cost, given to those who measure it."""
    parts: Parts = defaultdict(Part)
    known_turns: dict[int, tuple[int, ...]] = {}
    for cell in cells:
        if cell.owners not in known_turns:
            known_turns[cell.owners] = turns(cell.owners, plans)
        chain = known_turns[cell.owners]
        month = f"{cell.day:%Y-%m}"
        parts[chain[0], month].calls += cell.calls
        parts[chain[0], month].unpriced += cell.unpriced
        kinds = {at: tuple(cell.stratum[place] for place in plans[at].mix_at) for at in chain}
        able = [at for at in chain if kinds[at] in plans[at].rates.by_stratum]
        if not able:
            parts[chain[0], month].new_calls += cell.calls
            parts[chain[0], month].new_pico += cell.pico
            continue
        for at, after in zip(able, (*able[1:], None), strict=True):
            part, units = parts[at, month], Fraction(cell.units[plans[at].unit_at])
            part.gained[kinds[at]] += units
            if after is None:
                part.pay((cell.day, kinds[at]), units, cell.pico)
            else:
                part.handed[after][kinds[after]] += Fraction(cell.units[plans[after].unit_at])
    return parts


def saving_of(at: int, month: str, part: Part, plans: Sequence[Plan], trends: Trends) -> Saving:
    """What one initiative saved in one month."""
    mine, moved = _expected(at, month, part.gained, plans, trends)
    pieces: list[tuple[float, Influence]] = [(1.0, moved)]
    left = Fraction(part.paid_pico)
    for after, units in part.handed.items():
        theirs, moved = _expected(after, month, units, plans, trends)
        left += theirs
        pieces.append((-1.0, moved))
    rates = rates_of(part.paid, keep_all=True)
    pieces.append((-1.0, rates.influence({kind: rates.units[kind] for kind in rates.by_stratum})))
    return Saving(mine, left, combined(pieces))


def _expected(at: int, month: str, units: Units, plans: Sequence[Plan], trends: Trends) -> tuple[Fraction, Influence]:
    """What so many units would have cost by one plan's baseline and the trend since."""
    rates, trend = plans[at].rates, trends(at, month)
    cost = rates.cost_of(units)
    moved = combined([(float(trend.factor), rates.influence(units)), (float(cost), trend.moved)])
    return trend.factor * cost, moved
