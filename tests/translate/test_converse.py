"""The codec of Bedrock's Converse: what it reads and writes means the same, whole and in frames."""

import base64
import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.providers.recordings import GOLDEN
from tests.translate.conversations import ALL, Say, conversations, event_streams, replies
from tests.translate.laws import (
    ASKED,
    any_json,
    called,
    check_every_cut,
    check_hostile_answers,
    check_hostile_requests,
    check_hostile_stream,
    events_of,
    examples,
    read_back,
    read_or_refuse,
    refused_field,
    said,
    written,
)
from tests.translate.meaning import reply_of, same_reply, same_request

from bursar.domain.errors import BadRequest
from bursar.domain.usage import Usage
from bursar.providers.bedrock_usage import TokenUsage, usage_of_converse
from bursar.providers.event_frames import Frames, write_frame
from bursar.translate.answer import (
    Choice,
    Ended,
    Failed,
    Fault,
    PartEnded,
    PartGrew,
    PartStarted,
    Reply,
    Started,
    Stopped,
)
from bursar.translate.chat import CHAT
from bursar.translate.codec import BadAnswer, Codec
from bursar.translate.conversation import (
    Conversation,
    Format,
    Losses,
    Media,
    Message,
    Part,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from bursar.translate.converse import CONVERSE, ConverseCodec
from bursar.translate.converse_blocks import BESIDE_DOCUMENT
from bursar.translate.messages import MESSAGES
from bursar.translate.responses import RESPONSES

CODEC = CONVERSE
MODEL = "us.anthropic.claude-opus-4-6-v1:0"
SAY = ALL._replace(provider="bedrock-converse")
HELLO = (Message("user", (Text("Hello."),)),)


def ask(**fields: Any) -> Conversation:
    return Conversation(**{"model": MODEL, "messages": HELLO, "max_output_tokens": 9_000, **fields})


def written_request(conversation: Conversation) -> tuple[dict[str, Any], list[str]]:
    """The body as values, and what was lost."""
    losses = Losses()
    return json.loads(CODEC.write_request(conversation, losses).body), list(losses.names)


def as_meant(conversation: Conversation) -> Conversation:
    """Without what Bedrock has no words for and isn't lost for that; with files as it takes them, and a word beside
    each document."""
    format = conversation.format
    return replace(
        conversation,
        messages=tuple(Message(one.role, _taken(one.parts)) for one in conversation.messages),
        format=format and replace(format, strict=None),
        tier="" if conversation.tier == "auto" else conversation.tier,
        frequency_penalty=conversation.frequency_penalty or None,
        presence_penalty=conversation.presence_penalty or None,
    )


def _taken(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    taken = tuple(
        Media("image", "image/png", "AAAA") if isinstance(part, Media) and part.url else part for part in parts
    )
    taken = tuple(
        replace(part, name=f"bill {at}") if isinstance(part, Media) and part.name else part
        for at, part in enumerate(taken)
    )
    has_file = any(isinstance(part, Media) and part.kind == "file" for part in taken)
    has_text = any(isinstance(part, Text) and part.text.strip() for part in taken)
    return (*taken, Text(BESIDE_DOCUMENT)) if has_file and not has_text else taken


# --- the same meaning ---


@examples(40)
@given(conversations(SAY._replace(cache=True), MODEL))
def test_a_request_written_and_read_means_the_same(conversation: Conversation):
    sent, losses = as_meant(conversation), Losses()
    user = [part for message in sent.messages if message.role == "user" for part in message.parts]
    assume(any(not isinstance(part, Text) or part.text.strip() for part in user))
    same_request(sent, read_back(CODEC.bound(MODEL, streams=sent.stream), sent, losses), losses)


@examples(30)
@given(replies(SAY))
def test_an_answer_written_and_read_means_the_same(reply: Reply):
    losses = Losses()
    got = CODEC.bound(reply.model, streams=False).read_answer(CODEC.write_answer(reply, losses))
    same_reply(as_told(reply), got, losses)
    assert list(losses.names) == []


@examples(30)
@given(event_streams(SAY))
def test_a_stream_written_and_read_means_the_same(stream: tuple[Reply, list[Any]]):
    reply, events = stream
    body = written(CODEC, events)
    assert body == CODEC.writer(ASKED, "call1").write(events)
    same_reply(as_told(reply), reply_of(events_of(CODEC.bound(reply.model, streams=True), body)))


def as_told(reply: Reply) -> Reply:
    """Without an id, and thoughts not counted apart: Converse has neither."""
    assert reply.usage is not None
    return replace(reply, id="", usage=replace(reply.usage, reasoning=0))


@examples(20)
@given(replies(Say(provider="gemini-generate")))
def test_the_proofs_of_another_provider_come_back_with_the_next_turn(reply: Reply):
    parts = tuple(
        replace(part, signature="c2ln") if isinstance(part, ToolUse) else part for part in reply.choices[0].parts
    )
    answer = json.loads(CODEC.write_answer(replace(reply, choices=(Choice(parts),)), Losses()))
    turns = [{"role": "user", "content": [{"text": "?"}]}, answer["output"]["message"]]
    got = CODEC.read_request(json.dumps({"messages": turns}).encode(), Losses()).messages[1].parts
    one, other = (Conversation(model="m", messages=(Message("assistant", each),)) for each in (parts, got))
    same_request(one, other)


PAIRS = [(CONVERSE, other) for other in (CHAT, MESSAGES)] + [(other, CONVERSE) for other in (CHAT, RESPONSES)]
"""Each of the other dialects on one side; all other pairs: test_pairs.py."""

UNSIGNED = Say(signatures=False)


@pytest.mark.parametrize(("caller", "provider"), PAIRS, ids=lambda codec: codec.dialect)
@examples(8)
@given(sent=conversations(UNSIGNED._replace(settings=False, images=False, files=False)), stream=event_streams(UNSIGNED))
def test_one_door_leads_to_bedrock_and_from_it(
    caller: Codec, provider: Codec, sent: Conversation, stream: tuple[Reply, list[Any]]
):
    assume(any(not isinstance(part, Text) or part.text.strip() for turn in sent.messages for part in turn.parts))
    asked, losses = read_back(caller, as_meant(sent), Losses()), Losses()
    assume(any(not isinstance(part, Text) or part.text.strip() for part in asked.messages[-1].parts))
    assume(any(isinstance(part, Text) and part.text.strip() for turn in asked.messages for part in turn.parts))
    same_request(as_meant(asked), read_back(provider, as_meant(asked), losses), losses)
    events, losses = events_of(provider, written(provider, stream[1])), Losses()
    answered = reply_of(events)
    caller.write_answer(answered, losses)
    heard = reply_of(events_of(caller, written(caller, events)))
    told = as_told(answered) if caller is CONVERSE else answered
    same_reply(told, replace(heard, id=told.id, model=told.model), losses)


# --- what the API takes ---

SETTINGS = [  # asked, sent, lost
    ({"reasoning": Reasoning("high")},
     {"additionalModelRequestFields": {"thinking": {"type": "adaptive"}}, "outputConfig": {"effort": "high"}}, []),
    ({"model": "anthropic.claude-haiku-4-5", "reasoning": Reasoning("", 2_000), "top_k": 3},
     {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2_000}}}, ["top_k"]),
    ({"top_k": 3}, {"additionalModelRequestFields": {"top_k": 3}}, []),
    ({"model": "amazon.nova-lite-v1:0", "reasoning": Reasoning("high"), "top_k": 3}, {}, ["top_k", "reasoning"]),
    ({"tier": "flex", "metadata": '{"a":"b"}'}, {"serviceTier": {"type": "flex"}, "requestMetadata": {"a": "b"}}, []),
    ({"metadata": '{"a":1}', "user": "u", "seed": 0}, {}, ["metadata", "user", "seed"]),
    ({"format": Format("schema", "n", '{"type":"object"}')}, {"outputConfig": {"textFormat": {
        "type": "json_schema", "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "n"}}}}}, []),
    ({"format": Format("json")}, {}, ["format"]),
    ({"tool_choice": ToolChoice("required")}, {}, ["tool_choice"]),
    ({"tools": (Tool("a"),), "tool_choice": ToolChoice("none")}, {"toolConfig": {"tools": [{"toolSpec": {
        "name": "a", "inputSchema": {"json": {"type": "object", "properties": {}}}}}]}}, ["tool_choice"]),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "sent", "lost"), SETTINGS)
def test_settings_are_kept_or_said_to_be_lost(asked, sent, lost):
    body, names = written_request(ask(**asked))
    body.pop("messages")
    assert body.pop("inferenceConfig") == {"maxTokens": 9_000}
    assert (body, names) == (sent, lost)


def test_where_calls_are_spoken_of_tools_are_there():
    turns = (*HELLO, Message("assistant", (ToolUse("a b", "add", "{}"),)), Message("user", (ToolResult("a b", ()),)))
    body, _ = written_request(ask(messages=turns))
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["add"]
    assert body["messages"][1]["content"][0]["toolUse"]["toolUseId"].startswith("tooluse_")


REFUSED = [
    ({"messages": (Message("user", (Media("image", url="https://a.example/b.png", mime="image/png"),)),)}, "S3"),
    ({"messages": (Message("user", (Media("image", "image/tiff", "AAAA"),)),)}, "image/tiff"),
    ({"messages": (Message("user", (Thinking("t"),)),)}, "user's turn"),
    ({"messages": (Message("assistant", (ToolResult("c", ()),)),)}, "model's turn"),
    ({"messages": (Message("user", (Text(" "),)),)}, "nothing"),
    ({"tools": (Tool("a.b"),)}, "named"),
]


@pytest.mark.parametrize(("fields", "why"), REFUSED)
def test_what_would_change_the_meaning_is_refused(fields, why):
    with pytest.raises(BadRequest, match=why):
        CODEC.write_request(ask(**fields), Losses())


def test_documents_have_names_that_are_allowed_and_differ():
    pdf = Media("file", "application/pdf", "AAAA", name="a/b.pdf")
    body, lost = written_request(ask(messages=(Message("user", (pdf, pdf, replace(pdf, name=""))),)))
    content = body["messages"][0]["content"]
    assert [block["document"]["name"] for block in content[:3]] == ["a-b-pdf", "a-b-pdf-2", "document"]
    assert content[3] == {"text": BESIDE_DOCUMENT}
    assert lost == ["file.name"]


def test_the_path_names_the_model_and_the_stream():
    assert CODEC.path(ask()) == "/model/us.anthropic.claude-opus-4-6-v1%3A0/converse"
    assert CODEC.path(ask(model="a/b", stream=True)) == "/model/a%2Fb/converse-stream"


# --- what a caller may say ---

RICH: dict[str, Any] = {
    "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
    "messages": [
        {"role": "user", "content": [
            {"text": "Look."}, {"cachePoint": {"type": "default", "ttl": "1h"}},
            {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
            {"document": {"format": "csv", "name": "d", "source": {"s3Location": {"uri": "s3://b/c"}}, "context": "c"}},
            {"document": {"name": "t", "source": {"text": "hi"}}},
            {"video": {"format": "mp4", "source": {"bytes": "AAAA"}}},
            {"audio": {"format": "wav", "source": {"bytes": "AAAA"}}},
            {"guardContent": {"text": {"text": "guarded"}}},
        ]},
        {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
            {"reasoningContent": {"redactedContent": "AAAA"}},
            {"toolUse": {"toolUseId": "t1", "name": "add", "input": {"a": 1}}},
        ]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "status": "error", "content": [
            {"json": {"b": 2}}, {"text": "x"}, {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}}]}}]},
    ],
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "add", "description": "adds", "inputSchema": {"json": {"type": "object"}},
                                "strict": True}}, {"cachePoint": {"type": "default"}},
                  {"systemTool": {"name": "nova_grounding"}}],
        "toolChoice": {"tool": {"name": "add"}},
    },
    "inferenceConfig": {"maxTokens": 100, "temperature": 0.5, "topP": 1, "stopSequences": ["END"]},
    "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 50}, "top_k": 4, "other": 1},
    "outputConfig": {"effort": "low", "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
        "schema": '{"type": "object"}', "name": "n", "description": "d"}}}},
    "requestMetadata": {"a": "b"},
    "serviceTier": {"type": "priority"},
    "guardrailConfig": {"guardrailIdentifier": "g"},
}  # fmt: skip


def test_all_that_a_caller_can_say_is_read_or_lost_by_its_path():
    losses = Losses()
    got = CODEC.bound("m", streams=True).read_request(json.dumps(RICH).encode(), losses)
    assert got == Conversation(
        model="m",
        system=(Text("Be brief.", "5m"),),
        messages=(
            Message("user", (
                Text("Look.", "1h"), Media("image", "image/png", "AAAA"),
                Media("file", "text/csv", url="s3://b/c", name="d"), Media("file", "text/plain", "aGk=", name="t"),
                Media("file", "video/mp4", "AAAA"), Media("audio", "audio/wav", "AAAA"), Text("guarded"),
            )),
            Message("assistant", (
                Thinking("hm", "c2ln", provider="bedrock-converse"),
                Thinking(redacted="AAAA", provider="bedrock-converse"), ToolUse("t1", "add", '{"a":1}'),
            )),
            Message("user", (
                ToolResult("t1", (Text('{"b":2}'), Text("x"), Media("image", "image/jpeg", "AAAA")), is_error=True),
            )),
        ),
        stream=True,
        tools=(Tool("add", "adds", "", True, "5m"),),
        tool_choice=ToolChoice("tool", "add"),
        format=Format("schema", "n", '{"type":"object"}', description="d"),
        reasoning=Reasoning("low", 50),
        max_output_tokens=100,
        temperature=0.5,
        top_p=1.0,
        top_k=4,
        stop=("END",),
        metadata='{"a":"b"}',
        tier="priority",
    )  # fmt: skip
    assert list(losses.names) == [
        "messages[0].content[3].document.context",
        "messages[0].content[7].guardContent",
        "toolConfig.tools[2].systemTool",
        "additionalModelRequestFields.other",
        "guardrailConfig",
    ]


MISTAKES = [
    ({}, "messages"),
    ({"messages": [{"role": "tool"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": "x"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"toolUse": {}}]}]}, "messages[0].content[0].toolUse"),
    ({"messages": [{"role": "assistant", "content": [{"toolUse": {}}]}]}, "messages[0].content[0].toolUse.toolUseId"),
    ({"messages": [{"role": "user", "content": [{"image": {"source": {}}}]}]}, "messages[0].content[0].image.source"),
    ({**RICH, "outputConfig": {"effort": "utmost"}}, "outputConfig.effort"),
    ({**RICH, "toolConfig": {"toolChoice": {"tool": {"name": "a"}}}}, "toolConfig.toolChoice.tool.name"),
]


@pytest.mark.parametrize(("body", "field"), MISTAKES)
def test_a_mistake_is_told_with_its_field(body, field):
    assert refused_field(CODEC, body) == field


# --- recordings ---

RECORDED = [json.loads(path.read_text("utf-8")) for path in sorted(GOLDEN.glob("bedrock/bedrock-converse-*.json"))]


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["id"])
def test_every_recorded_answer_is_read(case: dict[str, Any]):
    codec = ConverseCodec("m", streams=case["stream"])
    response = case["response"]
    if response["status"] >= 400:
        assert codec.read_fault(response["status"], json.dumps(response["body"]).encode()).message
        return
    if case["stream"]:
        body = base64.b64decode(response["body_base64"])
        reply = reply_of(events_of(codec, body))
        frames = [(frame.name, json.loads(frame.payload)) for frame in Frames(10**7).feed(body)]
        deltas = [said["delta"] for name, said in frames if name == "contentBlockDelta"]
        text = "".join(delta.get("text", "") for delta in deltas)
        inputs = "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)
        assert "".join(part.arguments for part in reply.choices[0].parts if isinstance(part, ToolUse)) == inputs
        usage = frames[-1][1]["usage"]
        for cut in range(1, len(body), max(1, len(body) // 100)):
            assert reply_of(events_of(codec, body, [cut])) == reply
    else:
        answer = response["body"]
        reply = codec.read_answer(json.dumps(answer).encode())
        content = answer["output"]["message"]["content"]
        text = "".join(block.get("text", "") for block in content)
        calls = [block["toolUse"] for block in content if "toolUse" in block]
        assert called(reply) == [(call["name"], call["input"]) for call in calls]
        usage = answer["usage"]
    assert said(reply) == text
    assert reply.usage == usage_of_converse(TokenUsage(
        usage.get("inputTokens"), usage.get("outputTokens"), usage.get("totalTokens"),
        usage.get("cacheReadInputTokens"), usage.get("cacheWriteInputTokens"),
    ))  # fmt: skip


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["id"])
def test_every_recorded_request_is_read_and_written(case: dict[str, Any]):
    codec = ConverseCodec(MODEL, streams=case["stream"])
    conversation, losses = codec.read_request(json.dumps(case["request"]["body"]).encode(), Losses()), Losses()
    same_request(as_meant(conversation), read_back(codec, as_meant(conversation), losses), losses)


# --- answers and streams ---


@examples(2)
@given(event_streams(SAY))
def test_a_stream_says_the_same_at_every_cut(stream: tuple[Reply, list[Any]]):
    check_every_cut(CODEC, written(CODEC, stream[1]))


def test_usage_is_in_the_meters_classes():
    usage = Usage(input=5, cache_read=7, cache_write_5m=11, cache_write_1h=13, output=17)
    body = written(CODEC, [Started("", "m"), Stopped("context"), Ended(usage, "flex")])
    assert events_of(CODEC, body)[-2:] == [Stopped("context"), Ended(usage, "flex")]
    assert CODEC.read_answer(CODEC.write_answer(Reply("", "", (Choice((), "refusal"),)), Losses())).usage is None
    with pytest.raises(BadAnswer):
        CODEC.read_answer(b"{}")


def test_a_fault_in_mid_stream_is_the_last_event():
    fault = Fault(429, "rate_limit_error", "slow down", "ThrottlingException")
    events = [Started("", ""), PartStarted(0, "text"), PartGrew(0, "x"), Failed(fault)]
    assert events_of(CODEC, written(CODEC, events)) == events
    body = bytearray(written(CODEC, [*events[:3], PartEnded(0), Stopped("end"), Ended(None)]))
    body[-1] ^= 1
    corrupt = events_of(CODEC, bytes(body))[-1]
    assert isinstance(corrupt, Failed)
    assert corrupt.fault.code == "bad_answer"


FAULTS = [
    Fault(400, "invalid_request_error", "no", "ValidationException"),
    Fault(403, "permission_error", "no", "AccessDeniedException"),
    Fault(503, "overloaded_error", "no", "ServiceUnavailableException"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_a_fault_written_and_read_means_the_same(fault: Fault):
    assert CODEC.read_fault(fault.status, CODEC.write_fault(replace(fault, code=""))) == fault
    assert CODEC.read_fault(502, b"<html>") == Fault(502, "api_error", "<html>")


# --- hostile bytes ---


def test_a_spoilt_request_is_refused_with_a_reason():
    check_hostile_requests(CODEC, json.dumps(RICH).encode())
    for body in (b"", b"[]", b"nul", b"\xff", b"[" * 100_000):
        read_or_refuse(CODEC, body)


def test_a_spoilt_answer_is_read_or_none():
    parts = (Thinking("t", "c2ln", provider="bedrock-converse"), Text("x"), ToolUse("i", "n", '{"a":1}'))
    check_hostile_answers(CODEC, CODEC.write_answer(Reply("", "", (Choice(parts, "tool_use"),), Usage(1)), Losses()))


def test_a_spoilt_stream_never_raises():
    index = {"contentBlockIndex": 0}
    payloads = [
        ["contentBlockStart", {"start": {"toolUse": {"toolUseId": "t", "name": "a"}}, **index}],
        ["contentBlockDelta", {"delta": {"toolUse": {"input": "{}"}}, **index}],
        ["contentBlockDelta", {"delta": {"reasoningContent": {"text": "t", "signature": "c2ln"}}, **index}],
        ["contentBlockStop", index],
        ["messageStop", {"stopReason": "tool_use"}],
        ["metadata", {"usage": {"inputTokens": 3}, "serviceTier": {"type": "flex"}}],
    ]

    def frame(said: Any) -> bytes:
        name, payload = said if isinstance(said, list) and len(said) == 2 else ("metadata", said)
        headers = ((":event-type", str(name)), (":message-type", "event"))
        return write_frame(headers, json.dumps(payload).encode())

    check_hostile_stream(CODEC, payloads, frame)


WORDS = ("messages", "role", "user", "assistant", "content", "text", "toolUse", "toolUseId", "toolResult", "name",
         "input", "image", "format", "source", "bytes", "system", "toolConfig", "tools", "cachePoint")  # fmt: skip


@examples(50)
@given(any_json(WORDS) | st.just({"messages": [{"role": "user", "content": [{"text": "x"}]}]}))
def test_any_json_is_read_or_refused(value: Any):
    read_or_refuse(CODEC, json.dumps(value).encode())
    assert isinstance(CODEC.read_fault(500, json.dumps(value).encode()), Fault)
