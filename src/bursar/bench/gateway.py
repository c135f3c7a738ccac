"""What the gateway costs, beside nginx as a plain proxy in the same run, with accounting on.

Rounds alternate between the two, so that what else happens on the machine meets both. CPU is what all gateway worker
processes spent, from /proc.
"""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bursar.bench import bodies, loops
from bursar.bench.figure import Figure, Options, against, median
from bursar.bench.installation import Installation, running
from bursar.bench.load import memory_mb, wrk
from bursar.bench.nginx import Nginx, free_port, plain_proxy, static_upstream, wait_for_port
from bursar.bench.openloop import RATE_PER_S, Target, latencies_us

CONNECTIONS = 32
ROUND_S = 2.0
MEMORY_REQUESTS = 1_000_000
MEMORY_ROUND_S = 10.0
LATENCY_ROUND_S = 1.0
STARTS = 3
CHAT = "/v1/chat/completions"
RATIO_MAX, PACED_RATIO_MAX, LATENCY_RATIO_MAX, MEMORY_MAX_MB, START_MAX_S = 4.5, 2.0, 5.0, 90.0, 2.5
FLAT_MAX_MB = 5.0  # what a worker may grow by between the first fifth of the requests and the last


class Rig(NamedTuple):
    """The two proxies in front of one upstream, and where bodies lie."""

    nginx: Nginx
    bursar: Installation
    upstream: int
    directory: Path


def measure(options: Options) -> list[Figure]:
    """All figures of the gateway. Raises Unavailable when nginx or wrk is missing, or an answer was wrong."""
    with tempfile.TemporaryDirectory(prefix="bursar-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        figures = loops.measure(options)
        with _rig(
            directory / "plain", static_upstream(directory / "answers", "answer.json", bodies.chat_answer())
        ) as rig:
            figures.append(_cpu(rig, options, "CPU per unary request, 1.4 KB", bodies.chat_request(1_400)))
            figures.append(_cpu(rig, options, "CPU per unary request, 98 KB", bodies.chat_request(98_000)))
            figures.append(_added_latency(rig, options))
            figures += _memory(rig, options)
        burst = b"".join(bodies.stream_events())
        with _rig(directory / "burst", static_upstream(directory / "streams", "answer.sse", burst)) as rig:
            figures.append(_cpu(rig, options, "CPU per stream in one burst", bodies.chat_request(1_400, stream=True)))
        with _rig(directory / "paced", _paced_upstream()) as rig:
            figures.append(_paced(rig, options))
        figures.append(_starts(directory, options))
        return figures


def _cpu(rig: Rig, options: Options, name: str, body: bytes, *, per: int = 1, bound: float = RATIO_MAX) -> Figure:
    """CPU µs of a request (or of one of its `per` events), medians of alternating rounds."""
    path = rig.directory / "body.json"
    path.write_bytes(body)
    seconds = ROUND_S * max(options.scale, 0.5)
    ours, theirs = [], []
    for number in range(options.rounds + 1):
        nginx = wrk(_url(rig.nginx.port), path, rig.nginx.pids, connections=CONNECTIONS, seconds=seconds)
        bursar = wrk(_url(rig.bursar.port), path, rig.bursar.gateway_pids, connections=CONNECTIONS, seconds=seconds)
        if number:  # the first round opens connections and fills caches
            theirs.append(nginx.cpu_us / per)
            ours.append(bursar.cpu_us / per)
    return against(name, "µs", ours, theirs, bound)


def _paced(rig: Rig, options: Options) -> Figure:
    body = bodies.chat_request(1_400, stream=True)
    return _cpu(rig, options, "CPU per event, paced stream", body, per=bodies.EVENTS, bound=PACED_RATIO_MAX)


def _added_latency(rig: Rig, options: Options) -> Figure:
    """Added p50 at RATE_PER_S: through the proxy minus direct."""
    targets = [Target("direct", rig.upstream), Target("nginx", rig.nginx.port), Target("bursar", rig.bursar.port)]
    per_round = max(50, round(RATE_PER_S * LATENCY_ROUND_S * options.scale))
    found = latencies_us(targets, bodies.chat_request(1_400), per_round=per_round, rounds=options.rounds)
    middle = {name: [median(samples) for samples in rounds] for name, rounds in found.items()}
    added = {
        name: [through - direct for through, direct in zip(middle[name], middle["direct"], strict=True)]
        for name in ("nginx", "bursar")
    }
    return against(f"added p50 at {RATE_PER_S} requests/s", "µs", added["bursar"], added["nginx"], LATENCY_RATIO_MAX)


def _memory(rig: Rig, options: Options) -> list[Figure]:
    """A worker's memory over many requests: at the end, and how much it grew after the first fifth."""
    wanted = round(MEMORY_REQUESTS * options.scale)
    path = rig.directory / "body.json"
    path.write_bytes(bodies.chat_request(1_400))
    done, seen = 0, []
    while done < wanted:
        seconds = min(MEMORY_ROUND_S, max(1.0, MEMORY_ROUND_S * options.scale))
        done += wrk(_url(rig.bursar.port), path, [], connections=CONNECTIONS, seconds=seconds).requests
        seen.append((done, memory_mb(rig.bursar.gateway_pids)))
    early = next(megabytes for requests, megabytes in seen if requests >= wanted / 5)
    note = f"PSS, {len(rig.bursar.gateway_pids)} worker"
    return [
        Figure(f"worker's memory after {done:,} requests", seen[-1][1], "MB", MEMORY_MAX_MB, note=note),
        Figure("its growth after the first fifth", seen[-1][1] - early, "MB", FLAT_MAX_MB, note="flat"),
    ]


def _starts(directory: Path, options: Options) -> Figure:
    """From the command to the first answered call, on a fresh data directory."""
    took = []
    with static_upstream(directory / "starts", "answer.json", bodies.chat_answer()) as upstream:
        for number in range(STARTS if options.scale >= 0.5 else 1):
            with running(directory / f"start-{number}", upstream.port, bodies.chat_request(1_400)) as installation:
                took.append(installation.first_answer_s)
    return Figure("bursar up to first answered call", median(took), "s", START_MAX_S, note="fresh data directory")


@contextlib.contextmanager
def _rig(directory: Path, upstream: contextlib.AbstractContextManager[Nginx]) -> Iterator[Rig]:
    directory.mkdir()
    with contextlib.ExitStack() as stack:
        behind = stack.enter_context(upstream)
        nginx = stack.enter_context(plain_proxy(directory / "nginx", behind.port))
        bursar = stack.enter_context(running(directory / "data", behind.port, bodies.chat_request(1_400)))
        yield Rig(nginx, bursar, behind.port, directory)


@contextlib.contextmanager
def _paced_upstream() -> Iterator[Nginx]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-P", "-m", "bursar.bench.paced", str(port)])
    try:
        wait_for_port(port)
        yield Nginx(port, [process.pid])
    finally:
        process.terminate()
        process.wait(10)


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}{CHAT}"
