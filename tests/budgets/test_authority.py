"""Posted and leased never pass the limit, and every pico is somewhere, whatever workers and their deaths do."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from bursar.budgets.authority import EXPIRY_US, Authority
from bursar.budgets.budget import Budget
from bursar.budgets.lease import GRANT_MAX_PICO, LEASE_MAX_PICO, Ask, BalanceKey, Report
from bursar.budgets.limits import CarryOver, LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.budgets.standings import standings
from bursar.budgets.statements import ASSUMED
from bursar.budgets.tables import BUDGET_BALANCES, BUDGET_LEASES
from bursar.domain.clock import FixedClock
from bursar.governance.budgets import Budgets
from bursar.governance.store import ControlStore

NOON_US = 1_790_000_000_000_000
DAY_US = 24 * 3600 * 10**6
SECRET = bytes(32)
LIMIT = 1_000


def budget(window: str = "lifetime", limit: int = LIMIT, **more: object) -> Budget:
    return Budget(budget_id="", name="b", limit=LimitPlan(limit), window=Schedule(parse_spec(window)), **more)


class Bench:
    """A store with one budget, and an authority over it."""

    def __init__(self, directory: Path, made: Budget | None = None) -> None:
        self.store = ControlStore(directory / "control.sqlite", pooled=True)
        self.clock = FixedClock(NOON_US)
        self.budgets = Budgets(self.store, SECRET, self.clock)
        self.budget = self.budgets.create(made or budget(), actor="test")
        self.authority = Authority(self.store.deciding, self.store.reading)
        self.key = BalanceKey(self.budget.budget_id, "", "")

    def ask(self, holder: str, number: int, need: int, want: int = 0, **more: object) -> tuple[int, bool]:
        """(the lease's amount in all, whether it was short)"""
        ask = Ask(self.key, f"{holder}/{number}", more.pop("window_key", ""), need, need, want, **more)
        (grant,) = self.authority.refill(holder, [ask], self.clock.now_us())
        return grant.amount, grant.is_short

    def balance(self) -> tuple[int, int]:
        """(posted, leased) over all windows"""
        with self.store.reading() as connection:
            rows = connection.execute(select(BUDGET_BALANCES)).all()
        return sum(row.posted for row in rows), sum(row.leased for row in rows)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_far_from_the_limit_a_slice_is_given_and_near_it_what_is_needed_and_no_more(bench):
    assert bench.ask("a", 1, 2, want=500) == (62, False)
    assert bench.ask("b", 1, 900, want=5_000) == (900, False)
    assert bench.ask("c", 1, 10, want=500) == (10, False)
    assert bench.ask("d", 1, 50) == (0, True)
    assert bench.balance() == (0, 972)


def test_what_is_settled_below_its_hold_can_be_spent_by_others(bench):
    assert bench.ask("a", 1, 1_000) == (1_000, False)
    assert bench.ask("b", 1, 1) == (0, True)
    bench.authority.report([Report("a/1", spent=300, held=0, amount=300)])
    assert bench.ask("b", 1, 700) == (700, False)
    assert bench.balance() == (300, 700)


def test_a_report_that_arrives_twice_or_late_changes_nothing(bench):
    bench.ask("a", 1, 600)
    bench.authority.report([Report("a/1", 200, 100)])
    bench.authority.report([Report("a/1", 200, 100)])
    bench.authority.report([Report("a/1", 150, 100)])
    assert bench.balance() == (200, 400)


def test_a_bill_above_its_hold_is_posted_in_full_and_counted(bench):
    bench.ask("a", 1, 900)
    bench.authority.report([Report("a/1", 1_300, 0, amount=1_300, overrun=400)])
    assert bench.balance() == (1_300, 0)
    with bench.store.reading() as connection:
        (row,) = standings(bench.authority, connection, bench.budget, NOON_US)
    assert (row.posted, row.overrun, row.limit) == (1_300, 400, LIMIT)
    assert bench.ask("b", 1, 1) == (0, True)


def test_of_a_dead_worker_the_settled_is_posted_the_held_assumed_and_the_rest_free(bench):
    bench.ask("a", 1, 1_000)
    bench.authority.report([Report("a/1", 100, 50)])
    assert bench.authority.recover("a", {"a/1": (70, 260)}) == 70
    assert bench.balance() == (330, 0)
    assert bench.authority.recover("a", {"a/1": (70, 260)}) == 0  # again: nothing is there
    assert bench.ask("b", 1, 670) == (670, False)


def test_a_vanished_workers_lease_is_assumed_whole_until_its_counters_turn_up(bench):
    bench.authority.renew("a", bench.clock.now_us())
    bench.ask("a", 1, 400)
    bench.authority.report([Report("a/1", 100, 20)])
    bench.clock.at_us += EXPIRY_US + 1
    assert bench.authority.sweep(bench.clock.now_us()) == ["a"]
    assert bench.balance() == (400, 0)
    bench.authority.report([Report("a/1", 150, 0)])
    assert bench.balance() == (400, 0)
    bench.authority.recover("a", {"a/1": (10, 120)})
    assert bench.balance() == (130, 0)


def test_a_worker_that_was_given_up_for_lost_takes_a_fresh_lease_and_corrects_the_old_one(bench):
    bench.authority.renew("a", bench.clock.now_us())
    bench.ask("a", 1, 400)
    bench.clock.at_us += EXPIRY_US + 1
    bench.authority.sweep(bench.clock.now_us())
    assert bench.ask("a", 1, 10, window_key="lifetime", spent=150) == (0, True)
    assert bench.ask("a", 2, 600) == (600, False)
    bench.authority.report([Report("a/1", 150, 0, is_over=True)])
    assert bench.balance() == (150, 600)


def test_whoever_needs_what_others_have_free_has_it_recalled(bench):
    bench.authority.renew("a", NOON_US)
    assert bench.ask("a", 1, 2, want=60) == (60, False)
    assert bench.authority.recalled("a") == []
    assert bench.ask("b", 1, 990) == (0, True)
    assert bench.authority.recalled("a") == ["a/1"]
    bench.authority.report([Report("a/1", 2, 0, amount=2, is_lean=True)])
    assert bench.authority.recalled("a") == []
    assert bench.ask("b", 1, 990) == (990, False)


def test_a_new_window_has_its_own_limit_and_an_old_lease_is_told_so(tmp_path):
    bench = Bench(tmp_path, budget("day"))
    assert bench.ask("a", 1, 1_000) == (1_000, False)
    bench.clock.at_us += DAY_US
    assert bench.ask("a", 1, 10, window_key="2026-09-21", spent=1_000) == (0, True)
    assert bench.ask("a", 2, 10) == (10, False)


def test_what_a_window_left_is_carried_over_up_to_the_cap(tmp_path):
    bench = Bench(tmp_path, budget("day", carry=CarryOver(cap_pico=300)))
    bench.ask("a", 1, 500)
    bench.authority.report([Report("a/1", 500, 0, is_over=True)])
    bench.clock.at_us += DAY_US
    assert bench.ask("a", 2, 1_301) == (0, True)
    assert bench.ask("a", 3, 1_300) == (1_300, False)


def test_a_rolling_window_counts_what_its_last_slots_hold(tmp_path):
    bench = Bench(tmp_path, budget("rolling:24h"))
    bench.ask("a", 1, 600)
    bench.authority.report([Report("a/1", 600, 0, is_over=True)])
    bench.clock.at_us += DAY_US // 2
    assert bench.ask("a", 2, 401) == (0, True)
    assert bench.ask("a", 3, 400) == (400, False)
    bench.clock.at_us += DAY_US // 2 + DAY_US // 60
    assert bench.ask("b", 1, 600) == (600, False)


def test_a_limit_that_is_lowered_holds_for_the_next_ask(bench):
    bench.ask("a", 1, 500)
    bench.budgets.raise_limit("b", 520, until_us=None, reason="", actor="test")
    assert bench.ask("b", 1, 21) == (0, True)
    assert bench.ask("b", 2, 20) == (20, False)


def test_a_dry_run_gives_what_is_needed_and_says_that_it_was_short(tmp_path):
    bench = Bench(tmp_path, budget(mode="warn"))
    assert bench.ask("a", 1, 900) == (900, False)
    assert bench.ask("a", 2, 200) == (200, True)


def test_money_past_nine_million_dollars_is_exact(tmp_path):
    bench = Bench(tmp_path, budget(limit=10**18, mode="warn"))
    amount, _ = bench.ask("a", 1, 1)
    assert amount == 1
    for number in range(2, 7):
        assert bench.ask("a", number, 3 * 10**18 + 1) == (3 * 10**18 + 1, True)
    assert bench.balance() == (0, 15 * 10**18 + 6)


def test_a_lease_that_is_spent_past_what_its_file_counts_is_followed_by_a_fresh_one(tmp_path):
    bench = Bench(tmp_path, budget(limit=50_000_000 * 10**12))
    spent = 0
    for number in range(1, 20):
        amount, is_short = bench.ask("a", number, 10**12, want=10**20)
        assert amount <= GRANT_MAX_PICO
        assert not is_short
        bench.authority.report([Report(f"a/{number}", spent=amount, held=0)])
        spent += amount
        again = bench.ask("a", number, 10**12, window_key="all", spent=amount)
        assert again[0] == 0 or amount < GRANT_MAX_PICO
        bench.authority.report([Report(f"a/{number}", spent=amount, held=0, is_over=True)])
        assert bench.balance() == (spent, 0)
    assert spent > 2**64


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9 * 10**18), st.integers(0, 10**21)), max_size=8), st.integers(0, 10**20))
def test_at_any_size_no_lease_passes_its_file_and_no_balance_its_limit(asks, limit):
    with TemporaryDirectory() as name:
        bench = Bench(Path(name), budget(limit=limit))
        for number, (need, want) in enumerate(asks):
            for window_key in ("", "all"):
                amount, _ = bench.ask("a", number, need, want=want, window_key=window_key)
                assert amount <= LEASE_MAX_PICO < 2**63
            assert sum(bench.balance()) <= limit
        bench.store.engine.dispose()


class Workers(RuleBasedStateMachine):
    """Three workers that hold, settle, report, return, die and are recovered, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = TemporaryDirectory()
        self.bench = Bench(Path(self.directory.name))
        self.held: dict[str, list[int]] = {}
        self.spent: dict[str, int] = {}
        self.amount: dict[str, int] = {}
        self.told: dict[str, str] = {}
        self.finished = 0
        self.assumed = 0
        self.number = 0

    def teardown(self) -> None:
        self.bench.store.engine.dispose()
        self.directory.cleanup()

    @initialize()
    def begin(self) -> None:
        for holder in "abc":
            self.bench.authority.renew(holder, NOON_US)

    @rule(holder=st.sampled_from("abc"), need=st.integers(1, 400), want=st.integers(0, 2_000))
    def ask(self, holder: str, need: int, want: int) -> None:
        mine = [lease for lease in self.amount if lease.startswith(holder)]
        if mine:
            lease = mine[0]
        else:
            self.number += 1
            lease = f"{holder}/{self.number}"
        ask = Ask(
            self.bench.key, lease, self.told.get(lease, ""), need, need, want,
            self.spent.get(lease, 0), sum(self.held.get(lease, [])),
        )  # fmt: skip
        (grant,) = self.bench.authority.refill(holder, [ask], NOON_US)
        if grant.amount:
            self.amount[lease], self.told[lease] = grant.amount, grant.window_key
            self.held.setdefault(lease, [])
            self.spent.setdefault(lease, 0)

    @precondition(lambda self: self.amount)
    @rule(data=st.data())
    def hold(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(sorted(self.amount)))
        free = self.amount[lease] - self.spent[lease] - sum(self.held[lease])
        if free > 0:
            self.held[lease].append(data.draw(st.integers(1, free)))

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(sorted(lease for lease, held in self.held.items() if held)))
        self.spent[lease] += data.draw(st.integers(0, self.held[lease].pop()))

    @precondition(lambda self: self.amount)
    @rule(data=st.data(), shrink=st.booleans(), over=st.booleans())
    def report(self, data: st.DataObject, shrink: bool, over: bool) -> None:
        lease = data.draw(st.sampled_from(sorted(self.amount)))
        held, spent = sum(self.held[lease]), self.spent[lease]
        over = over and not held
        amount = spent + held if shrink else None
        self.bench.authority.report([Report(lease, spent, held, amount, is_over=over)])
        if shrink:
            self.amount[lease] = spent + held
        if over:
            self._forget(lease, assumed=0)

    @rule(holder=st.sampled_from("abc"))
    def die(self, holder: str) -> None:
        mine = {lease: (sum(self.held[lease]), self.spent[lease]) for lease in self.amount if lease.startswith(holder)}
        self.bench.authority.recover(holder, mine)
        for lease, (held, _) in mine.items():
            self._forget(lease, assumed=held)
        self.bench.authority.renew(holder, NOON_US)

    def _forget(self, lease: str, assumed: int) -> None:
        self.finished += self.spent.pop(lease)
        self.assumed += assumed
        del self.amount[lease], self.held[lease], self.told[lease]

    @invariant()
    def nothing_passes_the_limit_and_no_pico_is_lost(self) -> None:
        posted, leased = self.bench.balance()
        assert posted + leased <= LIMIT
        with self.bench.store.reading() as connection:
            leases = connection.execute(select(BUDGET_LEASES).where(BUDGET_LEASES.c.state != ASSUMED)).all()
        assert leased == sum(lease.amount - lease.spent for lease in leases)
        assert posted + leased == self.finished + self.assumed + sum(self.amount.values())
        assert posted <= self.finished + self.assumed + sum(self.spent.values())


TestWorkers = Workers.TestCase
TestWorkers.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
