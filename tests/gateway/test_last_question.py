"""What of a request is compared by meaning: the last words of its user, and nothing that has more to it than words."""

import json
from typing import Any

import pytest

from bursar.gateway.last_question import TEXT_CHARS_MAX, last_question

HI: dict[str, Any] = {"role": "user", "content": "Hi"}
CHAT, MESSAGES, RESPONSES = "openai-chat", "anthropic-messages", "openai-responses"


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("dialect", "fields"),
    [
        (CHAT, {"messages": [{"role": "system", "content": "Be brief"}, HI]}),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}),
        (MESSAGES, {"system": "Be brief", "messages": [HI, {"role": "assistant", "content": "Yes?"}, HI]}),
        (RESPONSES, {"input": "Hi"}),
        (
            RESPONSES,
            {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]},
        ),
    ],
)
def test_the_last_words_are_found_and_the_rest_is_without_them(dialect: str, fields: dict[str, Any]):
    found = last_question(dialect, body(**fields))
    assert found is not None
    assert found[0] == "Hi"
    other = last_question(dialect, json.dumps(fields).replace('"Hi"', '"Ho"', 1).encode())
    assert other is not None
    assert (other[1] == found[1]) == (json.dumps(fields).count('"Hi"') == 1)  # an earlier turn is of the rest
    changed = last_question(dialect, body(**fields, temperature=0.1))
    assert changed is not None
    assert changed[1] != found[1]


@pytest.mark.parametrize(
    ("dialect", "fields"),
    [
        (CHAT, {"messages": []}),
        (CHAT, {"messages": "Hi"}),
        (CHAT, {"messages": [HI, {"role": "assistant", "content": "Yes"}]}),
        (CHAT, {"messages": [{"role": "user", "content": " "}]}),
        (CHAT, {"messages": [{"role": "user", "content": "x" * (TEXT_CHARS_MAX + 1)}]}),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}] * 2}]}),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}),
        (CHAT, {"messages": [{"role": "assistant", "content": "", "tool_calls": [{}]}, HI]}),
        (CHAT, {"messages": [{"role": "tool", "content": "done"}, HI]}),
        (MESSAGES, {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "x"}]}, HI]}),
        (MESSAGES, {"messages": [{"role": "user", "content": [
            {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}]}),
        (RESPONSES, {"input": [{"type": "function_call_output", "output": "x"}, HI]}),
        ("gemini-generate", {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}),
    ],
)  # fmt: skip
def test_what_has_more_to_it_than_words_is_not_compared(dialect: str, fields: dict[str, Any]):
    assert last_question(dialect, body(**fields)) is None
