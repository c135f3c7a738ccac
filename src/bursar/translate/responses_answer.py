"""Answers of OpenAI's Responses: the `response` object, read and written whole.

What only the provider's own state knows isn't made up: a written response names no tools, no instructions and no
`previous_response_id`. Source: OpenAI's published schema (Response, ResponseUsage); tests/golden recordings.
"""

from typing import Any

import msgspec

from bursar.domain.usage import Usage
from bursar.providers.openai_responses import web_searches
from bursar.providers.openai_usage import ResponseUsage, usage_of_response
from bursar.providers.reading import decode_answer, served_tier
from bursar.translate.answer import Choice, Reply, TokenLogprob, first_choice
from bursar.translate.citations import annotation, sayable
from bursar.translate.codec import BadAnswer
from bursar.translate.conversation import Losses, Media, Part, Refusal, Text, Thinking, ToolResult, ToolUse
from bursar.translate.responses_items import (
    Item,
    call_seal,
    custom_arguments,
    hidden_of,
    logprob_objects,
    logprobs_of,
    reasoning_item,
    said_parts,
    thought_of,
)
from bursar.translate.seal import unsealed

NO_USAGE = msgspec.Raw()
UNNAMED = "resp_unnamed"


class Reason(msgspec.Struct, gc=False):
    reason: str | None = None


class Response(msgspec.Struct):
    """What is read of a response. `usage` stays raw: one that can't be read mustn't cost the answer."""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    created_at: float | None = None
    status: str | None = None
    output: list[Item] | None = None
    usage: msgspec.Raw = NO_USAGE
    incomplete_details: Reason | None = None
    error: Any = None
    service_tier: str | None = None


_RESPONSE = msgspec.json.Decoder(Response)
_USAGE = msgspec.json.Decoder(ResponseUsage)


def read_answer(body: bytes) -> Reply:
    """A whole success. Raises BadAnswer for anything else, a background response that isn't done included."""
    seen = decode_answer(_RESPONSE, body)
    if seen is None or seen.output is None or seen.status not in (None, "completed", "incomplete"):
        status = f" but one that is {seen.status[:32]}" if seen and seen.status else ""
        raise BadAnswer(f"the provider sent no whole response{status}")
    parts: list[Part] = []
    logprobs: list[TokenLogprob] = []
    for item in seen.output:
        _read_item(item, parts, logprobs)
    choice = Choice(tuple(parts), stop_of(seen, parts), logprobs=tuple(logprobs))
    return Reply(
        seen.id or "",
        seen.model or "",
        (choice,),
        usage_in(seen),
        int(seen.created_at or 0),
        served_tier(seen.service_tier),
    )


def usage_in(seen: Response) -> Usage | None:
    """Its usage as the meter reads it."""
    usage = decode_answer(_USAGE, seen.usage) if seen.usage and bytes(seen.usage) != b"null" else None
    return usage_of_response(usage, web_searches(seen.output or ()))


def stop_of(seen: Response, parts: list[Part]) -> str:
    """Why it ended: `incomplete_details` first, then what it said."""
    if seen.status == "incomplete":
        reason = seen.incomplete_details.reason if seen.incomplete_details else None
        return "refusal" if reason == "content_filter" else "length"
    if any(isinstance(part, ToolUse) for part in parts):
        return "tool_use"
    return "refusal" if any(isinstance(part, Refusal) for part in parts) else "end"


def _read_item(item: Item, parts: list[Part], logprobs: list[TokenLogprob]) -> None:
    """One item of the output. Hosted tools' items (searches, interpreters) are no part: their results are told in the
    text behind them."""
    match item.type:
        case "message":
            parts += said_parts(item.content)
            if isinstance(item.content, list):
                for part in item.content:
                    logprobs += logprobs_of(part.logprobs)
        case "function_call":
            arguments = item.arguments if isinstance(item.arguments, str) else "{}"
            parts.append(ToolUse(item.call_id or item.id or "", item.name or "", arguments))
        case "custom_tool_call":
            said = item.input if isinstance(item.input, str) else ""
            parts.append(ToolUse(item.call_id or item.id or "", item.name or "", custom_arguments(said)))
        case "reasoning":
            thought = thought_of(item)
            if thought is not None:
                parts.append(thought)
            else:
                sign_call(item, parts)
        case "image_generation_call" if item.result:
            parts.append(Media("image", f"image/{item.output_format or 'png'}", item.result))


def sign_call(item: Item, parts: list[Part]) -> None:
    """Give a call back its signature, if that is what this reasoning item carries."""
    seal = unsealed(item.encrypted_content or "")
    if seal is None or not seal.call:
        return
    for at, part in enumerate(parts):
        if isinstance(part, ToolUse) and part.id == seal.call:
            parts[at] = msgspec.structs.replace(part, signature=seal.signature)


def write_answer(reply: Reply, losses: Losses) -> bytes:
    """The response object of an answer. Responses gives one answer, so further choices are lost."""
    choice = first_choice(reply, losses)
    if choice.stop_sequence:
        losses.lose("stop_sequence")
    items = output_items(choice, reply.id, losses)
    status, reason = status_of(choice.stop, choice.parts)
    return msgspec.json.encode(
        response_object(
            reply.id, reply.model, reply.created_s, status, items,
            reason=reason, usage=usage_object(reply.usage), tier=reply.tier,
        )
    )  # fmt: skip


def status_of(stop: str, parts: tuple[Part, ...] | list[Part]) -> tuple[str, str | None]:
    """(status, reason of an incomplete one). A refusal in the model's own words is a whole answer."""
    if stop in ("length", "context"):
        return "incomplete", "max_output_tokens"
    if stop == "refusal" and not any(isinstance(part, Refusal) for part in parts):
        return "incomplete", "content_filter"
    return "completed", None


def output_items(choice: Choice, reply_id: str, losses: Losses) -> list[dict[str, Any]]:
    """An answer's parts as items; neighbouring texts and refusals are one message."""
    items: list[dict[str, Any]] = []
    logprobs = choice.logprobs
    for part in choice.parts:
        id = f"{reply_id}_{len(items)}"
        match part:
            case Text() | Refusal():
                if not items or items[-1]["type"] != "message":
                    items.append(message_item(f"msg_{id}", [], "completed"))
                items[-1]["content"].append(said_object(part, logprobs if isinstance(part, Text) else (), losses))
                if isinstance(part, Text):
                    logprobs = ()  # they all stand at the first text
            case Thinking():
                items.append(reasoning_item(part.id or f"rs_{id}", part.text, hidden_of(part)))
            case ToolUse():
                items.append(call_item(f"fc_{id}", part.id, part.name, part.arguments or "{}", "completed"))
                if part.signature:
                    items.append(reasoning_item(f"rs_{reply_id}_{len(items)}", "", call_seal(part.id, part.signature)))
            case Media(kind="image", data=data) if data:
                items.append(_image_item(f"ig_{id}", part))
            case Media():
                losses.lose(part.kind)
            case ToolResult():
                losses.lose("tool_result")
    return items


def message_item(id: str, content: list[dict[str, Any]], status: str) -> dict[str, Any]:
    return {"id": id, "type": "message", "status": status, "role": "assistant", "content": content}


def call_item(id: str, call_id: str, name: str, arguments: str, status: str) -> dict[str, Any]:
    return {
        "id": id,
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def said_object(part: Text | Refusal, logprobs: tuple[TokenLogprob, ...], losses: Losses) -> dict[str, Any]:
    """A part of a message's content in an answer."""
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    cited = [annotation(one) for one in sayable(part.citations, losses)]
    return {"type": "output_text", "text": part.text, "annotations": cited, "logprobs": logprob_objects(logprobs)}


def _image_item(id: str, part: Media) -> dict[str, Any]:
    return {
        "id": id,
        "type": "image_generation_call",
        "status": "completed",
        "result": part.data,
        "output_format": part.mime.partition("/")[2] or "png",
    }


def usage_object(usage: Usage | None) -> dict[str, Any] | None:
    """Usage as Responses reports it: totals, of which details."""
    if usage is None:
        return None
    given: dict[str, Any] = {
        "cached_tokens": usage.cache_read + usage.cache_read_audio,
        "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
    }
    if usage.input_audio or usage.cache_read_audio:
        given["audio_tokens"] = usage.input_audio + usage.cache_read_audio
        given["cached_tokens_details"] = {"audio_tokens": usage.cache_read_audio}
    if usage.input_image:
        given["image_tokens"] = usage.input_image
    made = {"reasoning_tokens": usage.reasoning}
    if usage.output_audio:
        made["audio_tokens"] = usage.output_audio
    if usage.output_image:
        made["image_tokens"] = usage.output_image
    return {
        "input_tokens": usage.total_input,
        "input_tokens_details": given,
        "output_tokens": usage.total_output,
        "output_tokens_details": made,
        "total_tokens": usage.total_input + usage.total_output,
    }


def response_object(
    id: str,
    model: str,
    created_s: int,
    status: str,
    output: list[dict[str, Any]],
    *,
    reason: str | None = None,
    usage: dict[str, Any] | None = None,
    tier: str = "",
    error: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A response with every field that the published schema requires."""
    return {
        "id": id or UNNAMED,
        "object": "response",
        "created_at": created_s,
        "status": status,
        "error": error,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "service_tier": tier or None,
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": usage,
    }
