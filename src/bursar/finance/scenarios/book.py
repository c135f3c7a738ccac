"""Saved scenarios in the control store: by name, with who saved them, audited."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, func, insert, select, update

from bursar.domain.clock import Clock
from bursar.domain.errors import BadScenario, NameTaken, UnknownScenario
from bursar.domain.ids import random_id
from bursar.finance.scenarios.steps import Scenario
from bursar.finance.scenarios.written import read_steps, write_steps
from bursar.governance.audit import record_change
from bursar.governance.schema import SAVED_SCENARIOS
from bursar.governance.store import ControlStore

SAVED_MAX = 200
SAVED_NAME_CHARS_MAX, NOTE_CHARS_MAX = 120, 2_000


class Saved(msgspec.Struct, frozen=True):
    """One that is kept. text: its steps, in their one spelling."""

    scenario_id: str
    name: str
    text: str
    note: str
    created_us: int
    created_by: str

    @property
    def scenario(self) -> Scenario:
        return Scenario(self.name, read_steps(self.text))


class ScenarioBook:
    """The saved scenarios of a site. secret: of the audit log."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def save(self, name: str, text: str, note: str = "", *, actor: str) -> Saved:
        """Raises BadScenario that names the field, NameTaken."""
        name, text, note = check_saved_name(name), _spelt(text), note.strip()
        if len(note) > NOTE_CHARS_MAX:
            raise BadScenario(f"note has {len(note)} characters; at most {NOTE_CHARS_MAX}: shorten it", field="note")
        new_id = random_id("sc_")
        with self._store.writing() as connection:
            if connection.execute(_kept().where(SAVED_SCENARIOS.c.name == name)).first():
                raise NameTaken(f"there is a scenario named {name!r} (`bursar scenarios list`)", field="name")
            count = connection.execute(select(func.count()).select_from(_kept().subquery())).scalar_one()
            if count >= SAVED_MAX:
                raise BadScenario(f"{count} scenarios are saved, at most {SAVED_MAX}: remove some", field="name")
            now_us = self._clock.now_us()
            row = {"id": new_id, "name": name, "steps": text, "note": note, "created_us": now_us, "created_by": actor}
            connection.execute(insert(SAVED_SCENARIOS).values(row))
            self._record(connection, "save", new_id, actor, {"name": name, "steps": text, "note": note})
            return _saved(self._find(connection, new_id))

    def remove(self, name_or_id: str, *, actor: str) -> Saved:
        """Its row stays. Raises UnknownScenario."""
        with self._store.writing() as connection:
            found = self._find(connection, name_or_id)
            gone = {"removed_us": self._clock.now_us(), "removed_by": actor}
            connection.execute(update(SAVED_SCENARIOS).where(SAVED_SCENARIOS.c.id == found.id).values(gone))
            self._record(connection, "remove", found.id, actor, {"name": found.name})
        return _saved(found)

    def all(self) -> list[Saved]:
        """Those that weren't removed, oldest first."""
        with self._store.reading() as connection:
            return [_saved(row) for row in connection.execute(_kept())]

    def get(self, name_or_id: str) -> Saved:
        """Raises UnknownScenario."""
        with self._store.reading() as connection:
            return _saved(self._find(connection, name_or_id))

    def _find(self, connection: Connection, name_or_id: str) -> Row[Any]:
        named = (SAVED_SCENARIOS.c.name == name_or_id) | (SAVED_SCENARIOS.c.id == name_or_id)
        found = connection.execute(_kept().where(named)).first()
        if found is None:
            raise UnknownScenario(
                f"no scenario is saved as {name_or_id[:200]!r} (`bursar scenarios list`)", field="name"
            )
        return found

    def _record(self, connection: Connection, action: str, subject: str, actor: str, detail: dict[str, str]) -> None:
        record_change(
            connection, self._secret, at_us=self._clock.now_us(), actor=actor, action=f"scenario.{action}",
            subject=subject, detail=detail,
        )  # fmt: skip


def check_saved_name(name: str) -> str:
    """The name without blanks around it. Raises BadScenario."""
    name = name.strip()
    if not name or len(name) > SAVED_NAME_CHARS_MAX or not name.isprintable():
        raise BadScenario(
            f"name: write 1 to {SAVED_NAME_CHARS_MAX} printable characters, by which people will know it", field="name"
        )
    return name


def _spelt(text: str) -> str:
    steps = read_steps(text)
    if not steps:
        raise BadScenario("steps: there are none; write at least one, as `usage 2`", field="steps")
    return write_steps(steps)


def _kept() -> Select[Any]:
    table = SAVED_SCENARIOS
    return select(table).where(table.c.removed_us.is_(None)).order_by(table.c.created_us, table.c.id)


def _saved(row: Row[Any]) -> Saved:
    return Saved(row.id, row.name, row.steps, row.note, row.created_us, row.created_by)
