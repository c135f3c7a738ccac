"""A budget and how it stands, in the words and figures that the terminal, the API and the pages show alike.

Pure. Money is decimal text with every digit: `limit` in the budget's own currency, everything else in USD, which is
what calls are held and posted in.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from bursar.budgets.budget import Budget
from bursar.budgets.lease import Standing
from bursar.budgets.limits import limit_at, window_limit
from bursar.budgets.schedule import scheduled_window
from bursar.budgets.spec import WindowSpec, format_spec
from bursar.budgets.thresholds import Threshold, approved, threshold_words
from bursar.budgets.windows import BEGIN_US, NEVER_US, Window, turn_text
from bursar.domain.clock import datetime_from_us
from bursar.domain.money import plain, usd_from_pico

QUARTER_US = 900 * 10**6
EXPLORE_NAMES = {"model": "model_asked"}
"""What a budget's dimension is called in Explore, where that differs."""


class Balance(msgspec.Struct, frozen=True):
    """One limit in force: of the whole budget, or of one value of its `each`.

    left_usd: what is neither spent nor held, None outside the ranges of a custom window, where nothing is limited.
    assumed_usd, overrun_usd: parts of what is spent: nobody heard the end of it; the bill was above its hold.
    """

    value: str
    limit_usd: str | None
    spent_usd: str
    held_usd: str
    left_usd: str | None
    overrun_usd: str
    assumed_usd: str


class BudgetTold(msgspec.Struct, frozen=True):
    """A budget in its running window. limit: in `currency`, of the decision in force, before carry-over and proration.

    Of a budget with `each`, spent, held, overrun and assumed add up the `values` that spent most, and limit and left
    are those of `nearest`, the value with least left.
    overshoot_usd: of mode expected: how far over its limit the budget may go at most.
    period, filters: the calls behind it, as Explore and `/api/costs` are asked for them.
    """

    id: str
    name: str
    mode: str
    where: list[str]
    each: str
    currency: str
    limit: str
    limit_usd: str | None
    spent_usd: str
    held_usd: str
    left_usd: str | None
    overrun_usd: str
    assumed_usd: str
    overshoot_usd: str | None
    values: int
    nearest: str
    window: str
    window_label: str
    window_start: datetime
    window_end: datetime | None
    resets: str
    contact: str
    period: str
    filters: list[str]


class ThresholdTold(msgspec.Struct, frozen=True):
    """A share of the limit, what it is in USD, and whether what is spent and held has reached it.

    says: what it does, "" for one that only tells. approved_until: of `approve`, while a person lets calls go on.
    """

    percent: int
    action: str
    at_usd: str | None
    reached: bool
    says: str = ""
    approved_until: datetime | None = None
    approved_by: str = ""


class ChangeTold(msgspec.Struct, frozen=True):
    """A decision on the limit. until: None: for good."""

    since: datetime
    until: datetime | None
    limit: str
    reason: str
    by: str
    in_force: bool


class RateTold(msgspec.Struct, frozen=True):
    """What one unit of the budget's currency is worth, as of when and by whose word."""

    usd: str
    source: str
    as_of: str


class BudgetDetail(msgspec.Struct, frozen=True):
    """All that is known of a budget but its forecast."""

    budget: BudgetTold
    balances: list[Balance]
    thresholds: list[ThresholdTold]
    first_limit: str
    changes: list[ChangeTold]
    rate: RateTold | None
    carry_cap: str | None
    carries: bool
    carries_overruns: bool
    prorated_from: datetime | None
    created: datetime


def tell_budget(budget: Budget, standings: Sequence[Standing], now_us: int) -> BudgetTold:
    """standings: of the budget, in the window of now."""
    window = scheduled_window(budget.window, now_us)
    nearest = min(standings, key=_left_or_plenty, default=None)
    limit_pico = _own_limit(budget, now_us) if nearest is None else nearest.limit
    left = limit_pico if nearest is None else left_pico(nearest)
    overshoot = None
    if budget.mode == "expected" and limit_pico is not None:
        overshoot = usd_text(budget.overshoot_usd_pico(limit_pico))
    return BudgetTold(
        id=budget.budget_id,
        name=budget.name,
        mode=budget.mode,
        where=[f"{name}={value}" for name, value in budget.match.items()],
        each=budget.each,
        currency=budget.currency,
        limit=usd_text(limit_at(budget.limit, now_us).limit_pico),
        limit_usd=_text_or_none(limit_pico),
        spent_usd=usd_text(sum(one.posted for one in standings)),
        held_usd=usd_text(sum(one.held for one in standings)),
        left_usd=_text_or_none(left),
        overrun_usd=usd_text(sum(one.overrun for one in standings)),
        assumed_usd=usd_text(sum(one.assumed for one in standings)),
        overshoot_usd=overshoot,
        values=len(standings) if budget.each else 0,
        nearest=nearest.key.value if nearest is not None else "",
        window=format_spec(spec_at(budget, now_us)),
        window_label=window.label,
        window_start=datetime_from_us(window.counted_from_us),
        window_end=None if window.turn == "rolls" or window.end_us == NEVER_US else datetime_from_us(window.end_us),
        resets=turn_text(window),
        contact=budget.contact,
        period=period_text(window, now_us),
        filters=[
            *(f"{name}={value}" for name, value in explore_filters(budget)),
            *([f"{explore_name(budget.each)}!="] if budget.each else []),  # a call without a value touches none of it
        ],
    )


def tell_detail(budget: Budget, standings: Sequence[Standing], now_us: int) -> BudgetDetail:
    """The same with each value's balance, thresholds, rate and the decisions on the limit."""
    nearest = min(standings, key=_left_or_plenty, default=None)
    limit = _own_limit(budget, now_us) if nearest is None else nearest.limit
    used = 0 if nearest is None else nearest.posted + nearest.held
    in_force = limit_at(budget.limit, now_us).change
    carry = budget.carry
    return BudgetDetail(
        budget=tell_budget(budget, standings, now_us),
        balances=[_balance(one) for one in standings],
        thresholds=[
            _tell_threshold(budget, one, nearest.key.value if nearest else "", limit, used, now_us)
            for one in budget.thresholds
        ],
        first_limit=usd_text(budget.limit.limit_pico),
        changes=[
            ChangeTold(
                datetime_from_us(one.from_us),
                None if one.until_us is None else datetime_from_us(one.until_us),
                usd_text(one.limit_pico),
                one.reason,
                one.by,
                one is in_force,
            )
            for one in budget.limit.changes
        ],
        rate=None if budget.rate is None else RateTold(
            usd_text(budget.rate.usd_pico), budget.rate.source, budget.rate.as_of.isoformat()
        ),
        carry_cap=None if carry is None or carry.cap_pico is None else usd_text(carry.cap_pico),
        carries=carry is not None,
        carries_overruns=carry is not None and carry.overruns,
        prorated_from=None if budget.prorate_from_us is None else datetime_from_us(budget.prorate_from_us),
        created=datetime_from_us(budget.created_us),
    )  # fmt: skip


def _tell_threshold(
    budget: Budget, one: Threshold, value: str, limit: int | None, used: int, now_us: int
) -> ThresholdTold:
    given = approved(budget.approvals, one.percent, value, now_us) if one.action == "approve" else None
    return ThresholdTold(
        one.percent,
        one.action,
        None if limit is None else usd_text(limit * one.percent // 100),
        limit is not None and used * 100 >= limit * one.percent,
        threshold_words(one),
        None if given is None or given.until_us >= NEVER_US else datetime_from_us(given.until_us),
        "" if given is None else given.by,
    )


def left_pico(standing: Standing) -> int | None:
    """What is neither spent nor held, as a refusal says it; what workers have ready and unused is left."""
    return None if standing.limit is None else max(standing.limit - standing.posted - standing.held, 0)


def explore_filters(budget: Budget, value: str = "") -> list[tuple[str, str]]:
    """The calls of a budget as Explore's filters: (dimension, value) pairs. value: only those of this `each` value."""
    pairs = [*budget.match.items(), *([(budget.each, value)] if budget.each and value else [])]
    return [(explore_name(name), wanted) for name, wanted in pairs]


def explore_name(dimension: str) -> str:
    """A budget's dimension, named as in Explore."""
    return EXPLORE_NAMES.get(dimension, dimension)


def period_text(window: Window, now_us: int) -> str:
    """What counts in a window so far, as a period for Explore; up to the end of this quarter of an hour, which the
    rollups know."""
    if window.counted_from_us <= BEGIN_US:
        return "all"
    end_us = min(-(-now_us // QUARTER_US) * QUARTER_US, max(window.end_us, window.counted_until_us))
    return f"{_instant(window.counted_from_us)}..{_instant(end_us)}"


def _instant(at_us: int) -> str:
    return f"{datetime_from_us(at_us):%Y-%m-%dT%H:%M:%SZ}"


def spec_at(budget: Budget, at_us: int) -> WindowSpec:
    """How the budget's windows are cut at an instant."""
    changes: Iterable[WindowSpec] = (one.spec for one in budget.window.changes if one.from_us <= at_us)
    return [budget.window.spec, *changes][-1]


def in_currency(usd: str | None, rate: RateTold | None) -> Decimal | None:
    """An amount in USD as one of the budget's currency, for people: rounded to what a Decimal holds."""
    if usd is None:
        return None
    return Decimal(usd) if rate is None else Decimal(usd) / Decimal(rate.usd)


def usd_text(pico: int) -> str:
    """Exact decimal text of an amount in picos."""
    return plain(usd_from_pico(pico))


def _text_or_none(pico: int | None) -> str | None:
    return None if pico is None else usd_text(pico)


def _balance(one: Standing) -> Balance:
    return Balance(
        value=one.key.value,
        limit_usd=_text_or_none(one.limit),
        spent_usd=usd_text(one.posted),
        held_usd=usd_text(one.held),
        left_usd=_text_or_none(left_pico(one)),
        overrun_usd=usd_text(one.overrun),
        assumed_usd=usd_text(one.assumed),
    )


def _own_limit(budget: Budget, now_us: int) -> int | None:
    """The limit in pico-USD of a value that nothing was spent of yet."""
    window = scheduled_window(budget.window, now_us)
    own = window_limit(limit_at(budget.limit, now_us).limit_pico, window, prorate_from_us=budget.prorate_from_us)
    return None if own is None else budget.usd_pico(own)


def _left_or_plenty(standing: Standing) -> tuple[bool, int]:
    left = left_pico(standing)
    return left is None, left or 0
