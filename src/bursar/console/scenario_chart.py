"""Margin by month as geometry: what it was as bars, what it would be as a fan with a line for each scenario.

Pure. Horizontal positions are in a box of 1000 that is stretched to the width it gets, heights are pixels.
"""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import msgspec

from bursar.console.charts import TellTick, Tick, scale
from bursar.domain import display
from bursar.finance.scenarios.told import Band, Comparison, MonthTold, ScenarioTold

HEIGHT = 220
LABELS_MAX = 12
BAR_SHARE = 0.5
ROOM = Decimal("1.06")

TellPast = Callable[[date, Decimal], str]
"""What a bar says when the pointer rests on it."""


class Bar(NamedTuple):
    """A month that was, in the box."""

    x: float
    y: float
    width: float
    height: float
    title: str


class Line(NamedTuple):
    """A scenario's course. slot: its colour; 0: as it is."""

    path: str
    slot: int
    is_shown: bool


class Label(NamedTuple):
    """A month under the chart; x in per cent. is_minor: left out on a phone."""

    x: float
    text: str
    is_minor: bool


class Fan(msgspec.Struct, frozen=True):
    """Paths in a box of 1000 × height. outer, inner: four worlds in five, one in two. zero: where margin is nothing."""

    height: int
    ticks: list[Tick]
    bars: list[Bar]
    outer: str
    inner: str
    lines: list[Line]
    zero: float
    now_x: float
    labels: list[Label]


class Whisker(NamedTuple):
    """A scenario's margin in its row, in per cent of the width: a bar from zero, and its band."""

    x: float
    width: float
    low: float
    high: float


class Bars(msgspec.Struct, frozen=True):
    zero: float
    rows: list[Whisker]


def fan(found: Comparison, shown: int, tell_tick: TellTick, tell_past: TellPast) -> Fan:
    """shown: which scenario has its bands drawn; 0: as it is."""
    runs: list[ScenarioTold] = [found.as_is, *found.scenarios]
    months = runs[shown].months
    count = len(found.past) + len(months)
    edges = [edge for month in months for edge in (month.amounts.band.low, month.amounts.band.high)]
    values = [*(one.margin for one in found.past), *(month.amounts.margin for one in runs for month in one.months)]
    ticks, low, high = axis(min([*values, *edges, Decimal(0)]), max([*values, *edges, Decimal(0)]))
    step, first = 1000 / count, len(found.past)

    def x(at: int) -> float:
        return round((at + 0.5) * step, 2)

    def y(value: Decimal) -> float:
        return round(float((high - value) / (high - low)) * HEIGHT, 2)

    def line(months: Sequence[MonthTold]) -> str:
        points = [(x(first + at), y(month.amounts.margin)) for at, month in enumerate(months)]
        if len(points) == 1:  # a month alone is a short line
            points = [(points[0][0] - step / 3, points[0][1]), (points[0][0] + step / 3, points[0][1])]
        return "M" + "L".join(f"{across:g} {down:g}" for across, down in points)

    def area(which: Sequence[tuple[Decimal, Decimal]]) -> str:
        across = [x(first + at) for at in range(len(which))]
        if len(which) == 1:
            across, which = [across[0] - step / 3, across[0] + step / 3], [which[0], which[0]]
        there = [f"{at:g} {y(top):g}" for at, (_, top) in zip(across, which, strict=True)]
        back = [f"{at:g} {y(bottom):g}" for at, (bottom, _) in zip(across, which, strict=True)]
        return "M" + "L".join([*there, *reversed(back)]) + "Z"

    bands: list[Band] = [month.amounts.band for month in months]
    shown_months = [*(one.month for one in found.past), *(month.month for month in months)]
    every = -(-count // LABELS_MAX)
    return Fan(
        height=HEIGHT,
        ticks=[Tick(y(value), tell_tick(value, abs(ticks[1] - ticks[0]))) for value in ticks],
        bars=[
            Bar(
                round(at * step + step * (1 - BAR_SHARE) / 2, 2), min(y(one.margin), y(Decimal(0))),
                round(step * BAR_SHARE, 2), round(abs(y(one.margin) - y(Decimal(0))), 2),
                tell_past(one.month, one.margin),
            )
            for at, one in enumerate(found.past)
        ],
        outer=area([(one.low, one.high) for one in bands]),
        inner=area([(one.mid_low, one.mid_high) for one in bands]),
        lines=[Line(line(one.months), at, at == shown) for at, one in enumerate(runs)],
        zero=y(Decimal(0)),
        now_x=round(first * step / 10, 2),
        labels=[
            Label(round(x(at) / 10, 2), display.month(month)[:3] + f" {month:%y}", at % (2 * every) != 0)
            for at, month in enumerate(shown_months)
            if at % every == 0
        ],
    )  # fmt: skip


def bars(runs: Sequence[ScenarioTold]) -> Bars:
    """Margin of the last month, each in its own row on one axis."""
    amounts = [one.months[-1].amounts for one in runs]
    edges = [edge for one in amounts for edge in (one.band.low, one.band.high, one.margin)]
    low, high = min([*edges, Decimal(0)]), max([*edges, Decimal(0)])
    if low == high:
        return Bars(0, [Whisker(0, 0, 0, 0) for _ in runs])

    def across(value: Decimal) -> float:
        return round(float((value - low) / (high - low)) * 100, 3)

    rows = []
    for one in amounts:
        left, right = sorted((across(Decimal(0)), across(one.margin)))
        rows.append(Whisker(left, round(right - left, 3), across(one.band.low), across(one.band.high)))
    return Bars(across(Decimal(0)), rows)


def axis(low: Decimal, high: Decimal) -> tuple[list[Decimal], Decimal, Decimal]:
    """Round ticks on both sides of zero, and the ends of the axis."""
    up, _ = scale(max(high, -low))
    step = up[1]
    ticks = [step * at for at in range(-len(up), len(up) + 1) if low * ROOM <= step * at <= high * ROOM]
    if len(ticks) < 2:
        ticks = [Decimal(0), step] if high > 0 or low == 0 else [-step, Decimal(0)]
    return ticks, min(low * ROOM, ticks[0]), max(high * ROOM, ticks[-1])
