"""Planned events in the control store."""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, func, insert, select, update

from bursar.domain.clock import Clock
from bursar.domain.errors import BadControl, NameTaken, UnknownControl
from bursar.domain.ids import random_id
from bursar.domain.plans import Plan, PlanTerms, faults_of_plan
from bursar.governance.audit import record_change
from bursar.governance.checks import check_name
from bursar.governance.schema import PLANNED_EVENTS
from bursar.governance.store import ControlStore

PLANS_MAX = 100


class PlanBook:
    """The planned events of a site. check: raises BadRequest for a scope that no charge can be asked for by; secret: of
    the audit log."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock, check: Callable[[str], object]) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock
        self._check_scope = check

    def add(self, name: str, terms: PlanTerms, *, actor: str) -> Plan:
        """Raises BadControl, NameTaken, and BadRequest for a scope that can't be."""
        name, terms = check_name(name), self.check(terms)
        new_id = random_id("pl_")
        with self._store.writing() as connection:
            if connection.execute(_kept().where(PLANNED_EVENTS.c.name == name)).first():
                raise NameTaken(f"there is a planned event named {name!r} (`bursar plans list`)", field="name")
            count = connection.execute(select(func.count()).select_from(_kept().subquery())).scalar_one()
            if count >= PLANS_MAX:
                raise BadControl(f"there are {count} planned events, at most {PLANS_MAX}: remove some", field="name")
            text, now_us = msgspec.json.encode(terms).decode(), self._clock.now_us()
            connection.execute(
                insert(PLANNED_EVENTS).values(id=new_id, name=name, terms=text, created_us=now_us, created_by=actor)
            )
            self._record(connection, "create", new_id, actor, {"name": name, "terms": text})
            return _plan(self._find(connection, new_id))

    def change(self, name_or_id: str, terms: PlanTerms, *, actor: str) -> Plan:
        """All that it says from now on. Raises BadControl, UnknownControl, and BadRequest as `add` does."""
        text = msgspec.json.encode(self.check(terms)).decode()
        with self._store.writing() as connection:
            found = self._find(connection, name_or_id)
            if text != found.terms:
                connection.execute(update(PLANNED_EVENTS).where(PLANNED_EVENTS.c.id == found.id).values(terms=text))
                detail = {"name": found.name, "before": found.terms, "terms": text}
                self._record(connection, "change", found.id, actor, detail)
            return _plan(self._find(connection, found.id))

    def check(self, terms: PlanTerms) -> PlanTerms:
        """The terms as they may be kept. Raises BadControl that names the field, BadRequest for the scope."""
        for field, wrong in faults_of_plan(terms):
            raise BadControl(f"{field}: {wrong}", field=field)
        if terms.scope:
            self._check_scope(terms.scope)
        return terms

    def remove(self, name_or_id: str, *, actor: str) -> Plan:
        """Out of every forecast; its row stays. Raises UnknownControl."""
        with self._store.writing() as connection:
            found = self._find(connection, name_or_id)
            gone = {"removed_us": self._clock.now_us(), "removed_by": actor}
            connection.execute(update(PLANNED_EVENTS).where(PLANNED_EVENTS.c.id == found.id).values(gone))
            self._record(connection, "remove", found.id, actor, {"name": found.name})
        return _plan(found)

    def all(self) -> list[Plan]:
        """Those that weren't removed, oldest first."""
        with self._store.reading() as connection:
            return [_plan(row) for row in connection.execute(_kept())]

    def _find(self, connection: Connection, name_or_id: str) -> Row[Any]:
        named = (PLANNED_EVENTS.c.name == name_or_id) | (PLANNED_EVENTS.c.id == name_or_id)
        found = connection.execute(_kept().where(named)).first()
        if found is None:
            raise UnknownControl(f"no planned event is named {name_or_id[:200]!r} (`bursar plans list`)", field="name")
        return found

    def _record(self, connection: Connection, action: str, subject: str, actor: str, detail: dict[str, str]) -> None:
        record_change(
            connection, self._secret, at_us=self._clock.now_us(), actor=actor, action=f"plan.{action}",
            subject=subject, detail=detail,
        )  # fmt: skip


def _kept() -> Select[Any]:
    table = PLANNED_EVENTS
    return select(table).where(table.c.removed_us.is_(None)).order_by(table.c.created_us, table.c.id)


def _plan(row: Row[Any]) -> Plan:
    return Plan(row.id, row.name, msgspec.json.decode(row.terms, type=PlanTerms), row.created_us, row.created_by)
