"""What the shadow of a semantic cache has shown so far, and what its embeddings cost."""

from datetime import datetime
from decimal import Decimal

from bursar.domain.money import pico_from_usd
from bursar.domain.resemblance import Measured
from bursar.ledger.store import Session


def measured_so_far(
    session: Session, rule_id: str, mark: str, agreement_min: float, since: datetime, *, is_embedded: bool = True
) -> Measured:
    """Of calls that were compared as `mark` says, from `since` (naive UTC) on; sums are exact, in pico-USD.

    The same question letter for letter, answered alike, is a hit, and tells nothing of whether other words meant the
    same: a probe that asks every minute would vouch for all others.
    is_embedded: by an upstream, so that its embeddings are looked for; the local model books nothing.
    """
    about = {"rule_id": rule_id, "mark": mark, "since": since}
    [row] = session.query(_SQL, about | {"agreement_min": agreement_min}).dicts()
    figures = {name: int(row[name] or 0) for name in _FIGURES}
    if is_embedded:
        [embedded] = session.query(_EMBEDDED_SQL, about).dicts()
        figures["embed_pico"] += pico_from_usd(embedded["cost"] or Decimal(0))
        figures["embeds_unpriced"] = int(embedded["unpriced"] or 0)
    return Measured(mark, agreement_min, **figures)


EQUAL_FROM = 0.99999
"""The similarity of a text to itself, as far as 32 bits can tell."""

_FIGURES = (
    "calls", "hits", "compared", "false_hits", "saved_pico", "embed_pico", "unpriced", "since_us", "until_us",
    "live_compared", "live_false",
)  # fmt: skip
_SQL = f"""
WITH seen AS (
  SELECT *, similarity IS NOT NULL AS is_hit, coalesce(agreement < $agreement_min, false) AS is_false,
    agreement IS NOT NULL AND (agreement < $agreement_min OR similarity < {EQUAL_FROM}) AS tells
  FROM resemblances WHERE rule_id = $rule_id AND mark = $mark AND looked_at >= $since
  QUALIFY row_number() OVER (PARTITION BY call_id ORDER BY looked_at) = 1
)
SELECT count(*) FILTER (NOT is_live) AS calls,
  count(*) FILTER (is_hit AND NOT is_live) AS hits,
  count(*) FILTER (tells) AS compared,
  count(*) FILTER (is_false) AS false_hits,
  sum(cost_pico) FILTER (is_hit AND NOT is_false AND NOT is_live) AS saved_pico,
  sum(embed_pico) FILTER (NOT is_live) AS embed_pico,
  count(*) FILTER (is_hit AND NOT is_false AND NOT is_live AND cost_pico IS NULL) AS unpriced,
  count(*) FILTER (tells AND is_live) AS live_compared,
  count(*) FILTER (is_false AND is_live) AS live_false,
  epoch_us(min(looked_at)) AS since_us, epoch_us(max(looked_at)) AS until_us
FROM seen
"""
_EMBEDDED_SQL = """
SELECT sum(list_cost) AS cost, sum(weight) FILTER (quality = 'unpriced') AS unpriced
FROM charges WHERE received_at >= $since AND traffic = 'cache_embedding'
  AND json_extract_string(routing, '$.embeds.rule_id') = $rule_id
  AND json_extract_string(routing, '$.embeds.mark') = $mark
  AND json_extract_string(routing, '$.embeds.mode') = 'shadow'
"""
"""All that was booked, whatever came of it: embeddings of calls that failed later, and those that were lost."""
