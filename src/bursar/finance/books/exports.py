"""A month's books as files: a Beancount journal, CSV, JSON. The same books give the same bytes.

Amounts have every digit. Beancount infers from the digits how much may be missing, so all have twelve there, which lets
nothing be. It checks itself: accounts are opened on the month's first day, and each has a balance
assertion on the day after the last.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from bursar.domain.clock import datetime_from_us
from bursar.domain.money import plain
from bursar.finance.books.booked import first_day, next_month
from bursar.finance.books.entries import PRIOR, Transaction
from bursar.finance.books.monthly import MonthBooks

JOURNAL_HEADS = ("day", "month", "belongs_to", "kind", "text", "source", "account", "debit", "credit", "currency")
BALANCE_HEADS = ("month", "account", "debit", "credit", "balance", "currency")
USAGE_HEADS = (
    "day", "month", "belongs_to", "provider", "feature", "team", "environment", "list_cost", "contracted_cost",
    "effective_cost", "billed_cost", "currency", "attempts", "unpriced_count",
)  # fmt: skip


def beancount(books: MonthBooks) -> bytes:
    """The month as a journal that Beancount reads without an error."""
    first, after = first_day(books.month), first_day(next_month(books.month))
    lines = [
        f"; {books.organization}: {books.month}, {_state(books)}",
        "; USD to twelve decimals, as charges are kept; items of earlier months say which in belongs_to",
    ]
    if books.totals.unpriced_count:
        lines.append(f"; {books.totals.unpriced_count} attempts have no price and are in no amount")
    lines += [
        f'option "title" {_quoted(f"{books.organization}, AI spend, {books.month}")}',
        *(f'option "operating_currency" "{currency}"' for currency in sorted({one.currency for one in books.balances})),
        "",
    ]
    opened: dict[str, list[str]] = {}
    for balance in books.balances:
        opened.setdefault(balance.account, []).append(balance.currency)
    lines += [f"{first} open {account} {','.join(currencies)}" for account, currencies in opened.items()]
    for transaction in books.transactions:
        lines += ["", f"{transaction.day} * {_quoted(transaction.text)} #{transaction.kind.replace(' ', '-')}"]
        if transaction.kind == PRIOR:
            lines.append(f"  belongs_to: {_quoted(transaction.belongs)}")
        lines.append(f"  source: {_quoted(transaction.source)}")
        lines += [f"  {one.account}  {one.amount:.12f} {one.currency}" for one in transaction.postings]
    lines.append("")
    lines += [f"{after} balance {one.account}  {one.balance:.12f} {one.currency}" for one in books.balances]
    return "\n".join([*lines, ""]).encode()


def journal_csv(books: MonthBooks) -> bytes:
    """A row for each posting."""
    return _csv(JOURNAL_HEADS, (row for one in books.transactions for row in _journal_rows(books.month, one)))


def balance_csv(books: MonthBooks) -> bytes:
    """The trial balance: a row for each account."""
    return _csv(
        BALANCE_HEADS,
        ([books.month, one.account, one.debit, one.credit, one.balance, one.currency] for one in books.balances),
    )


def usage_csv(books: MonthBooks) -> bytes:
    """What was booked of charges: a row for each day, provider, feature, team and environment."""
    return _csv(
        USAGE_HEADS,
        (
            [
                one.day.isoformat(), books.month, one.belongs, one.provider, one.feature, one.team, one.environment,
                one.list_cost, one.contracted_cost, one.effective_cost, one.billed_cost, "USD", one.attempts,
                one.unpriced_count,
            ]
            for one in books.sums
        ),
    )  # fmt: skip


def books_json(books: MonthBooks) -> bytes:
    """All of it, money as decimal text."""
    told = {
        "month": books.month,
        "organization": books.organization,
        "state": "closed" if books.closing else "open",
        "closed_at": None if books.closing is None else datetime_from_us(books.closing.closed_us).isoformat(),
        "closed_by": None if books.closing is None else books.closing.closed_by,
        "note": None if books.closing is None else books.closing.note,
        "totals": {name: _told(getattr(books.totals, name)) for name in books.totals.__struct_fields__},
        "trial_balance": [
            {"account": one.account, "currency": one.currency, "debit": plain(one.debit), "credit": plain(one.credit),
             "balance": plain(one.balance)}
            for one in books.balances
        ],
        "transactions": [
            {"day": one.day.isoformat(), "kind": one.kind, "belongs_to": one.belongs, "text": one.text,
             "source": one.source, "attempts": one.attempts,
             "postings": [{"account": posting.account, "amount": plain(posting.amount), "currency": posting.currency}
                          for posting in one.postings]}
            for one in books.transactions
        ],
    }  # fmt: skip
    return msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n"


TEXT_EXPORTS: Mapping[str, tuple[str, Callable[[MonthBooks], bytes]]] = {
    "journal.beancount": ("text/plain", beancount),
    "journal.csv": ("text/csv", journal_csv),
    "trial-balance.csv": ("text/csv", balance_csv),
    "usage.csv": ("text/csv", usage_csv),
    "books.json": ("application/json", books_json),
}


def _journal_rows(month: str, one: Transaction) -> Iterable[Sequence[Any]]:
    for posting in one.postings:
        debit, credit = (posting.amount, "") if posting.amount > 0 else ("", -posting.amount)
        yield [
            one.day.isoformat(), month, one.belongs, one.kind, one.text, one.source, posting.account, debit, credit,
            posting.currency,
        ]  # fmt: skip


def _state(books: MonthBooks) -> str:
    if books.closing is None:
        return "open: these figures are provisional"
    return (
        f"closed {datetime_from_us(books.closing.closed_us):%Y-%m-%d %H:%M} UTC by {_one_line(books.closing.closed_by)}"
    )


def _quoted(text: str) -> str:
    escaped = _one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _told(value: Any) -> Any:
    return plain(value) if isinstance(value, Decimal) else value


def _csv(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """RFC 4180; a text that a spreadsheet would run as a formula gets an apostrophe in front."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(heads)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return _told(value)
