"""Decimals of tax: exact until a line is told, then half-up to two places; whole rupees apart."""

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_HALF_UP, Context, Decimal, localcontext

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
HUNDRED = Decimal(100)
DIGITS = 60  # of quotients such as 1 / 0.792, before a line is rounded
EXACT = Context(prec=DIGITS)


def half_up(amount: Decimal, places: int = 2) -> Decimal:
    """A tax line as it is told: 202556.818 as 202556.82, 0.005 as 0.01."""
    step = Decimal(1).scaleb(-places)
    with localcontext(EXACT):
        return amount.quantize(step, ROUND_HALF_UP)


def whole(amount: Decimal) -> Decimal:
    """Whole rupees of CGST s.170: fifty paise and above go up."""
    return half_up(amount, 0)


def divided(part: Decimal, by: Decimal) -> Decimal:
    """A quotient of so many digits that no rounding of money can see their end."""
    with localcontext(EXACT):
        return part / by


def times(*factors: Decimal) -> Decimal:
    """A product of any length, exact."""
    with localcontext(EXACT):
        product = Decimal(1)
        for one in factors:
            product *= one
        return product


def ceiling(value: Decimal, places: int = 0) -> Decimal:
    """Rounded up to so many places: 61.01 per cent as 62."""
    with localcontext(EXACT):
        return value.quantize(Decimal(1).scaleb(-places), ROUND_CEILING)


def total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


def trimmed(value: Decimal) -> str:
    """A rate as it is written: 0.2080 as `0.208`, 26.00 as `26`."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
