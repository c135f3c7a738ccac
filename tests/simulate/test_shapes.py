"""Bodies and events have the keys that recorded ones have: what the clients tolerate isn't the measure."""

import json
from pathlib import Path
from typing import Any

import pytest

from bursar.domain.usage import Usage
from bursar.simulate import wire_anthropic, wire_openai, wire_responses
from bursar.simulate.plan import Ask, Plan

RECORDED = json.loads((Path(__file__).parent / "recorded_shapes.json").read_text())["recordings"]
OURS_MAY_LACK = {
    "obfuscation",  # padding against traffic analysis, newer than some of the recordings
    "billing",
    "billing.payer",
    "prompt_cache_retention",
    "choices[].delta.refusal",  # present from the first chunk on in some recordings only
}
TAILS_OURS_MAY_LACK = ("tools[]", "reasoning.", "output[]", "content_filter", "item.")


def plan() -> Plan:
    return Plan(
        answer_id="chatcmpl-0123456789abcdef0123456789abcdef",
        request_id="req_1",
        created_s=1_790_000_000,
        model_served="gpt-4o-2024-08-06",
        tier="default",
        usage=Usage(input=10, cache_read=5, output=30),
        texts=["one two three four"],
        tool_call=None,
        thinking="",
        truncated=False,
        chunks=3,
        ask=Ask("gpt-4o", stream=True),
    )


def paths(value: Any, prefix: str = "") -> set[str]:
    found: set[str] = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            path = f"{prefix}.{key}" if prefix else key
            found |= {path} | paths(inner, path)
    elif isinstance(value, list):
        for inner in value:
            found |= paths(inner, f"{prefix}[]")
    return found


def of_stream(events: list[wire_openai.Event]) -> dict[str, set[str]]:
    shapes: dict[str, set[str]] = {}
    for event in events:
        for line in event.data.decode().splitlines():
            if line.startswith("data: {"):
                body = json.loads(line.removeprefix("data: "))
                shapes.setdefault(body.get("type", "chunk"), set()).update(paths(body))
    return shapes


OURS = {
    "openai-chat": lambda: {"body": paths(json.loads(wire_openai.chat(plan())))},
    "openai-chat-stream": lambda: of_stream(wire_openai.chat_events(plan())),
    "openai-completions": lambda: {"body": paths(json.loads(wire_openai.completion(plan())))},
    "openai-responses": lambda: {"body": paths(json.loads(wire_responses.response(plan())))},
    "openai-responses-stream": lambda: of_stream(wire_responses.response_events(plan())),
    "anthropic-messages": lambda: {"body": paths(json.loads(wire_anthropic.message(plan())))},
    "anthropic-messages-stream": lambda: of_stream(wire_anthropic.message_events(plan())),
}


@pytest.mark.parametrize("kind", sorted(OURS))
def test_simulated_answers_have_the_keys_of_recorded_ones(kind):
    ours = OURS[kind]()
    recorded = {name: set(keys) for name, keys in RECORDED[kind]["shapes"].items()}
    assert set(ours) == set(recorded)
    for name, keys in recorded.items():
        missing = {
            key
            for key in keys - ours[name]
            if key not in OURS_MAY_LACK and not any(tail in key for tail in TAILS_OURS_MAY_LACK)
        }
        assert not missing, f"{kind} {name} lacks {sorted(missing)}"
