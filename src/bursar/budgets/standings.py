"""How budgets stand now, for people: what is posted, what is held for calls under way, what lies free with workers."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from bursar.budgets.authority import Authority
from bursar.budgets.budget import Budget
from bursar.budgets.lease import Account, BalanceKey, Standing
from bursar.budgets.schedule import CurrentWindows
from bursar.budgets.statements import ASSUMED
from bursar.budgets.tables import BUDGET_BALANCES, BUDGET_LEASES
from bursar.budgets.windows import Window

VALUES_MAX = 1_000
ASKED_AT_ONCE = 500


def standings(authority: Authority, connection: Connection, budget: Budget, now_us: int) -> list[Standing]:
    """A budget in the window of now: one row, or one for each value that spent; the most spent first."""
    return standings_of(authority, connection, [budget], now_us)[0]


def standings_of(
    authority: Authority, connection: Connection, budgets: Sequence[Budget], now_us: int
) -> list[list[Standing]]:
    """The same of many, in their order: two questions for every ASKED_AT_ONCE budgets of one window."""
    windows = CurrentWindows()
    alike: defaultdict[Window, list[Budget]] = defaultdict(list)
    for budget in budgets:
        alike[windows.at(budget.window, now_us)].append(budget)
    found: dict[str, list[Standing]] = {}
    for window, some in alike.items():
        for first in range(0, len(some), ASKED_AT_ONCE):
            asked = some[first : first + ASKED_AT_ONCE]
            rows, held = _rows(connection, asked, window), _held(connection, asked)
            for budget in asked:
                mine = rows[budget.budget_id]
                found[budget.budget_id] = _standings(authority, connection, budget, window, mine, held, now_us)
    return [found[budget.budget_id] for budget in budgets]


def _rows(connection: Connection, budgets: Sequence[Budget], window: Window) -> defaultdict[str, list[Row[Any]]]:
    columns = BUDGET_BALANCES.c
    found: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(
        select(BUDGET_BALANCES).where(
            columns.budget_id.in_([budget.budget_id for budget in budgets]),
            columns.account == Account.LIKELY,
            columns.end_us > window.counted_from_us,
            columns.start_us < window.end_us,
        )
    ):
        found[row.budget_id].append(row)
    return found


def _held(connection: Connection, budgets: Sequence[Budget]) -> defaultdict[tuple[str, str], int]:
    columns = BUDGET_LEASES.c
    held: defaultdict[tuple[str, str], int] = defaultdict(int)
    for budget_id, value, amount in connection.execute(
        select(columns.budget_id, columns.value, columns.held).where(
            columns.budget_id.in_([budget.budget_id for budget in budgets]),
            columns.account == Account.LIKELY,
            columns.state != ASSUMED,
        )
    ):
        held[budget_id, value] += amount
    return held


def _standings(
    authority: Authority,
    connection: Connection,
    budget: Budget,
    window: Window,
    rows: Iterable[Row[Any]],
    held: dict[tuple[str, str], int],
    now_us: int,
) -> list[Standing]:
    by_value: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        by_value[row.value].append(row)
    if not budget.each:
        by_value.setdefault("", [])
    found = []
    for value, mine in by_value.items():
        key = BalanceKey(budget.budget_id, value, Account.LIKELY)
        leased = sum(row.leased for row in mine)
        under_way = min(held.get((budget.budget_id, value), 0), leased)
        found.append(
            Standing(
                key,
                window.key,
                window.counted_from_us,
                window.end_us,
                authority.limit(connection, budget, key, window, now_us),
                sum(row.posted for row in mine),
                under_way,
                leased - under_way,
                sum(row.assumed for row in mine),
                sum(row.overrun for row in mine),
            )
        )
    found.sort(key=lambda standing: (-standing.posted, standing.key.value))
    return found[:VALUES_MAX]
