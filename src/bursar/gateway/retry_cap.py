"""What retries may cost in an hour, per scope: the cap over all calls, where `gateway.retry_usd_max` is that of one.

The cap is a budget (`budgets/retries.py`): a retry is held at its bound when it begins and settled at its cost when it
ends, by the same leases as calls are. So all workers and nodes share it, and what was spent this hour outlives them.
The control store is opened at the first retry that could cost something. While it can't be reached, a worker keeps to
its share (`retry_share.py`): retries are there for the sake of calls, and don't wait long for their permission.
"""

import asyncio

import msgspec

from bursar.budgets.holds import Holding, Touching
from bursar.budgets.matching import Touched
from bursar.budgets.retries import HOUR_US, KEPT_HOURS, RETRIES_ID, retry_budget
from bursar.domain.errors import BudgetExhausted, BursarError
from bursar.gateway.budgeting import Budgeting
from bursar.gateway.hour_news import HourNews
from bursar.gateway.retry_share import RetryShare, ShareHold
from bursar.spool.records import CallFacts

ASK_MAX_S = 2.0  # for the control store to answer


class RetryHold(msgspec.Struct):
    """What one retry was counted at: by the authority, or by the worker's own share; neither: its bound isn't known."""

    holding: Holding | None = None
    share: ShareHold | None = None


class RetryCap:
    """One worker's dealings with the cap. pico: of an hour. scope: one of RETRY_SCOPES; each of its values has the cap.

    workers: of this node.
    """

    def __init__(self, budgeting: Budgeting, pico: int, scope: str, workers: int, news: HourNews) -> None:
        self.news = news
        self._budgeting = budgeting
        self._budget = retry_budget(pico, scope)
        self._scope = scope
        self._share = RetryShare(pico, workers)
        self._hour = 0

    @property
    def refused(self) -> int:
        """Retries that weren't made, since the worker's start."""
        return self.news.total

    async def begin(self, facts: CallFacts, bound_pico: int | None, now_us: int) -> RetryHold | None:
        """Count a retry that is about to be made; None: the hour's cap doesn't allow it.

        A bound that isn't known can't be added up: then the number of attempts is the only cap.
        """
        if not bound_pico:
            return RetryHold()
        value = _value(facts, self._scope)
        hold = await self._ask(value, bound_pico, now_us)
        if hold is None:
            self.news.add(value, now_us)
        return hold

    def end(self, hold: RetryHold, cost_pico: int) -> None:
        """What it cost, instead of what it could have. Ending it twice is ending it once."""
        if hold.holding is not None:
            self._budgeting.settle(hold.holding, cost_pico)
        elif hold.share is not None:
            self._share.end(hold.share, cost_pico)
            hold.share = None

    async def _ask(self, value: str, pico: int, now_us: int) -> RetryHold | None:
        try:
            async with asyncio.timeout(ASK_MAX_S):
                return RetryHold(await self._hold(value, pico, now_us))
        except BudgetExhausted:
            return None
        except (BursarError, TimeoutError):
            share = self._share.begin(value, pico, now_us)
            return None if share is None else RetryHold(share=share)

    async def _hold(self, value: str, pico: int, now_us: int) -> Holding:
        refills = await self._budgeting.opened()
        if (hour := now_us // HOUR_US) != self._hour:
            self._hour = hour
            refills.forget(RETRIES_ID, (hour - KEPT_HOURS) * HOUR_US)
        return await refills.take(Touching([Touched(self._budget, value)]), pico, pico, now_us)


def _value(facts: CallFacts, scope: str) -> str:
    match scope:
        case "organization" | "team" | "project":
            return str(getattr(facts.scope, scope))
        case "key":
            return facts.credential_id
        case _:
            return str(getattr(facts.attribution, scope))
