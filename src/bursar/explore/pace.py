"""How fast calls came: in a minute, and at a time. What a limit is tried against."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from bursar.domain.periods import Period
from bursar.explore import compile as sql
from bursar.explore.filters import Filter, as_filters
from bursar.ledger.store import Session

VALUES_MAX = 100  # told one by one, those that a limit would have met most often first
_NEVER = 2**62


class Ceilings(NamedTuple):
    """What is tried; None: no such ceiling."""

    requests: int | None = None
    tokens: int | None = None
    concurrent: int | None = None


class Pace(msgspec.Struct, frozen=True):
    """Calls of one value. over: those that a ceiling would have met; effective_cost: what these cost, None where none
    of them has a price. *_most: the busiest minute's calls and tokens, and the most calls under way at a time."""

    value: str
    calls: int
    over: int
    effective_cost: Decimal | None
    requests_most: int
    tokens_most: int
    concurrent_most: int


class Paces(msgspec.Struct, frozen=True):
    """By value, and over all of them: how many values, calls, and calls over a ceiling."""

    rows: list[Pace]
    values: int
    calls: int
    over: int


def paces(
    session: Session, dialect: str, period: Period, each: str, filters: Sequence[Filter], ceilings: Ceilings
) -> Paces:
    """Calls sent to a provider in a period, by the values of a dimension ("": all calls together).

    Minutes are whole ones of the clock. A call is over when as many were made, or as many tokens used, in its minute
    before it, or when as many were under way as it began. Those without a value of `each` aren't among them.
    """
    given = as_filters(filters)
    names = (each,) if each else ()
    params: dict[str, Any] = {
        **sql.period_params(period, None), **sql.filter_params(given), **sql.dimension_params(names),
        "requests": _NEVER if ceilings.requests is None else ceilings.requests,
        "tokens": _NEVER if ceilings.tokens is None else ceilings.tokens,
        "concurrent": _NEVER if ceilings.concurrent is None else ceilings.concurrent,
        "limit": VALUES_MAX,
    }  # fmt: skip
    rows = session.query(_sql(names, sql.filter_shapes(given), dialect), params).dicts()
    found = [
        Pace(
            str(row["value"] or ""), int(row["calls"]), int(row["calls_over"]), row["cost"], int(row["requests_most"]),
            int(row["tokens_most"]), int(row["concurrent_most"]),
        )
        for row in rows
    ]  # fmt: skip
    if not rows:
        return Paces([], 0, 0, 0)
    return Paces(found, int(rows[0]["all_values"]), int(rows[0]["all_calls"]), int(rows[0]["all_over"]))


def _sql(names: tuple[str, ...], shapes: Any, dialect: str) -> str:
    """Calls as beginnings and ends in time, so that how many run is a running sum."""
    keys = sql.dimension_columns(names, dialect)
    value = str(keys[0]) if keys else "''"
    where = ["received_at >= $start", "received_at < $end", "attempts > 0"]
    where += [one.sql(dialect=dialect) for one in sql.conditions(shapes)]
    where += [f"coalesce({value}, '') <> ''"] if keys else []
    minute = "PARTITION BY value, date_trunc('minute', happened_at) ORDER BY happened_at, call_id"
    return (
        f"WITH picked AS (SELECT {value} AS value, call_id, received_at, coalesce(ended_at, received_at) AS ended_at, "
        "coalesce(total_input_tokens, 0) + coalesce(total_output_tokens, 0) AS tokens, effective_cost FROM calls "
        f"WHERE {' AND '.join(where)}), "
        "steps AS (SELECT value, call_id, received_at AS happened_at, 1 AS step, tokens, effective_cost FROM picked "
        "UNION ALL SELECT value, call_id, ended_at, -1, 0, NULL FROM picked), "
        "running AS (SELECT *, sum(step) OVER (PARTITION BY value ORDER BY happened_at, step, call_id "
        "ROWS UNBOUNDED PRECEDING) AS under_way FROM steps), "
        f"judged AS (SELECT *, row_number() OVER ({minute}) AS nth, "
        f"sum(tokens) OVER ({minute} ROWS UNBOUNDED PRECEDING) AS tokens_so_far FROM running WHERE step = 1), "
        "told AS (SELECT *, nth > $requests OR tokens_so_far - tokens >= $tokens OR under_way > $concurrent AS is_over "
        "FROM judged), "
        "by_value AS (SELECT value, count(*) AS calls, count(*) FILTER (WHERE is_over) AS calls_over, "
        "sum(effective_cost) FILTER (WHERE is_over) AS cost, max(nth) AS requests_most, "
        "max(tokens_so_far) AS tokens_most, max(under_way) AS concurrent_most FROM told GROUP BY value) "
        "SELECT *, count(*) OVER () AS all_values, sum(calls) OVER () AS all_calls, "
        "sum(calls_over) OVER () AS all_over "
        "FROM by_value ORDER BY calls_over DESC, calls DESC, value LIMIT $limit"
    )
