"""What features earn and cost: their own revenue, and of what customers pay for everything the part by their calls.

A customer's revenue that names no feature is divided over the features they called, by how often: cost would make every
margin the same. Parts are cut to the pico and the rest goes to the feature called most, so that they add up.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from bursar.domain.periods import Period
from bursar.explore.compile import period_params
from bursar.finance.business.model import PricePlan
from bursar.finance.business.tables import REVENUE
from bursar.finance.economics.model import Rate
from bursar.finance.economics.rows import Row, rates_needed, rates_sql
from bursar.finance.economics.sources import CHARGES, TOKENS
from bursar.finance.economics.spans import MonthSpan
from bursar.ledger.store import Session

STAGED = "economics_shares"


class FeatureRow(msgspec.Struct, frozen=True):
    """revenue_pico: its part, of customers whose revenue is known; revenue_cost_pico: its AI cost for those.

    customers: who called it, of those whose revenue is known. Feature "" are calls that name none. other_pico: its part
    of cost beside AI.
    """

    feature: str
    customers: int
    calls: int
    tokens: int
    ai_pico: int
    list_pico: int
    unpriced: int
    revenue_pico: int
    other_pico: int
    revenue_cost_pico: int

    @property
    def margin_pico(self) -> int:
        return self.revenue_pico - self.other_pico - self.revenue_cost_pico

    @property
    def without_ai_pico(self) -> int:
        return self.revenue_pico - self.other_pico


def feature_rows(
    session: Session, span: MonthSpan, rows: Sequence[Row], plans: Sequence[PricePlan], rate: Rate
) -> list[FeatureRow]:
    """Dearest first. rows: of the same months. Revenue of customers who called nothing is of no feature."""
    known = [row for row in rows if row.revenue_pico is not None and row.customer]
    own = own_revenue(session, span, plans, rate)
    shared = {row.customer: row.revenue_pico or 0 for row in known}
    for (customer, _), pico in own.items():
        if customer in shared:
            shared[customer] -= pico
    staged = {
        "customer": np.array(list(shared), dtype=object),
        "revenue": np.array([str(pico) for pico in shared.values()], dtype=object),
        "other": np.array([str(row.other_pico or 0) for row in known], dtype=object),
    }
    params = period_params(span.period, None)
    with session.stage(STAGED, staged):
        parts = session.query(_PARTS, params).rows if shared else []
    sums = {name: (customers, int(revenue), int(other), int(cost)) for name, customers, revenue, other, cost in parts}
    paid: dict[str, int] = {}
    for (customer, name), pico in own.items():
        if customer in shared:
            paid[name] = paid.get(name, 0) + pico
    found = []
    called = session.query(_SUMS, params).rows
    for name, calls, tokens, ai, listed, unpriced in called:
        customers, revenue, other, cost = sums.get(name, (0, 0, 0, 0))
        revenue += paid.pop(name, 0)
        found.append(FeatureRow(name, customers, calls, tokens, int(ai), int(listed), unpriced, revenue, other, cost))
    found += [FeatureRow(name, 0, 0, 0, 0, 0, 0, revenue, 0, 0) for name, revenue in paid.items()]  # never called
    return sorted(found, key=lambda one: (-one.ai_pico, one.feature))


def divided(pico: int, weights: Sequence[int]) -> list[int]:
    """An amount by weights, cut towards zero; what is left over goes to the largest (the last of them). As SQL does it.

    >>> divided(100, [1, 1, 1]), divided(-7, [3, 1]), divided(5, [0, 0])
    ([33, 33, 34], [-6, -1], [0, 5])
    """
    whole = sum(weights)
    parts = [0] * len(weights)
    if whole > 0:
        sign, size = (-1 if pico < 0 else 1), abs(pico)
        parts = [sign * (size * weight // whole) for weight in weights]
    largest = max(range(len(weights)), key=lambda at: (weights[at], at))
    parts[largest] += pico - sum(parts)
    return parts


def own_revenue(
    session: Session, span: MonthSpan, plans: Sequence[PricePlan], rate: Rate
) -> dict[tuple[str, str], int]:
    """(customer, feature) → revenue in pico of lines that name a feature; those without a rate aren't in it."""
    rated = rates_needed(session, span, plans, rate)
    text = (
        f"WITH fx(currency, month, rate) AS (VALUES {rates_sql(rated)}) "
        f"SELECT customer, feature, (SUM(amount * rate)::DECIMAL(38,12) * 1000000000000)::HUGEINT "
        f"FROM {REVENUE.current} JOIN fx USING (currency, month) "
        "WHERE month >= $first AND month < $until AND feature <> '' AND rate IS NOT NULL GROUP BY 1, 2"
    )
    found = session.query(text, {"first": span.first, "until": span.until}).rows
    return {(customer, feature): int(pico) for customer, feature, pico in found}


def feature_costs(session: Session, period: Period, features: Sequence[str]) -> dict[tuple[str, str], int]:
    """(customer, feature) → AI cost in pico, of some features."""
    text = (
        f"SELECT coalesce(customer, ''), feature, (SUM(effective_cost) * 1000000000000)::HUGEINT FROM {CHARGES} "
        "AND list_contains($features, feature) AND effective_cost IS NOT NULL GROUP BY 1, 2"
    )
    params = period_params(period, None) | {"features": list(features)}
    return {(customer, feature): int(pico) for customer, feature, pico in session.query(text, params).rows}


_CALLS = "SUM(CASE WHEN is_final THEN weight ELSE 0 END)::BIGINT"
_SUMS = f"""
SELECT coalesce(feature, ''), {_CALLS}, SUM({TOKENS})::BIGINT,
  coalesce(SUM(effective_cost) * 1000000000000, 0)::HUGEINT, coalesce(SUM(list_cost) * 1000000000000, 0)::HUGEINT,
  SUM(CASE WHEN quality = 'unpriced' THEN weight ELSE 0 END)::BIGINT
FROM {CHARGES} GROUP BY 1
"""
_PARTS = f"""
WITH shares AS (SELECT customer, revenue::HUGEINT AS revenue, other::HUGEINT AS other FROM {STAGED}),
cells AS MATERIALIZED (
  SELECT coalesce(customer, '') AS customer, coalesce(feature, '') AS feature, {_CALLS}::HUGEINT AS calls,
    coalesce(SUM(effective_cost) * 1000000000000, 0)::HUGEINT AS cost
  FROM {CHARGES} GROUP BY 1, 2
),
wholes AS (
  SELECT customer, SUM(calls)::HUGEINT AS whole, max(struct_pack(calls := calls, feature := feature)).feature AS largest
  FROM cells GROUP BY 1
),
parts AS MATERIALIZED (
  SELECT cells.customer, feature, cost, largest, shares.revenue, shares.other,
    CASE WHEN whole > 0 THEN sign(shares.revenue) * (abs(shares.revenue) * calls // whole) ELSE 0 END::HUGEINT AS part,
    CASE WHEN whole > 0 THEN sign(shares.other) * (abs(shares.other) * calls // whole) ELSE 0 END::HUGEINT AS beside
  FROM cells JOIN wholes USING (customer) JOIN shares USING (customer)
),
rests AS (
  SELECT any_value(largest) AS feature, any_value(revenue) - SUM(part)::HUGEINT AS part,
    any_value(other) - SUM(beside)::HUGEINT AS beside
  FROM parts GROUP BY customer
)
SELECT feature, SUM(who)::BIGINT, SUM(part)::HUGEINT, SUM(beside)::HUGEINT, SUM(cost)::HUGEINT FROM (
  SELECT feature, 1 AS who, part, beside, cost FROM parts
  UNION ALL SELECT feature, 0, part, beside, 0 FROM rests
) GROUP BY feature
"""
