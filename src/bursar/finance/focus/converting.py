"""What imported bills in another currency come to in USD, by the exchange rates of the books.

A row is converted by the rate of the day its charge period begins on, exactly, and rounded once. What it said stays as
it was; where no rate is known it is `unpriced`. All of it is found anew when a rate was added, so nothing is corrected.
"""

from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import msgspec

from bursar.finance.fx.rates import Rate, Rates
from bursar.ledger.columns import text_column
from bursar.ledger.imported import CONVERTED, NUMBER, PLACES, TABLE, USD_COSTS
from bursar.ledger.store import Ledger, Session

USD, PURPOSE = "USD", "books"
ROWS_AT_ONCE = 50_000
_PLACE = Decimal(1).scaleb(-PLACES)
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_Days = dict[tuple[str, date], Rate | None]


class Unrated(msgspec.Struct, frozen=True):
    """Rows of a currency that no rate is known for, the first and last of their days, and the command that mends it."""

    currency: str
    first: date
    last: date
    rows: int
    remedy: str


def convert(ledger: Ledger, rates: Rates) -> list[Unrated]:
    """Convert all rows that aren't in USD. Returns what no rate is known for, by currency."""
    if not _has_foreign(ledger):
        return []
    with ledger.writing() as session:
        found = session.query(
            f"SELECT DISTINCT billing_currency, charge_period_start::DATE FROM {TABLE} "
            f"WHERE billing_currency <> '{USD}'"
        ).rows
        by_day: _Days = {(currency, day): rates.rate(currency, USD, day, PURPOSE) for currency, day in found}
        session.run(f"DELETE FROM {CONVERTED}")
        last = ""
        while rows := _next(session, last):
            last = rows[-1][0]
            _put(session, rows, by_day)
    return unrated(ledger)


def unrated(ledger: Ledger) -> list[Unrated]:
    """What imported bills say in a currency that had no rate when they were converted last."""
    with ledger.reading() as session:
        rows = session.query(
            f"SELECT billing_currency, min(charge_period_start)::DATE, max(charge_period_start)::DATE, SUM(weight) "
            f"FROM {TABLE} LEFT JOIN {CONVERTED} AS usd USING (row_key) "
            f"WHERE billing_currency <> '{USD}' AND usd.row_key IS NULL "
            "GROUP BY billing_currency HAVING SUM(weight) <> 0 ORDER BY billing_currency"
        ).rows
    return [
        Unrated(
            currency, first, last, int(count),
            f"bursar rates add {currency} {USD} RATE --on {first} --purpose {PURPOSE} --source NAME",
        )
        for currency, first, last, count in rows
    ]  # fmt: skip


def _has_foreign(ledger: Ledger) -> bool:
    with ledger.reading() as session:
        return bool(session.query(f"SELECT 1 FROM {TABLE} WHERE billing_currency <> '{USD}' LIMIT 1").rows)


def _next(session: Session, after: str) -> list[tuple[Any, ...]]:
    """Rows as they were brought in, each key once, in the order of their keys."""
    costs = ", ".join(f"any_value({name})" for name in USD_COSTS)
    where = "AND row_key > $after::UUID" if after else ""
    return session.query(
        f"SELECT row_key::VARCHAR, any_value(billing_currency), any_value(charge_period_start)::DATE, {costs} "
        f"FROM {TABLE} WHERE billing_currency <> '{USD}' AND weight > 0 {where} "
        f"GROUP BY row_key ORDER BY row_key LIMIT {ROWS_AT_ONCE:d}",
        {"after": after} if after else {},
    ).rows


def _put(session: Session, rows: list[tuple[Any, ...]], by_day: _Days) -> None:
    converted = list(_converted(rows, by_day))
    if not converted:
        return
    names = ("row_key", *(f"usd_{name}" for name in USD_COSTS), "usd_by")
    columns = {name: text_column(row[at] for row in converted) for at, name in enumerate(names)}
    amounts = ", ".join(f"usd_{name}::{NUMBER}" for name in USD_COSTS)
    with session.stage("staged_converted", columns):
        session.run(f"INSERT INTO {CONVERTED} SELECT row_key::UUID, {amounts}, usd_by FROM staged_converted")


def _converted(rows: list[tuple[Any, ...]], by_day: _Days) -> Iterator[list[str | None]]:
    for key, currency, day, *costs in rows:
        rate = by_day[currency, day]
        if rate is not None:
            told = (
                None if cost is None else format(_EXACT.quantize(rate.convert(cost), _PLACE), "f") for cost in costs
            )
            yield [key, *told, rate.told()]
