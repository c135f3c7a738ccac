"""OpenAI's Responses API: one object, or the events that build it; usage sits in the last one's `response`.

Source: openai-responses-stream-7698be38 (2025-08), -f641e1f7 (function call, reasoning), -json-dbf2cc79 (cache writes).
"""

from typing import Any

import msgspec

from bursar.simulate.plan import Plan
from bursar.simulate.wire_openai import Event, call_id, split

_encode = msgspec.json.Encoder().encode


def response(plan: Plan) -> bytes:
    return _encode(_object(plan, _status(plan), _output(plan), _usage(plan)))


def queued(plan: Plan) -> bytes:
    """A background response as it is answered: nothing in it yet, no usage either."""
    return _encode(_object(plan, "queued", [], None))


def unfinished(plan: Plan, status: str) -> bytes:
    """One that is under way, or was cancelled: without output and usage."""
    return _encode(_object(plan, status, [], None) | {"background": True})


def response_events(plan: Plan) -> list[Event]:
    events: list[Event] = []
    total = plan.usage.output

    def add(kind: str, tokens: int, **fields: Any) -> None:
        data = _encode({"type": kind, "sequence_number": len(events), **fields})
        events.append(Event(b"event: %b\ndata: %b\n\n" % (kind.encode(), data), tokens))

    add("response.created", 0, response=_object(plan, "in_progress", [], None))
    add("response.in_progress", 0, response=_object(plan, "in_progress", [], None))
    for index, item in enumerate(_output(plan)):
        if item["type"] == "reasoning":
            add("response.output_item.added", 0, output_index=index, item=item)
            add("response.output_item.done", plan.usage.reasoning, output_index=index, item=item)
            continue
        at = {"item_id": item["id"], "output_index": index}
        if item["type"] == "function_call":
            begun = item | {"arguments": "", "status": "in_progress"}
            add("response.output_item.added", plan.usage.reasoning, output_index=index, item=begun)
            pieces = split(item["arguments"], min(plan.chunks, 4))
            for number, piece in enumerate(pieces, 1):
                add("response.function_call_arguments.delta", _so_far(plan, number, len(pieces)), delta=piece, **at)
            add("response.function_call_arguments.done", total, arguments=item["arguments"], name=item["name"], **at)
        else:
            begun = item | {"content": [], "status": "in_progress"}
            part = item["content"][0]
            add("response.output_item.added", plan.usage.reasoning, output_index=index, item=begun)
            at["content_index"] = 0
            add("response.content_part.added", plan.usage.reasoning, part=part | {"text": ""}, **at)
            pieces = split(part["text"], plan.chunks)
            for number, piece in enumerate(pieces, 1):
                add("response.output_text.delta", _so_far(plan, number, len(pieces)), delta=piece, logprobs=[], **at)
            add("response.output_text.done", total, text=part["text"], logprobs=[], **at)
            add("response.content_part.done", total, part=part, **at)
        add("response.output_item.done", total, output_index=index, item=item)
    status = _status(plan)
    add(f"response.{status}", total, response=_object(plan, status, _output(plan), _usage(plan)))
    return events


def error_event(plan: Plan, sequence_number: int) -> bytes:
    """A response that fails in the middle."""
    failed = _object(plan, "failed", [], None)
    failed["error"] = {"code": "server_error", "message": "An error occurred while processing your request."}
    data = _encode({"type": "response.failed", "sequence_number": sequence_number, "response": failed})
    return b"event: response.failed\ndata: %b\n\n" % data


def _so_far(plan: Plan, number: int, pieces: int) -> int:
    return plan.usage.reasoning + plan.visible_tokens * number // pieces


def _status(plan: Plan) -> str:
    return "incomplete" if plan.truncated else "completed"


def _output(plan: Plan) -> list[dict[str, Any]]:
    tail = plan.answer_id[-32:]
    status = _status(plan)
    items: list[dict[str, Any]] = []
    if plan.usage.reasoning:
        items.append({"id": f"rs_{tail}", "type": "reasoning", "summary": []})
    if plan.tool_call is not None:
        items.append(
            {
                "id": f"fc_{tail}",
                "type": "function_call",
                "status": status,
                "arguments": plan.tool_call.arguments,
                "call_id": call_id(plan),
                "name": plan.tool_call.name,
            }
        )
    else:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": plan.texts[0]}
        items.append({"id": f"msg_{tail}", "type": "message", "status": status, "content": [part], "role": "assistant"})
    return items


def _usage(plan: Plan) -> dict[str, Any] | None:
    if not plan.include_usage:
        return None
    usage = plan.usage
    details = {"cached_tokens": usage.cache_read}
    if usage.cache_write_5m:
        details["cache_write_tokens"] = usage.cache_write_5m
    return {
        "input_tokens": usage.total_input,
        "input_tokens_details": details,
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total_input + usage.output,
    }


def _object(plan: Plan, status: str, output: list[dict[str, Any]], usage: dict[str, Any] | None) -> dict[str, Any]:
    ask = plan.ask
    return {
        "id": plan.answer_id,
        "object": "response",
        "created_at": plan.created_s,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "max_output_tokens": ask.max_output_tokens if ask else None,
        "max_tool_calls": None,
        "model": plan.model_served,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": plan.tier if status in ("completed", "incomplete") else "auto",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage,
        "user": None,
        "metadata": {},
    }
