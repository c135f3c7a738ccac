"""What a request lets its provider do and fetch by itself, as far as it costs: paid searches, other models, and what
it keeps.

Source: Anthropic's web search tool (`max_uses`), its adviser tool, compaction and fallback models; OpenAI's Responses
(`max_tool_calls`, `previous_response_id`, `conversation`, a stored `prompt`, `context_management`), Gemini's
`googleSearch` and `cachedContent`; OpenRouter's `models` and its web plugin.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

import msgspec

SEARCHES_ASSUMED = 10  # of a request that may search and doesn't say how often
CALLS_ASSUMED = 10  # of another tool of the provider's that is billed by the call
ASKS_ASSUMED = 5  # of a model that may ask another one and isn't told how often
PASSES_WITH_COMPACTION = 2  # over all that a request brings: one to sum it up, one to answer

Also = tuple[tuple[str, int], ...]
"""(model, times) of other models that may be billed."""

_SEARCHES = ("web_search", "x_search")
_SEARCH, _ADVISER, _ESCAPE = b"_search", b"advisor", b"\\u"
_DIGITS_MAX, _COUNT_MAX = 12, 10**12
_READS = re.compile(
    rb'"type"\s*:\s*"(?:[a-z]+:)?'
    rb"(?:web_fetch|url_context|file_search|collections_search|code_interpreter|code_execution|mcp|browser_search)"
)
"""Tools of a provider's own that put into the prompt what they found or printed, and are run there."""


class _Tool(msgspec.Struct, gc=False):
    type: Any = None
    max_uses: Any = None
    model: Any = None


_TOOL = msgspec.json.Decoder(_Tool)


def searches_allowed(tools: Sequence[msgspec.Raw] | None, at_most: Any = None) -> int:
    """How many paid searches these tools of a provider's own allow. at_most: what the request says for all of them.

    >>> searches_allowed([msgspec.Raw(b'{"type":"web_search_20250305","name":"web_search","max_uses":3}')])
    3
    >>> searches_allowed([msgspec.Raw(b'{"type":"web_search"}')]), searches_allowed([], 5)
    (10, 0)
    >>> searches_allowed([msgspec.Raw(b'{"type":"web_search"}')], 500)
    500
    >>> searches_allowed([msgspec.Raw(b'{"type":"function","function":{"name":"web_search"}}')])  # the caller's own
    0
    """
    total, most = 0, count_of(at_most)
    for tool in _marked(tools, _SEARCH):
        if isinstance(tool.type, str) and tool.type.rpartition(":")[2].startswith(_SEARCHES):
            uses = count_of(tool.max_uses)
            total += (SEARCHES_ASSUMED if most is None else most) if uses is None else uses
    return total if most is None else min(total, most)


def advisers_of(tools: Sequence[msgspec.Raw] | None) -> Also:
    """The models that a tool lets the answering one ask, and how often at most.

    >>> advisers_of([msgspec.Raw(b'{"type":"advisor_20260301","name":"advisor","model":"claude-opus-4-6"}')])
    (('claude-opus-4-6', 5),)
    """
    found: list[tuple[str, int]] = []
    for tool in _marked(tools, _ADVISER):
        if isinstance(tool.type, str) and tool.type.startswith("advisor") and isinstance(tool.model, str):
            uses = count_of(tool.max_uses)
            found.append((tool.model, ASKS_ASSUMED if uses is None else uses))
    return tuple(found)


def tool_types(tools: Sequence[msgspec.Raw] | None) -> set[str]:
    """The types of these tools, as far as they say one.

    >>> tool_types([msgspec.Raw(b'{"type":"file_search","vector_store_ids":["vs_1"]}'), msgspec.Raw(b"7")])
    {'file_search'}
    """
    found = set()
    for raw in tools or ():
        with contextlib.suppress(msgspec.DecodeError):
            tool = _TOOL.decode(raw)
            if isinstance(tool.type, str):
                found.add(tool.type)
    return found


def models_in(given: Any) -> Also:
    """Models that may answer in the place of the one asked for, each by its name or as `{"model": …}`.

    >>> models_in(["openai/gpt-5", {"model": "claude-opus-4-6"}, 7]), models_in(None)
    ((('openai/gpt-5', 1), ('claude-opus-4-6', 1)), ())
    """
    if not isinstance(given, list):
        return ()
    names = (one.get("model") if isinstance(one, dict) else one for one in given)
    return tuple((name, 1) for name in names if isinstance(name, str) and name)


def reads_by_itself(tools: Sequence[msgspec.Raw] | None) -> bool:
    """Whether one of these tools is run by the provider, which then reads more than the request holds.

    >>> reads_by_itself([msgspec.Raw(b'{"type":"web_fetch_20250910","name":"web_fetch"}')])
    True
    >>> reads_by_itself([msgspec.Raw(b'{"type":"function","function":{"name":"file_search"}}')])
    False
    """
    if any(_READS.search(bytes(raw)) is not None for raw in tools or ()):
        return True
    return any(_READS.search(msgspec.json.encode(tool)) is not None for tool in _marked(tools, _ESCAPE))


def passes_of(context_management: Any) -> int:
    """How often the model may go over a request, by what the request says of compaction.

    >>> passes_of({"edits": [{"type": "compact_20260112"}]}), passes_of([{"type": "compaction"}])
    (2, 2)
    >>> passes_of({"edits": [{"type": "clear_tool_uses_20250919"}]}), passes_of(None)
    (1, 1)
    """
    edits = context_management.get("edits") if isinstance(context_management, dict) else context_management
    if not isinstance(edits, list):
        return 1
    kinds = [edit.get("type") for edit in edits if isinstance(edit, dict)]
    is_compacted = any(isinstance(kind, str) and kind.startswith("compact") for kind in kinds)
    return PASSES_WITH_COMPACTION if is_compacted else 1


def searches_of_plugins(model: str, plugins: Any) -> int:
    """How many paid searches OpenRouter may make: by its plugin, or by what stands behind the model's name.

    >>> searches_of_plugins("openai/gpt-5", [{"id": "web"}]), searches_of_plugins("openai/gpt-5:online", None)
    (10, 10)
    """
    named = [one.get("id") for one in plugins if isinstance(one, dict)] if isinstance(plugins, list) else []
    return SEARCHES_ASSUMED if "web" in named or model.endswith(":online") else 0


def kept_by(*places: Any) -> str:
    """The id of what the provider puts before a request: the first of these that is one, as text or as `{"id": …}`.

    >>> kept_by(None, {"id": "conv_1"}), kept_by("resp_1", None), kept_by(None, 7)
    ('conv_1', 'resp_1', '')
    """
    for place in places:
        found = place.get("id") if isinstance(place, dict) else place
        if isinstance(found, str) and found:
            return found
    return ""


def count_of(value: Any) -> int | None:
    """A number of times, in any spelling that a provider may take for one; None: it is none.

    >>> count_of(3), count_of(500.0), count_of("500"), count_of(True), count_of(-1), count_of(1e400), count_of(None)
    (3, 500, 500, None, None, None, None)
    """
    if isinstance(value, str):
        value = int(value[:_DIGITS_MAX]) if value.strip().isdecimal() else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _COUNT_MAX:
        return None
    return ceil(value)


def _marked(tools: Sequence[msgspec.Raw] | None, mark: bytes) -> Iterator[_Tool]:
    """Those of the tools that may be meant by a mark: it stands in them, or may stand there in escapes."""
    for raw in tools or ():
        text = bytes(raw)
        if mark in text or _ESCAPE in text:
            with contextlib.suppress(msgspec.DecodeError):
                yield _TOOL.decode(text)
