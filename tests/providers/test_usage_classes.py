"""Usage is split into disjoint classes that sum to what the provider bills; what it repeats is never added up."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.providers.recordings import recording

from bursar.domain.usage import Usage
from bursar.providers.base import Answer, Asked
from bursar.providers.registry import DIALECTS

COUNTS = st.one_of(st.none(), st.integers(0, 300))


def usage_of(dialect: str, usage: Any, **more: Any) -> Usage | None:
    return DIALECTS[dialect].read_answer(json.dumps({"model": "m", "usage": usage, **more}).encode(), 200).usage


def messages(*events: dict[str, Any]) -> Answer:
    """A synthetic Messages stream."""
    reader = DIALECTS["anthropic-messages"].reader(Asked(stream=True), strip_usage=False)
    for event in events:
        reader.feed(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    reader.end()
    return reader.answer()


def start(**usage: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"id": "msg_1", "model": "claude", "usage": usage}}


def delta(stop: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage}


STOP = {"type": "message_stop"}


@given(
    prompt=st.integers(0, 500),
    completion=st.integers(0, 500),
    cached=COUNTS, audio=COUNTS, image=COUNTS, written=COUNTS, cached_audio=COUNTS,
    reasoning=COUNTS, spoken=COUNTS, drawn=COUNTS,
    is_responses=st.booleans(),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_openai_classes_sum_to_the_totals_whatever_the_details_say(
    prompt, completion, cached, audio, image, written, cached_audio, reasoning, spoken, drawn, is_responses
):
    sent = {
        "cached_tokens": cached,
        "audio_tokens": audio,
        "image_tokens": image,
        "cache_write_tokens": written,
        "cached_tokens_details": None if cached_audio is None else {"audio_tokens": cached_audio},
    }
    made = {"reasoning_tokens": reasoning, "audio_tokens": spoken, "image_tokens": drawn}
    total = prompt + completion
    if is_responses:
        report = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": total}
        usage = usage_of("openai-responses", {**report, "input_tokens_details": sent, "output_tokens_details": made})
    else:
        report = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
        usage = usage_of("openai-chat", {**report, "prompt_tokens_details": sent, "completion_tokens_details": made})
    if not total:
        assert usage is None
        return
    assert usage is not None
    assert (usage.total_input, usage.total_output) == (prompt, completion)
    assert all(count >= 0 for _, count in usage.nonzero())
    assert usage.reasoning <= completion
    if cached is not None and cached <= prompt - min(audio or 0, prompt) - min(image or 0, prompt):
        assert usage.cache_read + usage.cache_read_audio == cached


def test_cached_audio_is_counted_once():
    details = {"audio_tokens": 60, "cached_tokens": 70, "cached_tokens_details": {"audio_tokens": 50}}
    usage = usage_of("openai-chat", {"prompt_tokens": 100, "completion_tokens": 1, "prompt_tokens_details": details})
    assert usage == Usage(input=20, cache_read=20, input_audio=10, cache_read_audio=50, output=1)


def test_vendors_name_the_cache_in_their_own_words():
    for extra in ({"prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 2}, {"cached_tokens": 8}):
        usage = usage_of("openai-chat", {"prompt_tokens": 10, "completion_tokens": 1, **extra})
        assert usage == Usage(input=2, cache_read=8, output=1)
    plain = usage_of("openai-chat", {"prompt_tokens": 70, "completion_tokens": 1, "num_cached_tokens": 69})
    assert plain == Usage(input=70, output=1)  # vLLM's own reuse, which nobody is charged less for


def test_an_answer_of_all_zeros_reports_nothing():
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert usage_of("openai-chat", zeros) is None
    assert usage_of("openai-chat", {}) is None
    assert usage_of("anthropic-messages", {"input_tokens": 0, "output_tokens": 0}) is None
    assert usage_of("openai-responses", {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}) is None


@pytest.mark.parametrize("count", [-1, 1.5, "7", True, 10**30, []])
@pytest.mark.parametrize(
    ("dialect", "field"),
    [("openai-chat", "prompt_tokens"), ("openai-responses", "output_tokens"), ("anthropic-messages", "input_tokens")],
)
def test_a_count_that_cant_be_leaves_the_rest_readable(dialect: str, field: str, count: Any):
    body = {"id": "x1", "model": "m", "usage": {field: count}}
    answer = DIALECTS[dialect].read_answer(json.dumps(body).encode(), 200)
    assert (answer.usage, answer.model, answer.upstream_id) == (None, "m", "x1")


def test_web_searches_are_counted_and_page_reads_are_not():
    calls = [
        {"type": "web_search_call", "action": {"type": "search", "query": "q"}},
        {"type": "web_search_call"},
        {"type": "web_search_call", "action": {"type": "open_page"}},
        {"type": "message", "content": [{"type": "output_text", "text": '"web_search_call"'}]},
    ]
    usage = usage_of("openai-responses", {"input_tokens": 5, "output_tokens": 1, "total_tokens": 6}, output=calls)
    assert usage == Usage(input=5, output=1, web_search=2)


@pytest.mark.parametrize(
    ("cost", "pico"),
    [("0.0076509169000000005", 7_650_916_900), ('"0.1"', 10**11), ("0", 0), ("1.5e-05", 15_000_000), ("null", None),
     ('"NaN"', None), ("-1", None), ("1e300", None), ("{}", None), ("9" * 80, None)],
)  # fmt: skip
def test_the_providers_cost_is_exact(cost: str, pico: int | None):
    body = f'{{"model":"m","usage":{{"prompt_tokens":1,"completion_tokens":1,"cost":{cost}}}}}'.encode()
    answer = DIALECTS["openai-chat"].read_answer(body, 200)
    assert answer.cost_pico == pico
    assert answer.usage == Usage(input=1, output=1)


def test_anthropic_writes_are_split_by_how_long_they_live():
    split = {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 70}
    report = {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 100}
    assert usage_of("anthropic-messages", report) == Usage(input=1, output=1, cache_write_5m=100)
    assert usage_of("anthropic-messages", {**report, "cache_creation": split}) == Usage(
        input=1, output=1, cache_write_5m=30, cache_write_1h=70
    )
    hour = {"ephemeral_1h_input_tokens": 70}
    assert usage_of("anthropic-messages", {**report, "cache_creation": hour}) == Usage(
        input=1, output=1, cache_write_5m=30, cache_write_1h=70
    )


def test_reports_of_a_stream_are_cumulative_and_never_added_up():
    answer = messages(
        start(input_tokens=20, output_tokens=1), delta(None, output_tokens=5), delta(output_tokens=9), STOP
    )
    assert answer.usage == Usage(input=20, output=9)
    assert answer.complete


def test_a_vendor_that_knows_its_cache_only_at_the_end_is_not_charged_twice():
    answer = messages(
        start(input_tokens=20, cache_read_input_tokens=0, output_tokens=0),
        delta(input_tokens=3, cache_read_input_tokens=17, output_tokens=4),
        STOP,
    )
    assert answer.usage == Usage(input=3, cache_read=17, output=4)
    added = messages(start(input_tokens=20, output_tokens=0), delta(cache_read_input_tokens=17, output_tokens=4), STOP)
    assert added.usage == Usage(input=20, cache_read=17, output=4)


def test_a_vendor_that_ends_with_zeros_is_not_free():
    answer = messages(
        start(input_tokens=20, cache_read_input_tokens=5, output_tokens=1),
        delta(input_tokens=0, cache_read_input_tokens=0, output_tokens=4),
        STOP,
    )
    assert answer.usage == Usage(input=20, cache_read=5, output=4)


def test_the_split_of_writes_survives_a_delta_without_it():
    split = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 40}
    answer = messages(
        start(input_tokens=2, cache_creation_input_tokens=40, cache_creation=split, output_tokens=1),
        delta(input_tokens=2, cache_creation_input_tokens=40, output_tokens=8),
        STOP,
    )
    assert answer.usage == Usage(input=2, cache_write_1h=40, output=8)


def test_compaction_is_billed_and_an_adviser_at_its_own_price():
    steps = [
        {"type": "message", "input_tokens": 10, "output_tokens": 1},
        {"type": "compaction", "input_tokens": 500, "cache_read_input_tokens": 40, "output_tokens": 30},
        {"type": "advisor_message", "model": "claude-opus", "input_tokens": 7, "output_tokens": 2},
    ]
    body = {"model": "claude", "usage": {"input_tokens": 10, "output_tokens": 1, "iterations": steps}}
    answer = DIALECTS["anthropic-messages"].read_answer(json.dumps(body).encode(), 200)
    assert answer.usage == Usage(input=510, cache_read=40, output=31)
    assert answer.also == (("claude-opus", Usage(input=7, output=2)),)
    streamed = recording("anthropic-messages-stream-dbf33df8").answer()
    assert streamed.usage == Usage(input=281, cache_read=55_096, output=91)


def test_speed_and_region_are_prices_of_their_own():
    body = {"model": "c", "usage": {"input_tokens": 1, "output_tokens": 1, "speed": "fast", "inference_geo": "us"}}
    answer = DIALECTS["anthropic-messages"].read_answer(json.dumps(body).encode(), 200)
    assert (answer.tier, answer.region) == ("fast", "us")


def test_counting_tokens_uses_a_known_nothing():
    dialect = DIALECTS["anthropic-count-tokens"]
    assert dialect.read_answer(b'{"input_tokens":12}', 200).usage == Usage()
    assert dialect.read_answer(b"nope", 200).usage is None


def test_a_responses_stream_that_failed_or_was_cut_short_by_its_limit_says_so():
    reader = DIALECTS["openai-responses"].reader(Asked(stream=True), strip_usage=False)
    usage = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
    ended = {"id": "r", "model": "gpt-5", "status": "incomplete", "usage": usage}
    ended["incomplete_details"] = {"reason": "max_output_tokens"}
    reader.feed(b"data: " + json.dumps({"type": "response.incomplete", "response": ended}).encode() + b"\n\n")
    answer = reader.answer()
    assert (answer.complete, answer.truncated, answer.usage) == (True, True, Usage(input=9, output=4))
    failed = DIALECTS["openai-responses"].reader(Asked(stream=True), strip_usage=False)
    failed.feed(
        b'data: {"type":"response.failed","response":{"id":"r","model":"gpt-5","status":"failed",'
        b'"error":{"code":"server_error","message":"x"},"usage":null}}\n\n'
    )
    answer = failed.answer()
    assert (answer.complete, answer.usage, answer.error_code) == (True, None, "server_error")
