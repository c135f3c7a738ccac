"""The simulator's cache of marked prompts, with the gateway's own marks."""

import json
from typing import Any

import pytest

from bursar.domain.caching import PromptCaching
from bursar.domain.usage import Usage
from bursar.gateway.prompt_cache.caching import CallOf, PromptCaches, Ruled
from bursar.gateway.prompt_cache.prices import CachePrices
from bursar.simulate.tokens import LOOKBACK_BLOCKS, CachedPrefix, PrefixCache

SECOND = 1_000_000
RULE = Ruled("ca_1", PromptCaching(), CachePrices(3_000_000_000, 300_000_000, 3_750_000_000, 6_000_000_000))
WORDS = "Say where it stands in the handbook. " * 150


class Clock:
    def __init__(self) -> None:
        self.at_us = 10**15

    def now_us(self) -> int:
        return self.at_us


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


@pytest.mark.parametrize("dialect", ["anthropic-messages", "bedrock-converse"])
def test_a_conversation_with_our_marks_is_read_from_its_second_turns_on(dialect):
    clock, caches = Clock(), PromptCaches(b"s" * 32)
    provider = PrefixCache(clock)
    is_converse = dialect == "bedrock-converse"
    model = "us.anthropic.claude-sonnet-4-5-v1:0" if is_converse else "claude-sonnet-4-5"
    call = CallOf(dialect=dialect, model=model, provider="p", account="main", credential_id="vk_1")

    def say(words: str) -> Any:
        return [{"text": words}] if is_converse else words

    turns: list[dict[str, Any]] = []
    reads = paid = sent = 0
    for turn in range(25):
        clock.at_us += 20 * SECOND
        turns = [*turns, {"role": "user", "content": say(f"{turn} {WORDS}")}]
        body = json.dumps({"system": say(WORDS), "messages": turns}).encode()
        marked = caches.mark(call, RULE, body, clock.at_us)
        counted = CachedPrefix() if marked is None else provider.marked("a", json.loads(marked.body))
        if marked is not None and marked.ticket is not None:
            usage = Usage(len(body) // 4, counted.read, counted.write_5m, counted.write_1h)
            caches.billed(marked.ticket, usage, clock.at_us)
        sent += len(body) // 4
        reads += counted.read
        paid += counted.write_5m
        turns = [*turns, {"role": "assistant", "content": say(f"answer {turn}")}]
    assert reads > 0.75 * sent
    assert paid < 0.25 * sent


def test_an_older_prefix_is_found_up_to_twenty_blocks_before_a_mark():
    provider = PrefixCache(Clock())
    first = [text(WORDS, cache_control={"type": "ephemeral"})]
    assert provider.marked("a", {"system": first}).write_5m > 0
    for more, is_found in ((LOOKBACK_BLOCKS, True), (LOOKBACK_BLOCKS + 1, False)):
        blocks = [text(WORDS), *[text(f"{more} {number}") for number in range(more)]]
        blocks[-1] |= {"cache_control": {"type": "ephemeral"}}
        assert bool(provider.marked("a", {"system": blocks}).read) == is_found


def test_a_string_is_short_for_a_block():
    provider = PrefixCache(Clock())
    provider.marked("a", {"system": [text(WORDS, cache_control={"type": "ephemeral"})]})
    mark = [text("q", cache_control={"type": "ephemeral"})]
    assert provider.marked("a", {"system": WORDS, "messages": [{"role": "user", "content": mark}]}).read > 0
