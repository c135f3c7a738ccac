"""The last thing that a user said in a request, and the request without it: what is compared by meaning, and what must
be the same."""

from typing import Any

import msgspec

from bursar.cache.key import meaning_of

LISTS = {"openai-chat": "messages", "anthropic-messages": "messages", "openai-responses": "input"}
"""dialect → the field with its turns. Those of other dialects aren't compared by meaning."""

TEXT_CHARS_MAX = 4_000
TOOL_ROLES = frozenset({"tool", "function"})
TEXT_TYPES = frozenset({"text", "input_text"})
HERE = "\0the question\0"
"""Stands in the place of the text."""


def last_question(dialect: str, body: bytes) -> tuple[str, bytes] | None:
    """(text, all else as one meaning); None: it isn't a question that can be compared.

    Raises msgspec.DecodeError for what isn't a JSON object.
    """
    name = LISTS.get(dialect, "")
    fields = msgspec.json.decode(body)
    if not name or not isinstance(fields, dict):
        return None
    turns = fields.get(name)
    if isinstance(turns, str) and dialect == "openai-responses":
        turns = [{"role": "user", "content": turns}]
    if not isinstance(turns, list) or not turns or not all(map(_is_plain, turns)):
        return None
    last = turns[-1]
    text = _text_of(last.get("content"))
    if last.get("role") != "user" or not text or not text.strip() or len(text) > TEXT_CHARS_MAX:
        return None
    rest = fields | {name: [*turns[:-1], last | {"content": HERE}]}
    return text, meaning_of(msgspec.json.encode(rest))


def _is_plain(turn: Any) -> bool:
    """A turn of words alone: no tool was called, nothing seen or heard."""
    if not isinstance(turn, dict) or turn.get("role") in TOOL_ROLES or turn.get("tool_calls"):
        return False
    if turn.get("type", "message") != "message":
        return False
    content = turn.get("content")
    return isinstance(content, str) or (isinstance(content, list) and all(map(_is_text, content)))


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in (*TEXT_TYPES, "output_text") and "text" in part


def _text_of(content: Any) -> str:
    """Of one plain text; "" for several, whose borders may say something, and for one with more to it."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and len(content) == 1:
        part = content[0]
        if set(part) == {"type", "text"} and isinstance(part["text"], str):
            return str(part["text"])
    return ""
