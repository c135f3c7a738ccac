"""A Bursar of its own for a benchmark: fresh data directory, free ports, started as a user does (`bursar up`)."""

import contextlib
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from bursar.bench.load import children, command_line
from bursar.bench.nginx import free_port
from bursar.domain.errors import Unavailable

READY_MAX_S = 30.0
LOOPS_UNCUT = {"BURSAR_LOOPS__REPEAT_USD": "999999", "BURSAR_LOOPS__REPEATS_UNPRICED": "1000000000"}
"""A load test is one request, repeated: it is judged as any other, and then let through."""


class Installation(NamedTuple):
    """A running site. `first_answer_s`: from starting the command to the first answered call."""

    port: int
    console_port: int
    gateway_pids: list[int]
    console_pids: list[int]
    first_answer_s: float


@contextlib.contextmanager
def running(
    data: Path, upstream: int, body: bytes, *, workers: int = 1, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Installation]:
    """Start `bursar up`, wait for the first answered call, stop it at the end. `settings`: more, as environment."""
    port, console_port = free_port(), free_port()
    command = [sys.executable, "-P", "-m", "bursar.cli.main", "up", "--data", str(data), "--workers", str(workers)]
    command += ["--gateway-port", str(port), "--console-port", str(console_port)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("BURSAR_")} | dict(settings)
    env["BURSAR_UPSTREAMS__OPENAI__BASE_URL"] = f"http://127.0.0.1:{upstream}"
    env |= LOOPS_UNCUT
    log = data.with_suffix(".log")
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        _first_answer(port, body, process, log)
        first = time.perf_counter() - started
        processes = {pid: command_line(pid) for pid in children(process.pid)}
        yield Installation(
            port,
            console_port,
            [pid for pid, line in processes.items() if "gateway.worker" in line],
            [pid for pid, line in processes.items() if "console" in line],
            first,
        )
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _first_answer(port: int, body: bytes, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_MAX_S
    headers = {"content-type": "application/json", "authorization": "Bearer sk-bench-0123456789abcdef"}
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", "/v1/chat/completions", body, headers)
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.01)
        finally:
            connection.close()
    raise Unavailable(f"bursar up answered no call; it said: {log.read_text('utf-8', 'replace')[-2000:]}")
