"""Three upstreams under load, of which one or two are down, slow, half-broken or rate-limited: calls go on, each
attempt has its row, and the ledger says what the providers billed."""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests import world as worlds
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import BOOKS, World, free_port, make_config

from bursar.config import Upstream
from bursar.domain.money import usd_from_pico
from bursar.domain.routes import RouteRule, Target
from bursar.simulate.launch import Running, provider_thread
from bursar.simulate.provider import Options
from bursar.site import Site

pytestmark = pytest.mark.slow

CALLS = 300
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
            rule = {"first_byte_timeout_s": 1.0, "after_timeout": after_timeout}
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


def test_a_named_upstream_is_not_routed_away_from(tmp_path: Path) -> None:
    with (
        provider_thread(Options(faults={"429": 1.0})) as limited,
        provider_thread() as healthy,
        routed_world(tmp_path / "data", {"limited": limited, "healthy": healthy}) as world,
    ):
        assert asyncio.run(exchange(world.port, chat(1))).status == 200
        named = chat(2, path="/limited/v1/chat/completions")
        assert asyncio.run(exchange(world.port, named)).status == 429
