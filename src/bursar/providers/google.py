"""Google's Gemini API and Gemini on Vertex: generateContent, streamGenerateContent, countTokens, embedContent.

Their bodies name no model: the path does, and says whether the answer is streamed. So a dialect here is bound to a
path's model; `DIALECTS` has each unbound.
Source: tests/golden/gemini and /vertex; Vertex's discovery document, revision 20261106; google-genai 3.4.0.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec

from bursar.domain.charge import Operation
from bursar.domain.errors import BadRequest, BursarError
from bursar.domain.usage import Usage
from bursar.providers import errors
from bursar.providers.anthropic import AnthropicCountTokens, AnthropicMessages
from bursar.providers.base import Dialect
from bursar.providers.google_reader import GeminiReader, read_plain
from bursar.providers.google_usage import DATA_GROUNDING, MAPS_GROUNDING, UsageMetadata, usage_of_gemini
from bursar.providers.media import media_of_gemini
from bursar.providers.reading import decode_answer, decode_request, require_model
from bursar.providers.server_tools import SEARCHES_ASSUMED, kept_by
from bursar.providers.splice import with_inner_number
from bursar.providers.sse import StreamReader
from bursar.providers.values import MODEL_CHARS_MAX, Answer, Asked, Choices, Count, OutputLimit

_CONFIGS = ("generationConfig", "generation_config")
_LIMITS = ("maxOutputTokens", "max_output_tokens")

_Digits = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}$")]
"""protobuf's JSON takes a number as text too."""


class _Config(msgspec.Struct, rename="camel", gc=False):
    max_output_tokens: OutputLimit | _Digits | None = None
    candidate_count: Choices | None = None
    snake_limit: OutputLimit | _Digits | None = msgspec.field(default=None, name="max_output_tokens")
    snake_count: Choices | None = msgspec.field(default=None, name="candidate_count")


class _Tool(msgspec.Struct, rename="camel", gc=False):
    function_declarations: list[msgspec.Raw] | None = None
    snake: list[msgspec.Raw] | None = msgspec.field(default=None, name="function_declarations")
    google_search: Any = None
    snake_search: Any = msgspec.field(default=None, name="google_search")
    google_search_retrieval: Any = None
    snake_retrieval: Any = msgspec.field(default=None, name="google_search_retrieval")
    enterprise_web_search: Any = None
    snake_enterprise: Any = msgspec.field(default=None, name="enterprise_web_search")
    google_maps: Any = None
    snake_maps: Any = msgspec.field(default=None, name="google_maps")
    retrieval: Any = None
    url_context: Any = None
    snake_url: Any = msgspec.field(default=None, name="url_context")
    code_execution: Any = None
    snake_code: Any = msgspec.field(default=None, name="code_execution")
    file_search: Any = None
    snake_files: Any = msgspec.field(default=None, name="file_search")

    @property
    def searches(self) -> bool:
        return _is_any((self.google_search, self.snake_search, self.google_search_retrieval, self.snake_retrieval,
                        self.enterprise_web_search, self.snake_enterprise))  # fmt: skip

    @property
    def maps(self) -> bool:
        return _is_any((self.google_maps, self.snake_maps))

    @property
    def reads(self) -> bool:
        """Whether it puts into the prompt what it finds."""
        return self.maps or _is_any((self.retrieval, self.url_context, self.snake_url, self.code_execution,
                                     self.snake_code, self.file_search, self.snake_files))  # fmt: skip


def _is_any(places: Iterable[Any]) -> bool:
    return any(place is not None for place in places)


class _Request(msgspec.Struct, rename="camel"):
    """Both spellings of each field: Google takes either."""

    generation_config: _Config | None = None
    snake_config: _Config | None = msgspec.field(default=None, name="generation_config")
    tools: list[_Tool] | None = None
    labels: dict[str, str] | None = None  # Vertex: labels of its own bill
    service_tier: str | None = None
    snake_tier: str | None = msgspec.field(default=None, name="service_tier")
    cached_content: Any = None
    snake_cached: Any = msgspec.field(default=None, name="cached_content")
    model: Any = None  # the path's counts


class _Counted(msgspec.Struct, rename="camel", gc=False):
    total_tokens: Count | None = None


class _Statistics(msgspec.Struct, rename="camel", gc=False):
    token_count: Count | None = None


class _Embedding(msgspec.Struct, gc=False):
    statistics: _Statistics | None = None


class _Embedded(msgspec.Struct, rename="camel"):
    usage_metadata: UsageMetadata | None = None
    embedding: _Embedding | None = None
    embeddings: list[_Embedding] | None = None


class _Object(msgspec.Struct):
    """Any JSON object."""

    model: Any = None  # the path's counts


_REQUEST = msgspec.json.Decoder(_Request)
_OBJECT = msgspec.json.Decoder(_Object)
_COUNTED = msgspec.json.Decoder(_Counted)
_EMBEDDED = msgspec.json.Decoder(_Embedded)


class GeminiGenerate:
    """`:generateContent` and `:streamGenerateContent` of one model."""

    operation: Operation = Operation.CHAT

    def __init__(self, family: str, model: str = "", *, streams: bool = False) -> None:
        self.name = f"{family}-{self._suffix()}"
        self.family = family
        self._model = model
        self._streams = streams

    @staticmethod
    def _suffix() -> str:
        return "generate"

    def read_request(self, body: bytes) -> Asked:
        seen = decode_request(_REQUEST, body)
        media, data_bytes = media_of_gemini(body)
        limit, choices = None, 1
        for config in (seen.snake_config, seen.generation_config):
            if config is not None:
                for given in (config.snake_limit, config.max_output_tokens):
                    limit = limit if given is None else max(limit or 0, int(given))
                choices = max(choices, config.snake_count or 1, config.candidate_count or 1)
        tools = sum(len(tool.function_declarations or tool.snake or "1") for tool in seen.tools or ())
        return Asked(
            _named(self._model),
            self._streams,
            limit,
            (seen.service_tier or seen.snake_tier or "").lower(),
            metadata=seen.labels or {},
            wants_usage=True,  # each chunk has it
            tools=tools,
            choices=choices,
            media=media,
            data_bytes=data_bytes,
            model_in_path=True,
            searches=SEARCHES_ASSUMED if seen.tools and any(tool.searches for tool in seen.tools) else 0,
            reads=any(tool.reads for tool in seen.tools or ()),
            fees=_fees(seen.tools, self.family) if seen.tools else (),
            continues=kept_by(seen.cached_content, seen.snake_cached),
            streams_array=self._streams,
        )

    def with_usage(self, body: bytes, asked: Asked) -> bytes:
        return body

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        return with_inner_number(body, _CONFIGS, _LIMITS, tokens)

    def read_answer(self, body: bytes, status: int) -> Answer:
        return read_plain(body, status, self.family, self._model)

    def reader(self, asked: Asked, *, strip_usage: bool) -> StreamReader:
        return GeminiReader(self.family, asked.model)

    def error(self, error: BursarError, call_id: str) -> bytes:
        return errors.google_error(error, call_id)

    def stream_error(self, error: BursarError, call_id: str) -> bytes:
        return b"data: " + errors.google_error(error, call_id) + b"\n\n"


def _fees(tools: Sequence[_Tool], family: str) -> tuple[tuple[str, int], ...]:
    """What is billed by the answer, under names of its own."""
    maps = ((MAPS_GROUNDING, 1),) if any(tool.maps for tool in tools) else ()
    own_data = family == "vertex" and any(tool.retrieval is not None for tool in tools)
    return (*maps, (DATA_GROUNDING, 1)) if own_data else maps


class GeminiCountTokens(GeminiGenerate):
    """`:countTokens`: free, so its usage is a known nothing."""

    operation = Operation.COUNT_TOKENS

    @staticmethod
    def _suffix() -> str:
        return "count-tokens"

    def read_request(self, body: bytes) -> Asked:
        decode_request(_OBJECT, body)
        return Asked(_named(self._model), model_in_path=True)

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        return None

    def read_answer(self, body: bytes, status: int) -> Answer:
        if status >= 400:
            return Answer(error_code=errors.error_code(body, status), complete=True)
        counted = decode_answer(_COUNTED, body)
        return Answer() if counted is None or counted.total_tokens is None else Answer(Usage(), complete=True)


class GeminiEmbed(GeminiCountTokens):
    """`:embedContent` and `:batchEmbedContents`. Most answers say nothing of usage, and are estimated."""

    operation = Operation.EMBEDDINGS

    @staticmethod
    def _suffix() -> str:
        return "embed"

    def read_request(self, body: bytes) -> Asked:
        decode_request(_OBJECT, body)
        media, data_bytes = media_of_gemini(body)
        return Asked(_named(self._model), max_output_tokens=0, model_in_path=True, media=media, data_bytes=data_bytes)

    def read_answer(self, body: bytes, status: int) -> Answer:
        if status >= 400:
            return Answer(error_code=errors.error_code(body, status), complete=True)
        seen = decode_answer(_EMBEDDED, body)
        if seen is None:
            return Answer(complete=decode_answer(_OBJECT, body) is not None)
        usage = usage_of_gemini(seen.usage_metadata, 0)
        vectors = [*(seen.embeddings or ()), *([seen.embedding] if seen.embedding else ())]
        counts = [vector.statistics.token_count if vector.statistics else None for vector in vectors]
        if usage is None and counts and all(counts):
            usage = Usage(input=sum(count or 0 for count in counts))
        return Answer(usage, complete=True)


class VertexMessages(AnthropicMessages):
    """Anthropic's Messages at Vertex, `:rawPredict` and `:streamRawPredict`: the body without its model."""

    name = "vertex-anthropic"
    family = "vertex"

    def __init__(self, model: str = "", *, streams: bool = False) -> None:
        self._model = model
        self._streams = streams

    def read_request(self, body: bytes) -> Asked:
        asked = self.read_fields(body, model=self._model)
        _named(self._model)
        asked.model_in_path = True
        asked.stream = asked.stream or self._streams
        return asked


class VertexCountTokens(AnthropicCountTokens):
    """`models/count-tokens:rawPredict`: free. Of all of Vertex's paths the one whose body names the model."""

    name = "vertex-anthropic-count-tokens"
    family = "vertex"


def _named(model: str) -> str:
    """The path's model. Raises BadRequest if no catalogue could have such a name."""
    if len(model) > MODEL_CHARS_MAX:
        raise BadRequest(f"a model's name has at most {MODEL_CHARS_MAX} characters", field="model")
    return require_model(model)


UNBOUND: tuple[Dialect, ...] = (
    *(kind(family) for family in ("gemini", "vertex") for kind in (GeminiGenerate, GeminiCountTokens, GeminiEmbed)),
    VertexMessages(),
    VertexCountTokens(),
)
"""For those who know a dialect by its name alone: errors, recordings."""
