"""What a request lets its provider do and fetch by itself, as far as it costs: paid searches, other models, and what
it keeps.

Source: Anthropic's web search tool (`max_uses`), its adviser tool, compaction and fallback models; OpenAI's Responses
(`max_tool_calls`, `previous_response_id`, `conversation`, a stored `prompt`, `context_management`), Gemini's
`googleSearch` and `cachedContent`; OpenRouter's `models` and its web plugin.
"""

from collections.abc import Sequence
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
_DIGITS_MAX, _COUNT_MAX = 12, 10**12
_READS = ("web_fetch", "url_context", "file_search", "collections_search", "code_interpreter", "code_execution", "mcp",
          "browser_search")  # fmt: skip
"""Tools of a provider's own that put into the prompt what they found or printed, and are run there."""


class Tool(msgspec.Struct, gc=False):
    """A tool of a request, as far as it may cost: what isn't read of it is stepped over in the same pass."""

    type: Any = None
    max_uses: Any = None
    model: Any = None

    @property
    def kind(self) -> str:
        """Its type without a service's name before it; "" where it says none."""
        return self.type.rpartition(":")[2] if isinstance(self.type, str) else ""


def searches_allowed(tools: Sequence[Tool] | None, at_most: Any = None) -> int:
    """How many paid searches these tools of a provider's own allow. at_most: what the request says for all of them.

    >>> searches_allowed([Tool("web_search_20250305", 3)]), searches_allowed([Tool("web_search")])
    (3, 10)
    >>> searches_allowed([], 5), searches_allowed([Tool("web_search")], 500), searches_allowed([Tool("function")])
    (0, 500, 0)
    """
    total, most = 0, count_of(at_most)
    for tool in tools or ():
        if tool.kind.startswith(_SEARCHES):
            uses = count_of(tool.max_uses)
            total += (SEARCHES_ASSUMED if most is None else most) if uses is None else uses
    return total if most is None else min(total, most)


def advisers_of(tools: Sequence[Tool] | None) -> Also:
    """The models that a tool lets the answering one ask, and how often at most.

    >>> advisers_of([Tool("advisor_20260301", model="claude-opus-4-6")])
    (('claude-opus-4-6', 5),)
    """
    found: list[tuple[str, int]] = []
    for tool in tools or ():
        if tool.kind.startswith("advisor") and isinstance(tool.model, str):
            uses = count_of(tool.max_uses)
            found.append((tool.model, ASKS_ASSUMED if uses is None else uses))
    return tuple(found)


def models_in(given: Any) -> Also:
    """Models that may answer in the place of the one asked for, each by its name or as `{"model": …}`.

    >>> models_in(["openai/gpt-5", {"model": "claude-opus-4-6"}, 7]), models_in(None)
    ((('openai/gpt-5', 1), ('claude-opus-4-6', 1)), ())
    """
    if not isinstance(given, list):
        return ()
    names = (one.get("model") if isinstance(one, dict) else one for one in given)
    return tuple((name, 1) for name in names if isinstance(name, str) and name)


def reads_by_itself(tools: Sequence[Tool] | None) -> bool:
    """Whether one of these tools is run by the provider, which then reads more than the request holds.

    >>> reads_by_itself([Tool("web_fetch_20250910")]), reads_by_itself([Tool("function"), Tool()])
    (True, False)
    """
    return any(tool.kind.startswith(_READS) for tool in tools or ())


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
