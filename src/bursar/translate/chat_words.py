"""The chat request that most are, words and settings that all know: read at a third of the price of the general way.

A long conversation's turns are read straight into the shared form, without an object for each on the way. What holds
anything else is left to `chat_request`, which reads field by field and says what is lost, or wrong.
"""

from typing import Any

import msgspec

from bursar.providers.reading import UNREADABLE
from bursar.translate.conversation import Text, Words

_SYSTEM = ("system", "developer")


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    """Fields of any value, but for the turns. Their names only: `chat_request` says what may stand there."""

    messages: list[Words]
    model: Any = None
    stream: Any = None
    stream_options: Any = None
    max_completion_tokens: Any = None
    max_tokens: Any = None
    temperature: Any = None
    top_p: Any = None
    n: Any = None
    stop: Any = None
    seed: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None
    tools: Any = None
    tool_choice: Any = None
    parallel_tool_calls: Any = None
    response_format: Any = None
    reasoning_effort: Any = None
    user: Any = None
    safety_identifier: Any = None
    metadata: Any = None
    service_tier: Any = None
    store: Any = None


class InWords(msgspec.Struct, frozen=True):
    """fields: all but the turns, None where one isn't there."""

    system: tuple[Text, ...]
    turns: tuple[Words, ...]
    fields: dict[str, Any]


_REQUEST = msgspec.json.Decoder(_Request)


def read_words(body: bytes) -> InWords | None:
    """A request of nothing but words; None if it is another, or none at all."""
    try:
        seen = _REQUEST.decode(body)
    except UNREADABLE:
        return None
    turns = tuple(seen.messages)
    first = next((at for at, turn in enumerate(turns) if turn.role not in _SYSTEM), len(turns))
    system = tuple([Text(turn.content) for turn in turns[:first]])
    turns = turns[first:]
    if not turns or {turn.role for turn in turns}.intersection(_SYSTEM):  # one that must be moved, and noted
        return None
    fields = msgspec.structs.asdict(seen)
    del fields["messages"]
    return InWords(system, turns, fields)
