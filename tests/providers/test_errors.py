"""Providers' errors are read by code, and ours are written so that their own SDKs understand them."""

import json

import anthropic
import httpx
import openai
import pytest
from tests.providers.recordings import GOLDEN

from bursar.domain import errors
from bursar.domain.errors import BursarError
from bursar.providers.base import Asked
from bursar.providers.event_frames import Frames
from bursar.providers.registry import DIALECTS

QUOTED = {case["id"]: case for case in json.loads((GOLDEN / "errors" / "provider_errors.json").read_text("utf-8"))}

CODES = {
    "anthropic-529-overloaded-2024": "overloaded_error",
    "anthropic-overloaded-details-null": "overloaded_error",
    "anthropic-midstream-overloaded-details-null": "overloaded_error",
    "anthropic-429-no-retry-after": "http_429",
    "openai-429-insufficient-quota": "insufficient_quota",
    "openai-ratelimit-headers-durations": "http_429",
}


def every_error() -> list[BursarError]:
    classes = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, BursarError)]
    return [cls('wrong "in" some\nway', field="model") for cls in classes]


@pytest.mark.parametrize("id", QUOTED)
def test_an_error_from_the_wild_is_known_by_its_code(id: str):
    case = QUOTED[id]
    dialect = DIALECTS["anthropic-messages" if case["provider"] == "anthropic" else "openai-chat"]
    if "sse" in case:
        reader = dialect.reader(Asked(stream=True), strip_usage=False)
        reader.feed(case["sse"].encode())
        answer = reader.answer()
        assert not answer.complete
    else:
        body = b"" if case["body"] is None else json.dumps(case["body"]).encode()
        answer = dialect.read_answer(body, case["http_status"] or 529)
    assert answer.usage is None
    assert answer.error_code == CODES[id]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error":{"code":429,"message":"x"}}', "http_429"),
        (b'{"error":{"type":"tokens","code":"rate_limit_exceeded"}}', "rate_limit_exceeded"),
        (b'{"error":{"type":"requests","code":null}}', "requests"),
        (b'[{"error":{"code":503,"status":"UNAVAILABLE"}}]', "UNAVAILABLE"),
        (b'{"error":"nope"}', "http_500"),
        (b'{"object":"error","type":"invalid_model","code":"1500"}', "invalid_model"),
        (b'{"error":{"type":"with spaces and \\n"}}', "http_500"),
        (b"<html>bad gateway</html>", "http_500"),
        (b"[]", "http_500"),
        (b"[" * 100_000, "http_500"),
        (b"", "http_500"),
        (b"\xff", "http_500"),
    ],
)
def test_a_code_is_a_short_word_or_the_status(body: bytes, code: str):
    assert DIALECTS["openai-chat"].read_answer(body, 500).error_code == code


def test_an_error_in_mid_stream_makes_it_incomplete_unless_its_usage_came():
    chat = DIALECTS["openai-chat"]
    broken = chat.reader(Asked(stream=True), strip_usage=False)
    broken.feed(b'data: {"error":{"code":502,"message":"x"}}\n\ndata: [DONE]\n\n')
    assert (broken.answer().complete, broken.answer().error_code) == (False, "http_502")
    paid = chat.reader(Asked(stream=True), strip_usage=False)
    paid.feed(
        b'data: {"error":{"code":400},"choices":[{"finish_reason":"length"}],'
        b'"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\ndata: [DONE]\n\n'
    )
    assert paid.answer().complete


def test_the_openai_sdk_understands_our_refusals():
    with openai.OpenAI(api_key="k", base_url="http://127.0.0.1/v1") as client:
        for error in every_error():
            body = json.loads(DIALECTS["openai-chat"].error(error, "c1"))
            raised = client._make_status_error_from_response(answer_of(error, body))
            assert raised.status_code == error.status
            assert (raised.code, raised.param) == (error.code, "model")
            assert error.message in raised.message or raised.body["message"] == error.message


def test_the_anthropic_sdk_understands_our_refusals():
    with anthropic.Anthropic(api_key="k") as client:
        for error in every_error():
            body = json.loads(DIALECTS["anthropic-messages"].error(error, "c1"))
            raised = client._make_status_error_from_response(answer_of(error, body))
            assert raised.status_code == error.status
            assert raised.body == body
            assert body["request_id"] == "c1"
            assert (body["error"]["code"], body["error"]["message"]) == (error.code, error.message)


def answer_of(error: BursarError, body: dict[str, object]) -> httpx.Response:
    return httpx.Response(error.status, json=body, request=httpx.Request("POST", "http://127.0.0.1/v1"))


@pytest.mark.parametrize("name", DIALECTS)
def test_an_error_in_a_stream_is_one_event_that_its_own_reader_knows(name: str):
    dialect = DIALECTS[name]
    event = dialect.stream_error(errors.UpstreamBroken("gone"), "c1")
    if dialect.family == "bedrock":
        assert len(Frames(10_000).feed(event)) == 1
    else:
        assert event.endswith(b"\n\n")
        assert event.count(b"\n\n") == 1
    reader = dialect.reader(Asked(stream=True), strip_usage=False)
    reader.feed(event)
    assert reader.answer().error_code
    assert not reader.answer().complete
