"""The forecast of a whole and its parts from daily sums, coherent: each day's parts add up to the whole.

Pure, and in floats: `exact` turns what is found here into money.
"""

import msgspec
import numpy as np

from bursar.forecast.accuracy import STEPS, Accuracy, accuracy
from bursar.forecast.backtest import DAYS_MIN, BackTest, back_test
from bursar.forecast.bands import Bands, bands_of, usual_of_whole
from bursar.forecast.models import NAIVE, NAMES, RECENT, Births, Floats, candidates, known_at
from bursar.forecast.whole import brought_together, whole_by, whole_test

BY_PARTS = "the sum of its parts"
FED_FROM = 0.5  # of a day gone: what it will come to is known well enough to be learned from


class Past(msgspec.Struct, frozen=True):
    """days: (series, whole days), USD, oldest first; so_far: (series,), of the day that isn't over, of which the share
    `gone` of what is spent on a day is behind us. Not negative."""

    days: Floats
    so_far: Floats
    gone: float


class Course(msgspec.Struct, frozen=True):
    """expected: (series, 1 + days ahead), USD: the rest of today, then each day. age: whole days since each began.

    chosen: which model each is forecast by; of the whole, see `whole_test`.
    """

    expected: Floats
    bands: Bands
    chosen: list[int]
    age: list[int]
    accuracy: list[Accuracy]
    test: BackTest


class Together(msgspec.Struct, frozen=True):
    """A whole of one series, and its parts. said_by: what the whole is forecast by, in words."""

    whole: Course
    parts: Course
    said_by: str


def births(days: Floats) -> Births:
    """The first day on which each series spent something; the last one where none did."""
    spent = days > 0
    first = np.argmax(spent, axis=1)
    born: Births = np.where(spent.any(axis=1), first, max(days.shape[1] - 1, 0))
    return born


def course_of(past: Past, ahead: int, *, is_judged: bool = True) -> Course:
    """Each series by itself. is_judged: with its accuracy, which takes as long as the rest."""
    born = births(past.days)
    test = back_test(past.days, born)
    expected = _expected(past, born, test.choice, ahead)
    return _course(past, born, test, expected, None, is_judged=is_judged)


def together(parts: Past, splits: list[Past], ahead: int) -> Together:
    """The whole is what the parts add up to. splits: ways to split it, by the sum of which it may be forecast; none:
    the parts themselves. With some, what is said of the whole doesn't depend on how the parts are cut."""
    told = course_of(parts, ahead)
    ways = [course_of(one, ahead, is_judged=False) for one in splits] or [told]
    past = Past(parts.days.sum(axis=0, keepdims=True), parts.so_far.sum(keepdims=True), parts.gone)
    own = course_of(past, ahead, is_judged=False)
    test = whole_test(own.test, [one.test for one in ways])
    born = births(past.days)
    naive = _expected(past, born, np.array([NAIVE]), ahead)
    chosen = int(test.choice[0])
    whole = whole_by(chosen, naive[0], own.expected[0], [one.expected.sum(axis=0) for one in ways])
    of_whole = _course(past, born, test, whole[None, :], usual_of_whole(ways[0].test))
    lately = parts.days[:, -RECENT:].sum(axis=1) + parts.so_far
    shares = lately / lately.sum() if lately.sum() > 0 else np.full(len(lately), 1 / max(len(lately), 1))
    scaled = brought_together(told.expected, whole, shares)
    words = [NAMES[NAIVE], NAMES[own.chosen[0]]]
    said_by = words[chosen] if chosen < len(words) else BY_PARTS
    return Together(of_whole, msgspec.structs.replace(told, expected=scaled), said_by)


def _expected(past: Past, born: Births, choice: Births, ahead: int) -> Floats:
    """The rest of today is what is usual for it, and what today's pace makes of it, by how much of today is gone.

    choice: the model of each series.
    """
    series, count = past.days.shape
    everyone, left = np.arange(series), 1 - past.gone
    usual = candidates(known_at(past.days, born, count), ahead + 1)[choice, everyone]
    rest = left * (left * usual[:, 0] + past.so_far)
    if past.gone < FED_FROM:
        return np.concatenate([rest[:, None], usual[:, 1:]], axis=1)
    known = np.concatenate([past.days, (past.so_far + rest)[:, None]], axis=1)
    first = np.where((past.days > 0).any(axis=1), born, count)
    coming = candidates(known_at(known, first, count + 1), ahead)[choice, everyone]
    return np.concatenate([rest[:, None], coming], axis=1)


def _course(
    past: Past,
    born: Births,
    test: BackTest,
    expected: Floats,
    usual: tuple[Floats, Floats] | None,
    *,
    is_judged: bool = True,
) -> Course:
    bands = bands_of(test, past.days, born, expected.shape[1], usual)
    age = np.where((past.days > 0).any(axis=1), past.days.shape[1] - born, 0)
    found = [accuracy(test, bands.unit, days, usual[1] if usual else None) for days in STEPS if is_judged]
    return Course(expected, bands, [int(one) for one in test.choice], [int(one) for one in age], found, test)


def is_young(age: int) -> bool:
    """Too young to say anything."""
    return age < DAYS_MIN
