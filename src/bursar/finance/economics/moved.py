"""What moved a cost against the months before, in three factors that add up: calls x tokens a call x cost of a token.

For every row of a page: sums are enough for it. One customer's page has the finer parts of `causes.py`.
"""

from fractions import Fraction

import msgspec

from bursar.domain.factors import rounded_to_sum


class Volume(msgspec.Struct, frozen=True):
    """Sums of some months. cost_pico: of priced charges."""

    calls: int
    tokens: int
    cost_pico: int


class Moved(msgspec.Struct, frozen=True):
    """Parts of a change in pico; they add up to it. is_new: there was nothing before, and all of it is calls."""

    change_pico: int
    calls: int
    tokens: int
    price: int
    is_new: bool = False

    @property
    def most(self) -> str:
        """The factor with the largest part, as the change has its sign: calls, tokens or price; "": nothing moved."""
        sign = -1 if self.change_pico < 0 else 1
        parts = {"calls": sign * self.calls, "tokens": sign * self.tokens, "price": sign * self.price}
        name = max(parts, key=lambda one: parts[one])
        return name if parts[name] > 0 else ""


def moved(before: Volume, now: Volume) -> Moved:
    """Each factor's part is averaged over all orders in which the three could have changed (Shapley).

    >>> moved(Volume(10, 1000, 100), Volume(20, 2000, 200))
    Moved(change_pico=100, calls=100, tokens=0, price=0, is_new=False)
    """
    change = now.cost_pico - before.cost_pico
    if not (before.calls > 0 and before.tokens > 0 and now.calls > 0 and now.tokens > 0):
        return Moved(change, change, 0, 0, is_new=not before.calls and bool(now.calls))
    a, b = _factors(before), _factors(now)
    parts = {}
    for name, (i, j, k) in {"calls": (0, 1, 2), "tokens": (1, 0, 2), "price": (2, 0, 1)}.items():
        both, mixed = a[j] * a[k] + b[j] * b[k], a[j] * b[k] + b[j] * a[k]
        parts[name] = (b[i] - a[i]) * (2 * both + mixed) / 6
    found = rounded_to_sum(parts)
    return Moved(change, found["calls"], found["tokens"], found["price"])


def _factors(one: Volume) -> tuple[Fraction, Fraction, Fraction]:
    return Fraction(one.calls), Fraction(one.tokens, one.calls), Fraction(one.cost_pico, one.tokens)
