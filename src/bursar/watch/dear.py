"""Which models are dear for what they are asked: measured, not listed.

A request type has a usual price: the price per token at or below which half of its calls were made. A model whose
own price per token, over everything that it was asked, is DEAR_TIMES the usual one or more is dear for that type.
"""

from bisect import bisect_left
from collections.abc import Iterable
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple

from bursar.domain.clock import datetime_from_us
from bursar.explore.apart import OF_CALLS
from bursar.explore.compile import naive
from bursar.ledger.calls import TOTAL_INPUT, TOTAL_OUTPUT
from bursar.ledger.store import Session

DEAR_TIMES = 3
CALLS_MIN = 100  # of a request type: fewer have no habit
TYPES_MAX = 2_000  # pairs of request type and model that are looked at, those with most calls first

DearPairs = frozenset[tuple[str, str]]
"""(request type, model)."""

_SQL = f"""
    SELECT request_type, model, SUM(CASE WHEN is_final THEN weight ELSE 0 END)::BIGINT AS calls,
      SUM({TOTAL_INPUT} + {TOTAL_OUTPUT})::BIGINT AS tokens, SUM(list_cost) AS cost
    FROM charges WHERE received_at >= $start AND received_at < $end AND list_cost IS NOT NULL AND {OF_CALLS}
    GROUP BY request_type, model ORDER BY calls DESC, request_type, model LIMIT {TYPES_MAX:d}
"""


class TypeModel(NamedTuple):
    """What one model was asked of one request type. cost: exact, in any one unit of money."""

    request_type: str
    model: str
    calls: int
    tokens: int
    cost: Fraction


def dear_pairs(rows: Iterable[TypeModel]) -> DearPairs:
    """Which model is dear for which request type. Calls that say no request type aren't judged.

    >>> usual = TypeModel("faq", "small", 900, 1_000, Fraction(1)), TypeModel("faq", "large", 100, 1_000, Fraction(5))
    >>> sorted(dear_pairs(usual))
    [('faq', 'large')]
    """
    kept = [row for row in rows if row.calls > 0 and row.tokens > 0]
    tokens: dict[str, int] = {}
    costs: dict[str, Fraction] = {}
    for row in kept:
        tokens[row.model] = tokens.get(row.model, 0) + row.tokens
        costs[row.model] = costs.get(row.model, Fraction(0)) + row.cost
    price = {model: costs[model] / tokens[model] for model in tokens}
    by_type: dict[str, list[TypeModel]] = {}
    for row in kept:
        if row.request_type:
            by_type.setdefault(row.request_type, []).append(row)
    found = set()
    for request_type, models in by_type.items():
        models.sort(key=lambda row: (price[row.model], row.model))
        running = list(accumulate(row.calls for row in models))
        if running[-1] < CALLS_MIN:
            continue
        usual = price[models[bisect_left(running, -(-running[-1] // 2))].model]
        dear = (model for model, own in price.items() if usual > 0 and own >= DEAR_TIMES * usual)
        found |= {(request_type, model) for model in dear}
    return frozenset(found)


def dear_pairs_of(session: Session, start_us: int, end_us: int) -> DearPairs:
    """The same, from the charges of a stretch of time: models that a type has never seen are judged too."""
    params = {"start": naive(datetime_from_us(start_us)), "end": naive(datetime_from_us(end_us))}
    rows = session.query(_SQL, params).rows
    return dear_pairs(
        TypeModel(kind or "", model or "", int(calls), int(tokens or 0), Fraction(cost or 0))
        for kind, model, calls, tokens, cost in rows
    )
