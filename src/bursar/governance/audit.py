"""The audit log: who changed what and when, append-only, each entry chained to the one before by a keyed hash."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from bursar.domain.hashing import keyed_hash
from bursar.governance.schema import AUDIT_ENTRIES


class AuditEntry(msgspec.Struct, frozen=True):
    """One change. `detail`: what changed, as JSON text; never a secret."""

    number: int
    at_us: int
    actor: str
    action: str
    subject: str
    detail: str
    chain_hash: str


def record_change(
    connection: Connection,
    secret: bytes,
    *,
    at_us: int,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any],
) -> None:
    """Append an entry, in the transaction of the change itself: neither is ever there without the other."""
    last = connection.execute(select(AUDIT_ENTRIES).order_by(AUDIT_ENTRIES.c.number.desc()).limit(1)).first()
    number, before = (last.number + 1, last.chain_hash) if last else (1, "")
    text = msgspec.json.encode(detail, order="sorted").decode()
    entry = AuditEntry(number, at_us, actor, action, subject, text, "")
    connection.execute(
        insert(AUDIT_ENTRIES).values(msgspec.structs.asdict(entry) | {"chain_hash": _chain_hash(secret, entry, before)})
    )


def audit_entries(connection: Connection) -> list[AuditEntry]:
    """All entries, oldest first."""
    rows = connection.execute(select(AUDIT_ENTRIES).order_by(AUDIT_ENTRIES.c.number))
    return [AuditEntry(*row) for row in rows]


def first_broken_entry(entries: list[AuditEntry], secret: bytes) -> int | None:
    """Number of the first entry that was altered, or that follows a removed one; None: the log is whole.

    Entries removed from the end can't be seen from the log alone.
    """
    before = ""
    for expected, entry in enumerate(entries, 1):
        if entry.number != expected or entry.chain_hash != _chain_hash(secret, entry, before):
            return entry.number
        before = entry.chain_hash
    return None


def _chain_hash(secret: bytes, entry: AuditEntry, before: str) -> str:
    fields = (entry.number, entry.at_us, entry.actor, entry.action, entry.subject, entry.detail, before)
    return keyed_hash(secret, msgspec.json.encode(fields))
