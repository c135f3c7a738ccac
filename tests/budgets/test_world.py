"""A seeded world of budgets: two nodes, four workers, clients, deaths and outages, on a clock that jumps.

At every step no budget is spent and held above its limit, and at the end every pico is accounted for. `make sim
SEEDS=2000` runs as many worlds; a failure names the seed that replays it.
"""

import asyncio
import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, insert, select

from bursar.budgets.authority import Authority
from bursar.budgets.budget import Budget
from bursar.budgets.counters import recover_dead
from bursar.budgets.holds import Holding, MarkReached, Touching
from bursar.budgets.lease import Account, BalanceKey
from bursar.budgets.limits import LimitPlan
from bursar.budgets.listing import listed
from bursar.budgets.matching import BudgetIndex, Subject
from bursar.budgets.refills import Refills
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.budgets.tables import BUDGET_BALANCES, BUDGET_LEASES, BUDGETS
from bursar.budgets.thresholds import Threshold
from bursar.domain.errors import BudgetExhausted, BudgetsUnavailable
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.governance.store import ControlStore
from bursar.simulate.clock import JumpingClock, run_jumping

SEEDS = range(int(os.environ.get("BURSAR_SIM_SEEDS", "6")))
CALLS = 60
BOUND_MAX = 100
LIMITS = {
    "bg_all": 1_500,
    "bg_each": 400,
    "bg_day": 900,
    "bg_slots": 700,
    "bg_likely": 600,
    "bg_marked": 1_000,
    "bg_shut": 800,
}
OVERSHOOT = 60
MARKS = (Threshold(40, "throttle", per_minute=9), Threshold(70, "approve"), Threshold(95, "block"))
NEVER_MET = 50  # percent of bg_shut, past which nobody lets a call go on


class Inline(Executor):
    """Work done at once: the world has one thread, so a seed has one history."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def budgets() -> list[Budget]:
    def make(budget_id: str, window: str, **more: Any) -> Budget:
        spec, limit = Schedule(parse_spec(window)), LimitPlan(LIMITS[budget_id])
        return Budget(budget_id=budget_id, name=budget_id, limit=limit, window=spec, **more)

    return [
        make("bg_all", "lifetime"),
        make("bg_each", "lifetime", each="customer"),
        make("bg_day", "day", match={"feature": "chat"}),
        make("bg_slots", "rolling:1h", match={"feature": "search"}),
        make("bg_likely", "lifetime", match={"team": "lab"}, mode="expected", overshoot_pico=OVERSHOOT),
        make("bg_marked", "lifetime", match={"feature": "chat"}, thresholds=MARKS),
        make("bg_shut", "lifetime", match={"feature": "search"}, thresholds=(Threshold(NEVER_MET, "approve"),)),
    ]


class BudgetWorld:
    """log: what happened, for comparing two runs of a seed. settled, lost: what really was spent, and died unheard."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.chance = random.Random(seed)
        self.clock = JumpingClock()
        self.directory = directory
        self.store = ControlStore(directory / "control.sqlite", pooled=True)
        self.store.engine.raw_connection().cursor().execute("PRAGMA synchronous = OFF")
        self.index = BudgetIndex(listed(budgets()))
        self.workers: list[tuple[Refills, asyncio.Task[None]]] = []
        self.known: dict[tuple[str, str], Touching] = {}
        self.log: list[str] = []
        self.outage_until = 0
        self.settled = 0
        self.lost = 0
        self.refused = 0
        self.unavailable = 0
        with self.store.writing() as connection:
            for budget in self.index:
                row = {"budget_id": budget.budget_id, "name": budget.name, "revision": 1, "removed_us": None}
                connection.execute(insert(BUDGETS).values(row | {"definition": _json(budget)}))

    @contextmanager
    def deciding(self) -> Iterator[Connection]:
        """The store, unless it is out just now."""
        if self.clock.now_us() < self.outage_until:
            raise OSError("the store is out")
        with self.store.deciding() as connection:
            yield connection

    def start_worker(self, number: int) -> tuple[Refills, "asyncio.Task[None]"]:
        authority = Authority(self.deciding, self.deciding)
        node = self.directory / f"node{number % 2}"
        holder = f"w{number}-{len(self.log)}-{self.clock.now_us()}"
        refills = Refills(authority, node, holder, self.clock, executor=Inline(), tick_s=15.0)
        return refills, asyncio.create_task(refills.run())

    async def run(self) -> None:
        self.workers = [self.start_worker(number) for number in range(4)]
        await asyncio.gather(*(self.client(number) for number in range(CALLS)), self.trouble())
        await asyncio.sleep(120)
        for refills, task in self.workers:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await refills.close()
        with self.store.deciding():
            pass
        for node in (0, 1):
            recover_dead(self.directory / f"node{node}", Authority(self.deciding, self.deciding).recover)

    async def client(self, number: int) -> None:
        chance = self.chance
        await asyncio.sleep(chance.expovariate(1 / 600))
        team, feature = chance.choice(["", "lab"]), chance.choice(["chat", "search"])
        who = Attribution(feature=feature, team=team, customer=chance.choice(["acme", "globex", ""]))
        touched = self.index.touching(Subject(Scope(), "", "", "", "", "", "", who))
        bound = chance.randint(1, BOUND_MAX)
        likely = chance.randint(1, bound)
        cost = chance.choice([0, likely // 2, likely, chance.randint(0, bound)])
        slot = chance.randrange(4)
        refills = self.workers[slot][0]
        touching = self.known.setdefault((refills.holder_id, str(who)), Touching(touched))
        met: dict[BalanceKey, int] = {}
        try:
            while True:
                try:
                    now_us = self.clock.now_us()
                    found = refills.purse.hold_again(touching, likely, bound, now_us)
                    holding = found or await refills.take(touching, likely, bound, now_us, met)
                    break
                except MarkReached as reached:
                    if reached.claim.budget.budget_id == "bg_shut" or chance.random() < 0.3:
                        self.note(f"{number} stopped at {reached.percent}")
                        return
                    met[reached.claim.key] = reached.percent
        except (BudgetExhausted, BudgetsUnavailable) as error:
            self.refused += isinstance(error, BudgetExhausted)
            self.unavailable += isinstance(error, BudgetsUnavailable)
            self.note(f"{number} {error.code}")
            return
        except asyncio.CancelledError:
            return  # its worker died while it waited
        self.note(f"{number} held {bound}")
        await asyncio.sleep(chance.expovariate(1 / chance.choice([1, 20, 200])))
        self.settle(number, slot, refills, holding, cost, bound)

    def settle(self, number: int, slot: int, refills: Refills, holding: Holding, cost: int, bound: int) -> None:
        if self.workers[slot][0] is not refills:
            self.lost += bound
            self.note(f"{number} died with its worker")
            return
        refills.purse.settle(holding, cost)
        self.settled += cost
        self.note(f"{number} settled {cost}")

    async def trouble(self) -> None:
        for _ in range(self.chance.randint(0, 5)):
            await asyncio.sleep(self.chance.expovariate(1 / 400))
            if self.chance.random() < 0.3:
                self.outage_until = self.clock.now_us() + self.chance.randint(1, 90) * 10**6
                self.note("store out")
                continue
            slot = self.chance.randrange(4)
            refills, task = self.workers[slot]
            task.cancel()
            refills.purse.counters.close(remove=False)  # as kill -9 does it: the lock is gone, the counters stay
            self.workers[slot] = self.start_worker(slot)
            self.note(f"worker {slot} killed")
            await asyncio.gather(task, return_exceptions=True)
            for waiter in refills._waiting:  # its clients hear no more of it
                waiter.done.cancel()

    def note(self, what: str) -> None:
        self.log.append(f"{self.clock.passed_us} {what}")
        self.check()

    def check(self) -> None:
        """Nothing is spent and leased above a limit, as the store itself has it."""
        with self.store.reading() as connection:
            rows = connection.execute(select(BUDGET_BALANCES)).all()
        sums: defaultdict[tuple[str, ...], int] = defaultdict(int)
        for row in rows:
            window = "" if row.budget_id == "bg_slots" else row.window_key
            if row.budget_id == "bg_slots" and row.end_us <= self.clock.now_us() - 3_600 * 10**6:
                continue
            sums[row.budget_id, row.value, row.account, window] += row.posted + row.leased
            is_guess = row.budget_id == "bg_likely" and row.account == Account.LIKELY
            assert is_guess or row.overrun == 0
        for (budget_id, _, account, _), total in sums.items():
            if budget_id == "bg_likely" and account == Account.LIKELY:
                continue  # what is likely may be less than what it was; the bound below is the promise
            if budget_id == "bg_shut":
                assert total <= LIMITS[budget_id] * NEVER_MET // 100
            if budget_id == "bg_marked":
                assert total <= LIMITS[budget_id] * 95 // 100
            assert total <= LIMITS[budget_id] + (OVERSHOOT if account == Account.BOUND else 0)


def play(seed: int) -> BudgetWorld:
    with TemporaryDirectory() as directory:
        world = BudgetWorld(seed, Path(directory))
        try:
            run_jumping(world.run(), world.clock)
            world.check()
            with world.store.reading() as connection:
                assert connection.execute(select(BUDGET_LEASES)).all() == []
                rows = connection.execute(select(BUDGET_BALANCES).where(BUDGET_BALANCES.c.budget_id == "bg_all")).all()
            assert [row.leased for row in rows] in ([], [0])
            posted = sum(row.posted for row in rows)
            assert world.settled <= posted == world.settled + sum(row.assumed for row in rows)
            assert sum(row.assumed for row in rows) >= world.lost
        finally:
            world.store.engine.dispose()
        return world


@pytest.mark.parametrize("seed", SEEDS)
def test_no_seed_overspends_or_leaves_a_hold_open(seed: int) -> None:
    play(seed)


def test_a_seed_has_one_history() -> None:
    assert play(7).log == play(7).log


def _json(budget: Budget) -> str:
    return msgspec.json.encode(budget).decode()
