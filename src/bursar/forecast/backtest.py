"""What the candidates would have said in the past, and how far from it they would have been.

At each origin only what was known then is looked at: the candidates get the days before it, and which of them is
believed is decided by errors that were known by then.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from bursar.forecast.models import NAIVE, NAMES, TINY, WEEK, Births, Floats, Known, candidates, known_at

AHEAD_MAX = 28  # days that a back-test looks ahead
DENSE = 14  # origins on days in a row, the newest ones; before them every third
ORIGINS_MAX = 24
DAYS_MIN = 2  # of a series' history at an origin
OWN_FROM = 20.0  # origins after which a series' own errors count for more than everybody's; they overlap
ERROR_SHARE = 0.01  # of what was spent: errors below it are all alike

Choice = NDArray[np.intp]


class BackTest(msgspec.Struct, frozen=True):
    """origins: how many days were known at each, ascending. choice: which candidate is believed now, (series,).

    said, naive, was: (origins, series, ahead), USD: what was forecast for each day, by the candidate that was believed
    then and by "last week again", and what came; `was` is nan where that isn't known yet or a series was too young.
    """

    origins: list[int]
    choice: Choice
    said: Floats
    naive: Floats
    was: Floats


def back_test(days: Floats, born: Births) -> BackTest:
    """days: (series, days), USD, the oldest first. born: (series,), the first day on which each spent something.

    With fewer than DAYS_MIN + 1 days nothing can be tested: there are no origins then.
    """
    series, count = days.shape
    origins = origins_of(count)
    ahead = min(AHEAD_MAX, count - origins[0]) if origins else 1
    told = np.empty((0, len(NAMES), series, ahead))
    was = np.empty((0, series, ahead))
    if origins:
        then = [known_at(days, born, at) for at in origins]
        beside = Known(np.concatenate([one.days for one in then]), np.concatenate([one.born for one in then]))
        told = candidates(beside, ahead).reshape(len(NAMES), len(origins), series, ahead).swapaxes(0, 1)
        padded = np.concatenate([days, np.full((series, ahead), np.nan)], axis=1)
        was = np.stack([padded[:, at : at + ahead] for at in origins])
        was[np.array(origins)[:, None] - born[None, :] < DAYS_MIN] = np.nan
    said, choice = believed(told, was, origins, count)
    return BackTest(origins, choice, said, told[:, NAIVE], was)


def believed(
    told: Floats, was: Floats, origins: list[int], count: int, prior: float | None = None
) -> tuple[Floats, Choice]:
    """What the candidate that was believed at each origin said, (origins, series, ahead); and who is believed now.

    told: (origins, candidates, series, ahead). prior: see `choose`.
    """
    misses, spent = (told - was[:, None])[..., :WEEK], was[..., :WEEK]
    everyone = np.arange(was.shape[1])
    said = np.empty_like(was)
    for number, at in enumerate(origins):
        said[number] = told[number, choose(misses, spent, origins, at, prior), everyone]
    return said, choose(misses, spent, origins, count, prior)


def origins_of(count: int) -> list[int]:
    """Numbers of days known at each origin: every one of the newest, every third before."""
    dense = range(count - 1, max(count - 1 - DENSE, DAYS_MIN - 1), -1)
    sparse = range(count - 1 - DENSE - 2, DAYS_MIN - 1, -3)
    return sorted([*dense, *sparse][:ORIGINS_MAX])


def choose(misses: Floats, spent: Floats, origins: list[int], known: int, prior: float | None = None) -> Choice:
    """The candidate of each series with the least error on days before `known`; a young series listens to all others.

    misses: (origins, candidates, series, days ahead); spent: the same without candidates. Errors are compared with
    those of the last candidate, as logarithms between -1 and 1: one wild series doesn't choose for all. prior: how much
    worse than the last one the others are thought to be until they have shown otherwise; None: as they are for all
    series. Of several that are as good, the last is chosen.
    """
    seen = (np.array(origins)[:, None] + np.arange(spent.shape[-1]) < known)[:, None, :]
    is_known = seen & ~np.isnan(spent)
    paid = np.where(is_known, spent, 0.0).sum(axis=(0, 2))
    wrong = np.where(is_known[:, None], np.abs(misses), 0.0).sum(axis=(0, 3))
    least = ERROR_SHARE * paid + TINY
    skill = np.clip(np.log((wrong + least) / (wrong[-1] + least)), -1, 1)
    tested = is_known.any(axis=2).sum(axis=0)
    counted = tested * (paid > 0)
    everybodys = (skill * counted).sum(axis=1, keepdims=True) / max(counted.sum(), 1)
    if prior is not None:
        everybodys = np.where(np.arange(len(skill)) < len(skill) - 1, prior, 0.0)[:, None]
    score = (skill * tested + everybodys * OWN_FROM) / (tested + OWN_FROM)
    if known < 2 * WEEK:
        score[NAIVE] = np.inf  # "last week" wasn't there to be tried
    if not counted.any():
        return np.full(spent.shape[1], len(score) - 1)
    best: Choice = len(score) - 1 - np.argmin(score[::-1], axis=0)
    return best
