"""Anthropic's wire: messages, count_tokens, models, errors. Its `input_tokens` leaves out both cache counts.

Source: anthropic-messages-json-03b86c5e, -stream-2d41776f, -stream-23e978bb (thinking), issue threads for errors.
"""

from typing import Any

import msgspec

from bursar.domain.usage import Usage
from bursar.simulate.plan import Plan
from bursar.simulate.wire_openai import Event, split

SIGNATURE = "ErUBCkYIARgCIkCepoF8CXqdCGI7O1AAkEcxvta5WeUn1g3tOabtne7C0veTgb4mBCBB"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_encode = msgspec.json.Encoder().encode


def message(plan: Plan) -> bytes:
    return _encode(_message(plan, _content(plan), _stop_reason(plan), _usage(plan, plan.usage.output)))


def message_events(plan: Plan) -> list[Event]:
    """`message_start` has the input counts and a first output token; `message_delta` the final, cumulative ones."""
    first = min(plan.usage.output, 1)
    started = _message(plan, [], None, _usage(plan, first))
    events = [_event("message_start", first, message=started)]
    blocks = _content(plan)
    for index, block in enumerate(blocks):
        hollow, deltas = _unfold(plan, block)
        events.append(_event("content_block_start", first, index=index, content_block=hollow))
        if index == 0:
            events.append(Event(PING, first))
        last = index == len(blocks) - 1
        for number, delta in enumerate(deltas, 1):
            tokens = max(first, plan.usage.output * number // len(deltas)) if last else first
            events.append(_event("content_block_delta", tokens, index=index, delta=delta))
        events.append(_event("content_block_stop", plan.usage.output if last else first, index=index))
    ending: dict[str, Any] = {"delta": {"stop_reason": _stop_reason(plan), "stop_sequence": None}}
    if plan.include_usage:
        ending["usage"] = _delta_usage(plan)
    events.append(_event("message_delta", plan.usage.output, **ending))
    events.append(_event("message_stop", plan.usage.output))
    return events


def count_tokens(tokens: int) -> bytes:
    return _encode({"input_tokens": tokens})


def models(names: list[str]) -> bytes:
    made = {"type": "model", "created_at": "2026-01-01T00:00:00Z"}
    rows = [made | {"id": name, "display_name": name.replace("-", " ").title()} for name in names]
    return _encode({"data": rows, "has_more": False, "first_id": names[0], "last_id": names[-1]})


def error(status: int, text: str, request_id: str) -> bytes:
    kind = {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        504: "timeout_error",
        529: "overloaded_error",
    }.get(status, "api_error")
    return _encode({"type": "error", "error": {"type": kind, "message": text}, "request_id": request_id})


def error_event(request_id: str) -> bytes:
    """A stream that fails in the middle: 200 was said long ago."""
    problem = {"details": None, "type": "overloaded_error", "message": "Overloaded"}
    return b"event: error\ndata: %b\n\n" % _encode({"type": "error", "error": problem, "request_id": request_id})


def _event(kind: str, tokens: int, **fields: Any) -> Event:
    return Event(b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode({"type": kind, **fields})), tokens)


def _message(
    plan: Plan, content: list[dict[str, Any]], stop_reason: str | None, usage: dict[str, Any]
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": plan.model_served,
        "id": plan.answer_id,
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
    }
    if plan.include_usage:
        body["usage"] = usage
    return body


def _usage(plan: Plan, output_tokens: int) -> dict[str, Any]:
    usage = plan.usage
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": output_tokens,
        "service_tier": "standard" if plan.tier == "default" else plan.tier,
        "inference_geo": "not_available",
    } | _searched(usage)


def _delta_usage(plan: Plan) -> dict[str, Any]:
    usage = plan.usage
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    } | _searched(usage)


def _searched(usage: Usage) -> dict[str, Any]:
    return {"server_tool_use": {"web_search_requests": usage.web_search}} if usage.web_search else {}


def _content(plan: Plan) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if plan.thinking:
        blocks.append({"type": "thinking", "thinking": plan.thinking, "signature": SIGNATURE})
    if plan.tool_call is not None:
        arguments = msgspec.json.decode(plan.tool_call.arguments)
        tool_id = "toolu_" + plan.answer_id[-24:]
        blocks.append({"type": "tool_use", "id": tool_id, "name": plan.tool_call.name, "input": arguments})
    else:
        blocks.append({"type": "text", "text": plan.texts[0]})
    return blocks


def _unfold(plan: Plan, block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A content block as it starts, and the deltas that fill it."""
    match block["type"]:
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in split(block["thinking"], 3)]
            deltas.append({"type": "signature_delta", "signature": SIGNATURE})
            return {"type": "thinking", "thinking": "", "signature": ""}, deltas
        case "tool_use":
            text = msgspec.json.encode(block["input"]).decode()
            pieces = ["", *split(text, min(plan.chunks, 4))]
            return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        case _:
            pieces = split(block["text"], plan.chunks)
            return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]


def _stop_reason(plan: Plan) -> str:
    if plan.truncated:
        return "max_tokens"
    return "tool_use" if plan.tool_call is not None else "end_turn"
