"""The hourly and the daily clock: whole series looked at when their step is over, all at once."""

import math
from collections.abc import Container, Sequence
from datetime import date
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from bursar.domain.watching import Change, Clock, Detection, SeriesKey, Signal
from bursar.watch.discovery import discoveries
from bursar.watch.rates import CHANNELS, FIELDS, IN_POINTS, IS_SHARE, IS_VOLUME, SIGNALS, shown, signals
from bursar.watch.seasonal import Steps, deseasoned, doubt_of, spread_of, steps_of, transformed
from bursar.watch.settings import SERIES_A_BUDGET, WatchSettings
from bursar.watch.shapes import Looked, Odd, Terms, find_creeps, find_shifts, find_spikes
from bursar.watch.tails import Floats
from bursar.watch.worth import worth_by_steps

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
TERMS = {
    Clock.HOUR: Terms(HOUR_US, 168.0, 48, 72, 168, 48, 24, 0.3),
    Clock.DAY: Terms(DAY_US, 7.0, 10, 14, 28, 7, 6, 0.2),
}
SHAPES = (Change.SPIKE, Change.SHIFT, Change.GROWTH)
G = len(CHANNELS)
POINTS_MIN = 0.02
HEAVY = np.where(IS_VOLUME, 2.0, 0.0)  # decades: volumes of real traffic have heavier tails than weeks teach
BLOCK = 64  # series looked at together, so that memory stays bounded


class BatchDetector:
    """Looks at whole hours or days. Keeps nothing: what goes on is told again by each look, with the same beginning."""

    def __init__(self, settings: WatchSettings | None = None, holidays: Container[date] = frozenset()) -> None:
        """holidays: dates in the settings' zone that are as a Sunday."""
        self.settings = settings or WatchSettings()
        self.holidays = holidays
        self._zone = ZoneInfo(self.settings.zone)

    def look(
        self, clock: Clock, starts_us: Sequence[int], keys: Sequence[SeriesKey], counts: NDArray[np.int64]
    ) -> list[Detection]:
        """What is out of the ordinary in the last steps, most surprising first.

        starts_us: of each step, oldest first, without a gap. counts: (series, steps, fields of `Bucket`); 0 where
        nothing was. A series younger than TERMS[clock].steps_min steps is left alone. Raises KeyError for the minute
        clock.
        """
        terms = TERMS[clock]
        if len(starts_us) < terms.steps_min or not len(keys):
            return []
        steps = steps_of(clock, starts_us, self._zone, self.holidays)
        blocks = [
            self._look_at(counts[start : start + BLOCK].astype(np.float64), steps, terms)
            for start in range(0, len(keys), BLOCK)
        ]
        odd = [_joined([block[shape] for block in blocks]) for shape in range(len(SHAPES))]
        surprises = np.stack([one.surprise for one in odd])
        chance = self.settings.chance_a_step(terms.share, terms.steps_a_week, len(keys))
        looks = math.log10(SERIES_A_BUDGET * len(SHAPES) * G * terms.steps_a_week)
        end_us = starts_us[-1] + terms.step_us
        found: dict[tuple[SeriesKey, Signal], Detection] = {}
        kept = np.nonzero(discoveries(surprises, chance, surprises.size))
        for shape, row, column in zip(*(at.tolist() for at in kept), strict=True):
            one, at = odd[shape], (row, column)
            signal = SIGNALS[column]
            told = Detection(
                keys[row], signal, clock, SHAPES[shape], starts_us[int(one.began[at])], end_us,
                shown(signal, float(one.expected[at])), shown(signal, float(one.actual[at])),
                max(0.0, float(one.surprise[at]) - looks),
            )  # fmt: skip
            before = found.get((told.series, signal))
            if before is None or before.surprise < told.surprise:
                found[told.series, signal] = told
        return sorted(found.values(), key=lambda told: -told.surprise)

    def _look_at(self, sums: Floats, steps: Steps, terms: Terms) -> list[Odd]:
        """A block of series, each shape of change by itself."""
        amounts, units = signals(sums)
        length = sums.shape[1]
        calls = sums[:, :, FIELDS.index("calls")]
        born = np.where((calls > 0).any(axis=1), np.argmax(calls > 0, axis=1), length)
        values, own = transformed(amounts, units)
        values[np.arange(length)[None, :] < born[:, None]] = np.nan
        left = deseasoned(values, steps)
        days = ((length - born) * terms.step_us / DAY_US)[:, None]
        variance, widening = spread_of(left, own)
        seen = Looked(values, left, variance, widening, doubt_of(days))
        old = (length - born >= terms.steps_min)[:, None]
        found = []
        for find in (find_spikes, find_shifts, find_creeps):
            odd = find(seen, terms)
            expected, actual = natural(odd.expected), natural(odd.actual)
            worth = _matters(expected, actual, odd.least)
            if find is not find_creeps:  # what creeps costs little at first
                worth &= worth_by_steps(sums, odd.began, expected, actual, DAY_US // terms.step_us)
            surprise = np.where(old & worth, np.maximum(odd.surprise - HEAVY, 0.0), 0.0)
            found.append(msgspec.structs.replace(odd, surprise=surprise, expected=expected, actual=actual))
        return found


def natural(values: Floats) -> Floats:
    """From the scale of `transformed` back to a signal's own, (..., channels)."""
    with np.errstate(over="ignore", invalid="ignore"):
        found: Floats = np.where(IS_SHARE, np.sin(np.clip(values, 0.0, math.pi / 2)) ** 2, np.exp(values))
    return found


def _matters(expected: Floats, actual: Floats, least: float) -> NDArray[np.bool_]:
    """Whether a change is large enough to be worth a person's time; NaN isn't."""
    with np.errstate(divide="ignore", invalid="ignore"):
        times = np.exp(np.abs(np.log(actual / expected)))
        return np.asarray(np.where(IN_POINTS, np.abs(actual - expected) >= POINTS_MIN, times >= least))


def _joined(parts: Sequence[Odd]) -> Odd:
    """Blocks of series one after the other."""

    def whole(name: str) -> Floats:
        return np.concatenate([getattr(one, name) for one in parts])

    return Odd(whole("surprise"), whole("began").astype(np.intp), whole("expected"), whole("actual"))
