"""Customers as a simulation sees them: what each pays and costs in one month. Pure values.

Money is a whole number of pico, 1e-12 of one currency, the same for all of it.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec


class Payer(msgspec.Struct, frozen=True, kw_only=True):
    """One customer's month, or the mean of several of their months.

    plan, segment: "": unknown. is_free: pays nothing now, and is drawn from when free users come.
    revenue, ai_cost, other_cost: pico a month; other_cost is what serving them costs beside AI, and doesn't grow with
                   usage.
    calls, tokens: a month.
    cost_by_model: pico by "provider/model"; what is missing of ai_cost is of no known model.
    """

    customer: str
    plan: str = ""
    segment: str = ""
    is_free: bool = False
    revenue: int = 0
    ai_cost: int = 0
    other_cost: int = 0
    calls: int = 0
    tokens: int = 0
    cost_by_model: Mapping[str, int] = {}


class PastMonth(msgspec.Struct, frozen=True):
    """What a month was, pico, of all whose revenue is known. month: its first day."""

    month: date
    revenue: int
    ai_cost: int
    other_cost: int

    @property
    def margin(self) -> int:
        return self.revenue - self.ai_cost - self.other_cost


class Grounds(msgspec.Struct, frozen=True, kw_only=True):
    """What simulations stand on.

    months:    the complete months that each payer is the mean of, oldest first.
    past:      what whole months were, oldest first, to be drawn before what would come.
    unknown_*: customers whose revenue nobody said, and the AI cost of a month that is in no margin because of it;
               whose AI cost has no customer at all is counted there too.
    unpriced:  calls without a price, which cost something that isn't in any figure.
    without_other_cost: payers of whom nobody said what they cost beside AI.
    """

    payers: Sequence[Payer]
    months: Sequence[date]
    past: Sequence[PastMonth] = ()
    currency: str = "USD"
    unknown_customers: int = 0
    unknown_ai_cost: int = 0
    unpriced: int = 0
    without_other_cost: int = 0
