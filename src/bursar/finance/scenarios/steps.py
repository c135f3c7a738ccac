"""What may be otherwise: the steps of a scenario, as values. `written.py` reads and writes them as text.

Factors and percents are exact Decimals. `since` is the month from which a step holds; None: from the first month shown.
However they are written, steps apply in the order of ORDER.
"""

from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

Unit = Literal["calls", "tokens"]


class Whose(msgspec.Struct, frozen=True, kw_only=True):
    """Of whom: customers of a plan, of a segment, of both; None: of all. "": those of whom it isn't known."""

    plan: str | None = None
    segment: str | None = None
    since: date | None = None


class Usage(Whose, frozen=True, kw_only=True):
    """Everybody meant uses `factor` times as much. heavy: the percent of them, heaviest first, who alone take all of
    the change, each in proportion to what they use."""

    factor: Decimal
    heavy: Decimal | None = None


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """`share` percent of what a model costs moves to another, where it costs `price` × `tokens` times as much: the
    ratio of unit prices, and of tokens that the same work takes."""

    model: str
    to: str
    price: Decimal
    share: Decimal = Decimal(100)
    tokens: Decimal = Decimal(1)
    since: date | None = None


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    """A provider, or one model of it, costs so many percent more from a day on. of: "openai" or "openai/gpt-4o"."""

    percent: Decimal
    of: str
    since: date | None = None


class FreeLimit(Whose, frozen=True, kw_only=True):
    """Free users may use `limit` units a month. Of those who use more, `convert` percent pay `price` and go on as they
    do; the others stop at the limit."""

    limit: int
    price: Decimal
    convert: Decimal = Decimal(0)
    unit: Unit = "calls"


class Price(Whose, frozen=True, kw_only=True):
    """Paying customers pay `to` a month each, or `percent` more than now. Free ones are meant only with `to`, by their
    plan's name."""

    to: Decimal | None = None
    percent: Decimal | None = None


class Overage(Whose, frozen=True, kw_only=True):
    """Each unit of a month above `included` is billed at `price`, beside what is paid now; to free users only by their
    plan's name."""

    price: Decimal
    included: int = 0
    unit: Unit = "calls"


class Churn(msgspec.Struct, frozen=True, kw_only=True):
    """An assumption: each percent by which somebody pays more makes `elasticity` percent of such customers leave, with
    what they pay and cost. Who pays less brings nobody."""

    elasticity: Decimal


class Viral(msgspec.Struct, frozen=True, kw_only=True):
    """`users` free users come from a day on.

    convert_low, convert_high: percent of those who came that pay `price` from `after` months later on; where between
             both is uncertain, alike for each.
    cost:    what one costs a month; None: as the free users there are.
    ramp:    over how many months they come, evenly. decay: percent of those who don't pay that leave with each month.
    """

    users: int
    price: Decimal
    convert_low: Decimal
    convert_high: Decimal
    cost: Decimal | None = None
    ramp: int = 1
    decay: Decimal = Decimal(0)
    after: int = 1
    since: date | None = None


Step = Usage | Model | PriceList | FreeLimit | Price | Overage | Churn | Viral
ORDER: tuple[type[msgspec.Struct], ...] = (Usage, Model, PriceList, FreeLimit, Price, Overage, Churn, Viral)

NAMES: dict[type[msgspec.Struct], str] = {
    Usage: "usage",
    Model: "model",
    PriceList: "pricelist",
    FreeLimit: "freelimit",
    Price: "price",
    Overage: "overage",
    Churn: "churn",
    Viral: "viral",
}


class Scenario(msgspec.Struct, frozen=True):
    """Steps under a name; none: as it is."""

    name: str
    steps: tuple[Step, ...] = ()
