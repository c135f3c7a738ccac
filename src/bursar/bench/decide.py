"""What policies, limits and kills cost a call: CPU of `judge` and `admit`, nothing else."""

import time

from bursar.bench.figure import Figure, Options, median
from bursar.domain.controls import Kill, KillTerms, Limit, LimitTerms, Policy, PolicyTerms
from bursar.domain.scope import Scope
from bursar.domain.snapshot import Snapshot
from bursar.domain.tags import Attribution
from bursar.gateway.decide import Decider
from bursar.gateway.identify import Credential
from bursar.providers.base import Asked

CALLS = 200_000
IDLE_US_MAX = 1.0
TEN_US_MAX = 3.0

CREDENTIAL = Credential("vk_bench", "virtual", Scope("acme", "core", "apollo"), Attribution(), b"", b"")
SAID = Attribution(feature="f0", team="core", customer="c1", environment="prod", tags={"plan": "pro"})
ASKED = Asked("gpt-4o", max_output_tokens=100)
VALUES = {
    "feature": "f0", "team": "core", "customer": "c1", "environment": "prod", "credential": "vk_bench",
    "project": "apollo", "model": "gpt-4o", "tag:plan": "pro", "agent": "a", "session": "s",
}  # fmt: skip


def measure(options: Options) -> list[Figure]:
    """Medians over rounds."""
    calls = max(int(CALLS * options.scale), 1_000)
    cases = {
        "nothing configured": (Snapshot(0), IDLE_US_MAX),
        "ten policies, one matches": (Snapshot(0, policies=_on_features(10)), TEN_US_MAX),
        "ten policies, ten dimensions, none match": (Snapshot(0, policies=_on_dimensions("no")), TEN_US_MAX),
        "ten policies without a match": (Snapshot(0, policies=[_policy(n, {}) for n in range(10)]), TEN_US_MAX),
        "ten policies, ten dimensions, eight match": (Snapshot(0, policies=_on_dimensions("")), None),
        "10,000 policies, one matches": (Snapshot(0, policies=_on_features(10_000)), TEN_US_MAX),
        "ten policies, a kill and a limit": (
            Snapshot(0, policies=_on_features(10), limits=[_limit()], kills=[_kill()]), None,
        ),
    }  # fmt: skip
    return [_timed(name, snapshot, bound, calls, options.rounds) for name, (snapshot, bound) in cases.items()]


def _timed(name: str, snapshot: Snapshot, bound: float | None, calls: int, rounds: int) -> Figure:
    decider = Decider()
    decider.use(snapshot)
    _decide(decider, 1_000)
    samples = []
    for _ in range(rounds):
        started = time.process_time()
        _decide(decider, calls)
        samples.append((time.process_time() - started) / calls * 1e6)
    return Figure(name, median(samples), "µs", bound, note=f"{rounds} rounds, {min(samples):.2f}–{max(samples):.2f}")


def _decide(decider: Decider, calls: int) -> None:
    for _ in range(calls):
        case = decider.judge(CREDENTIAL, SAID, ASKED, "chat", 1_000, 1)
        if case is not None:
            taken = decider.admit(case, "openai", "", 1_000_000)
            if taken is not None:
                taken.release()


def _policy(number: int, match: dict[str, str]) -> Policy:
    terms = PolicyTerms(match=match, deny_models=("x-*",), output_tokens_max=4096)
    return Policy(f"pl_{number}", f"policy {number}", terms, True, number, "bench")


def _on_features(count: int) -> list[Policy]:
    return [_policy(number, {"feature": f"f{number}"}) for number in range(count)]


def _on_dimensions(suffix: str) -> list[Policy]:
    return [_policy(number, {name: value + suffix}) for number, (name, value) in enumerate(VALUES.items())]


def _limit() -> Limit:
    return Limit("lm_1", "limit", LimitTerms(requests_per_minute=10**9, concurrent=10), 1, "bench")


def _kill() -> Kill:
    return Kill("ks_1", "agent=z", KillTerms(match={"agent": "z"}, reason="bench"), 1, "bench")
