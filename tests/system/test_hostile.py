"""A hostile or broken client gets a clear error in its own dialect; no row lost, no worker down, no secret shown."""

import asyncio
import hashlib
import json
import os
import random
import time
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import OPERATOR_KEYS, World, gateway_world

from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution

CLIENT_KEY = "sk-canary-client-key-7f3a"
PROMPT = "canary-prompt-51b2 how much is the fish"
BODY_BYTES_MAX = 20 * 1024 * 1024
STALL_S = 2.0

CHAT, MESSAGES, RESPONSES, EMBEDDINGS = "/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings"
MODELS = {
    CHAT: "gpt-4o-mini",
    RESPONSES: "gpt-4.1-mini",
    EMBEDDINGS: "text-embedding-3-small",
    MESSAGES: "claude-haiku-4-5",
}
SURFACES = tuple(MODELS)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with gateway_world(tmp_path_factory.mktemp("hostile") / "data", client_stall_s=STALL_S) as world:
        worker = world.processes[0].pid
        yield world
        assert world.processes[0].poll() is None, f"worker {worker} is down\n{world.logs()}"


def good_body(path: str, **more: Any) -> dict[str, Any]:
    text = {"input": PROMPT} if path in (RESPONSES, EMBEDDINGS) else {"messages": [{"role": "user", "content": PROMPT}]}
    limit = {"max_tokens": 50} if path in (CHAT, MESSAGES) else {}
    return {"model": MODELS[path], **text, **limit, **more}


def headers_for(path: str, **more: str) -> dict[str, str]:
    key = {"x-api-key": CLIENT_KEY, "anthropic-version": "2023-06-01"} if path == MESSAGES else {}
    return {"content-type": "application/json", **(key or {"authorization": f"Bearer {CLIENT_KEY}"}), **more}


def send(world: World, path: str, body: bytes, **headers: str) -> Answer:
    return asyncio.run(exchange(world.port, request_bytes(path, body, headers_for(path, **headers))))


def send_raw(world: World, raw: bytes, timeout_s: float = 20) -> Answer:
    return asyncio.run(exchange(world.port, raw, timeout_s=timeout_s))


def call_row(world: World, answer: Answer) -> dict[str, Any]:
    """The one row of a call."""
    world.settle_down()
    world.load()
    rows = world.rows("SELECT * FROM calls WHERE call_id = $id", id=answer.call_id)
    assert len(rows) == 1, world.logs()
    return rows[0]


def error_of(path: str, answer: Answer) -> dict[str, Any]:
    """The error in the envelope that this path's own client understands."""
    body = json.loads(answer.body)
    assert answer.headers["content-type"].startswith("application/json")
    if path == MESSAGES:
        assert body["type"] == "error"
    error: dict[str, Any] = body["error"]
    assert error["message"]
    assert error["type"]
    return error


def still_serves(world: World) -> None:
    answer = send(world, CHAT, json.dumps(good_body(CHAT)).encode())
    assert answer.status == 200, world.logs()


BROKEN = {
    "nothing": b"",
    "spaces": b"   \r\n",
    "half an object": b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"',
    "an array": b"[1,2,3]",
    "a number": b"7",
    "null": b"null",
    "no UTF-8": b'{"model":"\xff\xfe"}',
    "no model": b'{"messages":[],"input":"x"}',
    "model is a number": b'{"model":7,"messages":[],"input":"x"}',
    "model is empty": b'{"model":"","messages":[],"input":"x"}',
    "model is long": b'{"model":"' + b"m" * 5000 + b'","input":"x"}',
    "deeply nested": b'{"model":"gpt-4o-mini","x":' + b"[" * 50_000,
    "stream is text": b'{"model":"gpt-4o-mini","stream":"yes"}',
    "max_tokens is huge": b'{"model":"gpt-4o-mini","max_tokens":1e400,"max_output_tokens":1e400}',
}


@pytest.mark.parametrize("path", SURFACES)
@pytest.mark.parametrize("kind", BROKEN)
def test_a_body_that_cannot_be_read_is_a_clear_error_and_one_row(world: World, path: str, kind: str) -> None:
    if kind in ("stream is text", "max_tokens is huge") and path == EMBEDDINGS:
        kind = "no model"  # embeddings have no streams and no such limit: unknown fields, passed on as they came
    answer = send(world, path, BROKEN[kind])
    assert answer.status == 400
    assert error_of(path, answer)["message"].isprintable()
    row = call_row(world, answer)
    assert (row["outcome"], row["attempts"], row["client_status"]) == ("client_error", 0, 400)


@pytest.mark.parametrize("path", SURFACES)
def test_unknown_fields_pass_byte_for_byte(world: World, path: str) -> None:
    body = b'{ "zz" : [1.50, {"\\u0041": null}],\n "model": "%b", ' % MODELS[path].encode()
    body += json.dumps(good_body(path)).encode()[1:].replace(b'"model"', b'"model_again"', 1)
    before = len(world.sim_log())
    assert send(world, path, body).status == 200
    assert world.sim_log()[before].body_sha256 == hashlib.sha256(body).hexdigest()[:16]


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_body_of_20_mb_passes_and_one_byte_more_does_not(world: World, path: str, announced: bool) -> None:
    def body_of(size: int) -> bytes:
        body = json.dumps(good_body(path, padding="")).encode()
        return body.replace(b'"padding": ""', b'"padding": "' + b"x" * (size - len(body)) + b'"')

    def raw(size: int) -> bytes:
        body = body_of(size)
        assert len(body) == size
        if announced:
            return request_bytes(path, body, headers_for(path))
        head = request_bytes(path, b"", headers_for(path)).replace(b"content-length: 0", b"transfer-encoding: chunked")
        pieces = [body[at : at + 1_000_000] for at in range(0, size, 1_000_000)]
        return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

    assert send_raw(world, raw(BODY_BYTES_MAX)).status == 200
    refused = send_raw(world, raw(BODY_BYTES_MAX + 1))
    assert refused.status == 413
    assert "body_bytes_max" in error_of(path, refused)["message"]
    row = call_row(world, refused)
    assert (row["outcome"], row["error_code"], row["attempts"]) == ("refused", "body_too_large", 0)
    still_serves(world)


def test_ten_thousand_tags_are_bounded_and_named(world: World) -> None:
    many = ",".join(f"k{at}=v" for at in range(10_000))
    answer = send(world, CHAT, json.dumps(good_body(CHAT)).encode(), **{"x-bursar-tags": many})
    in_body = send(world, CHAT, json.dumps(good_body(CHAT, metadata={f"k{at}": "v" for at in range(10_000)})).encode())
    for reply in (answer, in_body):
        assert reply.status == 200
        assert reply.headers["x-bursar-tags-dropped"] == "9936; too_many=9936"
        row = call_row(world, reply)
        assert len(row["tags"]) == 64
        assert row["tags_dropped"] == 9936


HOSTILE_VALUES = {
    "sql": "feature='; DROP TABLE charges; --",
    "markup": 'feature=<script>alert(1)</script>,customer="><img src=x onerror=alert(1)>',
    "template": "feature={{7*7}},customer=${jndi:ldap://x},team=%{x}",
    "formula": "feature==cmd|' /C calc'!A0,customer=@SUM(1)",
    "format": "feature=%s%n%x,customer={0.__class__}",
    "path": "feature=../../etc/passwd,customer=C:\\x",
    "json": '{"feature": {"a": [1]}, "customer": 1e999, "team": null}',
    "long": "feature=" + "x" * 30_000,
    "tabs": "feature=a\tb\t",
}


@pytest.mark.parametrize("kind", HOSTILE_VALUES)
def test_hostile_tag_values_are_kept_as_text_or_dropped_by_name(world: World, kind: str) -> None:
    value = HOSTILE_VALUES[kind]
    answer = send(world, CHAT, json.dumps(good_body(CHAT)).encode(), **{"x-bursar-tags": value})
    assert answer.status == 200
    row = call_row(world, answer)
    for text in (row["feature"], row["customer"], row["team"]):
        assert len(text) <= 512
        assert "\t" not in text
    assert world.rows("SELECT count(*) AS n FROM charges")[0]["n"] > 0


def test_random_bytes_in_headers_never_take_a_worker_down(world: World) -> None:
    chance = random.Random(20261123)
    names = ["x-bursar-tags", "x-portkey-metadata", "traceparent", "baggage", "user-agent", "x-litellm-tags", "x-odd"]
    body = json.dumps(good_body(CHAT)).encode()
    for _ in range(60):
        value = bytes(
            chance.choice([*range(0x20, 0x7F), *range(0x80, 0x100), 0x09]) for _ in range(chance.randrange(80))
        )
        head = request_bytes(CHAT, body, headers_for(CHAT, **{chance.choice(names): "@"}))
        answer = send_raw(world, head.replace(b": @\r\n", b": " + value + b"\r\n"))
        assert answer.status in (200, 400)
    still_serves(world)


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-x\r\n"
SMUGGLED = {
    "CL and TE": HEAD
    + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
    "two CL": HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}x",
    "TE xchunked": HEAD + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "CL with a plus": HEAD + b"content-length: +2\r\n\r\n{}",
    "CL is huge": HEAD + b"content-length: 99999999999999999999999999\r\n\r\n{}",
    "CL is negative": HEAD + b"content-length: -1\r\n\r\n",
    "bare LF": HEAD.replace(b"\r\n", b"\n") + b"content-length: 2\n\n{}",
    "NUL in a value": HEAD + b"x-bursar-tags: a=\x00b\r\ncontent-length: 2\r\n\r\n{}",
    "bare CR in a value": HEAD + b"x-bursar-tags: a=\rb\r\ncontent-length: 2\r\n\r\n{}",
    "space before the colon": HEAD + b"x-odd : 1\r\ncontent-length: 2\r\n\r\n{}",
    "folded": HEAD + b"x-odd: a\r\n b\r\ncontent-length: 2\r\n\r\n{}",
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,
    "a path with CRLF": b"POST /v1/chat/completions%0d%0aX:%20y HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("kind", SMUGGLED)
def test_a_request_that_two_parsers_could_read_differently_is_refused(world: World, kind: str) -> None:
    before = len(world.sim_log())
    answer = send_raw(world, SMUGGLED[kind], timeout_s=10)
    assert answer.status in (0, 400, 401, 404, 413), answer
    assert len(world.sim_log()) == before, "nothing of it reached the provider"
    assert b"bursar_" not in answer.body, "the smuggled request was not answered"
    still_serves(world)


def test_clients_that_never_finish_their_request_do_not_keep_others_out(world: World) -> None:
    part = request_bytes(CHAT, b"x" * 1000, headers_for(CHAT))
    request = request_bytes(CHAT, json.dumps(good_body(CHAT)).encode(), headers_for(CHAT))

    async def upload_half() -> bytes:
        """Half a body, then silence: what the gateway says before it gives up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(part[:-500])
        try:
            return await asyncio.wait_for(reader.read(), STALL_S + 30)
        finally:
            writer.close()

    async def scenario() -> tuple[float, list[Answer], list[bytes]]:
        heads = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(75)]
        for _, writer in heads:
            writer.write(part[:40])  # half a head, then silence
        uploads = [asyncio.create_task(upload_half()) for _ in range(75)]
        await asyncio.sleep(0.2)
        started = time.monotonic()
        answers = list(await asyncio.gather(*(exchange(world.port, request) for _ in range(20))))
        took = time.monotonic() - started
        given_up = list(await asyncio.gather(*uploads))
        for _, writer in heads:
            writer.close()
        return took, answers, given_up

    for _ in range(5):  # a machine that is busy with other things may need longer than one stall
        took, answers, given_up = asyncio.run(scenario())
        if took < STALL_S:
            break
    assert [answer.status for answer in answers] == [200] * 20
    assert took < STALL_S
    for reply in given_up:
        assert reply.startswith(b"HTTP/1.1 408 ")
        assert b"client_stalled" in reply
    still_serves(world)


def test_a_client_that_leaves_in_the_middle_of_its_body_gets_a_row(world: World) -> None:
    async def scenario() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", world.port)
        request = request_bytes(CHAT, b"x" * 1000, headers_for(CHAT, **{"x-bursar-tags": "leaves=midway"}))
        writer.write(request[:-500])
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.close()

    rows: list[dict[str, Any]] = []

    def is_booked() -> bool:
        nonlocal rows
        world.load()
        rows = world.rows("SELECT outcome, attempts, client_status FROM calls WHERE tags['leaves'] = 'midway'")
        return bool(rows)

    asyncio.run(scenario())
    world.until(is_booked)
    assert rows == [{"outcome": "aborted", "attempts": 0, "client_status": 0}]


def test_no_secret_and_no_text_is_in_logs_files_ledger_or_metrics(world: World) -> None:
    keys = world.site.keys()
    made = keys.create("canary", Scope("default"), Attribution(), actor="test")
    world.site.publish(keys)
    world.until_known()
    virtual = {"authorization": f"Bearer {made.text}"}
    for path in SURFACES:
        for stream in (False, True) if path != EMBEDDINGS else (False,):
            body = json.dumps(good_body(path, stream=stream)).encode()
            for key in (headers_for(path), {"content-type": "application/json", **virtual}):
                asyncio.run(exchange(world.port, request_bytes(path, body, key)))
        send(world, path, PROMPT.encode())  # an error must not quote what was sent
    unknown = "sk-bursar-canary-unknown-key-" + "z" * 20
    refused = asyncio.run(exchange(world.port, request_bytes(CHAT, b"{}", {"authorization": f"Bearer {unknown}"})))
    assert refused.status == 401
    metrics, after_ns = world.site.paths.run / "metrics-0.json", time.time_ns()
    world.until(lambda: metrics.stat().st_mtime_ns > after_ns)
    world.settle_down()
    world.load()
    answer_text = "invoice now shows"  # a phrase of the simulator's answers
    secrets = [CLIENT_KEY, PROMPT, "canary-prompt", made.text, unknown, answer_text, *OPERATOR_KEYS.values()]
    with urlopen(f"{world.url}/metrics", timeout=30) as reply:
        places = {"metrics": reply.read(), "a refusal": refused.raw + refused.body}
    for root, _, files in os.walk(world.data):
        for name in files:
            file = os.path.join(root, name)  # noqa: PTH118
            with open(file, "rb") as opened:  # noqa: PTH123
                places[file] = opened.read()
    for table in ("charges", "calls", "pending", "segments", "loader_faults", "ledger_facts"):
        places[table] = repr(world.rows(f"SELECT * FROM {table}")).encode()
    found = [(where, secret) for where, data in places.items() for secret in secrets if secret.encode() in data]
    assert found == []
    assert len(places) > 10


def head_of(*lines: str) -> bytes:
    return "\r\n".join((f"POST {CHAT} HTTP/1.1", *lines, "authorization: Bearer sk-own", "", "")).encode()


@pytest.mark.parametrize("expects", [False, True])
def test_an_announced_flood_is_refused_before_it_is_sent(world: World, expects: bool) -> None:
    lines = ["host: gateway", "content-length: 99999999999", *(["expect: 100-continue"] if expects else [])]
    for _ in range(5):  # a machine that is busy with other things may need longer than one stall
        started = time.monotonic()
        answer = asyncio.run(exchange(world.port, head_of(*lines) + b'{"model":'))
        if (took := time.monotonic() - started) < STALL_S:
            break
    assert took < STALL_S
    assert answer.status == 413
    assert error_of(CHAT, answer)["code"] == "body_too_large"
    assert answer.headers["connection"] == "close"
    assert call_row(world, answer)["client_status"] == 413


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (("host: gateway", "transfer-encoding: chunked"), b"zz\r\n"),
        (("host: gateway", "transfer-encoding: gzip, chunked"), b"0\r\n\r\n"),
        (("host: gateway", "transfer-encoding: gzip"), b"xx"),
        (("content-length: 2",), b"{}"),
    ],
)
def test_a_body_framed_as_http_does_not_allow_is_told_so(world: World, lines: tuple[str, ...], body: bytes) -> None:
    answer = asyncio.run(exchange(world.port, head_of(*lines) + body))
    assert answer.status == 400
    assert answer.whole
