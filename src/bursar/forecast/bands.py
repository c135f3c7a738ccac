"""Bands from the back-test's own misses: four times in five, what comes is inside.

A miss is a logarithm, of what came over what was said, so that a band never reaches below nothing and may be wider
above than below. Each series' misses are measured by its own usual miss; how far the lowest and the highest tenth of
them lie is learned from all series together.
"""

from typing import NamedTuple

import numpy as np

from bursar.forecast.backtest import BackTest
from bursar.forecast.models import LEVEL_SHARE, TINY, Births, Floats

OUTSIDE = 0.1  # of what comes, on either side
SHARED = 6.0  # so many misses of everybody's, and of the usual shape, count beside those that were seen
GROWTH = 0.25  # of a sum's misses with the days ahead, where too few were seen, as a power
GROWTH_OF_DAYS = 0.05  # of one day's: a week on is the same weekday again; chosen on half of the real tenants
YOUNG_DAYS = 7
YOUNG_MISS = 1.0  # more of a logarithm for a series of no days; none for one of YOUNG_DAYS
Z = 1.2816  # of a normal distribution, one in ten is above and one in ten below
USUAL_TENTH = 2.2  # usual misses from zero beyond which a tenth lies on either side; a normal distribution's is 1.6
TRIES_MIN = 2.0  # stretches beside each other that misses were seen of; with fewer, a shorter stretch's are carried on
OVERLAP_OF_DAYS = 0.5  # days' misses so many days ahead share a part of what went before them; sums share all of it
FARTHEST = 12.0  # a logarithm: past all that money is about


class Reach(NamedTuple):
    """How far around what is said four in five are, by the days ahead: logarithms, (series, days ahead).

    low is zero or below, high zero or above. tested: days ahead up to which misses were seen.
    """

    low: Floats
    high: Floats
    tested: int


class Bands(NamedTuple):
    """How wide the bands of some series are, for days and for sums of days.

    unit: (series,), USD. youth: what a young series' misses may be more, (series,).
    """

    by_day: Reach
    by_sum: Reach
    unit: Floats
    youth: Floats

    def of_days(self, expected: Floats) -> tuple[Floats, Floats]:
        """Around each day, (series, days ahead), USD."""
        return self._around(expected, self.by_day, slice(0, expected.shape[1]), self.unit[:, None])

    def of_sum(self, expected: Floats, first: int, until: int) -> tuple[Floats, Floats]:
        """Around the sum of some days ahead, `until` excluded: (series,), USD."""
        said = expected[:, first:until].sum(axis=1, keepdims=True)
        unit = self.unit[:, None] * max(until - first, 1)
        low, high = self._around(said, self.by_sum, slice(until - 1, until), unit)
        return low[:, 0], high[:, 0]

    def of_sums(self, expected: Floats) -> tuple[Floats, Floats]:
        """Around the sum of all days up to each. A longer stretch costs no less: what is spent isn't taken back."""
        ahead = expected.shape[1]
        unit = self.unit[:, None] * np.arange(1, ahead + 1)
        low, high = self._around(np.cumsum(expected, axis=1), self.by_sum, slice(0, ahead), unit)
        return np.maximum.accumulate(low, axis=1), np.maximum.accumulate(high, axis=1)

    def _around(self, said: Floats, by: Reach, steps: slice, unit: Floats) -> tuple[Floats, Floats]:
        youth = self.youth[:, None]
        low = (said + unit) * np.exp(np.maximum(by.low[:, steps] - youth, -FARTHEST)) - unit
        high = (said + unit) * np.exp(np.minimum(by.high[:, steps] + youth, FARTHEST)) - unit
        return np.clip(low, 0, said), np.maximum(high, said)


def units(days: Floats, born: Births) -> Floats:
    """A little of each series' mean day, added before logarithms are taken: (series,), USD."""
    alive = np.arange(days.shape[1]) >= born[:, None]
    unit: Floats = LEVEL_SHARE * (days * alive).sum(axis=1) / np.maximum(alive.sum(axis=1), 1) + TINY
    return unit


def bands_of(
    test: BackTest, days: Floats, born: Births, ahead: int, usual: tuple[Floats, Floats] | None = None
) -> Bands:
    """Bands for so many days after the last of `days`.

    usual: what the misses of days and of sums should be by something else that is known, (days ahead,) of a
    back-test; None: what they are for all series together.
    """
    known, unit = days.shape[1], units(days, born)
    youth = np.clip(1 - (known - born) / YOUNG_DAYS, 0, 1) * YOUNG_MISS
    of_days, of_sums = usual or (None, None)
    by_day = reach(day_misses(test, unit), test.origins, ahead, known, of_days, OVERLAP_OF_DAYS, GROWTH_OF_DAYS)
    by_sum = reach(sum_misses(test, unit), test.origins, ahead, known, of_sums)
    return Bands(by_day, by_sum, unit, youth)


def usual_of_whole(parts: BackTest) -> tuple[Floats, Floats]:
    """What the whole's usual misses are if its parts miss independently of each other: (days ahead,), logarithms."""
    found = []
    for said, was in ((parts.said, parts.was), (np.cumsum(parts.said, axis=2), np.cumsum(parts.was, axis=2))):
        is_known = ~np.isnan(was)
        count = np.maximum(is_known.sum(axis=0), 1)
        wrong = np.where(is_known, np.abs(said - was), 0).sum(axis=0) / count
        spent = (np.where(is_known, was, 0).sum(axis=0) / count).sum(axis=0)
        found.append(np.log1p(np.sqrt((wrong**2).sum(axis=0)) / np.maximum(spent, TINY)))
    return found[0], found[1]


def day_misses(test: BackTest, unit: Floats) -> Floats:
    """Logarithms, (origins, series, days ahead); nan where it isn't known what came."""
    missed: Floats = np.log((test.was + unit[:, None]) / (test.said + unit[:, None]))
    return missed


def sum_misses(test: BackTest, unit: Floats) -> Floats:
    """The misses of the sums of all days up to each."""
    growing = unit[:, None] * np.arange(1, test.was.shape[2] + 1)
    missed: Floats = np.log((np.cumsum(test.was, axis=2) + growing) / (np.cumsum(test.said, axis=2) + growing))
    return missed


def reach(
    missed: Floats, origins: list[int], ahead: int, known: int, usual: Floats | None = None, overlap: float = 1.0,
    growth: float = GROWTH,
) -> Reach:  # fmt: skip
    """What misses teach that were seen on days before `known`. missed: (origins, series, days ahead).

    usual: see `bands_of`. growth: of misses farther ahead than were seen, as a power of the days.
    """
    series, seen_ahead = missed.shape[1:]
    low, high = np.zeros((series, ahead)), np.zeros((series, ahead))
    tested = 0
    for step in range(min(seen_ahead, ahead)):
        seen = enough(origins, step, known)
        if not seen:
            break
        span = origins[seen[-1]] - origins[seen[0]] + 1
        low[:, step], high[:, step] = _reach(
            missed[seen, :, step],
            min(len(seen), span / (step + 1) ** overlap),
            None if usual is None else float(usual[step]),
        )
        tested = step + 1
    if tested:
        more = (np.arange(tested + 1, ahead + 1) / tested) ** growth
        low[:, tested:] = low[:, tested - 1 : tested] * more
        high[:, tested:] = high[:, tested - 1 : tested] * more
    return Reach(low, high, tested)


def last_reach(missed: Floats, origins: list[int], days: int, known: int, usual: Floats | None = None) -> Reach | None:
    """The same for the last of so many days alone; None: no misses are known. It has one column."""
    step = next((at for at in reversed(range(min(missed.shape[2], days))) if enough(origins, at, known)), None)
    if step is None:
        return None
    seen = enough(origins, step, known)
    span = origins[seen[-1]] - origins[seen[0]] + 1
    prior = None if usual is None else float(usual[step])
    low, high = _reach(missed[seen, :, step], min(len(seen), span / (step + 1)), prior)
    more = (days / (step + 1)) ** GROWTH
    return Reach(low[:, None] * more, high[:, None] * more, step + 1)


def enough(origins: list[int], step: int, known: int) -> list[int]:
    """Which origins know what came `step` days after their first; none where they are too few to learn from."""
    seen = [number for number, at in enumerate(origins) if at + step < known]
    span = origins[seen[-1]] - origins[seen[0]] + 1 if seen else 0
    return seen if step == 0 or span >= TRIES_MIN * (step + 1) else []


def _reach(missed: Floats, tries: float, prior: float | None) -> tuple[Floats, Floats]:
    """missed: (origins, series) of one number of days ahead. tries: how many of them don't overlap.

    With few tries, how far they fall is itself a guess: Student's t in place of the normal's Z.
    Source: the first two terms of the Cornish-Fisher expansion.
    """
    is_known = ~np.isnan(missed)
    count = is_known.sum(axis=0)
    total = np.where(is_known, np.abs(missed), 0).sum(axis=0)
    everybodys = total.sum() / max(count.sum(), 1) if prior is None else prior
    usual = (total + SHARED * everybodys) / (count + SHARED)
    measured = (missed / np.maximum(usual, TINY))[is_known]
    if not measured.size:
        return np.zeros(missed.shape[1]), np.zeros(missed.shape[1])
    tenths = np.quantile(measured, (OUTSIDE, 1 - OUTSIDE))
    apart = measured.size * min(tries / len(missed), 1)  # misses of stretches that overlap are the same ones in part
    weight = apart / (apart + SHARED)
    below, above = tenths * weight + np.array([-USUAL_TENTH, USUAL_TENTH]) * (1 - weight)
    tries = max(tries, 1)
    wider = 1 + (Z**2 + 1) / (4 * tries) + (5 * Z**4 + 16 * Z**2 + 3) / (96 * tries**2)
    return usual * min(below, 0) * wider, usual * max(above, 0) * wider
