"""What most chat requests hold, read at a third of the price of the general way.

A conversation of nothing but words is read straight into the shared form, without an object for each turn on the way;
in another one, words, calls of tools and their results are known by their fields. What is anything else is left to
`chat_request`, which reads field by field and says what is lost, or wrong.
"""

from typing import Any

import msgspec

from bursar.providers.reading import UNREADABLE
from bursar.translate.conversation import Message, Part, Text, ToolResult, ToolUse, Turn, Words

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


def usual_turn(value: Any) -> Turn | None:
    """A message of the usual fields alone, in the types that they should have; None for any other."""
    if type(value) is not dict:
        return None
    role, content = value.get("role"), value.get("content")
    if len(value) == 2 and (role == "user" or role == "assistant") and type(content) is str and content:
        return Words(role, content)
    if len(value) != 3:
        return None
    if role == "assistant" and (calls := value.get("tool_calls")) and (content is None or type(content) is str):
        uses = _usual_calls(calls)
        if uses and "content" in value:
            return Message("assistant", (Text(content), *uses) if content else uses)
    id = value.get("tool_call_id")
    if role == "tool" and type(id) is str and type(content) is str and content:
        return Message("user", (ToolResult(id, (Text(content),)),))
    return None


def _usual_calls(calls: Any) -> tuple[Part, ...]:
    """Calls of nothing but their name and arguments; empty if one is more, or less."""
    uses: list[Part] = []
    for call in calls if type(calls) is list else ():
        function = call.get("function") if type(call) is dict and len(call) == 3 and "type" in call else None
        if type(function) is not dict:
            return ()
        id, name, arguments = call.get("id"), function.get("name"), function.get("arguments")
        if not (type(id) is str and type(name) is str and type(arguments) is str):
            return ()
        uses.append(ToolUse(id, name, arguments or "{}"))
    return tuple(uses)
