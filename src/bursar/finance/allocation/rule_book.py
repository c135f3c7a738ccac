"""Rules of allocation in the control store: appended only, each change a version from a day on."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, insert, select

from bursar.domain.clock import Clock
from bursar.domain.errors import BadControl, UnknownControl
from bursar.finance.allocation.rules import RuleTerms, RuleVersion, check_terms
from bursar.finance.books.booked import first_day, next_month
from bursar.governance.audit import record_change
from bursar.governance.checks import check_name
from bursar.governance.schema_closing import ALLOCATION_RULES, CLOSED_MONTHS
from bursar.governance.store import ControlStore

RULES_MAX = 200


class RuleBook:
    """Rules in the control store: each change is a version of its own. secret: of the audit log."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def set(self, name: str, terms: RuleTerms, *, actor: str) -> RuleVersion:
        """Make a rule, or a new version of it from an open day on. Raises BadControl, BadQuery."""
        return self._keep(check_name(name), check_terms(terms), terms.start, actor)

    def end(self, name: str, on: date, *, actor: str) -> RuleVersion:
        """From that day on, which no closed month holds, it holds no more. Raises UnknownControl, BadControl."""
        if not any(one.name == name for one in self.versions()):
            raise UnknownControl(f"no rule is named {name[:200]!r} (`bursar allocation rules`)", field="name")
        return self._keep(name, None, on, actor)

    def versions(self) -> list[RuleVersion]:
        """Every version of every rule, oldest first."""
        return versions_of(self._store)

    def rules(self) -> list[RuleVersion]:
        """The last version of each rule that hasn't ended, in the order in which they were made."""
        return latest(self.versions())

    def first_open(self) -> date | None:
        """The day after the last closed month; None: none is closed. No rule begins or ends before: a closed month
        keeps the rules that it was closed with."""
        with self._store.reading() as connection:
            return _first_open(connection)

    def _keep(self, name: str, terms: RuleTerms | None, start: date, actor: str) -> RuleVersion:
        text = "" if terms is None else msgspec.json.encode(terms).decode()
        with self._store.writing() as connection:
            _check_open(connection, start)
            version = _next_version(connection, name)
            if version == 1 and _count(connection) >= RULES_MAX:
                raise BadControl(f"name: there are {RULES_MAX} rules; end some", field="name")
            now_us = self._clock.now_us()
            kept = text or msgspec.json.encode({"ended": start}).decode()
            values = {"name": name, "version": version, "kind": terms.kind if terms else "end", "terms": kept,
                      "created_us": now_us, "created_by": actor}  # fmt: skip
            done = connection.execute(insert(ALLOCATION_RULES).values(values))
            record_change(
                connection, self._secret, at_us=now_us, actor=actor, action=f"allocation.{'set' if terms else 'end'}",
                subject=name, detail={"version": version, "terms": kept[:4_000]},
            )  # fmt: skip
            number = int((done.inserted_primary_key or (0,))[0])
        return RuleVersion(number, name, version, terms, start, now_us, actor)


def versions_of(store: ControlStore) -> list[RuleVersion]:
    """Every version of every rule, oldest first."""
    with store.reading() as connection:
        rows = connection.execute(select(ALLOCATION_RULES).order_by(ALLOCATION_RULES.c.number))
        return [_version(row) for row in rows]


def latest(versions: Iterable[RuleVersion]) -> list[RuleVersion]:
    """The last version of each rule that hasn't ended."""
    last: dict[str, RuleVersion] = {}
    for version in versions:
        last[version.name] = version
    return [one for one in last.values() if one.terms is not None]


def latest_rules(store: ControlStore) -> list[RuleVersion]:
    """The same of a store."""
    return latest(versions_of(store))


def _first_open(connection: Connection) -> date | None:
    last = connection.execute(select(func.max(CLOSED_MONTHS.c.month))).scalar_one_or_none()
    return None if last is None else first_day(next_month(last))


def _check_open(connection: Connection, start: date) -> None:
    opens = _first_open(connection)
    if opens is not None and start < opens:
        raise BadControl(
            f"start: {start} is before the first open day; closed months keep the rules that they were closed with: "
            f"write {opens} or later",
            field="start",
        )


def _next_version(connection: Connection, name: str) -> int:
    table = ALLOCATION_RULES.c
    last = connection.execute(select(func.max(table.version)).where(table.name == name)).scalar_one_or_none()
    return int(last or 0) + 1


def _count(connection: Connection) -> int:
    return int(connection.execute(select(func.count(func.distinct(ALLOCATION_RULES.c.name)))).scalar_one())


def _version(row: Row[Any]) -> RuleVersion:
    if row.kind == "end":
        ended = date.fromisoformat(msgspec.json.decode(row.terms)["ended"])
        return RuleVersion(row.number, row.name, row.version, None, ended, row.created_us, row.created_by)
    terms = msgspec.json.decode(row.terms, type=RuleTerms)
    return RuleVersion(row.number, row.name, row.version, terms, terms.start, row.created_us, row.created_by)
