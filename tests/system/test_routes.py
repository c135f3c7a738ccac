"""Three upstreams under load, of which one or two are down, slow, half-broken or rate-limited: calls go on, each
attempt has its row, and the ledger says what the providers billed."""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests import world as worlds
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import BOOKS, World, free_port, make_config

from bursar.budgets.budget import Budget
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.cli.commands.calls import told_ways
from bursar.config import Upstream
from bursar.domain.money import usd_from_pico
from bursar.domain.routes import RECEIPTS, Experiment, RouteRule, Target
from bursar.explore.detail import CallDetail, call_detail
from bursar.simulate.launch import Running, provider_thread
from bursar.simulate.provider import Options
from bursar.site import Site
from bursar.spool.records import Dispatched

pytestmark = pytest.mark.slow

CALLS = int(os.environ.get("BURSAR_FAULT_CALLS", "300"))
AT_ONCE = 12


@contextlib.contextmanager
def routed_world(data: Path, upstreams: dict[str, Running], **rule: Any) -> Iterator[World]:
    """A gateway whose chat calls may go to any of these upstreams, all of provider openai."""
    site = Site(make_config(data, next(iter(upstreams.values())).url, connect_timeout_s=2.0))
    config = site.config
    for name, running in upstreams.items():
        config.upstreams[name] = Upstream(
            running.url, provider="openai", api_key_env="SIM_OPENAI_KEY", forward_headers=["x-sim"]
        )
    targets = tuple(Target(name) for name in upstreams)
    config.routes = [msgspec.convert({"name": "all", "targets": targets, **rule}, RouteRule)]
    site.prepare()
    BOOKS.put(site)
    site.ensure_snapshot()
    site.write_settings()
    world = World(site, next(iter(upstreams.values())))
    try:
        world.start_worker(0)
        world.wait_ready(f"{world.url}/readyz")
        yield world
    finally:
        world.stop()


def chat(number: int, *, stream: bool = False, path: str = "/v1/chat/completions") -> bytes:
    body = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": f"question {number} of a busy day"}],
        "max_tokens": 30,
        "stream": stream,
    }
    headers = {"content-type": "application/json", "authorization": "Bearer sk-client"}
    return request_bytes(path, json.dumps(body).encode(), headers)


def load(world: World, calls: int, first: int = 0) -> list[Answer]:
    async def all_of_them() -> list[Answer]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> Answer:
            async with gate:
                return await exchange(world.port, chat(number, stream=number % 2 == 1))

        return await asyncio.gather(*(one(first + number) for number in range(calls)))

    return asyncio.run(all_of_them())


def billed(*providers: Running) -> int:
    return sum(entry.cost_pico or 0 for running in providers for entry in running.log())


@pytest.mark.parametrize(
    ("faults", "rule"),
    [
        ({"500": 1.0}, {"strategy": "ordered"}),
        ({"429": 1.0}, {"strategy": "weighted"}),
        ({"529": 0.5}, {"strategy": "lowest-latency"}),
        ({"503": 0.6}, {"strategy": "sticky"}),
        ({"slow": 1.0}, {"strategy": "lowest-latency"}),
    ],
    ids=lambda value: next(iter(value.values())) if "strategy" in value else next(iter(value)),
)
def test_while_one_is_healthy_calls_go_on(tmp_path: Path, faults: dict[str, float], rule: dict[str, str]) -> None:
    """One dead, one as the case says, one healthy."""
    with provider_thread(Options(faults=faults, seed=7)) as faulty, provider_thread() as healthy:
        upstreams = {"dead": Running(free_port()), "faulty": faulty, "healthy": healthy}
        with routed_world(tmp_path / "data", upstreams, **rule) as world:
            answers = load(world, CALLS)
            assert [answer.status for answer in answers if answer.status != 200] == []
            assert all(answer.whole for answer in answers)
            world.settle_down()
            world.load()
            calls = world.rows("SELECT count(*) AS n, sum(list_cost) AS total, max(attempts) AS most FROM calls")[0]
            rows = world.rows("SELECT upstream, http_status, list_cost, outcome FROM charges")
        assert calls["n"] == CALLS
        assert calls["most"] <= 3
        assert calls["total"] == usd_from_pico(billed(faulty, healthy))
        seen = {name: sum(row["upstream"] == name for row in rows) for name in upstreams}
        assert seen["faulty"] == len(faulty.log())  # whatever reached a provider has its row
        assert seen["healthy"] == len(healthy.log())
        assert seen["dead"] < CALLS // 4  # the breaker kept it from most
        assert all(row["list_cost"] == 0 for row in rows if row["outcome"] == "provider_error")


def test_an_upstream_that_comes_back_is_used_again(tmp_path: Path) -> None:
    port = free_port()
    with (
        provider_thread() as healthy,
        routed_world(tmp_path / "data", {"first": Running(port), "second": healthy}) as world,
    ):
        assert {answer.status for answer in load(world, 60)} == {200}
        with worlds.provider_process(Options(), port) as back:
            deadline = time.monotonic() + 60
            number = 1_000
            while not back.log():
                assert time.monotonic() < deadline, "the breaker never closed"
                assert {answer.status for answer in load(world, 5, number)} == {200}
                number += 5
                time.sleep(0.2)
            before = len(back.log())
            assert {answer.status for answer in load(world, 40, 5_000)} == {200}
            assert len(back.log()) == before + 40


def test_a_time_out_is_not_repeated_unless_the_route_says_so_and_then_both_have_their_row(tmp_path: Path) -> None:
    with provider_thread(Options(delay_ms=8_000)) as slow, provider_thread() as healthy:
        for after_timeout, status in ((False, 504), (True, 200)):
            rule = {"first_byte_timeout_s": 2.0, "after_timeout": after_timeout}
            upstreams = {"slow": slow, "healthy": healthy}
            with routed_world(tmp_path / f"data-{after_timeout}", upstreams, **rule) as world:
                assert asyncio.run(exchange(world.port, chat(1))).status == status
                world.settle_down()
                world.load()
                rows = world.rows(
                    "SELECT upstream, outcome, quality, list_cost, retry_cause FROM charges ORDER BY attempt_number"
                )
            assert (rows[0]["upstream"], rows[0]["outcome"], rows[0]["quality"]) == ("slow", "timeout", "assumed")
            assert rows[0]["list_cost"] > 0
            if after_timeout:
                assert (rows[1]["upstream"], rows[1]["outcome"]) == ("healthy", "truncated")
                assert rows[1]["retry_cause"] == "upstream_timeout"
            else:
                assert len(rows) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_hedge_answers_for_a_slow_upstream_and_both_attempts_have_their_row(tmp_path: Path, stream: bool) -> None:
    with provider_thread(Options(delay_ms=8_000)) as slow, provider_thread() as healthy:
        upstreams = {"slow": slow, "healthy": healthy}
        with routed_world(tmp_path / "data", upstreams, hedge_after_ms=150) as world:
            started = time.monotonic()
            answer = asyncio.run(exchange(world.port, chat(1, stream=stream)))
            assert time.monotonic() - started < 6
            assert (answer.status, answer.whole) == (200, True)
            world.settle_down()
            world.load()
            rows = world.rows(
                "SELECT upstream, outcome, quality, list_cost, bound_cost, retry_cause, error_code, is_final "
                "FROM charges ORDER BY attempt_number"
            )
            (call,) = world.rows("SELECT attempts, list_cost FROM calls")
    lost, won = rows
    assert (lost["upstream"], lost["outcome"], lost["quality"]) == ("slow", "aborted", "assumed")
    assert (lost["error_code"], lost["list_cost"], lost["is_final"]) == ("hedge_lost", lost["bound_cost"], False)
    assert (won["upstream"], won["retry_cause"], won["quality"]) == ("healthy", "hedge", "reported")
    assert call == {"attempts": 2, "list_cost": lost["list_cost"] + won["list_cost"]}


def test_a_hedge_whose_second_fails_waits_for_the_first_and_a_fast_first_needs_none(tmp_path: Path) -> None:
    with provider_thread(Options(delay_ms=4_000)) as slow, provider_thread(Options(faults={"500": 1.0})) as broken:
        upstreams = {"slow": slow, "broken": broken}
        with routed_world(tmp_path / "data", upstreams, hedge_after_ms=100) as world:
            assert asyncio.run(exchange(world.port, chat(1))).status == 200
            world.settle_down()
            world.load()
            rows = world.rows("SELECT upstream, outcome, list_cost, is_final FROM charges ORDER BY attempt_number")
        assert [(row["upstream"], row["is_final"]) for row in rows] == [("slow", True), ("broken", False)]
        assert rows[1]["list_cost"] == 0
        assert rows[0]["list_cost"] == usd_from_pico(billed(slow))
        with (
            provider_thread() as quick,
            routed_world(tmp_path / "fast", {"quick": quick, "broken": broken}, hedge_after_ms=60_000) as world,
        ):
            assert asyncio.run(exchange(world.port, chat(2))).status == 200
            world.settle_down()
            world.load()
            assert len(world.rows("SELECT 1 FROM charges")) == 1


def test_a_route_of_the_control_store_is_in_force_without_a_restart(tmp_path: Path) -> None:
    with (
        provider_thread() as first,
        provider_thread() as second,
        routed_world(tmp_path / "data", {"first": first, "second": second}) as world,
    ):
        controls = world.site.controls()
        assert asyncio.run(exchange(world.port, chat(1))).status == 200
        assert (len(first.log()), len(second.log())) == (1, 0)
        trial = Experiment("first again", Target("first"), 50.0)
        controls.routes.set(RouteRule(name="mine", targets=(Target("second"),), experiment=trial), actor="test")
        controls.publish()
        world.until_known()
        answers = load(world, 40, 100)
        assert {answer.status for answer in answers} == {200}
        said = json.dumps({"call_id": answers[0].call_id, "score": 0.7}).encode()
        headers = {"content-type": "application/json", "authorization": "Bearer sk-client"}
        feedback = asyncio.run(exchange(world.port, request_bytes("/bursar/feedback", said, headers)))
        assert feedback.status == 202
        controls.routes.remove("mine", actor="test")
        controls.publish()
        world.until_known()
        assert asyncio.run(exchange(world.port, chat(3))).status == 200
        world.settle_down()
        world.load()
        arms = world.rows(
            "SELECT json_extract_string(routing, '$.arm') AS arm, upstream, count(*) AS calls FROM charges "
            "WHERE routing LIKE '%first again%' GROUP BY ALL ORDER BY arm"
        )
        assert [(row["arm"], row["upstream"]) for row in arms] == [("candidate", "first"), ("control", "second")]
        assert sum(row["calls"] for row in arms) == 40
        assert min(row["calls"] for row in arms) >= 8
        assert (len(first.log()), len(second.log())) == (2 + arms[0]["calls"], arms[1]["calls"])
        (kept,) = world.rows("SELECT call_id::VARCHAR AS call_id, score FROM feedback JOIN calls USING (call_id)")
        assert kept == {"call_id": answers[0].call_id, "score": 0.7}


def test_the_breaker_opens_within_two_seconds_and_no_call_fails(tmp_path: Path) -> None:
    upstreams = {"dead": Running(free_port())}
    with provider_thread() as healthy, routed_world(tmp_path / "data", upstreams | {"healthy": healthy}) as world:
        ends, number = time.monotonic() + 4, 0
        while time.monotonic() < ends:
            assert {answer.status for answer in load(world, 20, number)} == {200}
            number += 20
        world.settle_down()
        world.load()
        tried = world.rows("SELECT epoch_us(dispatched_at) AS us FROM charges WHERE upstream = 'dead' ORDER BY us")
    after_s = [(row["us"] - tried[0]["us"]) / 1e6 for row in tried]
    assert sum(one < 2 for one in after_s) <= 5 + AT_ONCE + 1, after_s  # five, those beside them, and a probe
    assert sum(one >= 2 for one in after_s) <= 2, after_s  # a probe each after one, two, four seconds


def test_a_named_upstream_is_not_routed_away_from(tmp_path: Path) -> None:
    with (
        provider_thread(Options(faults={"429": 1.0})) as limited,
        provider_thread() as healthy,
        routed_world(tmp_path / "data", {"limited": limited, "healthy": healthy}) as world,
    ):
        assert asyncio.run(exchange(world.port, chat(1))).status == 200
        named = chat(2, path="/limited/v1/chat/completions")
        assert asyncio.run(exchange(world.port, named)).status == 429


def dear_and_cheap() -> dict[str, Any]:
    """A cheap model at one upstream, then a dear one at the other."""
    return {"targets": (Target("limited", "gpt-4o-mini"), Target("healthy", "gpt-4o"))}


def test_a_receipt_says_who_could_have_taken_it_and_what_the_default_would_have_cost(tmp_path: Path) -> None:
    with (
        provider_thread(Options(faults={"429": 1.0})) as limited,
        provider_thread() as healthy,
        routed_world(tmp_path / "data", {"limited": limited, "healthy": healthy}, **dear_and_cheap()) as world,
    ):
        answer = asyncio.run(exchange(world.port, chat(1)))
        assert answer.status == 200
        world.settle_down()
        detail = call_detail_of(world, answer.call_id)
    first, second = detail.attempts
    receipt = RECEIPTS.decode(first.routing)
    assert [(one.upstream, one.model, one.why) for one in receipt.candidates] == [
        ("limited", "gpt-4o-mini", ""),
        ("healthy", "gpt-4o", ""),
    ]
    assert receipt.default is not None
    assert (receipt.default.upstream, receipt.default.model) == ("openai", "gpt-4o-mini")
    assert (first.list_cost, second.model_sent, second.retry_cause) == (0, "gpt-4o", "status_429")
    assert second.lever == "routing"
    assert second.list_cost is not None
    assert second.counterfactual_cost is not None
    assert 0 < second.counterfactual_cost < second.list_cost  # the fallback was the dearer model
    told = "\n".join(told_ways(msgspec.to_builtins(detail.attempts, builtin_types=(Decimal,), str_keys=True)))
    assert "Attempt 2 because of status_429: healthy/gpt-4o" in told
    assert "without a route openai/gpt-4o-mini" in told
    assert "without any lever $0.0" in told


def call_detail_of(world: World, call_id: str) -> CallDetail:
    with world.load().reading() as session:
        return call_detail(session, call_id)


@pytest.mark.parametrize(("limit_of_dear", "passes"), [(1.05, True), (0.5, False)])
def test_a_budget_holds_what_the_dearest_way_can_cost(tmp_path: Path, limit_of_dear: float, passes: bool) -> None:
    """Half of what the dear model can cost is enough for the cheap one; still such a call isn't sent at all."""
    with (
        provider_thread(Options(faults={"429": 1.0})) as limited,
        provider_thread() as healthy,
        routed_world(tmp_path / "data", {"limited": limited, "healthy": healthy}, **dear_and_cheap()) as world,
    ):
        asyncio.run(exchange(world.port, chat(1)))
        world.settle_down()
        dearest = max(record.bound_pico or 0 for record in world.records() if isinstance(record, Dispatched))
        budgets = world.site.budgets()
        budgets.create(
            Budget(
                budget_id="",
                name="all",
                limit=LimitPlan(int(dearest * limit_of_dear)),
                window=Schedule(parse_spec("lifetime")),
            ),
            actor="test",
        )
        world.site.publish_budgets(budgets)
        world.until_known()
        seen = len(limited.log())
        answer = asyncio.run(exchange(world.port, chat(2)))
        world.settle_down()
        world.load()
        spent = world.rows("SELECT sum(list_cost) AS total FROM charges")[0]["total"]
        paid, sent = billed(limited, healthy), len(limited.log()) - seen
    assert (answer.status == 200) == passes
    if passes:
        assert spent == usd_from_pico(paid)
    else:
        assert answer.status == 402
        assert sent == 0
