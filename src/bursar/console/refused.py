"""What retries have cost this hour beside their cap, and which calls wait for an approval; for page, API and alerts."""

from decimal import Decimal

from bursar.alerts.facts import ApprovalAsked, RetriesCapped
from bursar.budgets.retries import HOUR_US, retry_budget
from bursar.config import Config
from bursar.console.context import ConsoleContext
from bursar.domain.clock import datetime_from_us
from bursar.domain.money import pico_from_usd
from bursar.gateway.hour_news import APPROVALS, RETRIES, read_approval, refused_this_hour


def retries_capped(context: ConsoleContext) -> list[RetriesCapped]:
    """Each value of the cap's scope that had a retry this hour, the dearest first.

    What was spent is of all nodes that share the control store, what wasn't made is of this node alone.
    """
    now_us = context.clock.now_us()
    gateway = context.config.gateway
    limit = cap_pico(context.config)
    hour = f"{datetime_from_us(now_us // HOUR_US * HOUR_US):%Y-%m-%dT%H:%MZ}"
    refused = refused_this_hour(context.run_dir, RETRIES, now_us)
    found = {}
    if context.budgets is not None:
        for one in context.budgets().standings([retry_budget(limit, gateway.retry_scope)])[0]:
            value = one.key.value
            times = refused.pop(value, 0)
            found[value] = RetriesCapped(gateway.retry_scope, value, hour, one.posted, one.held, limit, times)
    for value, times in refused.items():
        found[value] = RetriesCapped(gateway.retry_scope, value, hour, 0, 0, limit, times)
    return sorted(found.values(), key=lambda one: (-one.spent_pico - one.held_pico, -one.refused, one.value))


def approvals_asked(context: ConsoleContext) -> list[ApprovalAsked]:
    """Of each budget's threshold that a person must let calls past: how many were refused for it this hour."""
    asked = refused_this_hour(context.run_dir, APPROVALS, context.clock.now_us())
    if not asked or context.budgets is None:
        return []
    names = {budget.budget_id: budget.name for budget in context.budgets().all()}
    found = []
    for key, calls in sorted(asked.items()):
        parts = read_approval(key)
        if parts is not None and parts[0] in names:
            budget_id, percent, value = parts
            found.append(ApprovalAsked(budget_id, names[budget_id], value, percent, calls))
    return found


def cap_pico(config: Config) -> int:
    """`gateway.retry_usd_per_hour_max`."""
    return pico_from_usd(Decimal(config.gateway.retry_usd_per_hour_max))
