"""Prove the laws on a live installation: the books against themselves, and against the journal files still there."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from bursar.domain.money import usd_from_pico
from bursar.ledger.columns import text_column
from bursar.ledger.laws import LAWS, Law
from bursar.ledger.store import Ledger, Session
from bursar.spool.reader import read_slice, segments, unread_bytes
from bursar.spool.records import Dispatched, Line, Settled

READ_RECORDS_MAX = 50_000


class Finding(msgspec.Struct, frozen=True):
    """One law looked at. `law`: its number in DESIGN.md; `detail`: where to look, "" when all is well."""

    law: int
    name: str
    ok: bool
    expected: str
    actual: str
    detail: str = ""


def verify(ledger: Ledger, spool_dir: Path) -> list[Finding]:
    """Look at every law. All findings belong to one instant, so it may run while calls are being loaded."""
    with ledger.reading() as session:
        findings = [_look(session, law) for law in LAWS]
        findings += _against_journal(session, spool_dir)
    return findings


def _look(session: Session, law: Law) -> Finding:
    expected, actual, detail = (value if value is not None else 0 for value in session.query(law.sql).rows[0])
    ok = expected == actual and not detail
    return Finding(law.law, law.name, ok, _text(expected), _text(actual), "" if ok else str(detail))


def _text(value: Any) -> str:
    return str(value)


class _Seen(msgspec.Struct):
    """What the journal files say, up to where the books have read them. Money in pico-USD."""

    dispatched: list[str] = []
    settled: dict[str, int | None] = {}
    lines: set[str] = set()  # of batches; a copy may have been priced later than the one in the books
    unread_bytes: int = 0


def _against_journal(session: Session, spool_dir: Path) -> list[Finding]:
    """Read the files again, without the loader, and look for every attempt and its cost."""
    rows = session.query("SELECT name, loaded_bytes FROM segments").rows
    seen = _read_again(spool_dir, dict(rows))
    ids = text_column(seen.dispatched)
    with session.stage("seen_attempts", {"attempt_id": ids}):
        found = session.query(
            """
            WITH seen AS (SELECT attempt_id::UUID AS attempt_id FROM seen_attempts)
            SELECT (SELECT count(*) FROM seen SEMI JOIN charges USING (attempt_id)),
              (SELECT count(*) FROM seen SEMI JOIN pending USING (attempt_id))
            """
        ).rows[0]
    settled = list(seen.settled)
    with session.stage("seen_settled", {"attempt_id": text_column(settled)}):
        booked = session.query(
            """
            SELECT SUM(list_cost), count(*) FROM charges
            WHERE attempt_id IN (SELECT attempt_id::UUID FROM seen_settled)
              AND (entry = 'usage' AND error_code <> 'worker_lost' OR entry = 'correction' AND reason = 'settled late')
            """
        ).rows[0]
    expected = usd_from_pico(sum(cost for cost in seen.settled.values() if cost is not None))
    actual = booked[0] if booked[0] is not None else Decimal(0)
    unread = f"{seen.unread_bytes} bytes of journal not loaded yet" if seen.unread_bytes else ""
    return [
        _compare(3, "each attempt in the journal files is in the books", len(seen.dispatched), sum(found), unread),
        _compare(
            1, "costs in the journal files = costs in the books", expected.normalize(), actual.normalize(), unread
        ),
    ]


def _compare(law: int, name: str, expected: Any, actual: Any, detail: str) -> Finding:
    return Finding(law, name, expected == actual, f"{expected:f}" if isinstance(expected, Decimal) else str(expected),
                   f"{actual:f}" if isinstance(actual, Decimal) else str(actual), detail)  # fmt: skip


def _read_again(spool_dir: Path, loaded: dict[str, int]) -> _Seen:
    seen = _Seen()
    for segment in segments(spool_dir):
        until = loaded.get(segment.path.name, 0)
        offset = 0
        try:
            while offset < until:
                part = read_slice(segment.path, offset, records_max=READ_RECORDS_MAX, bytes_max=until - offset)
                if part.offset == offset:
                    break
                _note(seen, part.records)
                offset = part.offset
            seen.unread_bytes += unread_bytes(segment.path, max(until, offset))
        except FileNotFoundError:  # finished and deleted meanwhile: the books have it
            continue
    return seen


def _note(seen: _Seen, records: list[Any]) -> None:
    for record in records:
        if isinstance(record, Dispatched):
            seen.dispatched.append(record.attempt_id)
        elif isinstance(record, Settled):
            seen.settled.setdefault(record.attempt_id, record.list_pico)
        elif isinstance(record, Line) and record.dispatched.attempt_id not in seen.lines:
            seen.lines.add(record.dispatched.attempt_id)
            seen.dispatched.append(record.dispatched.attempt_id)
