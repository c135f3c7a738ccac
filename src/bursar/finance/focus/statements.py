"""The export's SQL: charges of some hours become rows by hour, key, model and token class, in our names of the columns.

Five tables for one stretch of hours, all temporary. `focus_charges`: the charges, each with its hour and the number of
its profile, which is all that its rows say besides hour and figures. `focus_profiles`: a row a profile. `focus_rows`:
hour × profile × token class × unit price, with the figures. `focus_kinds`: what is said of each profile and token class
as text, once for all hours: a stretch has thousands of them and a hundred times as many rows. `focus_hours`: the times.

A profile is found by a 64-bit hash of its columns: of ten thousand in a stretch, two meet by chance once in 10^11.
"""

from collections.abc import Sequence
from typing import NamedTuple

from bursar.domain.errors import BadQuery
from bursar.domain.usage import INPUT_UNITS, OUTPUT_UNITS
from bursar.explore.vocabulary import DIMENSIONS, TAG_PREFIX, dimension
from bursar.finance.focus.columns import COSTS, FocusColumn
from bursar.finance.focus.told import EXACT, TIMES, figures, meters_sql, texts, told_by_profile, told_unpriced, type_of
from bursar.finance.focus.words import ATTEMPT, REST

CHARGES, PROFILES, ROWS, KINDS, HOURS = (
    "focus_charges", "focus_profiles", "focus_rows", "focus_kinds", "focus_hours",
)  # fmt: skip
EXTRAS, KEYS = "focus_extras", "focus_keys"

SPLITS_MAX = 4
SPLITTABLE = ("customer", "request_type", "agent", "session", "user", "operation", "lever", "traffic")
"""Beside free tags: what an export may be split by further. feature, team and environment it always is."""

_HOUR = "date_trunc('hour', received_at)"
_START = f"greatest({_HOUR}, $start)"
_END = f"least({_HOUR} + INTERVAL 1 HOUR, $end)"
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


def stretch_sql(where: str, billing_month: str, splits: Sequence[Split]) -> tuple[str, ...]:
    """Fills the tables from charges with a cost. where, billing_month: over `charges`."""
    return (
        _charges(where, billing_month, splits), _profiles(splits), _rows(), _hours(),
    )  # fmt: skip


def kinds_sql(chosen: str) -> str:
    """Fills `focus_kinds`: what is said of each profile and token class. chosen: what is kept of it."""
    return (
        f"CREATE OR REPLACE TEMP TABLE {KINDS} AS SELECT r.pid, r.class, p.number, m.per_price, m.share, {chosen} "
        f"FROM (SELECT DISTINCT pid, class FROM {ROWS}) AS r JOIN {PROFILES} AS p USING (pid) "
        f"LEFT JOIN ({meters_sql()}) AS m ON m.class = r.class LEFT JOIN {KEYS} AS k ON k.id = p.credential_id"
    )


def texts_sql(columns: Sequence[FocusColumn]) -> str:
    """The columns of `focus_kinds`, by our names."""
    told = texts()
    return ", ".join(f"{told[column.ours]} AS {column.ours}" for column in columns if column.ours in told)


def written_sql(columns: Sequence[FocusColumn]) -> str:
    """What is written, typed, in the columns' order; the rows as they come, which with one thread is always the same
    way: to sort them takes a quarter of the time."""
    told = {name: f"s.{name}" for name in texts()} | figures() | {name: f"h.{source}" for name, source in TIMES.items()}
    chosen = ", ".join(f'({told.get(column.ours, "NULL")})::{type_of(column)} AS "{column.name}"' for column in columns)
    return f"SELECT {chosen} FROM {JOINED}"


JOINED = f"{ROWS} AS r JOIN {KINDS} AS s USING (pid, class) JOIN {HOURS} AS h USING (start_at, billing_month)"
ORDER = "r.start_at, r.billing_month, s.number, r.class, r.price"


def extras_sql(columns: Sequence[FocusColumn]) -> str:
    """Rows that were handed in, staged as text under our names."""
    chosen = ", ".join(f"nullif({column.ours}, '')::{type_of(column)} AS \"{column.name}\"" for column in columns)
    return f"SELECT {chosen} FROM {EXTRAS}"


def totals_sql() -> str:
    """What the rows of this stretch come to: how many, and the four costs."""
    return f"SELECT count(*), {', '.join(f'coalesce(SUM({cost}), 0)' for cost in COSTS)} FROM {ROWS}"


def unpriced_sql(where: str, splits: Sequence[Split], columns: Sequence[FocusColumn]) -> str:
    """Charges without a cost, by hour, key and model; those that were priced since are not among them."""
    keys = ["organization", "scope_team", "project", "credential_id", "provider", "model", "feature", "team"]
    keys += ["environment", *(split.sql for split in splits if split.tag == "customer")]
    told = told_unpriced("customer" in keys)
    chosen = ", ".join(f'{told[column.ours]} AS "{column.name}"' for column in columns)
    return (
        f"SELECT {chosen} FROM (SELECT {_START} AS start_at, {_END} AS end_at, {', '.join(keys)}, "
        f"SUM(weight) AS attempts, SUM({' + '.join(f'{unit}_tokens' for unit in INPUT_UNITS)}) AS tokens_in, "
        f"SUM({' + '.join(f'{unit}_tokens' for unit in OUTPUT_UNITS)}) AS tokens_out "
        f"FROM charges WHERE {where} AND list_cost IS NULL GROUP BY ALL HAVING SUM(weight) <> 0) ORDER BY ALL"
    )


def _shared(splits: Sequence[Split]) -> list[tuple[str, str]]:
    """(name, SQL over charges) of a profile's columns, in the order that a file is in."""
    found = [(name, name) for name in _SHARED]
    found += [
        ("tier", "CASE WHEN tier_served = '' THEN tier_asked ELSE tier_served END"),
        ("reason", "CASE WHEN entry = 'usage' THEN '' ELSE reason END"),
    ]
    return found + [(f"split_{index}", split.sql) for index, split in enumerate(splits)]


def _charges(where: str, billing_month: str, splits: Sequence[Split]) -> str:
    shared = _shared(splits)
    columns = ", ".join(f"{expression} AS {name}" for name, expression in shared)
    return (
        f"CREATE OR REPLACE TEMP TABLE {CHARGES} AS "
        f"SELECT {_START} AS start_at, {_END} AS end_at, {billing_month} AS billing_month, "
        f"hash({', '.join(expression for _, expression in shared)}) AS pid, {columns}, lines, {', '.join(COSTS)} "
        f"FROM charges WHERE {where} AND list_cost IS NOT NULL"
    )


def _profiles(splits: Sequence[Split]) -> str:
    """Numbered in an order that depends on nothing but what is in them."""
    names = [name for name, _ in _shared(splits)]
    tags = {split.tag: f"split_{index}" for index, split in enumerate(splits)}
    told = ", ".join(f"{sql} AS {name}" for name, sql in told_by_profile(tags).items())
    one_of_each = ", ".join(f"any_value({name}) AS {name}" for name in names)
    return (
        f"CREATE OR REPLACE TEMP TABLE {PROFILES} AS SELECT *, row_number() OVER (ORDER BY {', '.join(names)}) "
        f"AS number, {told} FROM (SELECT pid, {one_of_each} FROM {CHARGES} GROUP BY pid)"
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
        SELECT {group}, '{REST}', NULL, NULL, charges, {", ".join(COSTS)} FROM rests
        WHERE {" OR ".join(f"{cost} <> 0" for cost in COSTS)}"""


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
