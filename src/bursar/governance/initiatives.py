"""Initiatives in the control store, and the books of what they saved: entries that are appended and never changed."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, Select, func, insert, select, update

from bursar.domain.clock import Clock, datetime_from_us
from bursar.domain.errors import BadControl, ChangedMeanwhile, NameTaken, UnknownControl
from bursar.domain.ids import random_id
from bursar.domain.initiatives import Booking, Initiative, InitiativeTerms, Status, faults_of_initiative
from bursar.domain.money import plain
from bursar.governance.audit import record_change
from bursar.governance.checks import check_name
from bursar.governance.schema import INITIATIVE_BOOKINGS, INITIATIVES
from bursar.governance.store import ControlStore

INITIATIVES_MAX = 60  # each is a bit of one number where charges are told apart
_ZERO = Decimal(0)


class Finding(NamedTuple):
    """What a closed month has saved, as it is known now: USD. low, high: None where that isn't known."""

    initiative_id: str
    month: str
    amount: Decimal
    low: Decimal | None
    high: Decimal | None
    method: str


class InitiativeBook:
    """The initiatives of a site. check: raises BadControl for terms that the books can't answer; secret: of the audit
    log."""

    def __init__(
        self, store: ControlStore, secret: bytes, clock: Clock, check: Callable[[InitiativeTerms], None]
    ) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock
        self._ask_books = check

    def create(self, name: str, terms: InitiativeTerms, *, actor: str) -> Initiative:
        """A planned one. Raises BadControl for terms that can't be, NameTaken."""
        name, terms = check_name(name), self.check(terms)
        new_id = random_id("in_")
        with self._store.writing() as connection:
            if connection.execute(_kept().where(INITIATIVES.c.name == name)).first():
                raise NameTaken(f"there is an initiative named {name!r} (`bursar initiatives list`)", field="name")
            count = connection.execute(select(func.count()).select_from(_kept().subquery())).scalar_one()
            if count + len(_gone_but_booked(connection)) >= INITIATIVES_MAX:
                raise BadControl(f"there are {count} initiatives, at most {INITIATIVES_MAX}: remove some", field="name")
            text, now_us = msgspec.json.encode(terms).decode(), self._clock.now_us()
            connection.execute(
                insert(INITIATIVES).values(
                    id=new_id, name=name, terms=text, status="planned", created_us=now_us, created_by=actor
                )
            )
            self._record(connection, "create", new_id, actor, {"name": name, "terms": text})
            return _initiative(self._find(connection, new_id))

    def change(self, name_or_id: str, terms: InitiativeTerms, *, actor: str, seen: str | None = None) -> Initiative:
        """Other terms. What was booked stays as it is: a difference is a later entry.

        seen: the mark (`mark_of_terms`) of what its writer had before them; None: whatever it says now.
        Raises BadControl, UnknownControl, ChangedMeanwhile.
        """
        terms = self.check(terms)
        with self._store.writing() as connection:
            found = self._find(connection, name_or_id)
            if seen is not None and seen != mark_of_terms(_initiative(found).terms):
                raise ChangedMeanwhile(
                    f"somebody changed {found.name!r} since this form was opened; open it again, so that their change "
                    "isn't undone",
                    field="name",
                )
            if found.status != "planned" and terms.start is None:
                raise BadControl("start: it has begun, so it needs the day on which it did", field="start")
            if found.ended and terms.start and date.fromisoformat(found.ended) <= terms.start:
                raise BadControl(f"start: it was stopped on {found.ended}; start it again first", field="start")
            text = msgspec.json.encode(terms).decode()
            if text != found.terms:
                connection.execute(update(INITIATIVES).where(INITIATIVES.c.id == found.id).values(terms=text))
                detail = {"name": found.name, "before": found.terms, "terms": text}
                self._record(connection, "change", found.id, actor, detail)
            return _initiative(self._find(connection, found.id))

    def set(self, name: str, terms: InitiativeTerms, *, actor: str) -> Initiative:
        """Make it, or change the one of that name. Raises BadControl."""
        name = check_name(name)
        if all(one.name != name for one in self.all()):
            return self.create(name, terms, actor=actor)
        return self.change(name, terms, actor=actor)

    def start(self, name_or_id: str, on: date | None = None, *, actor: str) -> Initiative:
        """Running. on: its first day; None: the one it has, else today. Raises BadControl, UnknownControl."""
        return self._turn(name_or_id, "running", None, actor, on)

    def finish(self, name_or_id: str, *, actor: str) -> Initiative:
        """Done: it is delivered, and goes on being measured. Raises BadControl, UnknownControl."""
        return self._turn(name_or_id, "done", None, actor)

    def stop(self, name_or_id: str, on: date | None = None, *, actor: str) -> Initiative:
        """Given up: from that day on nothing is counted. on: None: today. Raises BadControl, UnknownControl."""
        return self._turn(name_or_id, "stopped", on or self._today(), actor)

    def remove(self, name_or_id: str, *, actor: str) -> Initiative:
        """Out of every list; its row and what was booked of it stay. Raises UnknownControl."""
        with self._store.writing() as connection:
            found = self._find(connection, name_or_id)
            gone = {"removed_us": self._clock.now_us(), "removed_by": actor}
            connection.execute(update(INITIATIVES).where(INITIATIVES.c.id == found.id).values(gone))
            self._record(connection, "remove", found.id, actor, {"name": found.name})
        return _initiative(found)

    def one(self, name_or_id: str) -> Initiative:
        """Raises UnknownControl."""
        with self._store.reading() as connection:
            return _initiative(self._find(connection, name_or_id))

    def all(self) -> list[Initiative]:
        """Those that weren't removed, oldest first."""
        with self._store.reading() as connection:
            return [_initiative(row) for row in connection.execute(_kept())]

    def gone_but_booked(self) -> list[Initiative]:
        """Those that were removed after something of them was booked, as stopped on that day at the latest: what is in
        the books once is nobody else's, so that no cent is booked twice."""
        with self._store.reading() as connection:
            return _gone_but_booked(connection)

    def bookings(self) -> list[Booking]:
        """Every entry, oldest first; of initiatives that were removed too."""
        names = select(INITIATIVE_BOOKINGS, INITIATIVES.c.name).join(INITIATIVES).order_by(INITIATIVE_BOOKINGS.c.number)
        with self._store.reading() as connection:
            return [_booking(row) for row in connection.execute(names)]

    def book(self, findings: Iterable[Finding], *, actor: str, adjust: bool = True) -> list[Booking]:
        """Append what isn't booked yet: a month's first entry, or how much it differs from all entries before.

        adjust: False leaves months alone that have an entry. Booked again, what is the same writes nothing.
        """
        with self._store.writing() as connection:
            before = len(self._numbers(connection))
            for one in findings:
                self._book(connection, one, actor, adjust)
        return self.bookings()[before:]

    def _book(self, connection: Connection, one: Finding, actor: str, adjust: bool) -> None:
        table = INITIATIVE_BOOKINGS
        mine = select(table.c.amount).where((table.c.initiative_id == one.initiative_id) & (table.c.month == one.month))
        amounts = [Decimal(row.amount) for row in connection.execute(mine)]
        amount = one.amount - sum(amounts, _ZERO)
        if amounts and (not amount or not adjust):
            return
        number = max(self._numbers(connection), default=0) + 1
        kind = "adjustment" if amounts else "booking"
        connection.execute(
            insert(table).values(
                number=number, initiative_id=one.initiative_id, month=one.month, kind=kind, amount=plain(amount),
                low=None if one.low is None else plain(one.low), high=None if one.high is None else plain(one.high),
                method=one.method, computed_us=self._clock.now_us(), computed_by=actor,
            )
        )  # fmt: skip
        detail = {"month": one.month, "kind": kind, "amount": plain(amount), "number": str(number)}
        self._record(connection, "book", one.initiative_id, actor, detail)

    def _numbers(self, connection: Connection) -> list[int]:
        return list(connection.execute(select(INITIATIVE_BOOKINGS.c.number)).scalars())

    def _turn(
        self, name_or_id: str, status: Status, ended: date | None, actor: str, on: date | None = None
    ) -> Initiative:
        """on: the first day of one that is to run."""
        with self._store.writing() as connection:
            found = self._find(connection, name_or_id)
            before = _initiative(found)
            if status != "running" and before.status not in ("running", "done"):
                raise BadControl(f"status: it is {before.status}; start it first", field="status")
            if ended and before.terms.start and ended <= before.terms.start:
                least = before.terms.start + timedelta(days=1)
                raise BadControl(f"ended: it began on {before.terms.start}; stop it from {least} on", field="ended")
            values: dict[str, Any] = {"status": status, "ended": ended.isoformat() if ended else None}
            start = before.terms.start
            if status == "running":  # in the same transaction: what somebody else changed meanwhile stays
                start = on or start or self._today()
                terms = self.check(msgspec.structs.replace(before.terms, start=start))
                values["terms"] = msgspec.json.encode(terms).decode()
            if any(found._mapping[name] != value for name, value in values.items()):
                connection.execute(update(INITIATIVES).where(INITIATIVES.c.id == found.id).values(values))
                detail = {"name": found.name, "start": str(start), "ended": str(ended or "")}
                self._record(connection, status, found.id, actor, detail)
            return _initiative(self._find(connection, found.id))

    def check(self, terms: InitiativeTerms) -> InitiativeTerms:
        """The terms as they may be kept. Raises BadControl that names the field."""
        for field, wrong in faults_of_initiative(terms):
            raise BadControl(f"{field}: {wrong}", field=field)
        self._ask_books(terms)
        return terms

    def _today(self) -> date:
        return datetime_from_us(self._clock.now_us()).date()

    def _find(self, connection: Connection, name_or_id: str) -> Row[Any]:
        named = (INITIATIVES.c.name == name_or_id) | (INITIATIVES.c.id == name_or_id)
        found = connection.execute(_kept().where(named)).first()
        if found is None:
            raise UnknownControl(
                f"no initiative is named {name_or_id[:200]!r} (`bursar initiatives list`)", field="name"
            )
        return found

    def _record(self, connection: Connection, action: str, subject: str, actor: str, detail: dict[str, str]) -> None:
        record_change(
            connection, self._secret, at_us=self._clock.now_us(), actor=actor, action=f"initiative.{action}",
            subject=subject, detail=detail,
        )  # fmt: skip


def mark_of_terms(terms: InitiativeTerms) -> str:
    """What tells whether an initiative still says what somebody saw."""
    return blake2b(msgspec.json.encode(terms, order="deterministic"), digest_size=8).hexdigest()


def _gone_but_booked(connection: Connection) -> list[Initiative]:
    booked: dict[str, Decimal] = {}
    entries = select(INITIATIVE_BOOKINGS.c.initiative_id, INITIATIVE_BOOKINGS.c.amount).join(INITIATIVES)
    for entry in connection.execute(entries.where(INITIATIVES.c.removed_us.is_not(None))):
        booked[entry.initiative_id] = booked.get(entry.initiative_id, _ZERO) + Decimal(entry.amount)
    found = []
    for row in connection.execute(_removed()):
        if booked.get(row.id):
            one = _initiative(row)
            gone = datetime_from_us(row.removed_us).date()
            found.append(msgspec.structs.replace(one, status="stopped", ended=min(one.ended or gone, gone)))
    return found


def _removed() -> Select[Any]:
    table = INITIATIVES
    return select(table).where(table.c.removed_us.is_not(None)).order_by(table.c.created_us, table.c.id)


def _kept() -> Select[Any]:
    table = INITIATIVES
    return select(table).where(table.c.removed_us.is_(None)).order_by(table.c.created_us, table.c.id)


def _initiative(row: Row[Any]) -> Initiative:
    terms = msgspec.json.decode(row.terms, type=InitiativeTerms)
    ended = date.fromisoformat(row.ended) if row.ended else None
    return Initiative(row.id, row.name, terms, row.status, ended, row.created_us, row.created_by)


def _booking(row: Row[Any]) -> Booking:
    return Booking(
        row.number, row.initiative_id, row.name, row.month, row.kind, Decimal(row.amount),
        None if row.low is None else Decimal(row.low), None if row.high is None else Decimal(row.high), row.method,
        row.computed_us, row.computed_by,
    )  # fmt: skip
