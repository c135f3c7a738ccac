"""Whole answers of Messages, and its refusals. Source: the anthropic SDK 2.12.0's types; tests/golden/anthropic."""

from typing import Any

import msgspec

from bursar.domain.usage import Usage
from bursar.providers.anthropic_usage import MessageUsage, usage_of_message
from bursar.providers.reading import UNREADABLE, decode_answer
from bursar.translate.answer import Choice, Fault, Reply, first_choice
from bursar.translate.arguments import arguments_text
from bursar.translate.citations import CITATIONS_MAX, over, word_of
from bursar.translate.codec import BadAnswer
from bursar.translate.conversation import Citation, Losses, Part, Text, Thinking, ToolUse
from bursar.translate.messages_blocks import DIALECT
from bursar.translate.messages_parts import WEB_PASSAGE, answer_blocks
from bursar.translate.openai_faults import KIND_OF_STATUS

STOPS = {
    "end_turn": "end",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "refusal": "refusal",
    "pause_turn": "pause",
    "model_context_window_exceeded": "context",
}
REASONS = {stop: reason for reason, stop in STOPS.items()}

TIERS = {"standard": "default", "priority": "priority", "batch": "batch"}
_SERVED = {"default": "standard", "priority": "priority", "batch": "batch"}

_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}

MESSAGE_CHARS_MAX = 4_096


class Block(msgspec.Struct, gc=False):
    """A content block of an answer, whole or as it begins."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    citations: Any = None


class WireMessage(msgspec.Struct):
    """An answer, or the one that `message_start` holds. usage: read apart, since a strange one spoils nothing else."""

    id: str | None = None
    model: str | None = None
    content: list[Block] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: msgspec.Raw = msgspec.Raw()


class _Refused(msgspec.Struct, gc=False):
    error: Any = None


_MESSAGE = msgspec.json.Decoder(WireMessage)
_USAGE = msgspec.json.Decoder(MessageUsage | None)
_REFUSED = msgspec.json.Decoder(_Refused)


def read_answer(body: bytes) -> Reply:
    """A whole success. Raises BadAnswer if it is no message."""
    try:
        message = _MESSAGE.decode(body)
    except UNREADABLE as error:
        raise BadAnswer(f"the answer is no Anthropic message: {error}") from error
    if message.content is None:
        raise BadAnswer("the answer is no Anthropic message: it has no content")
    usage = usage_in(message.usage)
    parts = tuple(part for block in message.content if (part := part_of(block)) is not None)
    stop = STOPS.get(message.stop_reason or "", "end")
    choice = Choice(parts, stop, message.stop_sequence or "")
    tier = TIERS.get(usage.service_tier or "", "") if usage is not None else ""
    return Reply(message.id or "", message.model or "", (choice,), usage_of_message(usage), tier=tier)


def usage_in(raw: msgspec.Raw) -> MessageUsage | None:
    """A usage as it came; None if there is none that can be read."""
    return decode_answer(_USAGE, bytes(raw)) if raw else None


def part_of(block: Block) -> Part | None:
    """What a block says. None for those of the provider's own tools: a caller of another dialect can't use them."""
    match block.type:
        case "text":
            if not block.text and not block.citations:
                return None
            text = block.text or ""
            return Text(text, citations=tuple([over(one, len(text)) for one in passages_of(block.citations)]))
        case "thinking":
            provider = DIALECT if block.signature else ""
            return Thinking(block.thinking or "", block.signature or "", provider=provider)
        case "redacted_thinking":
            return Thinking(redacted=block.data or "", provider=DIALECT)
        case "tool_use":
            return ToolUse(block.id or "", block.name or "", arguments_text(block.input))
    return None


def passages_of(seen: Any) -> list[Citation]:
    """A block's `citations`, all about the whole of it. A search result that the caller gave names its source."""
    passages = seen[:CITATIONS_MAX] if isinstance(seen, list) else []
    return [passage_of(one) for one in passages if isinstance(one, dict)]


def passage_of(said: dict[str, Any]) -> Citation:
    """One of them, or the one that a stream's event holds."""
    url = word_of(said, "url") if said.get("type") == WEB_PASSAGE else ""
    if said.get("type") == "search_result_location" and word_of(said, "source").startswith(("https://", "http://")):
        url = word_of(said, "source")
    return Citation(url, word_of(said, "title", "document_title"), word_of(said, "cited_text"))


def write_answer(reply: Reply, losses: Losses) -> bytes:
    """The first of the answers: the dialect has no more than one, and no logprobs."""
    choice = first_choice(reply, losses)
    if choice.logprobs:
        losses.lose("logprobs")
    message = {
        **message_head(reply.id, reply.model),
        "content": answer_blocks(choice.parts, losses),
        "stop_reason": REASONS.get(choice.stop, "end_turn"),
        "stop_sequence": choice.stop_sequence or None,
        "usage": write_usage(reply.usage, reply.tier),
    }
    return msgspec.json.encode(message)


def message_head(id: str, model: str) -> dict[str, Any]:
    """What each message begins with."""
    return {"id": id or "msg_0", "type": "message", "role": "assistant", "model": model}


def write_usage(usage: Usage | None, tier: str = "") -> dict[str, Any]:
    """The counts in Anthropic's classes. Its clients need numbers, so an unknown usage is zeros, which our own reader
    takes for unknown again."""
    used = usage or Usage()
    written: dict[str, Any] = {
        "input_tokens": used.input + used.input_audio + used.input_image,
        "cache_creation_input_tokens": used.cache_write_5m + used.cache_write_1h,
        "cache_read_input_tokens": used.cache_read + used.cache_read_audio,
        "cache_creation": {
            "ephemeral_5m_input_tokens": used.cache_write_5m,
            "ephemeral_1h_input_tokens": used.cache_write_1h,
        },
        "output_tokens": used.total_output,
    }
    if used.reasoning:
        written["output_tokens_details"] = {"thinking_tokens": used.reasoning}
    if used.web_search:
        written["server_tool_use"] = {"web_search_requests": used.web_search, "web_fetch_requests": 0}
    if tier in _SERVED:
        written["service_tier"] = _SERVED[tier]
    return written


def read_fault(status: int, body: bytes) -> Fault:
    """A refusal of any status. Never raises: what can't be read is its own message."""
    seen = decode_answer(_REFUSED, body)
    if seen is None or not isinstance(seen.error, dict):
        text = body[: 4 * MESSAGE_CHARS_MAX].decode("utf-8", "replace").strip()
        return fault_of({"message": text or f"the provider answered {status}"}, status)
    return fault_of(seen.error, status)


def fault_of(error: Any, status: int = 0) -> Fault:
    """An error object, of an answer or of a stream's event. status 0: none was sent, so it goes by the type."""
    said = error if isinstance(error, dict) else {}
    kind = _text(said, "type")
    if kind not in _STATUSES:
        kind = KIND_OF_STATUS.get(status, "api_error" if status == 0 or status >= 500 else "invalid_request_error")
    message = _text(said, "message") or kind
    return Fault(status or _STATUSES[kind], kind, message, _text(said, "code"), _text(said, "param"))


def write_fault(fault: Fault) -> bytes:
    """Anthropic's envelope; `code` and `param` are beside its two fields where the provider said them."""
    error = {"type": fault.kind, "message": fault.message}
    if fault.code:
        error["code"] = fault.code
    if fault.field:
        error["param"] = fault.field
    return msgspec.json.encode({"type": "error", "error": error})


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    return value[:MESSAGE_CHARS_MAX] if isinstance(value, str) else ""
