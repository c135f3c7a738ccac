"""What a commitment would save and risk, on the forecast's distribution of what will be spent.

Statistics: floats throughout, and every figure is an estimate. The distribution is the forecast's band (10th and 90th
percentile around what is expected) as two halves of normal curves that meet at what is expected.

Source: the newsvendor's rule (Arrow, Harris and Marschak 1951): order up to the quantile at which a unit less would
lose as much saving as a unit more would lose in waste. Here a committed dollar saves its discount if it is used, and
costs what is paid for it if it isn't, so the best commitment is the forecast's quantile at the discount itself.
"""

from collections.abc import Callable
from statistics import NormalDist
from typing import Literal, NamedTuple

import msgspec

Shape = Literal["part", "all"]
SHAPES: tuple[Shape, ...] = ("part", "all")
Z = NormalDist().inv_cdf(0.9)
STEPS = 1_000
_POINTS = [NormalDist().inv_cdf((step + 0.5) / STEPS) for step in range(STEPS)]
SHOWN = (0.1, 0.25, 0.5, 0.75, 0.9)


class Demand(NamedTuple):
    """What will be spent over the term, USD at today's terms: what is expected, and the band of four in five."""

    low: float
    expected: float
    high: float

    def quantile(self, p: float) -> float:
        """What it will not exceed with probability p, never below nothing."""
        return self.at(NormalDist().inv_cdf(p))

    def at(self, z: float) -> float:
        side = self.expected - self.low if z < 0 else self.high - self.expected
        return max(self.expected + z * max(side, 0.0) / Z, 0.0)

    def mean(self, of: Callable[[float], float]) -> float:
        """The expectation of a function of what is spent."""
        return sum(of(self.at(z)) for z in _POINTS) / STEPS

    def times(self, factor: float) -> "Demand":
        return Demand(self.low * factor, self.expected * factor, self.high * factor)


class Offer(msgspec.Struct, frozen=True):
    """discount: a share, 0.2. shape: `part`: the committed dollars alone are cheaper, as with a savings plan; `all`: a
    commitment earns the discount on everything, as in an enterprise agreement."""

    discount: float
    shape: Shape = "part"


class Weighed(msgspec.Struct, frozen=True):
    """A commitment to `amount` of spend, before the discount. USD.

    saving: expected, against no commitment; at_low, at_high: where the forecast's 10th or 90th percentile comes.
    regret_…: what the best commitment for that case would have saved more. loses: how likely it is to cost money.
    """

    amount: float
    saving: float
    at_low: float
    at_high: float
    regret_low: float
    regret_high: float
    loses: float


def saving(offer: Offer, amount: float, spent: float) -> float:
    """What committing to an amount saves where so much is spent; less than 0: what it costs."""
    paid = 1 - offer.discount
    if offer.shape == "all":
        return spent - paid * max(spent, amount)
    return offer.discount * min(spent, amount) - paid * max(amount - spent, 0.0)


def weigh(offer: Offer, amount: float, demand: Demand) -> Weighed:
    low, high = demand.quantile(0.1), demand.quantile(0.9)
    at_low, at_high = saving(offer, amount, low), saving(offer, amount, high)
    return Weighed(
        amount, _mean(offer, amount, demand), at_low, at_high,
        offer.discount * low - at_low, offer.discount * high - at_high,
        demand.mean(lambda spent: float(saving(offer, amount, spent) < 0)),
    )  # fmt: skip


def best_amount(offer: Offer, demand: Demand) -> float:
    """The commitment that saves most on average: the newsvendor's quantile, which is the discount.

    Where it earns the discount on everything, nothing is gained by committing to more than the vendor asks for: then it
    is the most that still saves on average.
    """
    if offer.shape == "part":
        return demand.quantile(min(max(offer.discount, 0.001), 0.999))
    low, high = 0.0, demand.quantile(0.999) / max(1 - offer.discount, 0.01)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _mean(offer, middle, demand) > 0 else (low, middle)
    return low


def _mean(offer: Offer, amount: float, demand: Demand) -> float:
    return demand.mean(lambda spent: saving(offer, amount, spent))


def weigh_some(offer: Offer, demand: Demand, asked: float | None = None) -> list[Weighed]:
    """The best one, some of the forecast's quantiles, and the one that was asked about; smallest first, none below a
    dollar."""
    amounts = {best_amount(offer, demand), *(demand.quantile(p) for p in SHOWN)}
    if asked is not None:
        amounts.add(asked)
    return [weigh(offer, amount, demand) for amount in sorted(amounts) if amount >= 1]
