"""A budget begins with what was spent before it: in the window it was spent in, and once."""

from pathlib import Path

import pytest

from bursar.budgets.authority import Authority
from bursar.budgets.budget import Budget, Mode
from bursar.budgets.lease import Account, Ask, BalanceKey
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.domain.clock import FixedClock
from bursar.domain.errors import NameTaken
from bursar.governance.budgets import Budgets, Spent
from bursar.governance.store import ControlStore

NOON_US = 1_775_044_800_000_000  # 1 April 2026, 12:00 UTC
HOUR_US = 3_600 * 10**6


def made(window: str, mode: Mode = "strict", each: str = "", limit: int = 1_000) -> Budget:
    return Budget(
        budget_id="", name="ci", limit=LimitPlan(limit), window=Schedule(parse_spec(window)), mode=mode, each=each
    )


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON_US)


@pytest.fixture
def budgets(tmp_path: Path, clock: FixedClock) -> Budgets:
    return Budgets(ControlStore(tmp_path / "control.sqlite"), b"secret" * 8, clock)


def granted(budgets: Budgets, budget: Budget, need: int, *, account: Account = Account.LIKELY, value: str = "") -> int:
    authority = Authority(budgets.store.deciding, budgets.store.reading)
    ask = Ask(BalanceKey(budget.budget_id, value, account), f"lease{need}{account}{value}", "", need, need, need)
    (grant,) = authority.refill("worker", [ask], NOON_US)
    return grant.amount


def test_what_was_spent_before_is_not_there_to_be_spent_again(budgets: Budgets):
    budget = budgets.create(made("month"), actor="t", opening=[Spent("", NOON_US, 600), Spent("", NOON_US, 100)])
    ((standing,),) = budgets.standings([budget])
    assert (standing.posted, standing.limit, standing.held) == (700, 1_000, 0)
    assert granted(budgets, budget, 301) == 0
    assert granted(budgets, budget, 300) == 300


def test_each_value_begins_with_its_own(budgets: Budgets):
    budget = budgets.create(made("month", each="customer"), actor="t", opening=[Spent("acme", NOON_US, 900)])
    assert granted(budgets, budget, 101, value="acme") == 0
    assert granted(budgets, budget, 1_000, value="initech") == 1_000


def test_of_an_expected_budget_the_bound_begins_with_it_too(budgets: Budgets):
    budget = budgets.create(made("month", "expected"), actor="t", opening=[Spent("", NOON_US, 1_000)])
    assert granted(budgets, budget, 101, account=Account.BOUND) == 0
    assert granted(budgets, budget, 100, account=Account.BOUND) == 100


def test_of_a_rolling_window_each_spend_leaves_when_its_time_has_come(budgets: Budgets, clock: FixedClock):
    opening = [Spent("", NOON_US - 20 * HOUR_US, 700), Spent("", NOON_US - HOUR_US, 200)]
    budget = budgets.create(made("rolling:24h"), actor="t", opening=opening)
    assert budgets.standings([budget])[0][0].posted == 900
    clock.at_us = NOON_US + 5 * HOUR_US
    assert budgets.standings([budget])[0][0].posted == 200


def test_a_budget_that_cannot_be_made_opens_nothing(budgets: Budgets):
    budgets.create(made("month"), actor="t")
    with pytest.raises(NameTaken):
        budgets.create(made("month"), actor="t", opening=[Spent("", NOON_US, 700)])
    assert next(one for (one,) in budgets.standings(budgets.all())).posted == 0
