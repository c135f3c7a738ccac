"""What a finding's time and the times before it cost: the questions to the ledger behind a cause, one query each.

All of them go by when calls were received, as every answer does, so that each figure opens to its calls. Entries that
stand for no call are left out, as in the buckets.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.factors import Cell, CellKey
from bursar.domain.watching import SeriesKey
from bursar.explore import compile as sql
from bursar.explore.apart import OF_CALLS
from bursar.explore.calls import aware
from bursar.explore.filters import Filter, as_filters
from bursar.ledger.store import Session
from bursar.watch.buckets import COUNTS, summed

Span = tuple[int, int]
"""[start, end) in microseconds."""

VALUES_MAX = 12  # of a dimension, those that moved most; the others are one rest
MODELS_MAX = 12
REST = "(others)"
_SEPARATOR = "\x1f"
_PICO = 10**12


class Sums(NamedTuple):
    """One series in the finding's own time and in the windows before: pico USD, or a count of calls."""

    now: int
    before: tuple[int, ...]

    def expected(self, weights: Sequence[Fraction]) -> Fraction:
        """What the windows before, each at its weight, lead to expect."""
        return sum((sum_ * weight for sum_, weight in zip(self.before, weights, strict=True)), Fraction(0))


class Asked(NamedTuple):
    """now: the finding's own time; before: the windows it is compared with, and the weight of each.

    inside, outside: series that all of it is in, and series that none of it is in.
    """

    now: Span
    before: tuple[Span, ...]
    weights: tuple[Fraction, ...]
    inside: tuple[SeriesKey, ...] = ()
    outside: tuple[SeriesKey, ...] = ()


def sums_by_value(
    session: Session,
    dialect: str,
    asked: Asked,
    dimensions: Sequence[str],
    *,
    measure: str = "cost_pico",
    wanted: Sequence[SeriesKey] = (),
    values: int = VALUES_MAX,
) -> dict[SeriesKey, Sums]:
    """Of each dimension the values whose sum moved most, those that are wanted, and the whole (SeriesKey()).

    measure: a field of `Bucket`. Unsaid values ("") are values too. One query.
    """
    names = tuple(dimensions)
    keys = [f"d{index}" for index in range(len(names))]
    columns = sql.dimension_columns(names, dialect)
    where, params = _within(asked, dialect)
    params |= sql.dimension_params(names)
    params |= {"values": values, "wanted": [f"{one.dimension}{_SEPARATOR}{one.value}" for one in wanted]}
    params |= {f"share{index}": float(weight) for index, weight in enumerate(asked.weights)}
    sums = [f"{summed(measure, part=measure, condition=f'span = {index}')} AS s{index}" for index in _places(asked)]
    change = " - ".join(["s0::DOUBLE", *(f"s{index + 1} * $share{index}" for index in range(len(asked.before)))])
    sets = ["()", *(f"({key})" for key in keys)]
    place = f"GROUPING({', '.join(keys)})" if keys else "0"
    named = "".join(f", {column} AS {key}" for column, key in zip(columns, keys, strict=True))
    of_all = 2 ** len(names) - 1
    bits = [of_all ^ (1 << (len(names) - 1 - index)) for index in range(len(names))]
    params |= {f"name{index}": f"{name}{_SEPARATOR}" for index, name in enumerate(names)}
    whens = " ".join(
        f"WHEN {bit} THEN $name{index} || coalesce({key}, '')"
        for index, (bit, key) in enumerate(zip(bits, keys, strict=True))
    )
    told = f"CASE place {whens} ELSE '{_SEPARATOR}' END" if keys else f"'{_SEPARATOR}'"
    order = ", ".join([f"abs({change}) DESC", *keys])
    text = (
        f"WITH picked AS (SELECT {_at(asked)} AS span, {COUNTS[measure]} AS {measure}{named} FROM charges "
        f"WHERE {where}), "
        f"grouped AS (SELECT {place} AS place{''.join(f', {key}' for key in keys)}, {', '.join(sums)} FROM picked "
        f"GROUP BY GROUPING SETS ({', '.join(sets)})), "
        f"named AS (SELECT *, {told} AS told FROM grouped) "
        f"SELECT told, {', '.join(f's{index}' for index in _places(asked))} FROM named "
        f"QUALIFY row_number() OVER (PARTITION BY place ORDER BY {order}) <= $values OR list_contains($wanted, told)"
    )
    found = {}
    for told_, now, *before in session.query(text, params).rows:
        dimension, _, value = told_.partition(_SEPARATOR)
        found[SeriesKey(dimension, value)] = Sums(int(now), tuple(map(int, before)))
    return found


def cells(
    session: Session, dialect: str, asked: Asked, mixed_by: str, values: Sequence[str]
) -> tuple[dict[CellKey, Cell], dict[CellKey, Cell]]:
    """Before (at its weights) and now, by value of a dimension and model, for `factors.decompose`.

    mixed_by: "" for no dimension; values: those told apart, all others are one. Attempts without a price aren't in it.
    """
    where, params = _within(asked, dialect)
    mix = "''"
    if mixed_by:
        (column,) = sql.dimension_columns((mixed_by,), dialect)
        params |= sql.dimension_params((mixed_by,)) | {"mixed": list(values)}
        mix = f"CASE WHEN list_contains($mixed, coalesce({column}, '')) THEN coalesce({column}, '') ELSE '{REST}' END"
    source = f"(SELECT {_at(asked)} AS span, {mix} AS mix, * FROM charges WHERE {where} AND list_cost IS NOT NULL)"
    whole = session.query(
        f"SELECT span, mix, model, SUM(CASE WHEN is_final THEN weight ELSE 0 END)::BIGINT, SUM(list_cost), "
        f"SUM(CASE WHEN is_final THEN 0 ELSE list_cost END) FROM {source} GROUP BY 1, 2, 3",
        params,
    ).rows
    models = _largest(whole)
    spans: list[dict[CellKey, Cell]] = [{} for _ in _places(asked)]
    for at, mix_value, model, calls, cost, wasted in whole:
        cell = spans[at].setdefault((mix_value, models.get(model, REST)), Cell(units={}))
        cell.calls += int(calls)
        cell.cost += Fraction(cost) * _PICO
        cell.wasted += Fraction(wasted) * _PICO
    lines = session.query(
        "SELECT span, mix, model, line.unit, SUM(line.quantity)::HUGEINT, SUM(line.quantity * line.unit_price) "
        f"FROM (SELECT span, mix, model, unnest(lines) AS line FROM {source} WHERE is_final) GROUP BY 1, 2, 3, 4",
        params,
    ).rows
    for at, mix_value, model, unit, quantity, cost in lines:
        units = spans[at][mix_value, models.get(model, REST)].units
        was_quantity, was_cost = units.get(unit, (Fraction(0), Fraction(0)))
        units[unit] = (was_quantity + int(quantity), was_cost + Fraction(cost) * _PICO)
    return added_up(spans[1:], asked.weights), spans[0]


def added_up(spans: Sequence[Mapping[CellKey, Cell]], weights: Sequence[Fraction]) -> dict[CellKey, Cell]:
    """Windows as one, each at its weight."""
    total: dict[CellKey, Cell] = {}
    for span, weight in zip(spans, weights, strict=True):
        for key, cell in span.items():
            one, sum_ = cell.scaled(weight), total.setdefault(key, Cell(units={}))
            sum_.calls += one.calls
            sum_.cost += one.cost
            sum_.wasted += one.wasted
            for unit, (quantity, cost) in one.units.items():
                was_quantity, was_cost = sum_.units.get(unit, (Fraction(0), Fraction(0)))
                sum_.units[unit] = (was_quantity + quantity, was_cost + cost)
    return total


def costs_of_spans(
    session: Session, dialect: str, spans: Sequence[Span], inside: Sequence[SeriesKey]
) -> list[Fraction]:
    """What each of these stretches cost, in pico USD; they may overlap."""
    filters, conditions = _conditions(inside, (), dialect)
    params: dict[str, Any] = sql.filter_params(filters)
    for index, (start, end) in enumerate(spans):
        params |= {f"from{index}": sql.naive(datetime_from_us(start)), f"to{index}": sql.naive(datetime_from_us(end))}
    params |= {"first": min(params[f"from{index}"] for index in range(len(spans)))}
    params |= {"last": max(params[f"to{index}"] for index in range(len(spans)))}
    sums = [
        f"SUM(list_cost) FILTER (WHERE received_at >= $from{index} AND received_at < $to{index})"
        for index in range(len(spans))
    ]
    where = " AND ".join(["received_at >= $first", "received_at < $last", *conditions])
    (row,) = session.query(f"SELECT {', '.join(sums)} FROM charges WHERE {where}", params).rows
    return [Fraction(cost or 0) * _PICO for cost in row]


def calls_to_look_at(
    session: Session, dialect: str, asked: Asked, *, most: int, model: str = ""
) -> tuple[list[str], list[str], tuple[str, int]]:
    """Ids of calls: the last ones before, the dearest ones now, and the first that was out of the ordinary, with when
    it was received (("", 0): there is none).

    That is the first one at `model` where one is named; else the first that cost more than 95 % of those before; else
    the first there is.
    """
    where, params = _within(asked, dialect)
    params |= {"most": most, "model": model}
    rows = session.query(
        f"WITH picked AS (SELECT {_at(asked)} AS span, call_id, received_at, list_cost, model FROM charges "
        f"WHERE {where} AND is_final AND weight > 0), "
        "usual AS (SELECT quantile_disc(list_cost, 0.95) AS cost FROM picked WHERE span > 0), "
        "now AS (SELECT * FROM picked WHERE span = 0), "
        "first AS (SELECT call_id, received_at FROM now, usual ORDER BY "
        "CASE WHEN $model <> '' THEN model <> $model ELSE coalesce(list_cost <= usual.cost, false) END, "
        "received_at, call_id LIMIT 1) "
        "SELECT * FROM (SELECT 'before' AS which, call_id, received_at FROM picked WHERE span > 0 "
        "ORDER BY received_at DESC, call_id LIMIT $most) UNION ALL "
        "SELECT * FROM (SELECT 'now', call_id, received_at FROM now ORDER BY list_cost DESC NULLS LAST, call_id "
        "LIMIT $most) UNION ALL SELECT 'first', call_id, received_at FROM first",
        params,
    ).rows
    before = [str(call_id) for which, call_id, _ in rows if which == "before"]
    now = [str(call_id) for which, call_id, _ in rows if which == "now"]
    first = next(
        ((str(call_id), us_from_datetime(aware(at))) for which, call_id, at in rows if which == "first"), ("", 0)
    )
    return before, now, first


def was_there(session: Session, dialect: str, series: SeriesKey, span: Span) -> bool:
    """Whether a series had any charge in a stretch of time."""
    filters, conditions = _conditions((series,), (), dialect)
    start, end = (sql.naive(datetime_from_us(at)) for at in span)
    where = " AND ".join(["received_at >= $start", "received_at < $end", *conditions])
    params = sql.filter_params(filters) | {"start": start, "end": end}
    return bool(session.query(f"SELECT count(*) FROM (SELECT 1 FROM charges WHERE {where} LIMIT 1)", params).only())


def first_call_us(session: Session) -> int | None:
    """When the oldest charge in the books was received; None in empty ones."""
    found = session.query("SELECT epoch_us(min(received_at)) FROM charges").only()
    return None if found is None else int(found)


def _largest(rows: Sequence[tuple[Any, ...]]) -> dict[str, str]:
    costs: dict[str, Fraction] = {}
    for _, _, model, _, cost, _ in rows:
        costs[model] = costs.get(model, Fraction(0)) + abs(Fraction(cost))
    return {model: model for model in sorted(costs, key=lambda model: (-costs[model], model or ""))[:MODELS_MAX]}


def _places(asked: Asked) -> range:
    return range(len(asked.before) + 1)


def _within(asked: Asked, dialect: str) -> tuple[str, dict[str, Any]]:
    filters, conditions = _conditions(asked.inside, asked.outside, dialect)
    params: dict[str, Any] = sql.filter_params(filters)
    for index, (start, end) in enumerate((asked.now, *asked.before)):
        params |= {f"from{index}": sql.naive(datetime_from_us(start)), f"to{index}": sql.naive(datetime_from_us(end))}
    spans = " OR ".join(f"({_in_span(index)})" for index in _places(asked))
    return " AND ".join([f"({spans})", *conditions]), params


def _at(asked: Asked) -> str:
    """Which of the spans a charge is in: 0 is the finding's own."""
    return f"CASE {' '.join(f'WHEN {_in_span(index)} THEN {index}' for index in _places(asked))} END"


def _in_span(index: int) -> str:
    return f"received_at >= $from{index} AND received_at < $to{index}"


def _conditions(
    inside: Sequence[SeriesKey], outside: Sequence[SeriesKey], dialect: str
) -> tuple[tuple[Filter, ...], list[str]]:
    given = [Filter(one.dimension, (one.value,)) for one in inside if one.dimension]
    given += [Filter(one.dimension, (one.value,), "not") for one in outside if one.dimension]
    filters = as_filters(given)
    return filters, [OF_CALLS, *(one.sql(dialect=dialect) for one in sql.conditions(sql.filter_shapes(filters)))]
