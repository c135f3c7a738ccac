"""What a quality gate may judge of a request: the one text that a user asks, in any dialect of chat.

Weights are learned from single questions. A conversation, a picture, a tool: such a request is not judged, and the
reason is said. Nothing of the text is kept.
"""

from typing import Any, NamedTuple

import msgspec

from bursar.domain.charge import Operation
from bursar.providers.base import Asked

BODY_BYTES_MAX = 64 * 1024
"""A larger request isn't read for this: it would take longer than a choice may."""

OPERATIONS = frozenset({Operation.CHAT, Operation.COMPLETION})


class Question(NamedTuple):
    """why: why there is nothing to judge; "" if there is."""

    text: str
    why: str = ""


class _Turn(msgspec.Struct, gc=False):
    role: str = "user"
    content: Any = None
    parts: Any = None
    type: str = "message"


class _Request(msgspec.Struct, gc=False):
    messages: list[_Turn] | None = None
    contents: list[_Turn] | _Turn | None = None
    input: list[_Turn] | str | None = None
    prompt: str | None = None


_DECODER = msgspec.json.Decoder(_Request)
_SETTINGS = ("system", "developer")


def question_of(body: bytes, asked: Asked, operation: str) -> Question:
    """The text of a request that asks one thing."""
    if operation not in OPERATIONS:
        return Question("", "operation")
    if len(body) > BODY_BYTES_MAX:
        return Question("", "size")
    if asked.tools:
        return Question("", "tools")
    if asked.media:
        return Question("", "media")
    try:
        seen = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Question("", "unread")
    if isinstance(seen.input, str):
        return Question(seen.input)
    if seen.prompt is not None:
        return Question(seen.prompt)
    contents = [seen.contents] if isinstance(seen.contents, _Turn) else seen.contents
    turns = [turn for turn in seen.messages or contents or seen.input or () if turn.role not in _SETTINGS]
    if len(turns) != 1 or turns[0].type != "message":
        return Question("", "conversation" if turns else "unread")
    return _text_of(turns[0].content if turns[0].content is not None else turns[0].parts)


def _text_of(content: Any) -> Question:
    if isinstance(content, str):
        return Question(content)
    parts = content if isinstance(content, list) else []
    found = [part.get("text") if isinstance(part, dict) else None for part in parts]
    texts = [text for text in found if isinstance(text, str)]
    if not parts or len(texts) < len(parts):
        return Question("", "media" if parts else "unread")
    return Question("\n".join(texts))
