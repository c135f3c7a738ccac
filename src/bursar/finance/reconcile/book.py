"""Bills in the control store: files come in once, lines are appended, and what was decided is kept.

A bill is one account's month at one provider, whatever files it came in. A line that a later file says otherwise (a day
that was provisional) takes the place of the one before, which stays as history.
"""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, insert, select, update

from bursar.domain.clock import Clock
from bursar.domain.errors import BadControl, UnknownControl
from bursar.domain.ids import random_id
from bursar.finance.reconcile.bill import FAULTS_MAX, BillLine, Fault, Numbered, number
from bursar.finance.reconcile.result import Variance
from bursar.governance.audit import record_change
from bursar.governance.schema_invoices import INVOICE_ACTS, INVOICE_FILES, INVOICE_LINES, INVOICES
from bursar.governance.store import ControlStore

CHUNK = 5_000
NAME_CHARS_MAX, NOTE_CHARS_MAX = 200, 2_000
RATE_MAX = Decimal(10**6)
ACCEPTED, IGNORED = "accepted", "ignored"


class Invoice(msgspec.Struct, frozen=True):
    """A bill as it is kept. month: 2026-10; result: JSON of what reconciling found last, "" before the first time."""

    invoice_id: str
    provider: str
    account: str
    month: str
    formats: list[str]
    rate: Decimal | None
    created_us: int
    created_by: str
    result: str
    result_us: int


class Imported(msgspec.Struct, frozen=True):
    """What an import did. invoices: ids of the bills it is about; fresh, replaced, known: lines that were new, took
    another's place, or were there already; again: the very same file came in before."""

    invoices: list[str]
    format: str
    fresh: int
    replaced: int
    known: int
    faults: list[str]
    again: bool = False


class Act(msgspec.Struct, frozen=True):
    """What somebody decided about a variance, which is kept as it was then. posted_us: None while it isn't posted."""

    invoice_id: str
    variance: Variance
    act: str
    note: str
    at_us: int
    by: str
    posted_us: int | None
    entries: int


class InvoiceBook:
    """All bills of a site. secret: of the audit log."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self.store = store
        self.secret = secret
        self.clock = clock

    def add(
        self, data: bytes, name: str, kind: str, lines: Sequence[BillLine], faults: Sequence[Fault], *, actor: str
    ) -> Imported:
        """Take in what a reader made of a file. The same file, and the same lines in another file, change nothing.

        Raises BadControl for a file without any line.
        """
        if not lines:
            first = f" ({faults[0]})" if faults else ""
            raise BadControl(f"file: there is no line of a bill in it{first}", field="file")
        digest, now_us = sha256(data).hexdigest(), self.clock.now_us()
        told = [str(fault) for fault in faults[:FAULTS_MAX]]
        with self.store.writing() as connection:
            again = connection.execute(select(INVOICE_FILES).where(INVOICE_FILES.c.digest == digest)).first()
            by_bill: dict[tuple[str, str, str], list[BillLine]] = defaultdict(list)
            for line in lines:
                by_bill[line.provider, line.account, line.start.isoformat()[:7]].append(line)
            counts = [0, 0, 0]
            ids = []
            for (provider, account, month), same in sorted(by_bill.items()):
                bill = self._bill(connection, provider, account, month, kind, actor)
                ids.append(bill)
                for at, count in enumerate(self._add_lines(connection, bill, number(same), digest)):
                    counts[at] += count
            if again is None:
                connection.execute(
                    insert(INVOICE_FILES).values(
                        digest=digest, name=name[:NAME_CHARS_MAX], format=kind, imported_us=now_us, imported_by=actor,
                        lines=len(lines), faults=msgspec.json.encode(told).decode(),
                    )
                )  # fmt: skip
            if counts[0] or counts[1]:
                detail = {"file": name[:NAME_CHARS_MAX], "sha256": digest, "fresh": counts[0], "replaced": counts[1]}
                self._record(connection, "import", ",".join(ids)[:200], actor, detail)
        return Imported(ids, kind, counts[0], counts[1], counts[2], told, again is not None)

    def withdraw(self, invoice_id: str, note: str = "", *, actor: str) -> int:
        """None of its lines stands any more; they stay as history, and so does what was posted from it. How many.

        Its file brought in again brings it back. Raises BadControl for one that is withdrawn, UnknownControl.
        """
        if len(note) > NOTE_CHARS_MAX:
            raise BadControl(f"note: at most {NOTE_CHARS_MAX} characters", field="note")
        with self.store.writing() as connection:
            found = self._find(connection, invoice_id)
            mine = (INVOICE_LINES.c.invoice_id == invoice_id) & INVOICE_LINES.c.superseded_us.is_(None)
            gone = connection.execute(
                update(INVOICE_LINES).where(mine).values(superseded_us=self.clock.now_us())
            ).rowcount
            if not gone:
                raise BadControl("bill: it is withdrawn already", field="bill")
            connection.execute(update(INVOICES).where(INVOICES.c.id == found.id).values(result="", result_us=0))
            self._record(connection, "withdraw", found.id, actor, {"lines": gone, "note": note})
        return int(gone)

    def all(self) -> list[Invoice]:
        """The latest month first, without those that were withdrawn."""
        newest = INVOICES.c.month.desc(), INVOICES.c.provider, INVOICES.c.account
        stands = select(INVOICE_LINES.c.number).where(
            INVOICE_LINES.c.invoice_id == INVOICES.c.id, INVOICE_LINES.c.superseded_us.is_(None)
        )
        with self.store.reading() as connection:
            rows = connection.execute(select(INVOICES).where(stands.exists()).order_by(*newest))
            return [_invoice(row) for row in rows]

    def one(self, invoice_id: str) -> Invoice:
        """Raises UnknownControl."""
        with self.store.reading() as connection:
            return _invoice(self._find(connection, invoice_id))

    def lines(self, invoice_id: str) -> list[BillLine]:
        """Those that stand."""
        wanted = select(INVOICE_LINES.c.told).where(
            INVOICE_LINES.c.invoice_id == invoice_id, INVOICE_LINES.c.superseded_us.is_(None)
        )
        decoder = msgspec.json.Decoder(BillLine)
        with self.store.reading() as connection:
            return [decoder.decode(told) for (told,) in connection.execute(wanted.order_by(INVOICE_LINES.c.number))]

    def files(self, invoice_id: str) -> list[Row[Any]]:
        """The files that lines of a bill came in, oldest first, as rows of `invoice_files`."""
        of_bill = select(INVOICE_LINES.c.digest).where(INVOICE_LINES.c.invoice_id == invoice_id).distinct()
        wanted = select(INVOICE_FILES).where(INVOICE_FILES.c.digest.in_(of_bill))
        with self.store.reading() as connection:
            return list(connection.execute(wanted.order_by(INVOICE_FILES.c.imported_us, INVOICE_FILES.c.name)))

    def set_rate(self, invoice_id: str, rate: Decimal | None, *, actor: str) -> None:
        """Units of the bill's currency for one USD in our books. Raises BadControl, UnknownControl."""
        if rate is not None and not (rate.is_finite() and 0 < rate <= RATE_MAX):
            raise BadControl(f"rate: more than 0, at most {RATE_MAX:,}", field="rate")
        with self.store.writing() as connection:
            found = self._find(connection, invoice_id)
            text = None if rate is None else format(rate, "f")
            connection.execute(update(INVOICES).where(INVOICES.c.id == found.id).values(rate=text))
            self._record(connection, "rate", found.id, actor, {"before": found.rate or "", "rate": text or ""})

    def keep_result(self, invoice_id: str, result: str) -> None:
        """What reconciling found last."""
        with self.store.writing() as connection:
            values = {"result": result, "result_us": self.clock.now_us()}
            connection.execute(update(INVOICES).where(INVOICES.c.id == invoice_id).values(values))

    def decide(self, invoice_id: str, variance: Variance, act: str, note: str, *, actor: str) -> None:
        """Keep a decision; what was posted stays as it was decided. Raises BadControl, UnknownControl."""
        if act not in (ACCEPTED, IGNORED):
            raise BadControl(f"act is {act[:40]!r}; it is {ACCEPTED} or {IGNORED}", field="act")
        if len(note) > NOTE_CHARS_MAX:
            raise BadControl(f"note: at most {NOTE_CHARS_MAX} characters", field="note")
        table = INVOICE_ACTS
        mine = (table.c.invoice_id == invoice_id) & (table.c.variance_id == variance.variance_id)
        with self.store.writing() as connection:
            self._find(connection, invoice_id)
            before = connection.execute(select(table).where(mine)).first()
            if before is not None and before.act == ACCEPTED:
                if act == ACCEPTED:
                    return
                raise BadControl("act: it is accepted, and what is posted stays; post its opposite", field="act")
            values = {
                "act": act, "told": msgspec.json.encode(variance).decode(), "note": note,
                "at_us": self.clock.now_us(), "by": actor, "posted_us": None, "entries": 0,
            }  # fmt: skip
            if before is None:
                own = {"invoice_id": invoice_id, "variance_id": variance.variance_id}
                connection.execute(insert(table).values(**own, **values))
            else:
                connection.execute(update(table).where(mine).values(**values))
            detail = {"variance": variance.variance_id, "cause": variance.cause.value, "pico": str(variance.money)}
            self._record(connection, act, invoice_id, actor, {**detail, "note": note})

    def note_posted(self, invoice_id: str, variance_id: str, entries: int) -> None:
        """What was accepted is in the ledger."""
        table = INVOICE_ACTS
        mine = (table.c.invoice_id == invoice_id) & (table.c.variance_id == variance_id)
        with self.store.writing() as connection:
            connection.execute(update(table).where(mine).values(posted_us=self.clock.now_us(), entries=entries))

    def acts(self, invoice_id: str = "") -> list[Act]:
        """Decisions about one bill, or all that are accepted and not posted yet; oldest first."""
        table = INVOICE_ACTS
        wanted: Select[Any] = select(table).order_by(table.c.at_us)
        if invoice_id:
            wanted = wanted.where(table.c.invoice_id == invoice_id)
        else:
            wanted = wanted.where(table.c.act == ACCEPTED, table.c.posted_us.is_(None))
        with self.store.reading() as connection:
            return [_act(row) for row in connection.execute(wanted)]

    def _bill(self, connection: Connection, provider: str, account: str, month: str, kind: str, actor: str) -> str:
        table = INVOICES
        mine = (table.c.provider == provider) & (table.c.account == account) & (table.c.month == month)
        found = connection.execute(select(table).where(mine)).first()
        if found is not None:
            formats = msgspec.json.decode(found.formats, type=list[str])
            if kind not in formats:
                text = msgspec.json.encode([*formats, kind]).decode()
                connection.execute(update(table).where(mine).values(formats=text))
            return str(found.id)
        made = random_id("bill_", 10)
        connection.execute(
            insert(table).values(
                id=made, provider=provider, account=account, month=month, formats=msgspec.json.encode([kind]).decode(),
                rate=None, created_us=self.clock.now_us(), created_by=actor, result="", result_us=0,
            )
        )  # fmt: skip
        return made

    def _add_lines(
        self, connection: Connection, bill: str, numbered: Sequence[Numbered], digest: str
    ) -> tuple[int, int, int]:
        """(fresh, replaced, known)."""
        table = INVOICE_LINES
        standing = select(table.c.slot, table.c.ordinal, table.c.content, table.c.number).where(
            table.c.invoice_id == bill, table.c.superseded_us.is_(None)
        )
        there = {(slot, ordinal): (content, at) for slot, ordinal, content, at in connection.execute(standing)}
        rows, gone, known = [], [], 0
        for line, slot, ordinal in numbered:
            content = line.content
            before = there.get((slot, ordinal))
            if before is not None and before[0] == content:
                known += 1
                continue
            if before is not None:
                gone.append(before[1])
            told = msgspec.json.encode(line).decode()
            rows.append(
                {"invoice_id": bill, "slot": slot, "ordinal": ordinal, "content": content, "digest": digest,
                 "told": told, "superseded_us": None}
            )  # fmt: skip
        now_us = self.clock.now_us()
        for at in range(0, len(gone), CHUNK):
            some = gone[at : at + CHUNK]
            connection.execute(update(table).where(table.c.number.in_(some)).values(superseded_us=now_us))
        for at in range(0, len(rows), CHUNK):
            connection.execute(insert(table), rows[at : at + CHUNK])
        return len(rows) - len(gone), len(gone), known

    def _find(self, connection: Connection, invoice_id: str) -> Row[Any]:
        found = connection.execute(select(INVOICES).where(INVOICES.c.id == invoice_id)).first()
        if found is None:
            raise UnknownControl(f"no bill is {invoice_id[:200]!r} (`bursar invoices list`)", field="id")
        return found

    def _record(self, connection: Connection, action: str, subject: str, actor: str, detail: dict[str, Any]) -> None:
        record_change(
            connection, self.secret, at_us=self.clock.now_us(), actor=actor, action=f"invoice.{action}",
            subject=subject, detail=detail,
        )  # fmt: skip


def _invoice(row: Row[Any]) -> Invoice:
    return Invoice(
        row.id, row.provider, row.account, row.month, msgspec.json.decode(row.formats, type=list[str]),
        None if row.rate is None else Decimal(row.rate), row.created_us, row.created_by, row.result, row.result_us,
    )  # fmt: skip


def _act(row: Row[Any]) -> Act:
    variance = msgspec.json.decode(row.told, type=Variance)
    return Act(row.invoice_id, variance, row.act, row.note, row.at_us, row.by, row.posted_us, row.entries)
