"""When margin is zero: the price that covers cost, and the usage that takes all that is earned."""

from decimal import ROUND_DOWN, Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bursar.finance.scenarios.columns import ALL_STAY, Columns
from bursar.finance.scenarios.exact import rounded_up, total
from bursar.finance.scenarios.steps import Overage, Step
from bursar.finance.scenarios.told import Band, Tipping

PLACES = Decimal("0.000001")
PICO_PER_PLACE = 1_000_000
USAGE_MAX = 1_000  # times as much: farther nobody looks
NO_AI = "they cost no AI"
NO_ROOM = "there is no margin even without AI"
NEVER = f"not up to {USAGE_MAX:,} times as much: what is billed for more use covers it"
FloatColumn = NDArray[np.float64]


def tipping(columns: Columns, steps: tuple[Step, ...], band: Band | None = None) -> Tipping:
    """Of all these customers together, as they are in a scenario's month. steps: those in force, for what is billed
    beside the price. band: of the price, over the worlds."""
    ai = total(columns.ai)
    rest = total(columns.other) - total(columns.extra)
    heads = Fraction(total(columns.stays), ALL_STAY)
    usage, why = _usage(columns, steps, ai)
    return Tipping(break_even_price(ai + rest, heads), band, usage, why)


def break_even_price(need: int, heads: Fraction) -> Decimal | None:
    """What each has to pay a month, rounded up to a millionth: then margin is zero, or by less than a millionth for
    each more. need: pico that price has to bring. None: nobody is there."""
    if heads <= 0:
        return None
    return Decimal(rounded_up(Fraction(max(need, 0)) / heads / PICO_PER_PLACE)).scaleb(-6)


def _usage(columns: Columns, steps: tuple[Step, ...], ai: int) -> tuple[Decimal | None, str]:
    room = total(columns.revenue) - total(columns.other)
    if ai <= 0:
        return None, NO_AI
    if any(isinstance(step, Overage) for step in steps):
        return _with_overage(columns, steps, float(room), float(ai))
    if room <= 0:
        return None, NO_ROOM
    return _down(Fraction(room, ai)), ""


def _with_overage(columns: Columns, steps: tuple[Step, ...], room: float, ai: float) -> tuple[Decimal | None, str]:
    """Margin is a line between the points at which somebody passes what is included: statistics, so floats."""
    stays = columns.stays.astype(np.float64) / ALL_STAY
    billed = []  # of each overage: where each customer passes what is included, their units, what is included
    for step in steps:
        if isinstance(step, Overage):
            meant = columns.billed(step) & (columns.units(step.unit) > 0)
            units = columns.units(step.unit)[meant].astype(np.float64)
            included = step.included * stays[meant]
            order = np.argsort(included / units, kind="stable")
            billed.append((float(step.price) * 1e12, (included / units)[order], units[order], included[order]))

    def margin(at: FloatColumn) -> FloatColumn:
        found = room - ai * at
        for price, passes, units, included in billed:
            count = np.searchsorted(passes, at, side="left")
            more = np.concatenate(([0.0], np.cumsum(units)))[count] * at
            found = found + price * (more - np.concatenate(([0.0], np.cumsum(included)))[count])
        return found

    points = np.unique(np.concatenate([[0.0, 1.0, float(USAGE_MAX)], *(passes for _, passes, _, _ in billed)]))
    points = points[points <= USAGE_MAX]
    values, here = margin(points), int(np.searchsorted(points, 1.0))
    if values[here] >= 0:
        below = np.flatnonzero(values[here:] < 0)
        if not len(below):
            return None, NEVER
        after = here + int(below[0])
        return _between(points, values, after - 1), ""
    above = np.flatnonzero(values[:here] >= 0)
    if not len(above):
        return None, NO_ROOM
    return _between(points, values, int(above[-1])), ""


def _between(points: FloatColumn, values: FloatColumn, at: int) -> Decimal:
    """Where the line from one point to the next is zero."""
    first, second = float(values[at]), float(values[at + 1])
    share = first / (first - second) if first != second else 0.0
    return _down(Fraction(float(points[at]) + share * float(points[at + 1] - points[at])))


def _down(value: Fraction) -> Decimal:
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(PLACES, ROUND_DOWN)
