"""What people say of bills: whose a key or project is, and which column of a CSV is what."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Table, delete, insert, select

from bursar.domain.clock import Clock
from bursar.domain.errors import BadControl, UnknownControl
from bursar.finance.reconcile.readers.detect import READERS
from bursar.finance.reconcile.readers.mapped import BillMapping, faults_of_mapping
from bursar.finance.reconcile.sides import OUTSIDE
from bursar.governance.audit import record_change
from bursar.governance.checks import check_name
from bursar.governance.schema_invoices import BILL_KEYS, BILL_MAPPINGS
from bursar.governance.store import ControlStore

TARGETS_MAX = 1_000


class BillNames:
    """Keys and mappings of a site. secret: of the audit log."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def keys(self, provider: str) -> dict[str, list[str]]:
        """By the bill's name of a key, project or account: our keys, projects or upstreams, or [OUTSIDE]."""
        with self._store.reading() as connection:
            rows = connection.execute(select(BILL_KEYS).where(BILL_KEYS.c.provider == provider))
            return {row.name: msgspec.json.decode(row.targets, type=list[str]) for row in rows}

    def set_key(self, provider: str, name: str, targets: Sequence[str], *, actor: str) -> None:
        """Say whose it is; no targets: forget what was said. Raises BadControl."""
        wanted = [target.strip() for target in targets if target.strip()]
        if not name.strip() or len(name) > 200:
            raise BadControl("key: the name as the bill has it, at most 200 characters", field="key")
        if len(wanted) > TARGETS_MAX or any(len(target) > 200 for target in wanted):
            raise BadControl(f"targets: at most {TARGETS_MAX}, of at most 200 characters each", field="targets")
        if OUTSIDE in wanted and len(wanted) > 1:
            raise BadControl(f"targets: {OUTSIDE} stands alone", field="targets")
        where = {"provider": provider, "name": name.strip()}
        self._put(BILL_KEYS, where, {"targets": wanted} if wanted else None, actor, "bill_key")

    def mappings(self) -> dict[str, BillMapping]:
        """By name."""
        with self._store.reading() as connection:
            rows = connection.execute(select(BILL_MAPPINGS).order_by(BILL_MAPPINGS.c.name))
            return {row.name: msgspec.json.decode(row.terms, type=BillMapping) for row in rows}

    def mapping(self, name: str) -> BillMapping:
        """Raises UnknownControl."""
        found = self.mappings().get(name)
        if found is None:
            raise UnknownControl(f"no mapping is named {name[:200]!r} (`bursar invoices mappings`)", field="format")
        return found

    def set_mapping(self, name: str, mapping: BillMapping, *, actor: str) -> None:
        """Keep one, or change it. Raises BadControl that names the field."""
        name = check_name(name)
        if name in READERS:
            raise BadControl(f"name: {name!r} is a format of its own", field="name")
        for field, wrong in faults_of_mapping(mapping):
            raise BadControl(f"{field}: {wrong}", field=field)
        self._put(BILL_MAPPINGS, {"name": name}, {"terms": mapping}, actor, "bill_mapping")

    def _put(self, table: Table, where: dict[str, str], values: dict[str, Any] | None, actor: str, noun: str) -> None:
        now_us = self._clock.now_us()
        mine = [table.c[name] == value for name, value in where.items()]
        told = {name: msgspec.json.encode(value).decode() for name, value in (values or {}).items()}
        with self._store.writing() as connection:
            before = connection.execute(select(table).where(*mine)).first()
            connection.execute(delete(table).where(*mine))
            if values is not None:
                connection.execute(insert(table).values(**where, **told, changed_us=now_us, changed_by=actor))
            field = "targets" if noun == "bill_key" else "terms"
            detail = {**where, "before": "" if before is None else getattr(before, field), **told}
            record_change(
                connection, self._secret, at_us=now_us, actor=actor, action=f"{noun}.set",
                subject="/".join(where.values())[:200], detail=detail,
            )  # fmt: skip
