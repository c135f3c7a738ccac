"""How far two answers to one request agree: pure, on what they said, in numbers that keep no text.

| figure | what it is | applies to |
| --- | --- | --- |
| finish | they ended for the same reason, in the words of `translate.answer.STOPS` | all |
| tool_names | they call the same tools, each as often | answers of which one calls a tool |
| tool_calls | the same with the same arguments, as JSON values | the same |
| json | both are JSON and the same value | requests that ask for JSON, answered without a tool |
| text | the same text: NFKC, without case, white space as one space | answers of which one has text |
| words | F1 of their words, counted (\\w+, as above): twice those in common by those of both | the same |
| agreement | `tool_calls`, else `json`, else `words`; of two empty answers `finish` | all |

Only the first choice is compared, and of a text its first TEXT_CHARS_MAX characters.
"""

import re
import unicodedata
from collections import Counter
from hashlib import blake2b
from typing import Any

import msgspec

from bursar.translate.answer import Reply
from bursar.translate.conversation import Refusal, Text, ToolUse

TEXT_CHARS_MAX = 65_536
_WORD = re.compile(r"\w+")


class Said(msgspec.Struct, frozen=True):
    """What an answer comes to. tools: (name, hash of its arguments) of each call."""

    stop: str
    text: str
    tools: tuple[tuple[str, bytes], ...] = ()


class Agreement(msgspec.Struct, frozen=True):
    """None: it doesn't apply."""

    finish: bool
    tool_names: bool | None
    tool_calls: bool | None
    json: bool | None
    text: bool | None
    words: float | None
    agreement: float


def said_by(reply: Reply) -> Said | None:
    """What a whole answer said; None if it has no choice."""
    if not reply.choices:
        return None
    choice = reply.choices[0]
    texts = [part.text for part in choice.parts if isinstance(part, Text | Refusal)]
    tools = [(part.name, arguments_mark(part.arguments)) for part in choice.parts if isinstance(part, ToolUse)]
    return Said(choice.stop, "".join(texts)[:TEXT_CHARS_MAX], tuple(tools))


def compare(one: Said, other: Said, *, wants_json: bool) -> Agreement:
    """wants_json: the request asks for a JSON answer."""
    finish = one.stop == other.stop
    names = calls = as_json = text = None
    words: float | None = None
    if one.tools or other.tools:
        names = Counter(name for name, _ in one.tools) == Counter(name for name, _ in other.tools)
        calls = Counter(one.tools) == Counter(other.tools)
    elif wants_json:
        mark = json_mark(one.text)
        as_json = mark is not None and mark == json_mark(other.text)
    if one.text or other.text:
        ours, theirs = normalised(one.text), normalised(other.text)
        text, words = ours == theirs, word_overlap(ours, theirs)
    first = next((float(seen) for seen in (calls, as_json, words) if seen is not None), float(finish))
    return Agreement(finish, names, calls, as_json, text, words, first)


def normalised(text: str) -> str:
    """Without differences that nobody would call one."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def word_overlap(one: str, other: str) -> float:
    """F1 of the words of two normalised texts, each counted as often as it stands there; from 0 to 1.

    >>> word_overlap("a big red dog", "a red dog")
    0.8571428571428571
    """
    if one == other:
        return 1.0
    ours, theirs = Counter(_WORD.findall(one)), Counter(_WORD.findall(other))
    both = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / both if both else 0.0


def json_mark(text: str) -> bytes | None:
    """The same for the same JSON value, however it is written; None if it is none. A fence around it is no part of it.

    >>> json_mark('{"a": 1, "b": [2]}') == json_mark('```json\\n{"b":[2],"a":1.0}\\n```')
    True
    """
    bare = text.strip()
    if bare.startswith("```") and bare.endswith("```"):
        bare = bare[3:-3].removeprefix("json").strip()
    try:
        value = msgspec.json.decode(bare)
        written = msgspec.json.encode(_plain(value), order="deterministic")
    except (msgspec.DecodeError, RecursionError):
        return None
    return blake2b(written, digest_size=16).digest()


def arguments_mark(arguments: str) -> bytes:
    """The same for the same arguments of a tool; those that are no JSON go by their text."""
    mark = json_mark(arguments or "{}")
    return mark if mark is not None else blake2b(arguments.encode(), digest_size=16).digest()


def _plain(value: Any) -> Any:
    """1.0 is 1, as it is in JSON Schema."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
