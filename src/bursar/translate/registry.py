"""Every codec by its dialect, and the one that an upstream is spoken to in by callers of other dialects."""

from collections.abc import Sequence

from bursar.translate.chat import CHAT, COMPATIBLE_CHAT
from bursar.translate.codec import Codec
from bursar.translate.converse import CONVERSE
from bursar.translate.gemini import GEMINI, VERTEX
from bursar.translate.messages import MESSAGES
from bursar.translate.responses import RESPONSES

CODECS: dict[str, Codec] = {codec.dialect: codec for codec in (CHAT, RESPONSES, MESSAGES, GEMINI, VERTEX, CONVERSE)}
"""Callers of these dialects may ask for any model of these."""

_OF_FAMILY = {
    "anthropic": "anthropic-messages",
    "gemini": "gemini-generate",
    "vertex": "vertex-generate",
    "bedrock": "bedrock-converse",
}
_NEWER_LIMIT = ("openai", "azure")
"""Providers that want `max_completion_tokens`. All others know the older name."""


def codec_of_upstream(family: str, provider: str, speaks: Sequence[str]) -> Codec | None:
    """How to speak to an upstream. speaks: its dialects, empty: all of its family. None: nobody translates for it."""
    if family in ("openai", "azure"):
        if not speaks or "openai-chat" in speaks:
            return CHAT if provider in _NEWER_LIMIT else COMPATIBLE_CHAT
        return next((CODECS[name] for name in speaks if name in CODECS), None)
    return CODECS.get(_OF_FAMILY.get(family, ""))
