"""The codec of Anthropic's Messages: what it reads and writes means the same, and Anthropic's own client reads it."""

import json
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.providers.recordings import Recording, recordings
from tests.translate.conversations import ALL, Say, conversations, event_streams, replies
from tests.translate.laws import (
    ASKED,
    any_json,
    called,
    check_every_cut,
    check_hostile_answers,
    check_hostile_requests,
    check_hostile_stream,
    check_recording,
    events_of,
    examples,
    read_back,
    read_or_refuse,
    refused_field,
    said,
    thought,
    written,
)
from tests.translate.meaning import reply_of, same_reply, same_request

from bursar.domain.errors import BadRequest, MissingField
from bursar.domain.usage import Usage
from bursar.translate.answer import (
    Choice,
    Ended,
    Failed,
    Fault,
    PartEnded,
    PartGrew,
    PartSigned,
    PartStarted,
    Reply,
    Started,
    Stopped,
)
from bursar.translate.codec import Codec
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
from bursar.translate.messages import MESSAGES

CODEC: Codec = MESSAGES
HELLO = (Message("user", (Text("Hello."),)),)


def ask(**fields: Any) -> Conversation:
    return Conversation(
        **{"model": "claude-opus-4-6", "messages": HELLO, "max_output_tokens": 9_000, **fields},
    )


def written_request(conversation: Conversation) -> tuple[dict[str, Any], list[str]]:
    """The body as values, and what was lost."""
    losses = Losses()
    return json.loads(CODEC.write_request(conversation, losses).body), list(losses.names)


def holds_something(conversation: Conversation) -> bool:
    """Nothing but space is refused, which is another test's."""
    said = [part for message in conversation.messages if message.role == "user" for part in message.parts]
    return any(not isinstance(part, Text) or part.text.strip() for part in said)


def as_meant(conversation: Conversation) -> Conversation:
    """Without what means nothing to Anthropic and isn't lost for that: a format's name, a penalty of zero."""
    format = conversation.format
    return replace(
        conversation,
        format=format and replace(format, name="", strict=None),
        frequency_penalty=conversation.frequency_penalty or None,
        presence_penalty=conversation.presence_penalty or None,
    )


# --- the same meaning ---


@examples(40)
@given(conversations(ALL._replace(cache=True), "claude-opus-4-6"))
def test_a_request_written_and_read_means_the_same(conversation: Conversation):
    assume(holds_something(conversation))
    losses = Losses()
    same_request(as_meant(conversation), read_back(CODEC, conversation, losses), losses)


@examples(25)
@given(conversations(ALL, "claude-sonnet-4-5"))
def test_the_same_for_a_model_with_a_budget(conversation: Conversation):
    losses = Losses()
    assume(holds_something(conversation))
    wanted = conversation.reasoning
    if wanted is not None and wanted.effort:  # told as a budget, which is another test's
        conversation = replace(conversation, reasoning=None)
    same_request(as_meant(conversation), read_back(CODEC, conversation, losses), losses)


@examples(40)
@given(replies(ALL._replace(refusals=False)))
def test_an_answer_written_and_read_means_the_same(reply: Reply):
    losses = Losses()
    same_reply(reply, CODEC.read_answer(CODEC.write_answer(reply, losses)), losses)
    assert list(losses.names) == []


@examples(40)
@given(event_streams())
def test_a_stream_written_and_read_means_the_same(stream: tuple[Reply, list[Any]]):
    reply, events = stream
    body = written(CODEC, events)
    assert written(CODEC, events) == CODEC.writer(ASKED, "call1").write(events)
    same_reply(reply, reply_of(events_of(CODEC, body)))


@examples(30)
@given(replies(Say(provider="gemini-generate")), st.booleans())
def test_the_proofs_of_another_provider_come_back_with_the_next_turn(reply: Reply, refused: bool):
    """A caller sends back the blocks it got; Gemini signs its calls as well."""
    parts = tuple(
        replace(part, signature="c2ln") if isinstance(part, ToolUse) and not refused else part
        for part in reply.choices[0].parts
    )
    answer = json.loads(CODEC.write_answer(replace(reply, choices=(Choice(parts),)), Losses()))
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": answer["content"]}]
    got = CODEC.read_request(json.dumps({"model": "m", "max_tokens": 9, "messages": turns}).encode(), Losses())
    one, other = (
        Conversation(model="m", messages=(Message("assistant", parts),)) for parts in (got.messages[1].parts, parts)
    )
    same_request(one, other)


# --- what the API takes ---


def test_turns_alternate_and_results_come_first():
    conversation = ask(
        messages=(
            Message("assistant", (Text("Hi."),)),
            Message("user", (Text("one"),)),
            Message("user", (Text("two"),)),
            Message("assistant", (ToolUse("call_1", "add", "{}"),)),
            Message("user", (Text("and"), ToolResult("call_1", (Text("4"),)))),
            Message("user", ()),
        )
    )
    body, lost = written_request(conversation)
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user", "assistant", "user"]
    assert body["messages"][2]["content"] == [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert [block["type"] for block in body["messages"][4]["content"]] == ["tool_result", "text"]
    assert lost == []


def test_a_limit_is_needed_and_the_gateway_may_give_one():
    with pytest.raises(MissingField) as refused:
        CODEC.write_request(ask(max_output_tokens=None), Losses())
    assert refused.value.field == "max_tokens"
    assert written_request(ask(max_output_tokens=None, default_output_tokens=77))[0]["max_tokens"] == 77


THINKING = [  # model, reasoning, other fields -> thinking, effort, lost
    ("claude-opus-4-6", Reasoning("high"), {}, {"type": "adaptive"}, "high", []),
    ("claude-opus-4-6", Reasoning("minimal"), {}, {"type": "adaptive"}, "low", ["reasoning.effort"]),
    ("claude-opus-4-6", Reasoning("xhigh"), {}, {"type": "adaptive"}, "high", ["reasoning.effort"]),
    ("claude-opus-4-8", Reasoning("xhigh"), {}, {"type": "adaptive"}, "xhigh", []),
    ("claude-opus-4-6", Reasoning("", 2_000), {}, {"type": "enabled", "budget_tokens": 2_000}, None, []),
    ("claude-opus-5", Reasoning("", 2_000), {}, {"type": "adaptive"}, "low", ["reasoning"]),
    ("claude-opus-5", Reasoning("low", shown=True), {}, {"type": "adaptive", "display": "summarized"}, "low", []),
    ("claude-haiku-4-5", Reasoning("low"), {}, {"type": "enabled", "budget_tokens": 2_048}, None, []),
    ("glm-5", Reasoning("high"), {}, {"type": "enabled", "budget_tokens": 6_750}, None, []),
    ("glm-5", Reasoning("", 10_000), {}, {"type": "enabled", "budget_tokens": 6_750}, None,
     ["reasoning.budget_tokens"]),
    ("glm-5", Reasoning("low", shown=False), {}, {"type": "enabled", "budget_tokens": 2_048}, None,
     ["reasoning.shown"]),
    ("glm-5", Reasoning("low"), {"max_output_tokens": 1_000}, None, None, ["reasoning"]),
    ("glm-5", Reasoning("none"), {}, {"type": "disabled"}, None, []),
    ("glm-5", Reasoning("low"), {"temperature": 0.5, "top_k": 3}, {"type": "enabled", "budget_tokens": 2_048}, None,
     ["temperature", "top_k"]),
    ("claude-opus-4-6", Reasoning("low"), {"tools": (Tool("a"),), "tool_choice": ToolChoice("required")}, None, None,
     ["reasoning"]),
]  # fmt: skip


@pytest.mark.parametrize(("model", "reasoning", "fields", "thinking", "effort", "lost"), THINKING)
def test_how_a_model_is_told_to_think(model, reasoning, fields, thinking, effort, lost):
    body, names = written_request(ask(model=model, reasoning=reasoning, **fields))
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort
    assert names == lost
    assert thinking is None or "temperature" not in body


def test_a_budget_is_left_out_where_the_turn_before_has_no_thought_to_begin_with():
    turns = (*HELLO, Message("assistant", (ToolUse("c", "a", "{}"),)), Message("user", (ToolResult("c", ()),)))
    assert written_request(ask(model="claude-opus-4-5", messages=turns, reasoning=Reasoning("", 2_000)))[1] == [
        "reasoning"
    ]
    signed = Thinking("so", "c2ln", provider="anthropic-messages")
    turns = (*HELLO, Message("assistant", (signed, *turns[1].parts)), turns[2])
    assert written_request(ask(model="claude-opus-4-5", messages=turns, reasoning=Reasoning("", 2_000)))[1] == []


SAMPLINGS = [  # model, asked, sent, lost
    ("claude-sonnet-4-5", {"temperature": 1.5}, {"temperature": 1.0}, ["temperature"]),
    ("claude-sonnet-4-5", {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}, ["top_p"]),
    ("claude-3-5-haiku-latest", {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5, "top_p": 0.9}, []),
    ("claude-opus-4-7", {"temperature": 0.5, "top_k": 3}, {}, ["temperature", "top_k"]),
    ("claude-opus-4-6", {"seed": 1, "logprobs": True, "choices": 2}, {}, ["seed", "choices", "logprobs"]),
    ("claude-opus-4-6", {"frequency_penalty": 0.0, "presence_penalty": 0.5}, {}, ["presence_penalty"]),
    ("claude-opus-4-6", {"tier": "flex", "metadata": '{"a":"b"}'}, {}, ["tier", "metadata"]),
    ("claude-opus-4-6", {"tier": "default", "user": "u"},
     {"service_tier": "standard_only", "metadata": {"user_id": "u"}}, []),
    ("claude-opus-4-6", {"stop": ("END", "\n")}, {"stop_sequences": ["END"]}, ["stop"]),
    ("claude-opus-4-6", {"format": Format("json")}, {}, ["format"]),
    ("claude-opus-4-6", {"tool_choice": ToolChoice("required")}, {}, ["tool_choice"]),
    ("claude-opus-4-6", {"tool_choice": ToolChoice("none")}, {}, []),
]  # fmt: skip


@pytest.mark.parametrize(("model", "asked", "sent", "lost"), SAMPLINGS)
def test_settings_are_kept_or_said_to_be_lost(model, asked, sent, lost):
    body, names = written_request(ask(model=model, **asked))
    rest = {name: value for name, value in body.items() if name not in ("model", "messages", "max_tokens")}
    assert (rest, names) == (sent, lost)


def test_only_the_last_four_breakpoints_stay():
    parts = tuple(Text(f"part {at}", "5m") for at in range(4))
    tools = (Tool("a", cache="1h"),)
    body, lost = written_request(ask(tools=tools, system=(Text("s", "1h"),), messages=(Message("user", parts),)))
    assert lost == ["cache"]
    assert json.dumps(body).count("cache_control") == 4
    assert "cache_control" not in body["tools"][0]
    assert "cache_control" not in body["system"][0]


def test_ids_of_calls_are_told_so_that_the_api_takes_them():
    id = "functions.get weather:0"
    turns = (*HELLO, Message("assistant", (ToolUse(id, "a", "{}"),)), Message("user", (ToolResult(id, ()),)))
    body, _ = written_request(ask(messages=turns))
    told = body["messages"][1]["content"][0]["id"]
    assert body["messages"][2]["content"][0]["tool_use_id"] == told
    assert told.startswith("toolu_")
    assert told != written_request(ask(messages=(*HELLO, Message("assistant", (ToolUse("other:0", "a", ""),)))))[0]["messages"][1]["content"][0]["id"]  # fmt: skip  # noqa: E501


def test_arguments_that_are_no_object_are_kept_inside_of_one():
    turns = (*HELLO, Message("assistant", (ToolUse("c", "a", '{"cut'),)))
    body, lost = written_request(ask(messages=turns))
    assert body["messages"][1]["content"][0]["input"] == {"arguments": '{"cut'}
    assert lost == ["tool_use.arguments"]


def test_space_alone_joins_the_text_beside_it_or_is_lost():
    parts = (Text(" "), Text("a"), Text("\n"), Media("image", url="https://a.example/b.png"), Text(" "))
    body, lost = written_request(ask(messages=(Message("user", parts),)))
    assert [block.get("text") for block in body["messages"][0]["content"]] == [" a\n", None]
    assert lost == ["text"]


REFUSED = [
    (Media("audio", "audio/wav", "AAAA"), "audio"),
    (Media("image", "image/tiff", "AAAA"), "image/tiff"),
    (Media("image", url="gs://bucket/a.png"), "https"),
    (Media("file", file_id="file-abc"), "another provider"),
    (Media("file", "application/zip", "AAAA"), "application/zip"),
    (Media("file", "text/plain", "/w=="), "UTF-8"),
    (Thinking("so"), "thinking"),
]


@pytest.mark.parametrize(("part", "why"), REFUSED)
def test_what_would_change_the_meaning_is_refused(part, why):
    with pytest.raises(BadRequest, match=why):
        CODEC.write_request(ask(messages=(Message("user", (Text("?"), part)),)), Losses())
    with pytest.raises(BadRequest, match="named"):
        CODEC.write_request(ask(tools=(Tool("a.b"),)), Losses())
    with pytest.raises(BadRequest, match="nothing"):
        CODEC.write_request(ask(messages=(Message("user", (Text(" "),)),)), Losses())


def test_files_of_text_and_files_of_the_provider_stay_what_they_are():
    text = Media("file", "text/plain", "TsOkbWU=", name="a.txt")
    parts = (text, Media("file", file_id="file_1"), Media("image", file_id="file_2"), Media("file", "application/pdf", url="https://a.example/b.pdf"))  # fmt: skip  # noqa: E501
    sent = ask(messages=(Message("user", parts),))
    assert read_back(CODEC, sent, Losses()).messages == sent.messages
    body, lost = written_request(ask(messages=(Message("user", (replace(text, mime="text/csv"),)),)))
    assert body["messages"][0]["content"][0]["source"] == {"type": "text", "media_type": "text/plain", "data": "Näme"}
    assert lost == ["file.mime"]


# --- what a caller may say ---

RICH: dict[str, Any] = {
    "model": "claude-opus-4-6",
    "max_tokens": 4_096,
    "cache_control": {"type": "ephemeral"},
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [
        {"role": "user", "content": [
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Näme"}, "title": "t",
             "context": "c", "citations": {"enabled": True}},
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "inside"}]}},
            {"type": "search_result", "source": "https://a.example", "title": "A", "content": [
                {"type": "text", "text": "found"}]},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "container_upload", "file_id": "file_1"},
        ]},
        {"role": "system", "content": "Be polite."},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "ZGF0YQ=="},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
            {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}, "caller": {"type": "direct"}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": [
                {"type": "text", "text": "4"}, {"type": "image", "source": {"type": "url", "url": "https://a.example/b"}}]},
            {"type": "text", "text": "go on"},
        ]},
    ],
    "tools": [
        {"name": "add", "description": "adds", "input_schema": {"type": "object", "properties": {}}, "strict": True},
        {"type": "web_search_20250305", "name": "web_search"},
    ],
    "tool_choice": {"type": "tool", "name": "add", "disable_parallel_tool_use": True},
    "thinking": {"type": "adaptive", "display": "omitted"},
    "output_config": {"effort": "max", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "metadata": {"user_id": "u"},
    "service_tier": "standard_only",
    "stop_sequences": ["END"],
    "stream": True,
    "context_management": {"edits": []},
}  # fmt: skip


def test_all_that_a_caller_can_say_is_read_or_lost_by_its_path():
    losses = Losses()
    got = CODEC.read_request(json.dumps(RICH).encode(), losses)
    assert got == Conversation(
        model="claude-opus-4-6",
        system=(Text("Be brief.", "1h"), Text("Be polite.")),
        messages=(
            Message("user", (
                Media("file", "text/plain", "TsOkbWU=", name="t"), Text("inside"),
                Text("A (https://a.example)\n"), Text("found"), Media("image", "image/png", "AAAA"),
            )),
            Message("assistant", (
                Thinking("hm", "c2ln", provider="anthropic-messages"),
                Thinking(redacted="ZGF0YQ==", provider="anthropic-messages"),
                ToolUse("toolu_1", "add", '{"a":1}'),
            )),
            Message("user", (
                ToolResult("toolu_1", (Text("4"), Media("image", url="https://a.example/b")), is_error=True),
                Text("go on", "5m"),
            )),
        ),
        stream=True,
        tools=(Tool("add", "adds", "", True),),
        tool_choice=ToolChoice("tool", "add", parallel=False),
        format=Format("schema", schema='{"type":"object"}'),
        reasoning=Reasoning("max", shown=False),
        max_output_tokens=4_096,
        stop=("END",),
        user="u",
        tier="default",
    )  # fmt: skip
    assert list(losses.names) == [
        "messages[0].content[0].citations",
        "messages[0].content[0].context",
        "messages[0].content[2].search_result",
        "messages[0].content[4].container_upload",
        "messages[1].role",
        "messages[2].content[2].server_tool_use",
        "tools[1].web_search_20250305",
        "context_management",
    ]


MISTAKES = [
    ({}, "model"),
    ({"model": "m"}, "messages"),
    ({"model": "m", "messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    ({"model": "m", "messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"model": "m", "messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
    ({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]},
     "messages[0].content[0].text"),
    ({"model": "m", "messages": [{"role": "user", "content": [{"type": "tool_use"}]}]}, "messages[0].content[0]"),
    ({"model": "m", "messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a"}]}]},
     "messages[0].content[0].name"),
    ({**RICH, "tool_choice": {"type": "tool", "name": "web_search"}}, "tool_choice.name"),
    ({**RICH, "thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
    ({**RICH, "output_config": {"effort": "utmost"}}, "output_config.effort"),
    ({**RICH, "max_tokens": "many"}, "max_tokens"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "field"), MISTAKES)
def test_a_mistake_is_told_with_its_field(body, field):
    assert refused_field(CODEC, body) == field


# --- recordings ---

MESSAGES_RECORDED = [one for one in recordings() if one.dialect.name == "anthropic-messages"]


@pytest.mark.parametrize("recording", [one for one in MESSAGES_RECORDED if one.status < 400], ids=lambda one: one.id)
def test_every_recorded_answer_is_read(recording: Recording):
    reply = check_recording(CODEC, recording)
    if recording.is_stream:
        seen = list(_payloads(recording.body))
        deltas = [event["delta"] for event in seen if event["type"] == "content_block_delta"]
        assert said(reply) == "".join(delta["text"] for delta in deltas if delta["type"] == "text_delta")
        assert thought(reply) == "".join(delta["thinking"] for delta in deltas if delta["type"] == "thinking_delta")
    else:
        blocks = json.loads(recording.body)["content"]
        assert said(reply) == "".join(block["text"] for block in blocks if block["type"] == "text")
        assert called(reply) == [(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]


@pytest.mark.parametrize("recording", MESSAGES_RECORDED, ids=lambda one: one.id)
def test_every_recorded_request_is_read_and_written(recording: Recording):
    conversation, losses = CODEC.read_request(recording.request, Losses()), Losses()
    same_request(as_meant(conversation), read_back(CODEC, conversation, losses), losses)


@pytest.mark.parametrize("recording", [one for one in MESSAGES_RECORDED if one.is_stream], ids=lambda one: one.id)
def test_a_recorded_stream_says_the_same_wherever_it_is_cut(recording: Recording):
    whole = events_of(CODEC, recording.body)
    step = max(1, len(recording.body) // 60)
    for cut in range(1, len(recording.body), step):
        assert events_of(CODEC, recording.body, [cut]) == whole
    assert events_of(CODEC, recording.body.replace(b"\n", b"\r\n"), range(1, len(recording.body), 100)) == whole


def test_a_recorded_refusal_is_read():
    body = next(one for one in MESSAGES_RECORDED if one.status == 400).body
    fault = CODEC.read_fault(400, body)
    assert (fault.status, fault.kind) == (400, "invalid_request_error")
    assert fault.message.startswith("This model does not support effort level")


# --- streams ---


@examples(2)
@given(event_streams())
def test_a_stream_says_the_same_at_every_cut(stream: tuple[Reply, list[Any]]):
    check_every_cut(CODEC, written(CODEC, stream[1]))


def test_usage_comes_from_both_ends_into_disjoint_classes():
    usage = Usage(input=5, cache_read=7, cache_write_5m=11, cache_write_1h=13, output=17, reasoning=2)
    body = written(
        CODEC,
        [Started("m", "c", usage=replace(usage, output=1, reasoning=0)), Stopped("end"), Ended(usage, "priority")],
    )
    events = events_of(CODEC, body)
    assert events[0].usage == replace(usage, output=1, reasoning=0)
    assert events[-1] == Ended(usage, "priority")


def test_a_fault_in_mid_stream_is_the_last_event():
    error = b'{"details":null,"type":"overloaded_error","message":"Overloaded"}'
    sse = b'event: error\ndata: {"type":"error","error":' + error + b"}\n\n"
    events = events_of(CODEC, written(CODEC, [Started("m", "c")]) + sse + b'data: {"type":"message_stop"}\n\n')
    fault = Fault(529, "overloaded_error", "Overloaded")
    assert events[1:] == [Failed(fault)]
    assert events_of(CODEC, written(CODEC, [Failed(fault)])) == [Failed(fault)]


def test_events_that_nobody_knows_are_passed_over():
    extra = b'event: news\ndata: {"type":"news","delta":{"text":5},"index":"x"}\n\n: a comment\n\n'
    body = extra + written(CODEC, [Started("m", "c"), Stopped("length"), Ended(None)]) + extra
    assert events_of(CODEC, body) == [Started("m", "c"), Stopped("length"), Ended(None)]


def test_a_call_that_another_provider_signed_keeps_its_signature_in_a_stream():
    signed = ToolUse("call:1", "add", "{}", "c2ln")
    grown = [PartStarted(0, "tool_use", signed.id, "add"), PartGrew(0, "{}"), PartSigned(0, "c2ln"), PartEnded(0)]
    body = written(CODEC, [Started("m", "c"), *grown, Stopped("tool_use"), Ended(None)])
    answer = json.loads(CODEC.write_answer(Reply("m", "c", (Choice((signed,), "tool_use"),)), Losses()))
    blocks = [event["content_block"] for event in _payloads(body) if event["type"] == "content_block_start"]
    assert blocks == [{**answer["content"][0], "input": {}}, answer["content"][1]]
    turns = [*ASK["messages"], {"role": "assistant", "content": answer["content"]}]
    got = CODEC.read_request(json.dumps({**ASK, "messages": turns}).encode(), Losses())
    assert got.messages[1].parts == (ToolUse(answer["content"][0]["id"], "add", "{}", "c2ln"),)


# --- hostile bytes ---


def test_a_spoilt_request_is_refused_with_a_reason():
    check_hostile_requests(CODEC, json.dumps(RICH).encode())
    for body in (
        b"",
        b"[]",
        b"nul",
        b"\xff",
        b"[" * 100_000,
        b'{"model":"m","messages":' + b"[" * 900 + b"]" * 900 + b"}",
    ):
        read_or_refuse(CODEC, body)
    deep = (
        b'{"model":"m","max_tokens":1,"tools":[{"name":"a","input_schema":'
        + b'{"a":' * 900
        + b"1"
        + b"}" * 900
        + b"}]}"
    )
    read_or_refuse(CODEC, deep)


def test_a_spoilt_answer_is_read_or_none():
    reply = Reply(
        "m", "c", (Choice((Thinking("t", "s"), Text("x"), ToolUse("i", "n", '{"a":1}')), "tool_use"),), Usage(1)
    )
    check_hostile_answers(CODEC, CODEC.write_answer(reply, Losses()))


def test_a_spoilt_stream_never_raises():
    check_hostile_stream(CODEC, list(_payloads(STREAM)), lambda said: b"data: " + json.dumps(said).encode() + b"\n\n")


WORDS = ("model", "messages", "role", "user", "assistant", "content", "type", "text", "tool_use", "tool_result", "id",
         "name", "input", "thinking", "system", "tools", "source", "base64", "data", "image", "document",
         "cache_control")  # fmt: skip


@examples(50)
@given(any_json(WORDS))
def test_any_json_is_read_or_refused(value: Any):
    read_or_refuse(CODEC, json.dumps(value).encode())
    assert isinstance(CODEC.read_fault(500, json.dumps(value).encode()), Fault)


# --- the real client ---


class Wire:
    """Anthropic's own client, answered by us."""

    def __init__(self) -> None:
        self.body = b""
        self.status = 200
        http = httpx2.Client(transport=httpx2.MockTransport(self._answer))
        self.client = anthropic.Anthropic(
            api_key="k", base_url="http://bursar.example", http_client=http, max_retries=0
        )

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        kind = "text/event-stream" if json.loads(request.content).get("stream") else "application/json"
        return httpx2.Response(self.status, content=self.body, headers={"content-type": kind})


@pytest.fixture(scope="module")
def wire() -> Wire:
    return Wire()


ASK: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}


@examples(20)
@given(reply=replies(ALL._replace(refusals=True)))
def test_the_real_client_reads_every_answer(wire: Wire, reply: Reply):
    wire.body, wire.status = CODEC.write_answer(reply, Losses()), 200
    message = wire.client.messages.create(**ASK)
    anthropic.types.Message.model_validate(message.to_dict())  # the client builds without looking; this looks
    same_reply(CODEC.read_answer(wire.body), CODEC.read_answer(message.to_json().encode()))


@examples(20)
@given(stream=event_streams(ALL._replace(refusals=True)))
def test_the_real_client_reads_every_stream(wire: Wire, stream: tuple[Reply, list[Any]]):
    reply, events = stream
    wire.body, wire.status = written(CODEC, events), 200
    with wire.client.messages.stream(**ASK) as opened:
        message = opened.get_final_message()
    anthropic.types.Message.model_validate(message.to_dict())
    got = CODEC.read_answer(message.to_json().encode())
    parts = tuple(Text(part.text) if isinstance(part, Refusal) else part for part in reply.choices[0].parts)
    same_reply(replace(reply, choices=(replace(reply.choices[0], parts=parts),)), got)


def test_the_real_client_reads_faults(wire: Wire):
    wire.body, wire.status = CODEC.write_fault(Fault(429, "rate_limit_error", "slow down")), 429
    with pytest.raises(anthropic.RateLimitError, match="slow down"):
        wire.client.messages.create(**ASK)
    wire.body, wire.status = written(CODEC, [Started("m", "c"), Failed(Fault(529, "overloaded_error", "busy"))]), 200
    with pytest.raises(anthropic.APIStatusError, match="busy"), wire.client.messages.stream(**ASK) as opened:
        opened.get_final_message()


def _payloads(body: bytes) -> Any:
    return (json.loads(line[5:]) for line in body.splitlines() if line.startswith(b"data:"))


STREAM = b"".join(
    b"data: " + json.dumps(said).encode() + b"\n\n"
    for said in (
        {"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "t"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "a"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    )
)  # fmt: skip
