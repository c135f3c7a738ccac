"""Paying what was booked in another currency: the exchange difference is a line of its own.

The payable goes at the rate it was booked at, the bank at the rate it was paid at.
"""

from datetime import date
from decimal import Decimal

from bursar.finance.books.chart import Chart, account_of
from bursar.finance.books.entries import Posting
from bursar.finance.books.journal import NewEntry
from bursar.finance.fx.realised import Realised, realised_difference

BANK = "Assets:Bank"


def payment(
    key: str,
    day: date,
    vendor: str,
    amount: Decimal,
    currency: str,
    into: str,
    booked_rate: Decimal,
    paid_rate: Decimal,
    chart: Chart,
) -> tuple[NewEntry, Realised]:
    """The entry of a payment in `into`, the currency of the books, and what was lost or won.

    amount: of the invoice, in `currency`; a rate: what one unit of it is worth in `into`. Raises BadControl.
    """
    found = realised_difference(amount, booked_rate, paid_rate)
    lines = [
        Posting(account_of(chart.payable, {"provider": vendor}), found.booked, into),
        Posting(chart.exchange, found.loss, into),
        Posting(BANK, -found.paid, into),
    ]
    text = f"Paid {amount:f} {currency} to {vendor}, booked at {booked_rate:f}, paid at {paid_rate:f}"
    return NewEntry(key, day, text, [line for line in lines if line.amount], "payment"), found
