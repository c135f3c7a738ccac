"""Saved mappings: how a file of somebody's is read, under a name, in the control store."""

import msgspec
from sqlalchemy import delete, insert, select

from bursar.domain.clock import Clock
from bursar.domain.errors import BadBusiness, UnknownControl
from bursar.finance.business.mapping import Reading, check_reading
from bursar.governance.audit import record_change
from bursar.governance.checks import check_name
from bursar.governance.schema import BUSINESS_MAPPINGS
from bursar.governance.store import ControlStore

MAPPINGS_MAX = 200


class MappingBook:
    """secret: of the audit log."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def all(self) -> dict[str, Reading]:
        """By name."""
        with self._store.reading() as connection:
            rows = connection.execute(select(BUSINESS_MAPPINGS).order_by(BUSINESS_MAPPINGS.c.name)).all()
        return {row.name: msgspec.json.decode(row.terms, type=Reading) for row in rows}

    def one(self, name: str) -> Reading:
        """Raises UnknownControl."""
        found = self.all().get(name)
        if found is None:
            raise UnknownControl(f"no mapping is named {name[:120]!r}", field="mapping")
        return found

    def put(self, name: str, reading: Reading, *, actor: str) -> Reading:
        """Make it, or change the one of its name. Raises BadBusiness, BadControl."""
        name, text = check_name(name), msgspec.json.encode(check_reading(reading)).decode()
        now_us = self._clock.now_us()
        before = self.all()
        if name not in before and len(before) >= MAPPINGS_MAX:
            raise BadBusiness(f"there are {len(before)} mappings, at most {MAPPINGS_MAX}: remove some", field="mapping")
        if before.get(name) == reading:
            return reading
        with self._store.writing() as connection:
            connection.execute(delete(BUSINESS_MAPPINGS).where(BUSINESS_MAPPINGS.c.name == name))
            connection.execute(
                insert(BUSINESS_MAPPINGS).values(name=name, terms=text, changed_us=now_us, changed_by=actor)
            )
            record_change(
                connection, self._secret, at_us=now_us, actor=actor, action="mapping.put", subject=name,
                detail={"terms": text},
            )  # fmt: skip
        return reading

    def remove(self, name: str, *, actor: str) -> None:
        """Raises UnknownControl."""
        self.one(name)
        with self._store.writing() as connection:
            connection.execute(delete(BUSINESS_MAPPINGS).where(BUSINESS_MAPPINGS.c.name == name))
            record_change(
                connection, self._secret, at_us=self._clock.now_us(), actor=actor, action="mapping.remove",
                subject=name, detail={},
            )  # fmt: skip
