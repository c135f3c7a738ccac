"""Gemini's dialects: usage and price as recorded, requests spliced in place, both forms of a stream however cut."""

import itertools
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.providers.recordings import GOLDEN, recording, recordings

from bursar.domain.errors import BadRequest, InvalidJson, MissingField, RateLimited
from bursar.domain.money import usd_from_pico
from bursar.domain.usage import Usage
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows
from bursar.prices.rates import price_usage
from bursar.providers.base import Answer, Asked, Dialect
from bursar.providers.json_array import ArrayElements
from bursar.providers.registry import dialect_for

AT_US = 1_791_000_000_000_000  # 2026-10: after every price that the recordings were priced by
ROWS = [json.loads(line) for line in (GOLDEN / "usages_google.jsonl").read_text("utf-8").splitlines()]

DISAGREE_PRICES: dict[str, str] = {}
"""Models whose recorded price isn't ours, and why."""


def dialect(path: str = "/v1beta/models/gemini-2.5-flash:generateContent") -> Dialect:
    found = dialect_for("POST", path)
    assert found is not None
    return found[0]


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook(compile_rows(None)[0])


GENERATE = dialect()
STREAM = dialect("/v1beta/models/gemini-2.5-flash:streamGenerateContent")
VERTEX = dialect("/v1/publishers/google/models/gemini-2.5-flash:generateContent")


def answer_of(usage: dict[str, Any] | None = None, of: Dialect = GENERATE, **more: Any) -> Answer:
    body = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage, **more}
    return of.read_answer(json.dumps(body).encode(), 200)


def details(counts: dict[str, int | None]) -> list[dict[str, Any]]:
    return [{"modality": kind, "tokenCount": count} for kind, count in counts.items()]


def test_every_recorded_usage_is_split_as_its_source_expects():
    assert len(ROWS) > 150
    for row in ROWS:
        usage = answer_of(row["usage"]).usage
        expected = row["expected"] or {}
        if not expected.get("input_tokens"):
            continue
        assert usage is not None
        assert usage.total_input == expected["input_tokens"]
        assert usage.total_output == expected.get("output_tokens", 0)
        assert usage.cache_read + usage.cache_read_audio == expected.get("cache_read_tokens", 0)
        assert usage.input_audio + usage.cache_read_audio == expected.get("input_audio_tokens", 0)
        assert usage.cache_read_audio == expected.get("cache_audio_read_tokens", 0)
        assert usage.output_audio == expected.get("output_audio_tokens", 0)
        assert usage.output_image == expected.get("output_image_tokens", 0)
        assert usage.reasoning == expected.get("output_reasoning_tokens", 0)


def test_every_recorded_usage_costs_what_its_source_says(book: PriceBook):
    compared = 0
    differing = set()
    for row in ROWS:
        usage = answer_of(row["usage"]).usage
        if usage is None or not row["price"] or row["price"][0] is None:
            continue
        sheet = book.at("google", row["model"], AT_US, input_tokens=usage.total_input)
        assert sheet is not None, row["model"]
        compared += 1
        cost = usd_from_pico(price_usage(usage, sheet).list_pico)
        if cost != sum(map(Decimal, row["price"])):
            differing.add(row["model"])
    assert compared > 150
    assert differing == set(DISAGREE_PRICES)


@given(
    prompt=st.integers(0, 500), tool=st.integers(0, 90), made=st.integers(0, 500), thoughts=st.integers(0, 500),
    cached=st.integers(0, 600),
    sent=st.dictionaries(st.sampled_from(["TEXT", "AUDIO", "IMAGE", "DOCUMENT", "VIDEO"]), st.integers(0, 300)),
    told=st.dictionaries(st.sampled_from(["TEXT", "AUDIO", "IMAGE", "VIDEO"]), st.integers(0, 300)),
    out=st.dictionaries(st.sampled_from(["TEXT", "AUDIO", "IMAGE"]), st.integers(0, 300)),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_classes_sum_to_the_totals_whatever_the_details_say(prompt, tool, made, thoughts, cached, sent, told, out):
    usage = answer_of(
        {
            "promptTokenCount": prompt,
            "toolUsePromptTokenCount": tool,
            "candidatesTokenCount": made,
            "thoughtsTokenCount": thoughts,
            "cachedContentTokenCount": cached,
            "totalTokenCount": prompt + tool + made + thoughts,
            "promptTokensDetails": details(sent),
            "cacheTokensDetails": details(told),
            "candidatesTokensDetails": details(out),
        }
    ).usage
    if not prompt + tool + made + thoughts:
        assert usage is None
        return
    assert usage is not None
    assert (usage.total_input, usage.total_output) == (prompt + tool, made + thoughts)
    assert usage.reasoning == thoughts
    assert min(msgspec.structs.astuple(usage)) >= 0
    assert usage.cache_read + usage.cache_read_audio == min(cached, prompt + tool)


def test_a_total_above_its_parts_is_billed_and_zeros_are_not_believed():
    assert answer_of({"totalTokenCount": 9}).usage == Usage(input=9)
    assert answer_of({"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 9}).usage == Usage(
        input=4, output=5, reasoning=3
    )
    assert answer_of({"promptTokenCount": 0}).usage is None
    assert answer_of(None).usage is None
    odd = answer_of({"promptTokenCount": -1}, modelVersion="gemini-x", responseId="r")
    assert (odd.usage, odd.model, odd.upstream_id, odd.complete) == (None, "gemini-x", "r", True)


@pytest.mark.parametrize(
    ("model", "grounding", "searches"),
    [
        ("gemini-2.5-flash", {"webSearchQueries": ["a", "b"]}, 1),
        ("gemini-3-pro", {"webSearchQueries": ["a", "b", ""]}, 2),
        ("gemini-3-pro", {"webSearchQueries": ["a"], "imageSearchQueries": ["b"]}, 2),
        ("gemini-3-pro", {"searchEntryPoint": {"renderedContent": "x"}}, 1),
        ("gemini-3-pro", {"groundingChunks": [{"web": {}}]}, 0),
        ("gemini-3-pro", {}, 0),
    ],
)
def test_grounding_is_searches(model: str, grounding: dict[str, Any], searches: int):
    candidates = [{"finishReason": "STOP", "groundingMetadata": grounding}]
    answer = answer_of({"promptTokenCount": 1}, modelVersion=model, candidates=candidates)
    assert answer.usage == Usage(input=1, web_search=searches)
    assert answer.also == ()


def test_grounding_without_a_listed_price_is_billed_beside_and_so_unknown(book: PriceBook):
    maps = [{"finishReason": "STOP", "groundingMetadata": {"groundingChunks": [{"maps": {"title": "x"}}]}}]
    own = [{"finishReason": "STOP", "groundingMetadata": {"groundingChunks": [{"retrievedContext": {"text": "x"}}]}}]
    request = Usage(request=1)
    assert answer_of({"promptTokenCount": 1}, candidates=maps).also == (("google-maps-grounding", request),)
    assert answer_of({"promptTokenCount": 1}, VERTEX, candidates=own).also == (("vertex-data-grounding", request),)
    assert answer_of({"promptTokenCount": 1}, candidates=own).also == ()  # Gemini's file search: tokens alone
    assert book.at("google", "google-maps-grounding", AT_US) is None
    assert book.at("google", "vertex-data-grounding", AT_US) is None


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ({"serviceTier": "PRIORITY"}, "priority"),
        ({"serviceTier": "standard"}, "standard"),
        ({"serviceTier": "unspecified"}, ""),
        ({"trafficType": "ON_DEMAND"}, ""),
        ({"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"),
    ],
)
def test_the_tier_served(said: dict[str, str], tier: str):
    assert answer_of({"promptTokenCount": 1, **said}).tier == tier


def test_a_blocked_prompt_is_a_whole_answer_with_its_reason():
    body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 7}}
    answer = GENERATE.read_answer(json.dumps(body).encode(), 200)
    assert (answer.finish_reason, answer.complete, answer.usage) == ("PROHIBITED_CONTENT", True, Usage(input=7))
    reader = STREAM.reader(Asked(stream=True), strip_usage=False)
    reader.feed(b"data: " + json.dumps(body).encode() + b"\r\n\r\n")
    reader.end()
    assert reader.answer() == answer


def test_a_request_is_read_in_either_spelling():
    body = {
        "contents": [{"parts": [{"text": "hi"}]}],
        "generationConfig": {"maxOutputTokens": 77, "candidateCount": 2},
        "tools": [{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}, {"googleSearch": {}}],
        "labels": {"feature": "checkout"},
        "serviceTier": "FLEX",
    }
    asked = GENERATE.read_request(json.dumps(body).encode())
    assert (asked.model, asked.max_output_tokens, asked.choices, asked.tools) == ("gemini-2.5-flash", 77, 2, 3)
    assert (asked.metadata, asked.tier, asked.stream) == ({"feature": "checkout"}, "flex", False)
    snake = b'{"generation_config":{"max_output_tokens":"50"}}'
    assert GENERATE.read_request(snake).max_output_tokens == 50
    assert STREAM.read_request(b"{}").stream
    with pytest.raises(BadRequest) as refused:
        GENERATE.read_request(b'{"generationConfig":{"maxOutputTokens":"many"}}')
    assert refused.value.field == "generationConfig.maxOutputTokens"
    with pytest.raises(InvalidJson):
        GENERATE.read_request(b"{")
    with pytest.raises(BadRequest):
        dialect(f"/v1beta/models/{'m' * 300}:generateContent").read_request(b"{}")
    with pytest.raises(MissingField):
        type(GENERATE)("gemini").read_request(b"{}")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"contents":[]}', b'{"generationConfig":{"maxOutputTokens":9},"contents":[]}'),
        (b"{}", b'{"generationConfig":{"maxOutputTokens":9}}'),
        (b'{ "generationConfig" : null }', b'{ "generationConfig" : {"maxOutputTokens":9} }'),
        (b'{"generationConfig":{"topK": 1 }, "x":1}', b'{"generationConfig":{"maxOutputTokens":9,"topK": 1 }, "x":1}'),
        (b'{"generation_config":{"max_output_tokens": 70 }}', b'{"generation_config":{"max_output_tokens": 9 }}'),
        (
            b'{"generation_config":{},"generationConfig":{"maxOutputTokens":"70"}}',
            b'{"generation_config":{"maxOutputTokens":9},"generationConfig":{"maxOutputTokens":9}}',
        ),
        (b'{"generationConfig":{},"generationConfig":{}}', None),
        (b'{"generationConfig":{"maxOutputTokens":1,"maxOutputTokens":2}}', None),
    ],
)
def test_the_output_limit_is_set_and_no_other_byte_changes(body: bytes, wanted: bytes | None):
    assert GENERATE.with_output_limit(body, 9) == wanted


@given(
    config=st.none() | st.dictionaries(st.sampled_from(["topK", "maxOutputTokens", "seed"]), st.integers(0, 9)),
    text=st.text(max_size=20),
    spaced=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_a_limited_request_asks_for_the_same_otherwise(config: Any, text: str, spaced: bool):
    before = {"contents": [{"parts": [{"text": text}]}], "generationConfig": config}
    body = json.dumps(before, indent=1 if spaced else None, ensure_ascii=False).encode()
    changed = GENERATE.with_output_limit(body, 123)
    assert changed is not None
    after = json.loads(changed)
    assert after["generationConfig"]["maxOutputTokens"] == 123
    assert after["contents"] == before["contents"]
    assert {**(config or {}), "maxOutputTokens": 123} == after["generationConfig"]
    assert GENERATE.read_request(changed).max_output_tokens == 123


def as_array(body: bytes, gap: bytes = b"\n,\r\n") -> bytes:
    """A recorded stream of events in the other form."""
    events = [part.removeprefix(b"data: ") for part in body.replace(b"\r\n", b"\n").split(b"\n\n") if part.strip()]
    return b"[" + gap.join(events) + b"\n]\n"


STREAMS = [one for one in recordings() if one.is_stream and one.provider == "gemini"]


@pytest.mark.parametrize("one", STREAMS, ids=lambda one: one.id)
def test_an_array_reads_like_the_events_cut_at_every_byte(one):
    body = as_array(one.body)
    for at in range(len(body)):
        reader = one.dialect.reader(Asked(stream=True), strip_usage=False)
        assert reader.feed(body[:at]) + reader.feed(body[at:]) + reader.end() == body
        assert reader.answer() == one.answer()
    assert one.dialect.read_answer(body, 200) == one.answer()


@pytest.mark.parametrize("one", STREAMS, ids=lambda one: one.id)
@pytest.mark.parametrize("array", [False, True])
def test_a_stream_cut_at_any_byte_is_complete_only_with_its_reason(one, array: bool):
    body = as_array(one.body) if array else one.body
    whole = one.answer().usage
    for end in range(0, len(body), 7):
        reader = one.dialect.reader(Asked(stream=True), strip_usage=False)
        assert reader.feed(body[:end]) + reader.end() == body[:end]
        answer = reader.answer()
        assert answer.complete == bool(answer.finish_reason)
        assert not answer.complete or (b'"finishReason"' in body[:end] and answer.usage == whole)


@given(
    objects=st.lists(
        st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.lists(st.text(max_size=4)), max_size=3),
        max_size=5,
    ),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_elements_of_an_array_come_whole_however_it_is_cut(objects, data):
    body = json.dumps(objects, indent=data.draw(st.sampled_from([None, 1])), ensure_ascii=False).encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=20)))
    elements = ArrayElements(1_000_000)
    found = [
        element
        for start, end in itertools.pairwise([0, *cuts, len(body)])
        for element in elements.feed(body[start:end])
    ]
    assert [json.loads(element) for element in found] == objects
    assert elements.closed
    assert not elements.between


def test_an_element_too_large_to_keep_is_counted_and_the_next_is_read():
    elements = ArrayElements(100)
    body = b'[{"a":"' + b"x" * 1_000 + b'"},{"b":1}]'
    found = [element for at in range(0, len(body), 50) for element in elements.feed(body[at : at + 50])]
    assert found == [b'{"b":1}']
    assert elements.oversized == 1


def test_our_error_ends_a_stream_in_the_form_it_has():
    error = RateLimited("slow down", field="model")
    event = STREAM.stream_error(error, "c1")
    chunk = b'{"candidates":[{"content":{"parts":[{"text":"hi"}]}}],"responseId":"r"}'
    events = STREAM.reader(Asked(stream=True), strip_usage=False)
    events.feed(b"data: " + chunk + b"\r\n\r\n")
    assert events.closing(event) == event
    array = STREAM.reader(Asked(stream=True), strip_usage=False)
    for before in (b"[", b"[" + chunk):
        array = STREAM.reader(Asked(stream=True), strip_usage=False)
        array.feed(before)
        array.answer()
        whole = json.loads(before + array.closing(event))
        assert whole[-1]["error"]["status"] == "RESOURCE_EXHAUSTED"
        assert STREAM.read_answer(before + array.closing(event), 200).error_code == "RESOURCE_EXHAUSTED"
    half = STREAM.reader(Asked(stream=True), strip_usage=False)
    half.feed(b"[" + chunk[:20])
    half.answer()
    assert half.closing(event) == b""  # nothing that is added in the middle of an element could be read


def test_an_error_in_the_middle_of_a_stream_is_known_by_its_status():
    problem = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    for body in (b"data: " + json.dumps(problem).encode() + b"\n\n", json.dumps([problem]).encode()):
        reader = STREAM.reader(Asked(stream=True), strip_usage=False)
        reader.feed(body)
        reader.end()
        assert (reader.answer().error_code, reader.answer().complete) == ("UNAVAILABLE", False)
    assert STREAM.read_answer(json.dumps([problem]).encode(), 503).error_code == "UNAVAILABLE"


def test_our_refusals_have_googles_envelope():
    error = RateLimited("slow down", field="model")
    error.details["limit"] = "5"
    body = json.loads(GENERATE.error(error, "c1"))["error"]
    assert (body["code"], body["message"], body["status"]) == (error.status, "slow down", "RESOURCE_EXHAUSTED")
    assert body["details"][0]["reason"] == error.code.upper()
    assert body["details"][0]["metadata"] == {"code": error.code, "field": "model", "call_id": "c1", "limit": "5"}


def test_embeddings_are_read_as_far_as_they_say():
    embed = dialect("/v1beta/models/gemini-embedding-2:embedContent")
    assert embed.read_request(b'{"content":{}}').max_output_tokens == 0
    assert embed.read_answer(b'{"embedding":{"values":[1,2]}}', 200) == Answer(complete=True)
    said = b'{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":5,"totalTokenCount":5}}'
    assert embed.read_answer(said, 200).usage == Usage(input=5)
    counted = b'{"embeddings":[{"statistics":{"tokenCount":3}},{"statistics":{"tokenCount":4}}]}'
    assert embed.read_answer(counted, 200).usage == Usage(input=7)
    assert recording("gemini-embeddings-json-2c5030ec").answer().usage is None


def test_counting_tokens_uses_a_known_nothing():
    count = dialect("/v1beta/models/gemini-2.5-pro:countTokens")
    assert count.operation == "count_tokens"
    assert count.read_answer(b'{"totalTokens":12}', 200).usage == Usage()
    assert count.read_answer(b"nope", 200).usage is None


def test_anthropics_messages_at_vertex_take_the_model_from_the_path(book: PriceBook):
    claude = dialect("/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict")
    asked = claude.read_request(b'{"anthropic_version":"vertex-2023-10-16","max_tokens":5,"messages":[]}')
    assert (asked.model, asked.max_output_tokens, asked.stream) == ("claude-sonnet-4-5@20250929", 5, False)
    body = recording("anthropic-messages-json-2672056e").body
    assert claude.read_answer(body, 200).usage == Usage(input=54, output=14)
    sheet = book.at("google", asked.model, AT_US)
    assert sheet is not None


def test_what_isnt_text_is_known_by_its_field_in_either_spelling():
    png = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAYAAAA="
    parts = [
        {"text": 'a "inlineData" in words'},
        {"inlineData": {"mimeType": "image/png", "data": png}},
        {"inline_data": {"mime_type": "application/pdf", "data": "eHg="}},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "https://example.com/v"}},
    ]
    asked = GENERATE.read_request(json.dumps({"contents": [{"parts": parts}]}).encode())
    kinds = sorted((part.kind.value, part.width, part.height) for part in asked.media)
    assert kinds == [("file", 0, 0), ("image", 2, 3), ("pdf", 0, 0)]
    assert asked.data_bytes == len(png) + 4
    said = GENERATE.read_request(json.dumps({"contents": [{"parts": parts[:1]}]}).encode())
    assert (said.media, said.data_bytes) == ((), 0)


def test_claudes_token_count_at_vertex_is_free_and_names_its_model_in_the_body():
    count = dialect("/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict")
    assert (count.family, count.operation) == ("vertex", "count_tokens")
    asked = count.read_request(b'{"model":"claude-sonnet-4-5@20250929","messages":[]}')
    assert (asked.model, asked.model_in_path) == ("claude-sonnet-4-5@20250929", False)
    assert count.read_answer(b'{"input_tokens":12}', 200).usage == Usage()
