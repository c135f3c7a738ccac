"""How good the forecasts of the past were: their error beside that of last week again, and how often bands held.

Each band of the past is made of misses that were known by then, as bands of today are made of those known today.
"""

import msgspec
import numpy as np

from bursar.forecast.backtest import BackTest
from bursar.forecast.bands import Reach, last_reach, sum_misses
from bursar.forecast.models import Floats

STEPS = (1, 3, 7)
"""Days ahead that people are told of."""


class Accuracy(msgspec.Struct, frozen=True):
    """Of sums over `days` days ahead: what was forecast, and what would have been by last week again.

    error, naive_error: the share of all that was spent by which forecasts were off; None: never tried, or nothing
    spent.
    held: how many of `bands` bands what came was inside. A series in which nothing happened isn't counted.
    """

    days: int
    error: float | None
    naive_error: float | None
    tries: int
    held: int
    bands: int

    @property
    def coverage(self) -> float | None:
        return self.held / self.bands if self.bands else None


def accuracy(test: BackTest, unit: Floats, days: int, usual: Floats | None = None) -> Accuracy:
    """Over all series together, weighted by what each spent. unit, usual: as the bands have them."""
    if test.was.shape[2] < days:
        return Accuracy(days, None, None, 0, 0, 0)
    was = test.was[..., :days].sum(axis=2)
    is_known = ~np.isnan(was)
    spent = np.where(is_known, was, 0).sum()

    def error(said: Floats) -> float | None:
        wrong = np.where(is_known, np.abs(said[..., :days].sum(axis=2) - was), 0).sum()
        return round(float(wrong / spent), 6) if spent > 0 else None

    held, bands = held_bands(test, unit, days, usual)
    return Accuracy(days, error(test.said), error(test.naive), int(is_known.any(axis=1).sum()), held, bands)


def held_bands(test: BackTest, unit: Floats, days: int, usual: Floats | None = None) -> tuple[int, int]:
    """(how many held, how many there were) of the bands that would have been drawn around sums."""
    missed = sum_misses(test, unit)[..., :days]
    held = bands = 0
    for number, at in enumerate(test.origins):
        past = last_reach(missed, test.origins, days, at, usual)
        if past is None:
            continue
        found = _inside(missed[number, :, -1], past)
        moved = (test.was[number, :, :days].sum(axis=1) > 0) | (test.said[number, :, :days].sum(axis=1) > unit)
        counted = ~np.isnan(missed[number, :, -1]) & moved
        held += int((found & counted).sum())
        bands += int(counted.sum())
    return held, bands


def _inside(missed: Floats, by: Reach) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    slack = 1e-9
    return (missed >= by.low[:, -1] - slack) & (missed <= by.high[:, -1] + slack)
