"""Exact arithmetic on columns of money: whole numbers of pico, rounded half-even, once, where it is said.

Columns are int64 while what comes out certainly fits, and Python's own integers (dtype object) when it may not: the
same lines work on both.
"""

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[Any]
"""int64 or object, pico or counts."""

FITS = 2.5e17  # so that some thirty of them still add up below 2**63
_LOW_BITS = 32
_LOW_MASK = (1 << _LOW_BITS) - 1


def total(column: Ints) -> int:
    """The exact sum, whatever its size."""
    if column.dtype == object:
        return int(sum(column.ravel().tolist()))
    low, high = column & _LOW_MASK, column >> _LOW_BITS  # neither half can overflow below 2**31 rows
    return (int(high.sum()) << _LOW_BITS) + int(low.sum())


def scaled(column: Ints, factor: Fraction) -> Ints:
    """Each times a factor, rounded half-even.

    >>> scaled(np.array([1, 3, 5]), Fraction(1, 2)).tolist()
    [0, 2, 2]
    """
    return times(column, factor.numerator, factor.denominator)


def times(column: Ints, over: int | Ints, under: int | Ints) -> Ints:
    """Each times `over / under`, rounded half-even. over, under: numbers, or columns that broadcast; under above 0."""
    if column.size == 0:
        return column.copy()
    if not _fits(column, over, under):
        column = column.astype(object)
        over = over.astype(object) if isinstance(over, np.ndarray) else over
        under = under.astype(object) if isinstance(under, np.ndarray) else under
    whole, rest = column // under, column % under  # so that only what is below `under` is multiplied before dividing
    product = rest * over
    quotient, left = whole * over + product // under, product % under
    is_up = (2 * left > under) | ((2 * left == under) & (quotient % 2 == 1))
    found: Ints = quotient + is_up.astype(quotient.dtype)
    return found


def whole_rounded(value: Fraction) -> int:
    """Half-even, as Python rounds a Fraction."""
    return round(value)


def rounded_up(value: Fraction) -> int:
    return -((-value.numerator) // value.denominator)


def _fits(column: Ints, over: int | Ints, under: int | Ints) -> bool:
    if object in (column.dtype, getattr(over, "dtype", None), getattr(under, "dtype", None)):
        return False
    most_over, most_under, least_under = _most(over), _most(under), _least(under)
    biggest = float(np.abs(column).max())
    return (
        most_under * most_over < FITS and biggest / least_under * most_over + most_over < FITS and most_under < FITS / 2
    )


def _most(value: int | Ints) -> float:
    return float(np.abs(value).max()) if isinstance(value, np.ndarray) else abs(float(value))


def _least(value: int | Ints) -> float:
    return max(float(value.min()), 1.0) if isinstance(value, np.ndarray) else float(value)
