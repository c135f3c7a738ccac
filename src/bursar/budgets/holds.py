"""A worker's purse: its leases, and what is held of them for calls under way. Amounts are pico-USD.

Holding and settling are arithmetic on leases in memory, with no wait in them. What needs the authority is done by
`refills.py`, beside the calls.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from bursar.budgets.budget import Budget
from bursar.budgets.counters import HELD, SPENT, Counters, lease_id_of
from bursar.budgets.lease import Account, Ask, BalanceKey, Grant, Report
from bursar.budgets.matching import Touched

WANT_CALLS = 256
"""A lease lasts for so many calls at least, far from the limit: then one call in 256 waits for the authority."""

WANT_CALLS_MAX = 65_536
BUSY_US = 2 * 1_000_000
"""A lease that didn't last so long is asked for twice as large: at 5,000 calls a second, asking for 256 at a time took
a quarter of a worker's time. One that lasted four times as long is asked for half as large: what a vanished node had
leased is assumed to be spent."""

USUAL_WEIGHT = 8  # the usual hold follows the last calls with a weight of one in eight


class Lease:
    """A part of one balance, this worker's to spend."""

    __slots__ = (
        "amount", "grant", "held", "is_dirty", "is_lean", "key", "lease_id", "number",
        "overrun", "past", "reported", "slot", "spent", "until_us", "used_us", "usual", "want_calls", "want_us",
        "window_key",
    )  # fmt: skip

    def __init__(self, key: BalanceKey, lease_id: str, slot: int, number: int) -> None:
        self.key = key
        self.lease_id = lease_id
        self.slot = slot
        self.number = number
        self.window_key = ""
        self.amount = 0
        self.held = 0
        self.spent = 0
        self.overrun = 0
        self.usual = 0
        self.want_calls = WANT_CALLS
        self.want_us = 0  # when it was last asked for
        self.until_us = 0
        self.used_us = 0
        self.past = 0  # what is free may lie past this threshold (percent): only for calls that met its action
        self.is_lean = False
        self.is_dirty = False
        self.reported = 0  # grows from one report to the next
        self.grant: Grant | None = None

    @property
    def free(self) -> int:
        return self.amount - self.held - self.spent


Met = Mapping[BalanceKey, int]
"""Up to which threshold, in percent, of each balance the actions were taken for a call."""

NOTHING_MET: Met = {}


class Claim(NamedTuple):
    """What a call needs of one balance."""

    key: BalanceKey
    amount: int
    budget: Budget
    by_bound: bool = True


class MarkReached(Exception):  # news for the gateway, which takes the action; no client sees it
    """A call would pass a threshold that acts, and its action wasn't taken for it yet. Nothing is held.

    claim: of the call, on the balance that is past. percent: the threshold. grant: how the balance stood.
    """

    def __init__(self, claim: Claim, percent: int, grant: Grant) -> None:
        super().__init__(claim.key)
        self.claim = claim
        self.percent = percent
        self.grant = grant


class Part(NamedTuple):
    """A lease that a call is held against; by_bound: with its bound, else with what it likely costs."""

    lease: Lease
    by_bound: bool


class Touching(msgspec.Struct):
    """The budgets that calls alike touch, and the leases they were last held of (empty: not known)."""

    budgets: list[Touched]
    parts: list[Part] = []


class Holding(msgspec.Struct):
    """What is held for one call, until it is settled: exactly once. warned: budgets of mode warn without room."""

    parts: list[tuple[Lease, int]]
    warned: list[Budget] = []
    is_open: bool = True


def claims_of(touched: Sequence[Touched], likely_pico: int, bound_pico: int) -> list[Claim]:
    """A call's claims: its bound against each budget; where that goes by what is expected, both amounts."""
    claims = []
    for budget, value in touched:
        if budget.mode == "expected":
            claims.append(
                Claim(BalanceKey(budget.budget_id, value, Account.LIKELY), likely_pico, budget, by_bound=False)
            )
            claims.append(Claim(BalanceKey(budget.budget_id, value, Account.BOUND), bound_pico, budget))
        else:
            claims.append(Claim(BalanceKey(budget.budget_id, value, Account.LIKELY), bound_pico, budget))
    return claims


class Purse:
    """All leases of one worker."""

    def __init__(self, counters: Counters, on_freed: Callable[[], None]) -> None:
        self.counters = counters
        self.usable_until_us = 0  # leases of a holder that can't say that it lives will be assumed to be spent
        self.leases: dict[BalanceKey, Lease] = {}
        self.retired: dict[Lease, None] = {}  # of windows that are over; calls of theirs may still be under way
        self.freed: set[Lease] = set()  # lean leases with something to give back
        self._on_freed = on_freed
        self._reports = 0

    def hold(self, claims: Sequence[Claim], now_us: int, met: Met = NOTHING_MET) -> Holding | None:
        """Hold all claims, or none: None if any of them needs the authority, or the action of a threshold, first."""
        leases = self.leases
        if now_us >= self.usable_until_us:
            return None
        parts = []
        for key, amount, _, _ in claims:
            lease = leases.get(key)
            if lease is None or now_us >= lease.until_us or lease.amount - lease.held - lease.spent < amount:
                return None
            if lease.past and lease.past > met.get(key, 0):
                return None
            parts.append((lease, amount))
        return self._hold(parts, now_us)

    def hold_again(self, touching: Touching, likely_pico: int, bound_pico: int, now_us: int) -> Holding | None:
        """The same for calls alike, of the leases the last one was held of: a third of the time.

        A lease that is no longer this worker's has no `until_us` ahead, so it holds nothing.
        """
        if now_us >= self.usable_until_us or not touching.parts:
            return None
        parts = []
        for lease, by_bound in touching.parts:
            amount = bound_pico if by_bound else likely_pico
            if now_us >= lease.until_us or lease.past or lease.amount - lease.held - lease.spent < amount:
                return None
            parts.append((lease, amount))
        return self._hold(parts, now_us)

    def remember(self, touching: Touching, claims: Sequence[Claim]) -> None:
        """The leases of a call that was held, for the next one like it."""
        leases = self.leases
        touching.parts = [Part(leases[claim.key], claim.by_bound) for claim in claims if claim.key in leases]
        if len(touching.parts) < len(claims):
            touching.parts = []

    def settle(self, holding: Holding, cost_pico: int) -> None:
        """End a holding with what the call cost. What was held above that is free at once; a bill above its hold is
        posted in full and counted as an overrun."""
        if not holding.is_open:
            return
        holding.is_open = False
        slots = self.counters.slots
        for lease, amount in holding.parts:
            lease.held -= amount
            lease.spent += cost_pico
            lease.is_dirty = True
            slots[lease.slot + SPENT] = lease.spent  # first: a crash between the two must not lose what was spent
            slots[lease.slot + HELD] = lease.held
            if cost_pico > amount:
                lease.overrun += cost_pico - amount
            if lease.is_lean:
                self.freed.add(lease)
                self._on_freed()

    def _hold(self, parts: list[tuple[Lease, int]], now_us: int) -> Holding:
        slots = self.counters.slots
        for lease, amount in parts:
            lease.held = slots[lease.slot + HELD] = lease.held + amount
            lease.used_us = now_us
            lease.is_dirty = True
        return Holding(parts)

    def ask(self, key: BalanceKey, least: int, need: int, now_us: int, past: int = 0) -> Ask | None:
        """What to ask the authority for, so that `need` more can be held. None: no room for another lease.

        past: the threshold whose action was taken for those that wait.
        """
        lease = self.leases.get(key)
        if lease is not None and lease.grant is not None and now_us >= lease.until_us and _is_over(lease, now_us):
            self._retire(lease)
            lease = None
        if lease is None:
            taken = self.counters.take()
            if taken is None:
                return None
            slot, number = taken
            lease = self.leases[key] = Lease(key, lease_id_of(self.counters.holder_id, number), slot, number)
        lease.usual += (least - lease.usual) // USUAL_WEIGHT if lease.usual else least
        if lease.want_us:
            lease.want_calls = _want_after(lease.want_calls, now_us - lease.want_us)
        lease.want_us = now_us
        short = max(need - lease.free, 0)
        return Ask(
            key, lease.lease_id, lease.window_key, max(least - lease.free, 0), short, lease.usual * lease.want_calls,
            lease.spent, lease.held, max(past, lease.past),
        )  # fmt: skip

    def take(self, key: BalanceKey, grant: Grant, now_us: int) -> None:
        """What the authority gave."""
        lease = self.leases[key]
        if lease.window_key and grant.window_key != lease.window_key:  # its window ended while we asked
            self._retire(lease)
            return
        lease.window_key = grant.window_key
        lease.amount = grant.amount
        lease.until_us = grant.until_us
        lease.past = grant.past
        lease.is_lean = grant.is_lean
        lease.grant = grant
        lease.used_us = now_us
        if grant.is_lean:
            self.freed.add(lease)

    def forget_empty(self, key: BalanceKey) -> None:
        """A lease that the authority gave nothing: there is no row of it."""
        lease = self.leases.get(key)
        if lease is not None and not (lease.amount or lease.spent or lease.held):
            self.end(lease)

    def shrink(self, lease: Lease, *, is_over: bool = False) -> Report:
        """Give back what is free of a lease: it can't be spent from here on, whenever the report arrives."""
        lease.amount = lease.spent + lease.held
        lease.past = 0  # nothing is free, so nothing lies past it
        return self.report(lease, is_over=is_over, amount=lease.amount)

    def report(self, lease: Lease, *, is_over: bool = False, amount: int | None = None) -> Report:
        """How a lease stands. `reported` when it has arrived; sent again if it didn't."""
        lease.is_dirty = False
        self._reports += 1
        lease.reported = self._reports
        overrun, lease.overrun = lease.overrun, 0
        return Report(lease.lease_id, lease.spent, lease.held, amount, overrun, is_over, lease.is_lean)

    def end(self, lease: Lease) -> None:
        """A lease whose last report has arrived, or that never was one."""
        lease.until_us = 0
        if self.leases.get(lease.key) is lease:
            del self.leases[lease.key]
        elif lease in self.retired:
            del self.retired[lease]
        else:
            return  # it has ended before, and its place may be another's
        self.freed.discard(lease)
        self.counters.give_back(lease.slot)

    def _retire(self, lease: Lease) -> None:
        del self.leases[lease.key]
        lease.until_us = 0
        self.retired[lease] = None


def _want_after(want_calls: int, lasted_us: int) -> int:
    """For how many calls a lease is asked for, after one that lasted so long.

    >>> _want_after(256, 50_000), _want_after(512, 3_000_000), _want_after(512, 9_000_000)
    (512, 512, 256)
    """
    if lasted_us < BUSY_US:
        return min(want_calls * 2, WANT_CALLS_MAX)
    if lasted_us > 4 * BUSY_US:
        return max(want_calls // 2, WANT_CALLS)
    return want_calls


def _is_over(lease: Lease, now_us: int) -> bool:
    """Whether the window itself has ended, not just a limit that was in force for a part of it."""
    return lease.grant is not None and 0 < lease.grant.end_us <= now_us
