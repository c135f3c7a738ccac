"""A month of the books as one value: what every page and file of it is made from."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from bursar.finance.books.booked import BookedSum, Closings
from bursar.finance.books.chart import Chart
from bursar.finance.books.entries import PRIOR, AccountBalance, Posting, Transaction, transactions_of, trial_balance


class Closing(msgspec.Struct, frozen=True):
    """Who closed a month, when and why. closed_us: until then, included, what was posted is in it."""

    month: str
    closed_us: int
    closed_by: str
    note: str
    chart_number: int


class Totals(msgspec.Struct, frozen=True):
    """Of a month's charges, USD; prior_billed: the part of billed_cost that belongs to earlier months."""

    list_cost: Decimal
    contracted_cost: Decimal
    effective_cost: Decimal
    billed_cost: Decimal
    prior_billed: Decimal
    attempts: int
    unpriced_count: int
    entries: int


class MonthBooks(msgspec.Struct, frozen=True):
    """All that is booked in a month. closing: None while it is open; its figures are provisional then."""

    month: str
    organization: str
    closing: Closing | None
    transactions: list[Transaction]
    balances: list[AccountBalance]
    sums: list[BookedSum]
    totals: Totals

    @property
    def prior(self) -> list[Transaction]:
        """Items of months that were closed before."""
        return [one for one in self.transactions if one.kind == PRIOR]


def month_books(
    month: str,
    organization: str,
    closing: Closing | None,
    sums: Sequence[BookedSum],
    entries: Sequence[Transaction],
    chart: Chart,
) -> MonthBooks:
    """Pure: the same arguments give the same books, in the same order."""
    transactions = [*transactions_of(sums, chart), *entries]
    transactions.sort(key=lambda one: (one.day, one.kind, one.belongs, one.text, one.source, _sort_key(one.postings)))

    def total(name: str) -> Decimal:
        return sum((getattr(one, name) for one in sums), Decimal(0))

    totals = Totals(
        list_cost=total("list_cost"),
        contracted_cost=total("contracted_cost"),
        effective_cost=total("effective_cost"),
        billed_cost=total("billed_cost"),
        prior_billed=sum((one.billed_cost for one in sums if one.is_late), Decimal(0)),
        attempts=sum(one.attempts for one in sums),
        unpriced_count=sum(one.unpriced_count for one in sums),
        entries=len(entries),
    )
    return MonthBooks(month, organization, closing, transactions, trial_balance(transactions), list(sums), totals)


def until_of(closings: Sequence[Closing]) -> Closings:
    """By month, until when what was posted is in it."""
    return {one.month: one.closed_us for one in closings}


def _sort_key(postings: Sequence[Posting]) -> tuple[tuple[str, str, Decimal], ...]:
    return tuple((one.account, one.currency, one.amount) for one in postings)
