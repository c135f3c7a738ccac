"""The candidates: simple forecasters of daily sums, each for all series at once.

No candidate sees anything but what it is given, so a back-test hands it the past alone.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Births = NDArray[np.intp]

WEEK = 7
LOOK_BACK = 8 * WEEK  # days; what is older says little of what is next
RECENT = 4 * WEEK
LEVEL_SHARE = 0.02  # of the mean day, added before logarithms: a day of nothing is far down, not infinitely
TINY = 1e-12  # USD
MISS_MIN = 0.1  # of a logarithm: however steady a series was, a miss of a tenth is nothing odd


class Known(NamedTuple):
    """What is known at one moment, or at several beside each other.

    days: (series, LOOK_BACK), USD, the newest last; born: (series,), the first column that counts.
    """

    days: Floats
    born: Births


class Smoothing(NamedTuple):
    """How quickly the level follows (alpha), the trend (beta), and how much of the trend is left a day later (phi).

    clip: how many usual misses one day may move the level by: a single odd day isn't a new level.
    """

    alpha: float
    beta: float
    phi: float
    clip: float


SMOOTHINGS = (
    Smoothing(0.4, 0.15, 0.9, 1e9),
    Smoothing(0.6, 0, 0, 1e9),
    Smoothing(0.3, 0, 0, 3.0),
    Smoothing(0.1, 0, 0, 3.0),
)
NAMES = (
    "repeating last week",
    "mean of four weeks",
    "level and trend",
    "quick level",
    "slow level",
    "steady level",
    "middle day of the last week",
    "level and trend, by weekday",
    "quick level, by weekday",
    "slow level, by weekday",
    "steady level, by weekday",
    "middle day, by weekday",
    "the middle of all models",
)
"""What people are told of each candidate, in the order of `candidates`: of several that are as good, the last is
believed, so those that an odd day misleads come first."""
NAIVE = 0


def known_at(days: Floats, born: Births, at: int) -> Known:
    """The LOOK_BACK days before day `at`. born: the first day on which each series spent something."""
    series = days.shape[0]
    past = days[:, max(at - LOOK_BACK, 0) : at]
    missing = LOOK_BACK - past.shape[1]
    padded = np.concatenate([np.zeros((series, missing)), past], axis=1)
    return Known(padded, np.clip(born - at + LOOK_BACK, 0, LOOK_BACK - 1))


def candidates(known: Known, ahead: int) -> Floats:
    """What each candidate expects: float64 (candidates, series, ahead), USD, not negative."""
    days, born = known
    count = LOOK_BACK
    alive = np.arange(count) >= born[:, None]
    recent = _mean(days[:, -RECENT:], alive[:, -RECENT:])
    unit = LEVEL_SHARE * recent[:, None] + TINY
    logs = np.log1p(days / unit)
    weekdays = weekday_profile(logs, alive)
    steps = np.arange(ahead)
    coming = weekdays[:, steps % WEEK]
    gone = weekdays[:, (np.arange(count) - count) % WEEK]
    level = [*_levels(logs, alive, born, ahead)]
    by_weekday = [one + coming for one in _levels(logs - gone, alive, born, ahead)]
    found = [np.expm1(np.minimum(np.maximum(one, 0.0), 60.0)) * unit for one in (*level, *by_weekday)]
    found = [_last_week(days, born, ahead), np.repeat(recent[:, None], ahead, axis=1), *found]
    return np.stack([*found, np.median(np.stack(found), axis=0)])


def weekday_profile(logs: Floats, alive: NDArray[np.bool_]) -> Floats:
    """How far each day of the week is from its week's mean, in logarithms: (series, 7), from the day after the last.

    Shrunk by how much weeks differ from each other: where days of the week don't matter, it is nothing.
    """
    series, count = logs.shape
    weeks = count // WEEK
    shape = (series, weeks, WEEK)
    whole: NDArray[np.bool_] = alive[:, -weeks * WEEK :].reshape(shape).min(axis=2, keepdims=True)
    recent = logs[:, -weeks * WEEK :].reshape(shape)
    apart = (recent - recent.mean(axis=2, keepdims=True)) * whole
    known = whole.sum(axis=1)
    profile: Floats = apart.sum(axis=1) / np.maximum(known, 1)
    noise = (((apart - profile[:, None, :]) * whole) ** 2).sum(axis=(1, 2)) / (np.maximum(known[:, 0] - 1, 1) * WEEK)
    signal = (profile**2).mean(axis=1)
    trust = 1 - noise / np.maximum(known[:, 0] * signal, TINY)
    return profile * np.where(known[:, 0] >= 2, np.clip(trust, 0, 1), 0)[:, None]


def _levels(logs: Floats, alive: NDArray[np.bool_], born: Births, ahead: int) -> list[Floats]:
    """Each smoothing, then the middle day of the last week: logarithms, (series, ahead) each."""
    last = logs[:, -WEEK:]
    known = np.where(alive[:, -WEEK:] | ~alive[:, -1:], last, np.nan)
    middle = np.nanmedian(known, axis=1)
    level, trend = smooth(logs, born)
    phi = np.array([one.phi for one in SMOOTHINGS])
    kept = np.cumsum(phi[:, None] ** np.arange(1, ahead + 1), axis=1)  # of the trend, up to each day ahead
    smoothed = level[:, :, None] + trend[:, :, None] * kept[:, None, :]
    return [*smoothed, np.repeat(middle[:, None], ahead, axis=1)]


def smooth(logs: Floats, born: Births) -> tuple[Floats, Floats]:
    """Level and trend after the last day, by each of SMOOTHINGS: (smoothings, series) both."""
    alpha, beta, phi, clip = (np.array(values)[:, None] for values in zip(*SMOOTHINGS, strict=True))
    level = np.repeat(logs[None, :, 0], len(SMOOTHINGS), axis=0)
    trend = np.zeros_like(level)
    usual = np.full_like(level, 0.5)
    for at in range(1, logs.shape[1]):
        new = logs[None, :, at]
        begins = (at <= born)[None, :]
        expected = level + phi * trend
        miss = new - expected
        most = clip * np.maximum(usual, MISS_MIN)
        felt = np.clip(miss, -most, most)
        level = np.where(begins, new, expected + alpha * felt)
        trend = np.where(begins, 0.0, phi * trend + alpha * beta * felt)
        usual = np.where(begins, usual, usual + 0.1 * (np.abs(miss) - usual))
    return level, trend


def _last_week(days: Floats, born: Births, ahead: int) -> Floats:
    """The same day of the last week; of a series younger than a week, its last day."""
    again = days[:, LOOK_BACK - WEEK + np.arange(ahead) % WEEK]
    is_young = born > LOOK_BACK - WEEK
    return np.where(is_young[:, None], days[:, -1:], again)


def _mean(days: Floats, alive: NDArray[np.bool_]) -> Floats:
    mean: Floats = (days * alive).sum(axis=1) / np.maximum(alive.sum(axis=1), 1)
    return mean
