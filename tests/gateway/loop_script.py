"""A loop breaker under a jumping clock: traffic as a list of calls, each with when it comes and how it ends."""

import heapq
from collections.abc import Iterable
from hashlib import blake2b
from itertools import count
from typing import NamedTuple

from bursar.domain.errors import LoopCut
from bursar.domain.loops import Loops
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.gateway.loop_table import Tables
from bursar.gateway.loops import LoopBreaker, Marks
from bursar.spool.records import CallFacts

START_US = 1_760_000_000_000_000
CENT = 10_000_000_000  # pico-USD


class Sent(NamedTuple):
    """One call: what the client sends, and what becomes of it if it is let through. Money: pico-USD; None: unpriced."""

    at_us: int
    request: str = "again"  # equal for equal requests
    takes_us: int = 2_000_000
    outcome: str = "ok"
    status: int = 200
    error: str = ""
    cost_pico: int | None = CENT
    size: int = 4_000
    key: str = "vk_1"
    session: str = ""
    agent: str = ""
    feature: str = "billing"
    model: str = "gpt-5.4"
    operation: str = "chat"
    client_retry: int = 0
    attempts: int = 1


class Played(NamedTuple):
    """What came of it. before: calls let through before the first was refused (-1: none was), first_cut_us after the
    first call. spent_pico: of all calls let through whose price is known."""

    before: int
    passed: int
    refused: int
    spent_pico: int
    first_cut_us: int
    refusals: list[LoopCut]
    breakers: list[LoopBreaker]

    @property
    def breaker(self) -> LoopBreaker:
        return self.breakers[0]

    @property
    def signs(self) -> set[str]:
        return {cut.sign for breaker in self.breakers for cut in breaker.cuts.values()}


def facts_of(sent: Sent) -> CallFacts:
    return CallFacts(
        "call", sent.at_us, "openai-chat", sent.operation, Scope("acme"), sent.key, "virtual", sent.model, False,
        sent.size, blake2b(sent.request.encode(), digest_size=16).hexdigest(),
        Attribution(feature=sent.feature, session=sent.session, agent=sent.agent), client_retry=sent.client_retry,
    )  # fmt: skip


def breakers_of(loops: Loops | None = None, workers: int = 1) -> list[LoopBreaker]:
    """Workers of one node: they count in the same memory."""
    tables = Tables()
    return [LoopBreaker(loops or Loops(), tables, workers=workers) for _ in range(workers)]


def play(calls: Iterable[Sent], breakers: list[LoopBreaker] | None = None) -> Played:
    """Each call goes to the next worker; ends come in their own time."""
    breakers = breakers or breakers_of()
    ends: list[tuple[int, int, int, Sent, CallFacts, Marks]] = []
    numbers = count()
    passed = spent = first_cut_us = 0
    first_us = before = -1
    refusals: list[LoopCut] = []

    def end_until(now_us: int) -> None:
        while ends and ends[0][0] <= now_us:
            at_us, _, worker, sent, facts, marks = heapq.heappop(ends)
            breakers[worker].ended(
                marks, facts, sent.outcome, sent.status, sent.error, sent.cost_pico, sent.attempts, True, at_us
            )

    for number, sent in enumerate(calls):
        now_us = START_US + sent.at_us
        first_us = now_us if first_us < 0 else first_us
        end_until(now_us)
        worker = number % len(breakers)
        if refusals:
            for other in breakers:  # what a worker's watch brings, half a second late
                cuts = [cut for cut in other.cuts.values() if now_us - cut.since_us > 500_000]
                breakers[worker].adopt(cuts, now_us)
        facts = facts_of(sent)
        try:
            marks = breakers[worker].judge(facts, now_us)
        except LoopCut as refusal:
            if not refusals:
                first_cut_us, before = now_us - first_us, passed
            refusals.append(refusal)
            continue
        passed += 1
        spent += sent.cost_pico or 0
        if marks is not None:
            heapq.heappush(ends, (now_us + sent.takes_us, next(numbers), worker, sent, facts, marks))
    return Played(before, passed, len(refusals), spent, first_cut_us, refusals, breakers)
