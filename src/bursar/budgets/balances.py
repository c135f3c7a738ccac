"""Reading and changing the authority's rows, inside a transaction that the caller holds."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, select

from bursar.budgets.budget import Budget
from bursar.budgets.lease import GRANT_MAX_PICO, Account, Ask, BalanceKey, Report
from bursar.budgets.statements import (
    ASSUMED,
    BALANCE,
    END_LEASE,
    LEAN,
    LEASE,
    LOCK_VALUE,
    about,
    put,
    set_balance,
    set_lease,
)
from bursar.budgets.tables import BUDGET_LEASES, BUDGET_VALUES
from bursar.budgets.thresholds import Mark, blocked_limit, marks_below

SHARE = 16
"""A slice is a 16th of what is left at most: so much can lie idle with each worker, and it shrinks near the limit."""


def slice_of(left: int | None, ask: Ask, room: int = GRANT_MAX_PICO) -> tuple[int, bool]:
    """(what to grant of what is left, whether the balance is near its limit). left None: nothing is limited.

    room: what the lease can still take, and a grant at most.

    Far from the limit: what is wanted, up to a share of what is left. Near it: what is needed and no more; if even that
    is too much, all that is left, provided that the smallest waiting call fits in it.

    >>> key = BalanceKey("b", "", "")
    >>> slice_of(1_000, Ask(key, "l", "", least=5, need=10, want=500))
    (62, False)
    >>> slice_of(100, Ask(key, "l", "", least=5, need=10, want=500))
    (10, True)
    >>> slice_of(7, Ask(key, "l", "", least=5, need=10, want=500)), slice_of(4, Ask(key, "l", "", 5, 10, 500))
    ((7, True), (0, True))
    """
    if left is None:
        return min(max(ask.need, ask.want), room), False
    share = min(left // SHARE, ask.want, room)
    if share > ask.need:
        return share, False
    left = min(left, room)
    if left >= ask.need:
        return ask.need, True
    return (left, True) if left >= ask.least and left > 0 else (0, True)


class Room(NamedTuple):
    """Up to where an ask may be answered.

    limit:   of the balance, as `block` lowers it; None: nothing is limited.
    ceiling: the limit, or the first mark that the ask isn't past.
    mark:    the highest threshold, in percent, that the smallest waiting call would pass, or else the first that
             a larger one may; 0: there is none.
    marks:   of the balance, ascending.
    """

    limit: int | None
    ceiling: int | None
    mark: int
    marks: Sequence[Mark]


def room_of(budget: Budget, account: str, limit: int | None, used: int, ask: Ask) -> Room:
    """A slice never crosses a threshold that acts: whoever needs more must ask there, and meets the action.

    Of mode expected only what is likely has marks; a dry run has none, since it acts on nothing.
    """
    if limit is None:
        return Room(None, None, 0, ())
    blocked = blocked_limit(budget.thresholds, limit)
    if budget.mode == "warn" or account != Account.LIKELY:
        return Room(blocked, blocked, 0, ())
    marks = marks_below(budget.thresholds, limit, blocked)
    ahead = [mark for mark in marks if mark.percent > ask.past]
    if not ahead:
        return Room(blocked, blocked, 0, marks)
    needed = used + max(ask.least, 1)
    passed = max((mark.percent for mark in ahead if needed > mark.pico), default=ahead[0].percent)
    return Room(blocked, ahead[0].pico, passed, marks)


def past_of(marks: Sequence[Mark], past: int, used: int) -> int:
    """The highest threshold up to `past` that so much, spent and leased, really lies past.

    >>> past_of([Mark(50, 500), Mark(80, 800)], 80, 801), past_of([Mark(50, 500), Mark(80, 800)], 80, 600)
    (80, 50)
    """
    return max((mark.percent for mark in marks if mark.percent <= past and used > mark.pico), default=0)


def lock_value(connection: Connection, key: BalanceKey) -> None:
    """Wait for whoever else decides about this balance; the first one ever makes its row, and is as safe."""
    connection.execute(put(BUDGET_VALUES, connection.dialect.name), key._asdict())
    connection.execute(LOCK_VALUE, about(key))


def in_lock_order(connection: Connection, which: ColumnElement[bool]) -> list[str]:
    """Ids of leases, in the order in which everybody locks their balances: two transactions never wait for each other.

    The row of a holder is locked before its balances.
    """
    columns = BUDGET_LEASES.c
    rows = connection.execute(
        select(columns.budget_id, columns.value, columns.account, columns.lease_id).where(which)
    ).all()
    return [row.lease_id for row in sorted(rows, key=tuple)]


def lock_lease(connection: Connection, lease_id: str) -> Row[Any] | None:
    """A lease, after its balance is locked; None if it is gone."""
    found = connection.execute(LEASE, {"_lease_id": lease_id}).first()
    if found is None:
        return None
    lock_value(connection, key_of(found))
    return connection.execute(LEASE, {"_lease_id": lease_id}).first()


def key_of(row: Row[Any]) -> BalanceKey:
    return BalanceKey(row.budget_id, row.value, row.account)


def post(connection: Connection, lease: Row[Any], **changes: int) -> None:
    """Add to the columns of a lease's balance: `post(connection, lease, posted=5, leased=-5)`."""
    here = about(key_of(lease)) | {"_window_key": lease.window_key}
    balance = connection.execute(BALANCE, here).one()
    values = {name: getattr(balance, name) + change for name, change in changes.items() if change}
    if values:
        connection.execute(set_balance(*values), here | values)


def take_report(connection: Connection, report: Report) -> None:
    """What a lease's holder says of it. One that was assumed meanwhile is corrected by its end, not before."""
    lease = lock_lease(connection, report.lease_id)
    if lease is None:
        return
    if lease.state == ASSUMED:
        if report.is_over:
            end_lease(connection, lease, held=0, spent=report.spent)
        return
    spent = max(report.spent, lease.spent)  # counters only grow: an old report that comes late is no news
    amount = lease.amount if report.amount is None else min(lease.amount, report.amount)
    amount = max(amount, spent + (0 if report.is_over else report.held))
    if report.is_over:
        amount = spent
    before, after = lease.amount - lease.spent, amount - spent
    post(connection, lease, posted=spent - lease.spent, leased=after - before, overrun=report.overrun)
    if report.is_over:
        connection.execute(END_LEASE, {"_lease_id": report.lease_id})
        return
    state = LEAN if report.is_lean else lease.state
    values = {"spent": spent, "amount": amount, "held": report.held, "state": state}
    connection.execute(set_lease(*values), {"_lease_id": report.lease_id} | values)


def end_lease(connection: Connection, lease: Row[Any], *, held: int, spent: int) -> None:
    """Post a lease as it ended: what was spent, and what was held when its holder died, which is assumed.

    Where the whole of it was assumed before, that is corrected to what it really was.
    """
    reserve = lease.amount - lease.spent
    was_assumed = lease.state == ASSUMED
    post(
        connection,
        lease,
        posted=spent - lease.spent + held - (reserve if was_assumed else 0),
        leased=0 if was_assumed else -reserve,
        assumed=held - (reserve if was_assumed else 0),
    )
    connection.execute(END_LEASE, {"_lease_id": lease.lease_id})
