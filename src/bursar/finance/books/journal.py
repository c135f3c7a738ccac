"""The general journal: entries that aren't charges. Credits bought, invoices, tax, transfers between teams.

Appended only. A wrong one is undone by its opposite. One of a month that is closed is booked in the month in which it
is posted, as charges are (`booked.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from sqlalchemy import Row, func, insert, select

from bursar.domain.clock import Clock, datetime_from_us
from bursar.domain.errors import BadControl, UnknownControl
from bursar.domain.money import plain
from bursar.finance.books.booked import Closings, booked_month
from bursar.finance.books.chart import check_account
from bursar.finance.books.entries import ENTRY, PRIOR, Posting, Transaction, out_of_balance
from bursar.finance.fx.rates import is_currency
from bursar.governance.audit import record_change
from bursar.governance.schema_closing import CLOSED_MONTHS, JOURNAL_ENTRIES
from bursar.governance.store import ControlStore

LINES_MAX = 2_000
TEXT_MAX = 500
AMOUNT_MAX = Decimal(10) ** 15
HAND = "by hand"


class JournalEntry(msgspec.Struct, frozen=True):
    """One entry as it was posted. key: what it is, once and for all; source: who made it, such as `chargeback`."""

    number: int
    key: str
    day: date
    text: str
    source: str
    postings: list[Posting]
    posted_us: int
    posted_by: str

    @property
    def belongs(self) -> str:
        return self.day.isoformat()[:7]


class NewEntry(msgspec.Struct, frozen=True):
    """An entry to be posted; `postings` add up to nothing in each currency."""

    key: str
    day: date
    text: str
    postings: Sequence[Posting]
    source: str = HAND


class JournalBook:
    """The general journal of a site. secret: of the audit log."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def post(self, entries: Sequence[NewEntry], *, actor: str) -> list[JournalEntry]:
        """Post entries, all or none; one whose key is there already is left out. What was posted now.

        Raises BadControl for one that doesn't balance, to the last digit.
        """
        for entry in entries:
            check_entry(entry)
        posted = []
        with self._store.writing() as connection:
            closed_us = connection.execute(select(func.max(CLOSED_MONTHS.c.closed_us))).scalar_one_or_none()
            now_us = max(self._clock.now_us(), (closed_us or 0) + 1)  # never into a month that is closed
            keys = [entry.key for entry in entries]
            table = JOURNAL_ENTRIES.c
            known = set(connection.execute(select(table.entry_key).where(table.entry_key.in_(keys))).scalars())
            for entry in entries:
                if entry.key in known:
                    continue
                known.add(entry.key)
                lines = _lines_json(entry.postings)
                values = {
                    "entry_key": entry.key, "day": entry.day.isoformat(), "text": entry.text, "source": entry.source,
                    "lines": lines, "posted_us": now_us, "posted_by": actor,
                }  # fmt: skip
                done = connection.execute(insert(JOURNAL_ENTRIES).values(values))
                number = int((done.inserted_primary_key or (0,))[0])
                record_change(
                    connection, self._secret, at_us=now_us, actor=actor, action="journal.post", subject=entry.key,
                    detail={"day": entry.day.isoformat(), "text": entry.text, "lines": lines[:2_000]},
                )  # fmt: skip
                posted.append(
                    JournalEntry(
                        number, entry.key, entry.day, entry.text, entry.source, list(entry.postings), now_us, actor
                    )
                )
        return posted

    def reverse(self, key: str, *, day: date, actor: str) -> list[JournalEntry]:
        """Post the opposite of an entry, on a day; nothing where that was done. Raises UnknownControl."""
        with self._store.reading() as connection:
            row = connection.execute(select(JOURNAL_ENTRIES).where(JOURNAL_ENTRIES.c.entry_key == key)).first()
        if row is None:
            raise UnknownControl(f"no entry of the journal has the key {key[:200]!r}", field="key")
        entry = _entry(row)
        opposite = [Posting(one.account, -one.amount, one.currency) for one in entry.postings]
        text = f"Undoes: {entry.text}"[:TEXT_MAX]
        return self.post([NewEntry(f"{key}:undone", day, text, opposite, entry.source)], actor=actor)

    def all(self) -> list[JournalEntry]:
        """Every entry, oldest first."""
        with self._store.reading() as connection:
            rows = connection.execute(select(JOURNAL_ENTRIES).order_by(JOURNAL_ENTRIES.c.number))
            return [_entry(row) for row in rows]

    def booked(self, month: str, closings: Closings) -> list[Transaction]:
        """What is booked in a month, as transactions."""
        found = []
        for entry in self.all():
            posted = datetime_from_us(entry.posted_us).date()
            where = booked_month(entry.belongs, entry.posted_us, posted.isoformat()[:7], closings)
            if where == month:
                is_late = where != entry.belongs
                day, kind = (posted, PRIOR) if is_late else (entry.day, ENTRY)
                found.append(Transaction(day, kind, entry.belongs, entry.text, entry.source, entry.postings))
        return found


def check_entry(entry: NewEntry) -> NewEntry:
    """Raises BadControl that names the field."""
    if not entry.key or len(entry.key) > 200 or not entry.key.isprintable():
        raise BadControl("key: 1 to 200 printable characters, another one for each entry", field="key")
    if not entry.text.strip() or len(entry.text) > TEXT_MAX or not entry.text.isprintable():
        raise BadControl(f"text: what it is, in 1 to {TEXT_MAX} printable characters", field="text")
    if not 2 <= len(entry.postings) <= LINES_MAX:
        raise BadControl(f"postings: {len(entry.postings)}; an entry has 2 to {LINES_MAX}", field="postings")
    for posting in entry.postings:
        check_account(posting.account, "postings.account")
        if not is_currency(posting.currency):
            raise BadControl(f"postings.currency: {posting.currency[:20]!r}; write USD", field="postings.currency")
        amount = posting.amount
        if not amount.is_finite() or abs(amount) > AMOUNT_MAX or -int(amount.as_tuple().exponent) > 12:
            raise BadControl(f"postings.amount: {str(amount)[:40]!r}; at most 12 decimals", field="postings.amount")
    if off := out_of_balance(entry.postings):
        told = ", ".join(f"{plain(amount)} {currency}" for currency, amount in sorted(off.items()))
        raise BadControl(f"postings: debits and credits differ by {told}", field="postings")
    return entry


def read_postings(lines: Sequence[str]) -> list[Posting]:
    """`Expenses:X 12.50 USD`, a line each. Raises BadControl."""
    found = []
    for line in lines:
        words = line.split()
        if not 2 <= len(words) <= 3:
            raise BadControl(f"postings: {line[:80]!r}; write Expenses:AI:Seats 120.00 USD", field="postings")
        try:
            amount = Decimal(words[1].replace(",", ""))
        except InvalidOperation as error:
            raise BadControl(f"postings: {words[1][:40]!r} is no amount", field="postings") from error
        found.append(Posting(words[0], amount, words[2] if len(words) == 3 else "USD"))
    return found


def _lines_json(postings: Sequence[Posting]) -> str:
    lines: list[Mapping[str, str]] = [
        {"account": one.account, "amount": plain(one.amount), "currency": one.currency} for one in postings
    ]
    return msgspec.json.encode(lines).decode()


def _entry(row: Row[Any]) -> JournalEntry:
    postings = [
        Posting(one["account"], Decimal(one["amount"]), one["currency"]) for one in msgspec.json.decode(row.lines)
    ]
    return JournalEntry(
        row.number,
        row.entry_key,
        date.fromisoformat(row.day),
        row.text,
        row.source,
        postings,
        row.posted_us,
        row.posted_by,
    )
