"""The codec of OpenAI's Responses: what it reads of recordings, that a round trip keeps meaning, what it refuses."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from tests.providers.recordings import Recording, recordings
from tests.translate.conversations import Say, conversations, event_streams, replies
from tests.translate.meaning import reply_of, same_reply, same_request

from bursar.domain.errors import BadRequest
from bursar.translate import responses_writer
from bursar.translate.answer import (
    Choice,
    Ended,
    Event,
    Failed,
    Fault,
    PartEnded,
    PartGrew,
    PartSigned,
    PartStarted,
    Pinged,
    Reply,
    Started,
    Stopped,
)
from bursar.translate.codec import BadAnswer, Codec
from bursar.translate.conversation import (
    Conversation,
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
from bursar.translate.responses import RESPONSES

CODEC: Codec = RESPONSES
OWN = Say(provider="openai-responses", refusals=True, logprobs=True)
ALL_RECORDED = tuple(one for one in recordings() if one.dialect.name == "openai-responses" and one.status == 200)
PENDING = tuple(one for one in ALL_RECORDED if one.answer().is_pending)
RECORDED = tuple(one for one in ALL_RECORDED if one not in PENDING)
STREAMED = tuple(one for one in RECORDED if one.is_stream)
EVENT = TypeAdapter[Any](ResponseStreamEvent)


def read(body: Any, losses: Losses | None = None) -> Conversation:
    data = body if isinstance(body, bytes) else json.dumps({"model": "m", **body}).encode()
    return CODEC.read_request(data, losses or Losses())


def write(conversation: Conversation, losses: Losses | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(CODEC.write_request(conversation, losses or Losses()).body)
    return found


def asked(*parts: Any, role: str = "user", **more: Any) -> Conversation:
    return Conversation(model="m", messages=(Message(role, parts),), **more)


def events_of(body: bytes, size: int = 1 << 20) -> list[Event]:
    reader = CODEC.reader()
    found = [event for at in range(0, len(body), size) for event in reader.feed(body[at : at + size])]
    return found + reader.end()


def joined(events: list[Event]) -> list[Event]:
    """Events with neighbouring growth of a part as one: how a text was cut is no meaning."""
    found: list[Event] = []
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, PartGrew) and isinstance(last, PartGrew):
            event = PartGrew(event.index, last.text + event.text, logprobs=last.logprobs + event.logprobs)
            found.pop()
        found.append(event)
    return found


def wire_events(stream: bytes) -> list[dict[str, Any]]:
    blocks = [block for block in stream.decode().split("\n\n") if block.startswith("event: ")]
    found = []
    for block in blocks:
        name, data = block.split("\n", 1)
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


# What others recorded


@pytest.mark.parametrize("one", RECORDED, ids=lambda one: one.id)
def test_every_recorded_answer_is_read_with_the_meters_usage(one: Recording):
    reply = reply_of(events_of(one.body)) if one.is_stream else CODEC.read_answer(one.body)
    metered = one.answer()
    assert reply.usage == metered.usage
    assert (reply.model, reply.id, reply.tier) == (metered.model, metered.upstream_id, metered.tier)
    said = [part for part in reply.choices[0].parts if isinstance(part, Text | ToolUse)]
    assert said
    assert all(part.text if isinstance(part, Text) else json.loads(part.arguments) is not None for part in said)


@pytest.mark.parametrize("one", STREAMED, ids=lambda one: one.id)
def test_a_recorded_stream_says_what_its_last_event_repeats(one: Recording):
    lines = [line[5:] for line in one.body.decode().splitlines() if line.startswith("data:") and "[DONE]" not in line]
    whole = CODEC.read_answer(json.dumps(json.loads(lines[-1])["response"]).encode())
    streamed = reply_of(events_of(one.body))
    losses = Losses()
    for lost in ("thinking.id", "thinking.redacted"):  # encrypted anew each time it is said
        losses.lose(lost)
    same_reply(whole, streamed, losses)


@pytest.mark.parametrize("one", [min(STREAMED, key=lambda one: len(one.body))], ids=lambda one: one.id)
def test_events_do_not_depend_on_where_a_stream_was_cut(one: Recording):
    whole = joined(events_of(one.body))
    for size in (1, 7, 1_000):
        assert joined(events_of(one.body, size)) == whole
    for cut in range(0, len(one.body) - 40, 97):
        got = events_of(one.body[:cut])
        assert joined(got) == joined(whole[: len(joined(got))]) or isinstance(got[-1], PartGrew)
        assert not any(isinstance(event, Ended | Failed) for event in got)


@pytest.mark.parametrize("one", [one for one in RECORDED if b"[cut " not in one.request], ids=lambda one: one.id)
def test_every_recorded_request_is_read_and_can_be_sent_again(one: Recording):
    """All but those whose body was shortened for the collection."""
    conversation = CODEC.read_request(one.request, Losses())
    losses = Losses()
    again = CODEC.read_request(CODEC.write_request(conversation, losses).body, Losses())
    same_request(conversation, again, losses)


@pytest.mark.parametrize("one", PENDING, ids=lambda one: one.id)
def test_a_background_response_is_neither_asked_for_nor_read(one: Recording):
    with pytest.raises(BadAnswer, match="queued"):
        CODEC.read_answer(one.body)
    with pytest.raises(BadRequest, match="background"):
        CODEC.read_request(one.request, Losses())


# Round trips


@settings(max_examples=40, deadline=None)
@given(conversations(OWN))
def test_a_request_keeps_its_meaning_but_for_what_is_lost(said: Conversation):
    losses = Losses()
    again = CODEC.read_request(CODEC.write_request(said, losses).body, Losses())
    losses.lose("tool.strict")  # unsaid is written as false: here it would mean true
    same_request(said, again, losses)


@settings(max_examples=25, deadline=None)
@given(replies(OWN))
def test_an_answer_keeps_its_meaning_and_the_real_client_reads_it(said: Reply):
    losses = Losses()
    body = CODEC.write_answer(said, losses)
    losses.lose("thinking.id")
    same_reply(said, CODEC.read_answer(body), losses)
    Response.model_validate_json(body)


@settings(max_examples=25, deadline=None)
@given(replies(Say(provider="anthropic-messages")))
def test_another_providers_signature_comes_back_from_the_caller(said: Reply):
    """Claude's thoughts travel through a caller who speaks Responses, and back into its next request."""
    items = json.loads(CODEC.write_answer(said, Losses()))["output"]
    back = read({"input": [{"role": "user", "content": "Go on."}, *items]})
    thoughts = [part for message in back.messages for part in message.parts if isinstance(part, Thinking)]
    assert thoughts == [part for part in said.choices[0].parts if isinstance(part, Thinking)]


def test_a_signed_call_comes_back_signed():
    call = ToolUse("call_1", "add", "{}", signature="c2ln")
    reply = Reply("r", "gemini-3", (Choice((call, ToolUse("call_2", "add", "{}")), "tool_use"),))
    items = json.loads(CODEC.write_answer(reply, Losses()))["output"]
    assert [item["type"] for item in items] == ["function_call", "reasoning", "function_call"]
    assert read({"input": items}).messages[0].parts == reply.choices[0].parts
    assert CODEC.read_answer(CODEC.write_answer(reply, Losses())).choices == reply.choices


@settings(max_examples=30, deadline=None)
@given(event_streams(OWN), st.integers(1, 64))
def test_a_written_stream_keeps_its_meaning_and_the_real_client_builds_the_answer(
    stream: tuple[Reply, list[Event]], size: int
):
    said, events = stream
    writer = CODEC.writer(asked(Text("?")), "call")
    body = b"".join(writer.write([event]) for event in events)
    losses = Losses()
    losses.lose("thinking.id")
    same_reply(said, reply_of(events_of(body, size)), losses)
    written = wire_events(body)
    assert [event["sequence_number"] for event in written] == list(range(len(written)))
    same_reply(said, CODEC.read_answer(json.dumps(written[-1]["response"]).encode()), losses)
    accumulated(written)


def accumulated(written: list[dict[str, Any]]) -> None:
    """What `client.responses.stream` does with the events; its models validate each, too."""
    state = ResponseStreamState[Any](input_tools=openai.omit, text_format=openai.omit)
    for event in written:
        assert state.handle_event(EVENT.validate_python(event))


def test_the_events_of_a_stream_are_those_that_openai_sends():
    writer = CODEC.writer(asked(Text("?")), "call")
    body = writer.write(
        [
            Started("resp_1", "m", 7),
            PartStarted(0, "thinking"),
            PartGrew(0, "Hm."),
            PartSigned(0, "sig", provider="openai-responses"),
            PartEnded(0),
            PartStarted(1, "text"),
            PartGrew(1, "Hel"),
            Pinged(),
            PartGrew(1, "lo"),
            PartEnded(1),
            PartStarted(2, "tool_use", "call_1", "add"),
            PartGrew(2, '{"a":'),
            PartGrew(2, "1}"),
            PartEnded(2),
            Stopped("tool_use"),
            Ended(None),
        ]
    )
    written = wire_events(body)
    assert responses_writer.PING in body
    assert [event["type"].removeprefix("response.") for event in written] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    done = [event["item"] for event in written if event["type"] == "response.output_item.done"]
    assert done == written[-1]["response"]["output"]
    assert done[0]["encrypted_content"] == "sig"
    assert [event.get("output_index") for event in written[2:-1]] == [0] * 6 + [1] * 7 + [2] * 5


@pytest.mark.parametrize(
    ("stop", "status", "reason"),
    [
        ("end", "completed", None),
        ("tool_use", "completed", None),
        ("stop_sequence", "completed", None),
        ("pause", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("context", "incomplete", "max_output_tokens"),
        ("refusal", "incomplete", "content_filter"),
    ],
)
def test_why_an_answer_ended_is_said_alike_in_both_forms(stop: str, status: str, reason: str | None):
    whole = json.loads(CODEC.write_answer(Reply("r", "m", (Choice((Text("a"),), stop),)), Losses()))
    writer = CODEC.writer(asked(Text("?")), "call")
    last = wire_events(writer.write([Started("r", "m"), Stopped(stop), Ended(None)]))[-1]
    for response in (whole, last["response"]):
        assert response["status"] == status
        assert (response["incomplete_details"] or {"reason": None})["reason"] == reason
    assert last["type"] == f"response.{status}"


def test_a_stream_that_fails_says_so_before_and_after_it_began():
    fault = Fault(529, "overloaded_error", "Overloaded")
    early = wire_events(CODEC.writer(asked(Text("?")), "call").write([Failed(fault)]))
    assert early == [
        {"type": "error", "sequence_number": 0, "code": "server_error", "message": "Overloaded", "param": None}
    ]
    writer = CODEC.writer(asked(Text("?")), "call")
    late = wire_events(writer.write([Started("r", "m"), PartStarted(0, "text"), PartGrew(0, "a"), Failed(fault)]))
    assert late[-1]["type"] == "response.failed"
    assert late[-1]["response"]["error"] == {"code": "server_error", "message": "Overloaded"}
    assert writer.write([Ended(None)]) == b""
    for written, status in ((early, 500), (late, 500)):
        stream = "".join(f"data: {json.dumps(event)}\n\n" for event in written).encode()
        failed = events_of(stream)[-1]
        assert isinstance(failed, Failed)
        assert (failed.fault.message, failed.fault.status) == ("Overloaded", status)


def test_a_writer_holds_no_more_than_its_bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(responses_writer, "ANSWER_BYTES_MAX", 10_000)
    writer = CODEC.writer(asked(Text("?")), "call")
    writer.write([Started("r", "m"), PartStarted(0, "text")])
    sent = [writer.write([PartGrew(0, "a" * 100)]) for _ in range(1_000)]
    last = next(index for index, data in enumerate(sent) if b"response.failed" in data)
    assert b"answer_too_large" in sent[last]
    assert last < 101
    assert not any(sent[last + 1 :])


def test_services_that_say_a_part_only_whole_are_read():
    def line(type: str, **fields: Any) -> str:
        return f"data: {json.dumps({'type': type, **fields})}\n\n"

    message = {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}
    call = {"type": "function_call", "call_id": "c", "name": "add", "arguments": '{"a":1}'}
    summary = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": "x"}
    custom = {"type": "custom_tool_call", "call_id": "d", "name": "patch", "input": 'a"b'}
    items = [summary, message, call, custom]
    stream = line("response.created", response={"id": "r", "model": "m", "status": "in_progress"})
    for index, item in enumerate(items):
        begun = {**item, "arguments": ""} if item is call else item if item is custom else {"type": item["type"]}
        stream += line("response.output_item.added", output_index=index, item=begun)
        if item is call:
            stream += line("response.function_call_arguments.done", output_index=index, arguments=call["arguments"])
        stream += line("response.output_item.done", output_index=index, item=item)
    stream += line("response.web_search_call.searching", output_index=7, item={"type": 3})
    stream += line("response.completed", response={"id": "r", "model": "m", "status": "completed", "output": items})
    reply = reply_of(events_of(stream.encode()))
    assert reply.choices[0].parts == (
        Thinking("Hm", "x", provider="openai-responses"),
        Text("Hello"),
        ToolUse("c", "add", '{"a":1}'),
        ToolUse("d", "patch", '{"input":"a\\"b"}'),
    )
    assert reply.choices[0].stop == "tool_use"


# Requests, field by field


def test_items_become_turns():
    conversation = read(
        {
            "instructions": "Be brief.",
            "input": [
                {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "In French."}]},
                {"role": "user", "content": "Add."},
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "enc"},
                {"type": "function_call", "call_id": "a", "name": "add", "arguments": "{}", "id": "fc_1"},
                {"type": "function_call", "call_id": "b", "name": "add", "arguments": '{"x":1}'},
                {"type": "function_call_output", "call_id": "a", "output": "1"},
                {
                    "type": "function_call_output",
                    "call_id": "b",
                    "output": [
                        {"type": "input_text", "text": "2"},
                        {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low"},
                    ],
                },
                {"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": "aGk="}]},
            ],
        }
    )
    assert conversation.system == (Text("Be brief."), Text("In French."))
    assert conversation.messages == (
        Message("user", (Text("Add."),)),
        Message(
            "assistant",
            (
                Thinking(redacted="enc", id="rs_1", provider="openai-responses"),
                ToolUse("a", "add", "{}"),
                ToolUse("b", "add", '{"x":1}'),
            ),
        ),
        Message(
            "user",
            (
                ToolResult("a", (Text("1"),)),
                ToolResult("b", (Text("2"), Media("image", "image/png", "aGk=", detail="low"))),
            ),
        ),
        Message("user", (Media("file", "application/pdf", "aGk=", name="a.pdf"),)),
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"input": "a", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": "a", "conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"input": "a", "background": True}, "background"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input[0]"),
        ({"input": [{"type": "computer_call_output", "call_id": "c", "output": {"type": "x"}}]}, "input[0]"),
        ({}, "input"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "system", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0].content"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}, "input[0]"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,x"}]}]},
            "input[0].content[0].image_url",
        ),
        ({"input": [{"role": "user", "content": [{"type": "hologram"}]}]}, "input[0].content[0]"),
        ({"input": "a", "tools": [{"type": "function"}]}, "tools[0].name"),
        ({"input": "a", "tools": [{}]}, "tools[0].type"),
        ({"input": "a", "tool_choice": "sometimes"}, "tool_choice"),
        ({"input": "a", "tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"input": "a", "text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"input": "a", "reasoning": {"effort": "enormous"}}, "reasoning.effort"),
        ({"input": 7}, "input"),
        ({"input": "a", "max_output_tokens": -1}, "max_output_tokens"),
        ({"input": "a", "metadata": {"a": 1}}, "metadata[...]"),
    ],
)
def test_what_cannot_be_carried_is_refused_with_its_field(body: dict[str, Any], field: str):
    with pytest.raises(BadRequest) as refusal:
        read(body)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("body", "lost"),
    [
        ({"store": True}, ["store"]),
        ({"store": False, "truncation": "disabled", "stream_options": {"include_obfuscation": False}}, []),
        ({"truncation": "auto"}, ["truncation"]),
        ({"text": {"verbosity": "low"}}, ["text.verbosity"]),
        ({"prompt_cache_key": "k", "max_tool_calls": 3, "nobody_knows": 1}, None),
        (
            {"include": ["reasoning.encrypted_content", "file_search_call.results"]},
            ["include.file_search_call.results"],
        ),
        ({"tools": [{"type": "web_search"}], "tool_choice": "auto"}, ["tools[0].web_search"]),
        ({"tools": [{"type": "custom", "name": "p"}], "tool_choice": "required"}, ["tools[0].custom", "tool_choice"]),
        ({"reasoning": {"effort": "low", "context": "all_turns"}}, ["reasoning.context"]),
        ({"text": {"format": {"type": "grammar"}}}, ["text.format.grammar"]),
        ({"input": [{"type": "web_search_call", "id": "w"}]}, ["input[0].web_search_call"]),
        ({"input": [{"role": "assistant", "content": "x", "phase": "commentary"}]}, ["input[0].phase"]),
        ({"input": [{"role": "user", "content": "x"}, {"role": "system", "content": "y"}]}, ["input[1].role"]),
        (
            {"input": [{"type": "custom_tool_call", "call_id": "c", "name": "p", "input": "x"}]},
            ["input[0].custom_tool_call"],
        ),
    ],
)
def test_what_is_lost_is_named(body: dict[str, Any], lost: list[str] | None):
    losses = Losses()
    read({"input": "a", **body}, losses)
    assert list(losses.names) == (lost if lost is not None else list(body))


def test_tools_and_their_choice():
    tools = [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in ("a", "b")]
    found = read({"input": "x", "tools": tools, "parallel_tool_calls": False})
    assert found.tools == (Tool("a", parameters='{"type": "object"}'), Tool("b", parameters='{"type": "object"}'))
    assert found.tool_choice == ToolChoice(parallel=False)
    chosen = read({"input": "x", "tools": tools, "tool_choice": {"type": "function", "name": "a"}})
    assert chosen.tool_choice == ToolChoice("tool", "a")
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "b"}]}
    some = read({"input": "x", "tools": tools, "tool_choice": allowed})
    assert [tool.name for tool in some.tools] == ["b"]
    assert some.tool_choice == ToolChoice("required")


def test_a_written_request_leaves_nothing_with_the_provider():
    body = write(asked(Text("a"), reasoning=Reasoning("high", shown=True), tools=(Tool("t"),), logprobs=True))
    assert body["store"] is False
    assert body["include"] == ["message.output_text.logprobs", "reasoning.encrypted_content"]
    assert body["reasoning"] == {"effort": "high", "summary": "auto"}
    assert body["tools"][0]["strict"] is False
    assert body["input"] == [{"role": "user", "content": "a"}]
    assert "include" not in write(asked(Text("a")))


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        (asked(Text("a", cache="5m"), stop=("x",), top_k=3, choices=2), ["top_k", "stop", "choices", "cache"]),
        (asked(Thinking("Hm", "s", provider="anthropic-messages"), Text("a"), role="assistant"), ["thinking"]),
        (asked(ToolUse("c", "t", "{}", signature="s"), role="assistant"), ["tool_use.signature"]),
        (asked(ToolResult("c", (Text("no"),), is_error=True)), ["tool_result.is_error"]),
        (asked(Text("a"), reasoning=Reasoning(budget_tokens=9_000)), ["reasoning"]),
    ],
)
def test_what_responses_has_no_words_for_is_named(said: Conversation, lost: list[str]):
    losses = Losses()
    write(said, losses)
    assert list(losses.names) == lost


@pytest.mark.parametrize(
    "said",
    [
        asked(Text("a"), Media("audio", "audio/wav", "aGk=")),
        asked(Media("image", "image/png", "aGk="), role="assistant"),
        asked(Refusal("no")),
    ],
)
def test_what_would_change_the_meaning_is_not_written(said: Conversation):
    with pytest.raises(BadRequest) as refusal:
        write(said)
    assert refusal.value.field
    assert refusal.value.field.startswith("messages[0]")


# Hostile bodies

_SAMPLE = json.dumps(
    {
        "model": "m",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "x"},
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "t"}],
                "encrypted_content": "bursar:[1]",
            },
        ],
        "tools": [{"type": "function", "name": "n", "parameters": {"a": 1}}],
        "tool_choice": {"type": "function", "name": "n"},
        "text": {"format": {"type": "json_schema", "name": "x", "schema": {}}},
    }
).encode()

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "a"]), inner),
    max_leaves=5,
)
_FIELDS = (
    "model",
    "input",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "include",
    "metadata",
    "instructions",
    "stream",
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(_FIELDS), _json), st.lists(_json, max_size=3))
def test_a_hostile_request_is_refused_and_nothing_else(fields: dict[str, Any], items: list[Any]):
    for body in ({"model": "m", "input": "a", **fields}, {"model": "m", "input": items}):
        with suppress(BadRequest):
            read(json.dumps(body).encode())


@pytest.mark.parametrize("cut", range(0, len(_SAMPLE), 11))
def test_half_a_request_is_refused(cut: int):
    with pytest.raises(BadRequest):
        read(_SAMPLE[:cut])
    with suppress(BadRequest):
        read(_SAMPLE[:cut] + b"9" + _SAMPLE[cut + 1 :])


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"[" * 100_000, b'{"model":"m","input":"\xff"}', b'{"model":"m"'])
def test_what_is_no_object_is_refused(body: bytes):
    with pytest.raises(BadRequest):
        read(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b'{"object":"chat.completion","choices":[]}',
        b'{"id":"r","status":"in_progress","output":[]}',
        b'{"id":"r","status":"failed","output":[],"error":{"code":"server_error"}}',
        b'{"id":"r","output":[7]}',
    ],
)
def test_what_is_no_response_is_a_bad_answer(body: bytes):
    with pytest.raises(BadAnswer):
        CODEC.read_answer(body)


def test_an_answer_whose_usage_cannot_be_read_is_still_an_answer():
    body = b'{"id":"r","status":"completed","output":[],"usage":{"input_tokens":"many"}}'
    assert CODEC.read_answer(body).usage is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"data: ", b"\n\n", b'{"type":"response.', b"event: x\n"])))
def test_a_reader_never_raises(chunks: list[bytes]):
    reader = CODEC.reader()
    events = [event for chunk in chunks for event in reader.feed(chunk)] + reader.end()
    assert not any(isinstance(event, Ended) for event in events)


# Faults


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (
            429,
            b'{"error":{"message":"Slow down","type":"requests","code":"rate_limit_exceeded","param":null}}',
            Fault(429, "rate_limit_error", "Slow down", "rate_limit_exceeded"),
        ),
        (
            429,
            b'{"error":{"message":"Pay","type":"insufficient_quota","code":"insufficient_quota"}}',
            Fault(429, "billing_error", "Pay", "insufficient_quota"),
        ),
        (400, b'{"error":{"message":"Bad","param":"input"}}', Fault(400, "invalid_request_error", "Bad", "", "input")),
        (503, b"<html>no</html>", Fault(503, "overloaded_error", "<html>no</html>")),
        (500, b"", Fault(500, "api_error", "the provider answered 500")),
        (404, b'{"error":"model not found"}', Fault(404, "not_found_error", "model not found")),
    ],
)
def test_faults_are_read_in_the_widest_words(status: int, body: bytes, fault: Fault):
    assert CODEC.read_fault(status, body) == fault


def test_a_written_fault_is_read_again():
    fault = Fault(400, "invalid_request_error", "Too long", "context_length_exceeded", "input")
    assert CODEC.read_fault(400, CODEC.write_fault(fault)) == fault
    assert set(msgspec.json.decode(CODEC.write_fault(fault))["error"]) == {"message", "type", "param", "code"}
