"""The authority: the one place where it is decided how much of a limit is left (law 4).

It lives in the control store, and every decision is one transaction that first locks the balance's row; so what is
posted and leased never passes the limit, whatever number of workers and nodes ask at once. Workers take leases and
spend them locally. Runs on SQLite and PostgreSQL with the same code; synchronous, for a worker's own thread.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete

from bursar.budgets.balances import (
    end_lease,
    in_lock_order,
    lock_lease,
    lock_value,
    past_of,
    post,
    room_of,
    slice_of,
    take_report,
)
from bursar.budgets.budget import Budget
from bursar.budgets.lease import GRANT_MAX_PICO, LEASE_MAX_PICO, Account, Ask, BalanceKey, Grant, Report
from bursar.budgets.limits import CarryOver, carried_pico, limit_at, window_limit
from bursar.budgets.schedule import previous_window, scheduled_window
from bursar.budgets.statements import (
    ASSUMED,
    BALANCE,
    BALANCES_SINCE,
    DEFINITION,
    DEFINITION_REVISION,
    FORGET_BALANCES,
    LEAN,
    LEASE_AMOUNT,
    LEASE_STATE,
    LEASES_OF_OTHERS,
    MAKE_BALANCE,
    MAKE_LEASE,
    OPEN,
    RECALLED,
    VANISHED,
    about,
    put,
    set_balance,
    set_lease,
)
from bursar.budgets.tables import BUDGET_HOLDERS, BUDGET_LEASES
from bursar.budgets.windows import Window, turn_text

DEFINITIONS_KNOWN_MAX = 10_000
EXPIRY_US = 60 * 1_000_000
"""A holder not heard of for so long has died; what it held is assumed to be spent."""

CARRY_DEPTH_MAX = 12  # windows without any row that a carried rest is followed through

Writing = Callable[[], AbstractContextManager[Connection]]

_DEFINITION = msgspec.json.Decoder(Budget)


class Authority:
    """writing, reading: transactions of the control store; `writing` may lock from its start (SQLite).

    fixed: budgets of the settings, which aren't in the table.
    """

    def __init__(self, writing: Writing, reading: Writing, fixed: Sequence[Budget] = ()) -> None:
        self._writing = writing
        self._reading = reading
        self._fixed = {budget.budget_id: budget for budget in fixed}
        self._known: dict[str, tuple[int, Budget]] = {}

    def refill(self, holder_id: str, asks: Sequence[Ask], now_us: int) -> list[Grant]:
        """Answer asks, in their order. A budget that is gone since limits nothing."""
        grants: dict[str, Grant] = {}
        with self._writing() as connection:
            for ask in sorted(asks):  # everybody locks in one order: no deadlock
                grants[ask.lease_id] = self._refill(connection, holder_id, ask, now_us)
        return [grants[ask.lease_id] for ask in asks]

    def report(self, reports: Sequence[Report]) -> None:
        """Post what was spent, take back what is free. Reporting the same twice changes nothing."""
        with self._writing() as connection:
            said: defaultdict[str, list[Report]] = defaultdict(list)
            for report in reports:
                said[report.lease_id].append(report)
            for lease_id in in_lock_order(connection, BUDGET_LEASES.c.lease_id.in_(said)):
                for report in said[lease_id]:
                    take_report(connection, report)

    def renew(self, holder_id: str, now_us: int) -> list[str]:
        """Say that the holder lives; returns those of its leases that others need the free part of."""
        with self._writing() as connection:
            seen = put(BUDGET_HOLDERS, connection.dialect.name, "seen_us")
            connection.execute(seen, {"holder_id": holder_id, "seen_us": now_us})
            return self._recalled(connection, holder_id)

    def recalled(self, holder_id: str) -> list[str]:
        """The leases of a holder that others need the free part of."""
        with self._reading() as connection:
            return self._recalled(connection, holder_id)

    def recover(self, holder_id: str, counters: dict[str, tuple[int, int]]) -> int:
        """A dead holder's leases, by the counters it left behind: lease id → (held, spent). Returns the pico assumed.

        What it had settled is posted as it was, what was under way is assumed at its hold, the rest is free again.
        """
        assumed = 0
        with self._writing() as connection:
            connection.execute(delete(BUDGET_HOLDERS).where(BUDGET_HOLDERS.c.holder_id == holder_id))
            for lease_id in in_lock_order(connection, BUDGET_LEASES.c.holder_id == holder_id):
                lease = lock_lease(connection, lease_id)
                if lease is None:
                    continue
                held, spent = counters.get(lease_id, (0, lease.spent))
                end_lease(connection, lease, held=held, spent=spent)
                assumed += held
        return assumed

    def sweep(self, now_us: int) -> list[str]:
        """Assume what vanished holders still held; returns the ids of those that held something.

        `recover` corrects it, should their counters turn up.
        """
        with self._writing() as connection:
            gone = list(connection.execute(VANISHED, {"_seen_us": now_us - EXPIRY_US}).scalars())
            if not gone:
                return []
            missed: set[str] = set()
            vanished = BUDGET_LEASES.c.holder_id.in_(gone) & (BUDGET_LEASES.c.state != ASSUMED)
            for lease_id in in_lock_order(connection, vanished):
                lease = lock_lease(connection, lease_id)
                if lease is None:
                    continue
                rest = lease.amount - lease.spent
                post(connection, lease, posted=rest, leased=-rest, assumed=rest)
                connection.execute(set_lease("state"), {"_lease_id": lease_id, "state": ASSUMED})
                missed.add(lease.holder_id)
            connection.execute(delete(BUDGET_HOLDERS).where(BUDGET_HOLDERS.c.holder_id.in_(gone)))
        return sorted(missed)

    def _refill(self, connection: Connection, holder_id: str, ask: Ask, now_us: int) -> Grant:
        key = ask.key
        budget = self._definition(connection, key.budget_id)
        if budget is None:
            return Grant(ask.lease_id, GRANT_MAX_PICO, "", now_us + EXPIRY_US, False, False, False, None, 0, 0, "", 0)
        window = scheduled_window(budget.window, now_us)
        until_us = min(window.end_us, limit_at(budget.limit, now_us).until_us)
        resets = turn_text(window)
        if ask.window_key and (
            ask.window_key != window.key or ask.spent >= GRANT_MAX_PICO or _was_assumed(connection, ask.lease_id)
        ):
            return Grant(ask.lease_id, 0, "", until_us, False, True, True, None, 0, 0, resets, window.end_us)
        lock_value(connection, key)
        if ask.window_key:
            take_report(connection, Report(ask.lease_id, ask.spent, ask.held))
        counted = connection.execute(BALANCES_SINCE, about(key) | {"_from_us": window.counted_from_us}).all()
        posted, leased = sum(row.posted for row in counted), sum(row.leased for row in counted)
        limit = self.limit(connection, budget, key, window, now_us)
        room = room_of(budget, key.account, limit, posted + leased, ask)
        limit = room.limit
        before = _amount_of(connection, ask.lease_id)
        most = min(GRANT_MAX_PICO, LEASE_MAX_PICO - (before or 0))
        granted, is_lean = slice_of(None if room.ceiling is None else room.ceiling - posted - leased, ask, most)
        is_short = granted < ask.need
        if is_short and budget.mode == "warn":
            granted = min(ask.need, most)
        may_free = is_short and _is_shared(connection, key, holder_id)
        here = next((row for row in counted if row.window_key == window.key), None)
        _lend(connection, key, window, here, granted, recall=may_free or bool(here and here.recall and is_lean))
        amount = _grow_lease(connection, holder_id, ask, window, before, granted, LEAN if is_lean else OPEN)
        return Grant(
            ask.lease_id,
            amount,
            window.key,
            until_us,
            is_lean,
            is_short,
            may_free,
            limit,
            posted,
            leased,
            resets,
            window.end_us,
            room.mark if is_short else 0,
            past_of(room.marks, ask.past, posted + leased + granted),
        )

    def forget(self, budget_id: str, before_us: int) -> None:
        """Drop what a budget's windows that ended before then had; those that workers still hold of stay."""
        with self._writing() as connection:
            connection.execute(FORGET_BALANCES, {"_budget_id": budget_id, "_before_us": before_us})

    def _definition(self, connection: Connection, budget_id: str) -> Budget | None:
        if budget_id in self._fixed:
            return self._fixed[budget_id]
        row = connection.execute(DEFINITION_REVISION, {"_budget_id": budget_id}).first()
        if row is None or row.removed_us is not None:
            return None
        known = self._known.get(budget_id)
        if known is not None and known[0] == row.revision:
            return known[1]
        text = connection.execute(DEFINITION, {"_budget_id": budget_id}).scalar_one()
        budget = _DEFINITION.decode(text)
        if len(self._known) >= DEFINITIONS_KNOWN_MAX:
            self._known.clear()
        self._known[budget_id] = row.revision, budget
        return budget

    def limit(
        self, connection: Connection, budget: Budget, key: BalanceKey, window: Window, at_us: int, depth: int = 0
    ) -> int | None:
        """What may be spent in a window, in pico-USD; None: not in force."""
        own = window_limit(limit_at(budget.limit, at_us).limit_pico, window, prorate_from_us=budget.prorate_from_us)
        if own is None:
            return None
        limit = budget.usd_pico(own)
        if budget.carry is not None:
            limit = max(0, limit + self._carried(connection, budget, budget.carry, key, window, depth))
        return limit + budget.overshoot_usd_pico(limit) if key.account == Account.BOUND else limit

    def _carried(
        self, connection: Connection, budget: Budget, carry: CarryOver, key: BalanceKey, window: Window, depth: int
    ) -> int:
        """What the window before left, in pico-USD."""
        before = previous_window(budget.window, window.start_us)
        if before is None or before.end_us <= budget.created_us or depth >= CARRY_DEPTH_MAX:
            return 0
        limit = self.limit(
            connection, budget, key._replace(account=Account.LIKELY), before, before.end_us - 1, depth + 1
        )
        likely = about(key._replace(account=Account.LIKELY))
        used = connection.execute(BALANCE, likely | {"_window_key": before.key}).first()
        unused = None if limit is None else limit - (used.posted + used.leased if used else 0)
        in_usd = msgspec.structs.replace(
            carry, cap_pico=None if carry.cap_pico is None else budget.usd_pico(carry.cap_pico)
        )
        return carried_pico(in_usd, unused)

    def _recalled(self, connection: Connection, holder_id: str) -> list[str]:
        return list(connection.execute(RECALLED, {"_holder_id": holder_id}).scalars())


def _was_assumed(connection: Connection, lease_id: str) -> bool:
    """Whether a lease was given up for lost while its holder could not be heard."""
    state = connection.execute(LEASE_STATE, {"_lease_id": lease_id}).scalar()
    return bool(state == ASSUMED)


def _is_shared(connection: Connection, key: BalanceKey, holder_id: str) -> bool:
    """Whether other living holders have a lease of the balance."""
    return connection.execute(LEASES_OF_OTHERS, about(key) | {"_holder_id": holder_id}).first() is not None


def _lend(
    connection: Connection, key: BalanceKey, window: Window, here: Row[Any] | None, granted: int, *, recall: bool
) -> None:
    """Add to what is leased in this window; its row is made by its first lease."""
    if here is None:
        row = {
            **key._asdict(),
            "window_key": window.key,
            "start_us": window.start_us,
            "end_us": window.end_us,
            "posted": 0,
            "leased": granted,
            "assumed": 0,
            "overrun": 0,
            "recall": recall,
        }
        connection.execute(MAKE_BALANCE, row)
    elif granted or recall != here.recall:
        values = {"leased": here.leased + granted, "recall": recall}
        connection.execute(set_balance(*values), about(key) | {"_window_key": window.key} | values)


def _amount_of(connection: Connection, lease_id: str) -> int | None:
    """A lease's amount in all; None if there is no such lease yet."""
    return connection.execute(LEASE_AMOUNT, {"_lease_id": lease_id}).scalar()


def _grow_lease(
    connection: Connection, holder_id: str, ask: Ask, window: Window, before: int | None, granted: int, state: str
) -> int:
    """The lease's amount in all, after the grant. before: what it was; None if it is new."""
    if before is not None:
        amount = before + granted
        connection.execute(set_lease("amount", "state"), {"_lease_id": ask.lease_id, "amount": amount, "state": state})
        return amount
    if granted:
        row = {"lease_id": ask.lease_id, "holder_id": holder_id, **ask.key._asdict(), "window_key": window.key}
        amounts = {"amount": granted, "spent": 0, "held": 0, "state": state}
        connection.execute(MAKE_LEASE, row | amounts)
    return granted
