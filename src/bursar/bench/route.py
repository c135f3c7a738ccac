"""What the route table costs a call: CPU of the name's reading, of the parts of a choice, and of the whole step."""

import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bursar.bench.figure import Figure, Options, median
from bursar.domain.clock import SystemClock
from bursar.domain.gates import QualityGate
from bursar.domain.routes import RouteRule, Target
from bursar.domain.scope import Scope
from bursar.domain.snapshot import Snapshot
from bursar.domain.tags import Attribution
from bursar.gateway.call import Arrival, Worker
from bursar.gateway.case import Case
from bursar.gateway.envelope import Envelope
from bursar.gateway.gate_text import question_of
from bursar.gateway.gates import Gates
from bursar.gateway.health import Health
from bursar.gateway.names import Names
from bursar.gateway.outbox import Outbox
from bursar.gateway.pipeline import route
from bursar.gateway.rehearse import dry_worker, envelope_of
from bursar.gateway.route import Route
from bursar.gateway.route_table import RouteTable, compile_table
from bursar.gateway.settings import UpstreamSettings, WorkerSettings
from bursar.gateway.strategies import order
from bursar.gateway.upstream import PoolLimits
from bursar.gateway.upstream_rates import cool_until_us
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows
from bursar.providers.base import Asked
from bursar.providers.openai_chat import CHAT
from bursar.quality.features import BUCKETS, NAMES
from bursar.quality.weights import Head, Weights, encode_weights

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
GATE = QualityGate(weights="bench", threshold=0.5)
JUDGED_CHARS = (100, 300, 2_048)


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
    return figures + _whole_steps(calls, options.rounds) + _judges(calls, options.rounds)


def _judges(calls: int, rounds: int) -> list[Figure]:
    """A quality gate's judge alone: the question found in the request, and its chances by weights of the usual size."""
    weights = _weights()
    figures = []
    for size in JUDGED_CHARS:
        body = _question(size)
        asked = CHAT.read_request(body)

        def judged(_: int, body: bytes = body, asked: Asked = asked) -> object:
            return weights.score(question_of(body, asked, CHAT.operation).text)

        figures.append(_timed(f"a quality gate's judge, {size:,} characters", judged, None, calls // 4, rounds))
    return figures


def _weights() -> Weights:
    """As `bursar routes train` writes them; what they say doesn't matter to what they cost."""
    draw = random.Random(1)  # noqa: S311  # no secret
    head = Head(0.1, tuple(draw.uniform(-1, 1) for _ in NAMES), tuple(draw.uniform(-1, 1) for _ in range(BUCKETS)))
    return Weights(
        rows=1_000, cheap_accuracy=0.7, dear_accuracy=0.8, chars_min=1, chars_max=9_999, miss=head, cheap=head, steps=()
    )


def _question(size: int) -> bytes:
    """A request of one question, in words of four letters on average, few of them twice."""
    draw = random.Random(size)  # noqa: S311
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 7))) for _ in range(size)]
    text = "What is 12 + 7, and " + " ".join(words)
    turns = [{"role": "user", "content": text[: size - 1] + "?"}]
    return json.dumps({"model": "gpt-4o", "max_tokens": 100, "messages": turns}).encode()


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
        (Path(directory) / f"{GATE.weights}.json").write_bytes(encode_weights(_weights()))
        steps = {strategy: (_rules(strategy), body.encode()) for strategy in ("ordered", "weighted", "lowest-latency")}
        gated = [msgspec.structs.replace(rule, quality_gate=GATE) for rule in _rules("ordered")]
        steps["a quality gate, 300 characters"] = (gated, _question(300))
        for name, (rules, sent) in steps.items():
            with dry_worker(settings, Snapshot(0), SystemClock(), [], book) as worker:
                worker.route_table = compile_table(rules, [], [], worker.routes.by_name)
                worker.gates = Gates(Path(directory))
                worker.gates.use(rules)
                envelope = envelope_of(worker, [(b"x-bursar-tags", b"feature=f0")], None)
                step = _step(worker, envelope, sent)
                bound = None if "gate" in name else ROUTE_US_MAX  # a gate reads the prompt's words as well
                figures.append(_timed(f"the whole step, {name}", step, bound, calls, rounds))
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


def _timed(name: str, choose: Callable[[int], object], bound: float | None, calls: int, rounds: int) -> Figure:
    samples = []
    for _ in range(rounds):
        started = time.process_time()
        for number in range(calls):
            choose(number)
        samples.append((time.process_time() - started) / calls * 1e6)
    return Figure(name, median(samples), "µs", bound, note=f"{rounds} rounds, {min(samples):.2f}–{max(samples):.2f}")
