"""What is in the ledger: values for menus, prices in use, how fresh the answers are."""

from datetime import datetime
from decimal import Decimal

import msgspec

from bursar.domain.periods import Period
from bursar.explore import compile as sql
from bursar.explore.calls import aware
from bursar.explore.filters import Filter, as_filters
from bursar.explore.rollups import choose_source
from bursar.explore.vocabulary import dimension, filterable
from bursar.ledger.store import Session

VALUES_MAX = 200
TAG_ROWS = 200_000  # the newest charges that tag names are read from: a menu, not a figure


class Value(msgspec.Struct, frozen=True):
    """A value of a dimension, or a tag's name, and how many attempts have it."""

    value: str
    attempts: int


class PriceUse(msgspec.Struct, frozen=True):
    """A price row and what was charged at it. `sku_price_id` "": unpriced. Costs in USD, None: all unpriced."""

    provider: str
    model: str
    sku_id: str
    sku_price_id: str
    attempts: int
    unpriced_count: int
    list_cost: Decimal | None
    first_used: datetime
    last_used: datetime


class Freshness(msgspec.Struct, frozen=True):
    """How much of the truth the books hold.

    first_call, last_call: when the oldest and newest call in the books were received; None in an empty ledger.
    loaded_at: when the journal was last read into the books. in_flight: attempts dispatched, not settled yet.
    lost_workers: workers that died with attempts in flight; faults: what of the journal couldn't be read.
    """

    first_call: datetime | None
    last_call: datetime | None
    loaded_at: datetime | None
    charges: int
    in_flight: int
    lost_workers: int
    faults: int


def dimension_values(
    session: Session,
    dialect: str,
    name: str,
    period: Period,
    prefix: str,
    filters: tuple[Filter | tuple[str, str], ...],
    limit: int,
) -> list[Value]:
    given = as_filters(filters)
    fields = [dimension(name), *(filterable(one.field) for one in given)]
    source = choose_source(("attempts",), fields, (period,))
    params = sql.period_params(period, None) | sql.filter_params(given) | sql.dimension_params([name])
    params |= {"prefix": prefix, "limit": min(limit, VALUES_MAX)}
    rows = session.query(sql.values_sql(source, name, sql.filter_shapes(given), dialect), params).rows
    return [Value(value, int(attempts)) for value, attempts in rows]


def tag_keys(session: Session, period: Period) -> list[Value]:
    rows = session.query(
        f"SELECT key, count(*) AS uses FROM (SELECT unnest(map_keys(tags)) AS key FROM (SELECT tags FROM charges "
        f"WHERE received_at >= $start AND received_at < $end ORDER BY received_at DESC LIMIT {TAG_ROWS:d})) "
        f"GROUP BY key ORDER BY uses DESC, key LIMIT {VALUES_MAX:d}",
        sql.period_params(period, None),
    ).rows
    return [Value(key, int(uses)) for key, uses in rows]


def prices_used(session: Session, period: Period) -> list[PriceUse]:
    rows = session.query(
        """
        SELECT provider, model, sku_id, sku_price_id, SUM(weight)::BIGINT,
          SUM(CASE WHEN quality = 'unpriced' THEN weight ELSE 0 END)::BIGINT,
          SUM(list_cost), min(received_at), max(received_at)
        FROM charges WHERE received_at >= $start AND received_at < $end
        GROUP BY ALL HAVING SUM(weight) > 0 ORDER BY 7 DESC NULLS LAST, provider, model, sku_price_id
        """,
        sql.period_params(period, None),
    ).rows
    return [
        PriceUse(
            provider=provider,
            model=model,
            sku_id=sku_id,
            sku_price_id=price_id,
            attempts=attempts,
            unpriced_count=unpriced,
            list_cost=cost,
            first_used=aware(first),
            last_used=aware(last),
        )
        for provider, model, sku_id, price_id, attempts, unpriced, cost, first, last in rows
    ]


def freshness(session: Session) -> Freshness:
    loaded_at = session.query("SELECT max(loaded_at) FROM segments").only()
    return Freshness(
        first_call=first_call(session),
        last_call=max(_known(session, "max(received_at)"), default=None),
        loaded_at=loaded_at and aware(loaded_at),
        charges=_count(session, "charges"),
        in_flight=_count(session, "pending"),
        lost_workers=_count(session, "writers WHERE assumed > 0"),
        faults=_count(session, "loader_faults"),
    )


def first_call(session: Session) -> datetime | None:
    """When the oldest call in the books was received."""
    return min(_known(session, "min(received_at)"), default=None)


def _known(session: Session, extreme: str) -> list[datetime]:
    """Of charges and of calls' own rows: a query each, since a plain min or max is answered without looking at rows."""
    found = [session.query(f"SELECT {extreme} FROM {table}").only() for table in ("charges", "call_rows")]
    return [aware(at) for at in found if at is not None]


def _count(session: Session, table: str) -> int:
    return int(session.query(f"SELECT count(*) FROM {table}").only())
