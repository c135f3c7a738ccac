"""What shadows have shown of a candidate, by the segment whose calls it was tried on: how far its answers agree, and
what they cost beside the ones that were shown."""

from collections.abc import Mapping
from typing import Any

import msgspec

from bursar.advisor.look import SEGMENT_COLUMNS, Look, Segment

COMPARED_MIN = 50
AGREEMENT_MIN = 0.9  # what the mean is above in nineteen of twenty cases
ERRORS_MORE_MAX = 0.02
SIGMAS = 1.96


class Proof(msgspec.Struct, frozen=True):
    """A candidate on a segment.

    cost_ratio: its cost to that of the segment's own calls, tokens and length included. ratio_error: standard error.
    holds: whether it may take the calls. words: what was seen, for a reader.
    """

    segment: Segment
    provider: str
    upstream: str
    model: str
    cost_ratio: float
    ratio_error: float
    holds: bool
    words: str


def shadow_proofs(look: Look) -> list[Proof]:
    """Of all shadows of calls in the period."""
    keys = ", ".join(f"shown.{name} AS {name}" for name in SEGMENT_COLUMNS)
    rows = look.ask(_SQL.replace("{keys}", keys), **look.span)
    return [_proof(row) for row in rows if row["ratio"] is not None]


def _proof(row: Mapping[str, Any]) -> Proof:
    compared, agreement = int(row["compared"]), float(row["agreement"] or 0)
    surely = agreement - SIGMAS * float(row["deviation"] or 0) / compared**0.5 if compared else 0.0
    words = (
        f"{compared:,} shadows of these calls: their answers agree with the ones that were shown by {agreement:.0%}, "
        f"at {row['ratio']:.0%} of the cost, measured on the same calls."
    )
    return Proof(
        Segment(*(row[name] for name in SEGMENT_COLUMNS)), row["there_provider"], row["there_upstream"],
        row["there_model"], float(row["ratio"]), float(row["ratio_error"]),
        compared >= COMPARED_MIN and surely >= AGREEMENT_MIN and float(row["errors"]) <= ERRORS_MORE_MAX, words,
    )  # fmt: skip


_SQL = """
WITH tried AS (
  SELECT call_id, json_extract_string(routing, '$.shadow_of')::UUID AS shown_id, provider AS there_provider,
    upstream AS there_upstream, model_sent AS there_model, outcome, list_cost
  FROM charges WHERE received_at >= $start AND received_at < $end + INTERVAL 1 DAY AND traffic = 'shadow' AND is_final
    AND entry = 'usage' AND routing <> ''
), pairs AS (
  SELECT {keys}, there_provider, there_upstream, there_model, tried.outcome NOT IN ('ok', 'truncated') AS failed,
    compared.agreement, tried.list_cost::DOUBLE AS there, shown.list_cost::DOUBLE AS here
  FROM tried JOIN (
    SELECT * FROM {base} WHERE is_final AND call_id IN (SELECT shown_id FROM tried)
  ) AS shown ON shown.call_id = tried.shown_id
  LEFT JOIN (
    SELECT * FROM comparisons QUALIFY row_number() OVER (PARTITION BY call_id ORDER BY compared_at) = 1
  ) AS compared ON compared.call_id = tried.call_id
), sums AS (
  SELECT feature, request_type, provider, model, there_provider, there_upstream, there_model,
    count(agreement) AS compared, avg(agreement) AS agreement, stddev_samp(agreement) AS deviation,
    avg(failed::INTEGER) AS errors, count(*) FILTER (there IS NOT NULL) AS priced,
    SUM(there) / nullif(SUM(here) FILTER (there IS NOT NULL), 0) AS ratio, avg(here) AS here,
    var_samp(there) AS there_variance, var_samp(here) AS here_variance, covar_samp(there, here) AS together
  FROM pairs GROUP BY ALL
)
SELECT *, coalesce(sqrt(greatest(there_variance + ratio * ratio * here_variance - 2 * ratio * together, 0)
  / nullif(priced, 0)) / nullif(here, 0), ratio) AS ratio_error
FROM sums ORDER BY ALL
"""
