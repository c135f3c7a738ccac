"""How a finding went over time: what each step cost, and what was to be expected of it. What a chart draws."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from bursar.domain.clock import datetime_from_us
from bursar.domain.watching import SeriesKey
from bursar.explore import compile as sql
from bursar.explore.filters import Filter, as_filters
from bursar.ledger.store import Session
from bursar.watch.buckets import summed

MINUTE_US = 60_000_000
STEPS_US = tuple(minutes * MINUTE_US for minutes in (1, 5, 15, 60, 6 * 60, 24 * 60))
STEPS_MAX = 120
MARGIN_US = 10 * MINUTE_US  # at least so much before it is shown


class Step(NamedTuple):
    """One step: its start, and pico USD. expected_pico: None where nothing is known of earlier times."""

    start_us: int
    expected_pico: int | None
    actual_pico: int


class Shift(NamedTuple):
    """How far back an earlier time lies, and how much it counts."""

    back_us: int
    weight: Fraction


def span_of(began_us: int, until_us: int) -> tuple[int, int, int]:
    """(start, end, step) of what is shown: the finding, and as long before it; at most STEPS_MAX whole steps."""
    length_us = max(until_us - began_us, MARGIN_US)
    for step_us in STEPS_US:
        start_us = (began_us - length_us) // step_us * step_us
        end_us = -(-until_us // step_us) * step_us
        if (end_us - start_us) // step_us <= STEPS_MAX:
            break
    return start_us, end_us, step_us


def pace(
    session: Session,
    dialect: str,
    inside: Sequence[SeriesKey],
    span: tuple[int, int, int],
    shifts: Sequence[Shift],
) -> list[Step]:
    """Every step of the span, also those without a call. One query."""
    start_us, end_us, step_us = span
    backs = [0, *(one.back_us for one in shifts)]
    filters = as_filters([Filter(one.dimension, (one.value,)) for one in inside if one.dimension])
    params = sql.filter_params(filters) | {"start": start_us, "step": step_us}
    for index, back_us in enumerate(backs):
        params |= {
            f"from{index}": sql.naive(datetime_from_us(start_us - back_us)),
            f"to{index}": sql.naive(datetime_from_us(end_us - back_us)),
        }
    parts = []
    for index, back_us in enumerate(backs):
        params[f"back{index}"] = back_us
        where = [f"received_at >= $from{index} AND received_at < $to{index}"]
        where += [one.sql(dialect=dialect) for one in sql.conditions(sql.filter_shapes(filters))]
        parts.append(
            f"SELECT {index} AS span, (epoch_us(received_at) + $back{index} - $start) // $step AS at, "
            f"{summed('cost_pico', part='list_cost')} AS pico FROM charges WHERE {' AND '.join(where)} GROUP BY 2"
        )
    sums = {(span_, at): int(pico) for span_, at, pico in session.query(" UNION ALL ".join(parts), params).rows}
    found = []
    for at in range((end_us - start_us) // step_us):
        expected = sum((one.weight * sums.get((index + 1, at), 0) for index, one in enumerate(shifts)), Fraction(0))
        actual = sums.get((0, at), 0)
        found.append(Step(start_us + at * step_us, round(expected) if shifts else None, actual))
    return found
