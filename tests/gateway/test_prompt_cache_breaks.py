"""What breaks a cache is found, and named, without a text being kept."""

import json
import random
from typing import Any

import pytest

from bursar.gateway.prompt_cache.breaks import Place
from bursar.gateway.prompt_cache.caching import CallOf, PromptCaches
from bursar.gateway.prompt_cache.chunks import difference, version_of

HANDBOOK = " ".join(f"Rule {number} of the handbook: {number * 7919 % 1000} words at most." for number in range(150))
TOOLS = [
    {"name": f"tool_{number}", "description": f"{number} " * 150, "input_schema": {"type": "object"}}
    for number in range(4)
]
CALL = CallOf(
    dialect="anthropic-messages", model="claude-sonnet-4-5", provider="anthropic", account="main", credential_id="vk_1"
)


def places(bodies: list[dict[str, Any]], call: CallOf = CALL) -> list[Place]:
    """The places that break the cache of these calls, those that lose most first."""
    caches = PromptCaches(b"s" * 32)
    for number, body in enumerate(bodies):
        caches.mark(call, None, json.dumps(body).encode(), 10**15 + number * 5_000_000)
    [(_, found)] = caches.broken()
    assert found.calls == len(bodies)
    assert sum(place.calls for place in found.places) == found.broken
    assert sum(place.lost_tokens for place in found.places) == found.lost_tokens
    return sorted(found.places, key=lambda place: -place.lost_tokens)


def asking(system: Any, number: int, **more: Any) -> dict[str, Any]:
    return {"system": system, "messages": [{"role": "user", "content": f"question {number}"}], **more}


def test_a_timestamp_in_the_system_prompt_is_found_with_its_place():
    bodies = [asking(f"{HANDBOOK[:800]} It is 2026-03-0{n % 9 + 1} 10:{n:02}:00. {HANDBOOK}", n) for n in range(20)]
    [place] = places(bodies)
    assert (place.part, place.cause, place.calls) == ("system[0]", "time", 19)
    assert 736 <= place.at_bytes <= 832  # to within a chunk
    lost = len(HANDBOOK) // 4 * 19
    assert lost * 0.9 <= place.lost_tokens <= lost * 1.1


@pytest.mark.parametrize(
    ("changing", "cause"),
    [
        (lambda n: f"Session {random.Random(n).randbytes(16).hex()}.", "id"),
        (lambda n: f"You have {n + 100} credits left.", "number"),
        (lambda n: f"Dear {['Ada', 'Bob', 'Cleo', 'Dora', 'Emil', 'Fay'][n]}:", "text"),
        (lambda n: "Dear" + " " * (n + 1) + "reader.", "whitespace"),
        (lambda n: "Dear" + "\n" * (n + 1) + "reader.", "whitespace"),
    ],
)
def test_the_cause_is_named_by_what_stands_there(changing, cause):
    rest = HANDBOOK.replace("0", "o").replace("1", "l")
    letters = "".join(letter for letter in rest if not letter.isdigit())
    bodies = [asking([{"type": "text", "text": f"{changing(n)} {letters}"}], n) for n in range(6)]
    [place] = places(bodies)
    assert (place.part, place.cause) == ("system[0]", cause)


def test_reordered_added_and_removed_tools_are_told_apart():
    def body(order: list[int], number: int) -> dict[str, Any]:
        return asking(HANDBOOK, number, tools=[TOOLS[index] for index in order])

    [place] = places([body([0, 1, 2, 3], 0), body([0, 2, 1, 3], 1)])
    assert (place.part, place.cause) == ("tools[1]", "reordered")
    assert place.lost_tokens > len(HANDBOOK) // 4
    [place] = places([body([0, 1, 2], 0), body([0, 3, 1, 2], 1)])
    assert (place.part, place.cause) == ("tools[1]", "added")
    [place] = places([body([0, 1, 2, 3], 0), body([0, 2, 3], 1)])
    assert (place.part, place.cause) == ("tools[1]", "removed")


def test_one_block_of_several_is_named():
    def body(number: int) -> dict[str, Any]:
        parts = [HANDBOOK, f"Now: {number:02}:15:00", HANDBOOK + "!"]
        return asking([{"type": "text", "text": part} for part in parts], number)

    [place] = places([body(number) for number in range(10)])
    assert (place.part, place.cause, place.calls) == ("system[1]", "time", 9)


def test_prompts_that_stay_as_they_are_break_nothing():
    turns: list[dict[str, Any]] = []
    bodies = []
    for number in range(30):
        turns = [*turns, {"role": "user", "content": "continue"}, {"role": "assistant", "content": "ok"}]
        if number % 5 == 0:
            turns = [*turns, {"role": "user", "content": f"{number} {HANDBOOK}"}]
        bodies.append({"system": HANDBOOK, "tools": TOOLS, "messages": turns})
    assert places(bodies) == []
    assert places([asking(["A", "B"][n % 2] + HANDBOOK[:: 1 if n % 2 else -1], n) for n in range(20)]) == []


def test_many_conversations_at_once_are_no_breaks():
    talks: dict[int, list[dict[str, Any]]] = {number: [] for number in range(60)}
    bodies = []
    drawn = random.Random(5)
    for step in range(400):
        who = drawn.randrange(60)
        talks[who] = [*talks[who], {"role": "user", "content": f"{who} {step} {HANDBOOK[:2000]}"}]
        bodies.append({"system": HANDBOOK, "messages": talks[who]})
        talks[who] = [*talks[who], {"role": "assistant", "content": f"answer {step} " * 100}]
    assert places(bodies) == []


def test_a_history_that_loses_its_beginning_is_found():
    turns = [
        {"role": "user" if number % 2 == 0 else "assistant", "content": f"{number} {HANDBOOK[:3000]}"}
        for number in range(40)
    ]
    bodies = [{"system": HANDBOOK, "messages": turns[start : start + 11]} for start in range(0, 28, 2)]
    [place] = places(bodies)
    assert (place.part, place.cause, place.calls) == ("messages[0]", "trimmed", 13)


def test_a_first_message_that_changes_breaks_its_conversation():
    turns = [{"role": "user", "content": f"{number} {HANDBOOK[:2000]}"} for number in range(12)]
    bodies = [
        {"messages": [{"role": "user", "content": f"It is {n:02}:00. {HANDBOOK[:100]}"}, *turns[: 4 + n]]}
        for n in range(8)
    ]
    [place] = places(bodies)
    assert (place.part, place.cause, place.calls) == ("messages[0]", "text", 7)


def test_other_dialects_are_read_too():
    def body(number: int) -> dict[str, Any]:
        system = f"Today is 2026-03-{number + 10}. {HANDBOOK}"
        return {
            "model": "gpt-5.4",
            "messages": [{"role": "developer", "content": system}, {"role": "user", "content": "q"}],
        }

    chat = CallOf(dialect="openai-chat", model="gpt-5.4", provider="openai", account="main", credential_id="vk_1")
    [place] = places([body(number) for number in range(5)], chat)
    assert (place.part, place.cause) == ("system[0]", "time")
    gemini = CallOf(dialect="gemini-generate", model="gemini-3-pro", provider="google", account="a", credential_id="k")
    bodies = [
        {
            "systemInstruction": {"parts": [{"text": f"Today is 2026-03-{number + 10}. {HANDBOOK}"}]},
            "contents": [{"role": "user", "parts": [{"text": "q"}]}],
        }
        for number in range(5)
    ]
    [place] = places(bodies, gemini)
    assert (place.part, place.cause) == ("system[0]", "time")


def test_a_difference_is_found_to_within_a_chunk():
    drawn = random.Random(11)
    for _ in range(200):
        before = bytes(drawn.choices(b"abcdefgh ", k=drawn.randrange(200, 30_000)))
        at = drawn.randrange(len(before))
        after = before[:at] + b"Z" * drawn.randrange(1, 9) + before[at + drawn.randrange(0, 9) :]
        one, other = version_of(before, 1, 5), version_of(after, 2, 5)
        found = difference(one, other, after)
        if one.chunk_bytes == other.chunk_bytes:
            assert at - one.chunk_bytes < found.at <= at
            assert before[len(before) - found.alike_after :] == after[len(after) - found.alike_after :]
