"""OpenAI's embeddings, and the providers that speak them (Azure, Mistral, Voyage). Never a stream.

Source: tests/golden recordings. Voyage reports `total_tokens` alone.
"""

from typing import Any

import msgspec

from bursar.domain.charge import Operation
from bursar.domain.errors import BursarError
from bursar.providers import errors, openai_chat
from bursar.providers.peer_fields import PeerFields, metadata_of
from bursar.providers.reading import decode_request, labels, require_model
from bursar.providers.values import Answer, Asked, ModelName


class _Request(PeerFields):
    model: ModelName | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None


_REQUEST = msgspec.json.Decoder(_Request)


class OpenAIEmbeddings:
    """`POST /v1/embeddings`."""

    name = "openai-embeddings"
    family = "openai"
    operation = Operation.EMBEDDINGS

    def read_request(self, body: bytes) -> Asked:
        seen = decode_request(_REQUEST, body)
        return Asked(
            require_model(seen.model),
            max_output_tokens=0,
            user=seen.user or "",
            metadata=metadata_of(seen, seen.metadata),
            tags=labels(seen.tags),
        )

    def with_usage(self, body: bytes, asked: Asked) -> bytes:
        return body

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        return None

    def read_answer(self, body: bytes, status: int) -> Answer:
        return openai_chat.read_plain(body, status)

    def reader(self, asked: Asked, *, strip_usage: bool) -> openai_chat.ChatReader:
        return openai_chat.ChatReader(usage_expected=True, strips=False)

    def error(self, error: BursarError, call_id: str) -> bytes:
        return errors.openai_error(error)

    def stream_error(self, error: BursarError, call_id: str) -> bytes:
        return b"data: " + errors.openai_error(error) + b"\n\n"


EMBEDDINGS = OpenAIEmbeddings()
