"""The codec of Gemini: what it reads and writes means the same, and Google's own client reads it."""

import base64
import json
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.providers.recordings import Recording, recordings
from tests.translate.conversations import ALL, conversations, event_streams, replies
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
    written,
)
from tests.translate.meaning import reply_of, same_reply, same_request

from bursar.domain.errors import BadRequest
from bursar.domain.usage import Usage
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
from bursar.translate.codec import BadAnswer, Codec
from bursar.translate.conversation import (
    Conversation,
    Format,
    Losses,
    Media,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from bursar.translate.gemini import GEMINI, VERTEX, GeminiCodec
from bursar.translate.gemini_parts import UNSIGNED
from bursar.translate.gemini_schema import json_schema

CODEC: Codec = GEMINI
MODEL = "gemini-3.1-flash"
SAY = ALL._replace(provider="gemini-generate", audio=True)
HELLO = (Message("user", (Text("Hello."),)),)


def ask(**fields: Any) -> Conversation:
    return Conversation(**{"model": MODEL, "messages": HELLO, **fields})


def written_request(conversation: Conversation, codec: Codec = CODEC) -> tuple[dict[str, Any], list[str]]:
    """The body as values, and what was lost."""
    losses = Losses()
    return json.loads(codec.write_request(conversation, losses).body), list(losses.names)


def as_meant(conversation: Conversation) -> Conversation:
    """Without what Gemini has no words for and isn't lost for that: a format's name, the usual tier; and
    without encrypted thoughts, which it never makes."""
    format = conversation.format
    return replace(
        conversation,
        messages=tuple(Message(one.role, tuple(map(_typed, one.parts))) for one in conversation.messages),
        format=format and replace(format, name="", strict=None),
        tier="" if conversation.tier == "auto" else conversation.tier,
    )


def _typed(part: Part) -> Part:
    if isinstance(part, Thinking) and part.redacted:
        return Thinking("hm", part.redacted, provider=part.provider)
    return replace(part, mime="image/png") if isinstance(part, Media) and part.url else part


# --- the same meaning ---


@examples(40)
@given(conversations(SAY._replace(cache=True, choices=True), MODEL))
def test_a_request_written_and_read_means_the_same(conversation: Conversation):
    sent, losses = as_meant(conversation), Losses()
    codec = GEMINI.bound(MODEL, streams=sent.stream)
    same_request(sent, read_back(codec, sent, losses), losses)
    assert "thinking" not in losses.names


@examples(40)
@given(replies(SAY._replace(choices=True, logprobs=True)))
def test_an_answer_written_and_read_means_the_same(reply: Reply):
    losses = Losses()
    same_reply(reply, CODEC.read_answer(CODEC.write_answer(reply, losses)), losses)
    assert list(losses.names) == []


@examples(40)
@given(event_streams(SAY._replace(choices=True, logprobs=True)))
def test_a_stream_written_and_read_means_the_same(stream: tuple[Reply, list[Any]]):
    reply, events = stream
    body = written(CODEC, events)
    assert body == CODEC.writer(ASKED, "call1").write(events)
    same_reply(reply, reply_of(events_of(CODEC, body)))


@examples(15)
@given(event_streams(SAY))
def test_a_stream_says_the_same_as_an_array(stream: tuple[Reply, list[Any]]):
    body = written(CODEC, stream[1])
    array = b"[" + b",\r\n".join(line[6:] for line in body.splitlines() if line) + b"]"
    assert events_of(CODEC, array) == events_of(CODEC, body)
    assert events_of(CODEC, array, range(1, len(array))) == events_of(CODEC, body)
    assert events_of(CODEC, array[:-40])[-1:] != events_of(CODEC, array)[-1:]


@examples(30)
@given(event_streams(ALL), st.booleans())
def test_the_proofs_of_another_provider_come_back_with_the_next_turn(stream: tuple[Reply, list[Any]], is_stream: bool):
    """A caller sends back the parts it got, whole or as they were streamed."""
    reply, events = stream
    if is_stream:
        answers = [json.loads(line[6:]) for line in written(CODEC, events).splitlines() if line]
    else:
        answers = [json.loads(CODEC.write_answer(reply, Losses()))]
    parts = [part for answer in answers for part in answer["candidates"][0]["content"]["parts"]]
    body = json.dumps({"contents": [{"role": "user", "parts": [{"text": "?"}]}, {"role": "model", "parts": parts}]})
    got = CODEC.read_request(body.encode(), Losses()).messages[1].parts
    one, other = (
        Conversation(model="m", messages=(Message("assistant", each),)) for each in (reply.choices[0].parts, got)
    )
    same_request(one, other)


# --- what the API takes ---


def test_a_call_and_its_result_are_told_by_name():
    turns = (
        *HELLO,
        Message("assistant", (ToolUse("call_1", "add", '{"a":1}', "c2ln"), ToolUse("call_2", "add", ""))),
        Message("user", (Text("and"), ToolResult("call_1", (Text("4"),)), ToolResult("call_2", (), is_error=True))),
    )
    body, lost = written_request(ask(messages=turns))
    assert body["contents"][1]["parts"] == [
        {"functionCall": {"id": "call_1", "name": "add", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "call_2", "name": "add", "args": {}}},
    ]
    assert body["contents"][2]["parts"] == [
        {"functionResponse": {"id": "call_1", "name": "add", "response": {"output": "4"}}},
        {"functionResponse": {"id": "call_2", "name": "add", "response": {"error": ""}}},
        {"text": "and"},
    ]
    assert lost == []
    with pytest.raises(BadRequest, match="no call before"):
        CODEC.write_request(ask(messages=(Message("user", (ToolResult("call_9", ()),)),)), Losses())


def test_calls_of_other_models_are_told_so_that_gemini_3_takes_them():
    turns = (*HELLO, Message("assistant", (ToolUse("a", "add", "{}"), ToolUse("b", "add", "{}"))), *HELLO)
    parts = written_request(ask(messages=turns))[0]["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [UNSIGNED, None]
    assert read_back(GEMINI.bound(MODEL, streams=False), ask(messages=turns), Losses()).messages == turns
    parts = written_request(ask(model="gemini-2.5-pro", messages=turns))[0]["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [None, None]


THINKING = [  # model, reasoning -> thinkingConfig, lost
    ("gemini-3.1-flash", Reasoning("medium"), {"thinkingLevel": "MEDIUM"}, []),
    ("gemini-3-pro-preview", Reasoning("medium"), {"thinkingLevel": "HIGH"}, ["reasoning.effort"]),
    ("gemini-3.1-pro", Reasoning("minimal", shown=True), {"includeThoughts": True, "thinkingLevel": "LOW"},
     ["reasoning.effort"]),
    ("gemini-3-flash", Reasoning("none"), {"thinkingLevel": "MINIMAL"}, ["reasoning.effort"]),
    ("gemini-3-flash", Reasoning("max"), {"thinkingLevel": "HIGH"}, ["reasoning.effort"]),
    ("gemini-3-flash", Reasoning("", 500), {"thinkingBudget": 500}, []),
    ("gemini-3-flash", Reasoning("low", 500), {"thinkingLevel": "LOW"}, ["reasoning.budget_tokens"]),
    ("gemini-2.5-flash", Reasoning("none"), {"thinkingBudget": 0}, []),
    ("gemini-2.5-pro", Reasoning("none"), {"thinkingBudget": 128}, ["reasoning.effort"]),
    ("gemini-2.5-flash", Reasoning("medium"), {"thinkingBudget": 8_192}, []),
    ("gemini-2.5-flash", Reasoning("max", 700), {"thinkingBudget": 700}, []),
    ("gemini-2.0-flash", Reasoning("high"), None, ["reasoning"]),
    ("gemini-2.0-flash", Reasoning("none"), None, []),
]  # fmt: skip


@pytest.mark.parametrize(("model", "reasoning", "config", "lost"), THINKING)
def test_how_a_model_is_told_to_think(model, reasoning, config, lost):
    body, names = written_request(ask(model=model, reasoning=reasoning))
    assert body.get("generationConfig", {}).get("thinkingConfig") == config
    assert names == lost


SETTINGS = [  # codec, asked, sent, lost
    (GEMINI, {"tier": "flex"}, {"serviceTier": "flex"}, []),
    (VERTEX, {"tier": "flex"}, {}, ["tier"]),
    (GEMINI, {"tier": "auto"}, {}, []),
    (GEMINI, {"user": "u", "metadata": "{}"}, {}, ["user", "metadata"]),
    (GEMINI, {"seed": 2**40}, {}, ["seed"]),
    (GEMINI, {"stop": tuple("abcdef")}, {"generationConfig": {"stopSequences": list("abcde")}}, ["stop"]),
    (GEMINI, {"tool_choice": ToolChoice("required")}, {}, ["tool_choice"]),
    (GEMINI, {"tool_choice": ToolChoice("auto")}, {}, []),
    (GEMINI, {"system": (Text("s", "5m"),)}, {"systemInstruction": {"parts": [{"text": "s"}]}}, ["cache"]),
    (GEMINI, {"format": Format("schema", "n", '{"type":"object"}', description="d")},
     {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}}},
     ["format.description"]),
    (GEMINI, {"tools": (Tool("a", strict=True),)}, {"tools": [{"functionDeclarations": [{"name": "a"}]}]},
     ["tool.strict"]),
    (GEMINI, {"tools": (Tool("a"),), "tool_choice": ToolChoice("tool", "a", parallel=False)},
     {"tools": [{"functionDeclarations": [{"name": "a"}]}],
      "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["a"]}}},
     ["tool_choice.parallel"]),
]  # fmt: skip


@pytest.mark.parametrize(("codec", "asked", "sent", "lost"), SETTINGS)
def test_settings_are_kept_or_said_to_be_lost(codec, asked, sent, lost):
    body, names = written_request(ask(**asked), codec)
    body.pop("contents")
    assert (body, names) == (sent, lost)


REFUSED = [
    ({"messages": (Message("user", (Media("file", file_id="file-1"),)),)}, "another provider"),
    ({"messages": (Message("user", (Media("file", data="AAAA"),)),)}, "type of a file"),
    ({"messages": (Message("user", (Thinking("t"),)),)}, "user's turn"),
    ({"messages": (Message("assistant", (ToolResult("c", ()),)),)}, "model's turn"),
    ({"messages": (Message("user", ()),)}, "nothing"),
    ({"tools": (Tool("1a"),)}, "named"),
]


@pytest.mark.parametrize(("fields", "why"), REFUSED)
def test_what_would_change_the_meaning_is_refused(fields, why):
    with pytest.raises(BadRequest, match=why):
        CODEC.write_request(ask(**fields), Losses())


def test_the_path_names_the_model_and_the_stream():
    assert GEMINI.path(ask()) == "/v1beta/models/gemini-3.1-flash:generateContent"
    assert GEMINI.path(ask(model="a/b", stream=True)) == "/v1beta/models/a%2Fb:streamGenerateContent?alt=sse"
    assert VERTEX.path(ask()) == "/v1/publishers/google/models/gemini-3.1-flash:generateContent"
    assert (GEMINI.dialect, VERTEX.dialect) == ("gemini-generate", "vertex-generate")


# --- what a caller may say ---

RICH: dict[str, Any] = {
    "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
    "contents": [
        {"parts": [
            {"text": "Look."},
            {"inlineData": {"mimeType": "image/png", "data": "_w--"}},
            {"inline_data": {"mime_type": "audio/wav", "data": "AAAA"}, "videoMetadata": {"fps": 1}},
            {"file_data": {"file_uri": "https://a.example/b.pdf", "mime_type": "application/pdf"}},
        ]},
        {"role": "model", "parts": [
            {"text": "hm", "thought": True}, {"text": "I'll add.", "thoughtSignature": "c2ln"},
            {"executableCode": {"code": "1"}},
            {"functionCall": {"name": "add", "args": {"a": 1}}, "thought_signature": "c2ln"},
            {"functionCall": {"name": "add", "args": {"a": 2}}},
            {"functionCall": {"name": "sub", "id": "own"}},
        ]},
        {"role": "function", "parts": [
            {"functionResponse": {"name": "sub", "response": {"error": {"why": 1}}}},
            {"functionResponse": {"name": "add", "response": {"output": "4"}}},
            {"function_response": {"name": "add", "response": {"result": 5}, "parts": [
                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}},
        ]},
    ],
    "tools": [
        {"functionDeclarations": [
            {"name": "add", "description": "adds", "parameters": {"type": "OBJECT", "properties": {
                "a": {"type": "INTEGER", "nullable": True, "minimum": 1}}}},
            {"name": "sub", "parameters_json_schema": {"type": "object", "properties": {"a": {"type": "integer"}}}},
        ]},
        {"googleSearch": {}},
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["add"]}},
    "generationConfig": {
        "maxOutputTokens": "100", "temperature": 0.5, "topP": 1, "topK": 40, "stopSequences": ["END"], "seed": 7,
        "frequencyPenalty": 0.5, "presence_penalty": -0.5, "candidateCount": 2, "responseLogprobs": True, "logprobs": 3,
        "responseMimeType": "application/json", "responseSchema": {"type": "STRING", "enum": ["a"]},
        "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True}, "speechConfig": {},
        "responseModalities": ["TEXT"],
    },
    "safetySettings": [{"category": "X"}],
    "labels": {"a": "b"},
    "serviceTier": "FLEX",
}  # fmt: skip


def test_all_that_a_caller_can_say_is_read_or_lost_by_its_path():
    losses = Losses()
    got = GEMINI.bound("m", streams=True).read_request(json.dumps(RICH).encode(), losses)
    assert got == Conversation(
        model="m",
        system=(Text("Be brief."),),
        messages=(
            Message("user", (
                Text("Look."), Media("image", "image/png", "/w++"), Media("audio", "audio/wav", "AAAA"),
                Media("file", "application/pdf", url="https://a.example/b.pdf"),
            )),
            Message("assistant", (
                Thinking("hm"), Text("I'll add."), Thinking("", "c2ln", provider="gemini-generate"),
                ToolUse("call_0", "add", '{"a":1}', "c2ln"), ToolUse("call_1", "add", '{"a":2}'),
                ToolUse("own", "sub", "{}"),
            )),
            Message("user", (
                ToolResult("own", (Text('{"why":1}'),), "sub", is_error=True),
                ToolResult("call_0", (Text("4"),), "add"),
                ToolResult("call_1", (Text('{"result":5}'), Media("image", "image/png", "AAAA")), "add"),
            )),
        ),
        stream=True,
        tools=(
            Tool("add", "adds", '{"type":"object","properties":{"a":{"type":["integer","null"],"minimum":1}}}'),
            Tool("sub", "", '{"type":"object","properties":{"a":{"type":"integer"}}}'),
        ),
        tool_choice=ToolChoice("tool", "add"),
        format=Format("schema", schema='{"type":"string","enum":["a"]}'),
        reasoning=Reasoning("low", shown=True),
        max_output_tokens=100,
        temperature=0.5,
        top_p=1.0,
        top_k=40,
        stop=("END",),
        seed=7,
        frequency_penalty=0.5,
        presence_penalty=-0.5,
        choices=2,
        logprobs=True,
        top_logprobs=3,
        tier="flex",
    )  # fmt: skip
    assert list(losses.names) == [
        "contents[0].parts[2].videoMetadata",
        "contents[1].parts[2].executableCode",
        "tools[1].googleSearch",
        "generationConfig.speechConfig",
        "safetySettings",
        "labels",
    ]


MISTAKES = [
    ({}, "contents"),
    ({"contents": {}}, "contents"),
    ({"contents": [{"role": "system"}]}, "contents[0].role"),
    ({"contents": [{"parts": [{"text": 1}]}]}, "contents[0].parts[0].text"),
    ({"contents": [{"parts": [{"functionCall": {"name": "a"}}]}]}, "contents[0].parts[0].functionCall"),
    ({"contents": [{"parts": [{"inlineData": {}}]}]}, "contents[0].parts[0].inlineData.data"),
    ({**RICH, "cachedContent": "cachedContents/1"}, "cachedContent"),
    ({**RICH, "generationConfig": {"maxOutputTokens": "many"}}, "generationConfig.maxOutputTokens"),
    ({**RICH, "toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}}, "toolConfig.functionCallingConfig.mode"),
    ({**RICH, "tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
]


@pytest.mark.parametrize(("body", "field"), MISTAKES)
def test_a_mistake_is_told_with_its_field(body, field):
    assert refused_field(CODEC, body) == field


BUDGETS = [(0, Reasoning("none")), (-1, None), (512, Reasoning("", 512))]


@pytest.mark.parametrize(("budget", "reasoning"), BUDGETS)
def test_a_budget_of_thought_is_read(budget, reasoning):
    body = {
        "contents": [{"parts": [{"text": "?"}]}],
        "generationConfig": {"thinkingConfig": {"thinkingBudget": budget}},
    }
    assert CODEC.read_request(json.dumps(body).encode(), Losses()).reasoning == reasoning


def test_a_schema_of_googles_own_becomes_json_schema():
    own = {
        "type": "OBJECT",
        "any_of": [{"type": "STRING", "nullable": True, "enum": ["a"]}],
        "properties": {"type": {"type": "ARRAY", "items": {"type": "NUMBER"}, "maxItems": "5", "example": [1]}},
        "propertyOrdering": ["type"],
        "defs": {"d": {"ref": "#/defs/d", "type": "TYPE_UNSPECIFIED"}},
    }
    assert json_schema(own) == {
        "type": "object",
        "anyOf": [{"type": ["string", "null"], "enum": ["a", None]}],
        "properties": {"type": {"type": "array", "items": {"type": "number"}, "maxItems": 5, "examples": [[1]]}},
        "$defs": {"d": {"$ref": "#/defs/d"}},
    }


# --- recordings ---

RECORDED = [one for one in recordings() if one.dialect.name in ("gemini-generate", "vertex-generate")]


def codec_of(recording: Recording) -> GeminiCodec:
    model = recording.path.rpartition("/")[2].partition(":")[0]
    return GeminiCodec(recording.provider, model, streams=recording.is_stream)


@pytest.mark.parametrize("recording", [one for one in RECORDED if one.status < 400], ids=lambda one: one.id)
def test_every_recorded_answer_is_read(recording: Recording):
    reply = check_recording(codec_of(recording), recording)
    chunks = list(_payloads(recording.body)) if recording.is_stream else [json.loads(recording.body)]
    candidates = [candidate for chunk in chunks for candidate in chunk.get("candidates", ())]
    parts = [part for candidate in candidates for part in candidate.get("content", {}).get("parts", ())]
    assert said(reply) == "".join(part.get("text", "") for part in parts if not part.get("thought"))
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    assert called(reply) == [(call["name"], call.get("args", {})) for call in calls]
    signatures = [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]
    assert [proof for part in reply.choices[0].parts if (proof := getattr(part, "signature", ""))] == signatures


@pytest.mark.parametrize("recording", RECORDED, ids=lambda one: one.id)
def test_every_recorded_request_is_read_and_written(recording: Recording):
    codec = codec_of(recording)
    conversation, losses = codec.read_request(recording.request, Losses()), Losses()
    assert conversation.messages
    same_request(conversation, read_back(codec, conversation, losses), losses)


@pytest.mark.parametrize("recording", [one for one in RECORDED if one.is_stream], ids=lambda one: one.id)
def test_a_recorded_stream_says_the_same_wherever_it_is_cut(recording: Recording):
    codec = codec_of(recording)
    whole = events_of(codec, recording.body)
    step = max(1, len(recording.body) // 100)
    for cut in range(1, len(recording.body), step):
        assert events_of(codec, recording.body, [cut]) == whole
    plain = recording.body.replace(b"\r\n", b"\n")
    assert events_of(codec, plain, range(1, len(plain), 100)) == whole


def test_a_recorded_refusal_is_read():
    body = next(one for one in RECORDED if one.status == 400).body
    fault = CODEC.read_fault(400, body)
    assert (fault.status, fault.kind) == (400, "invalid_request_error")
    assert fault.message.startswith("Cannot fetch content")
    assert CODEC.read_fault(400, b"[" + body + b"]") == fault


# --- answers and streams ---


def test_a_refused_prompt_is_a_refusal():
    body = b'{"promptFeedback":{"blockReason":"SAFETY"},"modelVersion":"g","responseId":"r"}'
    assert CODEC.read_answer(body).choices == (Choice((), "refusal"),)
    events = events_of(CODEC, b"data: " + body + b"\n\n")
    assert events == [Started("r", "g"), Stopped("refusal"), Ended(None)]
    with pytest.raises(BadAnswer):
        CODEC.read_answer(b"{}")


def test_calls_without_an_id_get_one_by_their_answer_and_place():
    parts = [{"functionCall": {"name": "a"}}] * 2
    answer = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "responseId": "r_1"}
    body = json.dumps(answer).encode()
    reply = CODEC.read_answer(body)
    assert reply.choices[0] == Choice((ToolUse("call_r_1_0", "a", "{}"), ToolUse("call_r_1_1", "a", "{}")), "tool_use")
    assert reply_of(events_of(CODEC, b"data: " + body)) == reply


def test_a_picture_in_an_answer_is_media():
    part = {"inlineData": {"mimeType": "image/png", "data": "_w=="}}
    body = json.dumps({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}).encode()
    assert CODEC.read_answer(body).choices[0].parts == (Media("image", "image/png", "/w=="),)


@examples(2)
@given(event_streams(SAY))
def test_a_stream_says_the_same_at_every_cut(stream: tuple[Reply, list[Any]]):
    check_every_cut(CODEC, written(CODEC, stream[1]))


def test_usage_is_in_the_meters_classes():
    usage = Usage(input=5, cache_read=7, input_audio=3, cache_read_audio=2, input_image=4, output=17, output_audio=6,
                  output_image=1, reasoning=2)  # fmt: skip
    for codec, tier in ((GEMINI, "flex"), (VERTEX, "priority"), (GEMINI, "default"), (VERTEX, "default")):
        body = written(codec, [Started("m", "g"), Stopped("length"), Ended(usage, tier)])
        expected = "" if codec is VERTEX and tier == "default" else tier
        assert events_of(codec, body)[-1] == Ended(usage, expected)
        reply = Reply("m", "g", (Choice((Text("x"),)),), usage, tier=tier)
        assert codec.read_answer(codec.write_answer(reply, Losses())) == replace(reply, tier=expected)


def test_a_stream_that_never_said_why_it_finished_has_no_end():
    events = [Started("m", "g"), PartStarted(0, "text"), PartGrew(0, "x")]
    body = written(CODEC, events)
    assert events_of(CODEC, body) == events
    assert events_of(CODEC, body + written(CODEC, [PartEnded(0), Stopped("end"), Ended(None)]))[-1] == Ended(None)


def test_a_fault_in_mid_stream_is_the_last_event():
    fault = Fault(503, "overloaded_error", "busy", "BUSY", "contents")
    events = [Started("m", "g"), Stopped("end"), Failed(fault)]
    assert events_of(CODEC, written(CODEC, [*events[:2], Ended(None), Failed(fault)]))[-1] == Failed(fault)
    array = b'[{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}\n'
    assert events_of(CODEC, array) == [Failed(Fault(429, "rate_limit_error", "slow"))]


FAULTS = [
    Fault(400, "invalid_request_error", "no", "WHY", "contents[0]"),
    Fault(401, "authentication_error", "no"),
    Fault(402, "billing_error", "no"),
    Fault(413, "request_too_large", "no"),
    Fault(429, "rate_limit_error", "no"),
    Fault(529, "overloaded_error", "no"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_a_fault_written_and_read_means_the_same(fault: Fault):
    got = CODEC.read_fault(fault.status, CODEC.write_fault(fault))
    assert got == replace(fault, kind="invalid_request_error" if fault.status == 413 else fault.kind)


def test_a_wrong_key_is_one_although_google_answers_400():
    error = {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT",
             "details": [{"reason": "API_KEY_INVALID"}, {"fieldViolations": [{"field": "key"}]}]}  # fmt: skip
    fault = CODEC.read_fault(400, json.dumps({"error": error}).encode())
    assert fault == Fault(400, "authentication_error", "API key not valid.", "API_KEY_INVALID", "key")
    assert CODEC.read_fault(502, b"<html>") == Fault(502, "api_error", "<html>")


# --- hostile bytes ---


def test_a_spoilt_request_is_refused_with_a_reason():
    check_hostile_requests(CODEC, json.dumps(RICH).encode())
    for body in (b"", b"[]", b"nul", b"\xff", b"[" * 100_000):
        read_or_refuse(CODEC, body)
    deep = b'{"contents":[{"parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"a","parameters":'
    read_or_refuse(CODEC, deep + b'{"items":' * 900 + b"{}" + b"}" * 900 + b"}]}]}")


SIGNED = Thinking("t", "c2ln", provider="gemini-generate")
REPLY = Reply("m", "g", (Choice((SIGNED, Text("x"), ToolUse("i", "n", '{"a":1}'))),), Usage(1))


def test_a_spoilt_answer_is_read_or_none():
    check_hostile_answers(CODEC, CODEC.write_answer(REPLY, Losses()))


def test_a_spoilt_stream_never_raises():
    parts = [{"text": "t", "thought": True, "thoughtSignature": "c2ln"}, {"functionCall": {"name": "a", "args": {}}}]
    head = {"candidates": [{"content": {"parts": parts}, "index": 0}], "responseId": "r", "modelVersion": "g"}
    tail = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 3}}
    check_hostile_stream(CODEC, [head, tail], lambda said: b"data: " + json.dumps(said).encode() + b"\n\n")


WORDS = ("contents", "parts", "role", "user", "model", "text", "functionCall", "functionResponse", "name", "args",
         "response", "inlineData", "mimeType", "data", "tools", "functionDeclarations", "generationConfig",
         "thought")  # fmt: skip


@examples(50)
@given(any_json(WORDS))
def test_any_json_is_read_or_refused(value: Any):
    read_or_refuse(CODEC, json.dumps(value).encode())
    assert isinstance(CODEC.read_fault(500, json.dumps(value).encode()), Fault)


# --- the real client ---


class Wire:
    """Google's own client, answered by us."""

    def __init__(self) -> None:
        self.body = b""
        self.status = 200
        self.asked = b""
        http = httpx.Client(transport=httpx.MockTransport(self._answer))
        options = types.HttpOptions(base_url="http://bursar.example", httpx_client=http)
        self.client = genai.Client(api_key="k", http_options=options)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked = request.content
        kind = "text/event-stream" if "alt=sse" in str(request.url) else "application/json"
        return httpx.Response(self.status, content=self.body, headers={"content-type": kind})


@pytest.fixture(scope="module")
def wire() -> Wire:
    return Wire()


@examples(20)
@given(reply=replies(SAY._replace(refusals=True, choices=True, logprobs=True)))
def test_the_real_client_reads_every_answer(wire: Wire, reply: Reply):
    wire.body, wire.status = CODEC.write_answer(reply, Losses()), 200
    answer = wire.client.models.generate_content(model="g", contents="?")
    got = answer.model_dump_json(by_alias=True, exclude_none=True, exclude={"sdk_http_response"})
    same_reply(_unsafe(CODEC.read_answer(wire.body)), _unsafe(CODEC.read_answer(got.encode())))


@examples(20)
@given(stream=event_streams(SAY._replace(refusals=True)))
def test_the_real_client_reads_every_stream(wire: Wire, stream: tuple[Reply, list[Any]]):
    reply, events = stream
    wire.body, wire.status = written(CODEC, events), 200
    chunks = list(wire.client.models.generate_content_stream(model="g", contents="?"))
    got = b"".join(
        b"data: "
        + chunk.model_dump_json(by_alias=True, exclude_none=True, exclude={"sdk_http_response"}).encode()
        + b"\n\n"
        for chunk in chunks
    )
    parts = tuple(Text(part.text) if isinstance(part, Refusal) else part for part in reply.choices[0].parts)
    same_reply(
        _unsafe(replace(reply, choices=(replace(reply.choices[0], parts=parts),))),
        _unsafe(reply_of(events_of(CODEC, got))),
    )


def test_the_real_client_is_understood(wire: Wire):
    wire.body, wire.status = CODEC.write_answer(REPLY, Losses()), 200
    schema = types.Schema(type=types.Type.OBJECT, properties={"a": types.Schema(type=types.Type.INTEGER)})
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        tools=[types.Tool(function_declarations=[types.FunctionDeclaration(name="n", parameters=schema)])],
        max_output_tokens=9,
        thinking_config=types.ThinkingConfig(thinking_budget=0),
    )  # fmt: skip
    turns: list[Any] = [
        types.Content(role="user", parts=[types.Part.from_bytes(data=b"\xff\xfe\xfd", mime_type="image/png")])
    ]
    answer = wire.client.models.generate_content(model="g", contents=turns, config=config)
    turns += [answer.candidates[0].content, types.Content(role="user", parts=[
        types.Part.from_function_response(name="n", response={"output": "4"})])]  # fmt: skip
    wire.client.models.generate_content(model="g", contents=turns, config=config)
    losses = Losses()
    got = CODEC.read_request(wire.asked, losses)
    assert list(losses.names) == []
    assert got.messages == (
        Message("user", (Media("image", "image/png", base64.b64encode(b"\xff\xfe\xfd").decode()),)),
        Message("assistant", REPLY.choices[0].parts),
        Message("user", (ToolResult("i", (Text("4"),), "n"),)),
    )
    assert got.system == (Text("Be brief."),)
    assert got.tools == (Tool("n", "", '{"properties":{"a":{"type":"integer"}},"type":"object"}'),)
    assert got.reasoning == Reasoning("none")


def test_the_real_client_reads_faults(wire: Wire):
    wire.body, wire.status = CODEC.write_fault(Fault(429, "rate_limit_error", "slow down")), 429
    with pytest.raises(genai.errors.ClientError, match="slow down"):
        wire.client.models.generate_content(model="g", contents="?")


def _unsafe(reply: Reply) -> Reply:
    """Signatures in one alphabet: the client writes them in the other."""
    return replace(
        reply,
        choices=tuple(
            replace(choice, parts=tuple(_url_safe(part) for part in choice.parts)) for choice in reply.choices
        ),
    )


def _url_safe(part: Part) -> Part:
    if isinstance(part, Thinking | ToolUse):
        return replace(part, signature=part.signature.replace("-", "+").replace("_", "/"))
    return part


def _payloads(body: bytes) -> Any:
    return (json.loads(line[5:]) for line in body.splitlines() if line.startswith(b"data:"))
