"""The sums that the watch looks at, per step of time and series, read from the charges.

A minute is read with one query for all series: the charges are looked at once and grouped by each dimension by itself.
Hours and days are in `long_sums`.

A call counts where it was received, as in every answer. Only the minutes that are watched as they come go by when a
call ended, because a long one is in the books only then: its minute would look emptier each time than it was.

What the books say of no call isn't looked at: a bill's line "not through Bursar" that somebody posts on a day would
look like a jump of it. Entries that re-rate a call are its cost, and stay with it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bursar.domain.clock import datetime_from_us
from bursar.domain.watching import Bucket, Clock, SeriesKey
from bursar.explore import compile as sql
from bursar.explore.apart import OF_CALLS
from bursar.ledger.calls import TOTAL_INPUT, TOTAL_OUTPUT
from bursar.ledger.rollups import ERROR_OUTCOMES
from bursar.ledger.store import Session
from bursar.watch.dear import DearPairs

WATCHED = ("feature", "team", "customer", "credential_id", "model", "provider", "request_type", "agent", "session")
MINUTE_VALUES = 200  # of each dimension in a minute, those that cost most first
CALL_MAX = timedelta(hours=2)  # a call takes no longer: bounds how far back a minute's question reads
DIMENSIONS_MAX = 24  # places of one GROUPING

STEP_US = {Clock.MINUTE: 60_000_000, Clock.HOUR: 3_600_000_000, Clock.DAY: 86_400_000_000}
FIELDS = tuple(Bucket.__struct_fields__)

_SEPARATOR = "\x1f"
_CALLS = "CASE WHEN is_final THEN weight ELSE 0 END"
_ERRORS = ", ".join(f"'{outcome}'" for outcome in ERROR_OUTCOMES)
COUNTS = {
    "calls": _CALLS,
    "attempts": "weight",
    "retries": "CASE WHEN attempt_number > 1 THEN weight ELSE 0 END",
    "truncated": "CASE WHEN outcome = 'truncated' THEN weight ELSE 0 END",
    "errors": f"CASE WHEN outcome IN ({_ERRORS}) THEN weight ELSE 0 END",
    "input_tokens": TOTAL_INPUT,
    "cache_read_tokens": "cache_read_tokens + cache_read_audio_tokens",
    "output_tokens": TOTAL_OUTPUT,
    "cost_pico": "list_cost",
    "dear_calls": f"CASE WHEN list_contains($dear, request_type || '{_SEPARATOR}' || model) THEN {_CALLS} ELSE 0 END",
    "untagged_calls": f"CASE WHEN feature = '' THEN {_CALLS} ELSE 0 END",
    "unpriced": "CASE WHEN quality = 'unpriced' THEN weight ELSE 0 END",
}
"""What one charge adds to each field of a `Bucket`; cost in USD, as the ledger has it."""


class Minute(NamedTuple):
    """One step of every series that had a call in it."""

    start_us: int
    buckets: dict[SeriesKey, Bucket]


def minutes(
    session: Session,
    dialect: str,
    start_us: int,
    end_us: int,
    *,
    dimensions: Sequence[str] = WATCHED,
    dear: DearPairs = frozenset(),
    values: int = MINUTE_VALUES,
) -> list[Minute]:
    """Every minute of [start, end), also those without a call, by when attempts ended. One query.

    Values that weren't said ("") are no series: the whole has them.
    """
    names = tuple(dimensions)[:DIMENSIONS_MAX]
    start, end = naive_us(start_us), naive_us(end_us)
    params = {
        **sql.dimension_params(names), **dear_param(dear),
        "received": start - CALL_MAX, "start": start, "end": end, "values": values,
    }  # fmt: skip
    step_us = STEP_US[Clock.MINUTE]
    found: dict[int, dict[SeriesKey, Bucket]] = {at: {} for at in range(start_us, end_us, step_us)}
    places = _places(names)
    for place, step, *rest in session.query(_minutes_sql(names, dialect, bool(dear)), params).rows:
        at = places[place]
        key = SeriesKey() if at is None else SeriesKey(names[at], rest[at] or "")
        if at is None or key.value:
            found[step][key] = Bucket(*rest[len(names) :])
    return [Minute(at, found[at]) for at in sorted(found)]


def _minutes_sql(names: tuple[str, ...], dialect: str, judges_dear: bool) -> str:
    keys = [f"d{index}" for index in range(len(names))]
    named = [f"{column} AS {key}" for column, key in zip(sql.dimension_columns(names, dialect), keys, strict=True)]
    sets = ["(step)", *(f"(step, {key})" for key in keys)]
    place = f"GROUPING({', '.join(keys)})" if keys else "0"
    order = ", ".join(["cost_pico DESC NULLS LAST", "attempts DESC", *keys])
    columns = ", ".join([*named, *(f"{part} AS {name}" for name, part in parts_of(judges_dear).items())])
    sums = ", ".join(f"{summed(name, part=name)} AS {name}" for name in FIELDS)
    return (
        f"WITH picked AS (SELECT epoch_us(date_trunc('minute', ended_at)) AS step, {columns} FROM charges "
        f"WHERE received_at >= $received AND ended_at >= $start AND ended_at < $end AND {OF_CALLS}), "
        f"summed AS (SELECT {place} AS place, step, {', '.join([*keys, sums])} FROM picked "
        f"GROUP BY GROUPING SETS ({', '.join(sets)})) "
        f"SELECT * FROM summed QUALIFY row_number() OVER (PARTITION BY place, step ORDER BY {order}) <= $values"
    )


def summed(field: str, *, part: str, condition: str = "") -> str:
    """The SQL of a sum: a whole number, 0 where there is nothing to add up; money in pico USD, exactly."""
    only = f" FILTER (WHERE {condition})" if condition else ""
    if field == "cost_pico":
        return f"coalesce(((SUM({part}){only})::DECIMAL(38,12) * 1000000000000::DECIMAL(13,0))::HUGEINT, 0)"
    return f"coalesce(SUM({part}){only}, 0)"


def parts_of(judges_dear: bool) -> dict[str, str]:
    return COUNTS if judges_dear else COUNTS | {"dear_calls": "0"}


def dear_param(dear: DearPairs) -> dict[str, Any]:
    return {"dear": [f"{kind}{_SEPARATOR}{model}" for kind, model in sorted(dear)]} if dear else {}


def _places(names: Sequence[str]) -> dict[int, int | None]:
    """What GROUPING says of each set: a bit for every dimension that isn't grouped by, the first the highest."""
    everything = 2 ** len(names) - 1
    return {everything: None} | {everything ^ (1 << (len(names) - 1 - index)): index for index in range(len(names))}


def naive_us(at_us: int) -> datetime:
    return sql.naive(datetime_from_us(at_us))
