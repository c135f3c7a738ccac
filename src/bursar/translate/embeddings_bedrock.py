"""Embeddings at Bedrock, `invoke`: Titan's body takes one text, Cohere's a list.

Source: AWS's public pages on the parameters of Titan's and Cohere's embeddings, 2026; tests/providers/test_bedrock.py
for where each says its usage. No recording could be had.
"""

from typing import Any
from urllib.parse import quote

import msgspec

from bursar.domain.errors import BadRequest
from bursar.providers.reading import UNREADABLE
from bursar.translate import converse_answer
from bursar.translate.answer import Fault
from bursar.translate.codec import BadAnswer
from bursar.translate.conversation import Losses
from bursar.translate.embeddings import INPUT_TYPES, Embedder, Texts, refuse_more_than

TITAN, COHERE = "amazon.titan-embed-", "cohere.embed-"
TITAN_TEXTS_MAX = 1
COHERE_TEXTS_MAX = 96
_TITAN_WITH_DIMENSIONS = "amazon.titan-embed-text-v2"
_TITAN_OF_PICTURES = "amazon.titan-embed-image"
_COHERE_WITH_DIMENSIONS = "cohere.embed-v4"


class _ByType(msgspec.Struct):
    float: list[list[float]]


class _Answer(msgspec.Struct):
    """Titan's one vector; Cohere's list, plain or by type."""

    embedding: list[float] | None = None
    embeddings: list[list[float]] | _ByType | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


class BedrockEmbedder(Embedder):
    """What each method does: `embeddings.Embedder`."""

    dialect = "bedrock-invoke"

    def path(self, model: str) -> str:
        return f"/model/{quote(model, safe='-_.~')}/invoke"

    def write_request(self, asked: Texts, losses: Losses) -> bytes:
        if asked.user:
            losses.lose("user")
        if TITAN in asked.model:
            return msgspec.json.encode(_titan(asked, losses))
        if COHERE in asked.model:
            return msgspec.json.encode(_cohere(asked, losses))
        raise BadRequest(
            f"embeddings of {asked.model!r} aren't translated: at Bedrock these are Titan's and Cohere's; ask it at "
            "/model/NAME/invoke in its own words",
            field="model",
        )

    def read_vectors(self, body: bytes) -> list[list[float]]:
        try:
            seen = _ANSWER.decode(body)
        except UNREADABLE as error:
            raise BadAnswer("no embeddings") from error
        if seen.embedding is not None:
            return [seen.embedding]
        if seen.embeddings is None:
            raise BadAnswer("no embeddings")
        return seen.embeddings.float if isinstance(seen.embeddings, _ByType) else seen.embeddings

    def read_fault(self, status: int, body: bytes) -> Fault:
        return converse_answer.read_fault(status, body)


def _titan(asked: Texts, losses: Losses) -> dict[str, Any]:
    refuse_more_than(TITAN_TEXTS_MAX, asked)
    if asked.input_type:
        losses.lose("input_type")
    body: dict[str, Any] = {"inputText": asked.texts[0]}
    if asked.dimensions is None:
        return body
    if _TITAN_WITH_DIMENSIONS in asked.model:
        return body | {"dimensions": asked.dimensions}
    if _TITAN_OF_PICTURES in asked.model:
        return body | {"embeddingConfig": {"outputEmbeddingLength": asked.dimensions}}
    raise _one_length(asked)


def _cohere(asked: Texts, losses: Losses) -> dict[str, Any]:
    """Cohere must be told what the texts are for. Where the caller doesn't say it, that is our guess, and listed."""
    refuse_more_than(COHERE_TEXTS_MAX, asked)
    if not asked.input_type:
        losses.lose("input_type")
    body: dict[str, Any] = {"texts": asked.texts, "input_type": asked.input_type or INPUT_TYPES[0]}
    if asked.dimensions is None:
        return body
    if _COHERE_WITH_DIMENSIONS in asked.model:
        return body | {"output_dimension": asked.dimensions, "embedding_types": ["float"]}
    raise _one_length(asked)


def _one_length(asked: Texts) -> BadRequest:
    return BadRequest(
        f"the vectors of {asked.model} have one length: leave dimensions out, or ask a model that has several",
        field="dimensions",
    )
