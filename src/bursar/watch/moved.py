"""Which values of which dimension an excess falls on: sums that are conserved, the dimension that says most first.

A dimension says much if one of its values has far more of the excess than its share of what was to be expected: a
feature with a tenth of the cost and nine tenths of the excess, rather than one with half of both. Then the value is
taken out and the question asked again inside it: search, of which gpt-5, of which the customer acme.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from bursar.domain.factors import rounded_to_sum
from bursar.domain.findings import Moved, Movement
from bursar.domain.watching import SeriesKey
from bursar.watch.spent import Sums

DEPTH_MAX = 3
SHOWN_MAX = 8  # values of a dimension, the others are one
TOLD_MAX = 4  # dimensions beside each other, those that say most first
SCORE_MIN = 0.2  # less says nothing: everything grew alike
DEEPER_SHARE = Fraction(1, 2)  # of the excess: a value with less isn't looked into
ALIKE = 0.05  # scores that differ by less are alike: the dimension that is named first is the better word

SumsOf = Callable[[tuple[SeriesKey, ...]], Mapping[SeriesKey, Sums]]
"""Inside these series, the sums of the values of each dimension, and the whole."""


def movements(
    sums_of: SumsOf, weights: Sequence[Fraction], series: SeriesKey, dimensions: Sequence[str]
) -> list[Movement]:
    """First what says most of all of it, then the same within its first value, DEPTH_MAX deep; then other dimensions
    that say something of all of it.

    series: the finding's own, whose dimension says nothing more. dimensions: the best words first.
    """
    own = (series,) if series.dimension else ()
    at_first = _within(sums_of(own), weights, own, series, dimensions)
    found = at_first[:1]
    while found and len(found) < DEPTH_MAX:
        last = found[-1]
        first = last.values[0]
        whole = sum(value.excess_pico for value in last.values)
        if first.is_rest or abs(first.excess_pico) < DEEPER_SHARE * abs(whole):
            break
        path = (*last.within, SeriesKey(last.dimension, first.value))
        inside = (*own, *path)
        deeper = _within(sums_of(inside), weights, inside, series, dimensions, within=path)
        if not deeper:
            break
        found.append(deeper[0])
    return found + at_first[1:TOLD_MAX]


def _within(
    sums: Mapping[SeriesKey, Sums],
    weights: Sequence[Fraction],
    inside: Sequence[SeriesKey],
    series: SeriesKey,
    dimensions: Sequence[str],
    *,
    within: tuple[SeriesKey, ...] = (),
) -> list[Movement]:
    """Movements that say something, the one that says most first."""
    whole = sums.get(SeriesKey())
    if whole is None:
        return []
    taken = {one.dimension for one in inside} | {series.dimension}
    found = []
    for place, dimension in enumerate(name for name in dimensions if name not in taken):
        values = {key.value: one for key, one in sums.items() if key.dimension == dimension}
        movement = movement_of(dimension, values, whole, weights, within)
        if movement is not None and movement.score >= SCORE_MIN and len(movement.values) > 1 - bool(within):
            found.append((movement, place))
    if not found:
        return []
    best = max(movement.score for movement, _ in found)
    found.sort(key=lambda pair: (pair[0].score < best - ALIKE, pair[1] if pair[0].score >= best - ALIKE else 0,
                                 -pair[0].score))  # fmt: skip
    return [movement for movement, _ in found]


def movement_of(
    dimension: str,
    values: Mapping[str, Sums],
    whole: Sums,
    weights: Sequence[Fraction],
    within: tuple[SeriesKey, ...] = (),
) -> Movement | None:
    """The excess of one dimension by value, adding up to that of the whole; None where there is none to add up.

    values: those that are known one by one; what they leave of the whole is the rest.
    """
    expected = {value: one.expected(weights) for value, one in values.items()}
    excess = {value: one.now - expected[value] for value, one in values.items()}
    all_expected = whole.expected(weights)
    all_excess = whole.now - all_expected
    if not all_excess or not values:
        return None
    shown = sorted(values, key=lambda value: (-excess[value] / all_excess, value))[:SHOWN_MAX]
    rest_now = whole.now - sum(values[value].now for value in shown)
    rest_expected = all_expected - sum((expected[value] for value in shown), Fraction(0))
    told: dict[str | None, Fraction] = {value: expected[value] for value in shown}
    if rest_now or rest_expected:
        told[None] = rest_expected
    whole_numbers = rounded_to_sum(told)
    moved = [Moved(value, whole_numbers[value], values[value].now) for value in shown]
    if None in told:
        moved.append(Moved("", whole_numbers[None], rest_now, is_rest=True))
    return Movement(dimension, tuple(moved), _score(shown[0], excess, expected, all_excess, all_expected), within)


def _score(
    first: str,
    excess: Mapping[str, Fraction],
    expected: Mapping[str, Fraction],
    of_excess: Fraction,
    of_expected: Fraction,
) -> float:
    share = excess[first] / of_excess
    usual = max(expected[first] / of_expected, Fraction(0)) if of_expected > 0 else Fraction(0)
    return float(min(max(share - usual, Fraction(0)), Fraction(1)))
