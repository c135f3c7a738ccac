"""A call for embeddings whose provider speaks another dialect than OpenAI's: what it is told, what the caller hears."""

import msgspec

from bursar.domain.usage import Usage
from bursar.providers.base import Asked, Dialect
from bursar.translate import embeddings, openai_faults
from bursar.translate.answer import Fault
from bursar.translate.codec import BadAnswer
from bursar.translate.conversation import Losses
from bursar.translate.embeddings import Embedder, Texts


class EmbeddingTranslation(msgspec.Struct):
    """Between a caller of embeddings and a provider.

    caller, asked, body: what the caller said, as policies left it. other: how the provider is asked. wished: the same
    as it is meant. losses: of the request.
    """

    caller: Dialect
    other: Embedder
    asked: Asked
    body: bytes
    wished: Texts
    losses: Losses


def embedding_of(embedder: Embedder, caller: Dialect, asked: Asked, body: bytes) -> tuple[EmbeddingTranslation, bytes]:
    """The translation, and the provider's request. Raises BadRequest where it can't be said."""
    losses = Losses()
    wished = embeddings.read_request(body, asked.model, losses)
    written = embedder.write_request(wished, losses)
    return EmbeddingTranslation(caller, embedder, asked, body, wished, losses), written


def told_vectors(translation: EmbeddingTranslation, status: int, body: bytes, usage: Usage | None) -> tuple[int, bytes]:
    """(status, body) as OpenAI's caller hears it. An answer with too few or too many vectors is a failure: which text
    each belongs to nobody could say. What it used is charged all the same."""
    if status >= 400:
        return status, openai_faults.write_fault(translation.other.read_fault(status, body))
    wished = translation.wished
    try:
        vectors = translation.other.read_vectors(body)
        if len(vectors) != len(wished.texts):
            raise BadAnswer(f"{len(vectors)} embeddings for {len(wished.texts)} texts")
        return status, embeddings.write_answer(wished, vectors, wished.model, usage)
    except BadAnswer as error:
        return 502, _not_understood(f"the provider's answer has {error}")


def _not_understood(message: str) -> bytes:
    return openai_faults.write_fault(Fault(502, "api_error", message))
