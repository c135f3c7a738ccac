"""What the route table costs a call: CPU of the choice, and of the name's reading; nothing else."""

import time
from collections.abc import Callable

from bursar.bench.figure import Figure, Options, median
from bursar.domain.routes import RouteRule, Target
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.gateway.case import Case
from bursar.gateway.health import Health
from bursar.gateway.names import Names
from bursar.gateway.outbox import Outbox
from bursar.gateway.route import Route
from bursar.gateway.route_table import RouteTable
from bursar.gateway.settings import UpstreamSettings
from bursar.gateway.strategies import order
from bursar.gateway.upstream import PoolLimits
from bursar.gateway.upstream_rates import cool_until_us

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
    return [_timed(name, choose, bound, calls, options.rounds) for name, (choose, bound) in cases.items()]


class _Chooser:
    """One call's choice and what its answer teaches, with ten routes of which the last is about it."""

    def __init__(self, strategy: str) -> None:
        targets = tuple(Target(name) for name in UPSTREAMS)
        rules = [RouteRule(name=f"r{at}", targets=targets, match={"feature": f"f{9 - at}"}) for at in range(10)]
        self.table = RouteTable(rules)
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
