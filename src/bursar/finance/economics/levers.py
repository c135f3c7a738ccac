"""Which lever fits a customer or a feature that loses money. Pure rules over their figures; a person decides."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

import msgspec

from bursar.domain.money import plain, usd_from_pico
from bursar.finance.economics.figures import Usual, quantile
from bursar.finance.economics.rows import Row

HEAVY = 5.0  # times the median of the plan in calls: they are another kind of user
DEAR = 1.5  # times the plan's cost of a token: their calls are of another kind
MOST = 0.5  # of a plan's customers lose money: the price is the matter, not who
TARGET_SHARE = Decimal("0.70")  # of revenue that is to be left after AI, where nothing else was said
FREE_TIMES = 3  # a free customer's budget: so many times the median of free ones
CENT = Decimal("0.01")


class Lever(msgspec.Struct, frozen=True):
    """name: reprice, gate, limit, route. text: what to do, for people. draft: terms of a budget, where it is one."""

    name: str
    text: str
    draft: dict[str, Any] | None = None


class PlanFacts(msgspec.Struct, frozen=True):
    """A plan as a whole: its median customer, what a token costs that one, and how many of its customers lose money."""

    usual: Usual
    pico_per_token: int
    losing_share: float
    free_median_pico: int


def plan_facts(rows: Sequence[Row]) -> PlanFacts:
    callers = [row for row in rows if row.calls > 0]
    per_token = sorted(row.ai_pico // row.tokens for row in callers if row.tokens > 0)
    known = [row for row in rows if row.margin_pico is not None]
    usual = Usual(
        quantile(sorted(row.calls for row in callers), 50) or 0,
        quantile(sorted(row.ai_pico for row in callers), 50) or 0,
    )
    free = sorted(row.ai_pico for row in callers if row.is_free)
    losing = sum((row.margin_pico or 0) < 0 for row in known)
    return PlanFacts(usual, quantile(per_token, 50) or 0, losing / len(known) if known else 0.0,
                     quantile(free, 50) or usual.cost_pico)  # fmt: skip


def levers_of(row: Row, facts: Mapping[str, PlanFacts], months: int = 1) -> list[Lever]:
    """What fits a customer who loses money, best first; nothing for one who doesn't. A limit is always among it."""
    if row.margin_pico is None or row.margin_pico >= 0 or not row.customer:
        return []
    plan = facts[row.plan]
    found: list[Lever] = []
    heavy = row.calls / plan.usual.calls if plan.usual.calls else 0.0
    if row.is_free or (row.revenue_pico or 0) <= 0:
        found.append(_limit(row, usd_from_pico(plan.free_median_pico * FREE_TIMES // months), free=True))
        found.append(Lever("gate", "Keep the dear features for paying plans, or ask this one to pay."))
        return found
    revenue = usd_from_pico((row.revenue_pico or 0) // months)
    if plan.losing_share >= MOST:
        need = needed_price(row.ai_pico // months, (row.other_pico or 0) // months)
        found.append(
            Lever("reprice", f"Most of this plan lose money: at this usage it takes ${plain(need)} a month to keep "
                             f"{TARGET_SHARE:.0%} of revenue.")
        )  # fmt: skip
    if row.tokens and plan.pico_per_token and row.ai_pico / row.tokens >= DEAR * plan.pico_per_token:
        times = row.ai_pico / row.tokens / plan.pico_per_token
        found.append(Lever("route", f"A token of theirs costs {times:.1f} times the plan's: send their calls a cheaper "
                                    "route, or see which feature asks the dear model."))  # fmt: skip
    found.append(_limit(row, revenue * (1 - TARGET_SHARE), free=False, heavy=heavy))
    return found


def _limit(row: Row, limit: Decimal, *, free: bool, heavy: float = 0.0) -> Lever:
    limit = max(limit.quantize(CENT, ROUND_DOWN), CENT)
    if free:
        why = f"{FREE_TIMES} times what the median free customer costs"
    else:
        why = f"what leaves {TARGET_SHARE:.0%} of their revenue"
    who = f"They make {heavy:,.0f} times the calls of the plan's median. " if heavy >= HEAVY else ""
    return Lever(
        "limit",
        f"{who}A budget of ${plain(limit)} a month, {why}.",
        {"limit": plain(limit), "window": "month", "match": {"customer": row.customer}},
    )


def needed_price(ai_pico: int, other_pico: int, target: Decimal = TARGET_SHARE) -> Decimal:
    """The price a month at which `target` of it is left after AI, and other cost is covered too: rounded up to cents.

    >>> str(needed_price(11 * 10**12, 0))
    '36.67'
    """
    ai, other = usd_from_pico(ai_pico), usd_from_pico(other_pico)
    return max(ai / (1 - target), ai + other).quantize(CENT, ROUND_UP)
