"""The contract between coding agents and a gateway, point by point: what Claude Code and Codex count on.

Source: Claude Code's documentation for gateways ("Gateway protocol reference"), and what both programs were
seen to send. The programs themselves are driven in tests/clients.
"""

import asyncio
import json
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.system.test_bytes import Script
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world

from bursar.simulate.launch import Running

pytestmark = pytest.mark.slow

MESSAGES = "/v1/messages?beta=true"
SYSTEM = (
    b'"system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.332.a1; cc_entrypoint=sdk-cli;"},\n'
    b' {"text":"You are a Claude agent.\\u2028","type":"text", "cache_control":{"type":"ephemeral","ttl":"1h"}}]'
)
BODY = (
    b'{"model":"claude-sonnet-4-6","max_tokens":500,"stream":%b,"messages":[{"role":"user","content":"Hi"}],'
    b'"thinking":{"type":"adaptive"},"context_management":{"edits":[]},"a_field_of_tomorrow":[1.0, 1e2],'
    + SYSTEM
    + b"}"
)
AGENT = {
    "content-type": "application/json",
    "x-api-key": "sk-ant-own",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,extended-cache-ttl-2025-04-11,of-tomorrow-2027-01-01",
    "x-app": "cli",
    "user-agent": "claude-cli/2.1.332 (external, sdk-cli)",
}
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"claude-sonnet-4-6",'
    b'"usage":{"input_tokens":9,"output_tokens":1}}}\n\n'
)
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
COMMENT = b": still here\n\n"
STOP = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":3}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
)
WHOLE = json.dumps(
    {
        "id": "msg_2",
        "type": "message",
        "model": "claude-sonnet-4-6",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 9, "output_tokens": 3},
    }
).encode()


@pytest.fixture(scope="module")
def script() -> Iterator[Script]:
    script = Script()
    yield script
    script.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, script: Script) -> Iterator[World]:
    with gateway_world(tmp_path_factory.mktemp("agents") / "data", simulator=Running(script.port)) as world:
        yield world


def plain(body: bytes, status: bytes = b"200 OK", headers: bytes = b"") -> list[bytes | threading.Event]:
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n" % (
        status,
        headers,
        len(body),
    )
    return [head, body]


def ask(world: World, body: bytes, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return asyncio.run(exchange(world.port, request_bytes(MESSAGES, body, AGENT | named)))


def charge_of(world: World, session: str) -> dict[str, Any]:
    world.settle_down()
    world.load()
    rows = world.rows("SELECT * FROM charges WHERE session = $session", session=session)
    assert len(rows) == 1
    return rows[0]


def test_the_request_reaches_the_provider_as_the_agent_wrote_it(world: World, script: Script):
    """`system` above all: its first block is stripped by its place, and thoughts are signed over it."""
    script.answers.append(plain(WHOLE))
    answer = ask(world, BODY % b"false", x_claude_code_session_id=str(uuid.uuid4()))
    assert (answer.status, answer.body) == (200, WHOLE)
    assert script.bodies[-1] == BODY % b"false"
    head = script.heads[-1].decode("latin-1")
    assert head.startswith(f"POST {MESSAGES} HTTP/1.1\r\n")
    sent = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head.split("\r\n")[1:]}
    for name in ("anthropic-version", "anthropic-beta", "x-api-key", "user-agent", "x-app"):
        assert sent.get(name) == AGENT[name], name
    assert "x-claude-code-session-id" in sent


def test_a_ping_goes_on_at_once_while_the_model_is_silent(world: World, script: Script):
    """Agents give up a stream after five silent minutes: pings and comments must not wait for what comes behind."""
    silent = threading.Event()
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (START, PING, COMMENT)]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    script.answers.append([head, *chunks, silent, b"%x\r\n%b\r\n" % (len(STOP), STOP), b"0\r\n\r\n"])

    async def listen() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(request_bytes(MESSAGES, BODY % b"true", AGENT))
        got = b""
        try:
            async with asyncio.timeout(30):
                while COMMENT not in got:
                    got += await reader.read(65_536)
                assert b"message_stop" not in got
                silent.set()
                while b"0\r\n\r\n" not in got:
                    got += await reader.read(65_536)
        finally:
            silent.set()
            writer.close()
        return got

    got = asyncio.run(listen())
    body = b"".join(part for part in got.partition(b"\r\n\r\n")[2].split(b"\r\n") if b"\n\n" in part)
    assert body == START + PING + COMMENT + STOP


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (
            b"400 Bad Request",
            b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 2"}}',
            {"request-id": "req_1"},
        ),
        (
            b"429 Too Many Requests",
            b'{ "type": "error",\n "error": {"type": "rate_limit_error", "message": "\\u00fcber"} }',
            {
                "retry-after": "3600",
                "x-should-retry": "false",
                "anthropic-ratelimit-unified-status": "rejected",
                "anthropic-ratelimit-unified-reset": "1795708800",
            },
        ),
        (b"413 Payload Too Large", b"<html>too large</html>", {"x-should-retry": "false"}),
    ],
)
def test_a_providers_error_reaches_the_agent_unchanged(
    world: World, script: Script, status: bytes, body: bytes, headers: dict[str, str]
):
    """Recovery goes by the wording; waiting by the headers."""
    script.answers.append(
        plain(body, status, "".join(f"{name}: {said}\r\n" for name, said in headers.items()).encode())
    )
    answer = ask(world, BODY % b"true")
    assert (answer.status, answer.body) == (int(status[:3]), body)
    assert {name: answer.headers.get(name) for name in headers} == headers
    assert script.answers == []


@pytest.mark.parametrize(
    ("headers", "charged"),
    [
        (
            {"x_claude_code_session_id": "s-main", "x_claude_code_request_class": "main"},
            {"session": "s-main", "agent": "", "request_type": "main"},
        ),
        (
            {
                "x_claude_code_session_id": "s-sub",
                "x_claude_code_agent_id": "a-2",
                "x_claude_code_parent_agent_id": "a-1",
                "x_claude_code_agent_type": "Explore",
                "x_claude_code_request_class": "subagent",
            },
            {
                "session": "s-sub",
                "agent": "a-2",
                "request_type": "subagent",
                "tags": {"parent_agent": "a-1", "agent_type": "Explore"},
            },
        ),
        (
            {
                "x_claude_code_session_id": "s-compact",
                "x_claude_code_request_class": "compaction",
                "x_claude_code_compaction": "auto",
            },
            {"session": "s-compact", "request_type": "compaction", "tags": {"compaction": "auto"}},
        ),
        ({"session_id": "s-codex", "x_openai_subagent": "review"}, {"session": "s-codex", "request_type": "review"}),
    ],
)
def test_an_agents_headers_say_whose_cost_it_is(
    world: World, script: Script, headers: dict[str, str], charged: dict[str, Any]
):
    """By session, by agent, by sub-agent, and what compaction costs: without a setting on the agent's side."""
    script.answers.append(plain(WHOLE))
    assert ask(world, BODY % b"false", **headers).status == 200
    charge = charge_of(world, charged["session"])
    tags = charged.pop("tags", {})
    assert {name: charge[name] or "" for name in charged} == charged
    assert {name: dict(charge["tags"])[name] for name in tags} == tags


def test_the_gateway_says_that_it_is_there(world: World):
    """`HEAD /api/hello`, which an agent asks at its start."""
    answer = asyncio.run(
        exchange(world.port, b"HEAD /api/hello HTTP/1.1\r\nhost: gateway\r\n\r\n", leave_after_bytes=0)
    )
    assert answer.status == 200
