"""Every codec by its dialect, and how an upstream is spoken to by callers of other dialects: chat, and embeddings."""

from collections.abc import Sequence

from bursar.translate.chat import CHAT, COMPATIBLE_CHAT
from bursar.translate.codec import Codec
from bursar.translate.converse import CONVERSE
from bursar.translate.embeddings import EMBEDDINGS, Embedder
from bursar.translate.embeddings_bedrock import BedrockEmbedder
from bursar.translate.embeddings_gemini import GeminiEmbedder
from bursar.translate.gemini import GEMINI, VERTEX
from bursar.translate.messages import MESSAGES
from bursar.translate.responses import RESPONSES

CODECS: dict[str, Codec] = {codec.dialect: codec for codec in (CHAT, RESPONSES, MESSAGES, GEMINI, VERTEX, CONVERSE)}
"""Callers of these dialects may ask for any model of these."""

EMBEDDERS: dict[str, Embedder] = {"gemini": GeminiEmbedder(), "bedrock": BedrockEmbedder()}
"""By the family of the upstream: whose embeddings may be asked for in OpenAI's dialect."""

TRANSLATED = frozenset({*CODECS, EMBEDDINGS})
"""Dialects of callers that may be sent to an upstream of another one."""

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
