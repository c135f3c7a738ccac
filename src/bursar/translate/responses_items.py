"""The items of OpenAI's Responses, which stand in its requests and its answers alike.

A text of the assistant and a thought look the same in both, so each is read and written here, once.
Source: OpenAI's published schema (Item, OutputItem, ReasoningItem); tests/golden recordings; what the Codex CLI sends.
"""

from typing import Any

import msgspec

from bursar.providers.openai_responses import Action
from bursar.translate.answer import TokenLogprob, TopToken
from bursar.translate.citations import citations_of
from bursar.translate.conversation import Refusal, Text, Thinking
from bursar.translate.seal import Seal, sealed, unsealed

DIALECT = "openai-responses"
SUMMARY_BREAK = "\n\n"  # between the parts of one item's summary


class TopLogprob(msgspec.Struct, gc=False):
    token: str = ""
    logprob: float = 0.0


class Logprob(msgspec.Struct, gc=False):
    token: str = ""
    logprob: float = 0.0
    top_logprobs: list[TopLogprob] | None = None


class InputAudio(msgspec.Struct, gc=False):
    data: str = ""
    format: str = ""


class ContentPart(msgspec.Struct, gc=False):
    """A part of a message's content, of a tool's output or of a summary, of any type."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    detail: str | None = None
    input_audio: InputAudio | None = None
    prompt_cache_breakpoint: Any = None
    logprobs: list[Logprob] | None = None
    annotations: Any = None


class Item(msgspec.Struct):
    """An item of any type; a message may leave its type out."""

    type: str = ""
    id: str | None = None
    role: str | None = None
    content: str | list[ContentPart] | None = None
    phase: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | dict[str, Any] | None = None  # an object only where it is no function's
    input: str | dict[str, Any] | None = None
    output: str | list[ContentPart] | dict[str, Any] | None = None
    summary: list[ContentPart] | None = None
    encrypted_content: str | None = None
    action: Action | None = None
    result: str | None = None
    output_format: str | None = None


def thought_text(item: Item) -> str:
    """What a reasoning item shows: the thoughts themselves (open models), else their summary."""
    if isinstance(item.content, list):
        found = "".join(part.text for part in item.content if part.text)
        if found:
            return found
    return SUMMARY_BREAK.join(part.text for part in item.summary or () if part.text)


def thought_of(item: Item) -> Thinking | None:
    """A reasoning item; None for one that says nothing, or that only carries the seal of a tool's call."""
    text, hidden = thought_text(item), item.encrypted_content or ""
    seal = unsealed(hidden) if hidden else None
    if seal is not None:
        return None if seal.call else Thinking(text, seal.signature, seal.redacted, provider=seal.provider)
    if hidden and text:
        return Thinking(text, hidden, id=item.id or "", provider=DIALECT)
    if hidden:
        return Thinking(redacted=hidden, id=item.id or "", provider=DIALECT)
    return Thinking(text) if text else None


def hidden_of(thought: Thinking) -> str:
    """`encrypted_content` of a thought: OpenAI's own as it came, another provider's under seal, "" where there is
    none."""
    if not thought.signature and not thought.redacted:
        return ""
    if thought.provider == DIALECT:
        return thought.signature or thought.redacted
    return sealed(Seal(thought.provider, thought.signature, thought.redacted))


def call_seal(id: str, signature: str) -> str:
    """`encrypted_content` of the reasoning item that stands behind a signed call."""
    return sealed(Seal("", signature, call=id))


def reasoning_item(id: str, text: str, hidden: str) -> dict[str, Any]:
    """A reasoning item as an answer and a request write it. id "": it has none."""
    item: dict[str, Any] = {"id": id} if id else {}
    item |= {"type": "reasoning", "summary": [{"type": "summary_text", "text": text}] if text else []}
    if hidden:
        item["encrypted_content"] = hidden
    return item


def said_parts(content: str | list[ContentPart] | None) -> list[Text | Refusal]:
    """Texts and refusals of an assistant's message; empty ones go."""
    if not content:
        return []
    if isinstance(content, str):
        return [Text(content)]
    found: list[Text | Refusal] = []
    for part in content:
        if part.type == "refusal":
            found.append(Refusal(part.refusal or ""))
        elif part.text:
            found.append(Text(part.text, citations=citations_of(part.annotations)))
    return found


def custom_arguments(text: str) -> str:
    """The free text of a custom tool's call as the JSON object that a function takes."""
    return msgspec.json.encode({"input": text}).decode()


def logprobs_of(seen: list[Logprob] | None) -> tuple[TokenLogprob, ...]:
    return tuple(
        TokenLogprob(one.token, one.logprob, tuple(TopToken(top.token, top.logprob) for top in one.top_logprobs or ()))
        for one in seen or ()
    )


def logprob_objects(logprobs: tuple[TokenLogprob, ...]) -> list[dict[str, Any]]:
    return [
        {
            **_token(one.token, one.logprob),
            "top_logprobs": [_token(top.token, top.logprob) for top in one.top],
        }
        for one in logprobs
    ]


def _token(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "bytes": list(token.encode("utf-8", "surrogatepass")), "logprob": logprob}
