"""Stripe's amounts: smallest units as money, what of a line is revenue, and over which months it is earned.

Source: docs.stripe.com/currencies (smallest units, zero-decimal and three-decimal currencies, special cases), the
invoice, line item and credit note objects of docs.stripe.com/api (`amount` is before discounts and before tax that is
added on top; `taxes` since API version 2025-03-31.basil, before that `tax_amounts`), and the examples of
docs.stripe.com/revenue-recognition, per day; read 2026-11.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from bursar.domain.calendar import month_on
from bursar.finance.business.model import month_of
from bursar.finance.business.tables import AMOUNT_PLACES

ZERO_DECIMAL = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
)
THREE_DECIMAL = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
"""ISK and UGX have no smaller unit either, but the API writes them with two decimals, as it once did."""

PLACE = Decimal(1).scaleb(-AMOUNT_PLACES)
MONTHS_OF = {"month": Decimal(1), "year": Decimal(12)}
DAYS_OF = {"day": Decimal(1), "week": Decimal(7)}
DAYS_A_MONTH = Decimal("30.4375")  # of a year of 365.25 days
CREDITS = "credit_balance_transaction"


def major(minor: int | Decimal, currency: str) -> Decimal:
    """An amount of the API in whole units of its currency, exactly.

    >>> str(major(1999, "usd")), str(major(1999, "jpy")), str(major(1999, "kwd"))
    ('19.99', '1999', '1.999')
    """
    code = currency.upper()
    places = 0 if code in ZERO_DECIMAL else 3 if code in THREE_DECIMAL else 2
    return Decimal(minor).scaleb(-places)


def months_of(interval: str, count: int) -> Decimal:
    """How many months a price is for. Raises KeyError for an interval that Stripe doesn't have."""
    return (MONTHS_OF.get(interval) or DAYS_OF[interval] / DAYS_A_MONTH) * count


def net_of_line(line: Mapping[str, Any]) -> int:
    """What of a line of an invoice or credit note is revenue, in the smallest unit: after discounts, without tax.

    Billing credits are taken off too: they were revenue when they were bought, and a discount when they were given.
    """
    net = int(line["amount"]) - sum(int(one["amount"]) for one in line.get("discount_amounts") or ())
    net -= sum(int(one["amount"]) for one in line.get("pretax_credit_amounts") or () if one.get("type") == CREDITS)
    taxes = line.get("taxes") or line.get("tax_amounts") or ()
    return net - sum(int(tax["amount"]) for tax in taxes if is_inside(tax))


def is_inside(tax: Mapping[str, Any]) -> bool:
    """Whether the price has this tax in it."""
    return bool(tax.get("inclusive")) or tax.get("tax_behavior") == "inclusive"


def spread(amount: Decimal, start: date, until: date) -> dict[date, Decimal]:
    """An amount over the months from `start` to `until` (excluded), by days; parts add up to it exactly."""
    if until <= start:
        return {month_of(start): amount}
    days: dict[date, int] = {}
    day = start
    while day < until:
        after = min(month_on(month_of(day), 1), until)
        days[month_of(day)] = (after - day).days
        day = after
    return dict(zip(days, shared(amount, list(days.values())), strict=True))


def shared(amount: Decimal, weights: Sequence[int | Decimal]) -> list[Decimal]:
    """An amount by weights, in six decimals: cut where the running sum is, so that the last part ends on the amount."""
    whole, given, so_far, found = sum(weights), Decimal(0), Decimal(0), []
    for at, weight in enumerate(weights, 1):
        so_far += weight
        reached = amount if at == len(weights) else (amount * so_far / whole).quantize(PLACE)
        found.append(reached - given)
        given = reached
    return found


def day_of(seconds: int) -> date:
    """A day of the API, in UTC."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(seconds))).date()


def objects_of(found: Any) -> Iterable[Any]:
    """What list objects and arrays have, however deep."""
    if isinstance(found, list):
        for one in found:
            yield from objects_of(one)
    elif isinstance(found, dict) and found.get("object") == "list":
        yield from objects_of(found.get("data", []))
    else:
        yield found
