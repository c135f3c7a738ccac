"""One row per call, computed from its attempts: written when the call ends, recounted when a charge is corrected.

What contracts and invoices change stands beside (`adjusting.py`): ten million calls need no row of their own for it.
"""

from collections.abc import Sequence
from datetime import datetime

from bursar.domain.usage import INPUT_UNITS, OUTPUT_UNITS
from bursar.ledger.columns import Columns, int_column, staged_select, tags_json, text_column
from bursar.ledger.pairing import WORKER_LOST
from bursar.ledger.schema import CALL_COLUMNS, QUALITY_ORDER, SCOPE_COLUMNS, TAG_COLUMNS, Column
from bursar.ledger.store import Session
from bursar.spool.records import Ended

FRESH = "fresh_calls"
ROWS = "call_rows"
TOTAL_INPUT = " + ".join(f"{unit}_tokens" for unit in INPUT_UNITS)
TOTAL_OUTPUT = " + ".join(f"{unit}_tokens" for unit in OUTPUT_UNITS)

_WORST = f"max(list_position([{', '.join(repr(quality) for quality in QUALITY_ORDER)}], quality))"

_COUNTERFACTUAL = "CASE WHEN lever = '' THEN list_cost ELSE counterfactual_cost END"

_OF_ATTEMPT = {
    "counterfactual_cost": _COUNTERFACTUAL,
    "outcome": "call_outcome",
    "error_code": "CASE WHEN call_outcome IN ('ok', 'truncated') THEN '' ELSE error_code END",
    "attempts": "1",
    "unpriced_count": "(quality = 'unpriced')::INTEGER",
    "total_input_tokens": TOTAL_INPUT,
    "total_output_tokens": TOTAL_OUTPUT,
    "duration_ms": "greatest(date_sub('millisecond', received_at, ended_at), 0)",
}
"""A call's columns that differ from those of its last attempt."""

_FACTS = (
    Column("call_id", "UUID", "uuid", "call_id"),
    Column("received_at", "TIMESTAMP", "time", "received_us"),
    Column("ended_at", "TIMESTAMP", "time", "ended_us"),
    *(Column(name, "VARCHAR", "text", name) for name in ("outcome", "error_code", "dialect", "operation")),
    *(
        Column(name, "VARCHAR", "text", name)
        for name in ("model_asked", "request_fingerprint", "client", "writer", "traffic")
    ),
    *(Column(name, "BIGINT", "int", name) for name in ("client_status", "request_bytes", "client_retry")),
    Column("is_stream", "BOOLEAN", "bool", "stream"),
    *SCOPE_COLUMNS,
    *TAG_COLUMNS,
)
_UNSENT = {
    "quality": "''",
    "client_gone_percent": "-1",
    "attempts": "0",
    "unpriced_count": "0",
    "list_cost": "0",
    "effective_cost": "0",
    "counterfactual_cost": "0",
    "total_input_tokens": "0",
    "total_output_tokens": "0",
    "cache_read_tokens": "0",
    "provider": "''",
    "upstream": "''",
    "model": "model_asked",
    "lever": "''",
    "http_status": "0",
    "response_bytes": "0",
    "first_byte_ms": "NULL",
    "duration_ms": "greatest(date_sub('millisecond', received_at, ended_at), 0)",
}
"""Columns of a call that never had an attempt: it cost nothing, and that is known."""


def _from_attempt(changes: dict[str, str]) -> str:
    own = _OF_ATTEMPT | changes
    return ", ".join(f'{own[name]} AS "{name}"' if name in own else f'"{name}"' for name in CALL_COLUMNS)


CALLS_VIEW = f"""
CREATE OR REPLACE VIEW calls AS
SELECT {_from_attempt({})} FROM charges WHERE is_whole_call
UNION ALL SELECT {", ".join(f'"{name}"' for name in CALL_COLUMNS)} FROM {ROWS}
"""


def make_fresh(session: Session) -> None:
    columns = ", ".join(f'"{name}" {kind}' for name, kind in CALL_COLUMNS.items())
    session.run(f"CREATE OR REPLACE TEMP TABLE {FRESH} ({columns})")


def add_finals(session: Session, batch: str) -> None:
    """Calls of several attempts whose last one is in a table shaped like `charges`."""
    session.run(f"INSERT INTO {FRESH} SELECT {_from_attempt({})} FROM {batch} WHERE is_final AND NOT is_whole_call")


def add_ended(session: Session, ended: Sequence[tuple[str, Ended]]) -> None:
    """Calls that ended unsent, or gave up between two attempts."""
    columns = ", ".join(_UNSENT.get(name, f'"{name}"') for name in CALL_COLUMNS)
    with session.stage("staged_ended", _ended_columns(ended)):
        session.run(f"INSERT INTO {FRESH} SELECT {columns} FROM (SELECT {staged_select(_FACTS)} FROM staged_ended)")


def add_lost(session: Session, call_ids: Sequence[str]) -> None:
    """Calls that waited for their next attempt when their worker died; their attempts are all in the books."""
    columns = _from_attempt({"outcome": "'aborted'", "error_code": f"'{WORKER_LOST}'", "client_status": "0"})
    session.run(
        f"INSERT INTO {FRESH} SELECT {columns} FROM charges WHERE entry = 'usage' AND call_id IN "
        "(SELECT unnest($ids)::UUID) QUALIFY row_number() OVER (PARTITION BY call_id ORDER BY attempt_number DESC) = 1",
        {"ids": list(call_ids)},
    )


def publish(session: Session) -> None:
    """Put the fresh rows into the books."""
    session.run(f"INSERT INTO {ROWS} SELECT * FROM {FRESH}")


def own_rows(session: Session, call_ids: Sequence[str], since: datetime) -> None:
    """Give calls whose one attempt was their row a row of their own, because that attempt is corrected."""
    which = "is_whole_call AND received_at >= $since AND call_id IN (SELECT unnest($ids)::UUID)"
    params = {"ids": list(call_ids), "since": since}
    session.run(f"INSERT INTO {ROWS} SELECT {_from_attempt({})} FROM charges WHERE {which}", params)
    session.run(f"UPDATE charges SET is_whole_call = false WHERE {which}", params)


def recount(session: Session, table: str, call_ids: Sequence[str], since: datetime) -> None:
    """Add up what several attempts, or corrections, make of a call.

    since: naive UTC; the earliest of these calls was received then, so older charges needn't be looked at.
    The quality is the worst among attempts that no reversal has undone.
    """
    session.run(
        f"""
        UPDATE {table} SET
          attempts = totals.attempts, unpriced_count = totals.unpriced_count, list_cost = totals.list_cost,
          effective_cost = totals.effective_cost, counterfactual_cost = totals.counterfactual_cost,
          total_input_tokens = totals.total_input, total_output_tokens = totals.total_output,
          cache_read_tokens = totals.cache_read, quality = totals.quality
        FROM ({_TOTALS}) AS totals
        WHERE {table}.call_id = totals.call_id AND {table}.received_at >= $since
        """,
        {"ids": list(call_ids), "since": since},
    )


_NAMES = ", ".join(repr(quality) for quality in QUALITY_ORDER)
_TOTALS = f"""
WITH entries AS (
  SELECT * FROM charges
  WHERE call_id IN (SELECT unnest($ids)::UUID) AND received_at >= $since AND entry <> 'adjustment'
), standing AS (
  SELECT call_id, {_WORST} AS worst FROM entries
  WHERE weight = 1 AND coalesce(entry_id, attempt_id) NOT IN (SELECT reverses FROM entries WHERE reverses IS NOT NULL)
  GROUP BY call_id
)
SELECT call_id, SUM(weight) AS attempts,
  SUM(CASE WHEN quality = 'unpriced' THEN weight ELSE 0 END) AS unpriced_count,
  SUM(list_cost) AS list_cost, SUM(effective_cost) AS effective_cost,
  SUM({_COUNTERFACTUAL}) AS counterfactual_cost,
  SUM({TOTAL_INPUT}) AS total_input, SUM({TOTAL_OUTPUT}) AS total_output, SUM(cache_read_tokens) AS cache_read,
  coalesce([{_NAMES}][any_value(worst)], '') AS quality
FROM entries LEFT JOIN standing USING (call_id) GROUP BY call_id
"""


def _ended_columns(ended: Sequence[tuple[str, Ended]]) -> Columns:
    records = [record for _, record in ended]
    calls = [record.call for record in records]
    marks = [call.attribution for call in calls]
    return {
        "writer": text_column(writer for writer, _ in ended),
        "call_id": text_column(call.call_id for call in calls),
        "received_at": int_column(call.received_us for call in calls),
        "ended_at": int_column(record.ended_us for record in records),
        "outcome": text_column(record.outcome for record in records),
        "error_code": text_column(record.error_code for record in records),
        "client_status": int_column(record.client_status for record in records),
        "dialect": text_column(call.dialect for call in calls),
        "operation": text_column(call.operation for call in calls),
        "model_asked": text_column(call.model_asked for call in calls),
        "request_fingerprint": text_column(call.fingerprint for call in calls),
        "client": text_column(call.client for call in calls),
        "traffic": text_column(call.traffic for call in calls),
        "request_bytes": int_column(call.request_bytes for call in calls),
        "client_retry": int_column(call.client_retry for call in calls),
        "is_stream": int_column(call.stream for call in calls).astype(bool),
        "organization": text_column(call.scope.organization for call in calls),
        "scope_team": text_column(call.scope.team for call in calls),
        "project": text_column(call.scope.project for call in calls),
        "credential_id": text_column(call.credential_id for call in calls),
        "credential_kind": text_column(call.credential_kind for call in calls),
        "feature": text_column(mark.feature for mark in marks),
        "team": text_column(mark.team for mark in marks),
        "customer": text_column(mark.customer for mark in marks),
        "environment": text_column(mark.environment for mark in marks),
        "request_type": text_column(mark.request_type for mark in marks),
        "session": text_column(mark.session for mark in marks),
        "agent": text_column(mark.agent for mark in marks),
        "consumer_id": text_column(mark.user for mark in marks),
        "tags": text_column(tags_json(mark.tags) for mark in marks),
        "tags_dropped": int_column(call.tags_dropped for call in calls),
    }
