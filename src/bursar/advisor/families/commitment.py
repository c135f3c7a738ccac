"""A steady floor of spend at one provider: what a commitment could be about. A pointer with figures: what a provider
would give for it is a matter of talks, so no saving is claimed."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

from bursar.advisor.advice import Advice, Claim, Draft, advice_id
from bursar.advisor.look import MONTH_DAYS, Look
from bursar.explore.filters import Filter

MONTHLY_MIN = Decimal(1_000)  # USD; below, nobody talks
FLOOR_DAY = 10  # in a hundred days, so many cost less
STEADY_MIN = Decimal("0.5")  # of the mean
DAYS_MIN = 14


def commit_to_a_floor(look: Look) -> list[Advice]:
    """For each provider whose cheap days cost at least half of the mean."""
    by_provider: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for one in look.slices:
        by_provider[one.segment.provider][one.day] += one.cost
    found = []
    for provider, daily in sorted(by_provider.items()):
        costs = sorted(daily.values())
        mean = sum(costs, Decimal(0)) / look.days
        floor = costs[len(costs) * FLOOR_DAY // 100]
        if len(costs) >= DAYS_MIN and mean * MONTH_DAYS >= MONTHLY_MIN and floor >= STEADY_MIN * mean:
            found.append(_advice(look, provider, mean, floor))
    return found


def _advice(look: Look, provider: str, mean: Decimal, floor: Decimal) -> Advice:
    spent = sum((one.cost for one in look.slices if one.segment.provider == provider), Decimal(0))
    attempts = sum(one.attempts for one in look.slices if one.segment.provider == provider)
    percent = floor * MONTH_DAYS / 100
    return Advice(
        id=advice_id("commitment", provider), kind="commitment", title=f"Ask {provider} for a committed price",
        why=f"About ${mean * MONTH_DAYS:,.0f} a month, and at least ${floor:,.2f} on nine of ten days: each percent of "
        f"discount on that floor is ${percent:,.2f} a month.",
        scope=(Filter("provider", (provider,)),), examples=(), attempts=attempts, spent=spent, saving=None,
        confidence="measured", effort="high", risk="medium",
        change=Draft(
            "client", before=("list prices",), after=("an agreed price for a committed amount",),
            steps=("take the other advice first: what it saves is not there to be committed to",),
        ),
        doubts=("A commitment above what is used costs more than none.",),
        claim=Claim("false"), is_proven=False,
    )  # fmt: skip
