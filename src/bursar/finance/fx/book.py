"""Exchange rates in the control store: appended only. A rate that was wrong is followed by another for its day."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, insert, select

from bursar.domain.clock import Clock, datetime_from_us
from bursar.domain.errors import BadControl
from bursar.finance.fx.rates import KeptRate, RateRow, Rates, check_row
from bursar.finance.fx.reading import Told, read_rates
from bursar.governance.audit import record_change
from bursar.governance.schema_closing import EXCHANGE_RATES
from bursar.governance.store import ControlStore

FAULTS_TOLD = 5
LISTED_MAX = 1_000
BATCH = 500
FUTURE_DAYS_MAX = 31  # customs rates are published ahead
_COLUMNS = ("day", "currency", "into", "rate", "purpose", "source")


class Added(msgspec.Struct, frozen=True):
    """How many rows were added, and how many were there already, the same."""

    added: int
    already: int


class RateBook:
    """The rates of a site. secret: of the audit log."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock
        self._kept: tuple[int, Rates] = (-1, Rates([]))

    def add(self, rows: Sequence[RateRow], *, actor: str) -> Added:
        """Add rows, all of them or none; one that says what holds already isn't added again. Raises BadControl."""
        checked = list(dict.fromkeys(self._check(row) for row in rows))
        with self._store.writing() as connection:
            holds = _holding(connection)
            fresh = [row for row in checked if holds.get(_key(row)) != row]
            now_us = self._clock.now_us()
            for start in range(0, len(fresh), BATCH):
                values = [_values(row) | {"added_us": now_us, "added_by": actor}
                          for row in fresh[start : start + BATCH]]  # fmt: skip
                connection.execute(insert(EXCHANGE_RATES), values)
            if fresh:
                days = [row.day.isoformat() for row in fresh]
                sources = sorted({row.source for row in fresh})
                detail = {"rows": len(fresh), "sources": sources, "first": min(days), "last": max(days)}
                record_change(
                    connection, self._secret, at_us=now_us, actor=actor, action="rates.add",
                    subject=" ".join(sorted({f"{row.currency}/{row.into}" for row in fresh}))[:200], detail=detail,
                )  # fmt: skip
        return Added(len(fresh), len(checked) - len(fresh))

    def import_csv(self, content: str, told: Told, *, actor: str) -> Added:
        """Add all rates of a CSV. Raises BadControl that names the lines; then nothing was added."""
        rows, faults = read_rates(content, told)
        if faults:
            shown = "; ".join(f"line {one.line}: {one.text}" for one in faults[:FAULTS_TOLD])
            more = f"; and {len(faults) - FAULTS_TOLD} more" if len(faults) > FAULTS_TOLD else ""
            raise BadControl(f"nothing was added: {shown}{more}", field="content")
        if not rows:
            raise BadControl("the file has no rates", field="content")
        return self.add(rows, actor=actor)

    def rates(self) -> Rates:
        """All that hold, to ask; read again only when something was added."""
        with self._store.reading() as connection:
            last = connection.execute(select(func.max(EXCHANGE_RATES.c.number))).scalar_one_or_none() or 0
            if last != self._kept[0]:
                rows = connection.execute(select(EXCHANGE_RATES).order_by(EXCHANGE_RATES.c.number))
                self._kept = (last, Rates(_kept(row).row for row in rows))
        return self._kept[1]

    def listed(self, *, currency: str = "", purpose: str = "", limit: int = LISTED_MAX) -> list[KeptRate]:
        """Rows as they were added, those of the latest day first; earlier ones that no longer hold too."""
        table = EXCHANGE_RATES.c
        asked = select(EXCHANGE_RATES).order_by(table.day.desc(), table.number.desc()).limit(limit)
        if currency:
            asked = asked.where((table.currency == currency) | (table.into == currency))
        if purpose:
            asked = asked.where(table.purpose == purpose)
        with self._store.reading() as connection:
            return [_kept(row) for row in connection.execute(asked)]

    def _check(self, row: RateRow) -> RateRow:
        last = datetime_from_us(self._clock.now_us()).date() + timedelta(days=FUTURE_DAYS_MAX)
        if row.day > last:
            raise BadControl(f"day: {row.day} is too far ahead; the last that can be is {last}", field="day")
        return check_row(row)


def _holding(connection: Connection) -> dict[tuple[str, ...], RateRow]:
    rows = connection.execute(select(EXCHANGE_RATES).order_by(EXCHANGE_RATES.c.number))
    return {_key(one.row): one.row for one in map(_kept, rows)}


def _key(row: RateRow) -> tuple[str, ...]:
    return (row.purpose, row.currency, row.into, row.day.isoformat())


def _values(row: RateRow) -> dict[str, str]:
    return {name: str(getattr(row, name)) for name in _COLUMNS} | {"rate": format(row.rate, "f")}


def _kept(row: Row[Any]) -> KeptRate:
    told = RateRow(date.fromisoformat(row.day), row.currency, row.into, Decimal(row.rate), row.purpose, row.source)
    return KeptRate(row.number, told, row.added_us, row.added_by)
