"""Shapes of a change over whole hours and days: a step that stands out, a level that moved, a value that creeps."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bursar.watch.rates import IN_POINTS, IS_SHARE, IS_VOLUME
from bursar.watch.seasonal import MAD, median
from bursar.watch.shifts import change_points, robust_slope
from bursar.watch.tails import Floats, normal_surprise

FREEDOM = 10.0
"""Degrees of freedom of the t law that a step's deviate follows: its tail is heavier than a normal one's."""

STEPS_A_FREEDOM = 3.0  # neighbours depend on each other, and a spread by medians is known half as well
STEP_BETTER = 0.9  # of a line's squares: a step may choose its place, and must leave less by that
MEDIAN_COST = math.pi / 2  # a median's variance beside a mean's
ORDER_MIN = 1.64  # deviates of the order of all pairs
PAST_RISES = 3.0  # deviates that a creep of the usual size of a rise counts as, at most
BEYOND_LARGEST = 1.25  # a step stands out if it is so many times as far off as any before it
SHORTEST = 3  # steps that a level lasts
PROMISING = 3.0  # of a quick scan, before a series is looked at by itself
TIMES_MIN = 1.2
CREEP_MIN = 1.08  # of a creep over a window: less isn't told yet


class Terms(msgspec.Struct, frozen=True):
    """Of one clock, in its steps.

    steps_min: younger series are left alone. recent: a shift is told for so long. before: says what was before a
    change.
    window: of a creep, with at least points_min values. share: of the accepted false alarms.
    """

    step_us: int
    steps_a_week: float
    steps_min: int
    recent: int
    before: int
    window: int
    points_min: int
    share: float


class Looked(msgspec.Struct):
    """A block of series on the scale where noise is alike.

    values, and left: without their season; variance: of a step; each (series, steps, channels). widening: (series,
    channels), by how much sums vary more than sums of independent steps; doubt:
    likewise, the variance of what is taken for the week's shape, which no number of steps makes smaller.
    """

    values: Floats
    left: Floats
    variance: Floats
    widening: Floats
    doubt: Floats


class Odd(msgspec.Struct):
    """What one shape of change found, each (series, channels): -log10 p, the first step, both figures on the same
    scale.

    least: the smallest ratio worth telling.
    """

    surprise: Floats
    began: NDArray[np.intp]
    expected: Floats
    actual: Floats
    least: float = TIMES_MIN

    @classmethod
    def nothing(cls, seen: Looked, began: int, least: float = TIMES_MIN) -> "Odd":
        series, _, channels = seen.left.shape
        empty = np.full((series, channels), np.nan)
        return cls(np.zeros((series, channels)), np.full((series, channels), began), empty.copy(), empty.copy(), least)


def find_spikes(seen: Looked, terms: Terms) -> Odd:
    """The last step beside the ones before it."""
    left, last = seen.left, seen.left.shape[1] - 1
    lately = left[:, max(0, last - terms.before) : last]
    center = np.nan_to_num(median(lately, axis=1))
    scale = np.sqrt(seen.variance[:, last] * np.sqrt(seen.widening) + seen.doubt)
    deviate = np.nan_to_num(_worse((left[:, last] - center) / scale))
    before = _worse((lately - center[:, None]) / scale[:, None])
    largest = np.where(np.isnan(before), 0.0, before).max(axis=1)
    stands_out = (deviate > 0) & (deviate > BEYOND_LARGEST * largest)
    found = Odd.nothing(seen, last)
    found.surprise = np.where(stands_out, t_surprise(deviate, FREEDOM), 0.0)
    found.expected = seen.values[:, last] - left[:, last] + center
    found.actual = seen.values[:, last]
    return found


def find_shifts(seen: Looked, terms: Terms) -> Odd:
    """The last change of level, by PELT, in series where a scan says that there may be one in the recent steps."""
    steps = seen.left.shape[1]
    found = Odd.nothing(seen, steps - 1)
    tests = math.log10(terms.recent)
    for row, column in _pairs(normal_surprise(_scan(seen, terms)) - tests > PROMISING):
        known = np.flatnonzero(~np.isnan(seen.left[row, :, column]))
        values = seen.left[row, known, column]
        variance = seen.variance[row, known, column] * seen.widening[row, column]
        points = [0, *change_points(values, variance, 3.0 * math.log(len(known)), SHORTEST)]
        if len(points) < 2 or known[points[-1]] < steps - terms.recent:
            continue
        start = points[-1]
        first = max(points[-2], start - terms.before)
        weights = 1.0 / variance
        old = float(np.average(values[first:start], weights=weights[first:start]))
        sure = np.ones(len(values) - start, bool)
        sure[np.argmax(np.abs(values[start:] - old))] = False  # a level isn't made by one step
        new = float(np.average(values[start:][sure], weights=weights[start:][sure]))
        past = values[max(0, start - terms.before) : start]
        if not IS_SHARE[column] and abs(new - old) <= BEYOND_LARGEST * _furthest(past, old, len(values) - start):
            continue
        doubt = (
            1.0 / float(weights[first:start].sum()) + 1.0 / float(weights[start:][sure].sum()) + seen.doubt[row, column]
        )
        deviate = (new - old) / math.sqrt(doubt) * (1.0 if new > old or not IS_VOLUME[column] else -1.0)
        at = (row, column)
        surprise = t_surprise(np.array(deviate), len(known) / STEPS_A_FREEDOM)
        found.surprise[at] = max(0.0, float(surprise) - tests)
        found.began[at] = known[start]
        season = float(np.median(seen.values[row, known[start:], column] - values[start:]))
        found.expected[at], found.actual[at] = season + old, season + new
    return found


def _furthest(past: Floats, level: float, steps: int) -> float:
    """How far from a level the past was for so many steps together: where a series has been before is no news of it."""
    if len(past) < steps:
        return 0.0
    sums = np.concatenate([[0.0], np.cumsum(past)])
    return float(np.abs((sums[steps:] - sums[:-steps]) / steps - level).max())


def find_creeps(seen: Looked, terms: Terms) -> Odd:
    """A rise from what was usual, step by step, over the last window. Volumes grow for good reasons: not they.

    How sure it is comes from a line that starts at the level of the steps before; that it is a creep and not a step or
    an accident, from Theil and Sen's slope, the order of all pairs, and the rises that the past had.
    """
    steps, window = seen.left.shape[1], terms.window
    found = Odd.nothing(seen, max(0, steps - window), CREEP_MIN)
    if steps < 2 * window:
        return found
    deviate = _ramp(seen, terms)
    usual = _usual_rises(seen.left, terms)
    for row, column in _pairs((normal_surprise(deviate) > PROMISING) & ~IS_VOLUME):
        known = np.flatnonzero(~np.isnan(seen.left[row, -window:, column]))
        values = seen.left[row, steps - window + known, column]
        if len(known) < terms.points_min or _is_step(values):
            continue
        slope, in_order = robust_slope(known.astype(float), values)
        grown = slope * float(known[-1] - known[0])
        if in_order < ORDER_MIN or (grown < math.log(CREEP_MIN) and not IN_POINTS[column]):
            continue
        at = (row, column)
        sure = min(float(deviate[at]), PAST_RISES * grown / max(usual[at], 1e-9))
        found.surprise[at] = float(t_surprise(np.array(sure), steps / STEPS_A_FREEDOM))
        season = seen.values[row, steps - window + known[-1], column] - values[-1]
        middle = float(np.median(values - slope * known))
        found.expected[at] = season + middle + slope * known[0]
        found.actual[at] = season + middle + slope * known[-1]
    return found


def _ramp(seen: Looked, terms: Terms) -> Floats:
    """How sure a line from the level before the window upwards is, in deviates, (series, channels)."""
    steps, window = seen.left.shape[1], terms.window
    before = seen.left[:, max(0, steps - window - terms.before) : steps - window]
    level = median(before, axis=1)
    count = np.maximum((~np.isnan(before)).sum(axis=1), 1)
    last = seen.left[:, -window:]
    part = np.arange(1, window + 1)[None, :, None] / window
    weight = np.where(np.isnan(last), 0.0, part / seen.variance[:, -window:])
    doubt = MEDIAN_COST * median(seen.variance, axis=1) / count * weight.sum(axis=1) ** 2
    moved = (weight * np.nan_to_num(last - level[:, None])).sum(axis=1)
    doubt += seen.doubt * weight.sum(axis=1) ** 2 / seen.widening
    spread = np.sqrt(np.maximum(((weight * part).sum(axis=1) + doubt) * seen.widening, 1e-12))
    found: Floats = np.nan_to_num(moved / spread)
    return found


def t_surprise(deviates: Floats, freedom: float) -> Floats:
    """-log10 of the chance of a deviate whose spread is known from so many degrees of freedom only (Wallace 1959)."""
    above = np.maximum(deviates, 0.0)
    return normal_surprise(np.sqrt(freedom * np.log1p(above**2 / freedom)))


def _scan(seen: Looked, terms: Terms) -> Floats:
    """The largest deviate of a mean from a recent step on above the mean of the steps before it, (series, channels)."""
    steps = seen.left.shape[1]
    weight = np.where(np.isnan(seen.left), 0.0, 1.0 / seen.variance)
    moments = np.cumsum(weight * np.nan_to_num(seen.left), axis=1)
    weights = np.cumsum(weight, axis=1)
    best = np.full(seen.widening.shape, -np.inf)
    for start in range(max(SHORTEST, steps - terms.recent), steps - SHORTEST + 1):
        first = start - terms.before - 1
        old_weight = weights[:, start - 1] - (weights[:, first] if first >= 0 else 0.0)
        old_moment = moments[:, start - 1] - (moments[:, first] if first >= 0 else 0.0)
        new_weight = weights[:, -1] - weights[:, start - 1]
        new_moment = moments[:, -1] - moments[:, start - 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = seen.widening * (1.0 / new_weight + 1.0 / old_weight) + seen.doubt
            moved = (new_moment / new_weight - old_moment / old_weight) / np.sqrt(variance)
        best = np.fmax(best, _worse(moved))
    found: Floats = np.maximum(best, 0.0)
    return found


def _usual_rises(left: Floats, terms: Terms) -> Floats:
    """The usual size of a window's rise, over the time before the last one, (series, channels)."""
    half = terms.window // 2
    rises = [
        median(left[:, end - half : end], axis=1) - median(left[:, end - 2 * half : end - half], axis=1)
        for end in range(left.shape[1] - terms.window, 2 * half - 1, -half)
    ]
    if len(rises) < 3:
        return np.full((left.shape[0], left.shape[2]), math.log(CREEP_MIN))
    found: Floats = np.nan_to_num(2.0 * MAD * median(np.abs(np.stack(rises, axis=1)), axis=1), nan=np.inf)
    return found


def _is_step(values: Floats) -> bool:
    """Whether one change of level explains the values better than a line does."""
    n = len(values)
    at = np.arange(n)
    line = values - np.polyval(np.polyfit(at, values, 1), at)
    centered = values - values.mean()
    sums, sizes = np.cumsum(centered)[:-1], np.arange(1, n)
    within = float((centered**2).sum()) - sums**2 / sizes - sums**2 / (n - sizes)
    return bool(within.min() < STEP_BETTER * (line**2).sum())


def _worse(deviates: Floats) -> Floats:
    """Sizes in the direction that counts: volumes either way, all others upwards. The last axis is the channels'."""
    found: Floats = np.where(IS_VOLUME, np.abs(deviates), deviates)
    return found


def _pairs(where: NDArray[np.bool_]) -> Iterator[tuple[Any, ...]]:
    return zip(*(at.tolist() for at in np.nonzero(where)), strict=True)
