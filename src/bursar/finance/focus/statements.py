"""The export's SQL: charges of some hours become rows by hour, key, model and token class, in our names of the columns.

Five tables for one stretch of hours, all temporary. `focus_charges`: the charges, each with its hour and the number of
its profile, which is all that its rows say besides hour and figures. `focus_profiles`: a row a profile. `focus_rows`:
hour × profile × token class × unit price, with the figures. `focus_kinds`: what is said of each profile and token class
as text, once for all hours: a stretch has thousands of them and a hundred times as many rows. `focus_hours`: the times.

A profile is found by a 64-bit hash of its columns: of ten thousand in a stretch, two meet by chance once in 10^11.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from bursar.domain.errors import BadQuery
from bursar.domain.usage import INPUT_UNITS, OUTPUT_UNITS
from bursar.explore.vocabulary import DIMENSIONS, TAG_PREFIX, dimension
from bursar.finance.focus.columns import COSTS, FocusColumn
from bursar.finance.focus.told import (
    EXACT,
    PROMISE,
    TIMES,
    figures,
    meters_sql,
    texts,
    told_by_profile,
    told_unpriced,
    type_of,
)
from bursar.finance.focus.words import ATTEMPT, PURCHASE, REST

CHARGES, PROFILES, ROWS, KINDS, HOURS = (
    "focus_charges", "focus_profiles", "focus_rows", "focus_kinds", "focus_hours",
)  # fmt: skip
ALL_KINDS, ALL_HOURS, NAMED = "focus_all_kinds", "focus_all_hours", "focus_named"
EXTRAS, MORE, KEYS, PROMISES = "focus_extras", "focus_more", "focus_keys", "focus_promises"

SPLITS_MAX = 4
SPLITTABLE = ("customer", "request_type", "agent", "session", "user", "operation", "lever", "traffic")
"""Beside free tags: what an export may be split by further. feature, team and environment it always is."""

_HOUR = "date_trunc('hour', received_at)"
_HOUR_END = f"{_HOUR} + INTERVAL 1 HOUR"
_CUT = (f"greatest({_HOUR}, $start)", f"least({_HOUR_END}, $end)")
_SHARED = (
    "organization", "scope_team", "project", "credential_id", "provider", "model", "region", "sku_id", "sku_price_id",
    "feature", "team", "environment", "quality", "entry", "currency",
)  # fmt: skip
"""Columns of charges that every row of a profile has in common."""
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Split(NamedTuple):
    """One more column to group by. tag: its name among the Tags; sql: over charges; param: a tag's name, bound."""

    tag: str
    sql: str
    param: str = ""


def splits_of(names: Sequence[str]) -> tuple[Split, ...]:
    """Raises BadQuery for what an export can't be split by."""
    unique = list(dict.fromkeys(names))
    if len(unique) > SPLITS_MAX:
        raise BadQuery(f"an export is split by at most {SPLITS_MAX} more dimensions", field="split")
    found: list[Split] = []
    for name in unique:
        if name.startswith(TAG_PREFIX):
            dimension(name)
            param = f"split{len(found)}"
            found.append(Split(name.removeprefix(TAG_PREFIX), f"coalesce(tags[${param}], '')", param))
        elif name in SPLITTABLE:
            found.append(Split(name, DIMENSIONS[name].column))
        else:
            known = ", ".join(SPLITTABLE)
            raise BadQuery(
                f"an export can't be split by {name[:80]!r}; there are {known}, and any tag as tag:NAME", field="split"
            )
    return tuple(found)


def hours_sql(where: str) -> str:
    """The hours that have charges, and how many."""
    return f"SELECT {_HOUR} AS hour, count(*) FROM charges WHERE {where} GROUP BY 1 ORDER BY 1"


class Booked(msgspec.Struct, frozen=True):
    """Which charges a file has, and in which month each is booked: SQL over `charges`, values bound by name, `$start`
    and `$end` those of the period.

    month: the billing period. late: whether it is a correction of a month that was over. is_cut: an hour that the
    period begins or ends in is cut there; where charges of other months may be among them, nothing is.
    """

    where: str
    month: str
    late: str
    params: dict[str, Any] = {}
    is_cut: bool = True

    @property
    def hour(self) -> tuple[str, str]:
        """When a charge's hour begins and ends."""
        return _CUT if self.is_cut else (_HOUR, _HOUR_END)


_POSTED_MONTH = (
    "CASE WHEN entry = 'usage' THEN date_trunc('month', received_at) "
    "ELSE greatest(date_trunc('month', posted_at), date_trunc('month', received_at)) END"
)
BY_RECEIPT = Booked(
    "received_at >= $start AND received_at < $end", _POSTED_MONTH, f"{_POSTED_MONTH} > date_trunc('month', received_at)"
)
"""As Explore counts, without closed months: a charge belongs to the month of its call, a correction to the month it was
posted in."""


def stretch_sql(where: str, booked: Booked, splits: Sequence[Split]) -> tuple[str, ...]:
    """Fills the tables from charges with a cost. where: of this stretch, over `charges`."""
    return _charges(where, booked, splits), _profiles(booked, splits), _rows(), _hours()


def kinds_sql(chosen: str) -> str:
    """Fills `focus_kinds`: what is said of each profile and token class. chosen: what is kept of it."""
    return (
        f"CREATE OR REPLACE TEMP TABLE {KINDS} AS SELECT r.pid, r.class, p.number, p.is_late, m.per_price, m.share, "
        f"{chosen} "
        f"FROM (SELECT DISTINCT pid, class FROM {ROWS}) AS r JOIN {PROFILES} AS p USING (pid) "
        f"LEFT JOIN ({meters_sql()}) AS m ON m.class = r.class LEFT JOIN {KEYS} AS k ON k.id = p.credential_id"
    )


def texts_sql(columns: Sequence[FocusColumn]) -> str:
    """The columns of `focus_kinds`, by our names."""
    told = texts()
    return ", ".join(f"{told[column.ours]} AS {column.ours}" for column in columns if column.ours in told)


def collected_sql(is_first: bool) -> tuple[str, ...]:
    """Adds what this stretch says of profiles, token classes and hours to what those before it said."""
    if is_first:
        return (
            f"CREATE OR REPLACE TEMP TABLE {ALL_KINDS} AS FROM {KINDS}",
            f"CREATE OR REPLACE TEMP TABLE {ALL_HOURS} AS FROM {HOURS}",
        )
    return (
        f"INSERT INTO {ALL_KINDS} FROM {KINDS} ANTI JOIN {ALL_KINDS} AS known USING (pid, class)",
        f"INSERT INTO {ALL_HOURS} FROM {HOURS}",
    )


def named_sql(columns: Sequence[FocusColumn]) -> Iterator[str]:
    """Makes `focus_named` of all kinds: each text is the number of one of the values that its column has.

    Parquet writes them so, as a dictionary: without it the engine looks at the text of each row to find the values.
    """
    for name, column in _names(columns).items():
        values = f'SELECT \'\' UNION SELECT "{column.name}" FROM {MORE} WHERE "{column.name}" IS NOT NULL'
        if name in texts():
            values += f" UNION SELECT {name} FROM {ALL_KINDS} WHERE {name} IS NOT NULL"
        yield f"DROP TYPE IF EXISTS {_enum(name)}"
        yield f"CREATE TEMP TYPE {_enum(name)} AS ENUM ({values} ORDER BY 1)"
    cast = ", ".join(f"{name}::{_enum(name)} AS {name}" for name in _names(columns) if name in texts())
    yield f"CREATE OR REPLACE TEMP TABLE {NAMED} AS SELECT * REPLACE ({cast}) FROM {ALL_KINDS}"


def written_sql(columns: Sequence[FocusColumn], files: str) -> str:
    """What is written, typed, in the columns' order; the rows as they come, which with one thread is always the same
    way: to sort them takes a quarter of the time.

    files: those of `focus_rows`; "" for none.
    """
    if not files:
        return f"FROM {MORE}"
    told = {name: f"s.{name}" for name in texts()} | figures() | {name: f"h.{source}" for name, source in TIMES.items()}
    names = _names(columns)
    types = {column.ours: _enum(column.ours) if column.ours in names else type_of(column) for column in columns}
    chosen = ", ".join(f'({told.get(one.ours, "NULL")})::{types[one.ours]} AS "{one.name}"' for one in columns)
    more = ", ".join(f'"{one.name}"::{types[one.ours]}' for one in columns)
    return (
        f"SELECT {chosen} FROM read_parquet([{files}]) AS r JOIN {NAMED} AS s USING (pid, class) "
        f"JOIN {ALL_HOURS} AS h USING (start_at, billing_month) UNION ALL SELECT {more} FROM {MORE}"
    )


def _names(columns: Sequence[FocusColumn]) -> dict[str, FocusColumn]:
    """The columns of text, by our names."""
    return {column.ours: column for column in columns if column.kind in ("text", "json")}


def _enum(name: str) -> str:
    return f"focus_{name}_values"


JOINED = f"{ROWS} AS r JOIN {KINDS} AS s USING (pid, class) JOIN {HOURS} AS h USING (start_at, billing_month)"
_ORDER = "r.start_at, r.billing_month, s.number, r.class, r.price"


def sorted_sql() -> str:
    """Puts `focus_rows` in the order of a CSV, while a row is a few figures and not yet a line of 800 bytes."""
    joined = f"{ROWS} AS r JOIN {KINDS} AS s USING (pid, class)"
    return f"CREATE OR REPLACE TEMP TABLE {ROWS} AS SELECT r.* FROM {joined} ORDER BY {_ORDER}"


def extras_sql(columns: Sequence[FocusColumn]) -> str:
    """Rows that were handed in, staged as text under our names."""
    chosen = ", ".join(f"nullif({column.ours}, '')::{type_of(column)} AS \"{column.name}\"" for column in columns)
    return f"SELECT {chosen} FROM {EXTRAS}"


def totals_sql() -> str:
    """What the rows of this stretch come to: how many, and the four costs."""
    return f"SELECT count(*), {', '.join(f'coalesce(SUM({cost}), 0)' for cost in COSTS)} FROM {ROWS}"


def unpriced_sql(booked: Booked, splits: Sequence[Split], columns: Sequence[FocusColumn]) -> str:
    """Charges without a cost, by hour, key and model; those that were priced since are not among them."""
    keys = ["organization", "scope_team", "project", "credential_id", "provider", "model", "feature", "team"]
    keys += ["environment", *(split.sql for split in splits if split.tag == "customer")]
    told = told_unpriced("customer" in keys)
    chosen = ", ".join(f'{told[column.ours]} AS "{column.name}"' for column in columns)
    return (
        f"SELECT {chosen} FROM (SELECT {booked.hour[0]} AS start_at, {booked.hour[1]} AS end_at, {', '.join(keys)}, "
        f"SUM(weight) AS attempts, SUM({' + '.join(f'{unit}_tokens' for unit in INPUT_UNITS)}) AS tokens_in, "
        f"SUM({' + '.join(f'{unit}_tokens' for unit in OUTPUT_UNITS)}) AS tokens_out "
        f"FROM charges WHERE {booked.where} AND list_cost IS NULL GROUP BY ALL HAVING SUM(weight) <> 0) ORDER BY ALL"
    )


def _shared(booked: Booked, splits: Sequence[Split]) -> list[tuple[str, str]]:
    """(name, SQL over charges) of a profile's columns, in the order that a file is in."""
    found = [(name, name) for name in _SHARED]
    found += [
        ("tier", "CASE WHEN tier_served = '' THEN tier_asked ELSE tier_served END"),
        ("reason", "CASE WHEN entry = 'usage' THEN '' ELSE reason END"),
        ("is_late", booked.late),
    ]
    return found + [(f"split_{index}", split.sql) for index, split in enumerate(splits)]


def _charges(where: str, booked: Booked, splits: Sequence[Split]) -> str:
    shared = _shared(booked, splits)
    start, end = booked.hour
    columns = ", ".join(f"{expression} AS {name}" for name, expression in shared)
    return (
        f"CREATE OR REPLACE TEMP TABLE {CHARGES} AS "
        f"SELECT {start} AS start_at, {end} AS end_at, {booked.month} AS billing_month, "
        f"hash({', '.join(expression for _, expression in shared)}) AS pid, {columns}, lines, {', '.join(COSTS)} "
        f"FROM charges WHERE {where} AND list_cost IS NOT NULL"
    )


def _profiles(booked: Booked, splits: Sequence[Split]) -> str:
    """Numbered in an order that depends on nothing but what is in them."""
    names = [name for name, _ in _shared(booked, splits)]
    tags = {split.tag: f"split_{index}" for index, split in enumerate(splits)}
    told = ", ".join(f"{sql} AS {name}" for name, sql in told_by_profile(tags).items())
    one_of_each = ", ".join(f"any_value({name}) AS {name}" for name in names)
    return (
        f"CREATE OR REPLACE TEMP TABLE {PROFILES} AS SELECT *, row_number() OVER (ORDER BY {', '.join(names)}) "
        f"AS number, {told} FROM (SELECT pid, {one_of_each} FROM {CHARGES} GROUP BY pid) "
        f"LEFT JOIN {PROMISES} ON promise = {PROMISE}"
    )


def _rows() -> str:
    """Token classes: by their lines; charges without lines one by one price; and what neither explains, if anything."""
    group = "start_at, billing_month, pid"
    sums = ", ".join(f"SUM({cost}) AS {cost}" for cost in COSTS)
    four = ", ".join(f"cost AS {cost}" for cost in COSTS)
    unexplained = ", ".join(f"{cost} - coalesce(explained, 0)::{EXACT} AS {cost}" for cost in COSTS)
    return f"""
        CREATE OR REPLACE TEMP TABLE {ROWS} AS
        WITH lines AS (
          SELECT {group}, line.unit AS class, line.unit_price AS price, SUM(line.quantity) AS quantity,
            count(*) AS charges
          FROM (SELECT {group}, unnest(lines) AS line FROM {CHARGES}) GROUP BY ALL
        ),
        attempts AS (
          SELECT {group}, '{ATTEMPT}' AS class, abs(list_cost)::DECIMAL(28,15) AS price,
            SUM(sign(list_cost)) AS quantity, count(*) AS charges
          FROM {CHARGES} WHERE len(lines) = 0 AND list_cost <> 0 AND entry <> 'adjustment' GROUP BY ALL
        ),
        classes AS (SELECT *, (quantity * price)::{EXACT} AS cost FROM (FROM lines UNION ALL FROM attempts)),
        explained AS (SELECT {group}, SUM(cost) AS explained FROM classes GROUP BY ALL),
        sums AS (SELECT {group}, count(*) AS charges, {sums} FROM {CHARGES} GROUP BY ALL),
        rests AS (SELECT {group}, charges, {unexplained} FROM sums LEFT JOIN explained USING ({group}))
        SELECT {group}, class, price, quantity, charges, {four} FROM classes WHERE quantity <> 0 OR cost <> 0
        UNION ALL
        SELECT {group}, coalesce(part, '{REST}'), CASE WHEN part IS NOT NULL THEN 0 END,
          CASE WHEN part = '{PURCHASE}' THEN {_millionths("billed_cost")} WHEN part IS NOT NULL
            THEN {_millionths("effective_cost")} END,
          charges, {", ".join(COSTS)} FROM rests JOIN (SELECT pid, part FROM {PROFILES}) USING (pid)
        WHERE {" OR ".join(f"{cost} <> 0" for cost in COSTS)}"""


def _millionths(cost: str) -> str:
    return f"round({cost}::DECIMAL(28,12) * 1000000::DECIMAL(7,0))::HUGEINT"


def _hours() -> str:
    """Times as they are, and as a CSV writes them."""
    written = ", ".join(
        f"strftime({sql}, '{_TIME}') AS {name}"
        for name, sql in {
            "start_text": "start_at",
            "end_text": "end_at",
            "month_text": "billing_month",
            "month_end_text": "billing_month + INTERVAL 1 MONTH",
        }.items()
    )
    return (
        f"CREATE OR REPLACE TEMP TABLE {HOURS} AS SELECT *, billing_month + INTERVAL 1 MONTH AS month_end, {written} "
        f"FROM (SELECT DISTINCT start_at, end_at, billing_month FROM {CHARGES})"
    )
