"""Which planned events are about a budget's calls, and how much of them lies in each one's scope."""

from collections.abc import Sequence
from datetime import timedelta

from bursar.console.context import ConsoleContext
from bursar.console.forecasting import known_plans
from bursar.domain.clock import datetime_from_us
from bursar.domain.plans import Plan
from bursar.explore.filters import Filter
from bursar.forecast.factors import share_in_scope
from bursar.forecast.hours import HISTORY_HOURS

SHARES_KEPT = 1_000


def plans_about(
    context: ConsoleContext, filters: Sequence[Filter], timezone: str, until_us: int
) -> list[tuple[Plan, float]]:
    """Those with a day in the history that is learned from or before `until_us`, and something in their scope.

    The share is asked of the books once a day.
    """
    now = context.now()
    first, last = (now - timedelta(hours=HISTORY_HOURS + 24)).date(), datetime_from_us(until_us).date()
    found = []
    for plan in known_plans(context):
        terms = plan.terms
        if terms.start > last + timedelta(days=1) or (terms.end is not None and terms.end < first):
            continue
        share = _share(context, tuple(filters), terms.scope, timezone)
        if share:
            found.append((plan, share))
    return found


def _share(context: ConsoleContext, filters: tuple[Filter, ...], scope: str, timezone: str) -> float:
    key = (filters, scope, timezone, context.now().date())
    share = context.plan_shares.get(key)
    if share is None:
        share = share_in_scope(context.explorer, context.now(), timezone, filters, scope)
        if len(context.plan_shares) >= SHARES_KEPT:
            context.plan_shares.clear()
        context.plan_shares[key] = share
    return share
