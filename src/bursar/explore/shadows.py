"""What a route's shadows have shown so far, by the place that answered the client and the one that was tried."""

from datetime import datetime
from decimal import Decimal

import msgspec

from bursar.ledger.store import Session


class Pair(msgspec.Struct, frozen=True):
    """Shadows whose client's call was answered by one place, tried at one other.

    shadows:   that ended; `in_flight` ones aren't here yet. errors, truncated: of these; shown_truncated: of the calls.
    priced:    pairs of which both have a price: the two costs are over these, in USD.
    shown_ms, shadow_ms: medians over answered ones; None: there is none.
    compared:  pairs of which both gave a whole answer. The rest are shares of those to which it applies, None: to none.
    """

    shown: str
    candidate: str
    shadows: int
    errors: int
    truncated: int
    shown_truncated: int
    priced: int
    shown_cost: Decimal
    shadow_cost: Decimal
    cost: Decimal | None
    unpriced: int
    shown_ms: int | None
    shadow_ms: int | None
    compared: int
    agreement: float | None
    finish: float | None
    tool_names: float | None
    tool_calls: float | None
    json: float | None
    text: float | None
    words: float | None


def pairs_so_far(session: Session, route: str, shadow: str, since: datetime) -> list[Pair]:
    """since: naive UTC; calls from then on, the most tried pair first."""
    rows = session.query(_SQL, {"route": route, "shadow": shadow, "since": since}).dicts()
    return [Pair(**{name: row[name] for name in Pair.__struct_fields__}) for row in rows]


_ANSWERED = "outcome IN ('ok', 'truncated')"
_SHARES = ", ".join(
    f"avg({name}::DOUBLE) AS {name}"
    for name in ("agreement", "finish", "tool_names", "tool_calls", "json", "text", "words")
)
_SQL = f"""
WITH tried AS (
  SELECT call_id, json_extract_string(routing, '$.shadow_of')::UUID AS shown_id, upstream || '/' || model_sent AS place,
    outcome, list_cost, duration_ms
  FROM charges WHERE received_at >= $since AND traffic = 'shadow' AND is_final AND entry = 'usage'
    AND route = $route AND json_extract_string(routing, '$.experiment') = $shadow
), shown AS (
  SELECT call_id AS shown_id, upstream || '/' || model_sent AS place, outcome, list_cost, duration_ms
  FROM charges WHERE received_at >= $since - INTERVAL 1 DAY AND is_final AND entry = 'usage'
    AND call_id IN (SELECT shown_id FROM tried)
), pairs AS (
  SELECT tried.*, coalesce(shown.place, '') AS shown_place, shown.outcome AS shown_outcome,
    shown.list_cost AS shown_list, shown.duration_ms AS shown_duration,
    shown.list_cost IS NOT NULL AND tried.list_cost IS NOT NULL AS both_priced
  FROM tried LEFT JOIN shown USING (shown_id)
)
SELECT shown_place AS shown, place AS candidate, count(*) AS shadows,
  count(*) FILTER (NOT {_ANSWERED}) AS errors, count(*) FILTER (outcome = 'truncated') AS truncated,
  count(*) FILTER (shown_outcome = 'truncated') AS shown_truncated, count(*) FILTER (both_priced) AS priced,
  coalesce(SUM(shown_list) FILTER (both_priced), 0) AS shown_cost,
  coalesce(SUM(pairs.list_cost) FILTER (both_priced), 0) AS shadow_cost,
  SUM(pairs.list_cost) AS cost, count(*) FILTER (pairs.list_cost IS NULL) AS unpriced,
  quantile_disc(shown_duration, 0.5) FILTER ({_ANSWERED}) AS shown_ms,
  quantile_disc(duration_ms, 0.5) FILTER ({_ANSWERED}) AS shadow_ms,
  count(agreement) AS compared, {_SHARES}
FROM pairs LEFT JOIN (
  SELECT * FROM comparisons WHERE compared_at >= $since
  QUALIFY row_number() OVER (PARTITION BY call_id ORDER BY compared_at) = 1
) AS compared USING (call_id)
GROUP BY shown_place, place ORDER BY shadows DESC, shown, candidate
"""
