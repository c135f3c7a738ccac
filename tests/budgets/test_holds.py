import pytest

from bursar.budgets.budget import Budget
from bursar.budgets.counters import HELD, SPENT, Counters
from bursar.budgets.holds import WANT_CALLS, WANT_CALLS_MAX, Purse, Touching, claims_of
from bursar.budgets.lease import Grant
from bursar.budgets.limits import LimitPlan
from bursar.budgets.matching import Touched
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec

SECOND_US = 1_000_000
NOW_US = 1_000 * SECOND_US
BUDGET = Budget(budget_id="bg_1", name="one", limit=LimitPlan(10**12), window=Schedule(parse_spec("lifetime")))


@pytest.fixture
def purse(tmp_path):
    purse = Purse(Counters(tmp_path, "w0"), lambda: None)
    purse.usable_until_us = 2 * NOW_US
    return purse


def granted(purse: Purse, touching: Touching, amount: int) -> None:
    """Each budget gets a lease of this amount, and the purse knows which they are."""
    claims = claims_of(touching.budgets, 1, 1)
    for claim in claims:
        ask = purse.ask(claim.key, 1, 1, NOW_US)
        assert ask is not None
        purse.take(claim.key, Grant(ask.lease_id, amount, "all", 2 * NOW_US, False, False, False, None, 0, 0, "", 0), 1)
    purse.remember(touching, claims)


def test_a_call_like_the_last_is_held_from_the_same_leases_and_the_counters_say_so(purse):
    touching = Touching([Touched(BUDGET, "")])
    granted(purse, touching, 100)
    holding = purse.hold_again(touching, 40, 70, NOW_US)
    (lease,) = purse.leases.values()
    assert (lease.held, purse.counters.slots[lease.slot + HELD]) == (70, 70)
    assert purse.hold_again(touching, 40, 70, NOW_US) is None  # 30 are left
    purse.settle(holding, 25)
    purse.settle(holding, 25)  # once only
    assert (purse.counters.slots[lease.slot + HELD], purse.counters.slots[lease.slot + SPENT]) == (0, 25)


@pytest.mark.parametrize("how", ["ended", "of another window", "revised"])
def test_a_lease_that_is_no_longer_the_workers_holds_nothing_though_it_is_remembered(purse, how):
    touching = Touching([Touched(BUDGET, "")])
    granted(purse, touching, 100)
    (lease,) = purse.leases.values()
    if how == "ended":
        purse.end(lease)
    elif how == "revised":
        lease.until_us = 0
    else:
        other = Grant(lease.lease_id, 100, "the next", 2 * NOW_US, False, False, False, None, 0, 0, "", 0)
        purse.take(lease.key, other, NOW_US)
    assert purse.hold_again(touching, 1, 1, NOW_US) is None


def test_ending_a_lease_twice_gives_its_place_back_once(purse):
    touching = Touching([Touched(BUDGET, "a")])
    granted(purse, touching, 100)
    (lease,) = purse.leases.values()
    purse.end(lease)
    granted(purse, Touching([Touched(BUDGET, "b")]), 100)
    (second,) = purse.leases.values()
    assert second.slot == lease.slot
    purse.end(lease)
    third, _ = purse.counters.take() or (None, 0)
    assert third not in (None, second.slot)


def test_a_busy_lease_is_asked_for_more_at_a_time_and_an_idle_one_for_less(purse):
    key = claims_of([Touched(BUDGET, "")], 10, 10)[0].key
    wants = [purse.ask(key, 10, 10, NOW_US + number * SECOND_US // 10).want for number in range(12)]
    assert wants[:3] == [10 * WANT_CALLS, 20 * WANT_CALLS, 40 * WANT_CALLS]
    assert wants[-1] == 10 * WANT_CALLS_MAX
    assert purse.ask(key, 10, 10, NOW_US + 60 * SECOND_US).want == 5 * WANT_CALLS_MAX
