"""Whole answers of Converse, and Bedrock's refusals. Source: the service model of bedrock-runtime, botocore 1.44.5."""

from typing import Any

import msgspec

from bursar.domain.usage import Usage
from bursar.providers.bedrock_usage import TokenUsage, usage_of_converse
from bursar.providers.reading import UNREADABLE, decode_answer
from bursar.translate.answer import Choice, Fault, Reply, first_choice
from bursar.translate.arguments import arguments_text
from bursar.translate.citations import CITATIONS_MAX, over, word_of
from bursar.translate.codec import BadAnswer
from bursar.translate.conversation import Citation, Losses, Part, Text, Thinking, ToolUse
from bursar.translate.converse_blocks import DIALECT, answer_blocks
from bursar.translate.openai_faults import KIND_OF_STATUS

MESSAGE_CHARS_MAX = 4_096

STOPS = {
    "end_turn": "end",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "content_filtered": "refusal",
    "guardrail_intervened": "refusal",
    "model_context_window_exceeded": "context",
}
REASONS = {
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "refusal": "content_filtered",
    "context": "model_context_window_exceeded",
}
EXCEPTIONS = {
    "ValidationException": ("invalid_request_error", 400),
    "AccessDeniedException": ("permission_error", 403),
    "ResourceNotFoundException": ("not_found_error", 404),
    "ModelTimeoutException": ("timeout_error", 408),
    "ModelErrorException": ("api_error", 424),
    "ThrottlingException": ("rate_limit_error", 429),
    "ServiceQuotaExceededException": ("rate_limit_error", 400),
    "InternalServerException": ("api_error", 500),
    "ModelStreamErrorException": ("api_error", 424),
    "ServiceUnavailableException": ("overloaded_error", 503),
}
_NAMED = {
    "authentication_error": "AccessDeniedException",
    "billing_error": "ServiceQuotaExceededException",
    "permission_error": "AccessDeniedException",
    "not_found_error": "ResourceNotFoundException",
    "rate_limit_error": "ThrottlingException",
    "api_error": "InternalServerException",
    "overloaded_error": "ServiceUnavailableException",
    "timeout_error": "ModelTimeoutException",
}


class _Reasoning(msgspec.Struct, gc=False):
    text: str | None = None
    signature: str | None = None


class _Thought(msgspec.Struct, rename="camel"):
    reasoning_text: _Reasoning | None = None
    redacted_content: str | None = None


class _Use(msgspec.Struct, gc=False, rename="camel"):
    tool_use_id: str | None = None
    name: str | None = None
    type: str | None = None
    input: msgspec.Raw = msgspec.Raw()


class _Cited(msgspec.Struct):
    content: list["_Block"] | None = None
    citations: Any = None


class _Block(msgspec.Struct, rename="camel"):
    text: str | None = None
    reasoning_content: _Thought | None = None
    tool_use: _Use | None = None
    citations_content: _Cited | None = None


class _Message(msgspec.Struct):
    content: list[_Block] | None = None


class _Output(msgspec.Struct):
    message: _Message | None = None


class _Tier(msgspec.Struct, gc=False):
    type: str | None = None


class _Answer(msgspec.Struct, rename="camel"):
    output: _Output | None = None
    stop_reason: str | None = None
    usage: msgspec.Raw = msgspec.Raw()
    service_tier: _Tier | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
_USAGE = msgspec.json.Decoder(TokenUsage | None)
_ANY = msgspec.json.Decoder()


def read_answer(body: bytes, model: str) -> Reply:
    """A whole success. Raises BadAnswer if it is none. It says neither its id nor its model: the path did."""
    try:
        answer = _ANSWER.decode(body)
    except UNREADABLE as error:
        raise BadAnswer(f"the answer is none of Converse's: {error}") from error
    message = answer.output.message if answer.output is not None else None
    if message is None or message.content is None:
        raise BadAnswer("the answer is none of Converse's: it has no message")
    parts = tuple(part for block in message.content for part in _parts_of(block))
    tier = answer.service_tier.type if answer.service_tier is not None else None
    choice = Choice(parts, STOPS.get(answer.stop_reason or "", "end"))
    return Reply("", model, (choice,), read_usage(answer.usage), tier=tier or "")


def read_usage(raw: msgspec.Raw) -> Usage | None:
    """As the meter reads it."""
    return usage_of_converse(decode_answer(_USAGE, bytes(raw))) if raw else None


def _parts_of(block: _Block) -> list[Part]:
    parts: list[Part] = [Text(block.text)] if block.text else []
    if block.citations_content is not None:
        parts += _cited(block.citations_content)
    thought = block.reasoning_content
    if thought is not None and thought.reasoning_text is not None:
        said = thought.reasoning_text
        provider = DIALECT if said.signature else ""
        parts.append(Thinking(said.text or "", said.signature or "", provider=provider))
    if thought is not None and thought.redacted_content:
        parts.append(Thinking(redacted=thought.redacted_content, provider=DIALECT))
    use = block.tool_use
    if use is not None and use.type is None:
        parts.append(ToolUse(use.tool_use_id or "", use.name or "", arguments_text(use.input)))
    return parts


def _cited(seen: _Cited) -> list[Text]:
    """One text of those that are cited together."""
    text = "".join(inner.text for inner in seen.content or () if inner.text)
    passages = seen.citations[:CITATIONS_MAX] if isinstance(seen.citations, list) else []
    found = tuple([over(passage_of(one), len(text)) for one in passages if isinstance(one, dict)])
    return [Text(text, citations=found)] if text or found else []


def passage_of(said: dict[str, Any]) -> Citation:
    """A citation, or what a stream's event holds of one."""
    location, content = said.get("location"), said.get("sourceContent")
    web = location.get("web") if isinstance(location, dict) else None
    quotes = [word_of(one, "text") for one in content if isinstance(one, dict)] if isinstance(content, list) else []
    url = word_of(web, "url") if isinstance(web, dict) else ""
    return Citation(url, word_of(said, "title"), "".join(quotes))


def write_answer(reply: Reply, losses: Losses) -> bytes:
    """The first of the answers: the dialect has no more than one, and no logprobs."""
    choice = first_choice(reply, losses)
    if choice.logprobs:
        losses.lose("logprobs")
    if choice.stop_sequence:
        losses.lose("stop_sequence")
    answer: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": answer_blocks(choice.parts, losses)}},
        "stopReason": REASONS.get(choice.stop, "end_turn"),
        "usage": write_usage(reply.usage),
        "metrics": {"latencyMs": 0},
    }
    if reply.tier:
        answer["serviceTier"] = {"type": reply.tier}
    return msgspec.json.encode(answer)


def write_usage(usage: Usage | None) -> dict[str, Any]:
    """The counts in Converse's classes. Its clients need numbers: an unknown usage is zeros, which our own reader takes
    for unknown again. It tells no thoughts apart."""
    used = usage or Usage()
    written: dict[str, Any] = {
        "inputTokens": used.input + used.input_audio + used.input_image,
        "outputTokens": used.total_output,
        "totalTokens": used.total_input + used.total_output,
        "cacheReadInputTokens": used.cache_read + used.cache_read_audio,
        "cacheWriteInputTokens": used.cache_write_5m + used.cache_write_1h,
    }
    writes = (("5m", used.cache_write_5m), ("1h", used.cache_write_1h))
    details = [{"ttl": ttl, "inputTokens": count} for ttl, count in writes if count]
    if details:
        written["cacheDetails"] = details
    return written


def read_fault(status: int, body: bytes) -> Fault:
    """A refusal of any status. Never raises. Its exception stands in a header, and at some addresses in `__type`."""
    try:
        said = _ANY.decode(body)
    except UNREADABLE:
        said = None
    if not isinstance(said, dict):
        text = body[: 4 * MESSAGE_CHARS_MAX].decode("utf-8", "replace").strip()[:MESSAGE_CHARS_MAX]
        said = {"message": text}
    name = _text(said.get("__type")).partition(":")[0].rpartition("#")[2]
    message = _text(said.get("message")) or _text(said.get("Message"))
    return fault_of(name, message, status)


def fault_of(name: str, message: str, status: int = 0) -> Fault:
    """An exception by its name. status 0: none was sent, so the name's own counts."""
    kind, usual = EXCEPTIONS.get(name, ("", 500))
    if not kind:
        kind = KIND_OF_STATUS.get(status) or ("api_error" if not 400 <= status < 500 else "invalid_request_error")
    return Fault(status or usual, kind, message or name or kind, name)


def exception_of(fault: Fault) -> str:
    """The exception that says the same."""
    return fault.code if fault.code in EXCEPTIONS else _NAMED.get(fault.kind, "ValidationException")


def write_fault(fault: Fault) -> bytes:
    """The body; clients look for the exception in `x-amzn-errortype` first, and then in `__type`."""
    return msgspec.json.encode({"__type": exception_of(fault), "message": fault.message})


def _text(value: Any) -> str:
    return value[:MESSAGE_CHARS_MAX] if isinstance(value, str) else ""
