"""Cost and units by day of calls that are alike: what an initiative is measured by, straight from the charges.

A charge without a price has neither cost nor unit here, else its call would look like one that cost nothing; it is
counted. A shadow's cost is a cost of whoever sends it, but its call is nobody's unit.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import NamedTuple

from bursar.domain.errors import BadQuery
from bursar.domain.initiatives import OK_CALLS, TAG_PREFIX
from bursar.explore import compile as sql
from bursar.explore.filters import Filter, as_filters, parse_filter
from bursar.explore.vocabulary import measure
from bursar.ledger.store import Session

CELLS_MAX = 400_000
Stratum = tuple[str, ...]


class Days(NamedTuple):
    """[first, until) in UTC."""

    first: date
    until: date


class Scope(NamedTuple):
    """Whose charges, and when. days: None: at any time."""

    filters: tuple[Filter, ...]
    days: Days | None = None


class Cell(NamedTuple):
    """Charges of one day that are alike. owners: bit i is set where the i-th scope holds; units: by the units asked."""

    day: date
    owners: int
    stratum: Stratum
    units: tuple[int | Decimal, ...]
    pico: int
    calls: int
    unpriced: int


def read_scope(filters: Sequence[str]) -> tuple[Filter, ...]:
    """`["feature=checkout", "tag:plan!=free"]` as conditions that all must hold. Raises BadQuery."""
    return as_filters(parse_filter(text) for text in filters)


def check_mix(mix: Sequence[str]) -> None:
    """Raises BadQuery for a dimension that isn't known, or a tag's name that can't be one."""
    sql.dimension_columns(mix, "duckdb")


def check_unit(unit: str) -> None:
    """Raises BadQuery for one that isn't known or can't be added up."""
    if unit == OK_CALLS or unit.startswith(TAG_PREFIX):
        check_mix([unit] if unit.startswith(TAG_PREFIX) else [])
        return
    found = measure(unit)
    if not found.is_additive or found.unit in ("usd", "ms"):
        raise BadQuery(f"{unit} can't be what cost is divided by; take a count of calls, tokens or bytes",
                       field="unit")  # fmt: skip


def cells(
    session: Session,
    dialect: str,
    days: Days,
    mix: Sequence[str],
    units: Sequence[str],
    scopes: Sequence[Scope],
    apart: Sequence[Scope] = (),
) -> list[Cell]:
    """The charges that at least one of the scopes is about and none of those `apart`, by day and `mix`.

    Where some are apart, a cell's stratum has one part more: which of those scopes its calls are in, whenever. What is
    apart from some day on is then not in one kind with what stays.
    Raises BadQuery above CELLS_MAX, where calls are told apart too finely.
    """
    params: sql.Params = {**_span("", days), **sql.dimension_params(mix)}
    always = [Scope(one.filters) for one in apart]
    bits = _bits([*scopes, *apart, *always], params, dialect)
    ends = (len(scopes), len(scopes) + len(apart))
    owners, others = _number(bits[: ends[0]]), _number(bits[ends[0] : ends[1]])
    keys = [*sql.dimension_columns(mix, dialect), *([f"{_number(bits[ends[1] :])}::VARCHAR"] if apart else [])]
    sums = [_unit(unit, at, params) for at, unit in enumerate(units)]
    columns = [f"{column} AS k{at}" for at, column in enumerate(keys)]
    named = [f"{text} AS u{at}" for at, text in enumerate(sums)]
    rows = session.query(
        f"""
        SELECT date_trunc('day', received_at)::DATE AS day, {owners} AS owners, {"".join(f"{key}, " for key in columns)}
          {"".join(f"{text}, " for text in named)} coalesce(SUM(effective_cost), 0) AS cost,
          SUM(CASE WHEN is_final AND traffic = 'live' THEN weight ELSE 0 END)::BIGINT AS calls,
          SUM(CASE WHEN quality = 'unpriced' THEN weight ELSE 0 END)::BIGINT AS unpriced
        FROM charges WHERE received_at >= $start AND received_at < $end AND {owners} <> 0 AND {others} = 0
        GROUP BY ALL ORDER BY ALL LIMIT {CELLS_MAX + 1}
        """,
        params,
    ).rows
    if len(rows) > CELLS_MAX:
        raise BadQuery(f"more than {CELLS_MAX} kinds of calls by day: tell fewer of them apart (mix)", field="mix")
    width, last = 2 + len(keys), 2 + len(keys) + len(sums)
    return [
        Cell(row[0], int(row[1]), tuple(str(key or "") for key in row[2:width]),
             tuple(_whole(unit) for unit in row[width:last]), int(row[last].scaleb(12)), *row[last + 1 :])
        for row in rows
    ]  # fmt: skip


class Guarded(NamedTuple):
    """How calls went: failed by the provider's fault, p95 of their time, the last words of users about them."""

    calls: int
    failed: int
    latency_p95_ms: int | None
    scored: int
    score: float | None


def guarded(session: Session, dialect: str, scope: Scope, days: Days) -> Guarded:
    """What a guard looks at, of the calls of one scope."""
    params: sql.Params = _span("", days)
    (is_in,) = _bits([scope], params, dialect)
    row = session.query(
        f"""
        WITH said AS (
          SELECT call_id, credential_id, score FROM feedback
          QUALIFY row_number() OVER (PARTITION BY call_id, credential_id ORDER BY scored_at DESC) = 1
        )
        SELECT count(*), count(*) FILTER (WHERE call_outcome IN ('provider_error', 'timeout')),
          quantile_disc(duration_ms, 0.95) FILTER (WHERE call_outcome IN ('ok', 'truncated')),
          count(score), avg(score)
        FROM charges LEFT JOIN said USING (call_id, credential_id)
        WHERE received_at >= $start AND received_at < $end AND is_final AND entry = 'usage' AND traffic = 'live'
          AND {is_in}
        """,
        params,
    ).rows[0]
    return Guarded(*row)


def _bits(scopes: Sequence[Scope], params: sql.Params, dialect: str) -> list[str]:
    """A condition for each scope; the values they are bound to are added to `params`."""
    every = [one for scope in scopes for one in scope.filters]
    params |= sql.filter_params(every)
    conditions = iter(sql.conditions(sql.filter_shapes(every)))
    found = []
    for at, scope in enumerate(scopes):
        parts = [next(conditions).sql(dialect=dialect) for _ in scope.filters]
        if scope.days is not None:
            params |= _span(f"{at}", scope.days)
            parts += [f"received_at >= $start{at}", f"received_at < $end{at}"]
        found.append(f"({' AND '.join(parts) or 'true'})")
    return found


def _number(bits: Sequence[str]) -> str:
    """One number that has a bit for each condition that holds."""
    cases = [f"CASE WHEN {bit} THEN {1 << at} ELSE 0 END" for at, bit in enumerate(bits)]
    return f"({' + '.join(cases) or '0'})::BIGINT"


def _span(suffix: str, days: Days) -> sql.Params:
    """Bound values of a stretch, naive UTC as the ledger keeps times."""
    return {
        f"start{suffix}": sql.naive(datetime.combine(days.first, time.min, UTC)),
        f"end{suffix}": sql.naive(datetime.combine(days.until, time.min, UTC)),
    }


def _unit(unit: str, at: int, params: sql.Params) -> str:
    check_unit(unit)
    if unit.startswith(TAG_PREFIX):
        params[f"unit{at}"] = unit.removeprefix(TAG_PREFIX)
        number = f"greatest(coalesce(TRY_CAST(tags[$unit{at}] AS DECIMAL(18,6)), 0), 0)"  # nobody reads -5 pages
        value = f"CASE WHEN is_final THEN weight * {number} ELSE 0 END"
        found = f"SUM({value})"
    elif unit == OK_CALLS:
        found = "SUM(CASE WHEN is_final AND call_outcome IN ('ok', 'truncated') THEN weight ELSE 0 END)"
    else:
        found = measure(unit).charges
    return f"coalesce({found} FILTER (WHERE quality <> 'unpriced' AND traffic = 'live'), 0)"


def _whole(value: int | Decimal) -> int | Decimal:
    return value if isinstance(value, Decimal) and value % 1 else int(value)
