"""The simulated Bedrock: bodies and frames have the keys that recorded ones have, and botocore's parser reads them."""

import base64
import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer
from tests.providers.recordings import frame_streams, recording
from tests.simulate.test_shapes import paths

from bursar.simulate.aws_signature import secret_of
from bursar.simulate.launch import Running, provider_thread
from bursar.simulate.provider import Options

CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "amazon.nova-lite-v1:0"
ASK = {"messages": [{"role": "user", "content": [{"text": "What does a cup of tea cost?"}]}]}
MESSAGES = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "x"}],
}


@pytest.fixture(scope="module")
def provider():
    with provider_thread(Options(seed=3)) as running:
        yield running


def ask(
    provider: Running,
    model: str,
    action: str,
    body: dict[str, Any],
    headers: dict[str, str] | None = None,
    **control: Any,
) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", provider.port, timeout=20)
    sent = {"authorization": "Bearer k", "x-sim": json.dumps(control), **(headers or {})}
    connection.request("POST", f"/model/{quote(model, safe='')}/{action}", json.dumps(body), sent)
    answer = connection.getresponse()
    try:
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def events(body: bytes) -> list[tuple[str, Any]]:
    """(which event, its payload), as AWS's own parser reads them."""
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    return [
        (message.headers.get(":event-type") or message.headers[":exception-type"], json.loads(message.payload))
        for message in buffer
    ]


def test_a_plain_answer_has_a_recorded_ones_keys(provider: Running):
    status, headers, body = ask(provider, CLAUDE, "converse", ASK, cached=9, cache_write_5m=4)
    assert (status, bool(headers["x-amzn-requestid"])) == (200, True)
    lacking = paths(json.loads(recording("bedrock-converse-json-bf85438e").body)) - paths(json.loads(body))
    unspecified = {"usage.cacheReadInputTokenCount", "usage.cacheWriteInputTokenCount", "usage.serverToolUsage"}
    assert {path.removeprefix(".").removeprefix("$.") for path in lacking} <= unspecified
    _, headers, body = ask(provider, CLAUDE, "invoke", MESSAGES, cached=9, cache_write_5m=4)
    recorded = recording("bedrock-invoke-json-a5dbf7c7")
    assert paths(json.loads(recorded.body)) - paths(json.loads(body)) == set()
    assert {name for name, _ in recorded.headers} - {name.encode() for name in headers} == set()
    assert json.loads(body)["model"] == "claude-haiku-4-5-20251001"


def test_a_stream_has_a_recorded_ones_events(provider: Running):
    _, headers, body = ask(provider, NOVA, "converse-stream", ASK, output=40, input=30, text="tea for two", chunks=3)
    assert headers["content-type"] == "application/vnd.amazon.eventstream"
    read = events(body)
    recorded = {name for name, _ in events(frame_streams()[0].body)}
    assert {name for name, _ in read} == recorded
    texts = [payload["delta"]["text"] for name, payload in read if name == "contentBlockDelta"]
    assert "".join(texts) == "tea for two"
    assert read[-1][1]["usage"]["totalTokens"] == 70
    assert read[-2] == ("messageStop", {"stopReason": "end_turn"})


@pytest.mark.parametrize("model", [CLAUDE, NOVA, "meta.llama3-3-70b-instruct-v1:0", "mistral.mistral-large-2402-v1:0"])
def test_each_family_answers_in_its_own_words_and_ends_with_metrics(provider: Running, model: str):
    body = MESSAGES if "claude" in model else {"prompt": "x", "max_gen_len": 90} if "llama" in model else ASK
    _, headers, plain = ask(provider, model, "invoke", body, input=30, output=20)
    assert (headers["x-amzn-bedrock-input-token-count"], headers["x-amzn-bedrock-output-token-count"]) == ("30", "20")
    assert json.loads(plain)
    _, headers, stream = ask(provider, model, "invoke-with-response-stream", body, input=30, output=20)
    chunks = [payload["bytes"] for name, payload in events(stream) if name == "chunk"]
    last = json.loads(base64.b64decode(chunks[-1]))
    assert last["amazon-bedrock-invocationMetrics"]["inputTokenCount"] == 30
    assert not any("token-count" in name for name in headers)


def test_tokens_are_counted_for_nothing_and_texts_embedded_for_their_input(provider: Running):
    _, _, counted = ask(provider, NOVA, "count-tokens", {"input": {"converse": ASK}})
    assert json.loads(counted)["inputTokens"] > 5
    _, headers, embedded = ask(provider, "amazon.titan-embed-text-v2:0", "invoke", {"inputText": "tea"}, input=7)
    assert json.loads(embedded)["inputTextTokenCount"] == 7
    assert "x-amzn-bedrock-output-token-count" not in headers
    first, second = provider.log()[-2:]
    assert (first.billed, second.billed, second.usage.output) == (False, True, 0)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(400, "ValidationException"), (403, "AccessDeniedException"), (404, "ResourceNotFoundException"),
     (429, "ThrottlingException"), (500, "InternalServerException"), (503, "ServiceUnavailableException")],
)  # fmt: skip
def test_a_fault_has_awss_type_and_message(provider: Running, fault: int, kind: str):
    status, headers, body = ask(provider, NOVA, "converse", ASK, fault=str(fault))
    assert (status, headers["x-amzn-errortype"], list(json.loads(body))) == (fault, kind, ["message"])


def test_a_stream_that_fails_in_the_middle_ends_with_an_exception(provider: Running):
    _, _, body = ask(provider, NOVA, "converse-stream", ASK, fault="error_event", after=2, chunks=5)
    assert events(body)[-1][0] == "modelStreamErrorException"


def signed(provider: Running, body: bytes, secret: str, key: str = "AKIATEST") -> dict[str, str]:
    url = f"http://127.0.0.1:{provider.port}/model/{quote(NOVA, safe='')}/converse"
    request = AWSRequest("POST", url, data=body, headers={"content-type": "application/json"})
    SigV4Auth(Credentials(key, secret, "token"), "bedrock", "us-east-1").add_auth(request)
    return dict(request.headers.items())


def test_botocores_signatures_are_right_and_any_other_is_refused(provider: Running):
    body = json.dumps(ASK).encode()
    right = signed(provider, body, secret_of("AKIATEST"))
    assert ask(provider, NOVA, "converse", ASK, right)[0] == 200
    for wrong in (
        signed(provider, body, "another"),
        signed(provider, body + b" ", secret_of("AKIATEST")),
        right | {"X-Amz-Security-Token": "another"},
        right | {"X-Amz-Date": "20260101T000000Z"},
        right | {"x-amz-unsigned": "1"},
        right | {"Authorization": right["Authorization"][:-1] + ("0" if right["Authorization"][-1] != "0" else "1")},
    ):
        status, headers, _ = ask(provider, NOVA, "converse", ASK, wrong)
        assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
