"""What a ticket, an order, a document costs in AI: by kind of business event, over the months.

Calls don't say which event they were for, so an event costs what its customer's calls of the same feature cost, divided
by how many such events they had; where events name no feature, all of the customer's calls. Cost of customers without
an event of that kind is told beside it. Quantiles are of events: a customer with a thousand counts a thousand times.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec

from bursar.domain.periods import Period
from bursar.explore.compile import period_params
from bursar.finance.business.tables import EVENTS
from bursar.finance.economics.features import feature_costs
from bursar.finance.economics.figures import QUANTILES, rounded, weighted_quantile
from bursar.ledger.store import Session

MICRO = 10**6  # quantities have six decimals
Counted = tuple[str, int, int]
"""A customer, how many events they had, and how much these count for in millionths."""


class EventKind(msgspec.Struct, frozen=True):
    """One kind, of one feature ("": of all). quantity: events, as many as each counts for.

    cost_pico: AI cost of the customers who had them; without_pico: of the feature's other customers.
    p50 …: pico of one event, rounded half-even. customers: who had any.
    """

    kind: str
    feature: str
    events: int
    quantity: Fraction
    customers: int
    cost_pico: int
    without_pico: int
    average: int | None
    p50: int | None
    p95: int | None
    p99: int | None


def event_kinds(session: Session, period: Period, costs: Mapping[str, int]) -> list[EventKind]:
    """Kinds of the events of these months, those that cost most first. costs: customer → all of their AI cost."""
    text = (
        "SELECT kind, feature, customer, count(*)::BIGINT, SUM(quantity) "
        f'FROM {EVENTS.current} WHERE "at" >= $start AND "at" < $end GROUP BY 1, 2, 3'
    )
    found: dict[tuple[str, str], list[Counted]] = {}
    for kind, feature, customer, events, quantity in session.query(text, period_params(period, None)).rows:
        found.setdefault((kind, feature), []).append((customer, int(events), int(quantity * MICRO)))
    features = sorted({feature for _, feature in found if feature})
    by_feature: dict[str, dict[str, int]] = {}
    for (customer, name), pico in (feature_costs(session, period, features) if features else {}).items():
        by_feature.setdefault(name, {})[customer] = pico
    kinds = [
        one_kind(kind, feature, counted, by_feature.get(feature, {}) if feature else costs)
        for (kind, feature), counted in found.items()
    ]
    return sorted(kinds, key=lambda one: (-one.cost_pico, one.kind, one.feature))


def one_kind(kind: str, feature: str, counted: Sequence[Counted], costs: Mapping[str, int]) -> EventKind:
    """costs: customer → AI cost in pico of what the events came from."""
    weighted = sorted((rounded(costs.get(customer, 0) * MICRO, micros), micros) for customer, _, micros in counted)
    micros = sum(one for _, one in weighted)
    names = {customer for customer, _, _ in counted}
    cost = sum(costs.get(name, 0) for name in names)
    points = [weighted_quantile(weighted, percent) for percent in QUANTILES]
    return EventKind(
        kind, feature, sum(events for _, events, _ in counted), Fraction(micros, MICRO), len(names), cost,
        sum(costs.values()) - cost, rounded(cost * MICRO, micros) if micros else None, *points,
    )  # fmt: skip
