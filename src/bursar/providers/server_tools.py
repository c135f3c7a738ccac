"""What a request lets its provider do and fetch by itself, as far as it costs: paid searches, and what it keeps.

Source: Anthropic's web search tool (`max_uses`), OpenAI's Responses (`max_tool_calls`, `previous_response_id`,
`conversation`, a stored `prompt`), Gemini's `googleSearch` and `cachedContent`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

SEARCHES_ASSUMED = 10  # of a request that may search and doesn't say how often

_SEARCH = b"web_search"


class _Tool(msgspec.Struct, gc=False):
    type: Any = None
    max_uses: Any = None


_TOOL = msgspec.json.Decoder(_Tool)


def searches_allowed(tools: Sequence[msgspec.Raw] | None, at_most: Any = None) -> int:
    """How many paid searches these tools of a provider's own allow. at_most: what the request says for all of them.

    >>> searches_allowed([msgspec.Raw(b'{"type":"web_search_20250305","name":"web_search","max_uses":3}')])
    3
    >>> searches_allowed([msgspec.Raw(b'{"type":"web_search"}')]), searches_allowed([], 5)
    (10, 0)
    >>> searches_allowed([msgspec.Raw(b'{"type":"function","function":{"name":"web_search"}}')])  # the caller's own
    0
    """
    total = 0
    for raw in tools or ():
        text = bytes(raw)
        if _SEARCH not in text:
            continue
        try:
            tool = _TOOL.decode(text)
        except msgspec.DecodeError:
            continue
        if isinstance(tool.type, str) and tool.type.startswith("web_search"):
            total += tool.max_uses if _is_count(tool.max_uses) else SEARCHES_ASSUMED
    return min(total, at_most) if _is_count(at_most) else total


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


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
