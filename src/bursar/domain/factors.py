"""Why a cost changed, exactly: between calls before and calls after, each factor's part, all parts adding up.

The model. Attempts are put in cells: a model, within a value of one more dimension (the mix). Of a window

    cost = calls x sum over cells of share x (input x split x price + output x price + other) + retries

where `calls` are calls that ended, `share` is the cell's share of them (of the mix value, and of the model within it),
`input` tokens in per call, `split` how these divide into fresh, cache read and cache write, `output` units out per
call, `other` what isn't tokens, and `retries` what attempts cost that weren't the last of their call.

Each factor is switched from before to after, and its part is how much that changes the cost, averaged over all orders
in which the factors could be switched (Shapley): no order is favoured, and the parts always add up. All of it is in
fractions; only the parts are rounded, to the pico, and the rounding is spread so that they still add up.

A cell that is only on one side borrows the other side's figures per call: all that it changes is then its share. So a
swapped model is `models`, and not "longer answers" of a model that had none.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from math import factorial
from typing import TypeVar

import msgspec

from bursar.domain.findings import Factor, Part
from bursar.domain.usage import INPUT_UNITS, OUTPUT_UNITS

Key = TypeVar("Key")
CellKey = tuple[str, str]
"""(value of the mix's dimension, model)."""

_ZERO = Fraction(0)
_INPUTS = frozenset(unit.value for unit in INPUT_UNITS)
_OUTPUTS = frozenset(unit.value for unit in OUTPUT_UNITS)

_OUTER = (Factor.CALLS, Factor.MIX, Factor.MODELS)
_INNER = (Factor.INPUT, Factor.CACHE, Factor.OUTPUT, Factor.OTHER, Factor.PRICE)


class Cell(msgspec.Struct):
    """Calls of one model and one value. cost: all of it that is known, in pico USD. wasted: of which on attempts that
    weren't the last of their call. units: of the last attempts, unit → (quantity, cost in pico USD), exactly.
    """

    calls: Fraction = _ZERO
    cost: Fraction = _ZERO
    wasted: Fraction = _ZERO
    units: dict[str, tuple[Fraction, Fraction]] = {}

    def scaled(self, weight: Fraction) -> "Cell":
        """As many calls of the same kind as `weight` says."""
        units = {name: (quantity * weight, cost * weight) for name, (quantity, cost) in self.units.items()}
        return Cell(self.calls * weight, self.cost * weight, self.wasted * weight, units)


Window = Mapping[CellKey, Cell]


def decompose(before: Window, after: Window) -> list[Part]:
    """Parts of the change of cost, largest first, those of nothing left out. They add up to the change, rounded.

    >>> one = Cell(Fraction(1), Fraction(10), units={"input": (Fraction(5), Fraction(10))})
    >>> decompose({("", "m"): one}, {("", "m"): one.scaled(Fraction(3))})
    [Part(factor=<Factor.CALLS: 'calls'>, pico=20)]
    """
    parts = dict.fromkeys(Factor, _ZERO)
    calls = _calls(before), _calls(after)
    for key in sorted(before.keys() | after.keys()):
        shares = _shares(key, before, after)
        sides = _inner_figures(before.get(key), after.get(key))
        outer = {
            chosen: calls[Factor.CALLS in chosen] * shares[0][Factor.MIX in chosen] * shares[1][Factor.MODELS in chosen]
            for chosen in _subsets(_OUTER)
        }
        inner = {chosen: _cost_per_call(sides, chosen) for chosen in _subsets(_INNER)}
        for factor, part in _shapley_of_product(outer, inner).items():
            parts[factor] += part
    for factor, part in _waste(before, after, calls).items():
        parts[factor] += part
    found = rounded_to_sum({factor: part for factor, part in parts.items() if part})
    return sorted(
        (Part(factor, pico) for factor, pico in found.items() if pico), key=lambda part: (-abs(part.pico), part.factor)
    )


def rounded_to_sum(amounts: Mapping[Key, Fraction]) -> dict[Key, int]:
    """Whole numbers near each amount that add up to the rounded sum: those with the largest rests are rounded up."""
    floors = {key: amount.__floor__() for key, amount in amounts.items()}
    missing = round(sum(amounts.values(), _ZERO)) - sum(floors.values())
    by_rest = sorted(amounts, key=lambda key: (floors[key] - amounts[key], str(key)))
    if missing < 0:  # the sum was rounded down, below what the floors add up to: never more than a place
        by_rest.reverse()
    for key in by_rest[: abs(missing)]:
        floors[key] += 1 if missing > 0 else -1
    return floors


def _calls(window: Window) -> Fraction:
    return sum((cell.calls for cell in window.values()), _ZERO)


def _shares(key: CellKey, before: Window, after: Window) -> tuple[tuple[Fraction, Fraction], tuple[Fraction, Fraction]]:
    """Of the mix value among all calls and of the model within it: (before, after) each."""
    mix, model = [], []
    for window in (before, after):
        all_calls, own = _calls(window), _calls_of(window, key[0])
        cell = window.get(key)
        mix.append(own / all_calls if all_calls else None)
        model.append((cell.calls if cell else _ZERO) / own if own else None)
    return _either(mix), _either(model)


def _calls_of(window: Window, value: str) -> Fraction:
    return sum((cell.calls for key, cell in window.items() if key[0] == value), _ZERO)


def _either(sides: Sequence[Fraction | None]) -> tuple[Fraction, Fraction]:
    """A side that says nothing borrows the other's."""
    first, second = sides
    known = first if first is not None else second
    other = second if second is not None else first
    return known or _ZERO, other or _ZERO


class _Figures(msgspec.Struct):
    """Per call. split: of input tokens, adding up to 1. other: what no unit with a price says."""

    length: Fraction
    split: dict[str, Fraction]
    output: dict[str, Fraction]
    counted: dict[str, Fraction]
    other: Fraction
    prices: dict[str, Fraction]


def _inner_figures(before: Cell | None, after: Cell | None) -> tuple[_Figures, _Figures]:
    has_before, has_after = bool(before and before.calls), bool(after and after.calls)
    one = _figures(before) if before and has_before else None
    two = _figures(after) if after and has_after else None
    first, second = one or two or _NOTHING, two or one or _NOTHING
    for mine, others in ((first, second), (second, first)):
        for unit, price in others.prices.items():
            mine.prices.setdefault(unit, price)  # what wasn't used on one side had the other's price, for all we know
        if not mine.length:
            mine.split = mine.split or others.split
    return first, second


def _figures(cell: Cell) -> _Figures:
    inputs = {unit: found[0] for unit, found in cell.units.items() if unit in _INPUTS}
    length = sum(inputs.values(), _ZERO)
    per_call = {unit: found[0] / cell.calls for unit, found in cell.units.items() if unit not in _INPUTS}
    explained = sum((cost for quantity, cost in cell.units.values() if quantity), _ZERO)
    return _Figures(
        length=length / cell.calls,
        split={unit: quantity / length for unit, quantity in inputs.items()} if length else {},
        output={unit: quantity for unit, quantity in per_call.items() if unit in _OUTPUTS},
        counted={unit: quantity for unit, quantity in per_call.items() if unit not in _OUTPUTS},
        other=(cell.cost - cell.wasted - explained) / cell.calls,
        prices={unit: cost / quantity for unit, (quantity, cost) in cell.units.items() if quantity},
    )


_NOTHING = _Figures(_ZERO, {}, {}, {}, _ZERO, {})


def _cost_per_call(sides: tuple[_Figures, _Figures], chosen: frozenset[Factor]) -> Fraction:
    """chosen: the factors that are as they were after."""
    prices = sides[Factor.PRICE in chosen].prices
    length, split = sides[Factor.INPUT in chosen].length, sides[Factor.CACHE in chosen].split
    output, counted = sides[Factor.OUTPUT in chosen].output, sides[Factor.OTHER in chosen].counted
    return (
        length * _priced(split, prices)
        + _priced(output, prices)
        + _priced(counted, prices)
        + sides[Factor.OTHER in chosen].other
    )


def _priced(quantities: Mapping[str, Fraction], prices: Mapping[str, Fraction]) -> Fraction:
    return sum((quantity * prices.get(unit, _ZERO) for unit, quantity in quantities.items()), _ZERO)


def _waste(before: Window, after: Window, calls: tuple[Fraction, Fraction]) -> dict[Factor, Fraction]:
    """What attempts that weren't the last of their call cost: calls x waste per call.

    Cells of attempts whose calls all ended elsewhere have nothing else: their cost is all waste.
    """
    per_call = []
    for window, number in zip((before, after), calls, strict=True):
        wasted = sum((cell.wasted if cell.calls else cell.cost for cell in window.values()), _ZERO)
        per_call.append((wasted, number))
    (waste_before, calls_before), (waste_after, calls_after) = per_call
    if not calls_before or not calls_after:
        return {Factor.RETRIES: waste_after - waste_before}
    was, now = waste_before / calls_before, waste_after / calls_after
    return {
        Factor.CALLS: (calls_after - calls_before) * (was + now) / 2,
        Factor.RETRIES: (now - was) * (calls_before + calls_after) / 2,
    }


def _subsets(factors: Sequence[Factor]) -> Iterable[frozenset[Factor]]:
    for size in range(len(factors) + 1):
        yield from map(frozenset, combinations(factors, size))


def _shapley_of_product(
    outer: Mapping[frozenset[Factor], Fraction], inner: Mapping[frozenset[Factor], Fraction]
) -> dict[Factor, Fraction]:
    """Each factor's part of outer x inner. The two know nothing of each other's factors, so that only the sizes of the
    sets matter: eight factors need forty products instead of 256."""
    players = len(_OUTER) + len(_INNER)
    found = {}
    for mine, others, names in ((outer, inner, _OUTER), (inner, outer, _INNER)):
        by_size = [_ZERO] * (players - len(names) + 1)
        for chosen, value in others.items():
            by_size[len(chosen)] += value
        for factor in names:
            steps = [_ZERO] * len(names)
            for chosen, value in mine.items():
                if factor not in chosen:
                    steps[len(chosen)] += mine[chosen | {factor}] - value
            found[factor] = sum(
                (
                    step * value * _weight(at + size, players)
                    for at, step in enumerate(steps)
                    for size, value in enumerate(by_size)
                ),
                _ZERO,
            )
    return found


def _weight(size: int, players: int) -> Fraction:
    """How large a share of all orders has exactly these `size` before the one that is looked at."""
    return Fraction(factorial(size) * factorial(players - size - 1), factorial(players))
