"""The forecast as geometry: what each day cost as bars, what is expected as a line in its band, planned days marked.

Pure. Horizontal positions are in a box of 1000 that is stretched to the width it gets, heights are pixels.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from bursar.console.charts import TellTick, Tick, scale
from bursar.domain.money import usd_from_pico
from bursar.forecast.told import Day

HEIGHT = 220
LABELS_MAX = 9
BAR_SHARE = 0.76
OVER = 1.6  # of the highest day that was or is expected: a band that reaches farther is cut off there


TellDay = Callable[[date], str]


class DayBar(NamedTuple):
    """A day of the past, in the box. is_today: it isn't over yet."""

    x: float
    y: float
    width: float
    height: float
    is_today: bool


class Label(NamedTuple):
    """A date under the chart; x in per cent. is_minor: left out on a phone."""

    x: float
    text: str
    is_minor: bool


class Mark(NamedTuple):
    """The first day of a planned event; x in per cent."""

    x: float
    number: int
    name: str


class ForecastChart(msgspec.Struct, frozen=True):
    """Paths in a box of 1000 × height; "" where there is nothing to draw. cut: whether the band reaches farther up."""

    height: int
    ticks: list[Tick]
    bars: list[DayBar]
    band: str
    line: str
    unplanned: str
    scenario: str
    now_x: float
    labels: list[Label]
    marks: list[Mark]
    is_cut: bool


def forecast_chart(
    spent: Sequence[tuple[date, int]],
    days: Sequence[Day],
    plans: Sequence[tuple[date, str]],
    *,
    banded: int | None = None,
    tell_tick: TellTick,
    tell_day: TellDay,
) -> ForecastChart:
    """spent: the past with today so far; days: from today's rest on. plans: (first day, name), numbered from 1.

    banded: how many of `days` have a band; None: all.
    """
    today = spent[-1][0]
    dates = [*(day for day, _ in spent[:-1]), *(one.day for one in days)]
    whole_today = spent[-1][1] + days[0].amount.expected
    ahead = [whole_today, *(one.amount.expected for one in days[1:])]
    most = max(*(pico for _, pico in spent), *ahead, *((one.scenario or 0) for one in days), 1)
    sure = days[: banded if banded is not None else len(days)]
    high = max((one.amount.high for one in sure), default=0)
    is_cut = high > most * OVER
    ticks, top = scale(usd_from_pico(round(most * OVER) if is_cut else max(most, high)))
    top_pico, step = float(top) * 1e12, 1000 / len(dates)
    first = len(spent) - 1

    def x(at: int) -> float:
        return round((at + 0.5) * step, 2)

    def y(pico: float) -> float:
        return round(HEIGHT * (1 - min(max(pico / top_pico, 0.0), 1.0)), 2)

    def path(amounts: Sequence[float]) -> str:
        points = [f"{x(first + at)} {y(pico)}" for at, pico in enumerate(amounts)]
        return "M" + "L".join(points) if len(points) > 1 else ""

    def bar(at: int, pico: int) -> DayBar:
        tall = round(HEIGHT - y(pico), 2)
        return DayBar(
            round(at * step + step * (1 - BAR_SHARE) / 2, 2), y(pico), round(step * BAR_SHARE, 2), tall, at == first
        )

    so_far = spent[-1][1]
    lows = [one.amount.low + (so_far if at == 0 else 0) for at, one in enumerate(sure)]
    highs = [one.amount.high + (so_far if at == 0 else 0) for at, one in enumerate(sure)]
    band = [f"{x(first + at)} {y(pico)}" for at, pico in enumerate(highs)]
    band += [f"{x(first + at)} {y(lows[at])}" for at in reversed(range(len(lows)))]
    unplanned = [so_far + days[0].unplanned, *(one.unplanned for one in days[1:])]
    grown = [so_far + (days[0].scenario or 0), *((one.scenario or 0) for one in days[1:])]
    every = -(-len(dates) // LABELS_MAX)
    return ForecastChart(
        height=HEIGHT,
        ticks=[Tick(y(float(value) * 1e12), tell_tick(value, ticks[1] - ticks[0])) for value in ticks],
        bars=[bar(at, pico) for at, (_, pico) in enumerate(spent)],
        band="M" + "L".join(band) + "Z" if band else "",
        line=path(ahead),
        unplanned=path(unplanned) if unplanned != ahead else "",
        scenario=path(grown) if days[-1].scenario is not None else "",
        now_x=round(x(first) / 10, 2),
        labels=[
            Label(round(x(at) / 10, 2), tell_day(day), at % (3 * every) != first % (3 * every))
            for at, day in enumerate(dates)
            if at % every == first % every
        ],
        marks=[
            Mark(round(x(dates.index(day)) / 10, 2), number, name)
            for number, (day, name) in enumerate(plans, 1)
            if day in dates and day >= today
        ],
        is_cut=is_cut,
    )
