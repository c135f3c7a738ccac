"""Many workers report, ask and die at once on a real PostgreSQL: nobody waits for ever, and every pico is somewhere.

Each step is a transaction over several balances, in an order of its own; a fault found by the race was a deadlock.
"""

import random
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select
from tests.postgres import postgresql

from bursar.budgets.authority import Authority
from bursar.budgets.budget import Budget
from bursar.budgets.lease import Ask, BalanceKey, Report
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.budgets.tables import BUDGET_BALANCES, BUDGET_LEASES
from bursar.domain.clock import FixedClock
from bursar.governance.budgets import Budgets
from bursar.governance.store import ControlStore

NOON_US = 1_790_000_000_000_000
SECOND_US = 1_000_000
HOLDERS, BALANCES, STEPS = 6, 5, 20
LIMIT = 10**9


def live(store: ControlStore, keys: list[BalanceKey], holder: str) -> int:
    """One worker's life of reports, asks, sweeps and a death at its end. Returns what it spent."""
    chance = random.Random(holder)
    authority = Authority(store.deciding, store.reading)
    mixed = chance.sample(keys, len(keys))  # so its lease ids are in another order than the balances
    leases = {f"{holder}/{number}": key for number, key in enumerate(mixed)}
    asks = [Ask(key, lease_id, "", 10, 10, 1_000) for lease_id, key in leases.items()]
    grants = authority.refill(holder, asks, NOON_US)
    authority.renew(holder, NOON_US)
    spent = dict.fromkeys(leases, 0)
    for step in range(STEPS):
        some = chance.sample(sorted(leases), 3)
        for lease_id in some:
            spent[lease_id] += chance.randint(0, 2)
        if step % 3:
            authority.report([Report(lease_id, spent[lease_id], 1) for lease_id in some])
        else:
            again = [Ask(leases[one], one, grants[0].window_key, 10, 10, 500, spent[one]) for one in some]
            authority.refill(holder, again, NOON_US)
        if step == STEPS // 2:
            authority.sweep(NOON_US)
    authority.recover(holder, {lease_id: (0, spent[lease_id]) for lease_id in leases})
    return sum(spent.values())


def test_transactions_over_several_balances_never_wait_for_each_other_in_a_circle() -> None:
    with postgresql() as address:
        store = ControlStore(address, pooled=True)
        budgets = Budgets(store, bytes(32), FixedClock(NOON_US))
        made = [
            budgets.create(
                Budget(
                    budget_id="", name=f"b{number}", limit=LimitPlan(LIMIT), window=Schedule(parse_spec("lifetime"))
                ),
                actor="test",
            )
            for number in range(BALANCES)
        ]
        keys = [BalanceKey(budget.budget_id, "", "") for budget in made]
        with ThreadPoolExecutor(HOLDERS) as threads:
            lives = [threads.submit(live, store, keys, f"w{number}") for number in range(HOLDERS)]
            spent = sum(life.result(timeout=90) for life in lives)
        with store.reading() as connection:
            balances = connection.execute(select(BUDGET_BALANCES)).all()
            assert connection.execute(select(BUDGET_LEASES)).all() == []
        store.engine.dispose()
    assert sum(row.posted for row in balances) == spent
    assert [row.leased for row in balances] == [0] * BALANCES
