"""Sums kept ready: what a page asks for most, added up in the transaction that adds the charges.

Slots are 15 minutes, finer than the hour: midnight in Asia/Kolkata falls on a UTC half hour and in Asia/Kathmandu on a
quarter, so hours would put a part of each day on the wrong side.

A charge belongs to the time its call was received, as in every answer: a call is never split over two days, and a list
of calls adds up to the figure it was opened from.

New partial sums, by all dimensions, are appended to `rollup_new`; now and then `compact` adds them up into each rollup.
Every answer adds up both, so a partial sum is never missing and never counted twice.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from bursar.domain.savings import COLUMNS
from bursar.ledger.schema import ADDED_COUNTS, TOKEN_COLUMNS
from bursar.ledger.store import Session

SLOT_MINUTES = 15
COMPACT_ROWS = 50_000
NEW = "rollup_new"

DAY = "date_trunc('day', received_at)"
QUARTER_HOUR = f"time_bucket(INTERVAL {SLOT_MINUTES} MINUTE, received_at)"
ERROR_OUTCOMES = ("client_error", "provider_error", "timeout")
_ERRORS = ", ".join(f"'{outcome}'" for outcome in ERROR_OUTCOMES)

COST = "DECIMAL(38,12)"
SAVED_COLUMNS = tuple(COLUMNS.values())
MEASURES: dict[str, tuple[str, str]] = {
    "attempts": ("BIGINT", "weight"),
    "calls": ("BIGINT", "CASE WHEN is_final THEN weight ELSE 0 END"),
    **{column.name: ("BIGINT", f"{column.name}") for column in TOKEN_COLUMNS},
    "list_cost": (COST, "list_cost"),
    "contracted_cost": (COST, "contracted_cost"),
    "effective_cost": (COST, "effective_cost"),
    "billed_cost": (COST, "billed_cost"),
    "counterfactual_cost": (COST, "CASE WHEN lever = '' THEN list_cost ELSE counterfactual_cost END"),
    "saved_cost": (COST, " + ".join(SAVED_COLUMNS)),
    **{column: (COST, column) for column in SAVED_COLUMNS},
    "discount_cost": (COST, "list_cost - effective_cost"),
    "retry_cost": (COST, "CASE WHEN attempt_number > 1 THEN effective_cost ELSE 0 END"),
    "unpriced_count": ("BIGINT", "CASE WHEN quality = 'unpriced' THEN weight ELSE 0 END"),
    "estimated_count": ("BIGINT", "CASE WHEN quality = 'estimated' THEN weight ELSE 0 END"),
    "assumed_count": ("BIGINT", "CASE WHEN quality = 'assumed' THEN weight ELSE 0 END"),
    "errors": ("BIGINT", f"CASE WHEN outcome IN ({_ERRORS}) THEN weight ELSE 0 END"),
    "retries": ("BIGINT", "CASE WHEN attempt_number > 1 THEN weight ELSE 0 END"),
    "request_bytes": ("BIGINT", "request_bytes"),
    "response_bytes": ("BIGINT", "response_bytes"),
    "duration_ms": ("BIGINT", "duration_ms"),
    "first_byte_ms": ("BIGINT", "first_byte_ms"),
    "first_byte_count": ("BIGINT", "CASE WHEN first_byte_ms IS NOT NULL THEN weight ELSE 0 END"),
}
"""Additive measures: column type, and what one charge adds to the sum. A cost is NULL where all of it is unpriced."""


class Rollup(NamedTuple):
    """A table of sums by slot and `dimensions` (columns of `charges`). `slot`: in SQL, where a charge's slot begins."""

    name: str
    dimensions: tuple[str, ...]
    slot: str = QUARTER_HOUR

    @property
    def columns(self) -> tuple[str, ...]:
        return ("slot", *self.dimensions, *MEASURES)

    @property
    def whole(self) -> str:
        """A query for all of its sums: those added up, and the partial ones since."""
        columns = ", ".join(self.columns)
        return f"SELECT {columns} FROM {self.name} UNION ALL SELECT {columns} FROM {NEW}"

    def table(self) -> str:
        columns = ["slot TIMESTAMP"]
        columns += [f"{dimension} VARCHAR" for dimension in self.dimensions]
        columns += [f"{measure} {kind}" for measure, (kind, _) in MEASURES.items()]
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({', '.join(columns)})"

    def from_charges(self, charges: str) -> str:
        """The sums of a table shaped like `charges`, in the columns' order."""
        keys = ", ".join(self.dimensions)
        sums = ", ".join(f"SUM({part})::{kind} AS {name}" for name, (kind, part) in MEASURES.items())
        return f"SELECT {self.slot} AS slot, {keys}, {sums} FROM {charges} GROUP BY ALL"

    def added_up(self, source: str) -> str:
        keys = ", ".join(self.dimensions)
        sums = ", ".join(f"SUM({name})::{kind} AS {name}" for name, (kind, _) in MEASURES.items())
        return f"SELECT slot, {keys}, {sums} FROM {source} GROUP BY ALL"


ROLLUPS = (
    Rollup("rollup_state", ("operation", "request_type", "outcome", "quality", "lever")),
    Rollup("rollup_model", ("environment", "provider", "model")),
    Rollup("rollup_feature", ("feature", "team")),
    Rollup("rollup_core", ("organization", "feature", "team", "environment", "provider", "model")),
)
"""Smallest first. One by all of these dimensions would have as many rows as charges: over ten million charges of 200
features and 40 models it had six million. Customers, keys, sessions, agents, users and tags have too many values as
well: those questions go to the charges."""

EVERYTHING = Rollup(NEW, tuple(dict.fromkeys(name for rollup in ROLLUPS for name in rollup.dimensions)))
"""What partial sums are kept by, so that each of the rollups can be made of them."""

DAY_ROLLUPS = (
    Rollup("rollup_customer_day", ("customer",), DAY),
    Rollup("rollup_key_day", ("organization", "scope_team", "project", "credential_id"), DAY),
)
"""Many values, so only by whole UTC days, and only days that are over: up to `rollup_days.until`. An answer takes these
for the days inside its period and the charges for what is left at both ends: exact in any time zone."""

ROLLUP_TABLES = (
    *(rollup.table() for rollup in (*ROLLUPS, EVERYTHING, *DAY_ROLLUPS)),
    "CREATE TABLE IF NOT EXISTS rollup_days (until TIMESTAMP)",
    *(
        f"ALTER TABLE {rollup.name} ADD COLUMN IF NOT EXISTS {name} BIGINT DEFAULT 0"
        for rollup in (*ROLLUPS, EVERYTHING, *DAY_ROLLUPS)
        for name in ADDED_COUNTS
    ),
    *(
        f"ALTER TABLE {rollup.name} ADD COLUMN IF NOT EXISTS {name} {COST} DEFAULT 0"
        for rollup in (*ROLLUPS, EVERYTHING, *DAY_ROLLUPS)
        for name in (*SAVED_COLUMNS, "discount_cost")
    ),
)


def of_each_charge(columns: Iterable[str], charges: str) -> str:
    """Columns of a rollup with a row per charge: `charges` is a table, or one with a WHERE behind it."""
    own = {"slot": "received_at", **{name: part for name, (_, part) in MEASURES.items()}}
    return f"SELECT {', '.join(f'{own.get(name, name)} AS {name}' for name in columns)} FROM {charges}"


def add_charges(session: Session, charges: str) -> None:
    """Add the sums of a staged table of charges."""
    session.run(f"INSERT INTO {NEW} BY NAME {EVERYTHING.from_charges(charges)}")
    until = days_until(session)
    if until is None:
        return
    late = f"{charges} WHERE received_at < $until"
    if session.query(f"SELECT count(*) FROM {late}", {"until": until}).only():
        for rollup in DAY_ROLLUPS:
            session.run(f"INSERT INTO {rollup.name} BY NAME {rollup.from_charges(late)}", {"until": until})


def days_until(session: Session) -> datetime | None:
    """Up to when (naive UTC midnight) the day rollups hold every charge; None: they hold none."""
    rows = session.query("SELECT until FROM rollup_days").rows
    return rows[0][0] if rows else None


def roll_days(session: Session, until: datetime) -> None:
    """Add up the days that are over.

    until: a naive UTC midnight. Charges of those days that come later are added by `add_charges`.
    """
    since = days_until(session) or datetime.min  # noqa: DTZ901  naive, as the ledger keeps times
    if until <= since:
        return
    which = "charges WHERE received_at >= $since AND received_at < $until"
    for rollup in DAY_ROLLUPS:
        params = {"since": since, "until": until}
        session.run(f"INSERT INTO {rollup.name} BY NAME {rollup.from_charges(which)} ORDER BY slot", params)
    session.run("DELETE FROM rollup_days")
    session.run("INSERT INTO rollup_days VALUES ($until)", {"until": until})


def new_rows(session: Session) -> int:
    """How many partial sums wait to be added up."""
    return int(session.query(f"SELECT count(*) FROM {NEW}").only())


def compact(session: Session) -> int:
    """Move partial sums into the rollups, added up; how many there were.

    A slot may be moved again later (a long stream ends after its slot): it then has two rows, which add up.
    """
    moved = new_rows(session)
    for rollup in ROLLUPS:
        session.run(f"INSERT INTO {rollup.name} BY NAME {rollup.added_up(NEW)} ORDER BY slot")
    session.run(f"DELETE FROM {NEW}")
    return moved


def rebuild(session: Session) -> None:
    """Compute every rollup again from the charges."""
    for table in (NEW, "rollup_days", *(rollup.name for rollup in (*ROLLUPS, *DAY_ROLLUPS))):
        session.run(f"DELETE FROM {table}")
    for rollup in ROLLUPS:
        session.run(f"INSERT INTO {rollup.name} BY NAME {rollup.from_charges('charges')} ORDER BY slot")
    last = session.query("SELECT date_trunc('day', max(received_at)) FROM charges").only()
    if last is not None:
        roll_days(session, last)
