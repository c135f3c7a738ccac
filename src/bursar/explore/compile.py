"""Questions as SQL: SQLGlot expressions, so that a second engine is a second dialect and a few overrides.

The text depends on the shape of a question only (which measures, dimensions, operators), and is kept by shape; every
value is bound by name. Names come from `vocabulary`, never from the asker.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import sqlglot
from sqlglot import exp

from bursar.domain.periods import Grain, Period, offsets
from bursar.domain.savings import COLUMNS
from bursar.explore.filters import Filter, Operator
from bursar.explore.rollups import Source
from bursar.explore.vocabulary import SAVED, TAG_PREFIX, dimension, is_grain, measure

SHAPES_KEPT = 512
MOVING = "effective_cost"  # what the groups that moved most are found by
_WRITTEN_IN = "duckdb"  # what the pieces below are written in


class Shape(NamedTuple):
    """All that decides the text of a query.

    dimensions:  names, grains among them; grouped by in this order.
    filters:     (field, operator, number of values).
    changes:     how many UTC offsets the time zone has over the period; 0: local time is UTC.
    order:       a measure, "change:MEASURE", or "" for the order of the dimensions.
    compared:    whether the same measures over the period before stand beside.
    limited:     whether only the first rows come one by one, the others as one row.
    movers:      whether those whose cost moved most come one by one too.
    """

    source: Source
    measures: tuple[str, ...]
    dimensions: tuple[str, ...]
    filters: tuple[tuple[str, Operator, int], ...]
    changes: int
    order: str
    ascending: bool
    compared: bool
    limited: bool
    movers: bool = False


Params = dict[str, Any]


def naive(at: datetime) -> datetime:
    """UTC without a zone: how the ledger keeps times."""
    return at.astimezone(UTC).replace(tzinfo=None)


def period_params(period: Period, before: Period | None) -> Params:
    params: Params = {"start": naive(period.start), "end": naive(period.end)}
    if before is not None:
        params |= {"before_start": naive(before.start), "before_end": naive(before.end)}
    return params


def offset_params(period: Period, timezone: str) -> tuple[int, Params]:
    """How many offsets the zone has over the period, and their values; (0, {}) for UTC all through."""
    found = offsets(period.start, period.end, timezone)
    if all(offset == 0 for _, offset in found):
        return 0, {}
    params: Params = {f"offset{index}": offset for index, (_, offset) in enumerate(found)}
    params |= {f"change{index}": naive(at) for index, (at, _) in enumerate(found) if index}
    return len(found), params


def filter_params(filters: Sequence[Filter]) -> Params:
    params: Params = {}
    for index, one in enumerate(filters):
        if one.field.startswith(TAG_PREFIX):
            params[f"key{index}"] = one.field.removeprefix(TAG_PREFIX)
        for place, value in enumerate(one.values):
            params[f"value{index}_{place}"] = value
    return params


def dimension_params(dimensions: Iterable[str]) -> Params:
    tags = [name for name in dimensions if name.startswith(TAG_PREFIX)]
    return {f"tag{index}": name.removeprefix(TAG_PREFIX) for index, name in enumerate(tags)}


@lru_cache(maxsize=SHAPES_KEPT)
def grouped_sql(shape: Shape, dialect: str) -> str:
    """Groups in order: place (NULL: the others, added up), dimensions, how many groups, measures, measures before."""
    keys = [f"d{index}" for index in range(len(shape.dimensions))]
    values = [f"m{index}" for index in range(len(shape.measures))]
    values += [f"b{index}" for index in range(len(shape.measures))] if shape.compared else []
    groups = _sums(shape)
    order = _order(shape, keys)
    ranks = [_parsed(f"row_number() OVER (ORDER BY {order}) AS place")]
    is_shown = "place <= $limit"
    if shape.movers:
        by_change = ", ".join([f"abs({_change(shape, MOVING)}) DESC", *keys])
        ranks.append(_parsed(f"row_number() OVER (ORDER BY {by_change}) AS change_place"))
        is_shown = f"({is_shown} OR change_place <= $movers)"
    ranked = exp.select("*", *ranks).from_("sums_by_group")
    if not shape.limited:
        query = exp.select("place", *keys, "1 AS group_count", *values).from_("ranked").order_by("place")
        return query.with_("sums_by_group", as_=groups).with_("ranked", as_=ranked).sql(dialect=dialect)
    shown = [f"CASE WHEN {is_shown} THEN {name} END AS {name}" for name in ("place", *keys)]
    added = [_added(shape, value) for value in values]
    query = (
        exp.select(*(_parsed(text) for text in (*shown, "count(*) AS group_count", *added)))
        .from_("ranked")
        .group_by(*(str(index + 1) for index in range(len(shown))))
        .order_by("1")
    )
    return query.with_("sums_by_group", as_=groups).with_("ranked", as_=ranked).sql(dialect=dialect)


@lru_cache(maxsize=SHAPES_KEPT)
def totals_sql(shape: Shape, dialect: str) -> str:
    """One row: the measures over everything that the filters let through, and those of the period before."""
    return _sums(shape._replace(dimensions=())).sql(dialect=dialect)


@lru_cache(maxsize=SHAPES_KEPT)
def values_sql(source: Source, name: str, filters: tuple[tuple[str, Operator, int], ...], dialect: str) -> str:
    """The values of one dimension in a period that begin with something, those with most attempts first."""
    value = _dimension(name, "tag0")
    attempts = _parsed("SUM(attempts)" if source.is_rollup else "SUM(weight)")
    within = [*_between(source, "start", "end"), *conditions(filters)]
    query = (
        exp.select(exp.alias_(value, "value"), exp.alias_(attempts, "attempts"))
        .from_(_from(source, (value, attempts, *within)))
        .where(*within)
        .group_by("1")
        .having(_parsed("starts_with(lower(value), lower($prefix))"))
        .order_by("attempts DESC", "value")
        .limit(exp.Placeholder(this="limit"))
    )
    return query.sql(dialect=dialect)


def filter_shapes(filters: Sequence[Filter]) -> tuple[tuple[str, Operator, int], ...]:
    return tuple((one.field, one.op, len(one.values)) for one in filters)


def _sums(shape: Shape) -> exp.Select:
    """Measures by dimensions, before any order; with a comparison, `b0` … of the period before beside `m0` …."""
    source = shape.source
    keys: list[exp.Expr] = []
    tags = 0
    for index, name in enumerate(shape.dimensions):
        if is_grain(name):
            column = _bucket(name, source.time, shape.changes)  # type: ignore[arg-type]  # `is_grain` has just looked
        else:
            column = _dimension(name, f"tag{tags}")
            tags += name.startswith(TAG_PREFIX)
        keys.append(exp.alias_(column, f"d{index}"))
    values = [exp.alias_(_measure(name, source), f"m{index}") for index, name in enumerate(shape.measures)]
    names = [key.alias for key in keys]
    filters = conditions(shape.filters)
    if not shape.compared:
        within = [*_between(source, "start", "end"), *filters]
        found = _from(source, (*keys, *values, *within))
        return exp.select(*keys, *values).from_(found).where(*within).group_by(*names)
    # Each sum once per half, then the halves side by side: thirty filtered sums would look at every row thirty times.
    either = exp.or_(
        exp.and_(*_between(source, "start", "end")), exp.and_(*_between(source, "before_start", "before_end"))
    )
    bounds = [_parsed(f"{source.time} >= $before_start"), _parsed(f"{source.time} < $end")]  # for zone maps
    halves = (
        exp.select(*keys, exp.alias_(_parsed(f"{source.time} >= $start"), "is_now"), *values)
        .from_(_from(source, (*keys, *values, *bounds, *filters)))
        .where(either, *bounds, *filters)
        .group_by(*names, "is_now")
    )
    beside = [
        _parsed(f"max(m{index}) FILTER (WHERE {half}) AS {letter}{index}")
        for index in range(len(shape.measures))
        for letter, half in (("m", "is_now"), ("b", "NOT is_now"))
    ]
    return exp.select(*names, *beside).from_(halves.subquery("halves")).group_by(*names)


def _measure(name: str, source: Source) -> exp.Expr:
    found = measure(name)
    return _parsed(found.rollup if source.is_rollup else found.charges)


def _order(shape: Shape, keys: list[str]) -> str:
    """Largest first and unknown last; ties in the dimensions' order, so that an answer never depends on chance."""
    direction = "ASC" if shape.ascending else "DESC"
    name = shape.order.removeprefix("change:")
    parts: list[str] = []
    if name:
        value = f"m{shape.measures.index(name)}"
        if shape.order.startswith("change:"):
            value = _change(shape, name)
        parts = [f"{value} {direction} NULLS LAST"]
    return ", ".join([*parts, *keys])


def _change(shape: Shape, name: str) -> str:
    at = shape.measures.index(name)
    return f"coalesce(m{at}, 0) - coalesce(b{at}, 0)"


def _added(shape: Shape, value: str) -> str:
    """The others' sum; of what can't be added up (a quantile) only a single group's own value."""
    if measure(shape.measures[int(value[1:])]).is_additive:
        return f"SUM({value}) AS {value}"
    return f"CASE WHEN count(*) = 1 THEN any_value({value}) END AS {value}"


def _bucket(grain: Grain, time: str, changes: int) -> exp.Expr:
    """When a row's bucket begins: an hour as a UTC instant, a day, week or month as the local date.

    Local time is UTC plus the offset in force, as arithmetic: an engine's own time zones are slower, and differ.
    """
    if changes == 0:
        shift = ""
    elif changes == 1:
        shift = "to_seconds($offset0)"
    else:
        whens = " ".join(f"WHEN {time} < $change{index + 1} THEN $offset{index}" for index in range(changes - 1))
        shift = f"to_seconds(CASE {whens} ELSE $offset{changes - 1} END)"
    local = f"({time} + {shift})" if shift else time
    truncated = f"date_trunc('{grain}', {local})"
    if grain == "hour":
        return _parsed(f"({truncated} - {shift})" if shift else truncated)
    return _parsed(f"CAST({truncated} AS DATE)")


def _dimension(name: str, tag_param: str) -> exp.Expr:
    found = dimension(name)
    if name.startswith(TAG_PREFIX):
        return _parsed(f"coalesce(tags[${tag_param}], '')")
    return exp.column(found.column) if found.is_text else _parsed(f"CAST({found.column} AS VARCHAR)")


def dimension_columns(dimensions: Sequence[str], dialect: str) -> list[str]:
    """The SQL of each dimension's value; tags are bound by `dimension_params`."""
    columns, tags = [], 0
    for name in dimensions:
        columns.append(_dimension(name, f"tag{tags}").sql(dialect=dialect))
        tags += name.startswith(TAG_PREFIX)
    return columns


def conditions(filters: tuple[tuple[str, Operator, int], ...]) -> list[exp.Expr]:
    """The filters as conditions; their values are `filter_params`."""
    return [_condition(index, *one) for index, one in enumerate(filters)]


def _condition(index: int, field: str, op: Operator, count: int) -> exp.Expr:
    values = [f"$value{index}_{place}" for place in range(count)]
    if field == SAVED:  # `as_filters` gives each lever a filter of its own
        differs = _made_a_difference(values[0])
        return exp.paren(_parsed(f"NOT ({differs})" if op == "not" else differs))
    column = _dimension(field, f"key{index}").sql(dialect=_WRITTEN_IN)
    match op:
        case "is":
            text = f"{column} = {values[0]}" if count == 1 else f"{column} IN ({', '.join(values)})"
        case "not":
            text = f"{column} <> {values[0]}" if count == 1 else f"{column} NOT IN ({', '.join(values)})"
        case "contains":
            text = " OR ".join(f"contains(lower({column}), lower({value}))" for value in values)
        case "starts":
            text = " OR ".join(f"starts_with(lower({column}), lower({value}))" for value in values)
    return exp.paren(_parsed(text))


def _made_a_difference(value: str) -> str:
    """Whether the lever that `value` names saved or cost anything; the empty text: whether none did."""
    amounts = {lever: f"coalesce({column}, 0) <> 0" for lever, column in COLUMNS.items()}
    whens = " ".join(f"WHEN '{lever}' THEN {differs}" for lever, differs in amounts.items())
    return f"CASE {value} {whens} ELSE NOT ({' OR '.join(amounts.values())}) END"


def _between(source: Source, start: str, end: str) -> list[exp.Expr]:
    within = [_parsed(f"{source.time} >= ${start}"), _parsed(f"{source.time} < ${end}")]
    return [*within, _parsed(source.where)] if source.where else within


def _from(source: Source, asked: Iterable[exp.Expr]) -> exp.Expr:
    """asked: every expression of the query over the source; their columns are what is read."""
    if not source.is_rollup:
        return exp.to_table(source.name)
    columns = {column.name for one in asked for column in one.find_all(exp.Column)}
    return exp.Subquery(this=_parsed(source.rows(sorted(columns))), alias=exp.to_identifier("sums"))


def _parsed(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, dialect=_WRITTEN_IN)
