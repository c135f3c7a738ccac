"""When a budget will be exhausted at the present pace, with an interval: four times in five it is inside.

Pure. The pace is learned from the last four weeks by the hour: the mean, and from two weeks on the mean of each hour of
the week, so that a weekend is known to be quiet. How sure it is comes from how far whole days fell from that pace, and
grows with the days ahead. Money goes in and comes out as integers; floats are statistics between.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import sqrt
from statistics import variance
from typing import Literal, NamedTuple

import msgspec

from bursar.budgets.windows import NEVER_US, Window

HOUR_US = 3_600 * 10**6
HISTORY_HOURS = 28 * 24
WEEK_HOURS = 168
BY_HOUR_OF_WEEK_FROM = 14 * 24  # hours of history
BAND_FROM = 6  # hours of history: fewer say nothing of how sure the pace is
DAYS_FOR_BAND = 3
HORIZON_HOURS = 366 * 24
POINTS_MAX = 60
HOURLY_UP_TO = 45 * 24  # hours ahead; further than that a step is a day
Z = 1.2816  # of a normal distribution, one in ten is above and one in ten below

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
    per_day_pico: the pace. hours: of history behind it.
    """

    state: State
    end_us: int
    at_us: int | None = None
    earliest_us: int | None = None
    latest_us: int | None = None
    has_band: bool = False
    per_day_pico: int = 0
    hours: int = 0
    by_hour_of_week: bool = False
    path: tuple[Point, ...] = ()


class _Pace(NamedTuple):
    """profile: pico of each hour, repeating from hour 0 of the epoch on. days: that it was learned from.

    day_reach: how far four days in five fall from it at most; None: unknown.
    """

    profile: list[float]
    day_reach: float | None
    days: float

    def between(self, first: int, last: int) -> float:
        """What some hours cost, the last not included."""
        if len(self.profile) == 1:
            return self.profile[0] * (last - first)
        return sum(self.profile[at % WEEK_HOURS] for at in range(first, last))


def forecast(
    spend: Iterable[tuple[int, int]],
    since_us: int,
    window: Window,
    spent_pico: int,
    limit_pico: int | None,
    now_us: int,
) -> Forecast:
    """spend: (start of an hour, pico) by the books, in any order; an hour that isn't there is nothing spent.

    since_us: when those books begin for this budget. Of a rolling window they should reach as far back as it does.
    """
    end_us = _end(window, now_us)
    hours = dict(spend)
    this_hour = now_us // HOUR_US
    first = max(-(-since_us // HOUR_US), this_hour - HISTORY_HOURS)
    known = [hours.get(at * HOUR_US, 0) for at in range(first, this_hour)]
    if limit_pico is None:
        return Forecast("unknown", end_us)
    if spent_pico >= limit_pico:
        return Forecast("spent", end_us)
    if not known:
        return Forecast("unknown", end_us)
    pace = _pace(known, first)
    rolled_hours = (window.start_us - window.counted_from_us) // HOUR_US if window.turn == "rolls" else 0
    path = _path(pace, hours, spent_pico, now_us, end_us, rolled_hours)
    at_us = _crossing([(point.at_us, point.pico) for point in path], limit_pico)
    has_band = pace.day_reach is not None
    return Forecast(
        "exhausts" if at_us is not None else "holds",
        end_us,
        at_us,
        _crossing([(point.at_us, point.high) for point in path], limit_pico) if has_band else at_us,
        _crossing([(point.at_us, point.low) for point in path], limit_pico) if has_band else at_us,
        has_band,
        round(sum(pace.profile) / len(pace.profile) * 24),
        len(known),
        len(pace.profile) > 1,
        _thinned(path),
    )


def _end(window: Window, now_us: int) -> int:
    if window.turn == "rolls":
        return now_us + window.start_us - window.counted_from_us
    return window.end_us if window.end_us != NEVER_US else now_us + HORIZON_HOURS * HOUR_US


def _pace(known: Sequence[int], first: int) -> _Pace:
    """known: whole hours in a row, the first of them `first` hours after the epoch."""
    if len(known) >= BY_HOUR_OF_WEEK_FROM:
        slots: list[list[int]] = [[] for _ in range(WEEK_HOURS)]
        for at, pico in enumerate(known, first):
            slots[at % WEEK_HOURS].append(pico)
        profile = [sum(slot) / len(slot) for slot in slots]
        fitted = 7  # a mean for each day of the week
    else:
        profile = [sum(known) / len(known)]
        fitted = 1
    misses = []
    for end in range(len(known), 23, -24):
        day = range(first + end - 24, first + end)
        misses.append(sum(known[end - 24 : end]) - sum(profile[at % len(profile)] for at in day))
    days = len(known) / 24
    free = len(misses) - fitted
    if len(misses) >= DAYS_FOR_BAND and free > 0:
        return _Pace(profile, _reach(sum(miss * miss for miss in misses) / free, free), days)
    if len(known) >= BAND_FROM:
        return _Pace(profile, _reach(variance([float(pico) for pico in known]) * 24, len(known) - 1), days)
    return _Pace(profile, None, days)


def _reach(day_variance: float, free: int) -> float:
    """Student's t in place of the normal's Z: with few days, how far they fall is itself a guess.

    Source: the first term of the Cornish-Fisher expansion; 1.42 where the tables have 1.44 (6 degrees of freedom).
    """
    return (Z + (Z**3 + Z) / (4 * free)) * sqrt(day_variance)


def _path(pace: _Pace, hours: dict[int, int], spent: int, now_us: int, end_us: int, rolled_hours: int) -> list[Point]:
    """From now to the end, at each full hour between, or each day. rolled_hours: of a rolling window, else 0."""
    path = [Point(now_us, spent, spent, spent)]
    step = 1 if end_us - now_us <= HOURLY_UP_TO * HOUR_US else 24
    at_us, ahead, gone = now_us, 0.0, 0
    while at_us < end_us:
        hour = at_us // HOUR_US
        next_us = min((hour + step) * HOUR_US, end_us)
        ahead += pace.between(hour, hour + step) * (next_us - at_us) / (step * HOUR_US)
        if rolled_hours:
            left = range(hour - rolled_hours, next_us // HOUR_US - rolled_hours)
            gone += sum(hours.get(at * HOUR_US, 0) for at in left)
        at_us = next_us
        days = (at_us - now_us) / (24 * HOUR_US)
        spread = (pace.day_reach or 0.0) * sqrt(days + days * days / pace.days)
        kept = max(spent - gone, 0)
        path.append(
            Point(at_us, kept + round(ahead), kept + round(max(ahead - spread, 0.0)), kept + round(ahead + spread))
        )
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
