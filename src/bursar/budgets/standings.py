"""How budgets stand now, for people: what is posted, what is held for calls under way, what lies free with workers."""

from collections import defaultdict

from sqlalchemy import Connection, select

from bursar.budgets.authority import Authority
from bursar.budgets.balances import ASSUMED
from bursar.budgets.budget import Budget
from bursar.budgets.lease import Account, BalanceKey, Standing
from bursar.budgets.schedule import scheduled_window
from bursar.budgets.tables import BUDGET_BALANCES, BUDGET_LEASES

VALUES_MAX = 1_000


def standings(authority: Authority, connection: Connection, budget: Budget, now_us: int) -> list[Standing]:
    """A budget in the window of now: one row, or one for each value that spent; the most spent first."""
    window = scheduled_window(budget.window, now_us)
    rows = connection.execute(
        select(BUDGET_BALANCES).where(
            BUDGET_BALANCES.c.budget_id == budget.budget_id,
            BUDGET_BALANCES.c.account == Account.LIKELY,
            BUDGET_BALANCES.c.end_us > window.counted_from_us,
            BUDGET_BALANCES.c.start_us < window.end_us,
        )
    ).all()
    held: defaultdict[str, int] = defaultdict(int)
    for value, amount in connection.execute(
        select(BUDGET_LEASES.c.value, BUDGET_LEASES.c.held).where(
            BUDGET_LEASES.c.budget_id == budget.budget_id,
            BUDGET_LEASES.c.account == Account.LIKELY,
            BUDGET_LEASES.c.state != ASSUMED,
        )
    ):
        held[value] += amount
    found = []
    for value in {row.value for row in rows} or (set() if budget.each else {""}):
        mine = [row for row in rows if row.value == value]
        key = BalanceKey(budget.budget_id, value, Account.LIKELY)
        leased = sum(row.leased for row in mine)
        under_way = min(held[value], leased)
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
