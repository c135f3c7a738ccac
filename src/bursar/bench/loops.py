"""What the loop breaker costs an ordinary call: judged when it arrives, counted when it has ended; all on one core."""

import secrets
import time

from bursar.bench.figure import Figure, Options, median
from bursar.domain.loops import Loops
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.gateway.loops import LoopBreaker
from bursar.spool.records import CallFacts

CALLS = 100_000
APART_US = 10_000  # a hundred calls a second: the table of requests is full, and none of them came before
JUDGED_MAX_US = 4.0
CENT_PICO = 10_000_000_000


def measure(options: Options) -> list[Figure]:
    """CPU µs of `judge` and `ended` together, medians of rounds with the table of requests full."""
    breaker = LoopBreaker(Loops())
    calls = max(10_000, round(CALLS * options.scale))
    now_us = _play(breaker, calls, 1_760_000_000_000_000)[1]  # fills the table
    rounds = []
    for _ in range(options.rounds):
        took, now_us = _play(breaker, calls, now_us)
        rounds.append(took)
    note = f"{len(rounds)} rounds, {min(rounds):.3g}–{max(rounds):.3g}"
    return [Figure("loop breaker, CPU per ordinary call", median(rounds), "µs", JUDGED_MAX_US, note=note)]


def _play(breaker: LoopBreaker, calls: int, now_us: int) -> tuple[float, int]:
    said = Attribution(feature="checkout", customer="acme")
    made = [_facts(now_us, said) for _ in range(calls)]
    empty_s = time.process_time()
    for _ in made:
        now_us += APART_US
    begun_s = time.process_time()
    for facts in made:
        now_us += APART_US
        marks = breaker.judge(facts, now_us)
        if marks is not None:
            breaker.ended(marks, facts, "ok", 200, "", CENT_PICO, 1, True, now_us + 5_000)
    took_s = time.process_time() - begun_s - (begun_s - empty_s)
    return took_s / calls * 1_000_000, now_us


def _facts(now_us: int, said: Attribution) -> CallFacts:
    return CallFacts(
        "call", now_us, "openai-chat", "chat", Scope("acme"), "vk_bench", "virtual", "gpt-5.4", False, 1_400,
        secrets.token_hex(16), said,
    )  # fmt: skip
