"""Where each dialect says which service tier it asks for, and how its body asks for another: one field, every other
byte as it came.

Source: OpenAI's API reference (`service_tier`: auto, default, flex, priority; auto is what the project is set to),
Anthropic's (`service_tier`: auto, standard_only; `speed`: standard, fast), Gemini's (`serviceTier`: standard, flex,
priority) and Bedrock's Converse (`serviceTier.type`: default, flex, priority; `performanceConfig.latency`), 2026-10.
"""

import msgspec

from bursar.providers.splice import value_spans, with_value
from bursar.providers.values import Asked

STANDARD, FLEX = "standard", "flex"
SILENT = frozenset({"", "default", "standard", "standard_only"})
"""Said by a request that asks for no dearer tier. `auto` isn't among them: what it means is set elsewhere."""

Fields = dict[str, bytes]

_STANDARD: dict[str, Fields] = {
    "openai-chat": {"service_tier": b'"default"'},
    "openai-responses": {"service_tier": b'"default"'},
    "anthropic-messages": {"service_tier": b'"standard_only"', "speed": b'"standard"'},
    "gemini-generate": {"serviceTier": b'"standard"', "service_tier": b'"standard"'},
    "vertex-generate": {"serviceTier": b'"standard"', "service_tier": b'"standard"'},
    "bedrock-converse": {"serviceTier": b'{"type":"default"}', "performanceConfig": b'{"latency":"standard"}'},
}
"""Dialect → each field that may ask for a dearer tier, and what it says then; only those that are there are changed."""

_FLEX: dict[str, Fields] = {
    "openai-chat": {"service_tier": b'"flex"'},
    "openai-responses": {"service_tier": b'"flex"'},
    "gemini-generate": {"serviceTier": b'"flex"', "service_tier": b'"flex"'},
    "vertex-generate": {"serviceTier": b'"flex"', "service_tier": b'"flex"'},
    "bedrock-converse": {"serviceTier": b'{"type":"flex"}'},
}
"""The same for the flex tier; where none of them is there, the first is added."""


def with_tier(dialect: str, asked: Asked, body: bytes, tier: str) -> tuple[Asked, bytes] | None:
    """What is asked and the body that asks it, on another tier: STANDARD or FLEX. The same objects where nothing has to
    change; None where it has to and can't: the field stands twice, or this dialect says its tier elsewhere.

    A request that says nothing of a tier is on the standard one as it is. A dialect that knows no flex tier keeps what
    it asks for.
    """
    if tier == STANDARD:
        return (asked, body) if asked.tier in SILENT else _changed(_STANDARD, dialect, asked, body, "", adds=False)
    if asked.tier == FLEX or dialect not in _FLEX:
        return asked, body
    return _changed(_FLEX, dialect, asked, body, FLEX, adds=True)


def _changed(
    table: dict[str, Fields], dialect: str, asked: Asked, body: bytes, tier: str, *, adds: bool
) -> tuple[Asked, bytes] | None:
    fields = table.get(dialect)
    there = value_spans(body, fields) if fields else None
    if not fields or there is None:
        return None
    changed: bytes | None = body
    for name in [*there] or [*fields][: 1 if adds else 0]:
        changed = with_value(body, name, fields[name])
        if changed is None:
            return None
        body = changed
    return msgspec.structs.replace(asked, tier=tier), body
