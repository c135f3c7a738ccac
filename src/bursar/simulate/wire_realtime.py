"""OpenAI's Realtime wire: what a session says, event by event. The GA interface; sound is silence that was never heard.

Source: OpenAPI 2.3.0 (RealtimeServerEvent*), and "Realtime costs": 100 ms of sound that goes in are a token, 50 ms of
sound that comes out are one.
"""

import base64
from typing import Any, NamedTuple

from bursar.domain.usage import Usage

IN_BYTES_PER_TOKEN = 4800  # PCM, 24 kHz, 16 bits
OUT_BYTES_PER_TOKEN = 2400

Event = dict[str, Any]


class Said(NamedTuple):
    """An event of a response, and the (text, sound) tokens that were generated once it was sent."""

    event: Event
    text: int
    sound: int


def session(session_id: str, model: str) -> Event:
    """The settings that a session begins with."""
    pcm = {"type": "audio/pcm", "rate": 24000}
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "You are a helpful assistant.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "audio": {
            "input": {
                "format": pcm,
                "transcription": None,
                "turn_detection": {
                    "type": "server_vad",
                    "silence_duration_ms": 200,
                    "idle_timeout_ms": None,
                    "create_response": True,
                },
            },
            "output": {"format": pcm, "voice": "marin", "speed": 1},
        },
    }


def merged(settings: Event, changes: Event) -> Event:
    """The settings with what a `session.update` changes, objects field by field."""
    result = dict(settings)
    for name, value in changes.items():
        before = result.get(name)
        result[name] = merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return result


def error(
    message: str, about: str | None, *, code: str = "invalid_value", kind: str = "invalid_request_error"
) -> Event:
    return {
        "type": "error",
        "error": {"type": kind, "code": code, "message": message, "param": None, "event_id": about},
    }


def message_item(item_id: str, content: list[Event], role: str = "user") -> Event:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": role,
        "content": content,
    }


def response(response_id: str, conversation: str | None, status: str, reason: str = "") -> Event:
    return {
        "object": "realtime.response",
        "id": response_id,
        "status": status,
        "status_details": {"type": status, "reason": reason} if reason else None,
        "output": [],
        "conversation_id": conversation,
        "max_output_tokens": "inf",
        "usage": None,
        "metadata": None,
    }


def usage(used: Usage) -> Event:
    """`usage` of a response: totals that include what was cached."""
    return {
        "total_tokens": used.total_input + used.total_output,
        "input_tokens": used.total_input,
        "output_tokens": used.total_output,
        "input_token_details": {
            "text_tokens": used.input + used.cache_read,
            "audio_tokens": used.input_audio + used.cache_read_audio,
            "image_tokens": used.input_image,
            "cached_tokens": used.cache_read + used.cache_read_audio,
            "cached_tokens_details": {
                "text_tokens": used.cache_read,
                "audio_tokens": used.cache_read_audio,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": used.output, "audio_tokens": used.output_audio},
    }


def answer(response_id: str, item_id: str, pieces: list[str], text: int, sound: int) -> list[Said]:
    """The events between `response.created` and `response.done`. sound: tokens of it; 0: the answer is text."""
    kind, field = ("audio", "transcript") if sound else ("text", "text")
    place = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
    item = message_item(item_id, [], "assistant")
    begun = {"response_id": response_id, "output_index": 0}
    events = [
        Said({"type": "response.output_item.added", **begun, "item": {**item, "status": "in_progress"}}, 0, 0),
        Said({"type": "response.content_part.added", **place, "part": {"type": kind, field: ""}}, 0, 0),
    ]
    named = "response.output_audio_transcript" if sound else "response.output_text"
    for number, piece in enumerate(pieces, 1):
        so_far, heard = text * number // len(pieces), sound * number // len(pieces)
        events.append(Said({"type": named + ".delta", **place, "delta": piece}, so_far, events[-1].sound))
        if size := (heard - events[-1].sound) * OUT_BYTES_PER_TOKEN:
            delta = base64.b64encode(bytes(size)).decode()
            events.append(Said({"type": "response.output_audio.delta", **place, "delta": delta}, so_far, heard))
    whole = "".join(pieces)
    if sound:
        events.append(Said({"type": "response.output_audio.done", **place}, text, sound))
    events += [
        Said({"type": named + ".done", **place, field: whole}, text, sound),
        Said({"type": "response.content_part.done", **place, "part": {"type": kind, field: whole}}, text, sound),
        Said({"type": "response.output_item.done", **begun, "item": item}, text, sound),
    ]
    return events


def transcription(item_id: str, transcript: str, sound: int, out: int) -> Event:
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": item_id,
        "content_index": 0,
        "transcript": transcript,
        "usage": {
            "type": "tokens",
            "total_tokens": sound + out,
            "input_tokens": sound,
            "input_token_details": {"text_tokens": 0, "audio_tokens": sound},
            "output_tokens": out,
        },
    }


def transcription_by_time(item_id: str, transcript: str, seconds: float) -> Event:
    """Of a model that is sold by the second."""
    event = transcription(item_id, transcript, 0, 0)
    return {**event, "usage": {"type": "duration", "seconds": seconds}}
