"""The forecast of one series by the hour: its days, counted back from now, and how a day's cost falls on its hours.

Pure. What a budget is going to spend is asked here, by the same models that the page Forecast shows.
"""

from collections.abc import Iterable
from math import sqrt

import numpy as np

from bursar.domain.expected import NOTHING_KNOWN, HoursAhead
from bursar.forecast.bands import Bands, Z
from bursar.forecast.course import Past, course_of
from bursar.forecast.models import NAMES, RECENT, WEEK, Floats

HOUR_US = 3_600 * 10**6
DAY_HOURS = 24
HISTORY_HOURS = RECENT * DAY_HOURS
DAYS_FROM = 2 * DAY_HOURS  # hours of history after which days are forecast
BAND_FROM = 6  # hours of history: fewer say nothing of how sure it is
STEADY = 1e-9  # a logarithm: what misses by less doesn't miss


def hours_ahead(spend: Iterable[tuple[int, int]], since_us: int, now_us: int, ahead: int) -> HoursAhead:
    """spend: (start of an hour, pico) by the books, in any order; an hour that isn't there is nothing spent.

    since_us: when those books begin. ahead: hours. Nothing is expected where no whole hour is known.
    """
    hours = dict(spend)
    this_hour = now_us // HOUR_US
    first = max(-(-since_us // HOUR_US), this_hour - HISTORY_HOURS)
    known = np.array([max(hours.get(at * HOUR_US, 0), 0) / 1e12 for at in range(first, this_hour)])
    if not len(known):
        return NOTHING_KNOWN
    return _by_hours(known, ahead) if len(known) < DAYS_FROM else _by_days(known, ahead)


def _by_hours(known: Floats, ahead: int) -> HoursAhead:
    """The mean; how far hours fall from it says how far days will, if hours don't depend on each other."""
    count = len(known)
    mean = round(float(known.mean()) * 1e12)
    said_by = f"the mean of the last {f'{count} hours' if count > 1 else 'hour'}"
    even = [1.0] * ahead
    if count < BAND_FROM or not mean:
        return HoursAhead([mean] * ahead, even, even, count >= BAND_FROM, mean * DAY_HOURS, count, said_by)
    free = count - 1
    reach = (Z + (Z**3 + Z) / (4 * free)) * sqrt(float(known.var(ddof=1))) * 1e12
    shares = [reach * sqrt(at + at * at / count) / (mean * at) for at in range(1, ahead + 1)]
    return HoursAhead(
        [mean] * ahead, [max(1 - one, 0.0) for one in shares], [1 + one for one in shares], True, mean * DAY_HOURS,
        count, said_by,
    )  # fmt: skip


def _by_days(known: Floats, ahead: int) -> HoursAhead:
    count = len(known)
    whole = count // DAY_HOURS
    by_hour = known[-whole * DAY_HOURS :].reshape(whole, DAY_HOURS)
    days_ahead = -(-ahead // DAY_HOURS)
    course = course_of(Past(by_hour.sum(axis=1)[None], np.zeros(1), 0.0), max(days_ahead, WEEK) - 1, is_judged=False)
    days = course.expected[0]
    shares = _shares(by_hour)
    hourly = (days[:days_ahead, None] * shares[np.arange(days_ahead) % len(shares)]).ravel()[:ahead]
    low, high = _edges(course.bands, days, hourly)
    weeks = "each day's hours as on its weekday" if len(shares) == WEEK else "each day's hours alike"
    said_by = f"{NAMES[course.chosen[0]]} of the last {whole} days, {weeks}"
    return HoursAhead(
        [round(one * 1e12) for one in hourly], low, high, True, round(float(days[:WEEK].mean()) * 1e12), count, said_by
    )


def _shares(by_hour: Floats) -> Floats:
    """How a day falls on its hours: (1, 24), or from two weeks on (7, 24), of each day to come in turn."""
    whole = len(by_hour)
    if whole >= 2 * WEEK:
        weeks = whole // WEEK
        sums = by_hour[-weeks * WEEK :].reshape(weeks, WEEK, DAY_HOURS).sum(axis=0)
    else:
        sums = by_hour.sum(axis=0, keepdims=True)
    totals = sums.sum(axis=1, keepdims=True)
    shares: Floats = np.where(totals > 0, sums / np.where(totals > 0, totals, 1), 1 / DAY_HOURS)
    return shares


def _edges(bands: Bands, days: Floats, hourly: Floats) -> tuple[list[float], list[float]]:
    """The band of the sum up to each hour, as shares of it; between midnights it goes straight from day to day."""
    sums = np.cumsum(hourly)
    reach = bands.by_sum
    low, high = reach.low[0] - bands.youth[0], reach.high[0] + bands.youth[0]
    at = np.arange(1, len(hourly) + 1) / DAY_HOURS
    steps = np.arange(1, len(days) + 1)
    low, high = np.interp(at, steps, low), np.interp(at, steps, high)
    unit = bands.unit[0] * at
    lower = np.maximum.accumulate(np.maximum((sums + unit) * np.exp(low) - unit, 0))
    upper = np.maximum.accumulate((sums + unit) * np.exp(high) - unit)
    said = np.maximum(sums, 1e-12)
    below = np.where(low > -STEADY, 1.0, np.minimum(lower / said, 1.0))
    above = np.where(high < STEADY, 1.0, np.maximum(upper / said, 1.0))
    return below.tolist(), above.tolist()
