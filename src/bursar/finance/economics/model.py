"""What one customer earned and cost in one month, and margins of it: pure values.

All money here is in one currency, the one that is asked for: revenue was exchanged by `rate(currency, day)`, and what
had no rate is None with its currency named, never 0 and never at 1.
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import msgspec

Rate = Callable[[str, date], Decimal | None]
"""`rate(currency, day)`: what one unit of a currency is worth in the currency that is asked for; None: unknown."""


class CustomerMonth(msgspec.Struct, frozen=True, kw_only=True):
    """One customer in one month.

    month:    its first day.
    plan, segment: as known then; "": unknown.
    revenue:  recognised, without tax; None: not known (no business record, or no rate for its currency).
    ai_list_cost, ai_cost: list and effective cost of their calls; charges without a price aren't in it, see `unpriced`.
    other_cost_of_goods: what the plan says it costs beside AI; None: not given.
    tokens:   input, cache and output, all of them.
    is_known: whether there is a business record of this customer.
    is_free:  whether they paid nothing by their record or plan.
    missing_rates: currencies of revenue without a rate.
    """

    customer_id: str
    month: date
    plan: str = ""
    segment: str = ""
    revenue: Decimal | None = None
    ai_list_cost: Decimal = Decimal(0)
    ai_cost: Decimal = Decimal(0)
    other_cost_of_goods: Decimal | None = None
    calls: int = 0
    tokens: int = 0
    unpriced: int = 0
    is_known: bool = True
    is_free: bool = False
    seats: int | None = None
    missing_rates: tuple[str, ...] = ()

    @property
    def margin(self) -> Decimal | None:
        """Revenue less AI and less what else is known to be cost of goods; None: revenue isn't known."""
        without_ai = self.margin_without_ai
        return None if without_ai is None else without_ai - self.ai_cost

    @property
    def margin_without_ai(self) -> Decimal | None:
        """What the margin would be if AI cost nothing."""
        return None if self.revenue is None else self.revenue - (self.other_cost_of_goods or Decimal(0))


def share_of(part: Decimal | None, whole: Decimal | None) -> float | None:
    """A margin as a share of revenue, for showing; None where there is no revenue to be a share of."""
    return None if part is None or not whole else float(part / whole)


def same_currency(currency: str) -> Rate:
    """Rates of somebody who has none: a currency is worth itself, all others are unknown."""
    return lambda other, _day: Decimal(1) if other == currency else None
