"""Somebody leaves in the middle: the client, one that stops reading, or the worker itself when told to stop."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world

from bursar.domain.money import usd_from_pico

pytestmark = pytest.mark.slow


def stream_request(**control: Any) -> bytes:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "tea"}], "stream": True}
    headers = {"content-type": "application/json", "authorization": "Bearer sk-x", "x-sim": json.dumps(control)}
    return request_bytes("/v1/chat/completions", json.dumps(body).encode(), headers)


def only_charge(world: World) -> dict[str, Any]:
    world.settle_down()
    world.load()
    rows = world.rows("SELECT * FROM charges")
    assert len(rows) == 1
    return rows[0]


@pytest.mark.parametrize("drain_s", [0.0, 0.3])
def test_a_stream_whose_client_left_is_read_on_for_its_usage_only_so_long(tmp_path: Path, drain_s: float) -> None:
    with gateway_world(tmp_path / "data", drain_after_hangup_s=drain_s) as world:
        request = stream_request(output=400, chunks=100, interval_ms=100)
        asyncio.run(exchange(world.port, request, leave_after_bytes=600))
        charge = only_charge(world)
        assert (charge["outcome"], charge["quality"], charge["error_code"]) == ("aborted", "estimated", "client_gone")
        assert 0 <= charge["client_gone_percent"] <= 100
        assert charge["list_cost"] > 0
        entry = world.sim_log()[0]
        assert not entry.completed, "the provider was told to stop, so that it bills no more"
        assert entry.usage.output < 400


def test_a_client_that_stops_reading_holds_no_memory_and_is_given_up(tmp_path: Path) -> None:
    async def scenario(world: World) -> int:
        _, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=1024)
        writer.transport.pause_reading()
        writer.write(stream_request(output=100_000, chunks=100_000))
        process = psutil.Process(world.processes[0].pid)
        before, most = process.memory_info().rss, 0
        for _ in range(30):
            await asyncio.sleep(0.1)
            most = max(most, process.memory_info().rss)
        writer.transport.abort()
        return most - before

    with gateway_world(tmp_path / "data", client_stall_s=1.5, drain_after_hangup_s=60.0) as world:
        grown = asyncio.run(scenario(world))
        charge = only_charge(world)
        assert grown < 24 * 1024 * 1024
        assert charge["outcome"] == "aborted"
        assert charge["quality"] == "reported", "it was read on, so its usage is known"
        assert charge["list_cost"] == usd_from_pico(world.sim_log()[0].cost_pico or 0)


def test_a_worker_that_is_told_to_stop_lets_its_calls_end(tmp_path: Path) -> None:
    async def scenario(world: World) -> list[Answer]:
        request = stream_request(output=50, chunks=20, interval_ms=100)
        calls = [asyncio.create_task(exchange(world.port, request)) for _ in range(8)]
        await asyncio.to_thread(world.until, lambda: len(world.records()) >= 8)
        world.processes[0].send_signal(signal.SIGTERM)
        return list(await asyncio.gather(*calls))

    with gateway_world(tmp_path / "data") as world:
        answers = asyncio.run(scenario(world))
        assert [(answer.status, answer.whole) for answer in answers] == [(200, True)] * 8
        assert world.processes[0].wait(40) == 0
        world.load()
        assert world.rows("SELECT quality, count(*) AS n FROM charges GROUP BY quality") == [
            {"quality": "reported", "n": 8}
        ]
