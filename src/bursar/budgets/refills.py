"""What a worker does beside its calls to keep its purse: asks for more, reports, gives back, takes over from the dead.

One task and one thread per worker, so that what it says to the authority has one order. Calls that can't be held
from the purse wait here; all that wait are asked for in one transaction.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, TypeVar

import structlog

from bursar.budgets.authority import Authority
from bursar.budgets.counters import Counters, recover_dead
from bursar.budgets.holds import NOTHING_MET, Claim, Holding, Lease, MarkReached, Met, Purse, Touching, claims_of
from bursar.budgets.lease import Ask, BalanceKey, Grant, Report
from bursar.budgets.refusals import exhausted
from bursar.domain.clock import Clock
from bursar.domain.errors import BudgetsUnavailable, BursarError

TICK_S = 0.2  # how soon a worker notices that others need what it has free; each look costs a query
AGAIN_S = 0.02  # between two asks for what others may free
RECALL_WAIT_S = 0.6  # how long a call waits for that before it is refused
REPORT_EVERY_S = 1.0
RENEW_EVERY_S = 5.0
TAKE_OVER_EVERY_S = 5.0
IDLE_EVERY_S = 1.0
IDLE_US = 10 * 1_000_000
USABLE_US = 45 * 1_000_000  # less than the authority's EXPIRY_US by more than two clocks should differ
REPORTS_MAX = 50  # in one transaction: a tenth of a second in which waiting calls wait for it
WAITING_MAX = 4_096
MARK_KNOWN_US = 1_000_000  # how long calls meet a threshold's action without the authority being asked again
MARKS_KNOWN_MAX = 10_000

log = structlog.get_logger("bursar.budgets")
T = TypeVar("T")


class Waiter(NamedTuple):
    """A call that needs the authority. deadline: on the loop's clock, when it is refused at the latest."""

    claims: Sequence[Claim]
    deadline: float
    done: "asyncio.Future[Holding]"
    met: Met = NOTHING_MET


class Refills:
    """One worker's dealings with the authority.

    directory: where the counters of all workers of this node lie.
    refusal_status: of a refused call, 402 or 429.
    executor: where the authority is spoken to; one thread of its own unless given.
    """

    def __init__(
        self,
        authority: Authority,
        directory: Path,
        holder_id: str,
        clock: Clock,
        *,
        refusal_status: int = 402,
        executor: Executor | None = None,
        tick_s: float = TICK_S,
    ) -> None:
        self.authority = authority
        self.holder_id = holder_id
        self.purse = Purse(Counters(directory, holder_id), self._freed)
        self._directory = directory
        self._clock = clock
        self._status = refusal_status
        self._tick_s = tick_s
        self._waiting: list[Waiter] = []
        self._idle: list[Lease] = []  # to be given back, some at a time
        self._wake = asyncio.Event()
        self._thread = executor or ThreadPoolExecutor(1, thread_name_prefix="budgets")
        self._due: dict[str, float] = {}
        self._marks: dict[BalanceKey, tuple[int, Grant, int]] = {}  # threshold reached, the word on it, until when
        self.asked = 0  # calls that had to wait for the authority

    async def take(
        self, touching: Touching, likely_pico: int, bound_pico: int, now_us: int, met: Met = NOTHING_MET
    ) -> Holding:
        """Hold a call against what it touches: from what is leased, else the authority is asked. Raises as `hold`."""
        claims = claims_of(touching.budgets, likely_pico, bound_pico)
        holding = self.purse.hold(claims, now_us, met) or await self.hold(claims, met)
        self.purse.remember(touching, claims)
        return holding

    async def hold(self, claims: Sequence[Claim], met: Met = NOTHING_MET) -> Holding:
        """Hold all claims.

        Raises BudgetExhausted, BudgetsUnavailable while the control store can't be reached, or MarkReached.
        """
        self._check_marks(claims, met)
        if len(self._waiting) >= WAITING_MAX:
            raise BudgetsUnavailable(
                f"{WAITING_MAX} calls wait for budgets in this worker", headers={"retry-after": "1"}
            )
        loop = asyncio.get_running_loop()
        waiter = Waiter(claims, loop.time() + RECALL_WAIT_S, loop.create_future(), met)
        self._waiting.append(waiter)
        self.asked += 1
        self._wake.set()
        try:
            return await waiter.done
        except asyncio.CancelledError:
            if waiter.done.done() and not waiter.done.cancelled() and waiter.done.exception() is None:
                self.purse.settle(waiter.done.result(), 0)  # held in the moment that the call went away
            raise

    def unmark(self, key: BalanceKey) -> None:
        """Ask again before a call meets a threshold's action: who met it last asked for more than it needs."""
        self._marks.pop(key, None)

    def forget(self, budget_id: str, before_us: int) -> None:
        """Have a budget's windows dropped that ended before then, beside the calls; it can as well fail."""
        task = asyncio.ensure_future(self._call(lambda: self.authority.forget(budget_id, before_us)))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def revise(self, budget_ids: set[str]) -> None:
        """These budgets changed: what is free of their leases is void until the authority is asked again."""
        for lease in self.purse.leases.values():
            if lease.key.budget_id in budget_ids:
                lease.until_us = 0
        self._marks = {key: known for key, known in self._marks.items() if key.budget_id not in budget_ids}
        if budget_ids:
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled. A control store that can't be reached is logged, and tried again."""
        loop = asyncio.get_running_loop()
        while True:
            pause = AGAIN_S if self._waiting or self._idle else self._tick_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._chores(loop)
                if self._waiting:
                    await self._serve_waiting(loop)
            except Exception as error:  # the background supervisor: whatever it was, calls must hear of it
                log.error("budget authority can't be reached", error=f"{type(error).__name__}: {error}"[:400])
                self._fail_waiting()
                await asyncio.sleep(self._tick_s)

    async def close(self) -> None:
        """Give everything back. What is still under way stays in the counters, for whoever comes next."""
        purse = self.purse
        every = [*purse.leases.values(), *purse.retired]
        reports = [purse.shrink(lease, is_over=not lease.held) for lease in every]
        clean = not any(lease.held for lease in every)
        try:
            await self._call(lambda: self.authority.report(reports))
            if clean:
                await self._call(lambda: self.authority.recover(self.holder_id, {}))
        except Exception as error:  # the store is gone: the counters stay, and are recovered from
            log.error("leases could not be given back", error=str(error)[:400])
            clean = False
        self._thread.shutdown()
        purse.counters.close(remove=clean)

    async def _serve_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ask for what all waiting calls need, and let each pass or refuse it, in their order."""
        now_us = self._clock.now_us()
        waiting, self._waiting = [waiter for waiter in self._waiting if not waiter.done.done()], []
        try:
            asks, reports = self._asks(waiting, now_us)
            grants = await self._call(lambda: self._ask(asks, reports, now_us)) if asks else []
        except BaseException:
            self._waiting = [*waiting, *self._waiting]
            raise
        now_us = self._clock.now_us()
        short: set[BalanceKey] = set()
        for ask, grant in zip(asks, grants, strict=True):
            self.purse.take(ask.key, grant, now_us)
            if grant.is_short:
                short.add(ask.key)
            elif not ask.past:
                self._marks.pop(ask.key, None)
        late = [waiter for waiter in waiting if not waiter.done.done() and not self._pass(waiter, short, now_us, loop)]
        self._waiting = [*late, *self._waiting]
        for ask in asks:
            self.purse.forget_empty(ask.key)

    def _pass(self, waiter: Waiter, short: set[BalanceKey], now_us: int, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether the waiter has its answer."""
        holding = self.purse.hold(waiter.claims, now_us, waiter.met)
        if holding is not None:
            holding.warned = [
                claim.budget for claim in waiter.claims if claim.budget.mode == "warn" and claim.key in short
            ]
            waiter.done.set_result(holding)
            return True
        for claim in waiter.claims:
            lease = self.purse.leases.get(claim.key)
            if lease is None or lease.grant is None or now_us >= lease.until_us:
                continue
            met = waiter.met.get(claim.key, 0)
            if lease.past > met:
                waiter.done.set_exception(MarkReached(claim, lease.past, lease.grant))
                return True
            if lease.free >= claim.amount:
                continue
            is_marked = lease.grant.mark > met
            knows = is_marked and claim.key in self._marks  # calls waited there before: one second's wait is enough
            if lease.grant.may_free and loop.time() < waiter.deadline and not knows:
                return False
            if claim.budget.mode == "warn":  # more than a lease can hold; a dry run stops no call
                rest = [one for one in waiter.claims if one.budget.mode != "warn"]
                if (holding := self.purse.hold(rest, now_us, waiter.met)) is not None:
                    holding.warned = [claim.budget]
                    waiter.done.set_result(holding)
                    return True
                continue
            if is_marked:
                self._know_mark(claim.key, lease.grant, now_us)
                waiter.done.set_exception(MarkReached(claim, lease.grant.mark, lease.grant))
                return True
            waiter.done.set_exception(exhausted(claim, lease.grant, lease.free, now_us, status=self._status))
            return True
        if loop.time() < waiter.deadline:
            return False
        waiter.done.set_exception(_unavailable())
        return True

    def _check_marks(self, claims: Sequence[Claim], met: Met) -> None:
        """Raises MarkReached where the answer is known without asking."""
        now_us = self._clock.now_us()
        for claim in claims:
            lease, least = self.purse.leases.get(claim.key), met.get(claim.key, 0)
            if lease is not None and lease.grant is not None and lease.past > least and now_us < lease.until_us:
                raise MarkReached(claim, lease.past, lease.grant)
            known = self._marks.get(claim.key)
            if known is not None and known[0] > least and now_us < known[2]:
                raise MarkReached(claim, known[0], known[1])

    def _know_mark(self, key: BalanceKey, grant: Grant, now_us: int) -> None:
        if len(self._marks) >= MARKS_KNOWN_MAX:
            self._marks.clear()
        self._marks[key] = grant.mark, grant, min(now_us + MARK_KNOWN_US, grant.until_us)

    def _asks(self, waiting: Sequence[Waiter], now_us: int) -> tuple[list[Ask], list[Report]]:
        purse = self.purse
        wanted: defaultdict[BalanceKey, list[int]] = defaultdict(list)
        past: dict[BalanceKey, int] = {}
        for waiter in waiting:
            for claim in waiter.claims:
                wanted[claim.key].append(claim.amount)
            for met_key, percent in waiter.met.items():
                past[met_key] = max(percent, past.get(met_key, 0))
        asks, reports = [], []
        for key, amounts in wanted.items():
            lease = purse.leases.get(key)
            if lease is not None and lease.grant is not None and now_us >= lease.until_us:
                reports.append(purse.shrink(lease))  # its limit changed: what is free of the old one is void
            if lease is None or now_us >= lease.until_us or lease.free < sum(amounts):
                ask = purse.ask(key, min(amounts), sum(amounts), now_us, past.get(key, 0))
                if ask is not None:
                    asks.append(ask)
        return asks, reports

    def _ask(self, asks: list[Ask], reports: list[Report], now_us: int) -> list[Grant]:
        if self._clock.now_us() >= self.purse.usable_until_us:
            self.authority.renew(self.holder_id, now_us)
            self.purse.usable_until_us = now_us + USABLE_US
        if reports:
            self.authority.report(reports)
        return self.authority.refill(self.holder_id, asks, now_us)

    async def _chores(self, loop: asyncio.AbstractEventLoop) -> None:
        purse, now = self.purse, loop.time()
        if not (purse.leases or purse.retired):
            self._idle = []
            if self._is_due("take over", TAKE_OVER_EVERY_S, now):
                await self._call(self._take_over)
            return
        reports: list[Report] = []
        if purse.freed:
            freed, purse.freed = purse.freed, set()
            needed = {claim.key for waiter in self._waiting for claim in waiter.claims}
            reports += [purse.shrink(lease) for lease in freed if lease.key not in needed]
        if not self._idle and self._is_due("idle", IDLE_EVERY_S, now):
            self._idle = self._find_idle()
        ending, self._idle = self._idle[:REPORTS_MAX], self._idle[REPORTS_MAX:]
        now_us = self._clock.now_us()
        ending = [lease for lease in ending if _is_idle(lease, now_us)]  # it may have been used since
        reports += [purse.shrink(lease, is_over=True) for lease in ending]
        if self._is_due("take over", TAKE_OVER_EVERY_S, now):
            await self._call(self._take_over)
        if self._is_due("report", REPORT_EVERY_S, now):
            dirty = [lease for lease in (*purse.leases.values(), *purse.retired) if lease.is_dirty]
            dirty.sort(key=attrgetter("reported"))  # more than can be said at once take turns
            reports += [purse.report(lease) for lease in dirty[:REPORTS_MAX]]
        if reports:
            await self._report(reports)
            for lease in ending:
                purse.end(lease)
        await self._return_recalled(now)

    async def _return_recalled(self, now: float) -> None:
        """Others need what lies free here."""
        if self._is_due("renew", RENEW_EVERY_S, now):
            now_us = self._clock.now_us()
            recalled = await self._call(lambda: self.authority.renew(self.holder_id, now_us))
            self.purse.usable_until_us = now_us + USABLE_US
        elif any(not lease.is_lean for lease in self.purse.leases.values()):
            recalled = await self._call(lambda: self.authority.recalled(self.holder_id))
        else:
            return
        if not recalled:
            return
        reports = []
        for lease in self.purse.leases.values():
            if lease.lease_id in recalled:
                lease.is_lean = True
                reports.append(self.purse.shrink(lease))
        await self._report(reports)

    def _find_idle(self) -> list[Lease]:
        now_us = self._clock.now_us()
        return [lease for lease in (*self.purse.retired, *self.purse.leases.values()) if _is_idle(lease, now_us)]

    async def _report(self, reports: list[Report]) -> None:
        try:
            await self._call(lambda: self.authority.report(reports))
        except Exception:
            by_id = {lease.lease_id: lease for lease in (*self.purse.leases.values(), *self.purse.retired)}
            for report in reports:  # to be said again
                if lease := by_id.get(report.lease_id):
                    lease.is_dirty = True
                    lease.overrun += report.overrun
                    if lease.is_lean:
                        self.purse.freed.add(lease)
            raise

    def _take_over(self) -> None:
        """What workers that died left behind: here at once, on other nodes when they were not heard of for long."""
        for holder_id in recover_dead(self._directory, self.authority.recover):
            log.info("leases of a dead worker recovered", holder=holder_id)
        for holder_id in self.authority.sweep(self._clock.now_us()):
            log.warning("leases of a vanished worker are assumed to be spent", holder=holder_id)

    def _is_due(self, what: str, every_s: float, now: float) -> bool:
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + every_s
        return True

    def _fail_waiting(self) -> None:
        """Strict budgets fail closed; a dry run must not stop a call."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if waiter.done.done():
                continue
            if all(claim.budget.mode == "warn" for claim in waiter.claims):
                waiter.done.set_result(Holding([]))
            else:
                waiter.done.set_exception(_unavailable())

    def _freed(self) -> None:
        self._wake.set()

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _is_idle(lease: Lease, now_us: int) -> bool:
    """Whether nothing is held of a lease and nobody used it for a while, or its window is over."""
    return not lease.held and (now_us - lease.used_us > IDLE_US or now_us >= lease.until_us)


def _unavailable() -> BursarError:
    return BudgetsUnavailable(
        "a hard budget touches this call, and the control store that keeps it can't be reached; nothing was sent",
        field="budget",
        headers={"retry-after": "5"},
    )
