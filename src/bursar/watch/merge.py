"""Several detections of one thing become one finding, named by the narrowest series that explains it.

A feature that loops is seen on the feature, its team, its model, its key and on everything. What tells them apart is
asked of the ledger: take the feature's calls out, and nothing is left of the others' excess. What has an excess of its
own without them is another finding.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from bursar.domain.watching import Clock, Detection, SeriesKey, Signal
from bursar.watch.buckets import STEP_US

EXPLAINS = Fraction(8, 10)  # of the largest excess: a series with as much may name the finding
LEFT = Fraction(3, 10)  # of a series' own excess: with less left of it without the named one, it was part of that
AS_NARROW = Fraction(21, 20)  # sums within a twentieth are as narrow: the better word names it
APART_US = 15 * 60_000_000  # detections that begin further apart aren't one thing
GROUPS_MAX = 8

NAMES = ("feature", "agent", "credential_id", "customer", "team", "request_type", "model", "provider", "session")
"""The better words first, where several series are the same calls. Tags come after them, the whole last."""

MEASURES = {
    Signal.RETRIES: "retries",
    Signal.ERRORS: "errors",
    Signal.TRUNCATED: "truncated",
    Signal.SILENCE: "calls",
    Signal.TAG_COVERAGE: "untagged_calls",
    Signal.UNPRICED: "unpriced",
}
"""By what of its sums a signal's excess is measured; all others by cost."""


class Amount(NamedTuple):
    """Of one series: what was to be expected of it, and what there was."""

    expected: Fraction
    now: int

    @property
    def excess(self) -> Fraction:
        return self.now - self.expected


AmountsOf = Callable[[str, tuple[SeriesKey, ...]], Mapping[SeriesKey, Amount]]
"""(measure, series that are taken out) → amounts of what is left, by series."""


class Group(NamedTuple):
    """What is one finding: the series that names it, and all detections that it explains, the surest first."""

    series: SeriesKey
    detections: tuple[Detection, ...]

    @property
    def nested(self) -> tuple[SeriesKey, ...]:
        found = dict.fromkeys(one.series for one in self.detections if one.series != self.series)
        return tuple(found)


def at_one_time(detections: Iterable[Detection]) -> list[list[Detection]]:
    """Detections that began within APART_US (two steps of hours and days) of the one before them.

    Or, of minutes, before the one before was certain. Hours and days are all seen up to now: that they go on at one
    time makes them no one thing.
    """
    clusters: list[list[Detection]] = []
    until_us = 0
    for one in sorted(detections, key=lambda one: (one.began_us, one.series, one.signal)):
        if clusters and one.began_us <= until_us:
            clusters[-1].append(one)
        else:
            clusters.append([one])
            until_us = 0
        certain_us = one.seen_us if one.clock is Clock.MINUTE else 0
        until_us = max(until_us, one.began_us + max(APART_US, 2 * STEP_US[one.clock]), certain_us)
    return clusters


def merged(detections: Sequence[Detection], amounts_of: AmountsOf) -> list[Group]:
    """Groups of what happened at one time, the largest of each measure first. Each detection is in exactly one."""
    groups: list[Group] = []
    by_measure: dict[str, list[Detection]] = {}
    for one in detections:
        by_measure.setdefault(measure_of(one.signal), []).append(one)
    for measure in sorted(by_measure, key=lambda name: (name != "cost_pico", name)):
        groups += _of_one_measure(measure, by_measure[measure], amounts_of)
    return _of_one_series(groups)


def measure_of(signal: Signal) -> str:
    return MEASURES.get(signal, "cost_pico")


def _of_one_measure(measure: str, detections: Sequence[Detection], amounts_of: AmountsOf) -> list[Group]:
    left = list(detections)
    at_first = amounts_of(measure, ())
    taken: list[SeriesKey] = []
    groups: list[Group] = []
    while left and len(groups) < GROUPS_MAX - 1:
        now = amounts_of(measure, tuple(taken)) if taken else at_first
        series = _narrowest({one.series for one in left}, now)
        without = amounts_of(measure, (*taken, series)) if series.dimension else {}
        inside = [one for one in left if one.series == series or _is_explained(one.series, at_first, now, without)]
        groups.append(_group(series, inside))
        taken.append(series)
        left = [one for one in left if one not in inside]
        if not series.dimension:
            break
    if left:  # everything, or more groups than are told: one each
        others = sorted({one.series for one in left})
        groups += [_group(series, [one for one in left if one.series == series]) for series in others]
    return groups


def _narrowest(candidates: Iterable[SeriesKey], amounts: Mapping[SeriesKey, Amount]) -> SeriesKey:
    known = {series: amounts.get(series, _NO_AMOUNT) for series in candidates}
    most = max(abs(amount.excess) for amount in known.values())
    explaining = {series: one for series, one in known.items() if abs(one.excess) >= EXPLAINS * most}
    least = min(_size(one) for one in explaining.values())
    narrow = [series for series, one in explaining.items() if _size(one) <= AS_NARROW * least]
    return min(narrow, key=_word)


def _is_explained(
    series: SeriesKey,
    at_first: Mapping[SeriesKey, Amount],
    now: Mapping[SeriesKey, Amount],
    without: Mapping[SeriesKey, Amount],
) -> bool:
    """Whether little of its excess is left without the named one's calls. One without any isn't explained by others."""
    if not at_first.get(series, _NO_AMOUNT).excess:
        return False
    own, left = now.get(series, _NO_AMOUNT).excess, without.get(series, _NO_AMOUNT).excess
    return abs(left) <= LEFT * abs(at_first.get(series, _NO_AMOUNT).excess) and abs(left) <= abs(own)


def _of_one_series(groups: Sequence[Group]) -> list[Group]:
    """Errors, retries and cost of the same series at one time are one finding."""
    found: dict[SeriesKey, Group] = {}
    for one in groups:
        before = found.get(one.series)
        found[one.series] = _group(one.series, (*before.detections, *one.detections)) if before else one
    return list(found.values())


def _group(series: SeriesKey, detections: Sequence[Detection]) -> Group:
    surest = sorted(detections, key=lambda one: (one.series != series, -one.surprise, one.signal, one.series))
    return Group(series, tuple(surest))


def _size(amount: Amount) -> Fraction:
    return max(abs(Fraction(amount.now)), abs(amount.expected))


def _word(series: SeriesKey) -> tuple[int, SeriesKey]:
    if not series.dimension:
        return len(NAMES) + 1, series
    return NAMES.index(series.dimension) if series.dimension in NAMES else len(NAMES), series


_NO_AMOUNT = Amount(Fraction(0), 0)
