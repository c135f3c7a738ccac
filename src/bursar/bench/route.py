"""What the route table costs a call: CPU of the name's reading, of the parts of a choice, and of the whole step."""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bursar.bench.figure import Figure, Options, median
from bursar.domain.clock import SystemClock
from bursar.domain.routes import RouteRule, Target
from bursar.domain.scope import Scope
from bursar.domain.snapshot import Snapshot
from bursar.domain.tags import Attribution
from bursar.gateway.call import Arrival, Worker
from bursar.gateway.case import Case
from bursar.gateway.envelope import Envelope
from bursar.gateway.health import Health
from bursar.gateway.names import Names
from bursar.gateway.outbox import Outbox
from bursar.gateway.pipeline import route
from bursar.gateway.rehearse import dry_worker, envelope_of
from bursar.gateway.route import Route
from bursar.gateway.route_table import RouteTable
from bursar.gateway.settings import UpstreamSettings, WorkerSettings
from bursar.gateway.strategies import order
from bursar.gateway.upstream import PoolLimits
from bursar.gateway.upstream_rates import cool_until_us
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows
from bursar.providers.openai_chat import CHAT

CALLS = 100_000
NAME_US_MAX = 1.0
ROUTE_US_MAX = 8.0

CASE = Case(
    Scope("acme", "core", "apollo"),
    "vk_bench",
    "virtual",
    Attribution(feature="f0", team="core", customer="c1"),
    "gpt-4o",
    "chat",
    1_000,
    100,
)
HEADERS = [
    (b"content-type", b"application/json"),
    (b"x-request-id", b"req_0123456789"),
    (b"openai-processing-ms", b"412"),
    (b"x-ratelimit-limit-requests", b"10000"),
    (b"x-ratelimit-remaining-requests", b"9999"),
    (b"x-ratelimit-reset-requests", b"8ms"),
    (b"x-ratelimit-remaining-tokens", b"199000"),
    (b"x-ratelimit-reset-tokens", b"6ms"),
]
UPSTREAMS = ("openai", "openai-b", "azure")


def measure(options: Options) -> list[Figure]:
    """Medians over rounds."""
    calls = max(int(CALLS * options.scale), 1_000)
    upstreams = [
        Route(UpstreamSettings(name, "https://x.test", "openai", name), b"", PoolLimits(), Outbox())
        for name in UPSTREAMS
    ]
    names = Names(upstreams, {"fast": "openai/gpt-4o-mini"})
    cases: dict[str, tuple[Callable[[int], object], float]] = {
        "a model's own name is read": (lambda _: names.read("openai", "gpt-4o"), NAME_US_MAX),
        "provider/model is read": (lambda _: names.read("openai", "openai/gpt-4o"), NAME_US_MAX),
        "three upstreams, ordered": (_Chooser("ordered"), ROUTE_US_MAX),
        "three upstreams, weighted": (_Chooser("weighted"), ROUTE_US_MAX),
        "three upstreams, lowest latency": (_Chooser("lowest-latency"), ROUTE_US_MAX),
    }
    figures = [_timed(name, choose, bound, calls, options.rounds) for name, (choose, bound) in cases.items()]
    return figures + _whole_steps(calls, options.rounds)


def _whole_steps(calls: int, rounds: int) -> list[Figure]:
    """The pipeline's own step, from the call as it was read to its ways in order, on a worker that sends nothing."""
    book = PriceBook(compile_rows(None)[0])
    upstreams = [UpstreamSettings(name, "https://x.test", "openai", "openai") for name in UPSTREAMS]
    body = json.dumps({"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "x" * 900}]})
    figures = []
    with tempfile.TemporaryDirectory(prefix="bursar-bench-") as directory:
        secret = Path(directory) / "secret"
        secret.write_bytes(bytes(32))
        settings = WorkerSettings(
            "127.0.0.1", 0, directory, directory, "", "", str(secret), "acme", upstreams,
        )  # fmt: skip
        for strategy in ("ordered", "weighted", "lowest-latency"):
            with dry_worker(settings, Snapshot(0), SystemClock(), _rules(strategy), book) as worker:
                envelope = envelope_of(worker, [(b"x-bursar-tags", b"feature=f0")], None)
                step = _step(worker, envelope, body.encode())
                figures.append(_timed(f"the whole step, {strategy}", step, ROUTE_US_MAX, calls, rounds))
    return figures


def _step(worker: Worker, envelope: Envelope, body: bytes) -> Callable[[int], object]:
    asked = CHAT.read_request(body)
    arrival = Arrival(worker.ids.new(0), worker.clock.now_us(), CHAT, "/v1/chat/completions", "", body, envelope, asked)
    return lambda _: route(worker, arrival, envelope, asked, envelope.attributed, None)


def _rules(strategy: str) -> list[RouteRule]:
    """Ten, of which the last is about the call."""
    targets = tuple(Target(name) for name in UPSTREAMS)
    return [
        RouteRule(name=f"r{at}", targets=targets, match={"feature": f"f{9 - at}"}, strategy=strategy)  # type: ignore[arg-type]
        for at in range(10)
    ]


class _Chooser:
    """One call's choice and what its answer teaches, with ten routes of which the last is about it."""

    def __init__(self, strategy: str) -> None:
        self.table = RouteTable(_rules(strategy))
        self.strategy = strategy
        self.health = [Health() for _ in UPSTREAMS]

    def __call__(self, number: int) -> object:
        now_us = 1_000_000 + number
        self.table.about(CASE, now_us)
        loads = [one.load(now_us) for one in self.health] if self.strategy == "lowest-latency" else []
        found = order(self.strategy, b"%d" % number, UPSTREAMS, (1, 1, 1), loads, ())  # type: ignore[arg-type]
        health = self.health[found[0]]
        health.why_not(now_us)
        health.begin(now_us)
        health.answered(now_us + 500, 500)
        return cool_until_us(200, HEADERS, now_us)


def _timed(name: str, choose: Callable[[int], object], bound: float, calls: int, rounds: int) -> Figure:
    samples = []
    for _ in range(rounds):
        started = time.process_time()
        for number in range(calls):
            choose(number)
        samples.append((time.process_time() - started) / calls * 1e6)
    return Figure(name, median(samples), "µs", bound, note=f"{rounds} rounds, {min(samples):.2f}–{max(samples):.2f}")
