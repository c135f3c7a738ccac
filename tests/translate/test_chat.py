"""OpenAI's chat dialect as a codec: what it says is read, what is read is written, in pieces as well as whole."""

import json
from contextlib import suppress

import msgspec
import openai.types.chat as sdk
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.providers.recordings import Recording, recordings
from tests.translate.conversations import Say, conversations, event_streams, replies
from tests.translate.meaning import reply_of, same_reply, same_request

from bursar.domain.errors import BadRequest, BursarError
from bursar.domain.usage import Usage
from bursar.translate.answer import Ended, Event, Failed, PartStarted, Reply
from bursar.translate.chat import CHAT, COMPATIBLE_CHAT
from bursar.translate.codec import BadAnswer
from bursar.translate.conversation import (
    Conversation,
    Format,
    Losses,
    Media,
    Message,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)

BUSY = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SAY = Say(audio=True, cache=True, refusals=True, choices=True, logprobs=True)
CHATS = [one for one in recordings() if one.dialect.name == "openai-chat" and one.status == 200]


@BUSY
@given(conversations(SAY))
def test_a_request_that_was_written_reads_as_it_was_meant(said: Conversation):
    losses, none = Losses(), Losses()
    body = CHAT.write_request(said, losses).body
    got = CHAT.read_request(body, none)
    assert not none.names
    same_request(msgspec.structs.replace(said, wants_stream_usage=got.wants_stream_usage), got, losses)
    assert set(losses.names) <= {
        "thinking", "cache", "metadata", "tool_result.is_error", "reasoning.budget_tokens", "tool_result.media"
    }  # fmt: skip


@BUSY
@given(replies(SAY))
def test_an_answer_that_was_written_reads_as_it_was_meant(said: Reply):
    losses = Losses()
    body = CHAT.write_answer(said, losses)
    sdk.ChatCompletion.model_validate_json(body, strict=True)
    same_reply(said, CHAT.read_answer(body), losses)
    assert not losses.names


@BUSY
@given(event_streams(SAY), st.booleans())
def test_a_stream_that_was_written_reads_as_it_was_meant(stream: tuple[Reply, list[Event]], wants_usage: bool):
    reply, events = stream
    asked = Conversation(model="m", messages=(), stream=True, wants_stream_usage=wants_usage)
    writer, reader = CHAT.writer(asked, "call"), CHAT.reader()
    body = b"".join(writer.write([event]) for event in events)
    for line in body.split(b"\n\n"):
        if line.startswith(b"data: {"):
            sdk.ChatCompletionChunk.model_validate_json(line[6:])
    assert body.endswith(b"data: [DONE]\n\n")
    got = reply_of(reader.feed(body) + reader.end())
    losses = Losses()
    if not wants_usage:
        losses.lose("usage")
    same_reply(reply, got, losses)


def test_a_stream_says_the_same_wherever_it_was_cut():
    body = RICH_STREAM.encode()
    whole = CHAT.reader()
    expected = whole.feed(body) + whole.end()
    reply_of(expected)
    for cut in range(1, len(body)):
        reader = CHAT.reader()
        assert reader.feed(body[:cut]) + reader.feed(body[cut:]) + reader.end() == expected
    short = CHAT.reader()
    assert short.feed(body[: body.index(b'"finish_reason":"')]) + short.end() == expected[:-3]


@pytest.mark.parametrize("one", CHATS, ids=lambda one: one.id)
def test_recorded_answers_mean_what_their_meter_says(one: Recording):
    """Nine services' own bytes: the usage is the meter's, and a stream's events are in order."""
    metered = one.answer()
    if one.is_stream:
        reader = CHAT.reader()
        events = reader.feed(one.body) + reader.end()
        if not metered.complete:
            assert not any(isinstance(event, Ended) for event in events)
            return
        if metered.error_code:
            assert isinstance(events[-1], Failed)
            return
        reply = reply_of(events)
    elif metered.error_code:
        with pytest.raises(BadAnswer):
            CHAT.read_answer(one.body)
        assert "management policy" in CHAT.read_fault(502, one.body).message
        return
    else:
        reply = CHAT.read_answer(one.body)
    assert reply.usage == metered.usage
    assert reply.model == metered.model
    assert any(choice.parts for choice in reply.choices) or metered.finish_reason in ("length", "content_filter")
    same_reply(reply, CHAT.read_answer(CHAT.write_answer(reply, Losses())))
    losses = Losses()
    CHAT.read_request(one.request, losses)


def test_a_request_reads_field_by_field():
    losses = Losses()
    got = CHAT.read_request(json.dumps(FULL).encode(), losses)
    assert got == Conversation(
        model="anthropic/claude-x",
        system=(Text("Be brief."), Text("Really.", "1h")),
        messages=(
            Message("user", (Text("Look:"), Media("image", "image/png", "AAAA", detail="low", cache="5m"))),
            Message(
                "assistant",
                (
                    Thinking("Hm. So.", "c2ln", provider="anthropic-messages"),
                    Thinking(redacted="ZW5j", provider="anthropic-messages"),
                    Text("One moment."),
                    ToolUse("call_1", "look", '{"a":1}', "Z2Vt"),
                    ToolUse("call_2", "wait", "{}"),
                ),
            ),
            Message("user", (ToolResult("call_1", (Text("It is red."),)),)),
            Message("user", (ToolResult("call_2", (Text("a"), Text("b"))),)),
            Message(
                "user",
                (
                    Media("audio", "audio/wav", "BBBB"),
                    Media("file", "application/pdf", "CCCC", name="a.pdf"),
                    Media("file", file_id="file-1"),
                    Media("image", url="https://example.com/a.png"),
                ),
            ),
            Message("assistant", (Refusal("No."),)),
        ),
        stream=True,
        wants_stream_usage=True,
        tools=(Tool("look", "Looks.", '{"type":"object"}', True, "5m"), Tool("wait")),
        tool_choice=ToolChoice("tool", "look", False),
        format=Format("schema", "colour", '{"type":"object"}', True, "A colour."),
        reasoning=Reasoning("high", 2048, False),
        max_output_tokens=100,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop=("END",),
        seed=-7,
        frequency_penalty=0.1,
        presence_penalty=-0.1,
        choices=2,
        logprobs=True,
        top_logprobs=3,
        user="u-1",
        metadata='{"a":"b"}',
        tier="flex",
    )
    assert list(losses.names) == [
        "messages[2].name", "messages[6].position", "store", "tools[2]", "logit_bias", "prompt_cache_key",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"functions": []}, "functions"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"messages": []}, "messages"),
        ({"messages": 3}, "messages"),
        ({"messages": [{"role": "function", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].image_url",
        ),
        (
            {"messages": [{"role": "assistant", "function_call": {"name": "a"}}]},
            "messages[0].function_call",
        ),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": {"type": "custom"}}, "tool_choice.type"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"stop": [1]}, "stop"),
        ({"seed": "a"}, "seed"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_its_field(change: dict[str, object], field: str):
    body = {"model": "m", "messages": [{"role": "user", "content": "a"}], **change}
    with pytest.raises(BadRequest) as refused:
        CHAT.read_request(json.dumps(body).encode(), Losses())
    assert refused.value.field == field


def test_what_chat_has_no_words_for_is_named_or_refused():
    losses = Losses()
    said = Conversation(
        model="m",
        system=(Text("a", "5m"), Text("b")),
        messages=(
            Message("user", (Text("look"),)),
            Message("assistant", (Thinking("only this"),)),
            Message("assistant", (ToolUse("x" * 41, "look", "", "sig"),)),
            Message("user", (ToolResult("x" * 41, (Text("1"), Media("image", url="https://e.com/1")), "", True),)),
        ),
        tools=(Tool("look"),),
        tool_choice=ToolChoice("required", parallel=True),
        format=Format("json"),
        reasoning=Reasoning("max", shown=True),
        max_output_tokens=7,
        top_k=1,
        metadata="{}",
    )
    body = json.loads(COMPATIBLE_CHAT.write_request(said, losses).body)
    id = body["messages"][2]["tool_calls"][0]["id"]
    assert len(id) <= 40
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "a\n\nb"},
            {"role": "user", "content": "look"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": id, "type": "function", "function": {"name": "look", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": id, "content": "1"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://e.com/1"}}]},
        ],
        "tools": [{"type": "function", "function": {"name": "look"}}],
        "tool_choice": "required",
        "parallel_tool_calls": True,
        "response_format": {"type": "json_object"},
        "reasoning_effort": "xhigh",
        "max_tokens": 7,
    }
    assert list(losses.names) == [
        "top_k", "metadata", "cache", "thinking", "tool_use.signature", "tool_result.is_error", "tool_result.media",
        "reasoning.shown", "reasoning.effort",
    ]  # fmt: skip
    for part in (Media("file", url="https://e.com/a.pdf"), Media("image", file_id="f")):
        unsayable = Conversation(model="m", messages=(Message("user", (part,)),))
        with pytest.raises(BadRequest):
            CHAT.write_request(unsayable, Losses())


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"choices":[]}', b'{"choices":3}', b'{"error":{"message":"x"}}', b"<html>"]
)
def test_a_success_that_is_none_is_a_bad_answer(body: bytes):
    with pytest.raises(BadAnswer):
        CHAT.read_answer(body)


def events_of(
    *deltas: str, last: str = '{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}'
) -> list[Event]:
    reader = CHAT.reader()
    chunks = [f'{{"id":"c","model":"m","choices":[{{"index":0,"delta":{delta}}}]}}' for delta in deltas]
    return reader.feed("".join(f"data: {chunk}\n\n" for chunk in [*chunks, last]).encode()) + reader.end()


def test_tool_calls_are_told_apart_as_the_services_number_them():
    """Gemini's compatible endpoint: whole, all with index 0. Ollama: without an id. Mixed pieces can't be believed."""
    gemini = events_of(
        '{"tool_calls":[{"index":0,"id":"a","function":{"name":"x","arguments":"{}"}}]}',
        '{"tool_calls":[{"index":0,"id":"b","function":{"name":"x","arguments":"{}"},'
        '"extra_content":{"google":{"thought_signature":"c2ln"}}}]}',
    )
    assert reply_of(gemini).choices[0].parts == (ToolUse("a", "x", "{}"), ToolUse("b", "x", "{}", "c2ln"))
    ollama = events_of('{"tool_calls":[{"function":{"name":"x","arguments":"{}"}}]}')
    assert reply_of(ollama).choices[0].parts == (ToolUse("call_0", "x", "{}"),)
    mixed = events_of(
        '{"tool_calls":[{"index":0,"id":"a","function":{"name":"x","arguments":"{"}}]}',
        '{"tool_calls":[{"index":1,"id":"b","function":{"name":"y","arguments":"{"}}]}',
        '{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}',
    )
    assert isinstance(mixed[-1], Failed)


def test_a_stream_that_fails_says_so_and_says_no_more():
    failed = events_of('{"content":"Hel"}', last='{"error":{"message":"busy","code":"server_is_overloaded"}}')
    assert isinstance(failed[-1], Failed)
    assert failed[-1].fault.kind == "overloaded_error"
    assert failed[-1].fault.message == "busy"
    unreadable = events_of('{"content":"Hel"}', last="{nonsense")
    assert isinstance(unreadable[-1], Failed)
    assert unreadable[-1].fault.status == 502
    writer = CHAT.writer(Conversation(model="m", messages=()), "call")
    assert writer.write([failed[-1]]).startswith(b'data: {"error":{"message":"busy","type":"server_error"')
    behind = events_of('{"content":"a"}', last='{"choices":[{"delta":{},"finish_reason":"stop"}]}')
    assert isinstance(behind[1], PartStarted)


def test_a_fault_keeps_its_words():
    fault = CHAT.read_fault(
        429, b'{"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit"}}'
    )
    assert (fault.status, fault.kind, fault.message, fault.code) == (429, "rate_limit_error", "slow down", "rate_limit")
    assert json.loads(CHAT.write_fault(fault))["error"]["message"] == "slow down"
    assert CHAT.read_fault(502, b"<html>").message == "<html>"


@BUSY
@given(st.binary(max_size=200) | st.sampled_from([b'{"model":1}', b'{"messages":[[]]}', b"[" * 3_000, b"null", b'"a"']))
def test_no_bytes_make_a_reader_fall_over(body: bytes):
    with suppress(BursarError):
        CHAT.read_request(body, Losses())
    with suppress(BadAnswer):
        CHAT.read_answer(body)
    CHAT.read_fault(500, body)
    reader = CHAT.reader()
    reader.feed(b"data: " + body + b"\n\n")
    reader.end()


def test_usage_says_its_parts():
    usage = Usage(input=10, cache_read=5, cache_write_5m=3, cache_write_1h=2, output=7, reasoning=4)
    body = json.loads(CHAT.write_answer(CHAT.read_answer(b'{"choices":[{"message":{"content":"a"}}]}'), Losses()))
    assert "usage" not in body
    reply = Reply("i", "m", CHAT.read_answer(b'{"choices":[{"message":{"content":"a"}}]}').choices, usage)
    said = json.loads(CHAT.write_answer(reply, Losses()))["usage"]
    assert (said["prompt_tokens"], said["completion_tokens"], said["total_tokens"]) == (20, 7, 27)
    assert said["prompt_tokens_details"] == {"cached_tokens": 5, "cache_write_tokens": 5, "audio_tokens": 0}
    assert said["completion_tokens_details"]["reasoning_tokens"] == 4


THOUGHT = '{"id":"c1","choices":[{"index":0,"delta":{"reasoning_details":[{"type":"reasoning.text",%s,"index":0}]}}]}'
CALL = '{"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[%s]}}]}'
RICH_STREAM = "".join(
    f"data: {line}\n\n"
    for line in (
        '{"id":"","model":"","choices":[],"prompt_filter_results":[]}',
        '{"id":"c1","model":"m-1","created":5,"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}',
        THOUGHT % '"text":"Hm"',
        THOUGHT % '"signature":"c2ln","format":"anthropic-claude-v1"',
        '{"id":"c1","choices":[{"index":0,"delta":{"content":"Grüß "}}]}',
        '{"id":"c1","choices":[{"index":0,"delta":{"content":"dich \\"🧮\\""}}]}',
        CALL % '{"index":0,"id":"t1","function":{"name":"f","arguments":""}}',
        CALL % '{"index":0,"function":{"arguments":"{\\"a\\":"}}',
        CALL % '{"index":0,"function":{"arguments":"1}"}}',
        CALL % '{"index":1,"id":"t2","function":{"name":"g","arguments":"{}"}}',
        '{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}',
        '{"id":"c1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}',
        "[DONE]",
    )
)

FULL = {
    "model": "anthropic/claude-x",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "developer",
            "content": [{"type": "text", "text": "Really.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        },
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "Look:"},
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"},
                    "cache_control": {"type": "ephemeral"},
                },
            ],
        },
        {
            "role": "assistant",
            "content": "One moment.",
            "refusal": None,
            "reasoning_content": "Hm. So.",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "Hm. ", "index": 0},
                {"type": "reasoning.text", "text": "So.", "index": 0},
                {"type": "reasoning.text", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0},
                {"type": "reasoning.encrypted", "data": "ZW5j", "format": "anthropic-claude-v1", "index": 1},
            ],
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "look", "arguments": '{"a":1}'},
                    "extra_content": {"google": {"thought_signature": "Z2Vt"}},
                },
                {"id": "call_2", "type": "function", "function": {"name": "wait", "arguments": ""}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "It is red."},
        {
            "role": "tool",
            "tool_call_id": "call_2",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        },
        {"role": "system", "content": None},
        {
            "role": "user",
            "content": [
                {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "wav"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,CCCC"}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            ],
        },
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    ],
    "stream": True,
    "stream_options": {"include_usage": True},
    "tools": [
        {
            "type": "function",
            "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}, "strict": True},
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "function", "function": {"name": "wait"}},
        {"type": "custom", "custom": {"name": "shell"}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "parallel_tool_calls": False,
    "response_format": {
        "type": "json_schema",
        "json_schema": {
            "name": "colour",
            "schema": {"type": "object"},
            "strict": True,
            "description": "A colour.",
        },
    },
    "reasoning_effort": "low",
    "reasoning": {"effort": "high", "max_tokens": 2048, "exclude": True},
    "max_completion_tokens": 100,
    "max_tokens": 50,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "stop": "END",
    "seed": -7,
    "frequency_penalty": 0.1,
    "presence_penalty": -0.1,
    "n": 2,
    "logprobs": True,
    "top_logprobs": 3,
    "user": "u-0",
    "safety_identifier": "u-1",
    "metadata": {"a": "b"},
    "service_tier": "flex",
    "store": True,
    "logit_bias": {"1": 2},
    "prompt_cache_key": "k",
}


THOUGHT = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm. "}, {"type": "text", "text": "So."}]},
    {"type": "text", "text": "Red"},
    {"type": "reference", "reference_ids": [1]},
]


def test_content_in_parts_with_thoughts_among_them_is_read_whole():
    message = {"role": "assistant", "content": THOUGHT}
    body = {"id": "a", "model": "magistral-medium-latest", "choices": [{"message": message, "finish_reason": "stop"}]}
    assert CHAT.read_answer(json.dumps(body).encode()).choices[0].parts == (Thinking("Hm. So."), Text("Red"))


def test_content_in_parts_is_read_in_a_stream_too():
    reader = CHAT.reader()
    events: list[Event] = []
    for delta in ({"content": THOUGHT[:1]}, {"content": THOUGHT[1:]}, {"content": "."}):
        chunk = {"id": "a", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        events += reader.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    chunk = {"id": "a", "model": "m", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]}
    events += reader.feed(b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n")
    assert reply_of(events).choices[0].parts == (Thinking("Hm. So."), Text("Red."))
