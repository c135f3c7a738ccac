"""The simulated Google: bodies and chunks have the keys that recorded ones have, and both forms of a stream agree."""

import json
from http.client import HTTPConnection
from typing import Any

import pytest
from tests.providers.recordings import recording
from tests.simulate.test_shapes import paths

from bursar.simulate.launch import Running, provider_thread
from bursar.simulate.provider import Options

MODEL = "/v1beta/models/gemini-2.5-flash"
VERTEX = "/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-flash"
ASK = {"contents": [{"role": "user", "parts": [{"text": "What does a cup of tea cost?"}]}]}
TOOL = {"name": "price", "parameters": {"type": "OBJECT", "properties": {"what": {"type": "STRING"}}}}


@pytest.fixture(scope="module")
def provider():
    with provider_thread(Options(seed=3)) as running:
        yield running


def ask(provider: Running, path: str, body: dict[str, Any], control: dict[str, Any] | None = None) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", provider.port, timeout=20)
    headers = {"x-goog-api-key": "k", "x-sim": json.dumps(control or {})}
    connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def chunks(text: str) -> list[dict[str, Any]]:
    return [json.loads(part.removeprefix("data: ")) for part in text.split("\r\n\r\n") if part]


def test_a_plain_answer_has_a_recorded_ones_keys(provider: Running):
    status, text = ask(provider, MODEL + ":generateContent", ASK)
    assert status == 200
    recorded = paths(json.loads(recording("gemini-generateContent-json-868f4a52").body))
    assert recorded - paths(json.loads(text)) == set()


def test_a_chunk_has_a_recorded_ones_keys(provider: Running):
    demand = {"reasoning": 64, "output": 90}
    with_tool = {**ASK, "tools": [{"functionDeclarations": [TOOL]}]}
    text = "".join(
        ask(provider, MODEL + ":streamGenerateContent?alt=sse", body, demand)[1] for body in (ASK, with_tool)
    )
    body = recording("gemini-generateContent-stream-f2d9c488").body.decode()
    recorded = set().union(*map(paths, chunks(body.replace("\r\n", "\n").replace("\n\n", "\r\n\r\n"))))
    lacking = {path for path in recorded - set().union(*map(paths, chunks(text))) if "functionCall.args." not in path}
    assert {path for path in lacking if not path.endswith(("thoughtSignature", "functionCall.id"))} == set()


@pytest.mark.parametrize("path", [MODEL, VERTEX])
def test_both_forms_of_a_stream_say_the_same_usage_in_the_end(provider: Running, path: str):
    demand = {"output": 40, "reasoning": 8, "input": 30, "cached": 10, "text": "tea for two", "chunks": 3}
    _, events = ask(provider, path + ":streamGenerateContent?alt=sse", ASK, demand)
    _, array = ask(provider, path + ":streamGenerateContent", ASK, demand)
    for read in (chunks(events), json.loads(array)):
        assert "".join(one["candidates"][0]["content"]["parts"][0]["text"] for one in read) == "tea for two"
        assert [one["candidates"][0].get("finishReason") for one in read] == [None, None, "STOP"]
        usage = read[-1]["usageMetadata"]
        assert (usage["promptTokenCount"], usage["cachedContentTokenCount"]) == (40, 10)
        assert (usage["candidatesTokenCount"], usage["thoughtsTokenCount"], usage["totalTokenCount"]) == (32, 8, 80)


def test_a_tool_is_called_and_its_result_is_answered_with_text(provider: Running):
    with_tool = {**ASK, "tools": [{"functionDeclarations": [TOOL]}]}
    _, text = ask(provider, MODEL + ":generateContent", with_tool)
    call = json.loads(text)["candidates"][0]["content"]["parts"][0]["functionCall"]
    assert call == {"name": "price", "args": {"what": "sample"}}
    result = {"role": "user", "parts": [{"functionResponse": {"name": "price", "response": {"usd": 3}}}]}
    _, text = ask(provider, MODEL + ":generateContent", {**with_tool, "contents": [*ASK["contents"], result]})
    assert json.loads(text)["candidates"][0]["content"]["parts"][0]["text"]


def test_tokens_are_counted_for_nothing_and_texts_embedded_for_their_input(provider: Running):
    assert json.loads(ask(provider, MODEL + ":countTokens", ASK)[1])["totalTokens"] > 5
    path = "/v1beta/models/gemini-embedding-001"
    one = {"content": {"parts": [{"text": "tea"}]}}
    assert json.loads(ask(provider, path + ":embedContent", one)[1])["embedding"]["values"]
    _, text = ask(provider, path + ":batchEmbedContents", {"requests": [one, one]})
    assert len(json.loads(text)["embeddings"]) == 2
    counted, embedded = provider.log()[-3:-1]
    assert (counted.billed, embedded.billed) == (False, True)


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_a_fault_is_said_in_googles_words(provider: Running, status: int):
    found, text = ask(provider, MODEL + ":generateContent", ASK, {"fault": str(status)})
    assert (found, json.loads(text)["error"]["code"]) == (status, status)


def test_a_stream_that_fails_in_the_middle_says_so_in_its_own_form(provider: Running):
    demand = {"fault": "error_event", "after": 2, "chunks": 5}
    _, events = ask(provider, MODEL + ":streamGenerateContent?alt=sse", ASK, demand)
    _, array = ask(provider, MODEL + ":streamGenerateContent", ASK, demand)
    assert [one["error"]["status"] for one in (chunks(events)[-1], json.loads(array)[-1])] == ["UNAVAILABLE"] * 2
