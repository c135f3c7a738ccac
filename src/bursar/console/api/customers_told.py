"""What the API answers of customers and unit economics, as types. Money is decimal text."""

from datetime import date
from typing import Any, Literal

import msgspec

from bursar.finance.economics.rows import Basis


class SumsAnswer(msgspec.Struct, frozen=True):
    """Customers added up. Money is decimal text in `currency`; null: unknown. `revenue`, `margin` and
    `margin_without_ai` are of the `with_revenue` customers whose revenue is known."""

    customers: int
    callers: int
    with_revenue: int
    estimated: int
    free: int
    losing: int
    revenue: str | None
    ai_cost: str
    ai_list_cost: str
    other_cost_of_goods: str
    margin: str | None
    margin_without_ai: str | None
    calls: int
    tokens: int
    unpriced_count: int


class CustomerAnswer(msgspec.Struct, frozen=True):
    """One customer over the months. basis: booked, price (the plan's), free, unknown or no_rate."""

    customer: str
    name: str
    plan: str
    segment: str
    is_known: bool
    is_free: bool
    basis: Basis
    revenue: str | None
    ai_cost: str
    ai_list_cost: str
    other_cost_of_goods: str | None
    margin: str | None
    margin_without_ai: str | None
    calls: int
    tokens: int
    unpriced_count: int
    times_median_cost: float | None
    times_median_calls: float | None
    missing_rates: list[str]


class LeverAnswer(msgspec.Struct, frozen=True):
    name: str
    text: str
    budget: dict[str, Any] | None


class LoserAnswer(msgspec.Struct, frozen=True):
    """A customer who loses money; what moved their AI cost, in three parts that add up; what helps."""

    customer: str
    margin: str
    change: str
    by_calls: str
    by_tokens_per_call: str
    by_cost_per_token: str
    levers: list[LeverAnswer]


class TopAnswer(msgspec.Struct, frozen=True):
    percent: int
    customers: int
    share_of_calls: float
    share_of_cost: float


class CustomersAnswer(msgspec.Struct, frozen=True):
    """quantiles: AI cost of customers who called. total: all, calls without a customer among them; it is the ledger's.

    unattributed: calls without a customer. without_record: customers of whom nothing was brought in.
    """

    first: date
    until: date
    timezone: str
    currency: str
    is_over: bool
    total: SumsAnswer
    unattributed: SumsAnswer
    without_record: SumsAnswer
    missing_rates: list[str]
    quantiles: dict[str, str | None]
    top: list[TopAnswer]
    gini: float
    customers: list[CustomerAnswer]
    found: int
    losing: list[LoserAnswer]


class PlanAnswer(msgspec.Struct, frozen=True):
    """A plan; quantiles: AI cost of its customers who called."""

    plan: str
    sums: SumsAnswer
    quantiles: dict[str, str | None]


class FeatureAnswer(msgspec.Struct, frozen=True):
    """A feature; revenue, other cost and margin: its part, of customers whose revenue is known."""

    feature: str
    customers: int
    calls: int
    tokens: int
    ai_cost: str
    revenue: str
    other_cost_of_goods: str
    margin: str
    margin_without_ai: str
    unpriced_count: int


class EventAnswer(msgspec.Struct, frozen=True):
    """A kind of business event; costs are of one."""

    kind: str
    feature: str
    events: int
    quantity: str
    customers: int
    ai_cost: str
    average: str | None
    quantiles: dict[str, str | None]
    others_cost: str


class FreeAnswer(msgspec.Struct, frozen=True):
    """The free tier, a month: docs/unit-economics.md says what each figure is."""

    verdict: Literal["pays", "destroys", "unknown", "none"]
    free: int
    paying: int
    converted: int
    conversion: float | None
    burn: str
    per_free: str | None
    carried_customers: float | None
    carried: str | None
    earned: str | None
    per_conversion: str | None
    payback_months: float | None


class CohortAnswer(msgspec.Struct, frozen=True):
    month: date | None
    customers: int
    active: int
    paying: int
    converted: int
    revenue: str
    ai_cost: str
    margin: str


class CellAnswer(msgspec.Struct, frozen=True):
    """A month of a cohort. called: customers who called; known: whose revenue is known, and of whom `revenue` and
    `margin` are (null: nobody's is); ai_cost: of all of them. is_counted false: before the first call that was
    counted here, nobody knows who called and what it cost."""

    month: date
    is_counted: bool
    called: int
    known: int
    paying: int
    estimated: int
    revenue: str | None
    ai_cost: str
    margin: str | None
    unpriced_count: int


class CohortLineAnswer(msgspec.Struct, frozen=True):
    """Customers who signed up in one month. months: from that one on; the place is months since sign-up."""

    month: date
    customers: int
    months: list[CellAnswer]


class AgeAnswer(msgspec.Struct, frozen=True):
    """All cohorts that are so many months old, together."""

    months_since_sign_up: int
    customers: int
    called: int
    known: int
    revenue: str | None
    ai_cost: str
    margin: str | None


class GridAnswer(msgspec.Struct, frozen=True):
    """Cohorts over the months since sign-up. earlier: customers who signed up before the first line; undated: nobody
    knows when, or they had costs before. All AI costs here add up to `ai_cost`, which is the ledger's."""

    first: date
    until: date
    currency: str
    is_over: bool
    cohorts: list[CohortLineAnswer]
    ages: list[AgeAnswer]
    earlier: int
    earlier_ai_cost: str
    undated: int
    undated_ai_cost: str
    unattributed_ai_cost: str
    ai_cost: str


class EconomicsAnswer(msgspec.Struct, frozen=True):
    """The same months by plan, feature, business event and cohort, and the free tier.

    unattributed: calls without a customer, which are in no plan. With it, AI costs of `plans` add up to `total`'s.
    """

    first: date
    until: date
    currency: str
    total: SumsAnswer
    unattributed: SumsAnswer
    plans: list[PlanAnswer]
    features: list[FeatureAnswer]
    events: list[EventAnswer]
    free: FreeAnswer
    cohorts: list[CohortAnswer]


class MonthAnswer(msgspec.Struct, frozen=True):
    month: date
    customer: CustomerAnswer | None


class OneCustomerAnswer(msgspec.Struct, frozen=True):
    """One customer: the months asked for, what moved them, and the twelve months up to then."""

    customer: str
    currency: str
    now: CustomerAnswer | None
    parts: dict[str, str]
    levers: list[LeverAnswer]
    course: list[MonthAnswer]


class Draft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """month, months: as the page says them; they decide the amount."""

    customer: str
    month: str = ""
    months: str = ""


class DraftAnswer(msgspec.Struct, frozen=True):
    """A budget that refuses nothing until somebody gives it another mode."""

    budget_id: str
    name: str
