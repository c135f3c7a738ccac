"""Starting a simulated provider for a test or the demo: in a thread of this process, or as a process of its own."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import IO, Any, cast

import msgspec
import uvloop

from bursar.simulate.billing import LogEntry
from bursar.simulate.provider import DEFAULTS, Options, Provider

START_TIMEOUT_S = 15.0


class Running:
    """A provider that listens on `port`. The log and the bill are read over HTTP, so both kinds answer alike."""

    def __init__(self, port: int, process: subprocess.Popen[str] | None = None) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process = process

    def log(self, after: int = 0) -> list[LogEntry]:
        return msgspec.json.decode(self._get(f"/sim/log?after={after}"), type=list[LogEntry])

    def bill(self) -> dict[str, Any]:
        return msgspec.json.decode(self._get("/sim/bill"), type=dict[str, Any])

    def _get(self, path: str) -> bytes:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=START_TIMEOUT_S)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()


@contextmanager
def provider_thread(options: Options = DEFAULTS, port: int = 0) -> Iterator[Running]:
    """A provider on a loop of its own in a thread."""
    ready = threading.Event()
    ports: list[int] = []
    ended = asyncio.Event()
    loop = uvloop.new_event_loop()

    async def live() -> None:
        provider = Provider(options)
        ports.append(await provider.start(port=port))
        ready.set()
        await ended.wait()
        await provider.stop()

    thread = threading.Thread(target=loop.run_until_complete, args=(live(),), name="simulated-provider", daemon=True)
    thread.start()
    if not ready.wait(START_TIMEOUT_S):
        raise TimeoutError("the simulated provider did not start")
    try:
        yield Running(ports[0])
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(START_TIMEOUT_S)
        loop.close()


@contextmanager
def provider_process(options: Options = DEFAULTS, port: int = 0) -> Iterator[Running]:
    """A provider as a process of its own, which survives whatever happens to the caller's other processes."""
    shares = ",".join(f"{fault}={share}" for fault, share in options.faults.items())
    command = [sys.executable, "-m", "bursar.simulate.provider", "--port", str(port), "--seed", str(options.seed)]
    command += ["--log", options.log, "--faults", shares]
    command += ["--delay-ms", str(options.delay_ms), "--interval-ms", str(options.interval_ms)]
    if options.chunks is not None:
        command += ["--chunks", str(options.chunks)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    out = cast(IO[str], process.stdout)
    try:
        line = out.readline()
        if not line:
            raise RuntimeError(f"the simulated provider ended at once with status {process.wait()}")
        yield Running(int(msgspec.json.decode(line)["port"]), process)
    finally:
        process.terminate()
        process.wait(START_TIMEOUT_S)
        out.close()
