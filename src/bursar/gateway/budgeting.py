"""A worker's budgets: read from the site's file, and kept by an authority that is opened when there are some.

A site without budgets never opens the control store here, and pays nothing for them.
"""

import asyncio
import contextlib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog

from bursar.budgets.holds import Holding
from bursar.budgets.listing import decode_listing
from bursar.budgets.matching import BudgetIndex
from bursar.budgets.retries import retry_budget
from bursar.domain.clock import Clock
from bursar.domain.errors import BudgetsUnavailable, BursarError
from bursar.domain.money import pico_from_usd
from bursar.gateway.settings import WorkerSettings

if TYPE_CHECKING:
    from bursar.budgets.refills import Refills

AGAIN_US = 5 * 1_000_000

log = structlog.get_logger("bursar.gateway")


class Budgeting:
    """index: the budgets. refills: the dealings with the authority; None while there are no budgets."""

    def __init__(self, settings: WorkerSettings, holder_id: str, clock: Clock) -> None:
        self.index = BudgetIndex(())
        self.refills: Refills | None = None
        self.version = 0  # grows with each change: what was worked out from an older one no longer counts
        self._settings = settings
        self._holder_id = holder_id
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._again_us = 0
        self._opening = asyncio.Lock()

    async def use_file(self, path: Path) -> None:
        """Read the site's budgets. While they can't be read, the last ones that could stay in force."""
        try:
            index = await asyncio.to_thread(_read, path)  # a hundred thousand take a second, and calls go on
        except (OSError, msgspec.DecodeError, BursarError) as error:
            log.error("budgets can't be read; the last ones stay in force", error=str(error))
            return
        if len(index) and self.refills is None:  # before they are in force: a call must not meet a budget nobody keeps
            await self._open()
        before, self.index = self.index, index
        self.version += 1
        if self.refills is not None:
            self.refills.revise(self.index.changed_since(before))

    async def try_again(self) -> None:
        """Open the authority if it could not be opened before."""
        if len(self.index) and self.refills is None and self._clock.now_us() >= self._again_us:
            await self._open()

    async def opened(self) -> "Refills":
        """The dealings with the authority, opened now if they aren't yet. Raises BudgetsUnavailable."""
        if self.refills is None and self._clock.now_us() >= self._again_us:
            await asyncio.shield(asyncio.ensure_future(self._open()))
        return self.the_refills()

    def the_refills(self) -> "Refills":
        """Raises BudgetsUnavailable while the authority could not be opened."""
        if self.refills is None:
            raise BudgetsUnavailable(
                "a budget touches this call, and the control store that keeps it could not be opened; nothing was sent",
                field="budget",
                headers={"retry-after": "5"},
            )
        return self.refills

    def settle(self, holding: Holding, cost_pico: int) -> None:
        """End a call's hold with what it cost."""
        if self.refills is not None:
            self.refills.purse.settle(holding, cost_pico)

    async def close(self) -> None:
        """Give back what is leased."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self.refills is not None:
            await self.refills.close()

    async def _open(self) -> None:
        async with self._opening:
            if self.refills is None:
                await self._open_store()

    async def _open_store(self) -> None:
        # memory and start-up: SQLAlchemy takes 25 MB and a fifth of a second, which a site without budgets doesn't pay
        from bursar.budgets.authority import Authority
        from bursar.budgets.refills import Refills
        from bursar.governance.store import ControlStore

        settings = self._settings
        location = settings.control if "://" in settings.control else Path(settings.control)
        try:
            store = await asyncio.to_thread(lambda: ControlStore(location, pooled=True))
        except BursarError as error:
            self._again_us = self._clock.now_us() + AGAIN_US
            log.error("budgets have no authority; calls that hard budgets touch are refused", error=error.message)
            return
        retries = retry_budget(pico_from_usd(Decimal(settings.retry_usd_per_hour_max)), settings.retry_scope)
        self.refills = Refills(
            Authority(store.deciding, store.reading, [retries]),
            Path(settings.leases),
            self._holder_id,
            self._clock,
            refusal_status=settings.budget_refusal_status,
        )
        self._task = asyncio.create_task(self.refills.run())


def _read(path: Path) -> BudgetIndex:
    return BudgetIndex(decode_listing(path.read_bytes()) if path.exists() else ())
