"""A whole chat completion, read and written. Source: OpenAI's published schema; tests/golden, of nine services."""

from collections.abc import Iterable
from typing import Any

import msgspec

from bursar.domain.usage import Usage
from bursar.providers.openai_usage import ChatUsage, usage_of_chat
from bursar.providers.reading import UNREADABLE, served_tier
from bursar.translate.answer import Choice, Reply, TokenLogprob, TopToken
from bursar.translate.chat_thoughts import PROVIDERS, details_of, signed_call
from bursar.translate.citations import chat_annotations, citations_of
from bursar.translate.codec import BadAnswer
from bursar.translate.conversation import Losses, Media, Part, Refusal, Text, Thinking, ToolResult, ToolUse

STOP_OF_REASON = {
    "stop": "end",
    "length": "length",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
REASON_OF_STOP = {"length": "length", "tool_use": "tool_calls", "refusal": "content_filter", "context": "length"}
"""Any other stop is "stop"."""


class Top(msgspec.Struct, gc=False):
    token: str
    logprob: float


class Logprob(msgspec.Struct, gc=False):
    token: str
    logprob: float
    top_logprobs: list[Top] | None = None


class Logprobs(msgspec.Struct, gc=False):
    content: list[Logprob] | None = None


class Google(msgspec.Struct, gc=False):
    thought_signature: str | None = None


class Extra(msgspec.Struct, gc=False):
    google: Google | None = None


class Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class ToolCall(msgspec.Struct, gc=False):
    """A call, or a piece of one in a stream."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None
    extra_content: Extra | None = None


class Detail(msgspec.Struct, gc=False):
    """Of `reasoning_details`."""

    type: str = ""
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    id: str | None = None
    format: str | None = None
    index: int | None = None

    @property
    def provider(self) -> str:
        return PROVIDERS.get(self.format or "", self.format or "")


class Piece(msgspec.Struct, gc=False):
    """Of a content in parts, as Mistral's thinking models write it: words, or a thought that is made of words."""

    text: str | None = None
    thinking: "str | list[Piece] | None" = None


class Said(msgspec.Struct, gc=False):
    """A message, or a piece of one in a stream."""

    content: str | list[Piece] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Detail] | None = None
    tool_calls: list[ToolCall] | None = None
    annotations: Any = None  # their types differ from service to service


class _Choice(msgspec.Struct, gc=False):
    """Azure's filter leaves a reason and no message."""

    message: Said | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    id: str | None = None
    model: str | None = None
    created: float | None = None
    service_tier: str | None = None
    usage: ChatUsage | None = None


_COMPLETION = msgspec.json.Decoder(_Completion)


def read_answer(body: bytes) -> Reply:
    """Raises BadAnswer."""
    try:
        seen = _COMPLETION.decode(body)
    except UNREADABLE as error:
        raise BadAnswer(f"the provider's answer is no chat completion: {error}") from error
    if not any(choice.message or choice.finish_reason for choice in seen.choices):
        raise BadAnswer("the provider's answer has no choices")
    return Reply(
        seen.id or "",
        seen.model or "",
        tuple(_choice(choice) for choice in seen.choices),
        usage_of_chat(seen.usage),
        int(seen.created or 0),
        served_tier(seen.service_tier),
    )


def _choice(choice: _Choice) -> Choice:
    said = choice.message or Said()
    parts: list[Part] = [*thoughts_of(said)]
    cited = citations_of(said.annotations)
    if isinstance(said.content, list):
        said_in_parts = words_of(said.content)
        parts += [Thinking(text) if kind == "thinking" else Text(text) for kind, text in said_in_parts]
        if cited:
            parts.append(Text("", citations=cited))
    elif said.content or cited:
        parts.append(Text(said.content or "", citations=cited))
    if said.refusal:
        parts.append(Refusal(said.refusal))
    for at, call in enumerate(said.tool_calls or ()):
        function = call.function or Function()
        signature = signature_of(call)
        parts.append(
            ToolUse(call.id or f"call_{at}", function.name or "", function.arguments or "{}", signature=signature)
        )
    return Choice(
        tuple(parts), stop_of(choice.finish_reason, refused=bool(said.refusal)), logprobs=logprobs_of(choice.logprobs)
    )


def thoughts_of(said: Said) -> list[Thinking]:
    """The details say more than the text."""
    if said.reasoning_details:
        return [
            Thinking(
                detail.text or detail.summary or "",
                detail.signature or "",
                detail.data or "",
                detail.id or "",
                detail.provider,
            )
            for detail in said.reasoning_details
        ]
    text = said.reasoning_content or said.reasoning
    return [Thinking(text)] if text else []


def words_of(pieces: Iterable[Piece]) -> list[tuple[str, str]]:
    """("thinking" or "text", the words) of a content in parts. Marks of sources hold no words.

    >>> words_of([Piece(thinking=[Piece("Hm"), Piece(".")]), Piece("Yes."), Piece()])
    [('thinking', 'Hm.'), ('text', 'Yes.')]
    """
    found = []
    for piece in pieces:
        if isinstance(piece.thinking, list):
            thought = "".join(inner.text or "" for inner in piece.thinking)
        else:
            thought = piece.thinking or ""
        found += [("thinking", thought)] if thought else []
        found += [("text", piece.text)] if piece.text else []
    return found


def signature_of(call: ToolCall) -> str:
    google = call.extra_content.google if call.extra_content else None
    return (google.thought_signature if google else None) or ""


def stop_of(reason: str | None, *, refused: bool) -> str:
    return "refusal" if refused else STOP_OF_REASON.get(reason or "", "end")


def logprobs_of(seen: Logprobs | None) -> tuple[TokenLogprob, ...]:
    if seen is None or not seen.content:
        return ()
    return tuple(
        TokenLogprob(one.token, one.logprob, tuple(TopToken(top.token, top.logprob) for top in one.top_logprobs or ()))
        for one in seen.content
    )


def write_answer(reply: Reply, losses: Losses) -> bytes:
    """A chat completion, as OpenAI's own clients parse it."""
    body = {
        "id": reply.id,
        "object": "chat.completion",
        "created": reply.created_s,
        "model": reply.model,
        "choices": [_written(number, choice, losses) for number, choice in enumerate(reply.choices)],
    }
    if reply.usage is not None:
        body["usage"] = usage_fields(reply.usage)
    if reply.tier:
        body["service_tier"] = reply.tier
    return msgspec.json.encode(body)


def _written(number: int, choice: Choice, losses: Losses) -> dict[str, Any]:
    text, refusal = "", ""
    thoughts: list[Thinking] = []
    calls: list[dict[str, Any]] = []
    for part in choice.parts:
        match part:
            case Text():
                text += part.text
            case Refusal():
                refusal += part.text
            case Thinking():
                thoughts.append(part)
            case ToolUse():
                calls.append(_call(part))
            case Media():
                losses.lose(part.kind)
            case ToolResult():
                losses.lose("tool_result")
    message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": refusal or None}
    if thoughts:
        message["reasoning_content"] = "".join(thought.text for thought in thoughts)
        message["reasoning_details"] = details_of(thoughts)
    if calls:
        message["tool_calls"] = calls
    if cited := chat_annotations(choice.parts, losses):
        message["annotations"] = cited
    if choice.stop_sequence:
        losses.lose("stop_sequence")
    return {
        "index": number,
        "message": message,
        "logprobs": logprob_fields(choice.logprobs),
        "finish_reason": reason_of(choice.stop, refused=bool(refusal)),
    }


def reason_of(stop: str, *, refused: bool) -> str:
    """`finish_reason`. A refusal in the model's own words ends by itself."""
    return "stop" if refused else REASON_OF_STOP.get(stop, "stop")


def _call(call: ToolUse) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if call.signature:
        found.update(signed_call(call.signature))
    return found


def logprob_fields(logprobs: tuple[TokenLogprob, ...]) -> dict[str, Any] | None:
    if not logprobs:
        return None
    return {
        "content": [
            {
                "token": one.token,
                "logprob": one.logprob,
                "bytes": list(one.token.encode()),
                "top_logprobs": [
                    {"token": top.token, "logprob": top.logprob, "bytes": list(top.token.encode())} for top in one.top
                ],
            }
            for one in logprobs
        ],
        "refusal": None,
    }


def usage_fields(usage: Usage) -> dict[str, Any]:
    """`usage`: totals, and the parts of them that OpenAI and OpenRouter (`cache_write_tokens`) name."""
    prompt, completion = usage.total_input, usage.total_output
    given = {
        "cached_tokens": usage.cache_read + usage.cache_read_audio,
        "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "audio_tokens": usage.input_audio + usage.cache_read_audio,
    }
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": given,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.output_audio},
    }
