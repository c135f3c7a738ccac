"""How policies, limits, kills, routes and cache rules are kept: written once, ended once, both in the audit log.

Only routes and cache rules are changed in their place, since that says when they are asked; what one was before is in
the audit log.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypedDict

import msgspec
from sqlalchemy import Connection, Row, Table, case, func, insert, select, update

from bursar.domain.caching import CacheRule, CacheTerms, keeps_answers
from bursar.domain.clock import Clock
from bursar.domain.controls import CONTROLS_MAX, Kill, KillTerms, Limit, LimitTerms, Match, Policy, PolicyTerms
from bursar.domain.errors import BadControl, NameTaken, UnknownControl, UnknownKey
from bursar.domain.ids import random_id
from bursar.domain.routes import KeptRoute, RouteRule, StoppedTrial
from bursar.governance.audit import record_change
from bursar.governance.schema import CACHE_RULES, KILLS, LIMITS, POLICIES, ROUTES, STOPPED_TRIALS, VIRTUAL_KEYS
from bursar.governance.store import ControlStore

Terms = PolicyTerms | LimitTerms | KillTerms | RouteRule | StoppedTrial | CacheTerms


class Kind(NamedTuple):
    """One kind of control: its table, its ids' first letters, its words in the audit log and on the command line."""

    table: Table
    prefix: str
    noun: str
    ends: str
    command: str


POLICY = Kind(POLICIES, "pl_", "policy", "remove", "bursar policies")
LIMIT = Kind(LIMITS, "lm_", "limit", "remove", "bursar limits")
KILL = Kind(KILLS, "ks_", "kill", "lift", "bursar kill")

STOPPED_TRIAL = Kind(STOPPED_TRIALS, "st_", "stopped_experiment", "remove", "bursar routes")
ROUTE = Kind(ROUTES, "rt_", "route", "remove", "bursar routes")
CACHE = Kind(CACHE_RULES, "ca_", "cache", "remove", "bursar caches")


class InForce(TypedDict):
    """What a snapshot carries of them. routes, cache_rules: in the order in which they are asked. kept_spaces: of those
    that keep answers, on or off."""

    policies: list[Policy]
    limits: list[Limit]
    kills: list[Kill]
    routes: list[RouteRule]
    stopped: list[StoppedTrial]
    cache_rules: list[CacheRule]
    kept_spaces: dict[str, int]


class Register:
    """The rows of one kind. `secret` chains the audit log."""

    def __init__(self, kind: Kind, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self.kind = kind
        self.store = store
        self._secret = secret
        self._clock = clock

    def add(self, name: str, terms: Terms, *, is_on: bool, actor: str) -> Row[Any]:
        """Keep it, in force from now on. Raises NameTaken for a name in force, BadControl past CONTROLS_MAX.

        A key named in the match may be given by its name, which becomes its id. Raises UnknownKey if nobody made it.
        """
        table, now_us = self.kind.table, self._clock.now_us()
        new_id = random_id(self.kind.prefix)
        with self.store.writing() as connection:
            if connection.execute(_in_force(table).where(table.c.name == name)).first():
                raise NameTaken(
                    f"there is a {self.kind.noun} named {name!r} in force (`{self.kind.command} list`)", field="name"
                )
            count = connection.execute(select(func.count()).select_from(_in_force(table).subquery())).scalar_one()
            if count >= CONTROLS_MAX:
                raise BadControl(
                    f"{count} are in force, and a worker holds at most {CONTROLS_MAX} of a kind: remove some, or let "
                    "one match what they have in common",
                    field=self.kind.noun,
                )
            terms = msgspec.structs.replace(terms, match=with_key_ids(connection, terms.match))
            text = msgspec.json.encode(terms).decode()
            connection.execute(
                insert(table).values(
                    id=new_id, name=name, terms=text, is_on=is_on, created_us=now_us, created_by=actor
                )
            )  # fmt: skip
            detail = {"name": name, "terms": text, "on": "yes" if is_on else "no"}
            self._record(connection, now_us, actor, "create", new_id, detail)
            return connection.execute(select(table).where(table.c.id == new_id)).one()

    def change(self, name_or_id: str, terms: Terms, *, actor: str) -> Row[Any]:
        """Other terms in the place of those there; what is so already isn't written. Raises UnknownControl."""
        table = self.kind.table
        with self.store.writing() as connection:
            found = self._find(connection, name_or_id)
            terms = msgspec.structs.replace(terms, match=with_key_ids(connection, terms.match))
            text = msgspec.json.encode(terms).decode()
            if text != found.terms:
                connection.execute(update(table).where(table.c.id == found.id).values(terms=text))
                detail = {"name": found.name, "before": found.terms, "terms": text}
                self._record(connection, self._clock.now_us(), actor, "change", found.id, detail)
            return connection.execute(select(table).where(table.c.id == found.id)).one()

    def end(self, name_or_id: str, *, actor: str) -> Row[Any]:
        """Out of force from now on; its row stays as history. Raises UnknownControl."""
        table, now_us = self.kind.table, self._clock.now_us()
        with self.store.writing() as connection:
            found = self._find(connection, name_or_id)
            connection.execute(update(table).where(table.c.id == found.id).values(ended_us=now_us, ended_by=actor))
            self._record(connection, now_us, actor, self.kind.ends, found.id, {"name": found.name})
        return found

    def switch(self, name_or_id: str, is_on: bool, *, actor: str) -> Row[Any]:
        """On or off; what is so already stays as it is. Raises UnknownControl."""
        return self.set_field(name_or_id, "is_on", is_on, "on" if is_on else "off", actor=actor)

    def set_field(
        self, name_or_id: str, field: str, value: str | bool, action: str, *, actor: str, **detail: str
    ) -> Row[Any]:
        """Another value in one column; what is so already isn't written. action, detail: for the audit log.

        Raises UnknownControl.
        """
        table = self.kind.table
        with self.store.writing() as connection:
            found = self._find(connection, name_or_id)
            if found._mapping[field] != value:
                connection.execute(update(table).where(table.c.id == found.id).values({field: value}))
                told = {"name": found.name, **detail}
                self._record(connection, self._clock.now_us(), actor, action, found.id, told)
            return connection.execute(select(table).where(table.c.id == found.id)).one()

    def stamp(self, name_or_id: str | None, field: str, action: str, *, actor: str) -> list[Row[Any]]:
        """The moment of now in one column, of one row or (None) of all in force; later than what stood there, whatever
        the clock says. One entry in the audit log. Raises UnknownControl.
        """
        table, now_us = self.kind.table, self._clock.now_us()
        column = table.c[field]
        with self.store.writing() as connection:
            chosen = _in_force(table)
            if name_or_id is not None:
                found = self._find(connection, name_or_id)
                subject, detail = found.id, {"name": found.name}
                chosen = chosen.where(table.c.id == found.id)
            rows = list(connection.execute(chosen))
            if not rows:
                return []
            later = case((column >= now_us, column + 1), else_=now_us)
            which = table.c.ended_us.is_(None) if name_or_id is None else table.c.id == subject
            connection.execute(update(table).where(which).values({field: later}))
            if name_or_id is None:
                subject, detail = "all", {"count": str(len(rows))}
            self._record(connection, now_us, actor, action, subject, detail)
            return list(connection.execute(chosen))

    def note(self, row_id: str, field: str, value: str) -> None:
        """A figure of the system's own in one column: nobody decided it, so it isn't in the audit log."""
        table = self.kind.table
        with self.store.writing() as connection:
            connection.execute(update(table).where(table.c.id == row_id).values({field: value}))

    def one(self, name_or_id: str) -> Row[Any]:
        """Raises UnknownControl."""
        with self.store.reading() as connection:
            return self._find(connection, name_or_id)

    def all(self) -> list[Row[Any]]:
        """Those in force, oldest first."""
        with self.store.reading() as connection:
            return list(connection.execute(_in_force(self.kind.table)))

    def _find(self, connection: Connection, name_or_id: str) -> Row[Any]:
        table = self.kind.table
        found = connection.execute(
            _in_force(table).where((table.c.name == name_or_id) | (table.c.id == name_or_id))
        ).first()
        if found is None:
            raise UnknownControl(
                f"no {self.kind.noun} in force is named {name_or_id[:200]!r} (`{self.kind.command} list`)", field="name"
            )
        return found

    def _record(
        self, connection: Connection, at_us: int, actor: str, action: str, subject: str, detail: dict[str, str]
    ) -> None:
        record_change(
            connection, self._secret, at_us=at_us, actor=actor, action=f"{self.kind.noun}.{action}", subject=subject,
            detail=detail,
        )  # fmt: skip


def controls_in_force(connection: Connection) -> InForce:
    """What workers must know: policies, routes and cache rules that are on, every limit and every kill in force."""
    caches = caches_in_order(connection.execute(_in_force(CACHE_RULES)))
    return {
        "policies": [policy_of(row) for row in connection.execute(_in_force(POLICIES)) if row.is_on],
        "limits": [limit_of(row) for row in connection.execute(_in_force(LIMITS))],
        "kills": [kill_of(row) for row in connection.execute(_in_force(KILLS))],
        "routes": [one.rule for one in in_order(connection.execute(_in_force(ROUTES))) if one.is_on],
        "stopped": [stop_of(row) for row in connection.execute(_in_force(STOPPED_TRIALS))],
        "cache_rules": [one for one in caches if one.is_on],
        "kept_spaces": {one.rule_id: one.cleared_us for one in caches if keeps_answers(one.terms)},
    }


def policy_of(row: Row[Any]) -> Policy:
    terms = msgspec.json.decode(row.terms, type=PolicyTerms)
    return Policy(row.id, row.name, terms, row.is_on, row.created_us, row.created_by)


def limit_of(row: Row[Any]) -> Limit:
    return Limit(row.id, row.name, msgspec.json.decode(row.terms, type=LimitTerms), row.created_us, row.created_by)


def kill_of(row: Row[Any]) -> Kill:
    return Kill(row.id, row.name, msgspec.json.decode(row.terms, type=KillTerms), row.created_us, row.created_by)


def route_of(row: Row[Any]) -> KeptRoute:
    rule = msgspec.json.decode(row.terms, type=RouteRule)
    return KeptRoute(row.id, rule, row.is_on, row.created_us, row.created_by)


def stop_of(row: Row[Any]) -> StoppedTrial:
    return msgspec.json.decode(row.terms, type=StoppedTrial)


def cache_of(row: Row[Any]) -> CacheRule:
    terms = msgspec.json.decode(row.terms, type=CacheTerms)
    return CacheRule(
        row.id, row.name, terms, row.is_on, row.created_us, row.created_by, row.stopped, row.measured, row.cleared_us
    )


def caches_in_order(rows: Iterable[Row[Any]]) -> list[CacheRule]:
    """Cache rules as they are asked: by position; of equals the older first, as the rows came."""
    return sorted(map(cache_of, rows), key=lambda one: one.terms.position)


def in_order(rows: Iterable[Row[Any]]) -> list[KeptRoute]:
    """Routes as they are asked: by position; of equals the older first, as the rows came."""
    return sorted(map(route_of, rows), key=lambda one: one.rule.position)


def _in_force(table: Table) -> Any:
    return select(table).where(table.c.ended_us.is_(None)).order_by(table.c.created_us, table.c.id)


def with_key_ids(connection: Connection, match: Match) -> Match:
    """The match with a key's id where its name was given. Raises UnknownKey."""
    named = match.get("credential", "")
    if not named or named.startswith(("vk_", "pt_")):
        return match
    found = connection.execute(select(VIRTUAL_KEYS.c.credential_id).where(VIRTUAL_KEYS.c.name == named)).first()
    if found is None:
        raise UnknownKey(
            f"no key is named {named[:200]!r} (`bursar keys list --all`); a client's own key is known by its id, pt_…",
            field="match.credential",
        )
    return match | {"credential": found.credential_id}
