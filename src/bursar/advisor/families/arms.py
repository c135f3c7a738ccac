"""What experiments have shown of a candidate, by the segment that it would take over: whether people liked its answers
as well, and what its calls cost beside the others."""

from collections.abc import Mapping
from typing import Any

from bursar.advisor.families.proofs import SIGMAS, Proof
from bursar.advisor.look import Look, Segment
from bursar.domain.routes import CANDIDATE, CONTROL
from bursar.domain.sequential import CALLS_MIN, METRICS, Arm, judge
from bursar.explore.trials import VALUES, sums_of, value_columns

ALPHA = 0.05
DISLIKED_MORE_MAX = 0.05  # surely; of the 0 to 1 that feedback is


def arm_proofs(look: Look) -> list[Proof]:
    """Of all experiments in the period, feedback or not."""
    rows = look.ask(_SQL, **look.span)
    controls = [row for row in rows if row["arm"] == CONTROL]
    found = []
    for row in rows:
        same = [
            one for one in controls
            if row["arm"] == CANDIDATE and all(one[name] == row[name] for name in ("feature", "request_type", "trial"))
        ]  # fmt: skip
        if same:
            proof = _proof(row, max(same, key=lambda one: int(one["calls"])))
            found += [proof] if proof is not None else []
    return found


def _proof(row: Mapping[str, Any], control: Mapping[str, Any]) -> Proof | None:
    mean, other = float(row["cost"]) / row["calls"], float(control["cost"]) / control["calls"]
    if not other or min(row["calls"], control["calls"]) < CALLS_MIN:
        return None
    ratio = mean / other
    error = (
        ratio
        * sum(
            (float(one["cost_variance"] or 0) / one["calls"]) / own**2
            for one, own in ((row, mean), (control, other))
            if own
        )
        ** 0.5
    )
    worse = [
        metric.name for metric in METRICS
        if metric.name in _NAMES
        and judge(metric, _arm(control, metric.name), _arm(row, metric.name), ALPHA / len(_NAMES)).verdict == "worse"
    ]  # fmt: skip
    liked, before = _arm(row, "dissatisfaction"), _arm(control, "dissatisfaction")
    surely = liked.mean - before.mean + SIGMAS * (_error(liked) ** 2 + _error(before) ** 2) ** 0.5
    enough = min(liked.calls, before.calls) >= CALLS_MIN
    words = (
        f"{row['calls']:,} calls of an experiment went there, {liked.calls:,} with feedback that is no worse than the "
        f"others', at {ratio:.0%} of the cost of a call."
    )
    segment = Segment(control["feature"], control["request_type"], control["provider"], control["model"])
    return Proof(
        segment, row["provider"], row["upstream"], row["model_sent"], ratio, error,
        not worse and enough and surely <= DISLIKED_MORE_MAX, words,
    )  # fmt: skip


def _arm(row: Mapping[str, Any], metric: str) -> Arm:
    return Arm(int(row[f"{metric}_calls"]), float(row[f"{metric}_total"] or 0), float(row[f"{metric}_squares"] or 0))


def _error(arm: Arm) -> float:
    """Of the arm's mean."""
    return (max(arm.squares / arm.calls - arm.mean**2, 0.0) / arm.calls) ** 0.5 if arm.calls else 0.0


_NAMES = tuple(name for name in VALUES if name != "cost")
"""What an experiment measures, without the cost: that it is lower is the point."""

_SQL = f"""
WITH said AS (
  SELECT call_id, credential_id, score FROM feedback WHERE scored_at >= $start
  QUALIFY row_number() OVER (PARTITION BY call_id, credential_id ORDER BY scored_at DESC) = 1
), measured AS (
  SELECT feature, request_type, provider, model, upstream, model_sent, cost,
    json_extract_string(routing, '$.route') || '/' || json_extract_string(routing, '$.experiment') AS trial,
    json_extract_string(routing, '$.arm') AS arm,
    {value_columns(_NAMES)}
  FROM {{base}} LEFT JOIN said USING (call_id, credential_id)
  WHERE is_final AND routing <> '' AND received_at < $end AND json_extract_string(routing, '$.arm') IS NOT NULL
)
SELECT feature, request_type, provider, model, upstream, model_sent, trial, arm, count(*) AS calls, SUM(cost) AS cost,
  var_samp(cost::DOUBLE) AS cost_variance, {sums_of(_NAMES)}
FROM measured GROUP BY ALL ORDER BY ALL
"""
