"""Which calls may be answered from what was kept: none in which something may be done, or is read by the provider."""

import json
from typing import Any

import pytest

from bursar.providers.base import Dialect
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
