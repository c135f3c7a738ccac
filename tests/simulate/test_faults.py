"""Each fault does on the wire what it says, and the log knows what was billed of it."""

import asyncio
import gzip
import json
import time
from http.client import HTTPConnection
from typing import Any

import openai
import pytest
from tests.wire_client import Answer, exchange, request_bytes

from bursar.simulate.faults import BadControl, FaultPlan, parse_shares, read_control

PATHS = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "openai-completions": "/v1/completions",
    "anthropic-messages": "/v1/messages",
}
BODIES: dict[str, dict[str, Any]] = {
    "openai-chat": {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]},
    "openai-responses": {"model": "gpt-4o", "input": "hi"},
    "openai-completions": {"model": "gpt-3.5-turbo", "prompt": "hi"},
    "anthropic-messages": {
        "model": "claude-opus-5",
        "max_tokens": 900,
        "messages": [{"role": "user", "content": "hi"}],
    },
}
STREAMS = sorted(BODIES)


def ask(provider: Any, dialect: str, stream: bool, **control: Any) -> Answer:
    body = json.dumps(BODIES[dialect] | {"stream": stream}).encode()
    headers = {"authorization": "Bearer k", "x-sim": json.dumps(control), "accept-encoding": "gzip"}
    return asyncio.run(exchange(provider.port, request_bytes(PATHS[dialect], body, headers), timeout_s=30))


def entry(provider: Any, label: str) -> Any:
    (found,) = [entry for entry in provider.log() if entry.label == label]
    return found


@pytest.mark.parametrize("dialect", STREAMS)
@pytest.mark.parametrize("status", [400, 404, 429, 500, 503, 529])
def test_a_refusal_has_the_dialects_envelope_and_costs_nothing(provider, dialect, status):
    label = f"{dialect}-{status}"
    answer = ask(provider, dialect, stream=True, fault=str(status), retry_after=2, label=label)
    assert (answer.status, answer.headers["retry-after"]) == (status, "2")
    body = json.loads(answer.body)
    assert body["error"]["message"]
    assert ("type" in body) == dialect.startswith("anthropic")
    assert (entry(provider, label).billed, entry(provider, label).cost_pico) == (False, 0)


@pytest.mark.parametrize("dialect", STREAMS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["cut", "wrong_length"])
def test_a_broken_answer_is_not_whole_and_is_billed_for_what_was_made(provider, dialect, stream, fault):
    label = f"{dialect}-{stream}-{fault}"
    answer = ask(provider, dialect, stream, fault=fault, after=4, chunks=10, output=100, label=label)
    assert answer.status == 200
    assert not answer.whole
    posted = entry(provider, label)
    assert (posted.billed, posted.completed) == (True, False)
    assert posted.cost_pico > 0
    if stream:
        assert posted.usage.output < 100


@pytest.mark.parametrize("dialect", STREAMS)
def test_a_stalled_stream_goes_silent_then_breaks(provider, dialect):
    started = time.monotonic()
    answer = ask(provider, dialect, stream=True, fault="stall", after=2, stall_s=0.2, label=f"stall-{dialect}")
    assert not answer.whole
    assert time.monotonic() - started >= 0.2
    assert not entry(provider, f"stall-{dialect}").completed


@pytest.mark.parametrize(
    ("dialect", "sign"),
    [
        ("openai-chat", b'data: {"error":'),
        ("openai-responses", b"event: response.failed"),
        ("anthropic-messages", b"event: error\n"),
    ],
)
def test_a_stream_says_that_it_failed(provider, dialect, sign):
    answer = ask(provider, dialect, stream=True, fault="error_event", after=3, label=f"event-{dialect}")
    assert answer.whole
    assert sign in answer.body
    assert b"[DONE]" not in answer.body
    assert not entry(provider, f"event-{dialect}").completed


@pytest.mark.parametrize("dialect", STREAMS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_without_usage_is_billed_in_full(provider, dialect, stream):
    label = f"{dialect}-{stream}-silent"
    answer = ask(provider, dialect, stream, fault="no_usage", output=70, label=label)
    assert answer.whole
    assert b'"usage":{' not in answer.body
    assert entry(provider, label).usage.output == 70


@pytest.mark.parametrize("dialect", STREAMS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["drip", "until_close"])
def test_odd_framing_is_still_a_whole_answer(provider, dialect, stream, fault):
    label = f"{dialect}-{stream}-{fault}"
    connection = HTTPConnection("127.0.0.1", provider.port, timeout=30)
    control = json.dumps({"fault": fault, "output": 20, "label": label})
    headers = {"authorization": "Bearer k", "x-sim": control}
    connection.request("POST", PATHS[dialect], json.dumps(BODIES[dialect] | {"stream": stream}), headers)
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    assert (reply.getheader("content-length") is None) == (stream or fault == "until_close")
    assert entry(provider, label).completed
    if stream:
        assert body.endswith(b"\n\n")
    else:
        assert json.loads(body)


def test_a_reset_comes_before_any_answer(provider):
    answer = ask(provider, "openai-chat", stream=False, fault="reset", label="reset")
    assert answer.raw == b""
    assert (entry(provider, "reset").status, entry(provider, "reset").billed) == (0, False)


def test_an_early_refusal_does_not_wait_for_the_body(provider):
    head = request_bytes(PATHS["openai-chat"], b"x" * 1_000_000, {"x-sim": '{"fault":"early","label":"early"}'})
    answer = asyncio.run(exchange(provider.port, head[: head.index(b"\r\n\r\n") + 4], timeout_s=30))
    assert answer.status == 413
    assert entry(provider, "early").status == 413


def test_garbage_and_emptiness(provider):
    assert ask(provider, "openai-chat", stream=False, fault="garbage").body.startswith(b"<html>")
    assert ask(provider, "openai-chat", stream=False, fault="empty").body == b""


def test_a_body_is_compressed_where_that_is_accepted(provider):
    answer = ask(provider, "openai-chat", stream=False, gzip=True)
    assert answer.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.body))["object"] == "chat.completion"


def test_truncation_can_be_demanded(provider):
    answer = ask(provider, "anthropic-messages", stream=False, fault="truncate")
    assert json.loads(answer.body)["stop_reason"] == "max_tokens"


def test_a_fault_can_wear_off(provider):
    statuses = [ask(provider, "openai-chat", False, fault="529", times=2, label="wears").status for _ in range(3)]
    assert statuses == [529, 529, 200]


def test_a_client_that_leaves_is_billed_for_what_was_made(provider):
    body = json.dumps(BODIES["openai-chat"] | {"stream": True}).encode()
    control = json.dumps({"interval_ms": 20, "chunks": 20, "output": 200, "label": "leaves"})
    request = request_bytes(PATHS["openai-chat"], body, {"authorization": "Bearer k", "x-sim": control})
    asyncio.run(exchange(provider.port, request, leave_after_bytes=1_500, timeout_s=30))
    deadline = time.monotonic() + 30
    while not any(entry.label == "leaves" for entry in provider.log()) and time.monotonic() < deadline:
        time.sleep(0.01)
    left = entry(provider, "leaves")
    assert (left.billed, left.completed) == (True, False)
    assert 0 < left.usage.output < 200


def test_each_place_for_a_demand_is_read(provider, gpt, claude):
    user: list[Any] = [{"role": "user", "content": "hi"}]
    sim = json.dumps({"output": 77})
    by_metadata = gpt.chat.completions.create(model="gpt-4o", messages=user, metadata={"sim": sim})
    by_user = gpt.chat.completions.create(model="gpt-4o", messages=user, user=f"sim:{sim}")
    by_model = gpt.chat.completions.create(model=f"gpt-4o~{sim}", messages=user)
    assert [answer.usage.completion_tokens for answer in (by_metadata, by_user, by_model)] == [77] * 3
    assert by_model.model == "gpt-4o-2024-08-06"
    message = claude.messages.create(
        model="claude-opus-5", max_tokens=99, messages=user, metadata={"user_id": f"sim:{sim}"}
    )
    assert message.usage.output_tokens == 77
    with pytest.raises(openai.RateLimitError):
        gpt.chat.completions.create(model="gpt-4o~429", messages=user)


def test_a_demand_with_a_typo_is_refused(provider):
    assert ask(provider, "openai-chat", stream=False, fualt="cut").status == 400
    assert ask(provider, "openai-chat", stream=False, fault="cutt").status == 400
    with pytest.raises(BadControl):
        read_control('{"output":"many"}', None, "", "")
    with pytest.raises(BadControl):
        parse_shares("429")
    with pytest.raises(BadControl):
        FaultPlan({"429": 0.9, "cut": 0.2}, seed=1)


def test_broken_requests_are_told_so_in_the_dialects_words(provider):
    for path, body, status in (
        (PATHS["openai-chat"], b"{", 400),
        (PATHS["anthropic-messages"], b'{"messages":[]}', 400),
        (PATHS["openai-chat"], b'{"model":3}', 400),
        ("/v1/nothing", b"{}", 404),
    ):
        request = request_bytes(path, body, {"authorization": "Bearer k"})
        answer = asyncio.run(exchange(provider.port, request))
        assert (answer.status, "error" in json.loads(answer.body)) == (status, True)
    no_key = asyncio.run(exchange(provider.port, request_bytes(PATHS["openai-chat"], b"{}", {})))
    assert no_key.status == 401
