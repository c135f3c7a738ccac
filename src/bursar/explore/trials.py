"""What a route's experiment has shown so far: sums by arm and metric, straight from the books."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from bursar.domain.caching import NO_UPSTREAM
from bursar.domain.routes import CANDIDATE, CONTROL
from bursar.domain.sequential import METRICS, Arm
from bursar.ledger.store import Session


class Seen(NamedTuple):
    """By metric: (control, candidate), and the calls of each arm."""

    calls: dict[str, int]
    arms: dict[str, tuple[Arm, Arm]]


def trial_so_far(session: Session, route: str, experiment: str, since: datetime) -> Seen:
    """since: naive UTC; calls from then on. A call counts by its last attempt, feedback by the last word of its key.

    Kept answers don't count: they took no time and cost nothing, and the arm that most calls go to has more of them.
    """
    given = {"route": route, "experiment": experiment, "since": since, "kept": NO_UPSTREAM}
    rows = session.query(_SQL, given).dicts()
    by_arm = {str(row["arm"]): row for row in rows}

    def arm(name: str, metric: str) -> Arm:
        row = by_arm.get(name)
        if row is None:
            return Arm(0, 0.0, 0.0)
        count = int(row[f"{metric}_calls"])
        return Arm(count, float(row[f"{metric}_total"] or 0), float(row[f"{metric}_squares"] or 0))

    return Seen(
        {name: int(by_arm[name]["calls"]) if name in by_arm else 0 for name in (CONTROL, CANDIDATE)},
        {metric.name: (arm(CONTROL, metric.name), arm(CANDIDATE, metric.name)) for metric in METRICS},
    )


VALUES = {
    "error": "(call_outcome IN ('provider_error', 'timeout'))::INTEGER",
    "truncated": "CASE WHEN call_outcome IN ('ok', 'truncated') THEN (call_outcome = 'truncated')::INTEGER END",
    "latency": "CASE WHEN call_outcome IN ('ok', 'truncated') THEN ln(1 + duration_ms) END",
    "cost": "CASE WHEN call_outcome IN ('ok', 'truncated') THEN ln(1 + list_cost::DOUBLE * 1e6) END",
    "dissatisfaction": "1 - said.score",
}
"""What is measured of a call, NULL where it says nothing; logarithms of milliseconds and of millionths of a dollar."""


def value_columns(names: Iterable[str]) -> str:
    """What is measured, each by its name, of rows with a call's columns and `said`."""
    return ", ".join(f"({VALUES[name]})::DOUBLE AS {name}" for name in names)


def sums_of(names: Iterable[str]) -> str:
    """How often, the sum and the sum of squares of each, for the mean and its error."""
    return ", ".join(
        f"count({name}) AS {name}_calls, sum({name}) AS {name}_total, sum({name} * {name}) AS {name}_squares"
        for name in names
    )


_SQL = f"""
WITH said AS (
  SELECT call_id, credential_id, score FROM feedback WHERE scored_at >= $since
  QUALIFY row_number() OVER (PARTITION BY call_id, credential_id ORDER BY scored_at DESC) = 1
), measured AS (
  SELECT json_extract_string(routing, '$.arm') AS arm,
    {value_columns(VALUES)}
  FROM charges LEFT JOIN said USING (call_id, credential_id)
  WHERE received_at >= $since AND is_final AND entry = 'usage' AND routing <> '' AND upstream <> $kept
    AND json_extract_string(routing, '$.route') = $route
    AND json_extract_string(routing, '$.experiment') = $experiment
)
SELECT arm, count(*) AS calls, {sums_of(VALUES)} FROM measured GROUP BY arm
"""
