"""Bedrock's dialects: usage and price as recorded, streams however cut, each family's requests, refusals as AWS's."""

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.providers.recordings import GOLDEN, Recording, frame_streams, recording, recordings

from bursar.domain.errors import BadRequest, BudgetExhausted, BursarError, RateLimited, UpstreamBroken
from bursar.domain.money import usd_from_pico
from bursar.domain.usage import Usage
from bursar.gateway.meter import Meter
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows
from bursar.prices.rates import price_usage
from bursar.providers.base import Answer, Asked, Dialect, error_headers, read_reply, said_in_headers
from bursar.providers.bedrock_paths import region_of, wire_path
from bursar.providers.event_frames import Frames, write_frame
from bursar.providers.registry import dialect_for

AT_US = 1_791_000_000_000_000  # 2026-10
ROWS = [json.loads(line) for line in (GOLDEN / "usages_bedrock.jsonl").read_text("utf-8").splitlines()]

PRICES: dict[str, str | None] = {
    "bedrock-converse-json-1d349115": None,  # a guardrail's units have no listed price
    "bedrock-converse-json-3163f3b9": "0.000001155",  # flex: no price of that tier is listed, so it's estimated
    "bedrock-converse-json-bf85438e": "0.00354486",  # 3 at 3.30, 1,712 at 0.33, 236 at 4.125, 121 at 16.50
    "bedrock-converse-stream-72c3f1c8": "0.0000088",
    "bedrock-converse-stream-9ef25d6e": "0.0000363",
    "bedrock-converse-stream-a740e7e4": None,
    "bedrock-converse-stream-ff5a5a97": None,
    "bedrock-invoke-json-2ab39050": None,  # Llama 2 is in no list any more
    "bedrock-invoke-json-a3572c3e": None,  # nor is Claude 2
    "bedrock-invoke-json-a5dbf7c7": "0.00398101",  # the source says 0.00373901 + 0.000242
    "bedrock-invoke-stream-c3a2a2ae": "0.000363",
}
"""What each recording costs by the list, USD; None: unpriced, for the reason beside it."""


def dialect(action: str = "converse", model: str = "us.anthropic.claude-sonnet-4-6") -> Dialect:
    found = dialect_for("POST", f"/model/{model}/{action}")
    assert found is not None
    return found[0]


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook(compile_rows(None)[0])


def event(name: str, payload: dict[str, Any]) -> bytes:
    return write_frame(
        ((":event-type", name), (":message-type", "event")), json.dumps(payload, separators=(",", ":")).encode()
    )


def chunk(said: dict[str, Any]) -> bytes:
    return event("chunk", {"bytes": base64.b64encode(json.dumps(said, separators=(",", ":")).encode()).decode()})


def stream(action: str, *frames: bytes, model: str = "amazon.nova-lite-v1:0") -> Answer:
    reader = dialect(action, model).reader(Asked(stream=True), strip_usage=False)
    body = b"".join(frames)
    assert reader.feed(body) + reader.end() == body
    return reader.answer()


def usage_of(usage: dict[str, Any] | None, **more: Any) -> Answer:
    body = json.dumps({"stopReason": "end_turn", "usage": usage, **more}).encode()
    return dialect().read_answer(body, 200)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["recording"].split("/")[-1])
def test_every_recorded_usage_is_split_as_its_source_expects(row: dict[str, Any]):
    usage, expected = usage_of(row["usage"]).usage, row["expected"]
    assert usage is not None
    assert usage.total_input == expected["input_tokens"]
    assert usage.total_output == expected["output_tokens"]
    assert usage.cache_read == expected.get("cache_read_tokens", 0)
    assert usage.cache_write_5m + usage.cache_write_1h == expected.get("cache_write_tokens", 0)
    assert usage.total_input + usage.total_output == row["usage"]["totalTokens"]


def test_every_recording_costs_what_the_list_says(book: PriceBook):
    found = {}
    for one in recordings():
        if one.dialect.family == "bedrock" and one.status < 400:
            metered = Meter(book).answered(
                one.asked(), one.answer(), one.dialect.operation, "aws", AT_US, len(one.request), 100
            )
            found[one.id] = None if metered.list_pico is None else usd_from_pico(metered.list_pico)
            if one.id == "bedrock-converse-json-3163f3b9":
                assert metered.quality == "estimated"
            else:
                assert metered.quality == ("unpriced" if PRICES[one.id] is None else "reported")
    assert found == {name: None if text is None else Decimal(text) for name, text in PRICES.items()}


def test_writes_are_told_apart_by_how_long_they_live(book: PriceBook):
    counts = {"inputTokens": 10, "outputTokens": 20, "cacheReadInputTokens": 5, "cacheWriteInputTokens": 900}
    split = [{"ttl": "1h", "inputTokens": 600}, {"ttl": "5m", "inputTokens": 300}]
    wanted = Usage(input=10, cache_read=5, cache_write_5m=300, cache_write_1h=600, output=20)
    assert usage_of({**counts, "cacheDetails": split}).usage == wanted
    assert usage_of({**counts, "cacheDetails": split[:1]}).usage == wanted  # what isn't told lives for five minutes
    assert usage_of(counts).usage == Usage(input=10, cache_read=5, cache_write_5m=900, output=20)
    sheet = book.at("aws", "us.anthropic.claude-sonnet-4-6", AT_US)
    assert sheet is not None
    cost = usd_from_pico(price_usage(wanted, sheet).list_pico)
    parts = (10, "3.3"), (5, "0.33"), (300, "4.125"), (600, "6.6"), (20, "16.5")
    assert cost == sum(quantity * Decimal(price) for quantity, price in parts) / 1_000_000


def test_a_total_above_its_parts_is_billed_and_zeros_are_not_believed():
    assert usage_of({"inputTokens": 3, "outputTokens": 4, "totalTokens": 9}).usage == Usage(input=3, output=6)
    assert usage_of({"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}).usage is None
    assert usage_of(None).usage is None
    odd = usage_of({"inputTokens": -1})
    assert (odd.usage, odd.finish_reason, odd.complete) == (None, "end_turn", True)
    blocked = usage_of({"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}, stopReason="guardrail_intervened")
    assert blocked.usage == Usage()
    assert dialect().read_answer(b"<html>", 200) == Answer()


def test_tiers_and_optimized_latency_are_what_was_served():
    tokens = {"inputTokens": 1, "outputTokens": 1}
    assert usage_of(tokens, serviceTier={"type": "priority"}).tier == "priority"
    assert usage_of(tokens, performanceConfig={"latency": "optimized"}).tier == "optimized"
    assert usage_of(tokens, performanceConfig={"latency": "standard"}).tier == ""
    served = [(b"x-amzn-bedrock-service-tier", b"flex"), (b"x-amzn-requestid", b"id-1")]
    answer = read_reply(dialect("invoke"), b'{"usage":{"input_tokens":1,"output_tokens":2}}', 200, served)
    assert (answer.tier, answer.upstream_id) == ("flex", "id-1")
    asked = dialect().read_request(b'{"serviceTier":{"type":"flex"},"requestMetadata":{"team":"core"}}')
    assert (asked.tier, asked.metadata) == ("flex", {"team": "core"})


def test_a_prompt_router_says_which_model_it_chose():
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0"
    routed = usage_of({"inputTokens": 1}, trace={"promptRouter": {"invokedModelId": arn}})
    assert routed.model == "us.anthropic.claude-haiku-4-5-20251001-v1:0"


def test_guardrails_and_tools_are_billed_beside_and_unpriced_until_somebody_prices_them():
    answer = recording("bedrock-converse-json-1d349115").answer()
    units = {name: usage.request for name, usage in answer.also}
    assert units == {
        "bedrock-guardrail-content": 2,
        "bedrock-guardrail-topic": 2,
        "bedrock-guardrail-pii": 2,
        "bedrock-guardrail-grounding": 1,
    }
    tool = usage_of({"inputTokens": 1, "serverToolUsage": {"nova_grounding": 3, "odd": "x"}})
    assert tool.also == (("bedrock-tool-nova_grounding", Usage(request=3)),)


@pytest.mark.parametrize(
    ("model", "body", "headers", "usage"),
    [
        ("cohere.command-r-v1:0", {"text": "hi"}, {"input": 5, "output": 7}, Usage(input=5, output=7)),
        ("amazon.nova-lite-v1:0", {"usage": {"inputTokens": 5, "outputTokens": 7}}, {}, Usage(input=5, output=7)),
        (
            "amazon.nova-lite-v1:0",
            {"usage": {"inputTokens": 5, "outputTokens": 7}},
            {"input": 5, "output": 7, "cache-read-input": 90, "cache-write-input": 4},
            Usage(input=5, cache_read=90, cache_write_5m=4, output=7),
        ),
        ("meta.llama3", {"prompt_token_count": 5, "generation_token_count": 7}, {}, Usage(input=5, output=7)),
        (
            "amazon.titan-text-lite-v1",
            {"inputTextTokenCount": 5, "results": [{"tokenCount": 7}]},
            {},
            Usage(input=5, output=7),
        ),
        ("amazon.titan-embed-text-v2:0", {"inputTextTokenCount": 5}, {}, Usage(input=5)),
        ("cohere.embed-english-v3", {"embeddings": [[1]]}, {"input": 5}, Usage(input=5)),
        ("openai.gpt-oss", {"usage": {"prompt_tokens": 5, "completion_tokens": 7}}, {}, Usage(input=5, output=7)),
        ("cohere.command-r-v1:0", {"text": "hi"}, {}, None),
        ("cohere.command-r-v1:0", {"text": "hi"}, {"input": "many"}, None),
    ],
)
def test_each_familys_counts_stand_in_its_body_or_in_its_headers(
    model: str, body: dict[str, Any], headers: dict[str, Any], usage: Usage | None
):
    said = [(f"x-amzn-bedrock-{kind}-token-count".encode(), str(count).encode()) for kind, count in headers.items()]
    answer = read_reply(dialect("invoke", model), json.dumps(body).encode(), 200, said)
    assert (answer.usage, answer.complete, answer.model) == (usage, True, "")


@pytest.mark.parametrize("one", frame_streams(), ids=lambda one: one.id)
def test_a_recorded_stream_reads_alike_cut_at_every_byte(one: Recording):
    whole = one.answer()
    for at in range(0, len(one.body), 7 if len(one.body) > 3_000 else 1):
        reader = one.dialect.reader(Asked(stream=True), strip_usage=False)
        assert reader.feed(one.body[:at]) + reader.feed(one.body[at:]) + reader.end() == one.body
        assert said_in_headers(one.dialect, reader.answer(), 200, one.headers) == whole


@pytest.mark.parametrize("one", frame_streams(), ids=lambda one: one.id)
def test_a_stream_that_ends_at_any_byte_is_cut_unless_it_is_whole(one: Recording):
    for end in range(0, len(one.body), 5):
        reader = one.dialect.reader(Asked(stream=True), strip_usage=False)
        reader.feed(one.body[:end])
        reader.end()
        assert not reader.answer().complete


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_stream_with_a_wrong_byte_is_never_whole(data: st.DataObject):
    one = data.draw(st.sampled_from(frame_streams()))
    at = data.draw(st.integers(0, len(one.body) - 1))
    body = bytearray(one.body)
    body[at] ^= data.draw(st.integers(1, 255))
    reader = one.dialect.reader(Asked(stream=True), strip_usage=False)
    assert reader.feed(bytes(body)) + reader.end() == bytes(body)
    answer = reader.answer()
    assert not answer.complete
    assert answer.error_code in ("stream_corrupt", "")  # "": its length grew, so that it seems to be cut


METADATA = event("metadata", {"usage": {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}})


def test_an_exception_in_a_stream_is_its_outcome_and_the_text_before_is_counted():
    said = event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "seven b"}})
    failed = write_frame(
        ((":exception-type", "throttlingException"), (":message-type", "exception")), b'{"message":"slow down"}'
    )
    error = write_frame(((":error-code", "InternalError"), (":message-type", "error")), b"")
    for ending, code in ((failed, "ThrottlingException"), (error, "InternalError")):
        reader = dialect("converse-stream").reader(Asked(stream=True), strip_usage=False)
        reader.feed(said + ending)
        reader.end()
        answer = reader.answer()
        assert (answer.error_code, answer.complete, answer.usage, reader.output_bytes) == (code, False, None, 7)
    assert not stream("converse-stream", METADATA, failed).complete
    assert stream("converse-stream", METADATA).usage == Usage(input=9, output=3)


def test_other_families_streams_end_with_their_metrics():
    metrics = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 5, "outputTokenCount": 2}}
    told = [chunk({"generation": "one "}), chunk({"generation": "two"})]
    last = chunk({"generation": "", "stop_reason": "length", **metrics})
    answer = stream("invoke-with-response-stream", *told, last)
    assert (answer.usage, answer.complete, answer.truncated) == (Usage(input=5, output=2), True, True)
    reader = dialect("invoke-with-response-stream").reader(Asked(stream=True), strip_usage=False)
    reader.feed(b"".join(told))
    assert (reader.answer().complete, reader.output_bytes) == (False, 7)
    garbage = event("chunk", {"bytes": "!"})
    assert stream("invoke-with-response-stream", garbage, last).error_code == "stream_corrupt"


def test_anthropics_events_hold_where_they_say_more_than_the_metrics():
    usage = {
        "input_tokens": 3, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 70,
        "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 40}, "output_tokens": 1,
    }  # fmt: skip
    metrics = {
        "inputTokenCount": 3, "outputTokenCount": 9, "cacheReadInputTokenCount": 5, "cacheWriteInputTokenCount": 70
    }  # fmt: skip
    start = chunk({"type": "message_start", "message": {"id": "msg_1", "model": "claude", "usage": usage}})
    delta = chunk({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}})
    stop = chunk({"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics})
    answer = stream("invoke-with-response-stream", start, delta, stop)
    assert answer.usage == Usage(input=3, cache_read=5, cache_write_5m=30, cache_write_1h=40, output=9)
    assert (answer.model, answer.upstream_id, answer.finish_reason) == ("", "msg_1", "end_turn")
    failed = chunk({"type": "error", "error": {"type": "overloaded_error"}})
    assert stream("invoke-with-response-stream", start, failed).error_code == "overloaded_error"


def test_a_stream_is_marked_where_its_last_event_comes():
    for one in frame_streams():
        reader = one.dialect.reader(Asked(stream=True), strip_usage=False)
        frames = one.body.rindex(b":event-type")
        assert any(mark in one.body[frames:] for mark in reader.last_marks), one.id


@pytest.mark.parametrize(
    ("model", "body", "limit", "limited"),
    [
        ("anthropic.c", b'{"anthropic_version":"b","max_tokens":50}', 50, b'{"anthropic_version":"b","max_tokens":9}'),
        ("anthropic.c", b'{"anthropic_version":"b"}', None, b'{"max_tokens":9,"anthropic_version":"b"}'),
        ("anthropic.claude-v2", b'{"prompt":"x"}', None, b'{"max_tokens_to_sample":9,"prompt":"x"}'),
        ("us.amazon.nova-lite-v1:0", b'{"messages":[]}', None, b'{"inferenceConfig":{"maxTokens":9},"messages":[]}'),
        (
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/x",
            b'{"inferenceConfig":{"max_new_tokens":70}}',
            70,
            b'{"inferenceConfig":{"max_new_tokens":9}}',
        ),
        ("us.meta.llama3", b'{"prompt":"x","max_gen_len": 70}', 70, b'{"prompt":"x","max_gen_len": 9}'),
        ("meta.llama3", b'{"prompt":"x"}', None, b'{"max_gen_len":9,"prompt":"x"}'),
        (
            "amazon.titan-text-lite-v1",
            b'{"textGenerationConfig":{"maxTokenCount":70}}',
            70,
            b'{"textGenerationConfig":{"maxTokenCount":9}}',
        ),
        ("openai.gpt-oss-120b", b'{"max_completion_tokens":70}', 70, b'{"max_completion_tokens":9}'),
        ("writer.palmyra-x5-v1:0", b'{"x":1}', None, None),
        ("amazon.titan-embed-text-v2:0", b'{"inputText":"x"}', 0, None),
        ("stability.sd3-large-v1:0", b'{"prompt":"x"}', None, None),
    ],
)
def test_the_output_limit_stands_where_the_family_has_it(
    model: str, body: bytes, limit: int | None, limited: bytes | None
):
    invoke = dialect("invoke", model)
    assert invoke.read_request(body).max_output_tokens == limit
    assert invoke.with_output_limit(body, 9) == limited


def test_a_converse_request_is_read_and_limited_in_place():
    png = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAYAAAA="
    blocks = [
        {"text": 'a "bytes" in words'},
        {"image": {"format": "png", "source": {"bytes": png}}},
        {"document": {"format": "pdf", "name": "a", "source": {"s3Location": {"uri": "s3://a/b"}}}},
        {"toolResult": {"content": [{"image": {"format": "jpeg", "source": {"bytes": "eHg="}}}]}},
    ]
    body = {
        "messages": [{"role": "user", "content": blocks}],
        "inferenceConfig": {"maxTokens": 77, "topP": 1},
        "toolConfig": {"tools": [{"toolSpec": {}}, {"cachePoint": {"type": "default"}}]},
    }
    asked = dialect("converse-stream").read_request(json.dumps(body).encode())
    assert (asked.model, asked.stream, asked.max_output_tokens) == ("us.anthropic.claude-sonnet-4-6", True, 77)
    kinds = sorted((part.kind.value, part.width, part.height) for part in asked.media)
    assert kinds == [("image", 0, 0), ("image", 2, 3), ("pdf", 0, 0)]
    assert (asked.data_bytes, asked.tools, asked.model_in_path) == (len(png) + 4, 2, True)
    spaced = b'{ "inferenceConfig" : {"topP": 1 , "maxTokens": 77}, "x":1}'
    assert dialect().with_output_limit(spaced, 9) == b'{ "inferenceConfig" : {"topP": 1 , "maxTokens": 9}, "x":1}'
    assert dialect().with_output_limit(b"{}", 9) == b'{"inferenceConfig":{"maxTokens":9}}'


@pytest.mark.parametrize("model", ["../x", "a b", "a%2Fb", "é", "m" * 300, "-m"])
def test_what_can_be_no_model_is_not_written_into_a_path(model: str):
    with pytest.raises(BadRequest) as refused:
        dialect("converse", model).read_request(b"{}")
    assert refused.value.field == "model"


def test_operations_follow_the_model():
    wanted = {
        "amazon.titan-embed-text-v2:0": "embeddings",
        "cohere.embed-english-v3": "embeddings",
        "stability.sd3-large-v1:0": "image_generation",
        "amazon.nova-canvas-v1:0": "image_generation",
        "amazon.nova-lite-v1:0": "chat",
    }
    assert {model: str(dialect("invoke", model).operation) for model in wanted} == wanted


def test_counting_tokens_uses_a_known_nothing():
    count = dialect("count-tokens")
    assert count.operation == "count_tokens"
    assert count.read_answer(b'{"inputTokens":12}', 200).usage == Usage()
    assert count.read_answer(b"nope", 200).usage is None


def test_a_model_is_one_segment_of_the_path_at_aws():
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2"
    wanted = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2/converse"
    assert wire_path(f"/model/{arn}/converse") == wanted
    assert region_of("https://vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com") == "us-west-2"
    assert region_of("https://bedrock-runtime-fips.us-east-1.amazonaws.com") == "us-east-1"
    assert region_of("http://127.0.0.1:8000") == ""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BudgetExhausted("spent", field="model"), "ServiceQuotaExceededException"),
        (RateLimited("slow down"), "ThrottlingException"),
        (BadRequest("odd"), "ValidationException"),
        (UpstreamBroken("gone"), "ServiceUnavailableException"),
        (BursarError("ours"), "InternalServerException"),
    ],
)
def test_our_refusals_are_written_as_aws_writes_its_own(error: BursarError, kind: str):
    error.details["limit"] = "5"
    body = json.loads(dialect().error(error, "c1"))
    assert (body["message"], body["code"], body["call_id"], body["limit"]) == (error.message, error.code, "c1", "5")
    assert error_headers(dialect(), error) == [(b"x-amzn-errortype", kind.encode())]
    assert dialect_for("POST", "/v1/messages")[0].name == "anthropic-messages"  # type: ignore[index]
    frames = Frames(10_000).feed(dialect().stream_error(error, "c1"))
    assert [(one.kind, json.loads(one.payload)["message"]) for one in frames] == [("exception", error.message)]


def test_providers_errors_are_known_by_their_type():
    typed = [(b"x-amzn-errortype", b"ThrottlingException:http://internal.amazon.com/coral/")]
    assert read_reply(dialect(), b'{"message":"Too many"}', 429, typed).error_code == "ThrottlingException"
    named = read_reply(dialect(), b'{"__type":"ValidationException","message":"x"}', 400, [])
    assert named.error_code == "ValidationException"


def test_our_error_ends_a_stream_that_broke_between_two_frames_or_inside_one():
    exception = dialect("converse-stream").stream_error(UpstreamBroken("gone"), "c1")
    between = dialect("converse-stream").reader(Asked(stream=True), strip_usage=False)
    between.feed(METADATA)
    between.end()
    assert between.closing(exception) == exception
    inside = dialect("converse-stream").reader(Asked(stream=True), strip_usage=False)
    inside.feed(METADATA[:-9])
    inside.end()
    client = Frames(10_000)
    client.feed(METADATA[:-9] + inside.closing(exception))
    assert client.fault  # a client raises here, and doesn't take it for the end
