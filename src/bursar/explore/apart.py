"""Entries of the books that stand for no call: what a list of calls lacks of the figure that it was opened from."""

from decimal import Decimal

import msgspec

from bursar.domain.periods import Period
from bursar.explore import compile as sql
from bursar.explore.filters import Filter
from bursar.explore.rollups import Source
from bursar.ledger.adjusting import IDLE_SKU
from bursar.ledger.store import Session

SHOWN_MAX = 20
APART = "(entry = 'adjustment' AND call_id IS NULL)"
"""Which charges stand for no call: idle capacity, what of a commitment is unused, a line that no call explains."""
OF_CALLS = f"NOT {APART}"
ONE_OFFS = Source(
    "charges", "received_at", where=f"{APART} AND NOT starts_with(sku_id, '{IDLE_SKU}')"
)  # fmt: skip
"""Those that say nothing of what is next: all of them but idle capacity, which costs each day anew."""


class EntriesApart(msgspec.Struct, frozen=True):
    """Those with one reason and one thing that they are for (`sku_id`), added up; USD."""

    reason: str
    sku_id: str
    entries: int
    effective_cost: Decimal


def entries_apart(session: Session, dialect: str, period: Period, filters: tuple[Filter, ...]) -> list[EntriesApart]:
    """What the filters let through in a period, the largest first, whatever their sign; SHOWN_MAX of them."""
    conditions = [condition.sql(dialect=dialect) for condition in sql.conditions(sql.filter_shapes(filters))]
    where = [APART, "received_at >= $start", "received_at < $end", *conditions]
    rows = session.query(
        f"SELECT reason, sku_id, count(*), SUM(effective_cost) AS cost FROM charges WHERE {' AND '.join(where)} "
        f"GROUP BY 1, 2 HAVING SUM(effective_cost) <> 0 ORDER BY abs(cost) DESC, 1, 2 LIMIT {SHOWN_MAX}",
        sql.period_params(period, None) | sql.filter_params(filters),
    ).rows
    return [EntriesApart(*row) for row in rows]


def cost_apart(session: Session, dialect: str, period: Period, filters: tuple[Filter, ...]) -> Decimal:
    """What they cost together, USD: no tag, budget or policy of a call could change it."""
    conditions = [condition.sql(dialect=dialect) for condition in sql.conditions(sql.filter_shapes(filters))]
    where = [APART, "received_at >= $start", "received_at < $end", *conditions]
    text = f"SELECT coalesce(SUM(effective_cost), 0) FROM charges WHERE {' AND '.join(where)}"
    return Decimal(session.query(text, sql.period_params(period, None) | sql.filter_params(filters)).only())
