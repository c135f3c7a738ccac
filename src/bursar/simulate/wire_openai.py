"""OpenAI's wire: chat completions, responses, completions, embeddings, models, errors.

Source: recordings of real answers (openai-chat-*, openai-responses-*, 2024-02 to 2026-03) and OpenAPI 2.3.0.
"""

import base64
import struct
from typing import Any, NamedTuple

import msgspec

from bursar.simulate.plan import Plan
from bursar.simulate.vectors import vector_of

DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.Encoder().encode


class Event(NamedTuple):
    """One event of a stream, and the output tokens that are generated once it was sent."""

    data: bytes
    output_tokens: int


def chat(plan: Plan) -> bytes:
    body: dict[str, Any] = {
        "id": plan.answer_id,
        "object": "chat.completion",
        "created": plan.created_s,
        "model": plan.model_served,
        "choices": [
            {
                "index": index,
                "message": _message(plan, text),
                "logprobs": None,
                "finish_reason": _finish(plan),
            }
            for index, text in enumerate(plan.texts)
        ],
        "service_tier": plan.tier,
        "system_fingerprint": "fp_51bd1b2a3c",
    }
    if plan.include_usage:
        body["usage"] = chat_usage(plan)
    return _encode(body)


def chat_events(plan: Plan) -> list[Event]:
    """With `include_usage`: "usage": null in each chunk, and one more chunk that has it and no choices."""
    base: dict[str, Any] = {
        "id": plan.answer_id,
        "object": "chat.completion.chunk",
        "created": plan.created_s,
        "model": plan.model_served,
        "service_tier": plan.tier,
        "system_fingerprint": "fp_51bd1b2a3c",
    }
    usage_null: dict[str, Any] = {"usage": None} if plan.stream_usage else {}

    def event(index: int, delta: dict[str, Any], finish: str | None, tokens: int) -> Event:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return Event(b"data: %b\n\n" % _encode(base | {"choices": [choice]} | usage_null), tokens)

    events: list[Event] = []
    done = plan.usage.reasoning
    per_choice = plan.visible_tokens // len(plan.texts)
    for index, text in enumerate(plan.texts):
        if plan.tool_call is not None:
            call: dict[str, Any] = {"index": 0, "id": call_id(plan), "type": "function"}
            first: dict[str, Any] = call | {"function": {"name": plan.tool_call.name, "arguments": ""}}
            events.append(event(index, {"role": "assistant", "content": None, "tool_calls": [first]}, None, done))
            pieces = split(plan.tool_call.arguments, min(plan.chunks, 4))
            deltas: list[dict[str, Any]] = [
                {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces
            ]
        else:
            events.append(event(index, {"role": "assistant", "content": "", "refusal": None}, None, done))
            deltas = [{"content": piece} for piece in split(text, plan.chunks)]
        for number, delta in enumerate(deltas, 1):
            events.append(event(index, delta, None, done + per_choice * number // len(deltas)))
        done += per_choice
        events.append(event(index, {}, _finish(plan), done))
    if plan.stream_usage and plan.include_usage:
        last = base | {"choices": [], "usage": chat_usage(plan)}
        events.append(Event(b"data: %b\n\n" % _encode(last), plan.usage.output))
    events.append(Event(DONE, plan.usage.output))
    return events


def chat_usage(plan: Plan) -> dict[str, Any]:
    """Their prompt count includes what was cached."""
    usage = plan.usage
    prompt_details = {"cached_tokens": usage.cache_read, "audio_tokens": 0}
    if usage.cache_write_5m:
        prompt_details["cache_write_tokens"] = usage.cache_write_5m
    return {
        "prompt_tokens": usage.total_input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total_input + usage.output,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def completion(plan: Plan) -> bytes:
    finish = "length" if plan.truncated else "stop"
    body: dict[str, Any] = _completion_base(plan) | {
        "choices": [
            {"text": text, "index": index, "logprobs": None, "finish_reason": finish}
            for index, text in enumerate(plan.texts)
        ]
    }
    if plan.include_usage:
        body["usage"] = _short_usage(plan)
    return _encode(body)


def completion_events(plan: Plan) -> list[Event]:
    base = _completion_base(plan)
    pieces = split(plan.texts[0], plan.chunks)
    events = []
    for number, piece in enumerate(pieces, 1):
        finish = ("length" if plan.truncated else "stop") if number == len(pieces) else None
        choice = {"text": piece, "index": 0, "logprobs": None, "finish_reason": finish}
        data = _encode(base | {"choices": [choice]} | ({"usage": None} if plan.stream_usage else {}))
        events.append(Event(b"data: %b\n\n" % data, plan.usage.output * number // len(pieces)))
    if plan.stream_usage and plan.include_usage:
        data = _encode(base | {"choices": [], "usage": _short_usage(plan)})
        events.append(Event(b"data: %b\n\n" % data, plan.usage.output))
    events.append(Event(DONE, plan.usage.output))
    return events


def embeddings(plan: Plan) -> bytes:
    ask = plan.ask
    given = msgspec.json.decode(bytes(ask.input) or b'""') if ask else ""
    texts = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    vectors: list[Any] = [vector_of(str(text), ask.dimensions if ask else None) for text in texts]
    if ask is not None and ask.encoding_format == "base64":
        vectors = [base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() for vector in vectors]
    body: dict[str, Any] = {
        "object": "list",
        "data": [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)],
        "model": plan.model_served,
    }
    if plan.include_usage:
        body["usage"] = {"prompt_tokens": plan.usage.input, "total_tokens": plan.usage.input}
    return _encode(body)


def models(names: list[str]) -> bytes:
    rows = [{"id": name, "object": "model", "created": 1_755_000_000, "owned_by": "system"} for name in names]
    return _encode({"object": "list", "data": rows})


def error(status: int, message: str, *, model: str = "", code: str = "") -> bytes:
    """Error bodies as they come for each status; 404 and 429 carry a code."""
    kind, default_code = {
        400: ("invalid_request_error", None),
        401: ("invalid_request_error", "invalid_api_key"),
        403: ("invalid_request_error", "unsupported_country_region_territory"),
        404: ("invalid_request_error", "model_not_found"),
        413: ("invalid_request_error", "request_too_large"),
        429: ("requests", "rate_limit_exceeded"),
        503: ("service_unavailable_error", "server_is_overloaded"),
    }.get(status, ("server_error", None))
    return _encode({"error": {"message": message, "type": kind, "param": None, "code": code or default_code}})


def error_event(request_id: str) -> bytes:
    """What a chat stream says when it fails in the middle."""
    message = f"The server had an error while processing your request. Request ID: {request_id}"
    return b"data: %b\n\n" % error(500, message)


def call_id(plan: Plan) -> str:
    return "call_" + plan.answer_id[-24:]


def split(text: str, pieces: int) -> list[str]:
    """Cut a text into so many pieces of about one size; never an empty list."""
    pieces = max(1, min(pieces, len(text) or 1))
    return [text[len(text) * i // pieces : len(text) * (i + 1) // pieces] for i in range(pieces)]


def _message(plan: Plan, text: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    if plan.tool_call is not None:
        function = {"name": plan.tool_call.name, "arguments": plan.tool_call.arguments}
        message["content"] = None
        message["tool_calls"] = [{"id": call_id(plan), "type": "function", "function": function}]
    return message


def _finish(plan: Plan) -> str:
    if plan.truncated:
        return "length"
    return "tool_calls" if plan.tool_call is not None else "stop"


def _completion_base(plan: Plan) -> dict[str, Any]:
    return {
        "id": plan.answer_id,
        "object": "text_completion",
        "created": plan.created_s,
        "model": plan.model_served,
    }


def _short_usage(plan: Plan) -> dict[str, Any]:
    usage = plan.usage
    return {
        "prompt_tokens": usage.total_input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total_input + usage.output,
    }
