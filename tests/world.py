"""The real thing on free ports and in a directory of its own: simulated provider, gateway workers, console, ledger.

`gateway_world` runs the gateway's workers as `bursar up` would and loads the ledger in the test's own process, so a
test decides when. `site_world` runs all of `bursar up`, to be killed. Nothing here is mocked.
"""

import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
import psutil

from bursar.config import Config, Gateway, Upstream, load_config
from bursar.domain.clock import SystemClock
from bursar.gateway.metrics import FILE_IN_USE
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.simulate.aws_signature import secret_of
from bursar.simulate.billing import LogEntry
from bursar.simulate.launch import Running as Simulator
from bursar.simulate.launch import provider_process, provider_thread
from bursar.simulate.provider import Options
from bursar.site import Site
from bursar.spool.reader import read_slice, segments
from bursar.spool.records import Dispatched, Record, Settled

ROOT = Path(__file__).parents[1]
READY_S = 60.0  # a machine may be busy with other tests
OPERATOR_KEYS = {
    "SIM_OPENAI_KEY": "sk-operator-openai-canary",
    "SIM_ANTHROPIC_KEY": "sk-ant-operator-canary",
    "SIM_GEMINI_KEY": "AIza-operator-canary",
    "SIM_VERTEX_KEY": "ya29.operator-canary",
    "SIM_AWS_ACCESS_KEY_ID": "AKIAOPERATORCANARY",
    "SIM_AWS_SECRET_ACCESS_KEY": secret_of("AKIAOPERATORCANARY"),
    "SIM_AWS_SESSION_TOKEN": "operator-session-canary",
}


PORTS_FIRST, PORTS_OF_EACH = 16_000, 4_000  # below those that Linux gives to who asks for any, and to connections
TEST_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
_ports = itertools.cycle(range(PORTS_OF_EACH))
for _ in range(random.randrange(PORTS_OF_EACH)):  # another run of the tests on this machine begins elsewhere
    next(_ports)


def free_port() -> int:
    """A port that nobody listens on now, and that nobody is given before it is listened on: each of the processes that
    the tests run in has ports of its own, and goes on to the next.
    """
    while True:
        port = PORTS_FIRST + TEST_PROCESS * PORTS_OF_EACH + next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def make_config(data: Path, simulator: str, *, control: str = "", **gateway: Any) -> Config:
    """Settings of a site whose upstreams are the simulator. `x-sim` reaches it, so a test can demand faults."""
    config = load_config(env={})
    config.data = str(data)
    config.loops = gateway.pop("loops", config.loops)  # for traffic that is one request on purpose
    config.cache = gateway.pop("cache", config.cache)
    config.gateway = Gateway(port=free_port(), **gateway)
    config.console.port = free_port()
    config.control.url = control
    config.alerts.look_every_s = 1.0
    config.upstreams["vertex"] = Upstream(simulator, "vertex", "google")
    config.upstreams["bedrock"] = Upstream(
        simulator,
        "bedrock",
        "aws",
        "SIM_AWS_ACCESS_KEY_ID",
        region="us-east-1",
        forward_headers=["x-sim"],
    )
    for name in ("openai", "anthropic", "gemini", "vertex"):
        variable = f"SIM_{name.upper()}_KEY"
        upstream = config.upstreams[name]
        upstream.base_url = simulator
        upstream.api_key_env = variable
        upstream.forward_headers = ["x-sim"]
    return config


def environment() -> dict[str, str]:
    """What the site's processes see: the operator's keys, and nothing of this machine's BURSAR_ settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BURSAR_")}
    return {**inherited, **OPERATOR_KEYS, "PYTHONPATH": str(ROOT / "src")}


class World:
    """One site under test."""

    def __init__(self, site: Site, simulator: Simulator) -> None:
        self.site = site
        self.simulator = simulator
        self.processes: list[subprocess.Popen[bytes]] = []
        self._ledger: Ledger | None = None
        self._loader: Loader | None = None

    @property
    def port(self) -> int:
        return self.site.config.gateway.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def console_url(self) -> str:
        return f"http://127.0.0.1:{self.site.config.console.port}"

    @property
    def data(self) -> Path:
        return self.site.paths.data

    # The gateway's workers

    def start_worker(self, slot: int) -> subprocess.Popen[bytes]:
        """A worker process as the supervisor starts it."""
        command = [sys.executable, "-m", "bursar.gateway.worker", "--settings", str(self.site.paths.worker)]
        return self._start([*command, "--slot", str(slot)], f"gateway-{slot}")

    def _start(self, command: list[str], name: str) -> subprocess.Popen[bytes]:
        with (self.site.paths.run / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=environment(), cwd=self.data, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append(process)
        return process

    def wait_ready(self, url: str, seconds: float = READY_S) -> None:
        """Until an address answers 200."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with urlopen(url, timeout=5) as reply:
                    reply.read()
                    return
            except (URLError, OSError) as error:
                ended = any(process.poll() is not None for process in self.processes[-1:])
                if ended or time.monotonic() > deadline:
                    raise AssertionError(f"{url} did not answer: {error}\n{self.logs()}") from error
                time.sleep(0.02)

    def wait_workers(self, workers: int, seconds: float = READY_S) -> None:
        """Until every worker listens, not only the one that answered: each writes its metrics when it does."""
        deadline = time.monotonic() + seconds
        wanted = [self.site.paths.run / f"metrics-{slot}.json" for slot in range(workers)]
        while not all(path.exists() for path in wanted):
            assert time.monotonic() < deadline, f"a worker did not start\n{self.logs()}"
            time.sleep(0.02)

    def until(self, holds: Callable[[], object], seconds: float = 40.0) -> None:
        """Wait for a condition, as long as a busy machine may need."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"did not happen in time\n{self.logs()}"
            time.sleep(0.02)

    def until_known(self, seconds: float = READY_S) -> None:
        """Until every worker goes by the keys, controls, budgets and prices as they were published last.

        For tests that change something and then look at what it does: they don't depend on how fast the machine is.
        """
        self.until(self._is_known, seconds)

    def _is_known(self) -> bool:
        paths = self.site.paths
        published = {"snapshot": paths.snapshot, "budgets": paths.budgets, "prices": paths.price_book}
        wanted = {name: path.stat().st_mtime_ns // 1_000 for name, path in published.items() if path.exists()}
        return all(wanted.items() <= self._in_use(slot).items() for slot in range(self.site.config.gateway.workers))

    def _in_use(self, slot: int) -> dict[str, int]:
        """Which states of the published files a worker goes by: when each was written, µs."""
        written = (self.site.paths.run / f"metrics-{slot}.json").read_bytes()
        rows = msgspec.json.decode(written, type=list[tuple[list[str], int]])
        return {key[1].removeprefix("file="): value for key, value in rows if key[0] == FILE_IN_USE}

    def stop(self) -> None:
        """Stop everything in order, insisting after a while."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def logs(self) -> str:
        """What the processes printed."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text('utf-8', 'replace')[-4000:]}"
            for path in self.site.paths.run.glob("*.log")
        )

    # What happened

    def sim_log(self, label: str | None = None) -> list[LogEntry]:
        """What the provider saw: of all calls, or of those with this label."""
        return [entry for entry in self.simulator.log() if label is None or entry.label == label]

    def records(self) -> list[Record]:
        """What is in the journal."""
        found: list[Record] = []
        for segment in segments(self.site.paths.spool):
            offset = 0
            while True:
                piece = read_slice(segment.path, offset, records_max=100_000)
                assert piece.faults == []
                found += piece.records
                if not piece.records:
                    break
                offset = piece.offset
        return found

    def dispatched(self, session: str) -> list[Dispatched]:
        """What went to a provider for a session, be it settled or under way."""
        return [
            record
            for record in self.records()
            if isinstance(record, Dispatched) and record.call.attribution.session == session
        ]

    def settle_down(self, seconds: float = 40.0) -> None:
        """Until no attempt is under way any more: each that was dispatched is settled in the journal."""
        deadline = time.monotonic() + seconds
        while True:
            records = self.records()
            dispatched = {record.attempt_id for record in records if isinstance(record, Dispatched)}
            settled = {record.attempt_id for record in records if isinstance(record, Settled)}
            if dispatched <= settled:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(dispatched - settled)} attempts are still open\n{self.logs()}")
            time.sleep(0.05)

    def load(self) -> Ledger:
        """Bring the journal into the ledger, all of it, and hand out the ledger. For worlds without a console."""
        if self._ledger is None or self._loader is None:
            self._ledger = self.site.open_ledger()
            self._loader = Loader(self._ledger, self.site.paths.spool, SystemClock())
        self._loader.load_all()
        return self._ledger

    def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """Ask the loaded ledger."""
        assert self._ledger is not None
        with self._ledger.reading() as session:
            return session.query(sql, params).dicts()


class Books:
    """Compiling the price catalogue takes seconds: once for all worlds of a test run."""

    def __init__(self) -> None:
        self._made: Path | None = None

    def put(self, site: Site) -> None:
        paths = site.paths
        if self._made is None:
            site.ensure_price_book()
            self._made = Path(shutil.copytree(paths.data, paths.data.with_name(paths.data.name + "-book")))
        for name in (paths.price_book.name, paths.price_book.with_suffix(".from").name):
            if not (paths.data / name).exists():
                shutil.copyfile(self._made / name, paths.data / name)


BOOKS = Books()


@contextlib.contextmanager
def gateway_world(
    data: Path, *, workers: int = 1, options: Options | None = None, simulator: Simulator | None = None, **gateway: Any
) -> Iterator[World]:
    """Simulator and gateway workers; the ledger is loaded by the test (`World.load`)."""
    with contextlib.ExitStack() as stack:
        running = simulator or stack.enter_context(provider_thread(options or Options()))
        site = Site(make_config(data, running.url, workers=workers, **gateway))
        site.prepare()
        BOOKS.put(site)
        site.ensure_snapshot()
        site.write_settings()
        world = World(site, running)
        stack.callback(world.stop)
        for slot in range(workers):
            world.start_worker(slot)
        world.wait_ready(f"{world.url}/readyz")
        world.wait_workers(workers)
        yield world


@contextlib.contextmanager
def site_world(data: Path, *, workers: int = 1, options: Options | None = None, **gateway: Any) -> Iterator[World]:
    """Simulator and `bursar up`, each in processes of their own."""
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(provider_process(options or Options(log=str(data.with_suffix(".sim.jsonl")))))
        site = Site(make_config(data, running.url, workers=workers, **gateway))
        site.prepare()
        BOOKS.put(site)
        world = World(site, running)
        stack.callback(world.stop)
        start_site(world)
        yield world


def start_site(world: World) -> subprocess.Popen[bytes]:
    """`bursar up` on the world's directory; back when the gateway and the console answer."""
    config_file = world.data / "bursar.toml"
    config_file.write_text(_toml(world.site.config), "utf-8")
    command = [sys.executable, "-m", "bursar.cli.main", "up", "--config", str(config_file)]
    process = world._start(command, "up")
    world.wait_ready(f"{world.url}/readyz")
    world.wait_ready(f"{world.console_url}/api/status")
    world.wait_workers(world.site.config.gateway.workers)
    return process


def children(process: subprocess.Popen[bytes], module: str) -> list[psutil.Process]:
    """The supervisor's live children that run a module."""
    return [child for child in psutil.Process(process.pid).children() if module in " ".join(child.cmdline())]


def kill9(pids: list[int]) -> None:
    """kill -9, all at once."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _toml(config: Config) -> str:
    """The settings as a file; JSON's scalars and arrays are TOML's."""
    lines: list[str] = []

    def table(name: str, values: dict[str, Any]) -> None:
        nested = {key: value for key, value in values.items() if isinstance(value, dict)}
        if name:
            lines.append(f"[{name}]")
        lines.extend(
            f"{key} = {msgspec.json.encode(value).decode()}" for key, value in values.items() if key not in nested
        )
        for key, value in nested.items():
            table(f"{name}.{key}" if name else key, value)

    table("", msgspec.to_builtins(config))
    return "\n".join(lines) + "\n"
