"""A budget for fifty calls and four times as many clients: no more than the limit is ever spent, and nearly all of it.

The seeds and workers are few here; `BURSAR_RACE_SEEDS=200 BURSAR_RACE_WORKERS=8` for many. A failure names the seed.
"""

import asyncio
import json
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.postgres import postgresql
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world, kill9

from bursar.budgets.authority import Authority
from bursar.budgets.budget import Budget, Mode
from bursar.budgets.lease import Standing
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.budgets.standings import standings
from bursar.domain.clock import SystemClock
from bursar.simulate.launch import provider_thread
from bursar.simulate.provider import Options

pytestmark = pytest.mark.slow

SEEDS = range(min(int(os.environ.get("BURSAR_RACE_SEEDS", "1")), 20))  # each starts an installation of its own
NODE_SEEDS = range(int(os.environ.get("BURSAR_RACE_SEEDS", "2")))
CLIENTS = int(os.environ.get("BURSAR_RACE_CLIENTS", "200"))
WORKERS = int(os.environ.get("BURSAR_RACE_WORKERS", "2"))  # of each node
OUTPUT_MAX = 1_000
CALL_PICO = 630_000_000  # a call's bound here: some 200 bytes in, 1,000 tokens out of gpt-4o-mini
LIMIT = 50 * CALL_PICO
LONG_LIMIT = 300 * CALL_PICO  # enough that kills fall among calls


def make_budget(
    world: World,
    *,
    name: str = "race",
    limit_pico: int = LIMIT,
    mode: Mode = "strict",
    each: str = "",
    match: dict[str, str] | None = None,
) -> Budget:
    budgets = world.site.budgets()
    made = budgets.create(
        Budget(
            budget_id="",
            name=name,
            limit=LimitPlan(limit_pico),
            window=Schedule(parse_spec("lifetime")),
            mode=mode,
            each=each,
            match=match or {},
            contact="finance@acme.test",
        ),
        actor="test",
    )
    world.site.publish_budgets(budgets)
    world.until_known()
    return made


def standing(world: World, budget: Budget) -> Standing:
    store = world.site.budgets().store
    with store.reading() as connection:
        return standings(Authority(store.deciding, store.reading), connection, budget, SystemClock().now_us())[0]


def until_posted(world: World, budget: Budget, at_least: int) -> Standing:
    """The budget's standing once workers have said that so much was spent: they report their leases now and then."""
    world.until(lambda: standing(world, budget).posted >= at_least)
    return standing(world, budget)


@dataclass
class Race:
    """What came back, and how much the provider billed whenever somebody looked."""

    label: str = ""
    answers: list[Answer] = field(default_factory=list)
    aborted: int = 0

    def count(self, status: int) -> int:
        return sum(answer.status == status for answer in self.answers)


def request(chance: random.Random, *, label: str = "", output: int | None = None, customer: str = "") -> bytes:
    body = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "tea " * chance.randint(1, 20)}],
        "max_completion_tokens": OUTPUT_MAX,
        "stream": chance.random() < 0.5,
    }
    control = {
        "label": label,
        "output": output or chance.randint(1, OUTPUT_MAX),
        "input": 20,
        "delay_ms": chance.choice([0, 0, 30]),
    }
    headers = {
        "content-type": "application/json",
        "authorization": "Bearer sk-client",
        "x-sim": json.dumps(control),
        "x-bursar-tags": f"customer={customer}" if customer else f"feature={label or 'race'}",
    }
    return request_bytes("/v1/chat/completions", json.dumps(body).encode(), headers)


async def client(world: World, race: Race, seed: str, *, aborts: bool, refusals_max: int = 3) -> None:
    """Calls until it was refused a few times in a row."""
    chance = random.Random(seed)
    refused = 0
    while refused < refusals_max:
        leave = 0 if aborts and chance.random() < 0.1 else None
        try:
            answer = await exchange(
                world.port, request(chance, label=race.label), leave_after_bytes=leave, timeout_s=30
            )
        except (OSError, TimeoutError):
            answer = Answer()
        race.answers.append(answer)
        refused = refused + 1 if answer.status >= 400 else 0
        if answer.status == 0:
            race.aborted += 1
            await asyncio.sleep(0.05)


async def run(world: World, race: Race, seed: int, *, aborts: bool, kills: int, clients: int = CLIENTS) -> None:
    chance = random.Random(seed)
    calling = asyncio.gather(*(client(world, race, f"{seed}/{number}", aborts=aborts) for number in range(clients)))
    for _ in range(kills):
        await asyncio.sleep(chance.uniform(0.1, 0.4))
        victim = chance.randrange(len(world.processes))
        kill9([world.processes[victim].pid])
        world.processes[victim].wait()
        world.processes[victim] = world.start_worker(victim)
        world.processes.pop()
    await calling


def until_nothing_is_held(world: World, budget: Budget) -> Standing:
    """Workers bring back what they don't use: at once when others ask for it, otherwise after ten seconds."""
    deadline = time.monotonic() + 60
    while (now := standing(world, budget)).held or now.free:
        assert time.monotonic() < deadline, (now, world.logs())
        time.sleep(0.1)
    return now


def billed(world: World, label: str | None = None) -> int:
    return sum(entry.cost_pico or 0 for entry in world.sim_log(label) if entry.billed)


def in_the_books(world: World, feature: str = "race") -> int:
    """What the ledger says that all of it cost: settled, or assumed at its bound where a worker died."""
    world.load()
    (row,) = world.rows(
        "SELECT CAST(SUM(list_cost) * 1000000000000 AS HUGEINT) AS pico FROM charges WHERE feature = $feature",
        feature=feature,
    )
    return int(row["pico"] or 0)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
def test_two_hundred_clients_spend_the_whole_budget_and_not_a_pico_more(tmp_path: Path, seed: int) -> None:
    with gateway_world(tmp_path / "data", workers=WORKERS, options=Options(seed=seed)) as world:
        budget = make_budget(world)
        race = Race()
        asyncio.run(run(world, race, seed, aborts=False, kills=0))
        assert race.count(200) + race.count(402) == len(race.answers)
        chance = random.Random(seed)  # what the last calls left of their holds can be spent by whoever comes next
        while asyncio.run(exchange(world.port, request(chance))).status == 200:
            pass
        now = until_nothing_is_held(world, budget)
        assert now.posted == billed(world) == in_the_books(world) <= LIMIT
        assert now.posted >= LIMIT * 97 // 100
        assert now.overrun == now.assumed == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
def test_aborts_and_kills_overspend_nothing_and_leave_no_hold_open(tmp_path: Path, seed: int) -> None:
    with gateway_world(tmp_path / "data", workers=WORKERS, options=Options(seed=seed)) as world:
        budget = make_budget(world, limit_pico=LONG_LIMIT)
        race = Race()
        asyncio.run(run(world, race, seed, aborts=True, kills=3))
        now = until_nothing_is_held(world, budget)
        assert billed(world) <= now.posted <= LONG_LIMIT
        assert in_the_books(world) <= now.posted  # held and killed before it was sent: assumed, and not in the books
        assert now.overrun == 0


@pytest.mark.timeout(120 + 60 * len(NODE_SEEDS))
def test_two_nodes_on_one_postgresql_share_each_budget_as_if_they_were_one(tmp_path: Path) -> None:
    """One installation, and a budget for fifty calls for each seed: aborts, and on each node a worker is killed."""
    with (
        postgresql() as control,
        provider_thread(Options(seed=1)) as simulator,
        gateway_world(tmp_path / "one", workers=WORKERS, simulator=simulator, control=control) as one,
        gateway_world(tmp_path / "two", workers=WORKERS, simulator=simulator, control=control) as two,
    ):
        for seed in NODE_SEEDS:
            label = f"seed-{seed}"
            budget = make_budget(one, name=label, match={"feature": label})
            two.site.publish_budgets()
            two.until_known()
            race = Race(label)

            async def both(race: Race, seed: int) -> None:
                await asyncio.gather(
                    run(one, race, seed, clients=CLIENTS // 2, aborts=True, kills=1),
                    run(two, race, seed + 1_000, clients=CLIENTS // 2, aborts=True, kills=1),
                )

            asyncio.run(both(race, seed))
            until_nothing_is_held(one, budget)
            for node in (one, two):  # what the last calls left of their holds can be spent by whoever comes next
                while asyncio.run(exchange(node.port, request(random.Random(seed), label=label))).status == 200:
                    pass
            now = until_nothing_is_held(one, budget)
            assert LIMIT * 97 // 100 <= now.posted <= LIMIT, f"seed {seed}: {now}"
            assert billed(one, label) <= now.posted
            assert in_the_books(one, label) + in_the_books(two, label) <= now.posted, f"seed {seed}"
            assert now.overrun == 0
            assert race.count(503) == 0, f"seed {seed}: {one.logs()}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One installation for what takes a call or two."""
    with gateway_world(tmp_path_factory.mktemp("race") / "data", output_tokens_default=300) as world:
        yield world


@pytest.fixture
def world(running: World) -> Iterator[World]:
    """Without the budgets of the tests before."""
    yield running
    budgets = running.site.budgets()
    for budget in budgets.all():
        budgets.remove(budget.budget_id, actor="test")
    running.site.publish_budgets(budgets)
    running.until_known()


def test_a_refusal_says_all_that_one_needs_to_know_in_the_dialects_own_words(world: World) -> None:
    make_budget(world, limit_pico=CALL_PICO * 3 // 2)
    chance = random.Random(1)
    first = asyncio.run(exchange(world.port, request(chance, output=1_000)))
    refused = asyncio.run(exchange(world.port, request(chance)))
    assert (first.status, refused.status) == (200, 402)
    assert refused.headers["x-should-retry"] == "false"
    assert int(refused.headers["retry-after"]) > 0
    error = json.loads(refused.body)["error"]
    assert error["code"] == "budget_exhausted"
    for word in ("'race'", "left of $0.000945", "$0.000603 spent", "$0 held", "never resets", "finance@acme.test"):
        assert word in error["message"], error["message"]


def test_calls_one_after_the_other_are_never_refused_while_the_budget_pays_them(tmp_path: Path) -> None:
    with gateway_world(tmp_path / "data", workers=2) as world:
        make_budget(world, limit_pico=CALL_PICO * 2)
        chance = random.Random(2)
        statuses = [asyncio.run(exchange(world.port, request(chance, output=20))).status for _ in range(30)]
        assert statuses == [200] * 30


def test_each_customer_has_the_limit_for_itself_from_its_first_concurrent_calls_on(tmp_path: Path) -> None:
    async def all_at_once(world: World) -> dict[str, list[int]]:
        chance = random.Random(3)
        names = ["acme", "globex"] * 20
        answers = await asyncio.gather(
            *(exchange(world.port, request(chance, output=1_000, customer=name)) for name in names)
        )
        found: dict[str, list[int]] = {}
        for name, answer in zip(names, answers, strict=True):
            found.setdefault(name, []).append(answer.status)
        return found

    with gateway_world(tmp_path / "data", workers=2) as world:
        make_budget(world, limit_pico=CALL_PICO * 5, each="customer")
        for statuses in asyncio.run(all_at_once(world)).values():
            assert statuses.count(200) == 5
            assert statuses.count(402) == 15


def test_a_model_without_a_price_is_refused_with_the_command_that_prices_it(world: World) -> None:
    body = json.dumps({"model": "house-model-9", "messages": [{"role": "user", "content": "hello"}]}).encode()
    headers = {"content-type": "application/json", "authorization": "Bearer sk-client"}
    make_budget(world)
    seen = len(world.sim_log())
    answer = asyncio.run(exchange(world.port, request_bytes("/v1/chat/completions", body, headers)))
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"]) == (402, "budget_unpriced")
    assert "bursar prices set openai/house-model-9" in error["message"]
    assert len(world.sim_log()) == seen


def test_without_an_output_limit_the_sites_default_is_really_sent_and_said(world: World) -> None:
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}).encode()
    headers = {"content-type": "application/json", "authorization": "Bearer sk-client", "x-sim": '{"output": 5000}'}
    make_budget(world)
    answer = asyncio.run(exchange(world.port, request_bytes("/v1/chat/completions", body, headers)))
    assert answer.status == 200
    assert answer.headers["x-bursar-max-tokens"] == "300"


def test_a_clamped_call_gets_what_is_left(world: World) -> None:
    make_budget(world, limit_pico=CALL_PICO // 2, mode="clamp")
    answer = asyncio.run(exchange(world.port, request(random.Random(4), output=10)))
    assert answer.status == 200
    assert 300 < int(answer.headers["x-bursar-max-tokens"]) < 500


def test_a_dry_run_refuses_nothing_and_says_what_it_would_have(world: World) -> None:
    budget = make_budget(world, limit_pico=CALL_PICO * 3 // 2, mode="warn")
    chance = random.Random(5)
    answers = [asyncio.run(exchange(world.port, request(chance, output=1_000))) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert "x-bursar-budget-warning" not in answers[0].headers
    assert answers[2].headers["x-bursar-budget-warning"] == f"{budget.budget_id} would refuse"
