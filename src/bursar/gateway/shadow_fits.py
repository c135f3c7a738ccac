"""Which calls may have a shadow: chats that leave nothing behind at a provider, and that fit in memory.

What a model proposes is harmless: the client's tools run in the client. What a provider runs or keeps by itself isn't.
"""

from typing import Any

import msgspec

from bursar.providers.base import Asked
from bursar.translate.registry import CODECS

BODY_BYTES_MAX = 256 * 1024
REMOTE_TOOLS = ("mcp", "mcp_toolset")  # others' servers, where a call does something


class _Kept(msgspec.Struct):
    """Fields by which a request is part of something that its provider keeps. Responses, chat and Anthropic."""

    store: Any = None
    background: Any = None
    previous_response_id: Any = None
    conversation: Any = None
    container: Any = None
    mcp_servers: Any = None
    tools: Any = None


_READER = msgspec.json.Decoder(_Kept)


def keeps_from_shadow(dialect: str, asked: Asked, body: bytes) -> str:
    """ "" if it may have a shadow, else why not: "kind", "large" or "stateful"."""
    if dialect not in CODECS or asked.streams_array:
        return "kind"
    if len(body) > BODY_BYTES_MAX:
        return "large"
    try:
        kept = _READER.decode(body)
    except msgspec.DecodeError:
        return "kind"
    if any((kept.store, kept.background, kept.previous_response_id, kept.conversation, kept.container,
            kept.mcp_servers)):  # fmt: skip
        return "stateful"
    tools = kept.tools if isinstance(kept.tools, list) else []
    remote = any(isinstance(tool, dict) and (tool.get("type") in REMOTE_TOOLS or _container(tool)) for tool in tools)
    return "stateful" if remote else ""


def _container(tool: dict[str, Any]) -> bool:
    """A code interpreter in a container that is there already."""
    return isinstance(tool.get("container"), str)
