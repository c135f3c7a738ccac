"""An answer is kept for what was sent: not that of a fallback, of a cheaper model, or one that a budget cut short."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.system.test_routes import routed_world
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world

from bursar.budgets.budget import Budget, Mode
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.budgets.thresholds import parse_threshold
from bursar.domain.caching import CacheTerms, ExactCaching
from bursar.simulate.launch import provider_thread
from bursar.simulate.provider import Options

pytestmark = pytest.mark.slow

DEAR, CHEAP = "gpt-4o", "gpt-4o-mini"


def chat(words: str, feature: str = "", sim: dict[str, Any] | None = None, **body: Any) -> bytes:
    asked = {"model": DEAR, "messages": [{"role": "user", "content": words}], **body}
    told = {"authorization": "Bearer sk-client", "content-type": "application/json", "connection": "close"}
    if feature:
        told["x-bursar-tags"] = f"feature={feature}"
    if sim:
        told["x-sim"] = json.dumps(sim)
    return request_bytes("/v1/chat/completions", json.dumps(asked).encode(), told)


def send(world: World, request: bytes) -> Answer:
    return asyncio.run(exchange(world.port, request))  # it is kept before its caller has the end of it


def cached(world: World, terms: CacheTerms) -> None:
    controls = world.site.controls()
    controls.caches.create("all", terms, is_on=True, actor="test")
    controls.publish()
    world.until_known()


def model_of(answer: Answer) -> str:
    return str(json.loads(answer.body)["model"]).rpartition("-20")[0] or str(json.loads(answer.body)["model"])


def budgeted(world: World, mode: Mode, limit_pico: int, *thresholds: str) -> None:
    """A budget for the calls of one feature. Cache keys say nothing of features: all of a key's share answers."""
    budgets = world.site.budgets()
    budgets.create(
        Budget(
            budget_id="",
            name="small",
            limit=LimitPlan(limit_pico),
            window=Schedule(parse_spec("lifetime")),
            match={"feature": "small"},
            mode=mode,
            thresholds=tuple(parse_threshold(text) for text in thresholds),
        ),
        actor="test",
    )
    world.site.publish_budgets(budgets)
    world.until_known()


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_the_answer_of_a_fallback_is_not_kept_as_that_of_the_first_choice(tmp_path: Path, stream: bool):
    """Both have an upstream of their own, so that the second call finds the first choice where the first one did."""
    with provider_thread(Options(faults={"500": 1.0})) as faulty, provider_thread() as healthy:
        targets = [{"upstream": "faulty"}, {"upstream": "healthy", "model": CHEAP}]
        upstreams = {"faulty": faulty, "healthy": healthy}
        with routed_world(tmp_path / "data", upstreams, targets=targets, strategy="ordered") as world:
            cached(world, CacheTerms(exact=ExactCaching()))
            said = [send(world, chat("Hi", stream=stream)).headers["x-bursar-cache"] for _ in range(2)]
            assert said[0] == "miss"
            assert len(healthy.log()) == 2, said


def test_a_cheaper_models_answer_past_a_threshold_is_not_kept_as_the_dear_ones(tmp_path: Path):
    with gateway_world(tmp_path / "data", workers=1) as world:
        cached(world, CacheTerms(exact=ExactCaching()))
        budgeted(world, "strict", 10**12, f"1:route={CHEAP}")
        routed = send(world, chat("Hi", "small", max_tokens=1_500))
        assert (routed.status, routed.headers.get("x-bursar-model-forced")) == (200, CHEAP)
        after = send(world, chat("Hi", "other", max_tokens=1_500))
        assert (model_of(routed), model_of(after)) == (CHEAP, DEAR)
        assert after.headers["x-bursar-cache"] == "miss"
        again = send(world, chat("Hi", "other", max_tokens=1_500))
        assert (model_of(again), again.headers["x-bursar-cache"]) == (DEAR, "exact")


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_an_answer_that_a_budget_cut_short_is_not_kept_for_those_who_may_have_all_of_it(tmp_path: Path, stream: bool):
    sim = {"output": 400}
    with gateway_world(tmp_path / "data", workers=1) as world:
        cached(world, CacheTerms(exact=ExactCaching()))
        budgeted(world, "clamp", 10**9, "100")
        cut = send(world, chat("Hi", "small", sim, max_tokens=500, stream=stream))
        assert int(cut.headers["x-bursar-max-tokens"]) < 400
        assert b'"length"' in cut.body
        whole = send(world, chat("Hi", "other", sim, max_tokens=500, stream=stream))
        assert (b'"length"' in whole.body, whole.headers["x-bursar-cache"]) == (False, "miss")
        again = send(world, chat("Hi", "small", sim, max_tokens=500, stream=stream))
        assert (again.body, again.headers["x-bursar-cache"]) == (whole.body, "exact")
