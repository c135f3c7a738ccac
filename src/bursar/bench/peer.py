"""Another gateway in front of the same upstreams: what it is told, how it is started, when it is ready, how it ends."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from bursar.bench.environments import reason
from bursar.bench.load import BENCH_KEY, family
from bursar.domain.errors import Unavailable

Kind = Literal["answer", "burst", "unknown", "silent"]
MODELS: dict[Kind, str] = {
    "answer": "gpt-4o-mini",  # a whole answer with usage
    "burst": "gpt-4o",  # a stream, all at once
    "unknown": "mystery-large-1",  # a model in no price list; its answer has usage
    "silent": "gpt-4.1-mini",  # an answer without usage
}
"""Each kind of answer has an upstream of its own, which the model's name leads to."""
READY_MAX_S = 240.0  # LiteLLM starts in 7 s, and in two minutes beside other work
STOP_MAX_S = 15.0
CHAT = "/v1/chat/completions"
Upstreams = Mapping[Kind, int]  # ports on loopback


class Ask(NamedTuple):
    """One request as this gateway wants it: where to, more headers, the body."""

    port: int
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"


class Launch(NamedTuple):
    """How a peer is started. `port`: None where it chooses one itself and prints `http://127.0.0.1:PORT`."""

    command: list[str]
    env: dict[str, str]
    port: int | None
    path: str = CHAT
    model_prefix: str = ""
    headers: Callable[[Kind], dict[str, str]] = lambda kind: {}


class Peer(Protocol):
    """One gateway: `name` and pinned `version`; `keeps` says what it records as it is run here.

    slow: so slow that calls under way at the end of a round would distort it; see `drained.py`.
    """

    name: str
    version: str
    keeps: str
    slow: bool

    def install(self) -> Path:
        """Its environment, filled if it isn't yet. Raises Unavailable with the reason."""

    def launch(self, environment: Path, scratch: Path, upstreams: Upstreams) -> Launch:
        """Write its configuration into `scratch`; say how to start it."""


class Target(NamedTuple):
    """A running gateway. `pids`: what stands in the calls' way; `beside`: what works for it elsewhere (a console)."""

    name: str
    ask: Callable[[Kind, bytes], Ask]
    pids: list[int]
    start_s: float | None
    beside: list[int]
    slow: bool = False


@contextlib.contextmanager
def started(peer: Peer, environment: Path, scratch: Path, upstreams: Upstreams, body: bytes) -> Iterator[Target]:
    """Start a peer, wait for its first answer with 200, stop it at the end. Raises Unavailable with what it said."""
    scratch.mkdir(parents=True)
    launch = peer.launch(environment, scratch, upstreams)
    # only what it needs: no proxy settings, no keys, no settings of ours
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(scratch), "LANG": "C.UTF-8"} | launch.env
    log = scratch / "log.txt"
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            launch.command, cwd=scratch, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        port = launch.port or _announced_port(log, process)

        def ask(kind: Kind, plain: bytes) -> Ask:
            model = f'"{launch.model_prefix}{MODELS[kind]}"'.encode()
            return Ask(port, launch.path, launch.headers(kind), plain.replace(b'"gpt-4o-mini"', model, 1))

        _await_answer(ask("answer", body), log, process)
        yield Target(peer.name, ask, family(process.pid), time.perf_counter() - began, [], peer.slow)
    finally:
        _stop(process)


def post(ask: Ask, *, timeout_s: float = 30.0, tags: str = "") -> tuple[int, dict[str, str], bytes]:
    """One call on a connection of its own: status, headers with lower-case names, body. Raises Unavailable."""
    connection = http.client.HTTPConnection("127.0.0.1", ask.port, timeout=timeout_s)
    headers = {"content-type": "application/json", "authorization": f"Bearer {BENCH_KEY}"} | ask.headers
    try:
        connection.request("POST", ask.path, ask.body, headers | ({"x-bursar-tags": tags} if tags else {}))
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"no answer: {error!r}") from error
    finally:
        connection.close()


def _await_answer(ask: Ask, log: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_MAX_S
    said = ""
    while time.monotonic() < deadline and process.poll() is None:
        try:
            status, _, body = post(ask)
            if status == 200:
                return
            said = f"HTTP {status} {body[:200]!r}"
            time.sleep(0.2)
        except Unavailable:
            time.sleep(0.02)
    raise Unavailable(f"answered no call: {reason(said or log.read_text('utf-8', 'replace'))}")


def _announced_port(log: Path, process: "subprocess.Popen[bytes]") -> int:
    deadline = time.monotonic() + READY_MAX_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text("utf-8", "replace")):
            return int(found[1])
        time.sleep(0.01)
    raise Unavailable(f"didn't start: {reason(log.read_text('utf-8', 'replace'))}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the peer with all that it started: it leads a process group of its own."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_MAX_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_MAX_S)
