"""Thoughts in OpenAI's chat dialect, which has no words for them: those that compatible services found.

`reasoning_content` (DeepSeek) or `reasoning` (Groq, OpenRouter) is the text; `reasoning_details` (OpenRouter) says the
text with its signature, or an encrypted thought, which a client sends back as it came. A tool call's signature stands
in `extra_content.google.thought_signature`, as Google's own compatible endpoint has it.
Source: DeepSeek's, OpenRouter's and Google's public API references, 2026.
"""

from typing import Any

from bursar.translate.conversation import Thinking
from bursar.translate.fields import Fields

FORMATS = {
    "anthropic-messages": "anthropic-claude-v1",
    "openai-responses": "openai-responses-v1",
    "gemini-generate": "google-gemini-v1",
    "vertex-generate": "google-gemini-v1",
}
"""OpenRouter's words for whose signature it is; any other dialect's is its name."""
PROVIDERS = {form: dialect for dialect, form in reversed(FORMATS.items())}

TEXT, SUMMARY, ENCRYPTED = "reasoning.text", "reasoning.summary", "reasoning.encrypted"


def read_thoughts(message: Fields) -> list[Thinking]:
    """The thoughts of an earlier answer, one for each `index` of its details."""
    text = message.text("reasoning_content") or message.text("reasoning")
    message.skip("reasoning")
    found: dict[Any, Thinking] = {}
    for at, value in enumerate(message.items("reasoning_details")):
        detail = Fields(value, f"{message.where('reasoning_details')}[{at}]", message.losses)
        index = detail.take("index")
        before = found.get(at if index is None else index)
        found[at if index is None else index] = more_of(before, detail)
    return list(found.values()) or ([Thinking(text)] if text else [])


def more_of(before: Thinking | None, detail: Fields) -> Thinking:
    """A thought with one more detail of it: a client that read a stream sends each piece as it came."""
    before = before or Thinking()
    form = detail.text("format")
    return Thinking(
        before.text + (detail.text("text") or detail.text("summary")),
        detail.text("signature") or before.signature,
        detail.text("data") or before.redacted,
        before.id or detail.text("id"),
        PROVIDERS.get(form, form) or before.provider,
    )


def details_of(thoughts: list[Thinking]) -> list[dict[str, Any]]:
    """`reasoning_details` of a whole answer."""
    return [detail_of(thought, index) for index, thought in enumerate(thoughts)]


def detail_of(thought: Thinking, index: int) -> dict[str, Any]:
    """One of them, or one piece of it."""
    found: dict[str, Any] = {"type": ENCRYPTED if thought.redacted else TEXT}
    if thought.redacted:
        found["data"] = thought.redacted
    if thought.text or not thought.redacted:
        found["text"] = thought.text
    if thought.signature:
        found["signature"] = thought.signature
    if thought.id:
        found["id"] = thought.id
    if thought.provider:
        found["format"] = FORMATS.get(thought.provider, thought.provider)
    found["index"] = index
    return found


def signature_of_call(call: Fields) -> str:
    """A tool call's signature."""
    extra = call.inner("extra_content")
    google = extra.inner("google") if extra is not None else None
    return google.text("thought_signature") if google is not None else ""


def signed_call(signature: str) -> dict[str, Any]:
    """What stands beside a call that has one."""
    return {"extra_content": {"google": {"thought_signature": signature}}}
