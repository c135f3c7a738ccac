"""What passes between a worker and the authority: asks, grants, reports. Amounts are pico-USD."""

from enum import StrEnum
from typing import NamedTuple

import msgspec

GRANT_MAX_PICO = 4 * 10**18
"""Four million dollars at a time: what a lease's file counts is 64 bits wide. Budgets have no such width: a lease
that was spent so far is followed by a fresh one."""

LEASE_MAX_PICO = 2 * GRANT_MAX_PICO
"""What one lease comes to at most; the rest of the 64 bits, $1.2 million, is for bills above their holds."""


class Account(StrEnum):
    """What is held against a budget: what a call will likely cost, or the most it could."""

    LIKELY = ""
    BOUND = "bound"


class BalanceKey(NamedTuple):
    """One limit in force: a budget, the value of its `each` dimension ("" without one), the account."""

    budget_id: str
    value: str
    account: str


class Ask(NamedTuple):
    """A worker needs more of one balance.

    lease_id:   its lease there, or a fresh id if it has none in this window.
    window_key: of that lease; "" if fresh.
    least:      the smallest single call that waits; need: all that waits; want: what would spare it coming back soon.
    spent, held: of that lease so far, so that an ask is a report too.
    past:       the threshold, in percent, whose action was taken for the calls that wait; 0: none.
    """

    key: BalanceKey
    lease_id: str
    window_key: str
    least: int
    need: int
    want: int
    spent: int = 0
    held: int = 0
    past: int = 0


class Grant(msgspec.Struct, frozen=True):
    """The authority's answer.

    amount:     of the lease in all, what was spent of it included. 0 with `window_key` "" where the ask had one: its
                window is over, it was given up for lost, or GRANT_MAX_PICO of it is spent; ask again with a
                fresh lease.
    until_us:   when the window ends or its limit changes.
    is_lean:    near the limit: what is freed is given back at once, and more comes a call at a time.
    is_short:   there was less left than was needed.
    may_free:   others hold some of it, so asking again soon may help.
    limit, posted, leased: of the balance, for a refusal's text; limit None: not in force, nothing is limited.
    mark:       the highest threshold, in percent, whose action must be taken before more is granted; 0: none.
    past:       the threshold that some of the lease may lie past: only for calls that its action was taken for.
    """

    lease_id: str
    amount: int
    window_key: str
    until_us: int
    is_lean: bool
    is_short: bool
    may_free: bool
    limit: int | None
    posted: int
    leased: int
    resets: str
    end_us: int
    mark: int = 0
    past: int = 0


class Report(NamedTuple):
    """How a lease stands. amount: as it should be from now on (what is free given back), None: as it was.

    overrun: what bills had above their holds since the last report. is_over: the lease ends.
    """

    lease_id: str
    spent: int
    held: int
    amount: int | None = None
    overrun: int = 0
    is_over: bool = False
    is_lean: bool = False


class Standing(NamedTuple):
    """One balance in one window, for people. held: for calls under way; free: leased to workers and unused."""

    key: BalanceKey
    window_key: str
    start_us: int
    end_us: int
    limit: int | None
    posted: int
    held: int
    free: int
    assumed: int
    overrun: int
