"""`bursar up` as a whole: processes that die, ports and directories that are taken, and how it all ends."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.wire_client import exchange, request_bytes
from tests.world import World, environment, site_world, start_site

from bursar.supervise import find_running

GATEWAY, CONSOLE = "bursar.gateway.worker", "bursar.console.main"
CHAT = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}).encode()
STREAM = json.dumps({"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode()


def until(what: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def children(process: "subprocess.Popen[bytes]", module: str) -> list[psutil.Process]:
    """Live children that run a module; one that died a moment ago has no command line any more."""
    found = []
    for child in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if module in child.cmdline():
                found.append(child)
    return found


def call(world: World, body: bytes = CHAT, **headers: str) -> int:
    raw = request_bytes("/v1/chat/completions", body, {"authorization": "Bearer sk-test-0123456789", **headers})
    return asyncio.run(exchange(world.port, raw)).status


def up_process(world: World) -> "subprocess.Popen[bytes]":
    return world.processes[-1]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with site_world(tmp_path_factory.mktemp("supervise") / "data", workers=2) as running:
        yield running


def test_up_answers_calls_and_says_where(world):
    assert call(world) == 200
    running = find_running(world.data)
    assert running is not None
    assert (running.gateway, running.console) == (world.url, world.console_url)
    assert running.workers == len(children(up_process(world), GATEWAY)) == 2
    until(lambda: world.url in world.logs() and "OPENAI_BASE_URL" in world.logs())


def test_a_worker_that_is_killed_is_replaced_and_the_other_one_goes_on(world):
    before = {child.pid for child in children(up_process(world), GATEWAY)}
    os.kill(min(before), signal.SIGKILL)
    until(lambda: len({child.pid for child in children(up_process(world), GATEWAY)} - before) == 1)
    world.wait_ready(f"{world.url}/readyz")
    assert call(world) == 200
    assert "was killed by SIGKILL" in world.logs()


def test_a_console_that_is_killed_comes_back_and_calls_do_not_notice(world):
    (console,) = children(up_process(world), CONSOLE)
    console.kill()
    assert call(world) == 200
    until(lambda: [child for child in children(up_process(world), CONSOLE) if child.pid != console.pid])
    world.wait_ready(f"{world.console_url}/api/status")


def start_another(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bursar.cli.main", "up", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=90)


def test_a_second_up_on_the_same_data_is_refused_and_says_who_has_it(world):
    second = start_another("--data", str(world.data), "--gateway-port", "0", "--console-port", "0")
    assert second.returncode == 2
    assert str(up_process(world).pid) in second.stderr
    assert "in use" in second.stderr


def test_a_port_that_somebody_has_is_refused_even_if_he_would_share_it(world, tmp_path):
    second = start_another("--data", str(tmp_path / "d"), "--gateway-port", str(world.port), "--console-port", "0")
    assert second.returncode == 2
    assert "gateway.port" in second.stderr
    assert call(world) == 200


def test_settings_that_no_process_can_use_end_the_start_with_one_clear_line(tmp_path):
    second = start_another("--data", str(tmp_path / "d"), "--gateway-port", "70000")
    assert second.returncode == 2
    assert "gateway.port" in second.stderr
    assert "Traceback" not in second.stderr


def stop_beside_a_stream(world: World, number: signal.Signals) -> None:
    """A stream under way ends as it would have, and nothing is left behind."""
    process, session = up_process(world), f"until {number.name}"
    family = psutil.Process(process.pid).children(recursive=True)
    raw = request_bytes(
        "/v1/chat/completions",
        STREAM,
        {
            "authorization": "Bearer sk-test-0123456789",
            "x-sim": json.dumps({"chunks": 12, "interval_ms": 100}),
            "x-bursar-tags": f"session={session}",
        },
    )

    async def play() -> bytes:
        answer = asyncio.create_task(exchange(world.port, raw))
        await asyncio.to_thread(until, lambda: world.dispatched(session))  # it is under way
        process.send_signal(number)
        return (await answer).body

    body = asyncio.run(play())
    assert b"data: [DONE]" in body
    assert process.wait(40) == 0
    assert [child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
    assert not (world.data / "run" / "run.json").exists()
    assert find_running(world.data) is None


def test_stopping_lets_a_stream_under_way_end_and_leaves_nothing_behind(tmp_path):
    with site_world(tmp_path / "data") as world:
        stop_beside_a_stream(world, signal.SIGTERM)


def test_killing_the_supervisor_leaves_no_orphan_and_the_next_start_works(tmp_path):
    """Up to its end, by the other signal."""
    with site_world(tmp_path / "data") as world:
        process = up_process(world)
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 2
        process.kill()
        process.wait(40)
        _, alive = psutil.wait_procs(family, timeout=45)
        assert alive == []
        start_site(world)
        assert call(world) == 200
        stop_beside_a_stream(world, signal.SIGINT)


def test_a_free_port_is_found_for_zero(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "bursar.cli.main", "up", "--data", str(tmp_path / "d")]
        process = subprocess.Popen(
            [*command, "--gateway-port", "0", "--console-port", "0"], env=environment(), stdout=subprocess.DEVNULL
        )
        try:
            until(lambda: find_running(tmp_path / "d"))
            found = find_running(tmp_path / "d")
            assert found is not None
            assert f":{taken.getsockname()[1]}" not in (found.gateway, found.console)
            assert found.gateway.rsplit(":", 1)[1] != "0"
        finally:
            process.terminate()
            assert process.wait(45) == 0
