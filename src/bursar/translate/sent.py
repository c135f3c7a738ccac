"""A request as it is sent, and the part of it that says what it asks for.

Bounds, holds and meters go by what a dialect reads from the bytes that are sent. Of turns that are words alone it
reads nothing but that they hold no media, so a long conversation needn't be read once more: a body without them says
the same.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from bursar.translate.conversation import Text, Turn, Words


class Sent(msgspec.Struct, frozen=True, gc=False):
    """body: what the provider gets. facts: what its dialect reads the same of: the same object, or a short one."""

    body: bytes
    facts: bytes


def sent(head: dict[str, Any], long: dict[str, Any], *, is_words: bool) -> Sent:
    """The request of a head and its long fields: the turns, the system prompt.

    is_words: none of the long ones holds anything but text.
    """
    body = msgspec.json.encode({**head, **long})
    return Sent(body, msgspec.json.encode(head) if is_words else body)


def are_words(turns: Iterable[Turn]) -> bool:
    """Whether no turn holds anything but text."""
    return all(type(turn) is Words or all(type(part) is Text for part in turn.parts) for turn in turns)
