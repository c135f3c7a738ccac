"""What a simulation says: values, money as exact Decimals of one currency.

Amounts are exact sums over the customers there are. Bands are of the bootstrap, rounded to a millionth.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import msgspec

THIN_BELOW = 10
"""Customers of a plan below which its band says little."""


class Band(msgspec.Struct, frozen=True):
    """Four worlds in five are between low and high; one in two between mid_low and mid_high."""

    low: Decimal
    mid_low: Decimal
    mid_high: Decimal
    high: Decimal


class Share(msgspec.Struct, frozen=True):
    """Margin in percent of revenue, rounded to a hundredth, with its band; the band is None where worlds have no
    revenue."""

    value: Decimal
    low: Decimal | None
    high: Decimal | None


class Amounts(msgspec.Struct, frozen=True):
    """Of a month, or of months together. share: None without revenue."""

    revenue: Decimal
    ai_cost: Decimal
    other_cost: Decimal
    margin: Decimal
    band: Band
    share: Share | None


class MonthTold(msgspec.Struct, frozen=True):
    """month: its first day. customers: expected, new users included. change: of the margin, from as it is."""

    month: date
    customers: Decimal
    amounts: Amounts
    change: Decimal
    change_band: Band


class Tipping(msgspec.Struct, frozen=True):
    """When margin is zero.

    price:   a month for each who stays, rounded up to a millionth; None: nobody stays. price_band: likewise, over the
             worlds; None for one customer.
    usage:   how many times as much usage as in the scenario takes all margin, rounded down to a millionth; below 1: it
             is lost already. None: no usage does, since they cost no AI, or lose without any: `why` says which.
    """

    price: Decimal | None
    price_band: Band | None
    usage: Decimal | None
    why: str = ""


class PlanTold(msgspec.Struct, frozen=True):
    """A plan in the last month. customers: there are now; staying: expected to; losing: those who cost more than they
    pay. is_thin: too few for its band to say much."""

    plan: str
    is_free: bool
    customers: int
    staying: Decimal
    losing: int
    amounts: Amounts
    tipping: Tipping
    is_thin: bool


class CustomerTold(msgspec.Struct, frozen=True):
    """A customer in the last month. was: their margin as it is."""

    customer: str
    plan: str
    segment: str
    is_free: bool
    revenue: Decimal
    ai_cost: Decimal
    other_cost: Decimal
    margin: Decimal
    was: Decimal
    tipping: Tipping


class ViralTold(msgspec.Struct, frozen=True):
    """What a viral moment does over the months shown. cost: of one such user in the last month; convert: percent, the
    middle; paying_off: percent that must convert for it to cost nothing; None: none would do."""

    users: int
    cost: Decimal
    convert: Decimal
    margin: Decimal
    paying_off: Decimal | None


class ScenarioTold(msgspec.Struct, frozen=True):
    """text: its steps, in their one spelling. months: each; whole: together; last: of the last month, without new
    users, as `plans` has it. turned: customers who made a margin and lose now, the largest loss first; losing: how many
    lose. notes: what must be known to read it."""

    name: str
    text: str
    months: Sequence[MonthTold]
    whole: Amounts
    change: Decimal
    change_band: Band
    plans: Sequence[PlanTold]
    tipping: Tipping
    turned: Sequence[CustomerTold]
    turned_count: int
    losing: int
    viral: Sequence[ViralTold]
    notes: Sequence[str]


class PastTold(msgspec.Struct, frozen=True):
    month: date
    revenue: Decimal
    margin: Decimal


class Comparison(msgspec.Struct, frozen=True):
    """as_is: nothing otherwise. base: the months that customers are the mean of. notes: of the data under all."""

    currency: str
    base: Sequence[date]
    past: Sequence[PastTold]
    customers: int
    free_customers: int
    segments: Sequence[str]
    unknown_customers: int
    unknown_ai_cost: Decimal
    unpriced: int
    seed: int
    worlds: int
    as_is: ScenarioTold
    scenarios: Sequence[ScenarioTold]
    notes: Sequence[str]
