"""Which calls may be answered from what was kept: none in which something may be done, or is read by the provider.

And which answers are kept: those that their model has ended."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from bursar.gateway.keep import is_good
from bursar.providers.base import Dialect, read_asked, read_reply
from bursar.providers.registry import dialect_for

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
MESSAGES = {**CHAT, "model": "claude-sonnet-4-5", "max_tokens": 50}
TURN = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
NOVA, CLAUDE = "amazon.nova-pro-v1:0", "anthropic.claude-sonnet-4-5-20250929-v1:0"


def dialect_at(path: str) -> Dialect:
    found = dialect_for("POST", path)
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("path", "body", "more"),
    [
        ("/v1/chat/completions", CHAT, {"functions": [{"name": "pay", "parameters": {}}]}),
        ("/v1/chat/completions", CHAT, {"web_search_options": {}}),
        ("/v1/chat/completions", CHAT, {"data_sources": [{"type": "azure_search", "parameters": {}}]}),
        ("/v1/messages", MESSAGES, {"mcp_servers": [{"type": "url", "url": "https://x.test", "name": "x"}]}),
        (
            f"/model/{CLAUDE}/converse",
            TURN,
            {"additionalModelRequestFields": {"tools": [{"type": "bash_20250124", "name": "bash"}]}},
        ),
        (f"/model/{NOVA}/invoke", TURN, {"toolConfig": {"tools": [{"toolSpec": {"name": "pay"}}]}}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_acts_or_reads_by_itself_is_told_from_words(path: str, body: dict[str, Any], more: dict[str, Any]):
    dialect = dialect_at(path)
    plain, acting = (dialect.read_request(json.dumps(one).encode()) for one in (body, {**body, **more}))
    assert (plain.tools, plain.reads_more) == (0, False)
    assert acting.tools or acting.reads_more


USED = {"prompt_tokens": 5, "completion_tokens": 3}
TOKENS = {"input_tokens": 5, "output_tokens": 3}
GEMINI = "/v1beta/models/gemini-2.5-pro:generateContent"


def chat_of(reason: Any, **more: Any) -> dict[str, Any]:
    return {"id": "1", "choices": [{"finish_reason": reason, "message": {"content": "par"}, **more}], "usage": USED}


@pytest.mark.parametrize(
    ("path", "body", "is_kept"),
    [
        ("/v1/chat/completions", chat_of("stop"), True),
        ("/v1/chat/completions", chat_of("length"), True),
        ("/v1/chat/completions", chat_of("error", error={"code": 502}), False),
        ("/v1/chat/completions", chat_of("content_filter"), False),
        ("/v1/chat/completions", chat_of("insufficient_system_resource"), False),
        ("/v1/chat/completions", chat_of(None), False),
        ("/v1/chat/completions", {"id": "1", "choices": []}, False),
        ("/v1/chat/completions", {"detail": "not found"}, False),
        ("/v1/chat/completions", {}, False),
        ("/v1/responses", {"id": "resp_1", "status": "completed", "usage": TOKENS}, True),
        ("/v1/responses", {"id": "resp_1", "status": "cancelled"}, False),
        ("/v1/messages", {"id": "m", "type": "message", "stop_reason": "end_turn", "usage": TOKENS}, True),
        ("/v1/messages", {"id": "m", "type": "message", "stop_reason": "pause_turn", "usage": TOKENS}, False),
        ("/v1/messages", {"id": "m", "type": "message", "stop_reason": None, "usage": TOKENS}, False),
        (GEMINI, {"candidates": [{"finishReason": "STOP"}]}, True),
        (GEMINI, {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}, False),
        (GEMINI, {"promptFeedback": {"blockReason": "OTHER"}}, False),
        (GEMINI, {"candidates": [{"content": {}}]}, False),
        (f"/model/{CLAUDE}/converse", {"stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1}}, True),
        (f"/model/{CLAUDE}/converse", {"message": "The model is not ready"}, False),
        ("/v1/embeddings", {"data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 2}}, True),
        ("/v1/embeddings", {"data": [], "usage": {"prompt_tokens": 0}}, False),
    ],
)
def test_only_what_its_model_has_ended_is_given_again(path: str, body: dict[str, Any], is_kept: bool):
    dialect, raw = dialect_at(path), json.dumps(body).encode()
    asked = read_asked(dialect, json.dumps({**MESSAGES, "input": "Hi"}).encode(), [])
    call: Any = SimpleNamespace(asked=asked, facts=SimpleNamespace(operation=dialect.operation))
    answer = read_reply(dialect, raw, 200, [(b"content-type", b"application/json")])
    assert is_good(call, answer, raw) == is_kept
