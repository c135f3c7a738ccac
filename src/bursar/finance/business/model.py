"""Customers, plans, revenue and business events: values, as they were brought in.

A customer's id is what calls carry as their `customer` tag: that is how cost finds revenue. Money is an exact Decimal
in the currency named beside it; what isn't known is None, never 0.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec

UNKNOWN_PLAN = ""


class PlanPrice(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan costs from a day on, until the next one's day.

    price:    a month, for one seat when `is_per_seat`, in `currency` (ISO 4217); 0 for a free plan.
    included: units that a month's price includes, by their name: {"tickets": 500}.
    other_cost_of_goods: what serving one customer a month costs beside AI (hosting, support), in `currency`; None: not
              given, and then margins are told without it.
    """

    since: date
    price: Decimal
    currency: str = "USD"
    is_per_seat: bool = False
    included: dict[str, Decimal] = {}
    other_cost_of_goods: Decimal | None = None


class PricePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that customers are on. prices: by their day, oldest first, at least one."""

    name: str
    prices: tuple[PlanPrice, ...]

    def at(self, day: date) -> PlanPrice | None:
        """The price in force on a day; None: before its first one."""
        found = [one for one in self.prices if one.since <= day]
        return found[-1] if found else None

    def is_free_on(self, day: date) -> bool:
        price = self.at(day)
        return price is not None and price.price == 0


class PlanSpan(msgspec.Struct, frozen=True):
    """On `plan` from a day on, until another (excluded); None: still."""

    plan: str
    since: date
    until: date | None = None


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """One customer.

    customer_id:  the `customer` tag of their calls.
    signed_up, converted_on, cancelled_on: days; converted: from when on they pay. None: unknown, or not (yet).
    is_free:      whether they pay nothing now; None: nobody said, and then their plan and revenue tell.
    spans:        plans they were on, oldest first, without overlaps; may have gaps.
    """

    customer_id: str
    name: str = ""
    segment: str = ""
    tags: dict[str, str] = {}
    signed_up: date | None = None
    converted_on: date | None = None
    cancelled_on: date | None = None
    is_free: bool | None = None
    spans: tuple[PlanSpan, ...] = ()

    def plan_on(self, day: date) -> str:
        """The plan they are on; UNKNOWN_PLAN when none is known."""
        return plan_on(self.spans, day)

    def is_active_on(self, day: date) -> bool:
        """Signed up by then (or nobody knows when) and not gone yet."""
        began = self.signed_up is None or self.signed_up <= day
        return began and (self.cancelled_on is None or day < self.cancelled_on)


class SeatMonth(msgspec.Struct, frozen=True, kw_only=True):
    """Of one customer in one month (its first day): seats paid for, users who did anything; None: unknown."""

    customer_id: str
    month: date
    seats: int | None = None
    active_users: int | None = None


class RevenueLine(msgspec.Struct, frozen=True, kw_only=True):
    """Revenue of one customer in one month (its first day), recognised, without tax.

    source, line_id: where it is from and its id there: brought in twice is there once; another amount under the same
             id replaces it. amount: less than 0 for a credit or a refund. feature: what it pays for; "": all they use.
    """

    source: str
    line_id: str
    customer_id: str
    month: date
    amount: Decimal
    currency: str
    plan: str = UNKNOWN_PLAN
    feature: str = ""


class BusinessEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a customer got done: a ticket solved, an order, a document. A CloudEvent in our words.

    source, event_id: together its identity, as CloudEvents says. kind: CloudEvents' `type`: "ticket.solved".
    customer_id: CloudEvents' `subject`. at: aware. quantity: how many it counts for. feature: which one did it.
    """

    source: str
    event_id: str
    kind: str
    customer_id: str
    at: datetime
    quantity: Decimal = Decimal(1)
    feature: str = ""


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with one row: its line in the file (from 1, the head is 1), its column, and what to do."""

    line: int
    column: str
    message: str


def plan_on(spans: Sequence[PlanSpan], day: date) -> str:
    """The plan of the span that holds a day; UNKNOWN_PLAN outside all of them."""
    for span in reversed(spans):
        if span.since <= day and (span.until is None or day < span.until):
            return span.plan
    return UNKNOWN_PLAN


def month_of(day: date) -> date:
    """The first day of its month: how months are named here."""
    return day.replace(day=1)
