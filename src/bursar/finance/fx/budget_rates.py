"""A newer rate for a budget in another currency: proposed, and taken when a person says so. Pure.

A budget keeps its rate by itself: one that moved with the market would refuse calls because of a rate.
"""

from datetime import date

from bursar.budgets.budget import Budget, Rate
from bursar.domain.money import pico_from_usd
from bursar.finance.fx.rates import Rates

PURPOSE = "report"


def newer_rate(budget: Budget, rates: Rates, today: date) -> Rate | None:
    """The rate for reports and budgets of today, where it is of a later day than the budget's own, and another one."""
    if budget.rate is None:
        return None
    found = rates.rate(budget.currency, "USD", today, PURPOSE)
    if found is None or found.day <= budget.rate.as_of:
        return None
    usd_pico = pico_from_usd(found.rate)
    return None if usd_pico == budget.rate.usd_pico else Rate(usd_pico, found.source, found.day)
