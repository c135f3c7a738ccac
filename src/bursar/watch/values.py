"""Watching series of plain values (a price, a rate, a temperature), one row at a time and without looking ahead.

The same parts as the watch over calls: a seasonal baseline, deviations over several spans, tails learned from the
past. What calls have beside them is that their spread follows from their number; a plain value's is learned from its
residuals.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bursar.watch.tails import Floats, Tail

DAY_S = 86_400.0
WEEK_HOURS = 168
SPANS = (1, 6, 36)  # rows over which deviations from the baseline are averaged
LEVEL_DAYS, SPREAD_DAYS, LOSS_DAYS = 1.5, 3.0, 3.0
CLIP = 4.0  # spreads: how much of one row's deviation is learned from
VIEWS = 1 + len(SPANS) + 1  # the next row's surprise, the spans, the size of the noise


class ValueWatch:
    """State of many series of values that are watched side by side, a row of each at a time.

    rows_a_day: (series,), how many rows a day has; memories are a number of days, so that a setting per series isn't
    needed.
    """

    def __init__(self, rows_a_day: Floats) -> None:
        n = len(rows_a_day)
        self._rows_a_day = np.maximum(np.asarray(rows_a_day, float), 1.0)
        self._seen = np.zeros(n)
        self._level = np.zeros(n)
        self._profile = np.zeros((n, WEEK_HOURS))
        self._visits = np.zeros((n, WEEK_HOURS))
        self._last = np.zeros(n)
        self._short = np.zeros(n)
        self._last_residual = np.zeros(n)
        self._seasonal_loss = np.full((3, n), np.nan)
        self._local_loss = np.full((4, n), np.nan)
        self._means = np.zeros((len(SPANS), n))
        self._spreads = np.full((1 + len(SPANS), n), np.nan)
        self._noise_short = np.zeros(n)
        self._noise_spread = np.full(n, 0.3)
        self._noise_mean = np.zeros(n)
        self.tails = Tail.fresh((VIEWS, n))

    def step(self, values: Floats, seconds: Floats, seen: NDArray[np.bool_]) -> Floats:
        """The surprise of a row of each series, (series,): -log10 of the chance of one as odd; 0 where there is no row.

        values, seconds: (series,), since the epoch, as the series' own clock shows them.
        """
        first = seen & (self._seen == 0)
        self._start(values, first)
        season, slots = self._season(seconds)
        experts = np.stack([self._level, self._level + season[0], self._level + season[1]])
        expected = _mixed(experts, self._seasonal_loss)
        local = np.stack([expected, self._last, self._short, expected + self._last_residual])
        nearest = _mixed(local, self._local_loss)

        innovation = values - nearest
        residual = values - expected
        statistics = self._statistics(innovation, residual, seen)
        surprises = self.tails.surprise(statistics)
        young = self._seen < 0.5 * self._rows_a_day
        self.tails.learn(statistics, np.broadcast_to(seen & (self._seen > 10), statistics.shape))
        self._learn(values, residual, innovation, experts, local, slots, seen)
        chance = np.maximum(np.max(surprises, axis=0) - math.log10(VIEWS), 0.0)
        found: Floats = np.where(seen & ~young, chance, 0.0)
        return found

    def _start(self, values: Floats, first: NDArray[np.bool_]) -> None:
        for state in (self._level, self._last, self._short):
            state[first] = values[first]

    def _gain(self, days: float) -> Floats:
        """Of an exponential mean of so many days, quicker while less than that was seen."""
        gain: Floats = 1.0 / np.minimum(self._seen + 1.0, days * self._rows_a_day)
        return gain

    def _season(self, seconds: Floats) -> tuple[Floats, tuple[NDArray[np.intp], NDArray[np.intp], Floats]]:
        """Offsets from the level by hour of day and by hour of week, (2, series), between the hours' middles."""
        hours = (seconds / 3600.0 - 0.5) % WEEK_HOURS
        left = hours.astype(np.intp) % WEEK_HOURS
        right = (left + 1) % WEEK_HOURS
        part = hours - np.floor(hours)
        by_left, by_right = self._slot(left), self._slot(right)
        between: Floats = (1.0 - part) * by_left + part * by_right
        return between, (left, right, part)

    def _slot(self, slot: NDArray[np.intp]) -> Floats:
        n = np.arange(len(slot))
        days = (slot[:, None] % 24) + 24 * np.arange(7)[None, :]
        weights = self._visits[n[:, None], days]
        total = weights.sum(axis=1)
        by_day = (weights * self._profile[n[:, None], days]).sum(axis=1) / np.maximum(total, 1e-9)
        an_hour = self._rows_a_day / 24.0
        own, visits = self._profile[n, slot], self._visits[n, slot]
        by_week = (visits * own + an_hour * by_day) / (visits + an_hour)
        return np.stack([by_day, by_week])

    def _statistics(self, innovation: Floats, residual: Floats, seen: NDArray[np.bool_]) -> Floats:
        """How many usual sizes each view deviates, (VIEWS, series)."""
        gains = 2.0 / (np.array(SPANS)[:, None] + 1.0)
        self._means += np.where(seen, gains * (residual - self._means), 0.0)
        deviations = np.abs(np.concatenate([innovation[None], self._means]))
        known = self._spreads
        floor = 1e-9 + 1e-3 * np.abs(self._level)
        statistics = np.where(np.isnan(known), 0.0, deviations / np.maximum(1.2533 * np.nan_to_num(known), floor))
        gain = self._gain(SPREAD_DAYS)
        limited = np.where(np.isnan(known), deviations, np.minimum(deviations, CLIP * known + floor))
        learned = np.where(np.isnan(known), limited, known + gain * (limited - known))
        self._spreads = np.where(seen, learned, known)
        return np.concatenate([statistics, self._noise(innovation, seen)[None]])

    def _noise(self, innovation: Floats, seen: NDArray[np.bool_]) -> Floats:
        """How unusual the size of the last rows' innovations is: a series gone wild, or dead."""
        usual = np.nan_to_num(self._spreads[0])
        floor = 1e-9 + 1e-3 * np.abs(self._level)
        size = np.log((np.abs(innovation) + floor) / (usual + floor))
        size = np.clip(size, -3.0, 3.0)
        self._noise_short += np.where(seen, 2.0 / (SPANS[-1] + 1.0) * (size - self._noise_short), 0.0)
        deviation = self._noise_short - self._noise_mean
        statistic = np.abs(deviation) / np.maximum(1.2533 * self._noise_spread, 0.1)
        gain = np.where(seen, self._gain(SPREAD_DAYS), 0.0)
        self._noise_mean += gain * np.clip(deviation, -CLIP * self._noise_spread, CLIP * self._noise_spread)
        self._noise_spread += gain * (np.minimum(np.abs(deviation), CLIP * self._noise_spread) - self._noise_spread)
        return statistic

    def _learn(
        self,
        values: Floats,
        residual: Floats,
        innovation: Floats,
        experts: Floats,
        local: Floats,
        slots: tuple[NDArray[np.intp], NDArray[np.intp], Floats],
        seen: NDArray[np.bool_],
    ) -> None:
        spread = np.maximum(np.nan_to_num(self._spreads[1]), 1e-12)
        limit = np.where(self._seen < 20, np.inf, CLIP * 1.2533 * spread)
        expected = values - residual
        tame = expected + np.clip(residual, -limit, limit)
        self._level += np.where(seen, self._gain(LEVEL_DAYS) * (tame - self._level), 0.0)
        left, right, part = slots
        offset = tame - self._level
        for slot, weight in ((left, 1.0 - part), (right, part)):
            n = np.flatnonzero(seen)
            at = slot[n]
            self._visits[n, at] = np.minimum(self._visits[n, at] + weight[n], 5.0 * self._rows_a_day[n] / 24.0)
            gain = weight[n] / np.maximum(self._visits[n, at], 1.0)
            self._profile[n, at] += gain * (offset[n] - self._profile[n, at])
        for losses, guesses in ((self._seasonal_loss, experts), (self._local_loss, local)):
            loss = np.minimum(np.abs(values - guesses), np.where(np.isfinite(limit), 2 * limit, np.inf))
            known = np.isnan(losses)
            moved = np.where(known, loss, losses + self._gain(LOSS_DAYS) * (loss - losses))
            losses[:] = np.where(seen, moved, losses)
        self._short += np.where(seen, 2.0 / 7.0 * (tame - self._short), 0.0)
        self._last = np.where(seen, values, self._last)
        self._last_residual = np.where(seen, residual, self._last_residual)
        self._seen += seen


def _mixed(experts: Floats, losses: Floats) -> Floats:
    """One guess of several, weighted by how well each has done: its mean absolute error to the power of -6."""
    known = np.where(np.isnan(losses), 1.0, losses)
    best = np.maximum(known.min(axis=0), 1e-12)
    weights = (best / np.maximum(known, 1e-12)) ** 6
    mixed: Floats = (weights * experts).sum(axis=0) / weights.sum(axis=0)
    return mixed


ODD_ROWS = 1000.0
"""A row is called out of the ordinary if fewer than one in so many would begin an episode as odd by chance.

Nobody's labels chose it. Where a miss costs some twenty false alarms and a series changes about once a week, a false
alarm or two a week is what pays; a week has 2,016 rows of five minutes.
"""
CALM_ROWS = SPANS[-1]


def score(surprises: Floats) -> Floats:
    """In [0, 1]: one minus the chance of a row as odd."""
    found: Floats = 1.0 - 10.0**-surprises
    return found


def alarms(surprises: Floats, threshold: float = math.log10(ODD_ROWS)) -> NDArray[np.intp]:
    """The rows that begin an episode: at the threshold or above it, after at least CALM_ROWS rows below."""
    odd = np.flatnonzero(surprises >= threshold)
    calm_before = np.diff(odd, prepend=-CALM_ROWS - 1) > CALM_ROWS
    return odd[calm_before]
