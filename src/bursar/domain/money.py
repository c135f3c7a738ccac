"""Exact money.

A unit price is an integer number of femto-dollars (1e-15 USD) per ONE unit: $0.0375 per million tokens is 37_500_000.
A charge is an integer number of pico-dollars (1e-12 USD), rounded once, half-even, from exact femto-dollars.
No float ever holds money.
"""

from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal

PICO_PER_USD = 10**12
FEMTO_PER_USD = 10**15
FEMTO_PER_PICO = 1_000
PICO_MAX = 10**18 - 1  # what DECIMAL(18,12) holds: just under one million dollars a charge

EXACT = Context(prec=64, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""For scaling: the usual 28 digits would round what a thousand large budgets add up to."""

_PLACES_12 = Decimal(1).scaleb(-12)


class InexactMoney(ValueError):
    """A price has more digits than a femto-dollar can hold; nothing is rounded behind the reader's back."""


def pico_from_femto(femto: int) -> int:
    """Round exact femto-dollars to pico-dollars, half-even: the one rounding a charge sees.

    >>> [pico_from_femto(f) for f in (1_500, 2_500, 2_501, -1_500)]
    [2, 2, 3, -2]
    """
    quotient, rest = divmod(femto, FEMTO_PER_PICO)
    if rest > 500 or (rest == 500 and quotient & 1):
        quotient += 1
    return quotient


def pico_from_usd(usd: Decimal) -> int:
    """Round a decimal dollar amount to pico-dollars, half-even."""
    return int(usd.quantize(_PLACES_12, ROUND_HALF_EVEN).scaleb(12))


def usd_from_pico(pico: int) -> Decimal:
    """Pico-dollars as an exact decimal with 12 places: `usd_from_pico(10**12) == Decimal("1.000000000000")`."""
    return Decimal(pico).scaleb(-12, EXACT)


def usd_from_femto(femto: int) -> Decimal:
    """Femto-dollars as an exact decimal with 15 places."""
    return Decimal(femto).scaleb(-15)


def femto_from_usd(usd: Decimal) -> int:
    """A unit price in dollars as femto-dollars. Raises InexactMoney rather than round."""
    scaled = usd.scaleb(15)
    femto = int(scaled)
    if femto != scaled:
        raise InexactMoney(f"{usd} USD has more than 15 decimal places")
    return femto


def femto_from_usd_per_million(usd: Decimal) -> int:
    """A catalogue's "USD per million units" as femto-dollars per one unit. Raises InexactMoney rather than round."""
    return femto_from_usd(usd.scaleb(-6))


def plain(usd: Decimal) -> str:
    """A decimal without exponent or trailing zeros, for machines: `0.00000375`, `12.5`, `0`."""
    text = format(usd, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def usd_text(pico: int) -> bytes:
    """Pico-dollars as plain decimal dollars, without a detour over Decimal (this runs for each call).

    >>> usd_text(1_234_500_000_000), usd_text(0), usd_text(1)
    (b'1.2345', b'0', b'0.000000000001')
    """
    text: bytes = b"%d.%012d" % divmod(pico, 10**12)
    return text.rstrip(b"0").rstrip(b".")
