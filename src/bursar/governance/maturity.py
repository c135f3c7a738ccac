"""What the measure of maturity keeps: what people say that Bursar can't see, and the step over time.

Which checks there are, and which of them a person may speak for, is for `bursar.maturity` to know.
"""

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, Row, Table, func, insert, select, update

from bursar.domain.clock import Clock
from bursar.domain.errors import UnknownEvidence
from bursar.governance.audit import record_change
from bursar.governance.schema import MATURITY_EVIDENCE, MATURITY_LOG
from bursar.governance.store import ControlStore

NUMBER_MAX = 2**31 - 1  # of a row


class Evidence(msgspec.Struct, frozen=True):
    """What somebody says of a check. until_us: the first instant at which it says nothing any more.

    who: in whose name; added_by: who typed it, for the audit log.
    """

    number: int
    check_id: str
    who: str
    text: str
    at_us: int
    until_us: int
    added_by: str
    withdrawn_us: int | None = None
    withdrawn_by: str | None = None

    def holds(self, at_us: int) -> bool:
        """Whether it speaks for its check at an instant."""
        return self.at_us <= at_us < self.until_us and (self.withdrawn_us is None or at_us < self.withdrawn_us)


class Logged(msgspec.Struct, frozen=True):
    """The step as it was measured once. states: check → passed, failed, unseen. advised: JSON, "" if not asked."""

    number: int
    at_us: int
    step: int
    states: dict[str, str]
    advised: str


class MaturityBook:
    """Evidence and history of a site. secret: the site's, for the audit log's chain."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def add(self, check_id: str, who: str, text: str, until_us: int, *, actor: str) -> Evidence:
        """Keep what somebody says from now on. Values come in checked (`bursar.maturity.evidence`). Audited."""
        now_us = self._clock.now_us()
        with self._store.writing() as connection:
            number = _next(connection, MATURITY_EVIDENCE)
            given = Evidence(number, check_id, who, text, now_us, until_us, actor)
            connection.execute(insert(MATURITY_EVIDENCE).values(msgspec.structs.asdict(given)))
            detail = {"check": check_id, "who": who, "text": text, "until_us": str(until_us)}
            self._record(connection, "add", number, actor, detail)
        return given

    def withdraw(self, number: int, *, actor: str) -> Evidence:
        """It says nothing any more; its row stays. Raises UnknownEvidence for one that is withdrawn already too."""
        table, now_us = MATURITY_EVIDENCE, self._clock.now_us()
        with self._store.writing() as connection:
            asked = select(table).where(table.c.number == number, table.c.withdrawn_us.is_(None))
            found = connection.execute(asked).first() if 0 < number <= NUMBER_MAX else None
            if found is None:
                raise UnknownEvidence(
                    f"there is no evidence {number} that could be withdrawn (`bursar maturity evidence list`)",
                    field="number",
                )
            gone = {"withdrawn_us": now_us, "withdrawn_by": actor}
            connection.execute(update(table).where(table.c.number == number).values(gone))
            self._record(connection, "withdraw", number, actor, {"check": found.check_id})
            return msgspec.structs.replace(Evidence(*found), **gone)

    def evidence(self) -> list[Evidence]:
        """All that was ever said, oldest first."""
        asked = select(MATURITY_EVIDENCE).order_by(MATURITY_EVIDENCE.c.number)
        with self._store.reading() as connection:
            return [Evidence(*row) for row in connection.execute(asked)]

    def note(self, step: int, states: Mapping[str, str], advised: str = "") -> Logged:
        """Append the step as it is measured now. Nobody decided it, so it isn't in the audit log."""
        now_us = self._clock.now_us()
        with self._store.writing() as connection:
            noted = Logged(_next(connection, MATURITY_LOG), now_us, step, dict(states), advised)
            values = msgspec.structs.asdict(noted) | {"states": msgspec.json.encode(noted.states).decode()}
            connection.execute(insert(MATURITY_LOG).values(values))
        return noted

    def log(self, limit: int = 400) -> list[Logged]:
        """The newest entries, oldest first: a year of days and some more."""
        asked = select(MATURITY_LOG).order_by(MATURITY_LOG.c.number.desc()).limit(limit)
        with self._store.reading() as connection:
            return [_logged(row) for row in connection.execute(asked)][::-1]

    def _record(self, connection: Connection, act: str, number: int, actor: str, detail: dict[str, str]) -> None:
        record_change(
            connection, self._secret, at_us=self._clock.now_us(), actor=actor, action=f"maturity_evidence.{act}",
            subject=str(number), detail=detail,
        )  # fmt: skip


def _next(connection: Connection, table: Table) -> int:
    last = connection.execute(select(func.max(table.c.number))).scalar_one()
    return int(last or 0) + 1


def _logged(row: Row[tuple[object, ...]]) -> Logged:
    states = msgspec.json.decode(row.states, type=dict[str, str])
    return Logged(row.number, row.at_us, row.step, states, row.advised)
