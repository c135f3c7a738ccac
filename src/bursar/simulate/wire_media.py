"""OpenAI's images, speech, transcriptions and moderations on the wire. Source: OpenAPI 2.3.0 (schemas named below)."""

import base64
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import msgspec

from bursar.simulate.plan import Plan
from bursar.simulate.wire_openai import Event

TINY_PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(24)).decode()
_encode = msgspec.json.Encoder().encode


def images(plan: Plan) -> bytes:
    """ImagesResponse: `usage` for GPT image models alone."""
    body: dict[str, Any] = {"created": plan.created_s, "data": [{"b64_json": TINY_PNG} for _ in plan.texts]}
    if plan.model_served.startswith("gpt-image") and plan.include_usage:
        body["usage"] = _image_usage(plan)
    return _encode(body)


def image_events(plan: Plan) -> list[Event]:
    """ImageGenPartialImageEvent and ImageGenCompletedEvent."""
    part = {"type": "image_generation.partial_image", "b64_json": TINY_PNG, "partial_image_index": 0}
    last = {"type": "image_generation.completed", "b64_json": TINY_PNG, "usage": _image_usage(plan)}
    return [_event(part, 0), _event(last, plan.usage.output)]


def transcription(plan: Plan) -> bytes:
    """CreateTranscriptionResponseJson: billed by tokens, or by the second (whisper-1)."""
    body: dict[str, Any] = {"text": plan.texts[0]}
    if plan.include_usage:
        body["usage"] = _transcript_usage(plan)
    return _encode(body)


def transcription_events(plan: Plan) -> list[Event]:
    """TranscriptTextDeltaEvent and TranscriptTextDoneEvent."""
    text = plan.texts[0]
    done = {"type": "transcript.text.done", "text": text, "usage": _transcript_usage(plan)}
    return [_event({"type": "transcript.text.delta", "delta": text}, 0), _event(done, plan.usage.output)]


def speech(plan: Plan) -> bytes:
    """Sound: nothing in it says what it costs."""
    return b"\xff\xfb\x90\x00" + bytes(64)


def speech_events(plan: Plan) -> list[Event]:
    """SpeechAudioDeltaEvent and SpeechAudioDoneEvent."""
    done = {"type": "speech.audio.done", "usage": _counts(plan)}
    return [_event({"type": "speech.audio.delta", "audio": TINY_PNG}, 0), _event(done, plan.usage.output)]


def moderation(plan: Plan) -> bytes:
    """CreateModerationResponse, which counts nothing."""
    result = {"flagged": False, "categories": {"violence": False}, "category_scores": {"violence": 0.01}}
    return _encode({"id": plan.answer_id or "modr-1", "model": plan.model_served, "results": [result]})


def form(content_type: str, body: bytes) -> bytes:
    """A form's text fields as one JSON object, so that it is read like any other request."""
    message = BytesParser(policy=HTTP).parsebytes(
        b"content-type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body
    )
    fields: dict[str, Any] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() is None and isinstance(name, str):
            text = part.get_content().rstrip("\r\n")
            fields[name] = text == "true" if name == "stream" else text
    return _encode(fields)


def _event(body: dict[str, Any], tokens: int) -> Event:
    return Event(b"event: %b\ndata: %b\n\n" % (body["type"].encode(), _encode(body)), tokens)


def _counts(plan: Plan) -> dict[str, Any]:
    usage = plan.usage
    return {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }


def _image_usage(plan: Plan) -> dict[str, Any]:
    return _counts(plan) | {"input_tokens_details": {"text_tokens": plan.usage.input, "image_tokens": 0}}


def _transcript_usage(plan: Plan) -> dict[str, Any]:
    if plan.model_served.startswith("whisper"):
        return {"type": "duration", "seconds": 9.5}
    details = {"text_tokens": 0, "audio_tokens": plan.usage.input}
    return {"type": "tokens"} | _counts(plan) | {"input_token_details": details}
