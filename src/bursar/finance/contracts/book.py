"""Contracts in the control store: appended versions of terms, how far each was rated, and who owns a vendor."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from bursar.domain.clock import Clock
from bursar.domain.errors import BadContract, NameTaken, UnknownContract
from bursar.domain.ids import random_id
from bursar.finance.contracts.balances import Balances
from bursar.finance.contracts.terms import Contract, ContractTerms, Version, faults_of_terms
from bursar.governance.audit import record_change
from bursar.governance.checks import check_name
from bursar.governance.schema import CONTRACT_DAYS, CONTRACT_VERSIONS, CONTRACTS, VENDOR_OWNERS
from bursar.governance.store import ControlStore

CONTRACTS_MAX = 200
VERSIONS_MAX = 500
WHY_CHARS_MAX = 500
OWNER_CHARS_MAX = 200
FIRST_YEAR, LAST_YEAR = 2020, 2999


class RatedDay(msgspec.Struct, frozen=True):
    """What a day was rated from, and what carries over after it."""

    stamp: str
    balances: Balances


class ContractBook:
    """The contracts of a site. secret: of the audit log."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def add(self, name: str, since: date, terms: ContractTerms, *, actor: str, why: str = "") -> Contract:
        """A new contract with its first version. Raises BadContract that names the field, NameTaken."""
        name = check_name(name)
        with self._store.writing() as connection:
            known = self._all(connection)
            if any(one.name == name for one in known):
                raise NameTaken(f"there is a contract named {name!r} (`bursar contracts list`)", field="name")
            if len(known) >= CONTRACTS_MAX:
                raise BadContract(f"there are {len(known)} contracts, at most {CONTRACTS_MAX}", field="name")
            self._check(known, "", since, terms, why)
            new_id = random_id("ct_")
            now_us = self._clock.now_us()
            connection.execute(insert(CONTRACTS).values(id=new_id, name=name, created_us=now_us, created_by=actor))
            self._append(connection, new_id, name, 1, since, terms, why, actor)
            return self._find(connection, new_id)

    def change(self, name_or_id: str, since: date, terms: ContractTerms, *, actor: str, why: str = "") -> Contract:
        """Another version, which holds from `since` on; those before stay. Raises BadContract, UnknownContract."""
        with self._store.writing() as connection:
            found = self._find(connection, name_or_id)
            if len(found.versions) >= VERSIONS_MAX:
                raise BadContract(f"it has {VERSIONS_MAX} versions, which is the most", field="terms")
            self._check(self._all(connection), found.contract_id, since, terms, why)
            number = found.latest.number + 1
            self._append(connection, found.contract_id, found.name, number, since, terms, why, actor)
            return self._find(connection, found.contract_id)

    def all(self) -> list[Contract]:
        """By name."""
        with self._store.reading() as connection:
            return self._all(connection)

    def get(self, name_or_id: str) -> Contract:
        """Raises UnknownContract."""
        with self._store.reading() as connection:
            return self._find(connection, name_or_id)

    def rated(self, contract_id: str) -> dict[date, RatedDay]:
        """Every day that was rated."""
        table = CONTRACT_DAYS
        with self._store.reading() as connection:
            rows = connection.execute(select(table).where(table.c.contract_id == contract_id)).all()
        return {
            date.fromisoformat(row.day): RatedDay(row.stamp, msgspec.json.decode(row.balances, type=Balances))
            for row in rows
        }

    def note_rated(self, contract_id: str, days: Mapping[date, RatedDay]) -> None:
        """Remember what days were rated from."""
        table, now_us = CONTRACT_DAYS, self._clock.now_us()
        rows = [
            {
                "contract_id": contract_id, "day": day.isoformat(), "stamp": one.stamp,
                "balances": msgspec.json.encode(one.balances, order="deterministic").decode(), "rated_us": now_us,
            }
            for day, one in days.items()
        ]  # fmt: skip
        if not rows:
            return
        with self._store.writing() as connection:
            which = table.c.day.in_([row["day"] for row in rows])
            connection.execute(delete(table).where(table.c.contract_id == contract_id, which))
            connection.execute(insert(table), rows)

    def owners(self) -> dict[str, str]:
        """Who owns the relation, by vendor."""
        with self._store.reading() as connection:
            return {row.provider: row.owner for row in connection.execute(select(VENDOR_OWNERS))}

    def set_owner(self, provider: str, owner: str, *, actor: str) -> None:
        """Name who owns a vendor; "": nobody. Raises BadContract."""
        owner = owner.strip()
        if len(owner) > OWNER_CHARS_MAX or not owner.isprintable():
            raise BadContract(f"owner: at most {OWNER_CHARS_MAX} printable characters", field="owner")
        if not provider or len(provider) > OWNER_CHARS_MAX:
            raise BadContract("provider: as charges say it: openai", field="provider")
        table, now_us = VENDOR_OWNERS, self._clock.now_us()
        values = {"owner": owner, "changed_us": now_us, "changed_by": actor}
        with self._store.writing() as connection:
            changed = connection.execute(update(table).where(table.c.provider == provider).values(values))
            if not changed.rowcount:
                connection.execute(insert(table).values(provider=provider, **values))
            self._record(connection, "own", provider, actor, {"owner": owner})

    def _check(self, known: list[Contract], own_id: str, since: date, terms: ContractTerms, why: str) -> None:
        for field, wrong in faults_of_terms(terms):
            raise BadContract(f"{field}: {wrong}", field=field)
        if not FIRST_YEAR <= since.year <= LAST_YEAR:
            raise BadContract(f"since: a day from {FIRST_YEAR} to {LAST_YEAR}", field="since")
        if len(why) > WHY_CHARS_MAX:
            raise BadContract(f"why: at most {WHY_CHARS_MAX} characters", field="why")
        for other in known:
            if other.contract_id != own_id and _overlap(other.latest.terms, other.since, terms, since):
                raise BadContract(
                    f"provider: the contract {other.name!r} covers the same charges in the same days; end it first, "
                    "or say which upstreams each is about",
                    field="provider",
                )

    def _append(
        self, connection: Connection, contract_id: str, name: str, number: int, since: date, terms: ContractTerms,
        why: str, actor: str,
    ) -> None:  # fmt: skip
        text, now_us = msgspec.json.encode(terms, order="deterministic").decode(), self._clock.now_us()
        connection.execute(
            insert(CONTRACT_VERSIONS).values(
                contract_id=contract_id, number=number, since=since.isoformat(), terms=text, why=why,
                recorded_us=now_us, recorded_by=actor,
            )
        )  # fmt: skip
        detail = {"name": name, "version": str(number), "since": since.isoformat(), "terms": text, "why": why}
        self._record(connection, "version", contract_id, actor, detail)

    def _record(self, connection: Connection, action: str, subject: str, actor: str, detail: dict[str, str]) -> None:
        record_change(
            connection, self._secret, at_us=self._clock.now_us(), actor=actor, action=f"contract.{action}",
            subject=subject, detail=detail,
        )  # fmt: skip

    def _all(self, connection: Connection) -> list[Contract]:
        versions: dict[str, list[Version]] = {}
        ordered = select(CONTRACT_VERSIONS).order_by(CONTRACT_VERSIONS.c.contract_id, CONTRACT_VERSIONS.c.number)
        for row in connection.execute(ordered):
            versions.setdefault(row.contract_id, []).append(_version(row))
        rows = connection.execute(select(CONTRACTS).order_by(CONTRACTS.c.name))
        return [Contract(row.id, row.name, tuple(versions.get(row.id, ()))) for row in rows]

    def _find(self, connection: Connection, name_or_id: str) -> Contract:
        for one in self._all(connection):
            if name_or_id in (one.contract_id, one.name):
                return one
        raise UnknownContract(f"no contract is named {name_or_id[:200]!r} (`bursar contracts list`)", field="name")


def _version(row: Any) -> Version:
    terms = msgspec.json.decode(row.terms, type=ContractTerms)
    return Version(row.number, date.fromisoformat(row.since), terms, row.recorded_us, row.recorded_by, row.why)


def _overlap(one: ContractTerms, one_since: date, other: ContractTerms, other_since: date) -> bool:
    """Whether a charge could be under both."""
    if one.provider != other.provider:
        return False
    if one.upstreams and other.upstreams and not set(one.upstreams) & set(other.upstreams):
        return False
    return one_since <= (other.until or date.max) and other_since <= (one.until or date.max)
