"""Ask the ledger: measures × dimensions × filters × period.

Every answer comes with exact decimals, totals from a query of their own, the groups beyond the limit added up as one
row, and the counts of charges that are unpriced, estimated or assumed.
"""

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from bursar.domain.errors import BadQuery
from bursar.domain.periods import Period, previous, zone
from bursar.explore import compile as sql
from bursar.explore.filters import Filter, as_filters
from bursar.explore.rollups import CHARGES, Source, choose_source, day_source, knows_days
from bursar.explore.vocabulary import COST_MEASURES, DOUBTS, SOURCE, Dimension, dimension, filterable, is_grain, measure
from bursar.ledger.rollups import days_until
from bursar.ledger.store import Session

DIMENSIONS_MAX = 3  # two, and a time grain
LIMIT_MAX = 100_000


class Query(msgspec.Struct, frozen=True):
    """One question.

    dimensions: up to three names of `vocabulary.DIMENSIONS`, "tag:NAME", or a grain ("hour", "day", "week", "month").
    filters:    `Filter`s, or pairs (field, value).
    timezone:   whose hours and days; "" for the period's own.
    order:      a measure (largest first), "change:MEASURE" (with compare), or "" for the dimensions' own order.
    limit:      how many groups come one by one; None: all.
    compare:    also the comparable period before, per group and in total (not with a grain).
    movers:     with compare, this many groups that moved most come one by one too, rises and falls of effective_cost.
    """

    period: Period
    measures: tuple[str, ...] = COST_MEASURES
    dimensions: tuple[str, ...] = ()
    filters: tuple[Filter | tuple[str, str], ...] = ()
    timezone: str = ""
    order: str = ""
    ascending: bool = False
    limit: int | None = None
    compare: bool = False
    movers: int = 0


class Table(msgspec.Struct):
    """The answer: `columns` are the dimensions, then the measures; each of `rows` has their values.

    A dimension's value is text, "" where it wasn't said; a day, week or month is "2026-03-01" (local), an hour
    "2026-03-01T05:00+05:30": the labels of `periods.buckets`. A cost is a Decimal, None where all of it is unpriced.
    totals: over everything, by measure. other: the groups beyond the limit, by measure; None if there are none.
    before: per row, the measures in the period before (None: not there then); before_totals, before_other alike.
    source: the table that answered.
    """

    period: Period
    columns: list[str]
    rows: list[tuple[Any, ...]]
    totals: dict[str, Any]
    groups: int
    source: str
    elapsed_ms: float
    dimensions: list[str]
    measures: list[str]
    other: dict[str, Any] | None = None
    other_groups: int = 0
    previous: Period | None = None
    before: list[dict[str, Any] | None] | None = None
    before_totals: dict[str, Any] | None = None
    before_other: dict[str, Any] | None = None

    def dicts(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def run_query(
    session: Session,
    dialect: str,
    query: Query,
    totals: Table | None = None,
    *,
    rows_only: bool = False,
    only: Source | None = None,
) -> Table:
    """Answer one question. Raises BadQuery or BadPeriod that say what can be asked.

    totals: an answer of the same snapshot, period and filters, whose totals are these too; saves a query.
    rows_only: leave the totals empty, for a caller who has no use for them.
    only: what is asked instead of everything; it has the columns of charges.
    """
    started = time.perf_counter()
    plan = _plan(session, query, only)
    shape, params = plan.shape, plan.params
    names = list(shape.measures)
    now, earlier = ({}, {}) if rows_only else _totals(session, dialect, plan, totals)
    table = Table(
        period=query.period,
        columns=[*shape.dimensions, *names],
        rows=[],
        totals=now,
        groups=0,
        source=shape.source.name,
        elapsed_ms=0.0,
        dimensions=list(shape.dimensions),
        measures=names,
        previous=plan.before,
    )
    if shape.compared:
        table.before = []
        table.before_totals = earlier
    if shape.dimensions:
        _fill(table, shape, plan.timezone, session.query(sql.grouped_sql(shape, dialect), params).rows)
    table.elapsed_ms = round((time.perf_counter() - started) * 1_000, 2)
    return table


class _Plan(msgspec.Struct):
    """Two queries: the groups, and the totals, which may well come from a smaller table."""

    shape: sql.Shape
    params: sql.Params
    totals_shape: sql.Shape
    totals_params: sql.Params
    before: Period | None
    timezone: str


def _totals(
    session: Session, dialect: str, plan: _Plan, known: Table | None
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    names = plan.shape.measures
    if known is not None and set(names) <= set(known.measures) and (known.before_totals or not plan.shape.compared):
        earlier = known.before_totals if plan.shape.compared else None
        return {name: known.totals[name] for name in names}, earlier and {name: earlier[name] for name in names}
    row = session.query(sql.totals_sql(plan.totals_shape, dialect), plan.totals_params).rows[0]
    if not plan.shape.compared:
        return _known(dict(zip(names, row, strict=True))), None
    now, before = row[::2], row[1::2]
    return _known(dict(zip(names, now, strict=True))), _known(dict(zip(names, before, strict=True)))


def _plan(session: Session, query: Query, only: Source | None) -> _Plan:
    filters = as_filters(query.filters)
    timezone = query.timezone or query.period.timezone
    zone(timezone)
    measures = _measures(query)
    _check(query, measures)
    before = previous(query.period) if query.compare else None
    grains = [name for name in query.dimensions if is_grain(name)]
    changes, offsets = sql.offset_params(query.period, timezone) if grains else (0, {})
    named = [dimension(name) for name in query.dimensions if name not in grains]
    filtered = [filterable(one.field) for one in filters]
    periods = [query.period, before] if before else [query.period]
    in_days = not grains or (changes == 0 and grains != ["hour"])
    source, days = _source(session, measures, [*named, *filtered], periods, whole=in_days)
    of_all = [*filtered, *(one for one in named if one.name == SOURCE)]  # by source: imported rows are in the total too
    totals_source, totals_days = _source(session, measures, of_all, periods, whole=True)
    if only is not None:
        source, days, totals_source, totals_days = only, {}, only, {}
    shape = sql.Shape(
        source=source,
        measures=measures,
        dimensions=query.dimensions,
        filters=sql.filter_shapes(filters),
        changes=changes,
        order=query.order,
        ascending=query.ascending,
        compared=before is not None,
        limited=query.limit is not None,
        movers=bool(query.movers) and query.limit is not None,
    )
    common = sql.period_params(query.period, before) | sql.filter_params(filters)
    params = common | offsets | sql.dimension_params(query.dimensions) | days
    if query.limit is not None:
        params["limit"] = query.limit
    if shape.movers:
        params["movers"] = query.movers
    return _Plan(shape, params, shape._replace(source=totals_source), common | totals_days, before, timezone)


def _measures(query: Query) -> tuple[str, ...]:
    """What was asked, with any cost the counts of what isn't surely in it, and attempts: "nothing" or "unknown"?"""
    wanted = list(dict.fromkeys(query.measures))
    if any(measure(name).unit == "usd" for name in wanted):
        wanted += [name for name in DOUBTS if name not in wanted]
    if query.movers and sql.MOVING not in wanted:
        wanted.append(sql.MOVING)
    if "attempts" not in wanted:
        wanted.append("attempts")
    ordered = query.order.removeprefix("change:")
    if ordered and ordered not in wanted:
        measure(ordered)
        wanted.append(ordered)
    return tuple(wanted)


def _check(query: Query, measures: tuple[str, ...]) -> None:
    if not measures:
        raise BadQuery("ask for at least one measure", field="measure")
    if len(query.dimensions) > DIMENSIONS_MAX or len(set(query.dimensions)) != len(query.dimensions):
        raise BadQuery(f"group by at most {DIMENSIONS_MAX} different dimensions", field="dimension")
    grains = [name for name in query.dimensions if is_grain(name)]
    for name in query.dimensions:
        if name not in grains:
            dimension(name)
    if len(grains) > 1:
        raise BadQuery("group by one of hour, day, week and month", field="dimension")
    if query.compare and grains:
        raise BadQuery("a comparison has no hours or days of its own; ask for both periods", field="compare")
    if (query.order.startswith("change:") or query.movers) and not query.compare:
        raise BadQuery("what changed needs compare", field="order")
    if query.limit is not None and not 0 <= query.limit <= LIMIT_MAX:
        raise BadQuery(f"limit is from 0 to {LIMIT_MAX}", field="limit")


def _source(
    session: Session, measures: Sequence[str], fields: Sequence[Dimension], periods: Sequence[Period], *, whole: bool
) -> tuple[Source, sql.Params]:
    """The smallest table that can answer, and values for its SQL.

    whole: the periods aren't cut, or into days of UTC, or longer.
    """
    source = choose_source(measures, fields, periods)
    if source is not CHARGES or not whole or not knows_days(measures, fields):
        return source, {}
    until = days_until(session)
    found = day_source(fields, periods, until) if until else None
    return found or (source, {})


def _fill(table: Table, shape: sql.Shape, timezone: str, rows: Sequence[tuple[Any, ...]]) -> None:
    width, count = len(shape.dimensions), len(shape.measures)
    grain_at = next((index for index, name in enumerate(shape.dimensions) if is_grain(name)), -1)
    for place, *cells in rows:
        keys, groups, amounts = cells[:width], cells[width], cells[width + 1 :]
        now, before = amounts[:count], amounts[count:]
        values = _known(dict(zip(table.measures, now, strict=True)))
        earlier = _known(dict(zip(table.measures, before, strict=True))) if shape.compared else None
        table.groups += groups
        if place is None:
            table.other, table.other_groups, table.before_other = values, groups, earlier
            continue
        if grain_at >= 0:
            keys[grain_at] = _label(keys[grain_at], timezone)
        table.rows.append((*keys, *values.values()))
        if table.before is not None:
            table.before.append(earlier if earlier and earlier["attempts"] else None)


def _label(at: date | datetime, timezone: str) -> str:
    if isinstance(at, datetime):
        return at.replace(tzinfo=UTC).astimezone(zone(timezone)).isoformat(timespec="minutes")
    return at.isoformat()


def _known(values: dict[str, Any]) -> dict[str, Any]:
    """NULL means "no row": a known nothing for counts, and for costs where there was no attempt at all."""
    attempts = values["attempts"]
    for name, value in values.items():
        unit = measure(name).unit
        if value is None:
            if unit == "usd":
                values[name] = None if attempts else Decimal(0)
            elif measure(name).is_additive:
                values[name] = 0
        elif unit == "usd":
            values[name] = value or Decimal(0)  # not "0E-12"
        elif not isinstance(value, int):
            values[name] = int(value)
    return values
