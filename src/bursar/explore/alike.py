"""Calls that a rule can't tell apart, counted together: what a policy is tried against."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from bursar.domain.periods import Period
from bursar.explore import compile as sql
from bursar.explore.filters import Filter, as_filters
from bursar.ledger.store import Session

GROUPS_MAX = 100_000


class Alike(msgspec.Struct, frozen=True):
    """Calls with the same values. is_large, is_long: a larger body, a longer answer than asked about.

    effective_cost: None where none of them has a price; unpriced: how many of the calls aren't whole in it.
    """

    values: dict[str, str]
    is_large: bool
    is_long: bool
    calls: int
    effective_cost: Decimal | None
    unpriced: int


def calls_alike(
    session: Session,
    dialect: str,
    period: Period,
    dimensions: Sequence[str],
    filters: Sequence[Filter],
    *,
    body_bytes_max: int | None,
    output_tokens_max: int | None,
    limit: int = GROUPS_MAX,
) -> tuple[list[Alike], int]:
    """Calls sent to a provider in a period, by the dimensions; those that cost most first, and how many groups in all.

    At most `limit` groups are listed. Calls that Bursar refused aren't among them: they cost nothing.
    """
    given = as_filters(filters)
    text = _sql(tuple(dimensions), sql.filter_shapes(given), dialect)
    params: dict[str, Any] = {
        **sql.period_params(period, None), **sql.filter_params(given), **sql.dimension_params(dimensions),
        "body_bytes_max": body_bytes_max if body_bytes_max is not None else _NEVER,
        "output_tokens_max": output_tokens_max if output_tokens_max is not None else _NEVER,
        "limit": limit,
    }  # fmt: skip
    rows = session.query(text, params).dicts()
    groups = [
        Alike(
            {name: str(row[f"d{index}"] or "") for index, name in enumerate(dimensions)},
            bool(row["is_large"]), bool(row["is_long"]), int(row["calls"]), row["cost"], int(row["unpriced"]),
        )
        for row in rows
    ]  # fmt: skip
    return groups, int(rows[0]["groups"]) if rows else 0


def _sql(dimensions: tuple[str, ...], shapes: Any, dialect: str) -> str:
    keys = sql.dimension_columns(dimensions, dialect)
    named = [f"{key} AS d{index}" for index, key in enumerate(keys)]
    names = [f"d{index}" for index in range(len(keys))]
    where = ["received_at >= $start", "received_at < $end", "attempts > 0"]
    where += [one.sql(dialect=dialect) for one in sql.conditions(shapes)]
    return (
        f"SELECT {', '.join(named)}, request_bytes > $body_bytes_max AS is_large, "
        "total_output_tokens > $output_tokens_max AS is_long, count(*) AS calls, sum(effective_cost) AS cost, "
        'count(*) FILTER (WHERE unpriced_count > 0) AS unpriced, count(*) OVER () AS "groups" '
        f"FROM calls WHERE {' AND '.join(where)} GROUP BY {', '.join([*names, 'is_large', 'is_long'])} "
        f"ORDER BY cost DESC NULLS LAST, calls DESC, {', '.join(names)} LIMIT $limit"
    )


_NEVER = 2**62  # no body is so large and no answer so long


def refused_by_code(session: Session, period: Period) -> dict[str, int]:
    """How many calls of a period Bursar refused before anything was sent, by error code."""
    found = session.query(
        "SELECT error_code, count(*) AS calls FROM calls WHERE received_at >= $start AND received_at < $end "
        "AND attempts = 0 AND outcome = 'refused' GROUP BY error_code",
        sql.period_params(period, None),
    )
    return {str(row["error_code"]): int(row["calls"]) for row in found.dicts()}
