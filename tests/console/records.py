"""Calls whose names are hostile, endless, right-to-left, or missing; one still in flight."""

from collections.abc import Iterator

from bursar.domain.ids import Ids
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage
from bursar.spool.journal import Journal
from bursar.spool.records import CallFacts, Dispatched, Settled

NAMES = (
    '<script>alert("x")</script>',
    "'\"><img src=x onerror=alert(1)>",
    '=HYPERLINK("http://evil")',
    "a" * 400,
    "شركة النخيل",
    "👩🏽‍🚀 emoji & co / 100 % # ? = ;",
    "with,comma\nand newline",
)
IN_FLIGHT = "still-running"


def awkward_calls(journal: Journal, now_us: int) -> Iterator[Dispatched | Settled]:
    """A call per name, an hour apart, each $0.000123 and unpriced in turn; then one that never ended."""
    ids = Ids()
    for at, name in enumerate(NAMES):
        at_us = now_us - (at + 1) * 3_600_000_000
        sent = _dispatched(journal, ids, at_us, name)
        yield sent
        cost = 123_000_000 if at % 2 == 0 else None
        lines = [("input", 100, 1_000_000_000), ("output", 20, 1_150_000_000)] if cost else []
        yield Settled(
            sent.attempt_id, at_us + 300_000, at_us + 900_000, 200, "ok",
            "reported" if cost else "unpriced", "", "stop", "gpt-4o-2024-08-06", "default", "chatcmpl-1",
            Usage(input=100, output=20, reasoning=5), lines,
            cost, cost, "", "", "", None, 2_000, True, "ok", 200,
        )  # fmt: skip
    yield _dispatched(journal, ids, now_us - 1_000_000, IN_FLIGHT)


def _dispatched(journal: Journal, ids: Ids, at_us: int, name: str) -> Dispatched:
    named = Attribution(name, "odd", name, "test", "", "", "", "", {"odd": name})
    facts = CallFacts(
        ids.new(at_us), at_us - 900, "openai-chat", "chat", Scope("acme", "odd", ""), "vk_odd", "virtual", "gpt-4o",
        True, 400, "ab" * 16, named, 3, "openai-python/2.7", 0,
    )  # fmt: skip
    journal.seq += 1
    return Dispatched(
        journal.seq, ids.new(at_us), 1, at_us, "openai", "openai", "gpt-4o", "", "", "", 5_000_000_000, "", facts
    )
