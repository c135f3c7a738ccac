"""Divide an amount by weights so that the parts add up to it, to the last pico-dollar."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction


def divide(total_pico: int, weights: Mapping[str, Decimal | int]) -> dict[str, int]:
    """A part for each name that has a weight above zero; nothing where none has.

    Each part is its exact share rounded down; what is left over goes pico by pico to the largest remainders, and among
    equal ones to the first by name. Below zero it is divided as it would be above. Exact: no float, no rounding twice.
    """
    shares = {name: Fraction(weight) for name, weight in weights.items() if weight > 0}
    whole = sum(shares.values())
    if not whole:
        return {}
    sign, amount = (-1, -total_pico) if total_pico < 0 else (1, total_pico)
    exact = {name: amount * share / whole for name, share in shares.items()}
    parts = {name: int(part) for name, part in exact.items()}
    left = amount - sum(parts.values())
    by_remainder = sorted(exact, key=lambda name: (parts[name] - exact[name], name))
    for name in by_remainder[:left]:
        parts[name] += 1
    return {name: sign * part for name, part in parts.items()}
