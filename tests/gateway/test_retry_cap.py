"""What retries cost in an hour stays below its cap, whatever the workers, values, ends and restarts."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.budgets.test_world import Inline

from bursar.budgets.authority import Authority
from bursar.budgets.budget import DIMENSIONS
from bursar.budgets.counters import recover_dead
from bursar.budgets.holds import Holding
from bursar.budgets.refills import Refills
from bursar.budgets.retries import HOUR_US, RETRIES_ID, retry_budget
from bursar.budgets.standings import standings
from bursar.domain.errors import BudgetsUnavailable
from bursar.domain.scope import RETRY_SCOPES, Scope
from bursar.domain.tags import Attribution
from bursar.gateway.hour_news import RETRIES, HourNews, news_path, read_approval, refused_this_hour
from bursar.gateway.retry_cap import RetryCap
from bursar.gateway.retry_share import VALUES_MAX, RetryShare
from bursar.governance.store import ControlStore
from bursar.simulate.clock import START_US, JumpingClock, run_jumping
from bursar.spool.records import CallFacts

SCOPE = Scope("acme", "search", "web")


def facts(customer: str = "c", scope: Scope = SCOPE) -> CallFacts:
    said = Attribution(feature="f", customer=customer, session="s", agent="a")
    return CallFacts("id", 0, "d", "chat", scope, "vk_1", "virtual", "m", False, 9, "", said)


class Node:
    """A control store, and workers on it that come and go."""

    def __init__(self, directory: Path, cap: int, scope: str = "organization") -> None:
        self.directory, self.cap, self.scope = directory, cap, scope
        self.clock = JumpingClock()
        self.store = ControlStore(directory / "control.sqlite", pooled=True)
        self.store.engine.raw_connection().cursor().execute("PRAGMA synchronous = OFF")
        self.authority = Authority(self.store.deciding, self.store.reading, [retry_budget(cap, scope)])
        self.lives = 0

    @asynccontextmanager
    async def worker(self, slot: int = 0, *, dies: bool = False) -> AsyncIterator[RetryCap]:
        """dies: as by kill -9, without giving anything back."""
        self.lives += 1
        keeping = Keeping(self, f"w{slot}-{self.lives}")
        try:
            yield RetryCap(keeping, self.cap, self.scope, 1, HourNews(news_path(self.directory, RETRIES, slot)))  # type: ignore[arg-type]
        finally:
            keeping.task.cancel()
            await asyncio.gather(keeping.task, return_exceptions=True)
            if dies:
                keeping.refills.purse.counters.close(remove=False)
                recover_dead(self.directory, self.authority.recover)
            else:
                await keeping.refills.close()

    def used(self) -> int:
        """What was spent and is held of the cap, over all values."""
        with self.store.reading() as connection:
            budget = retry_budget(self.cap, self.scope)
            rows = standings(self.authority, connection, budget, self.clock.now_us())
        assert all(row.posted + row.held <= self.cap for row in rows)
        return sum(row.posted + row.held for row in rows)


class Keeping:
    """As `Budgeting`, of a store that is there."""

    def __init__(self, node: Node, holder: str) -> None:
        self.refills = Refills(node.authority, node.directory, holder, node.clock, executor=Inline(), tick_s=20_000.0)
        self.task = asyncio.create_task(self.refills.run())

    async def opened(self) -> Refills:
        return self.refills

    def settle(self, holding: Holding, cost_pico: int) -> None:
        self.refills.purse.settle(holding, cost_pico)


def play(node: Node, work: Coroutine[Any, Any, None]) -> None:
    try:
        run_jumping(work, node.clock)
    finally:
        node.store.engine.dispose()


@settings(max_examples=4, deadline=None)
@given(
    st.integers(0, 1_000),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 90), st.integers(0, 100), st.booleans()), max_size=8),
)
@example(226, [(0, 26, 60, False), (0, 80, 46, True), (2, 68, 84, False), (0, 80, 46, True), (2, 5, 96, True)])
def test_workers_together_never_pass_the_cap_and_it_outlives_them(
    cap: int, steps: list[tuple[int, int, int, bool]]
) -> None:
    async def retry(node: Node) -> None:
        spent = 0
        async with node.worker(0) as one, node.worker(1) as two, node.worker(2, dies=True) as three:
            for worker, bound, percent, ends in steps:
                cap_of = (one, two, three)[worker]
                hold = await cap_of.begin(facts(), bound, node.clock.now_us())
                if hold is None:
                    continue
                cost = bound * percent // 100 if ends else bound
                if ends:
                    cap_of.end(hold, cost)
                    cap_of.end(hold, cost)  # twice is once
                spent += cost
                assert spent <= cap
        async with node.worker(0) as next_one:
            assert node.used() == spent  # what was under way when they ended is assumed at its bound
            left = await next_one.begin(facts(), cap - spent + 1, node.clock.now_us())
            assert left is None or cap - spent + 1 <= 0

    with TemporaryDirectory() as name:
        node = Node(Path(name), cap)
        play(node, retry(node))


def test_a_new_hour_begins_anew_and_an_old_retry_s_end_doesn_t_touch_it(tmp_path: Path) -> None:
    node = Node(tmp_path, 100)

    async def hours() -> None:
        async with node.worker() as cap:
            old = await cap.begin(facts(), 90, node.clock.now_us())
            assert old is not None
            assert await cap.begin(facts(), 20, node.clock.now_us()) is None
            assert refused_this_hour(tmp_path, RETRIES, node.clock.now_us()) == {}
            cap.news.look()
            assert refused_this_hour(tmp_path, RETRIES, node.clock.now_us()) == {"acme": 1}
            await asyncio.sleep(3_600)
            assert await cap.begin(facts(), 60, node.clock.now_us()) is not None
            cap.end(old, 0)
            assert await cap.begin(facts(), 60, node.clock.now_us()) is None
            assert cap.refused == 2

    play(node, hours())


def test_each_value_has_the_cap(tmp_path: Path) -> None:
    node = Node(tmp_path, 100, "customer")

    async def values() -> None:
        async with node.worker() as cap:
            for customer in ("a", "b", ""):
                assert await cap.begin(facts(customer), 100, node.clock.now_us()) is not None
                assert await cap.begin(facts(customer), 1, node.clock.now_us()) is None

    play(node, values())


def test_hours_of_last_week_are_forgotten(tmp_path: Path) -> None:
    node = Node(tmp_path, 100)

    def windows() -> int:
        with node.store.reading() as connection:
            return len(connection.exec_driver_sql("SELECT 1 FROM budget_balances").all())

    async def weeks() -> None:
        async with node.worker() as cap:
            for _ in range(3):
                hold = await cap.begin(facts(), 10, node.clock.now_us())
                assert hold is not None
                cap.end(hold, 5)
                await asyncio.sleep(100 * 3_600)
            await cap.begin(facts(), 10, node.clock.now_us())
            await asyncio.sleep(1)
            assert windows() == 2

    play(node, weeks())


def test_what_has_no_price_is_capped_by_number_alone(tmp_path: Path) -> None:
    node = Node(tmp_path, 0)

    async def retry() -> None:
        async with node.worker() as cap:
            assert await cap.begin(facts(), None, START_US) is not None
            assert await cap.begin(facts(), 1, node.clock.now_us()) is None

    play(node, retry())


class Gone:
    """As `Budgeting`, of a store that can't be opened, or that hangs."""

    def __init__(self, *, hangs: bool) -> None:
        self.hangs = hangs

    async def opened(self) -> Refills:
        if self.hangs:
            await asyncio.sleep(1_000)
        raise BudgetsUnavailable("no store")


@pytest.mark.parametrize("hangs", [False, True])
def test_without_the_control_store_each_worker_keeps_to_its_share(tmp_path: Path, hangs: bool) -> None:
    async def retry() -> None:
        cap = RetryCap(Gone(hangs=hangs), 100, "organization", 2, HourNews(news_path(tmp_path, RETRIES, 0)))  # type: ignore[arg-type]
        first = await cap.begin(facts(), 50, START_US)
        assert first is not None
        assert await cap.begin(facts(), 1, START_US) is None
        cap.end(first, 10)
        cap.end(first, 10)
        assert await cap.begin(facts(), 40, START_US) is not None

    run_jumping(retry(), JumpingClock())


@given(
    st.integers(1, 8),
    st.integers(0, 1_000),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 90), st.integers(0, 100), st.booleans()), max_size=200),
)
def test_shares_together_never_pass_the_cap(workers: int, cap: int, steps: list[tuple[int, int, int, bool]]) -> None:
    shares = [RetryShare(cap, workers) for _ in range(workers)]
    held = 0
    for worker, bound, percent, ends in steps:
        mine = shares[worker % workers]
        hold = mine.begin("v", bound, 5)
        if hold is None:
            continue
        held += bound
        assert held <= cap
        if ends:
            cost = bound * percent // 100
            mine.end(hold, cost)
            held += cost - bound


def test_a_flood_of_values_shares_one_share() -> None:
    share = RetryShare(100, 1)
    assert all(share.begin(f"c{number}", 100, 5) for number in range(VALUES_MAX))
    assert share.begin("c0", 1, 5) is None
    assert share.begin("more", 60, 5) is not None
    assert share.begin("still more", 60, 5) is None


def test_a_torn_file_of_refusals_is_counted_anew(tmp_path: Path) -> None:
    news = HourNews(news_path(tmp_path, RETRIES, 0))
    news.add("acme", START_US)
    news.look()
    assert HourNews(news_path(tmp_path, RETRIES, 0)).total == 0
    again = HourNews(news_path(tmp_path, RETRIES, 0))
    again.add("acme", START_US)
    again.look()
    assert refused_this_hour(tmp_path, RETRIES, START_US) == {"acme": 2}
    assert refused_this_hour(tmp_path, RETRIES, START_US + HOUR_US) == {}
    news_path(tmp_path, RETRIES, 0).write_bytes(b"[")
    assert refused_this_hour(tmp_path, RETRIES, START_US) == {}


def test_every_scope_of_the_setting_is_a_dimension_of_budgets() -> None:
    for scope in RETRY_SCOPES:
        budget = retry_budget(100, scope)
        assert (budget.each in DIMENSIONS, budget.budget_id) == (True, RETRIES_ID)


def test_what_is_no_approval_is_none() -> None:
    assert read_approval("(others)") is None
