"""Embeddings of the Gemini API, `batchEmbedContents`: it takes one text as well as many.

Source: tests/golden/gemini/gemini-embeddings-json-*.json; google-genai 3.4.0's schema of EmbedContentResponse; the
limit of a batch from Google's public reference, 2026.
"""

from typing import Any
from urllib.parse import quote

import msgspec

from bursar.providers.reading import UNREADABLE
from bursar.translate import gemini_faults
from bursar.translate.answer import Fault
from bursar.translate.codec import BadAnswer
from bursar.translate.conversation import Losses
from bursar.translate.embeddings import Embedder, Texts, refuse_more_than

TEXTS_MAX = 100
_TASKS = {
    "search_document": "RETRIEVAL_DOCUMENT",
    "search_query": "RETRIEVAL_QUERY",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}


class _Vector(msgspec.Struct):
    values: list[float]


class _Answer(msgspec.Struct):
    embeddings: list[_Vector]


_ANSWER = msgspec.json.Decoder(_Answer)


class GeminiEmbedder(Embedder):
    """What each method does: `embeddings.Embedder`."""

    dialect = "gemini-embed"

    def path(self, model: str) -> str:
        return f"/v1beta/models/{quote(model, safe='')}:batchEmbedContents"

    def write_request(self, asked: Texts, losses: Losses) -> bytes:
        refuse_more_than(TEXTS_MAX, asked)
        if asked.user:
            losses.lose("user")
        settings: dict[str, Any] = {"model": f"models/{asked.model}"}
        if asked.dimensions is not None:
            settings["outputDimensionality"] = asked.dimensions
        if asked.input_type:
            settings["taskType"] = _TASKS[asked.input_type]
        requests = [{"content": {"parts": [{"text": text}]}, **settings} for text in asked.texts]
        return msgspec.json.encode({"requests": requests})

    def read_vectors(self, body: bytes) -> list[list[float]]:
        try:
            return [vector.values for vector in _ANSWER.decode(body).embeddings]
        except UNREADABLE as error:
            raise BadAnswer("no list of embeddings") from error

    def read_fault(self, status: int, body: bytes) -> Fault:
        return gemini_faults.read_fault(status, body)
