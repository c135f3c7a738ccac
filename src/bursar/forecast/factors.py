"""What planned events and a scenario of growth do to days: factors, for each part and day."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np

from bursar.domain.periods import Period, parse_period
from bursar.domain.plans import PlanTerms
from bursar.explore.filters import Filter, as_filters, parse_filter
from bursar.explore.query import OTHER, Explorer, Query
from bursar.forecast.history import MEASURE
from bursar.forecast.models import Floats
from bursar.forecast.told import Wish

SHARES_FROM = "30d"
FACTOR_MIN = 0.01  # that the past is divided by: days on which nearly nothing was left say nearly nothing
DAYS_A_MONTH = 30.4375
_GROUPS_MAX = 10_000


def check_scope(text: str) -> None:
    """Raises BadQuery for a scope that no charge can be asked for by."""
    as_filters((parse_filter(text),))


def scope_shares(explorer: Explorer, wish: Wish, dimension: str, names: Sequence[str], scope: str) -> Floats:
    """How much of each part's recent cost lies in a plan's scope: (parts,), 0 to 1. Raises BadQuery."""
    if not scope:
        return np.ones(len(names))
    one, period = parse_filter(scope), parse_period(SHARES_FROM, wish.now, wish.timezone)
    narrowed = _narrowed(wish.filters, one)
    if narrowed is None:
        return np.zeros(len(names))
    everything = _costs(explorer, period, dimension, wish.filters, names)
    inside = _costs(explorer, period, dimension, narrowed, names)
    itself = one.values[0] if one.field == dimension and one.op == "is" else None

    def share(name: str) -> float:
        if name == itself:
            return 1.0  # also before it has cost anything
        return min(max(inside[name] / everything[name], 0.0), 1.0) if everything[name] > 0 else 0.0

    return np.array([share(name) for name in names])


def share_in_scope(explorer: Explorer, now: datetime, timezone: str, filters: Sequence[Filter], scope: str) -> float:
    """How much of the recent cost that the filters let through lies in a plan's scope, 0 to 1. Raises BadQuery."""
    if not scope:
        return 1.0
    narrowed = _narrowed(filters, parse_filter(scope))
    if narrowed is None:
        return 0.0
    if set(narrowed) == set(filters):
        return 1.0  # also before it has cost anything
    period = parse_period(SHARES_FROM, now, timezone)

    def cost(of: Sequence[Filter]) -> float:
        found = explorer.run(Query(period, (MEASURE,), (), tuple(of))).totals[MEASURE] or 0
        return float(found - explorer.one_offs(period, (), measure=MEASURE, filters=of)[()])

    everything = cost(filters)
    return min(max(cost(narrowed) / everything, 0.0), 1.0) if everything > 0 else 0.0


def _narrowed(filters: Sequence[Filter], one: Filter) -> list[Filter] | None:
    """Both together. Several values of one field mean any of them, so a scope that is one of them takes their place.
    None: nothing can be in both."""
    alike = [other for other in filters if (other.field, other.op) == (one.field, one.op) and one.op == "is"]
    if alike and all(one.values[0] not in other.values for other in alike):
        return None
    return [*(other for other in filters if other not in alike), one]


def _costs(
    explorer: Explorer, period: Period, dimension: str, filters: Sequence[Filter], names: Sequence[str]
) -> dict[str, float]:
    """Of each of the names; of `OTHER`, all that is left."""
    table = explorer.cost_by(dimension, period, filters=filters, limit=_GROUPS_MAX, measures=(MEASURE,))
    found = dict.fromkeys([*names, OTHER], 0.0)
    for row in table.dicts():
        name = str(row[dimension] or "")
        found[name if name in found else OTHER] += float(row[MEASURE] or 0)
    for (name,), amount in explorer.one_offs(period, (dimension,), measure=MEASURE, filters=filters).items():
        found[name if name in found else OTHER] -= float(amount)
    found[OTHER] += float((table.other or {}).get(MEASURE) or 0)
    return found


def plan_factors(plans: Sequence[tuple[PlanTerms, Floats]], days: Sequence[date], parts: int) -> Floats:
    """(parts, days): what a day's cost is multiplied by. plans: each with the share of every part in its scope.

    Of plans on the same day each changes what those before it left.
    """
    factors = np.ones((parts, len(days)))
    for terms, shares in plans:
        by_day = np.array([terms.factor(day) for day in days])
        factors *= 1 + shares[:, None] * (by_day - 1)[None, :]
    return factors


def growth_factors(percent_a_month: float, ahead: int) -> Floats:
    """(days,): 1 for today, then a little more each day."""
    growth: Floats = (1 + percent_a_month / 100) ** (np.arange(ahead) / DAYS_A_MONTH)
    return growth


def days_from(first: date, count: int) -> list[date]:
    return [first + timedelta(days=at) for at in range(count)]
