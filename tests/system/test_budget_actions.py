"""Thresholds that act, with two workers and a provider: nothing is spent past a mark without its action."""

import asyncio
import json
import random
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.system.test_budget_race import CALL_PICO, billed, request, standing, until_nothing_is_held
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world

from bursar.budgets.budget import Budget
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.budgets.thresholds import parse_threshold

pytestmark = pytest.mark.slow

LIMIT = 40 * CALL_PICO


def make_budget(world: World, *thresholds: str, limit_pico: int = LIMIT) -> Budget:
    budgets = world.site.budgets()
    made = budgets.create(
        Budget(
            budget_id="",
            name="acts",
            limit=LimitPlan(limit_pico),
            window=Schedule(parse_spec("lifetime")),
            thresholds=tuple(parse_threshold(text) for text in thresholds),
            contact="finance@acme.test",
        ),
        actor="test",
    )
    world.site.publish_budgets(budgets)
    world.until_known()
    return made


# A crowd on a model that never billed holds the margin of first calls several times at once, and is then told that the
# limit is full before the mark is reached: these tests are about the mark, so their worlds have no such margin.
def world_of_marks(data: Path) -> AbstractContextManager[World]:
    return gateway_world(data, workers=2, hidden_input_tokens_first=0)


async def crowd(world: World, calls: int) -> list[Answer]:
    """So many calls, twenty at a time, over both workers."""
    chance, gate = random.Random(calls), asyncio.Semaphore(20)

    async def one() -> Answer:
        async with gate:
            return await exchange(world.port, request(chance, output=1_000), timeout_s=60)

    return list(await asyncio.gather(*(one() for _ in range(calls))))


def codes(answers: list[Answer]) -> set[str]:
    return {json.loads(answer.body)["error"]["code"] for answer in answers if answer.status >= 400}


@pytest.mark.timeout(300)
def test_nothing_is_spent_past_the_mark_until_a_person_approves(tmp_path: Path) -> None:
    with world_of_marks(tmp_path / "data") as world:
        budget = make_budget(world, "50:approve")
        first = asyncio.run(crowd(world, 80))
        assert codes(first) == {"budget_approval_required"}
        refused = next(answer for answer in first if answer.status != 200)
        assert (refused.status, refused.headers["x-should-retry"]) == (402, "false")
        assert f"bursar budgets approve {budget.budget_id}" in json.loads(refused.body)["error"]["message"]
        now = until_nothing_is_held(world, budget)
        assert LIMIT * 45 // 100 <= now.posted == billed(world) <= LIMIT // 2
        budgets = world.site.budgets()
        budgets.approve(budget.budget_id, reason="launch", actor="test")
        world.site.publish_budgets(budgets)
        world.until_known()
        assert asyncio.run(exchange(world.port, request(random.Random(1), output=1_000))).status == 200
        assert codes(asyncio.run(crowd(world, 80))) == {"budget_exhausted"}
        now = until_nothing_is_held(world, budget)
        assert LIMIT // 2 < now.posted == billed(world) <= LIMIT


@pytest.mark.timeout(300)
def test_a_block_below_the_limit_is_a_limit(tmp_path: Path) -> None:
    with world_of_marks(tmp_path / "data") as world:
        budget = make_budget(world, "50:block")
        answers = asyncio.run(crowd(world, 60))
        assert codes(answers) == {"budget_exhausted"}
        told = [json.loads(answer.body)["error"]["message"] for answer in answers if answer.status == 402]
        assert all("it blocks from 50 % of its limit on" in one for one in told)
        now = until_nothing_is_held(world, budget)
        assert LIMIT * 45 // 100 <= now.posted == billed(world) <= LIMIT // 2


@pytest.mark.timeout(300)
def test_past_a_throttle_calls_go_on_at_its_pace(tmp_path: Path) -> None:
    with world_of_marks(tmp_path / "data") as world:
        budget = make_budget(world, "50:throttle=4")
        answers = asyncio.run(crowd(world, 80))
        assert codes(answers) == {"budget_throttled"}
        paced = [answer for answer in answers if answer.status == 200 and "x-bursar-budget-action" in answer.headers]
        assert 1 <= len(paced) <= 8  # four a minute, and the crowd may take more than one
        assert paced[0].headers["x-bursar-budget-action"] == f"{budget.budget_id} 50:throttle=4"
        refused = next(answer for answer in answers if answer.status == 429)
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.headers["x-should-retry"] == "true"
        now = until_nothing_is_held(world, budget)
        assert now.posted == billed(world) <= LIMIT // 2 + len(paced) * CALL_PICO


@pytest.mark.timeout(300)
def test_past_a_route_the_cheaper_model_answers_and_the_limit_holds(tmp_path: Path) -> None:
    body = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "tea " * 10}],
        "max_completion_tokens": 1_000,
        "stream": True,
    }
    headers = {"content-type": "application/json", "authorization": "Bearer sk-client"}
    sent = request_bytes(
        "/v1/chat/completions", json.dumps(body).encode(), headers | {"x-sim": '{"output": 1000, "input": 20}'}
    )
    with world_of_marks(tmp_path / "data") as world:
        budget = make_budget(world, "50:route=mistral-small-latest,gpt-4o-mini", limit_pico=160 * CALL_PICO)
        answers = [asyncio.run(exchange(world.port, sent)) for _ in range(16)]
        assert [answer.status for answer in answers] == [200] * 16
        models = [answer.headers.get("x-bursar-model-forced", "gpt-4o") for answer in answers]
        assert set(models) == {"gpt-4o", "gpt-4o-mini"}
        assert models[-1] == "gpt-4o-mini"
        routed = next(answer for answer in answers if "x-bursar-model-forced" in answer.headers)
        assert routed.headers["x-bursar-budget-action"].startswith(f"{budget.budget_id} 50:route=")
        world.stop()  # who stops gives back what is free; who goes on, after ten seconds
        now = standing(world, budget)
        assert now.held == now.free == 0
        assert now.posted == billed(world) <= 160 * CALL_PICO
        world.load()
        asked = world.rows("SELECT DISTINCT model_asked FROM charges")
        assert [row["model_asked"] for row in asked] == ["gpt-4o"]  # what was asked stays in the books
