"""Calls of the past as a route table sees them: what was known when each came in, where it went, and what it used."""

from datetime import UTC
from decimal import Decimal

import msgspec

from bursar.domain.clock import us_from_datetime
from bursar.domain.periods import Period
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage
from bursar.explore import compile as sql
from bursar.ledger.schema import TOKEN_COLUMNS
from bursar.ledger.store import Session

_DIMENSIONS = ("feature", "team", "customer", "environment", "request_type", "session", "agent")
_TEXTS = (
    "credential_id", "credential_kind", "organization", "scope_team", "project", *_DIMENSIONS, "consumer_id", "dialect",
    "operation", "model_asked", "upstream", "provider", "model_sent",
)  # fmt: skip
_USAGE = {column.source.partition(".")[2]: column.name for column in TOKEN_COLUMNS}


class PastCall(msgspec.Struct, frozen=True):
    """A call by its last attempt. list_cost: of that attempt, corrections included; None: it has no price."""

    call_id: str
    received_us: int
    scope: Scope
    credential_id: str
    credential_kind: str
    attribution: Attribution
    dialect: str
    operation: str
    model_asked: str
    upstream: str
    provider: str
    model_sent: str
    tier: str
    request_bytes: int
    usage: Usage
    is_known: bool  # whether its usage was reported or estimated: of one that is assumed nothing is known
    list_cost: Decimal | None


def past_calls(session: Session, period: Period, limit: int) -> tuple[list[PastCall], int]:
    """The newest calls of a period that were sent somewhere, and how many there are in all."""
    params = sql.period_params(period, None)
    count = int(session.query(_COUNT, params).only())
    rows = session.query(_CALLS, {**params, "limit": limit}).dicts()
    calls = []
    for row in rows:
        said = {name: row[name] or "" for name in _DIMENSIONS}
        calls.append(
            PastCall(
                call_id=str(row["call_id"]),
                received_us=us_from_datetime(row["received_at"].replace(tzinfo=UTC)),
                scope=Scope(row["organization"], row["scope_team"], row["project"]),
                credential_id=row["credential_id"],
                credential_kind=row["credential_kind"],
                attribution=Attribution(**said, user=row["consumer_id"], tags=dict(row["tags"] or {})),
                dialect=row["dialect"],
                operation=row["operation"],
                model_asked=row["model_asked"],
                upstream=row["upstream"],
                provider=row["provider"],
                model_sent=row["model_sent"],
                tier=row["tier_served"] or row["tier_asked"],
                request_bytes=int(row["request_bytes"]),
                usage=Usage(**{field: int(row[name]) for field, name in _USAGE.items()}),
                is_known=row["quality"] != "assumed",
                list_cost=row["cost"],
            )
        )
    return calls, count


_WHERE = (
    "received_at >= $start AND received_at < $end AND is_final AND entry = 'usage' "
    "AND traffic = 'live' AND coalesce(tier_asked, '') <> 'batch'"
)
"""Calls of clients alone: no route is asked where a shadow goes, or the lines of a batch."""
_COUNT = f"SELECT count(*) FROM charges WHERE {_WHERE}"
_CALLS = f"""
WITH corrected AS (
  SELECT attempt_id, sum(list_cost) AS cost FROM charges
  WHERE received_at >= $start AND received_at < $end AND entry <> 'usage' GROUP BY attempt_id
)
SELECT call_id, received_at, {", ".join(_TEXTS)}, tier_served, tier_asked, tags, request_bytes, quality,
  {", ".join(f"charges.{name}" for name in _USAGE.values())},
  CASE WHEN list_cost IS NULL AND corrected.cost IS NULL THEN NULL
    ELSE coalesce(list_cost, 0) + coalesce(corrected.cost, 0) END AS cost
FROM charges LEFT JOIN corrected USING (attempt_id)
WHERE {_WHERE} ORDER BY received_at DESC, call_id LIMIT $limit
"""
