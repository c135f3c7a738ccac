"""A provider's list of models: passed on as it is, billed nothing."""

from bursar.domain.charge import Operation
from bursar.domain.errors import BursarError
from bursar.domain.usage import Usage
from bursar.providers import errors
from bursar.providers.openai_chat import ChatReader
from bursar.providers.values import Answer, Asked


class ModelList:
    """`GET /v1/models` and `/v1/models/ID`. Both families have the same path: the caller's headers tell them apart."""

    operation = Operation.MODELS

    def __init__(self, name: str, family: str) -> None:
        self.name = name
        self.family = family

    def read_request(self, body: bytes) -> Asked:
        return Asked()

    def with_usage(self, body: bytes, asked: Asked) -> bytes:
        return body

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        return None

    def read_answer(self, body: bytes, status: int) -> Answer:
        if status >= 400:
            return Answer(error_code=errors.error_code(body, status), complete=True)
        return Answer(Usage(), complete=True)

    def reader(self, asked: Asked, *, strip_usage: bool) -> ChatReader:
        return ChatReader(usage_expected=False, strips=False)

    def error(self, error: BursarError, call_id: str) -> bytes:
        if self.family == "gemini":
            return errors.google_error(error, call_id)
        return errors.openai_error(error) if self.family == "openai" else errors.anthropic_error(error, call_id)

    def stream_error(self, error: BursarError, call_id: str) -> bytes:
        return b"data: " + self.error(error, call_id) + b"\n\n"


OPENAI_MODELS = ModelList("openai-models", "openai")
GEMINI_MODELS = ModelList("gemini-models", "gemini")
ANTHROPIC_MODELS = ModelList("anthropic-models", "anthropic")
