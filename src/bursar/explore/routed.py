"""What went through each route, by the place where it ended up: attempts of clients' calls, from the books."""

from datetime import datetime
from decimal import Decimal

import msgspec

from bursar.domain.caching import NO_UPSTREAM
from bursar.ledger.rollups import ERROR_OUTCOMES
from bursar.ledger.store import Session


class Went(msgspec.Struct, frozen=True):
    """Attempts of one route; upstream and model "": all of it.

    calls: that ended there. cost: USD, None: all unpriced. errors: attempts that failed. ms_p50: of those that an
    upstream answered, not of kept answers.
    """

    route: str
    upstream: str
    model: str
    attempts: int
    calls: int
    cost: Decimal | None
    unpriced: int
    errors: int
    ms_p50: int | None


def went_since(session: Session, since: datetime) -> tuple[int, list[Went]]:
    """(all calls of clients, routed or not, what went through routes). since: naive UTC."""
    rows = session.query(_SQL, {"since": since}).dicts()
    total = session.query(_TOTAL, {"since": since}).only()
    return int(total or 0), [Went(**row) for row in rows]


_ERRORS = ", ".join(f"'{outcome}'" for outcome in ERROR_OUTCOMES)
_CALLS = "coalesce(SUM(CASE WHEN is_final THEN weight ELSE 0 END), 0)::BIGINT"
_TOTAL = f"SELECT {_CALLS} FROM charges WHERE received_at >= $since AND traffic = 'live'"
_SQL = f"""
SELECT route, coalesce(upstream, '') AS upstream, coalesce(model_sent, '') AS model,
  SUM(weight)::BIGINT AS attempts, {_CALLS} AS calls, SUM(effective_cost) AS cost,
  SUM(CASE WHEN quality = 'unpriced' THEN weight ELSE 0 END)::BIGINT AS unpriced,
  SUM(CASE WHEN outcome IN ({_ERRORS}) THEN weight ELSE 0 END)::BIGINT AS errors,
  quantile_disc(duration_ms, 0.5) FILTER (entry = 'usage' AND outcome IN ('ok', 'truncated')
    AND coalesce(upstream, '') <> '{NO_UPSTREAM}') AS ms_p50
FROM charges WHERE received_at >= $since AND traffic = 'live' AND route <> ''
GROUP BY GROUPING SETS ((route), (route, upstream, model_sent)) ORDER BY route, calls DESC, upstream, model
"""
