"""Shadows through a real worker: the client's call is what it was, the candidate's is booked beside it and compared."""

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests import world as worlds
from tests.world import World, gateway_world, kill9

from bursar.budgets.budget import Budget
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.config import Upstream
from bursar.domain.money import usd_from_pico
from bursar.domain.routes import RECEIPTS, RouteRule, Shadow, Target
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.ledger.verify import verify
from bursar.simulate.launch import provider_thread
from bursar.simulate.provider import Options

pytestmark = pytest.mark.slow

QUESTION: list[Any] = [{"role": "user", "content": "Weather in Pune?"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]
SHOWN = Target("openai", "gpt-4o-mini")
CANDIDATES = {
    "alike": Target("openai", "gpt-4o"),
    "translated": Target("anthropic", "claude-haiku-4-5"),
    "slow": Target("slow", "gpt-4o"),
    "broken": Target("broken", "gpt-4o"),
    "same": SHOWN,
    "poor": Target("openai", "gpt-4.1"),
}
EACH: Any = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    plain = worlds.make_config
    with (
        provider_thread(Options(delay_ms=2_500)) as slow,
        provider_thread(Options(faults={"500": 1.0})) as broken,
        pytest.MonkeyPatch.context() as patch,
    ):

        def with_routes(*arguments: Any, **settings: Any) -> Any:
            config = plain(*arguments, **settings)
            for name, running in {"slow": slow, "broken": broken}.items():
                config.upstreams[name] = Upstream(running.url, provider="openai", api_key_env="SIM_OPENAI_KEY")
            config.routes = [
                RouteRule(name=name, match={"feature": name}, targets=(SHOWN,), shadow=Shadow("try", place, 100.0))
                for name, place in CANDIDATES.items()
            ]
            return config

        patch.setattr(worlds, "make_config", with_routes)
        with gateway_world(tmp_path_factory.mktemp("shadows") / "data") as world:
            yield world


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[openai.OpenAI]:
    keys = world.site.keys()
    made = keys.create("shown", Scope("default"), Attribution(team="core"), actor="test")
    world.site.publish(keys)
    world.until_known()
    with openai.OpenAI(base_url=f"{world.url}/v1", api_key=made.text, max_retries=0) as client:
        yield client


def tags(feature: str, session: str) -> dict[str, str]:
    return {"x-sim": json.dumps({"label": session}), "x-bursar-tags": f"feature={feature},session={session}"}


def ask(client: openai.OpenAI, feature: str, session: str, *, stream: bool = False, **more: Any) -> None:
    given: dict[str, Any] = {"model": "gpt-4o-mini", "messages": QUESTION, "max_tokens": 40, **more}
    answer = client.chat.completions.create(**given, stream=stream, extra_headers=tags(feature, session))
    if stream:
        assert [chunk.choices[0].finish_reason for chunk in answer if chunk.choices][-1]
    else:
        assert answer.choices[0].finish_reason


def counted(world: World, reason: str = "") -> int:
    """Shadows that were dropped for a reason; without one, those that were sent."""
    with urllib.request.urlopen(f"{world.url}/metrics") as page:
        lines = page.read().decode().splitlines()
    wanted = ("bursar_shadows_dropped_total{", f'reason="{reason}"') if reason else ("bursar_shadows_sent_total{", "")
    return sum(int(line.split()[-1]) for line in lines if line.startswith(wanted[0]) and wanted[1] in line)


def until_counted(world: World, reason: str, wanted: int) -> None:
    deadline = time.monotonic() + 40
    while counted(world, reason) < wanted:
        assert time.monotonic() < deadline, (reason, world.logs())
        time.sleep(0.1)


def rows_of(world: World, session: str, wanted: int) -> list[dict[str, Any]]:
    """Its charges, the client's first, when there are so many."""
    deadline = time.monotonic() + 40
    while True:
        world.settle_down()
        world.load()
        rows = world.rows(
            "SELECT charges.*, c.agreement, c.words, c.finish, c.tool_calls FROM charges "
            "LEFT JOIN comparisons AS c USING (call_id) WHERE session = $session ORDER BY received_at",
            session=session,
        )
        if len(rows) == wanted and (
            wanted < 2 or rows[1]["outcome"] not in ("ok", "truncated") or rows[1]["agreement"] is not None
        ):
            return rows
        assert time.monotonic() < deadline, rows
        time.sleep(0.05)


@EACH
@pytest.mark.parametrize("tools", [False, True], ids=["text", "tools"])
@pytest.mark.parametrize("candidate", ["alike", "translated"])
def test_a_shadow_is_a_call_of_its_own_that_says_how_far_it_agrees(world, client, candidate, tools, stream):
    session = f"{candidate}-{tools}-{stream}"
    ask(client, candidate, session, stream=stream, **({"tools": TOOLS} if tools else {}))
    shown, shadow = rows_of(world, session, 2)
    place = CANDIDATES[candidate]
    assert (shown["traffic"], shown["model_sent"], shown["is_whole_call"]) == ("live", "gpt-4o-mini", True)
    assert (shadow["traffic"], shadow["upstream"], shadow["model_sent"]) == ("shadow", place.upstream, place.model)
    assert (shadow["lever"], shadow["counterfactual_cost"]) == ("routing", 0)
    assert (shadow["team"], shadow["feature"], shadow["request_fingerprint"]) == ("core", candidate, "")
    receipt = RECEIPTS.decode(shadow["routing"])
    assert (receipt.route, receipt.arm, receipt.shadow_of) == (candidate, "shadow", str(shown["call_id"]))
    billed = sum(entry.cost_pico or 0 for entry in world.sim_log(session))
    assert shown["list_cost"] + shadow["list_cost"] == usd_from_pico(billed)
    assert 0 < shown["list_cost"] != shadow["list_cost"] > 0
    assert shadow["quality"] == "reported"
    assert 0 <= shadow["agreement"] <= 1
    assert (shadow["tool_calls"] is True) == tools
    calls = world.rows("SELECT traffic, attempts FROM calls WHERE session = $session", session=session)
    assert sorted((call["traffic"], call["attempts"]) for call in calls) == [("live", 1), ("shadow", 1)]


def test_a_request_that_its_provider_would_keep_by_default_asks_for_its_shadow_not_to_be_kept(world, client):
    answer = client.responses.create(
        model="gpt-4o-mini", input="Weather in Pune?", extra_headers=tags("alike", "responses")
    )
    assert answer.status == "completed"
    shown, shadow = rows_of(world, "responses", 2)
    assert (shown["dialect"], shadow["dialect"]) == ("openai-responses", "openai-responses")
    assert shadow["request_bytes"] - shown["request_bytes"] == len('"store":false,')
    assert shadow["agreement"] is not None


def test_a_slow_candidate_delays_nobody_and_a_broken_one_fails_nobody(world, client):
    for number in range(5):  # a machine that is busy with other things may need longer than the candidate
        session, started = f"slow-{number}", time.monotonic()
        ask(client, "slow", session)
        if (took_s := time.monotonic() - started) < 2:
            break
    assert took_s < 2
    ask(client, "broken", "broken")
    shown, shadow = rows_of(world, "broken", 2)
    assert shown["outcome"] in ("ok", "truncated")
    assert (shadow["outcome"], shadow["http_status"]) == ("provider_error", 500)
    assert shadow["list_cost"] == 0
    assert shadow["agreement"] is None
    shown, shadow = rows_of(world, session, 2)
    assert shadow["duration_ms"] >= 2_500 > shown["duration_ms"]


def test_what_a_provider_would_keep_has_no_shadow_and_neither_has_the_same_place(world, client):
    ask(client, "alike", "kept", store=True)
    until_counted(world, "stateful", 1)
    ask(client, "same", "same")
    until_counted(world, "same", 1)
    assert [len(rows_of(world, session, 1)) for session in ("kept", "same")] == [1, 1]


def test_what_a_budget_would_refuse_is_not_sent_and_what_is_sent_is_held(world, client):
    budgets = world.site.budgets()
    window = Schedule(parse_spec("lifetime"))
    poor = Budget(budget_id="", name="poor", match={"model": "gpt-4.1"}, limit=LimitPlan(1_000), window=window)
    rich = Budget(budget_id="", name="rich", match={"model": "gpt-4o"}, limit=LimitPlan(10**13), window=window)
    for one in (poor, rich):
        budgets.create(one, actor="test")
    world.site.publish_budgets(budgets)
    world.until_known()
    ask(client, "poor", "poor")
    until_counted(world, "budget_exhausted", 1)
    assert len(rows_of(world, "poor", 1)) == 1
    ask(client, "alike", "held")
    _, shadow = rows_of(world, "held", 2)
    assert shadow["bound_cost"] > shadow["list_cost"] > 0


def test_a_shadow_under_way_when_its_worker_dies_is_in_the_books_at_its_bound(world, client):
    before = counted(world)
    ask(client, "slow", "killed")
    until_counted(world, "", before + 1)
    kill9([process.pid for process in world.processes])
    for process in world.processes:
        process.wait()
    world.load()
    shown, shadow = world.rows("SELECT * FROM charges WHERE session = 'killed' ORDER BY received_at")
    assert (shown["traffic"], shown["quality"]) == ("live", "reported")
    assert (shadow["traffic"], shadow["quality"], shadow["error_code"]) == ("shadow", "assumed", "worker_lost")
    assert shadow["list_cost"] == shadow["bound_cost"] > 0


def test_the_books_hold_with_shadows_in_them(world):
    assert [one for one in verify(world.load(), world.site.paths.spool) if not one.ok] == []
