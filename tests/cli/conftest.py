"""A ledger with three days of the made-up company, and the CLI as a person types it."""

import contextlib
import io
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import IO, NamedTuple

import pytest
from tests.routes_once import routes_made_once  # noqa: F401  # a fixture for all below

from bursar.cli import client
from bursar.cli.main import run
from bursar.config import load_config
from bursar.console import main as console
from bursar.demo import fill_history
from bursar.domain.clock import SystemClock
from bursar.prices.book import PriceBook
from bursar.site import Site
from bursar.supervise import find_running


class Typed(NamedTuple):
    """What came of one command."""

    code: int
    out: str
    err: str


Bursar = Callable[..., Typed]


class _Bytes(io.TextIOWrapper):
    """A text stream over memory that has `.buffer`, like the real stdout."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="")

    def content(self) -> bytes:
        self.flush()
        return bytes(self.buffer.getvalue())  # type: ignore[attr-defined]

    def text(self) -> str:
        return self.content().decode()


class Here:
    """In `subprocess`'s place where the CLI starts a console for one answer: the same program, in this process.

    To start it takes two seconds, and hundreds of commands are tried.
    """

    PIPE = subprocess.PIPE

    @staticmethod
    def run(
        command: list[str],
        *,
        input: bytes,
        check: bool,
        capture_output: bool = False,
        stdout: IO[bytes] | None = None,
        stderr: int | None = None,
    ) -> "Done":
        assert command[:4] == [sys.executable, "-P", "-m", console.__name__]
        assert (capture_output or stderr == subprocess.PIPE, check) == (True, False)
        out, err = _Bytes(), _Bytes()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(input)))
            code = console.main(command[4:])
        if stdout is not None:
            stdout.write(out.content())
        return Done(code, out.content(), err.content())


class Done(NamedTuple):
    """What the CLI reads of a process that ended."""

    returncode: int
    stdout: bytes
    stderr: bytes


@pytest.fixture
def bursar(bursar_apart: Bursar, monkeypatch: pytest.MonkeyPatch) -> Bursar:
    """`bursar("costs", "--by", "team")`, in an empty directory and without settings from outside."""
    monkeypatch.setattr(client, "subprocess", Here)
    return bursar_apart


@pytest.fixture
def bursar_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bursar:
    """The same; without a running console, the answer comes from a process of its own, as it does for people."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("BURSAR_CONFIG", raising=False)

    def typed(*words: str) -> Typed:
        out, err = _Bytes(), _Bytes()
        code = 0
        with redirect_stdout(out), redirect_stderr(err):
            try:
                run(list(words))
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        return Typed(code, out.text(), err.text())

    return typed


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a short history in its spool, to be copied: who loads a spool clears it away."""
    data = tmp_path_factory.mktemp("history") / "data"
    site = Site(load_config(env={}, overrides={"data": str(data)}))
    site.prepare()
    site.ensure_price_book()
    fill_history(
        site.paths.spool,
        PriceBook.load(site.paths.price_book),
        now_us=SystemClock().now_us(),
        days=3,
        calls_per_day=120,
    )
    return data


@pytest.fixture(scope="session")
def filled(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with that history, whose site isn't up; the first command that asks loads it."""
    return Path(shutil.copytree(history, tmp_path_factory.mktemp("filled") / "data"))


@pytest.fixture(scope="session")
def running(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same history in a data directory whose site is up: the CLI asks its console over HTTP."""
    data = tmp_path_factory.mktemp("running") / "data"
    shutil.copytree(history, data)
    command = [sys.executable, "-m", "bursar.cli.main", "up", "--data", str(data)]
    process = subprocess.Popen(
        [*command, "--gateway-port", "0", "--console-port", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until_loaded(data, process)
        yield data
    finally:
        process.terminate()
        process.wait(60)


def wait_until_loaded(data: Path, process: "subprocess.Popen[bytes]") -> None:
    """Until the console answers and has read all that was in the spool."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = find_running(data)
        if found is not None:
            with contextlib.suppress(OSError, urllib.error.URLError):
                with urllib.request.urlopen(f"{found.console}/api/status", timeout=30) as reply:
                    status = json.load(reply)
                if status["charges"] and not status["process"]["loader"]["unread_bytes"]:
                    return
        time.sleep(0.05)
    raise AssertionError(f"bursar up is not ready: {process.poll()}")
