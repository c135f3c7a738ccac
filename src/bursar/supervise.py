"""Runs a site's processes: gateway workers that share one port, and the console. `bursar up` is this module.

A worker that dies is started again; the others and the console don't notice. SIGTERM and SIGINT stop the gateway
first, calls under way may end, and the console last, so that it has read everything. Children ask the kernel to stop
them when the supervisor is gone, so even kill -9 leaves no orphan.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from bursar.domain.errors import ConfigError, Unavailable
from bursar.site import Site

RESTART_DELAY_FIRST_S = 0.1
RESTART_DELAY_MAX_S = 5.0
STEADY_S = 10.0  # who ran so long has recovered: the next restart is quick again
GATEWAY_STOP_S = 35.0  # the worker's own grace for calls under way, and a little
CONSOLE_STOP_S = 10.0
READY_POLL_S = 0.02
READY_MAX_S = 30.0
BAD_SETTINGS = 2  # a child's exit code: starting it again would change nothing
LOG_BYTES_MAX = 16 * 1024 * 1024


class Running(msgspec.Struct, frozen=True):
    """`run.json`: where the processes of this data directory answer, for the CLI and for people."""

    pid: int
    started_us: int
    gateway: str  # http://127.0.0.1:8787
    console: str
    workers: int
    data: str


class Child:
    """One process that should be running. `log`: where what it prints goes; None: where the supervisor's goes."""

    def __init__(self, name: str, module: str, arguments: list[str], log: Path | None) -> None:
        self.name = name
        child = [str(os.getpid()), module, *arguments]
        self.command = [sys.executable, "-P", "-m", "bursar.child", *child]  # -P: nothing from the caller's directory
        self.log = log
        self.process: asyncio.subprocess.Process | None = None
        self.restarts = 0

    async def keep(self, stopping: asyncio.Event, report: Callable[[str], None]) -> None:
        """Run it, and run it again when it dies, until `stopping`. Raises ConfigError when its settings are no good."""
        delay = RESTART_DELAY_FIRST_S
        while not stopping.is_set():
            started = time.monotonic()
            code = await self._run_once()
            if stopping.is_set():
                return
            if code == BAD_SETTINGS:
                raise ConfigError(f"{self.name} can't start with these settings{self._last_words()}")
            if time.monotonic() - started > STEADY_S:
                delay = RESTART_DELAY_FIRST_S
            self.restarts += 1
            report(f"{self.name} {_ending(code)}; starting it again in {delay:.1f} s")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await stopping.wait()
            delay = min(delay * 2, RESTART_DELAY_MAX_S)

    async def stop(self, grace_s: float) -> None:
        """Ask it to end; insist after the grace."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            try:
                async with asyncio.timeout(grace_s):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _run_once(self) -> int:
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(_open_log(self.log)) if self.log else None
            self.process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        return await self.process.wait()

    def _last_words(self) -> str:
        if self.log is None:
            return ", see above"
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""


class Supervisor:
    """The processes of one site.

    report: takes one line of news ("console died …"); the caller prints or logs it.
    quiet:  children write to `<data>/run/*.log` instead of to our own output.
    """

    def __init__(self, site: Site, *, report: Callable[[str], None], quiet: bool = False) -> None:
        self.site = site
        self.report = report
        self.stopping = asyncio.Event()
        self._failure: BaseException | None = None
        paths, gateway = site.paths, site.config.gateway
        log = (lambda name: paths.run / f"{name}.log") if quiet else (lambda _: None)
        self.workers = [
            Child(
                f"gateway worker {slot}",
                "bursar.gateway.worker",
                ["--settings", str(paths.worker), "--slot", str(slot)],
                log(f"gateway-{slot}"),
            )
            for slot in range(gateway.workers)
        ]
        self.console = Child("console", "bursar.console.main", ["--site", str(paths.site)], log("console"))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Running]:
        """Start everything and hand out the addresses; stop everything at the end.

        Raises ConfigError when a port is taken, the data directory is in use, or a child can't use its settings.
        """
        site = self.site
        site.prepare()
        with contextlib.ExitStack() as stack:
            stack.enter_context(_only_one(site))
            gateway, console = site.config.gateway, site.config.console
            gateway_port = stack.enter_context(_reserved_port(gateway.host, gateway.port, "gateway.port"))
            console_port = _free_port(console.host, console.port, "console.port")
            site = self.site = site.listening_on(gateway_port, console_port)
            must_publish = site.ensure_snapshot()
            for fault in site.ensure_price_book():
                self.report(fault)
            site.write_settings()
            running = _announce(site)
            stack.callback(site.paths.processes.unlink, missing_ok=True)
            keepers = [
                asyncio.create_task(child.keep(self.stopping, self.report), name=child.name)
                for child in (*self.workers, self.console)
            ]
            watch = asyncio.create_task(self._watch(keepers))
            try:
                if must_publish:  # while the workers start: opening the store takes a third of a second
                    await asyncio.to_thread(site.publish_all)
                await self._until_ready(running, watch)
                yield running
            finally:
                await self._stop(keepers)
                watch.cancel()
        if self._failure:
            raise self._failure

    async def wait(self) -> None:
        """Until a signal, `stop_soon` or a failure of a child that can't be mended."""
        await self.stopping.wait()

    def stop_soon(self) -> None:
        """Begin to stop; `running` does the rest."""
        self.stopping.set()

    async def _watch(self, keepers: list[asyncio.Task[None]]) -> None:
        done, _ = await asyncio.wait(keepers, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            if not task.cancelled() and (error := task.exception()):
                self._failure = error
                self.stopping.set()

    async def _until_ready(self, running: Running, watch: "asyncio.Task[None]") -> None:
        deadline = time.monotonic() + READY_MAX_S
        for address, path in ((running.gateway, "/readyz"), (running.console, "/healthz")):
            while not await _answers(address, path):
                if self._failure:
                    raise self._failure
                if self.stopping.is_set() or watch.done():
                    return
                if time.monotonic() > deadline:
                    raise Unavailable(f"{address} did not answer within {READY_MAX_S:.0f} s")
                await asyncio.sleep(READY_POLL_S)

    async def _stop(self, keepers: list[asyncio.Task[None]]) -> None:
        self.stopping.set()
        await asyncio.gather(*(worker.stop(GATEWAY_STOP_S) for worker in self.workers))
        await self.console.stop(CONSOLE_STOP_S)
        await asyncio.gather(*keepers, return_exceptions=True)


def stop_on_signals(supervisor: Supervisor) -> None:
    """SIGINT (Ctrl-C) and SIGTERM stop the site in order; a second one is no quicker: calls may be under way."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, supervisor.stop_soon)


def find_running(data: Path) -> Running | None:
    """What is running on a data directory, as its `run.json` says; None if nothing is."""
    path = data / "run" / "run.json"
    try:
        running = msgspec.json.decode(path.read_bytes(), type=Running)
        os.kill(running.pid, 0)
    except (OSError, msgspec.DecodeError):
        return None
    return running


@contextlib.contextmanager
def _only_one(site: Site) -> Iterator[None]:
    """Hold the data directory: two loaders on one spool, or two ledgers, must not be."""
    fd = os.open(site.paths.lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(fd, 32).decode("ascii", "replace").strip() or "another process"
            raise ConfigError(
                f"{site.paths.data} is in use by process {owner} (`bursar up` or `bursar demo`); "
                "stop that one, or name another directory with --data",
                field="data",
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def _reserved_port(host: str, port: int, setting: str) -> Iterator[int]:
    """A port that no foreign process listens on, kept so for as long as this lasts; workers listen beside us."""
    port = _free_port(host, port, setting)
    holder = _socket(host)
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((host, port))
        yield port
    finally:
        holder.close()


def _free_port(host: str, port: int, setting: str) -> int:
    """`port` itself, or a free one for 0. Raises ConfigError if somebody listens there: never share by accident."""
    with _socket(host) as probe:
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise ConfigError(f"{setting}: can't listen on {host}:{port}: {error.strerror}", field=setting) from error
        return int(probe.getsockname()[1])


def _socket(host: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


def _announce(site: Site) -> Running:
    gateway, console = site.config.gateway, site.config.console
    running = Running(
        os.getpid(),
        site.clock.now_us(),
        _address(gateway.host, gateway.port),
        _address(console.host, console.port),
        gateway.workers,
        str(site.paths.data),
    )
    site.paths.processes.write_bytes(msgspec.json.encode(running))
    return running


def _address(host: str, port: int) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # an address to connect to, not to listen on
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


async def _answers(address: str, path: str) -> bool:
    """Whether an HTTP server answers there, and doesn't say that it can't yet (5xx)."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, TimeoutError):
        return False
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n".encode())
        async with asyncio.timeout(5):
            line = await reader.readline()
        return line[9:10] in (b"2", b"3", b"4")
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()


def _open_log(path: Path) -> IO[bytes]:
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LOG_BYTES_MAX:
            path.replace(path.with_suffix(".log.old"))
    return path.open("ab")


def _ending(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
