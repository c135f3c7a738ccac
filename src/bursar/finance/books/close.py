"""The close: a named person closes a month, its files are kept, and what is posted later is another month's.

A closed month is never opened again. What turns out wrong is posted as a correction; it is booked in the open month, as
an item of the closed one, and both files say so.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select

from bursar.domain.clock import Clock, datetime_from_us
from bursar.domain.errors import BadControl, ChangedMeanwhile, UnknownControl
from bursar.domain.money import plain
from bursar.finance.books.bills import Bill
from bursar.finance.books.booked import MonthSum, booked_sums, first_day, month_sums
from bursar.finance.books.chart import Chart, check_chart
from bursar.finance.books.checklist import Check, can_close, checklist, to_look_at
from bursar.finance.books.entries import Transaction
from bursar.finance.books.exports import TEXT_EXPORTS
from bursar.finance.books.flats import OpenFlat
from bursar.finance.books.journal import JournalBook
from bursar.finance.books.monthly import Closing, MonthBooks, Totals, month_books, until_of
from bursar.finance.books.tie import Tie, tie_month
from bursar.finance.books.workbook import XLSX, workbook
from bursar.governance.audit import record_change
from bursar.governance.schema_closing import ACCOUNT_CHARTS, CLOSED_EXPORTS, CLOSED_MONTHS
from bursar.governance.store import ControlStore, OpenTransaction
from bursar.ledger.floor import close_until
from bursar.ledger.store import Ledger

NOTE_MAX = 2_000
NAME_MAX = 200
NOBODY = ("", "console", "bursar", "system", "unknown")
EXPORTS: Mapping[str, tuple[str, Callable[[MonthBooks], bytes]]] = {**TEXT_EXPORTS, "books.xlsx": (XLSX, workbook)}
"""By file name: its media type, and how it is made."""


class ClosedMonth(msgspec.Struct, frozen=True):
    """A closing with all that was kept of it. hashes: SHA-256 of each file."""

    closing: Closing
    totals: dict[str, str]
    checks: list[Check]
    hashes: dict[str, str]


class Proof(msgspec.Struct, frozen=True):
    """Whether a closed month's file, made again from the ledger of today, has the bytes that were kept."""

    month: str
    name: str
    is_same: bool


class CloseBook:
    """The months of a site's books.

    secret: of the audit log; organization: named in files; unread_bytes: of the journal, as the loader knows it; bills:
    of a month, as they were compared last; flats: its flat costs that aren't booked.
    """

    def __init__(
        self,
        store: ControlStore,
        secret: bytes,
        ledger: Ledger,
        clock: Clock,
        organization: str,
        unread_bytes: Callable[[], int] = lambda: 0,
        bills: Callable[[str], Sequence[Bill]] = lambda _month: (),
        flats: Callable[[str], Sequence[OpenFlat]] = lambda _month: (),
    ) -> None:
        self._store = store
        self._secret = secret
        self.ledger = ledger
        self._clock = clock
        self._organization = organization
        self._unread_bytes = unread_bytes
        self._bills = bills
        self._flats = flats
        self.journal = JournalBook(store, secret, clock)

    def closings(self) -> list[Closing]:
        """Closed months, oldest first."""
        with self._store.reading() as connection:
            return _closings(connection)

    def months(self) -> list[MonthSum]:
        """Each month in which charges are booked."""
        until = until_of(self.closings())
        with self.ledger.reading() as session:
            return month_sums(session, until)

    def books(self, month: str) -> MonthBooks:
        """A month as it is booked now: for a closed one the same as ever. Raises BadPeriod."""
        first_day(month)
        closings = self.closings()
        closing = next((one for one in closings if one.month == month), None)
        entries = self.journal.booked(month, until_of(closings))
        return self._made(month, closing, closings, entries)

    def checks(self, month: str, flats: Sequence[OpenFlat] | None = None) -> list[Check]:
        """What to look at before it is closed. flats: its flat costs that aren't booked, where they are known; None:
        they are asked for. Raises BadPeriod."""
        bills = self._bills(month)
        flats = self._flats(month) if flats is None else flats
        with self.ledger.reading() as session:
            return checklist(session, month, until_of(self.closings()), self._now(), self._unread_bytes(), bills, flats)

    def tie(self, month: str, timezone: str = "UTC") -> Tie:
        """How it ties to Explore, and to pages and reports, whose months are a time zone's. Raises BadPeriod."""
        until = until_of(self.closings())
        with self.ledger.reading() as session:
            return tie_month(session, month, until, timezone)

    def close(self, month: str, *, by: str, note: str = "", accepted: bool = False) -> ClosedMonth:
        """Close a month. by: the person who answers for it; accepted: they looked at what the checklist shows.

        Raises BadPeriod, BadControl that says what is in the way, ChangedMeanwhile if it is closed already.
        """
        by, note = check_person(by), note.strip()
        if len(note) > NOTE_MAX:
            raise BadControl(f"note: {len(note)} characters, at most {NOTE_MAX}", field="note")
        if any(one.month == month for one in self.closings()):
            raise ChangedMeanwhile(f"{month} is closed already; post what is late in the open month", field="month")
        checks = self.checks(month)
        if not can_close(checks):
            why = "; ".join(f"{one.title.lower()}: {one.text}" for one in checks if one.state == "blocks")
            raise BadControl(f"{month} can't be closed: {why}", field="month")
        open_ones = to_look_at(checks)
        if open_ones and not (accepted and note):
            titles = ", ".join(one.title.lower() for one in open_ones)
            raise BadControl(
                f"{month} has {len(open_ones)} to look at ({titles}): accept them, and say why in a note", field="note"
            )
        with self.ledger.writing() as session:  # from here on whatever is posted is a later month's
            closed_us = close_until(session, self._clock.now_us())
        with self._store.writing() as connection:
            return self._keep(connection, Closing(month, closed_us, by, note, _chart_number(connection)), checks)

    def closed(self, month: str) -> ClosedMonth:
        """What was kept of a closing. Raises UnknownControl."""
        with self._store.reading() as connection:
            row = connection.execute(select(CLOSED_MONTHS).where(CLOSED_MONTHS.c.month == month)).first()
            if row is None:
                raise UnknownControl(f"{month[:40]!r} isn't closed (`bursar close list`)", field="month")
            table = CLOSED_EXPORTS.c
            hashes = connection.execute(
                select(table.name, table.sha256).where(table.month == month).order_by(table.name)
            )
            return ClosedMonth(
                _closing(row), msgspec.json.decode(row.totals), msgspec.json.decode(row.checklist, type=list[Check]),
                {str(name): str(digest) for name, digest in hashes},
            )  # fmt: skip

    def export(self, month: str, name: str) -> bytes:
        """A file of a month: of a closed one the very bytes that were kept; of an open one as it is now.

        Raises UnknownControl for a file that there isn't, BadPeriod.
        """
        if name not in EXPORTS:
            raise UnknownControl(f"no file is named {name[:60]!r}; there are {', '.join(EXPORTS)}", field="name")
        with self._store.reading() as connection:
            table = CLOSED_EXPORTS.c
            kept = connection.execute(
                select(table.content).where(table.month == month, table.name == name)
            ).scalar_one_or_none()
        return zlib.decompress(kept) if kept is not None else EXPORTS[name][1](self.books(month))

    def prove(self, month: str) -> list[Proof]:
        """Make a closed month's files again from the ledger and compare. Raises UnknownControl."""
        hashes = self.closed(month).hashes
        books = self.books(month)
        return [
            Proof(month, name, sha256(EXPORTS[name][1](books)).hexdigest() == digest)
            for name, digest in hashes.items()
            if name in EXPORTS
        ]

    def chart(self, number: int | None = None) -> Chart:
        """The chart of accounts that open months use; by its number one that was used before."""
        with self._store.reading() as connection:
            return _chart(connection, number)

    def set_chart(self, chart: Chart, *, actor: str) -> Chart:
        """Use another chart from now on; closed months keep theirs. Raises BadControl."""
        text = msgspec.json.encode(check_chart(chart)).decode()
        with self._store.writing() as connection:
            now_us = self._clock.now_us()
            done = connection.execute(insert(ACCOUNT_CHARTS).values(terms=text, created_us=now_us, created_by=actor))
            record_change(
                connection, self._secret, at_us=now_us, actor=actor, action="chart.set",
                subject=str((done.inserted_primary_key or (0,))[0]), detail={"terms": text[:4_000]},
            )  # fmt: skip
        return chart

    def _keep(self, connection: Connection, closing: Closing, checks: Sequence[Check]) -> ClosedMonth:
        """Inside one transaction, so that no entry of the journal comes in between."""
        within = OpenTransaction(self._store, connection)
        before = _closings(connection)
        if any(one.month == closing.month for one in before):
            raise ChangedMeanwhile(f"{closing.month} was closed meanwhile", field="month")
        closings = [*before, closing]
        entries = JournalBook(within, self._secret, self._clock).booked(closing.month, until_of(closings))
        books = self._made(closing.month, closing, closings, entries, _chart(connection, closing.chart_number))
        files = {name: make(books) for name, (_, make) in EXPORTS.items()}
        hashes = {name: sha256(content).hexdigest() for name, content in files.items()}
        totals = _told(books.totals)
        connection.execute(
            insert(CLOSED_MONTHS).values(
                month=closing.month, closed_us=closing.closed_us, closed_by=closing.closed_by, note=closing.note,
                chart_number=closing.chart_number, totals=msgspec.json.encode(totals).decode(),
                checklist=msgspec.json.encode(checks).decode(),
            )
        )  # fmt: skip
        for name, content in files.items():
            connection.execute(
                insert(CLOSED_EXPORTS).values(
                    month=closing.month, name=name, sha256=hashes[name], content=zlib.compress(content, 9)
                )
            )
        record_change(
            connection, self._secret, at_us=self._clock.now_us(), actor=closing.closed_by, action="month.close",
            subject=closing.month, detail={"note": closing.note, "totals": totals, "files": hashes},
        )  # fmt: skip
        return ClosedMonth(closing, totals, list(checks), hashes)

    def _made(
        self,
        month: str,
        closing: Closing | None,
        closings: Sequence[Closing],
        entries: Sequence[Transaction],
        chart: Chart | None = None,
    ) -> MonthBooks:
        with self.ledger.reading() as session:
            sums = booked_sums(session, month, until_of(closings))
        chart = chart or self.chart(closing.chart_number if closing else None)
        return month_books(month, self._organization, closing, sums, entries, chart)

    def _now(self) -> datetime:
        return datetime_from_us(self._clock.now_us())


def newest_chart(store: ControlStore) -> Chart:
    """The chart of accounts that open months use."""
    with store.reading() as connection:
        return _chart(connection, None)


def check_person(by: str) -> str:
    """Who answers for it, without blanks around the name. Raises BadControl for what names nobody."""
    name = " ".join(by.split())
    if name.lower() in NOBODY or len(name) > NAME_MAX or not name.isprintable():
        raise BadControl(f"by: the name of the person who answers for it, in at most {NAME_MAX} characters", field="by")
    return name


def _closings(connection: Connection) -> list[Closing]:
    return [_closing(row) for row in connection.execute(select(CLOSED_MONTHS).order_by(CLOSED_MONTHS.c.month))]


def _closing(row: Row[Any]) -> Closing:
    return Closing(row.month, row.closed_us, row.closed_by, row.note, row.chart_number)


def _chart_number(connection: Connection) -> int:
    table = ACCOUNT_CHARTS.c
    return connection.execute(select(table.number).order_by(table.number.desc()).limit(1)).scalar_one_or_none() or 0


def _chart(connection: Connection, number: int | None) -> Chart:
    """Number 0 is the built-in one; None: the newest there is."""
    wanted = _chart_number(connection) if number is None else number
    if wanted == 0:
        return Chart()
    text = connection.execute(select(ACCOUNT_CHARTS.c.terms).where(ACCOUNT_CHARTS.c.number == wanted)).scalar_one()
    return msgspec.json.decode(text, type=Chart)


def _told(totals: Totals) -> dict[str, str]:
    values = {name: getattr(totals, name) for name in totals.__struct_fields__}
    return {name: plain(value) if isinstance(value, Decimal) else str(value) for name, value in values.items()}
