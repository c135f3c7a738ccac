"""Transactions of double entry: what is booked in a month, from charges and from the general journal.

Every transaction adds up to nothing in each of its currencies, exactly; debits are above zero, credits below.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby

import msgspec

from bursar.finance.books.booked import BookedSum
from bursar.finance.books.chart import FIELDS, Chart, account_of

USD = "USD"
USAGE, PRIOR, ENTRY = "usage", "prior period", "entry"


class Posting(msgspec.Struct, frozen=True):
    """An amount on an account; below zero it is a credit."""

    account: str
    amount: Decimal
    currency: str = USD


class Transaction(msgspec.Struct, frozen=True):
    """kind: usage; prior period (of a month that was closed before); entry (of the general journal). belongs: the month
    it is of. attempts: of the charges behind it."""

    day: date
    kind: str
    belongs: str
    text: str
    source: str
    postings: list[Posting]
    attempts: int = 0


class AccountBalance(msgspec.Struct, frozen=True):
    """A row of the trial balance."""

    account: str
    currency: str
    debit: Decimal
    credit: Decimal

    @property
    def balance(self) -> Decimal:
        """Above zero it is a debit balance."""
        return self.debit - self.credit


def transactions_of(sums: Sequence[BookedSum], chart: Chart) -> list[Transaction]:
    """One for each day, provider and month that charges belong to."""
    found = []
    ordered = sorted(sums, key=lambda one: (one.day, one.is_late, one.belongs, one.provider))
    for (day, is_late, belongs, provider), group in groupby(
        ordered, key=lambda one: (one.day, one.is_late, one.belongs, one.provider)
    ):
        rows = list(group)
        postings = added_up(posting for row in rows for posting in _postings(row, chart))
        attempts = sum(row.attempts for row in rows)
        if not postings:
            continue
        text = f"{provider or 'no provider'}, usage" + (f" of {belongs}, posted later" if is_late else "")
        found.append(Transaction(day, PRIOR if is_late else USAGE, belongs, text, "ledger", postings, attempts))
    return found


def added_up(postings: Iterable[Posting]) -> list[Posting]:
    """One for each account and currency, by account; none of nothing."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for posting in postings:
        sums[posting.account, posting.currency] += posting.amount
    return [Posting(account, amount, currency) for (account, currency), amount in sorted(sums.items()) if amount]


def trial_balance(transactions: Iterable[Transaction]) -> list[AccountBalance]:
    """By account and currency: what was debited and what was credited."""
    debited: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    credited: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for transaction in transactions:
        for posting in transaction.postings:
            side = debited if posting.amount > 0 else credited
            side[posting.account, posting.currency] += abs(posting.amount)
    keys = sorted(set(debited) | set(credited))
    return [AccountBalance(*key, debited.get(key, Decimal(0)), credited.get(key, Decimal(0))) for key in keys]


def out_of_balance(postings: Iterable[Posting]) -> dict[str, Decimal]:
    """By currency what debits are above credits; empty: it balances."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for posting in postings:
        sums[posting.currency] += posting.amount
    return {currency: amount for currency, amount in sums.items() if amount}


def _postings(row: BookedSum, chart: Chart) -> list[Posting]:
    facts = {field: getattr(row, field) for field in FIELDS}
    return [
        Posting(chart.expense_of(facts), row.list_cost),
        Posting(account_of(chart.discount, facts), row.contracted_cost - row.list_cost),
        Posting(account_of(chart.commitment, facts), row.effective_cost - row.contracted_cost),
        Posting(account_of(chart.prepaid, facts), row.billed_cost - row.effective_cost),
        Posting(account_of(chart.accrued, facts), -row.billed_cost),
    ]
