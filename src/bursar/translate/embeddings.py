"""Embeddings as OpenAI's callers ask for them, and the protocol of those who ask another provider.

Token arrays, and a length of vectors that a model hasn't, would be another question: they are refused, never left out.
Source: OpenAI's published schema, API 2.3.0.
"""

import base64
import struct
from abc import ABC, abstractmethod
from typing import Any

import msgspec

from bursar.domain.errors import BadRequest
from bursar.domain.usage import Usage
from bursar.translate.answer import Fault
from bursar.translate.codec import BadAnswer
from bursar.translate.conversation import Losses
from bursar.translate.fields import read_fields

EMBEDDINGS = "openai-embeddings"
TEXTS_MAX = 2_048
DIMENSIONS_MAX = 65_536
INPUT_TYPES = ("search_document", "search_query", "classification", "clustering")
"""What the texts are for, in Cohere's words: a field that OpenAI's own form hasn't."""


class Texts(msgspec.Struct, frozen=True):
    """What is to be embedded. packed: the vectors are wanted as base64. input_type: of INPUT_TYPES, "" if not said."""

    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    packed: bool = False
    user: str = ""
    input_type: str = ""


class Embedder(ABC):
    """How the embeddings of one family of providers are asked for. Stateless."""

    dialect = ""

    @abstractmethod
    def path(self, model: str) -> str:
        """The provider's path."""

    @abstractmethod
    def write_request(self, asked: Texts, losses: Losses) -> bytes:
        """All texts in one request. Raises BadRequest for what the model can't be asked."""

    @abstractmethod
    def read_vectors(self, body: bytes) -> list[list[float]]:
        """The vectors in the order of the texts. Raises BadAnswer if the body isn't one of this dialect."""

    @abstractmethod
    def read_fault(self, status: int, body: bytes) -> Fault:
        """A refusal or failure. Never raises."""


def read_request(body: bytes, model: str, losses: Losses) -> Texts:
    """A caller's request. Raises BadRequest, with the field, for what no other provider can be asked."""
    fields = read_fields(body, losses)
    fields.take("model")
    texts = _texts(fields.take("input"))
    packing = fields.text("encoding_format")
    if packing not in ("", "float", "base64"):
        raise BadRequest("encoding_format is float or base64", field="encoding_format")
    dimensions = fields.integer("dimensions")
    if dimensions is not None and not 1 <= dimensions <= DIMENSIONS_MAX:
        raise BadRequest(f"dimensions: 1 to {DIMENSIONS_MAX}", field="dimensions")
    input_type = fields.text("input_type")
    if input_type and input_type not in INPUT_TYPES:
        raise BadRequest(f"input_type is one of {', '.join(INPUT_TYPES)}", field="input_type")
    user = fields.text("user")
    fields.done()
    return Texts(model, texts, dimensions, packing == "base64", user, input_type)


def write_answer(asked: Texts, vectors: list[list[float]], model: str, usage: Usage | None) -> bytes:
    """OpenAI's list of embeddings. usage None: the provider reported none, so nothing is said of it.

    Raises BadAnswer for numbers that single precision can't hold, where it is asked for.
    """
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if asked.packed else vector}
        for index, vector in enumerate(vectors)
    ]
    answer: dict[str, Any] = {"object": "list", "data": data, "model": model}
    if usage is not None:
        answer["usage"] = {"prompt_tokens": usage.total_input, "total_tokens": usage.total_input}
    return msgspec.json.encode(answer)


def refuse_more_than(limit: int, asked: Texts) -> None:
    """Raises BadRequest for more texts than the model takes in one request: one call is one attempt."""
    if len(asked.texts) > limit:
        texts = "one text" if limit == 1 else f"at most {limit} texts"
        raise BadRequest(
            f"input has {len(asked.texts)} texts, and {asked.model} takes {texts} a call: send them in calls of "
            f"{limit}, or ask a model that takes more",
            field="input",
        )


def _texts(given: Any) -> tuple[str, ...]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise BadRequest("input: a text or a list of texts is needed", field="input")
    if len(texts) > TEXTS_MAX:
        raise BadRequest(f"input has {len(texts)} texts; at most {TEXTS_MAX} go into one call", field="input")
    for at, text in enumerate(texts):
        if isinstance(text, int | list):
            raise BadRequest(
                "input: tokens mean something to OpenAI's models only; send text to a model of another provider",
                field="input",
            )
        if not isinstance(text, str) or not text:
            raise BadRequest(f"input[{at}]: a text that isn't empty is needed", field="input")
    return tuple(texts)


def _packed(vector: list[float]) -> str:
    """Single-precision numbers, little end first, as base64: what OpenAI's clients unpack."""
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    except OverflowError as error:
        raise BadAnswer("numbers too large for base64") from error
