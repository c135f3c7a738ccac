"""When a budget will be exhausted if it goes on as is expected, with an interval: four times in five it is inside.

Pure. What is expected of the hours to come is made elsewhere (`domain.expected`); here it is added to what counts in
the window, and held against the limit. Money goes in and comes out as integers; floats are shares between.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple

import msgspec

from bursar.budgets.windows import NEVER_US, Window
from bursar.domain.expected import HoursAhead

HOUR_US = 3_600 * 10**6
HORIZON_HOURS = 366 * 24
POINTS_MAX = 60
HOURLY_UP_TO = 45 * 24  # hours ahead; further than that a step is a day

State = Literal["spent", "exhausts", "holds", "unknown"]


class Point(NamedTuple):
    """What is expected to count at an instant, and the band around it."""

    at_us: int
    pico: int
    low: int
    high: int


class Forecast(msgspec.Struct, frozen=True):
    """state: spent (nothing is left), exhausts (at `at_us`), holds (not before `end_us`), unknown (too little history,
    or no limit).

    earliest_us, latest_us: the interval of the instant; None: not before `end_us`. A budget that holds may have an
    earliest: it could be exhausted if spending picks up.
    end_us: of the window, or how far is looked ahead where it has no end.
    has_band: False with so little history that nothing is said of how sure it is; the interval is empty then.
    per_day_pico: the pace. hours: of history behind it. said_by: what it was learned from, in words.
    planned: names of planned events that are counted in.
    """

    state: State
    end_us: int
    at_us: int | None = None
    earliest_us: int | None = None
    latest_us: int | None = None
    has_band: bool = False
    per_day_pico: int = 0
    hours: int = 0
    said_by: str = ""
    path: tuple[Point, ...] = ()
    planned: tuple[str, ...] = ()


def forecast(
    ahead: HoursAhead,
    hours: Mapping[int, int],
    window: Window,
    spent_pico: int,
    limit_pico: int | None,
    now_us: int,
    planned: tuple[str, ...] = (),
) -> Forecast:
    """ahead: from the running hour on, as far as the window goes or HORIZON_HOURS.

    hours: {start of an hour: pico} by the books, for a rolling window as far back as it reaches.
    """
    end_us = horizon(window, now_us)
    if limit_pico is None:
        return Forecast("unknown", end_us)
    if spent_pico >= limit_pico:
        return Forecast("spent", end_us)
    if not ahead.hours:
        return Forecast("unknown", end_us)
    rolled_hours = (window.start_us - window.counted_from_us) // HOUR_US if window.turn == "rolls" else 0
    path = _path(ahead, hours, spent_pico, now_us, end_us, rolled_hours)
    at_us = _crossing([(point.at_us, point.pico) for point in path], limit_pico)
    return Forecast(
        "exhausts" if at_us is not None else "holds",
        end_us,
        at_us,
        _crossing([(point.at_us, point.high) for point in path], limit_pico) if ahead.has_band else at_us,
        _crossing([(point.at_us, point.low) for point in path], limit_pico) if ahead.has_band else at_us,
        ahead.has_band,
        ahead.per_day,
        ahead.hours,
        ahead.said_by,
        _thinned(path),
        planned,
    )


def horizon(window: Window, now_us: int) -> int:
    """Until when is looked ahead."""
    if window.turn == "rolls":
        return now_us + window.start_us - window.counted_from_us
    return window.end_us if window.end_us != NEVER_US else now_us + HORIZON_HOURS * HOUR_US


def _path(
    ahead: HoursAhead, hours: Mapping[int, int], spent: int, now_us: int, end_us: int, rolled_hours: int
) -> list[Point]:
    """From now to the end, at each full hour between, or each day. rolled_hours: of a rolling window, else 0."""
    path = [Point(now_us, spent, spent, spent)]
    step = 1 if end_us - now_us <= HOURLY_UP_TO * HOUR_US else 24
    this_hour = now_us // HOUR_US
    sums = [0, *accumulate(ahead.expected)]
    gone_by = sums[1] * (now_us - this_hour * HOUR_US) // HOUR_US  # of the running hour
    at_us, gone, below, above = now_us, 0, 0, 0
    while at_us < end_us:
        hour = at_us // HOUR_US
        next_us = min((hour + step) * HOUR_US, end_us)
        if rolled_hours:
            left = range(hour - rolled_hours, next_us // HOUR_US - rolled_hours)
            gone += sum(hours.get(at * HOUR_US, 0) for at in left)
        at_us = next_us
        whole, part_us = divmod(at_us - this_hour * HOUR_US, HOUR_US)
        within = min(whole, len(ahead.expected) - 1)
        come = sums[min(whole, len(sums) - 1)] + ahead.expected[within] * part_us // HOUR_US - gone_by
        edge = max(within - (0 if part_us else 1), 0)
        # an interval doesn't narrow with time: how far off the first days are, the days after them don't make good
        below = max(below, come - round(come * ahead.low[edge]))
        above = max(above, round(come * ahead.high[edge]) - come)
        kept = max(spent - gone, 0)
        path.append(Point(at_us, kept + come, kept + max(come - below, 0), kept + come + above))
    return path


def _crossing(points: Sequence[tuple[int, int]], limit: int) -> int | None:
    """When a course first reaches the limit, straight between its points; None if it doesn't."""
    for (before_us, before), (at_us, pico) in pairwise(points):
        if pico >= limit > before:
            return before_us + (at_us - before_us) * (limit - before) // (pico - before)
    return None


def _thinned(path: list[Point]) -> tuple[Point, ...]:
    every = -(-len(path) // POINTS_MAX)
    return (*path[:-1:every], path[-1])
