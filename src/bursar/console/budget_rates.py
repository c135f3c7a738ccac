"""How old the rate of a budget in another currency is, what it would be today, and taking that one."""

import msgspec

from bursar.budgets.budget import Budget
from bursar.budgets.told import usd_text
from bursar.console.context import ACTOR, ConsoleContext
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import ChangedMeanwhile, Unavailable
from bursar.finance.fx.budget_rates import newer_rate


class RateOffer(msgspec.Struct, frozen=True):
    """age_days: of the rate the budget keeps. usd, source, as_of: of the one proposed; "": no newer one is known."""

    age_days: int
    usd: str = ""
    source: str = ""
    as_of: str = ""


def rate_offer(context: ConsoleContext, budget: Budget) -> RateOffer | None:
    """None for a budget in USD."""
    if budget.rate is None:
        return None
    today = datetime_from_us(context.clock.now_us()).date()
    age = max((today - budget.rate.as_of).days, 0)
    try:
        found = newer_rate(budget, context.finance().rates.rates(), today)
    except Unavailable:
        found = None
    return RateOffer(age) if found is None else RateOffer(
        age, usd_text(found.usd_pico), found.source, found.as_of.isoformat()
    )  # fmt: skip


def take_rate(context: ConsoleContext, name_or_id: str, usd: str) -> None:
    """Count a budget's limit by the rate that was proposed, from now on, and tell the workers.

    usd: the rate that the person saw. Raises UnknownBudget, Unavailable; ChangedMeanwhile where another one is proposed
    by now.
    """
    store = context.budget_store()
    found = newer_rate(
        store.find(name_or_id), context.finance().rates.rates(), datetime_from_us(context.clock.now_us()).date()
    )
    if found is None or usd_text(found.usd_pico) != usd:
        raise ChangedMeanwhile("that rate isn't proposed any more; look at the budget again", field="rate")
    store.set_rate(name_or_id, found, actor=ACTOR)
    context.tell_budgets()
