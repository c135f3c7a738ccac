"""Amazon Bedrock's runtime: converse, converse-stream, invoke, invoke-with-response-stream, count-tokens.

The path names the model and says whether the answer is streamed, so a dialect here is bound to a path's model. What a
model is called decides its price: `us.…` and `global.…` are sold at prices of their own, while the name in an answer
(`claude-haiku-4-5-20251001`) leaves that out, and isn't looked at.
Source: tests/golden/bedrock; the service model of bedrock-runtime, botocore 1.44.5.
"""

import re
from typing import Any

import msgspec
from msgspec.structs import replace

from bursar.domain.charge import Operation
from bursar.domain.errors import BadRequest, BursarError
from bursar.domain.usage import Usage
from bursar.providers import errors
from bursar.providers.anthropic import MESSAGES
from bursar.providers.base import Dialect, Headers, SpeaksInHeaders
from bursar.providers.bedrock_paths import BEDROCK, is_model_id, split_path
from bursar.providers.bedrock_reader import (
    OPTIMIZED,
    ConverseReader,
    InvokeReader,
    error_of,
    exception_name,
    read_converse,
    read_invoked,
)
from bursar.providers.bedrock_usage import size_of, tool_price_name, usage_of_headers
from bursar.providers.event_frames import write_frame
from bursar.providers.media import media_of_bedrock
from bursar.providers.reading import clip, decode_answer, decode_request, require_model, texts
from bursar.providers.server_tools import CALLS_ASSUMED
from bursar.providers.splice import with_inner_number, with_number
from bursar.providers.sse import StreamReader
from bursar.providers.values import MODEL_CHARS_MAX, Answer, Asked, Choices, Count, OutputLimit

_ANTHROPIC = b'"anthropic_version"'
_LATENCY_HEADER, _TIER_HEADER = b"x-amzn-bedrock-performanceconfig-latency", b"x-amzn-bedrock-service-tier"
_NUMBERS = ("max_tokens", "max_tokens_to_sample", "max_gen_len", "max_completion_tokens", "maxTokens")
_IN_CONFIG = ("maxTokens", "max_new_tokens")
_FIELD_OF_FAMILY = (
    ("anthropic.claude-v2", "max_tokens_to_sample"),
    ("anthropic.claude-instant", "max_tokens_to_sample"),
    ("anthropic.", "max_tokens"),
    ("meta.", "max_gen_len"),
    ("mistral.", "max_tokens"),
    ("cohere.command", "max_tokens"),
    ("ai21.", "max_tokens"),
    ("deepseek.", "max_tokens"),
    ("qwen.", "max_tokens"),
    ("openai.", "max_completion_tokens"),
)
"""Where a family limits its output, for a body that doesn't; Nova and Titan do it in an object of their own."""

_EMBEDDINGS = re.compile(r"embed", re.IGNORECASE)
_PICTURES = re.compile(
    r"\b(?:stability\.|amazon\.titan-image|amazon\.nova-canvas|amazon\.nova-reel|luma\.|twelvelabs\.)"
)


class _Config(msgspec.Struct, gc=False):
    max_tokens: OutputLimit | None = msgspec.field(default=None, name="maxTokens")
    max_new_tokens: OutputLimit | None = None


class _TextConfig(msgspec.Struct, gc=False, rename="camel"):
    max_token_count: OutputLimit | None = None


class _Tools(msgspec.Struct, gc=False):
    tools: list[msgspec.Raw] | None = None


class _SystemTool(msgspec.Struct, gc=False):
    name: str | None = None


class _Tool(msgspec.Struct, gc=False, rename="camel"):
    system_tool: _SystemTool | None = None


class _ServiceTier(msgspec.Struct, gc=False):
    type: str | None = None


class _Latency(msgspec.Struct, gc=False):
    latency: str | None = None


class _Converse(msgspec.Struct, rename="camel"):
    inference_config: _Config | None = None
    tool_config: _Tools | None = None
    request_metadata: dict[str, str] | None = None
    service_tier: _ServiceTier | None = None
    performance_config: _Latency | None = None
    additional_model_request_fields: Any = None  # the model's own words: Claude's own tools are there
    model: Any = None  # the path's counts


class _Invoke(msgspec.Struct):
    """What any family's body may say that is billed by."""

    max_tokens: OutputLimit | None = None
    max_tokens_to_sample: OutputLimit | None = None
    max_gen_len: OutputLimit | None = None
    max_completion_tokens: OutputLimit | None = None
    max_tokens_camel: OutputLimit | None = msgspec.field(default=None, name="maxTokens")
    inference_config: _Config | None = msgspec.field(default=None, name="inferenceConfig")
    text_config: _TextConfig | None = msgspec.field(default=None, name="textGenerationConfig")
    num_generations: Choices | None = None
    n: Choices | None = None
    tools: Any = None
    tool_config: Any = msgspec.field(default=None, name="toolConfig")  # Nova
    model: Any = None  # the path's counts


class _Counted(msgspec.Struct, gc=False, rename="camel"):
    input_tokens: Count | None = None


class _Object(msgspec.Struct):
    """Any JSON object."""

    model: Any = None  # the path's counts


_CONVERSE = msgspec.json.Decoder(_Converse)
_SYSTEM_TOOL = msgspec.json.Decoder(_Tool)
_INVOKE = msgspec.json.Decoder(_Invoke)
_COUNTED = msgspec.json.Decoder(_Counted)
_OBJECT = msgspec.json.Decoder(_Object)

_EXCEPTIONS = {
    401: "AccessDeniedException",
    402: "ServiceQuotaExceededException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    429: "ThrottlingException",
    502: "ServiceUnavailableException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
    529: "ServiceUnavailableException",
}
_IN_STREAMS = {
    "InternalServerException",
    "ModelStreamErrorException",
    "ValidationException",
    "ThrottlingException",
    "ServiceUnavailableException",
}


class BedrockConverse(SpeaksInHeaders):
    """`/converse` and `/converse-stream` of one model."""

    name = "bedrock-converse"
    family = BEDROCK

    def __init__(self, model: str = "", *, streams: bool = False) -> None:
        self.operation: str = Operation.CHAT
        self._model = model
        self._streams = streams

    def read_request(self, body: bytes) -> Asked:
        seen = decode_request(_CONVERSE, body)
        model = _named(self._model)
        media, data_bytes = media_of_bedrock(body)
        tier = seen.service_tier.type if seen.service_tier is not None else None
        is_optimized = seen.performance_config is not None and seen.performance_config.latency == OPTIMIZED
        return Asked(
            model,
            self._streams,
            seen.inference_config.max_tokens if seen.inference_config is not None else None,
            OPTIMIZED if is_optimized else clip(tier),
            metadata=texts(seen.request_metadata),
            wants_usage=True,  # the stream's last event has it
            tools=(len(seen.tool_config.tools or ()) if seen.tool_config is not None else 0)
            + _tools_in(seen.additional_model_request_fields),
            media=media,
            data_bytes=data_bytes,
            model_in_path=True,
            fees=_fees(seen.tool_config.tools) if seen.tool_config is not None else (),
        )

    def with_usage(self, body: bytes, asked: Asked) -> bytes:
        return body

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        return with_inner_number(body, ("inferenceConfig",), ("maxTokens",), tokens)

    def read_answer(self, body: bytes, status: int) -> Answer:
        return error_of(body, status) if status >= 400 else read_converse(body)

    def with_headers(self, answer: Answer, status: int, headers: Headers) -> Answer:
        """The request's id, the type of an error, the tier served, and counts where the body has fewer."""
        said = dict(headers)
        answer.upstream_id = answer.upstream_id or clip(said.get(b"x-amzn-requestid", b"").decode("latin-1"))
        if status >= 400:
            named = said.get(b"x-amzn-errortype", b"").decode("latin-1")
            return replace(answer, error_code=exception_name(named)) if named else answer
        counted = usage_of_headers(headers)
        if size_of(counted) > size_of(answer.usage):
            answer.usage = counted
        tier = said.get(_TIER_HEADER, b"").decode("latin-1")
        if said.get(_LATENCY_HEADER) == OPTIMIZED.encode():
            tier = OPTIMIZED
        answer.tier = answer.tier or clip(tier)
        return answer

    def reader(self, asked: Asked, *, strip_usage: bool) -> StreamReader:
        return ConverseReader()

    def error(self, error: BursarError, call_id: str) -> bytes:
        return errors.bedrock_error(error, call_id)

    def error_headers(self, error: BursarError) -> list[tuple[bytes, bytes]]:
        return [(b"x-amzn-errortype", exception_of(error).encode())]

    def stream_error(self, error: BursarError, call_id: str) -> bytes:
        kind = exception_of(error)
        kind = kind if kind in _IN_STREAMS else "ModelStreamErrorException"
        headers = (
            (":exception-type", kind[0].lower() + kind[1:]),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        )
        return write_frame(headers, errors.bedrock_error(error, call_id))


class BedrockInvoke(BedrockConverse):
    """`/invoke` and `/invoke-with-response-stream`: each family's own body."""

    name = "bedrock-invoke"

    def __init__(self, model: str = "", *, streams: bool = False) -> None:
        super().__init__(model, streams=streams)
        if _EMBEDDINGS.search(model):
            self.operation = Operation.EMBEDDINGS
        elif _PICTURES.search(model):
            self.operation = Operation.IMAGES

    def read_request(self, body: bytes) -> Asked:
        if self.operation != Operation.CHAT:
            decode_request(_OBJECT, body)
            model = _named(self._model)
            media, data_bytes = media_of_bedrock(body)
            limit = 0 if self.operation == Operation.EMBEDDINGS else None
            return Asked(
                model, self._streams, limit, wants_usage=True, media=media, data_bytes=data_bytes, model_in_path=True
            )
        if _ANTHROPIC in body:
            asked = MESSAGES.read_fields(body, model=self._model)
            _named(self._model)
            asked.stream, asked.model_in_path = self._streams, True
            return asked
        seen = decode_request(_INVOKE, body)
        model = _named(self._model)
        media, data_bytes = media_of_bedrock(body)
        return Asked(
            model,
            self._streams,
            _limit_of(seen),
            wants_usage=True,
            tools=(len(seen.tools) if isinstance(seen.tools, list) else 0) + _tools_in(seen.tool_config),
            choices=max(seen.num_generations or 1, seen.n or 1),
            media=media,
            data_bytes=data_bytes,
            model_in_path=True,
        )

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        seen = decode_answer(_INVOKE, body)
        if seen is None or self.operation != Operation.CHAT:
            return None
        if seen.inference_config is not None or "amazon.nova" in self._model:
            return with_inner_number(body, ("inferenceConfig",), _IN_CONFIG, tokens)
        if seen.text_config is not None or "amazon.titan-text" in self._model:
            return with_inner_number(body, ("textGenerationConfig",), ("maxTokenCount",), tokens)
        if _limit_of(seen) is not None:
            return with_number(body, _NUMBERS, tokens)
        if _ANTHROPIC in body:
            return with_number(body, ("max_tokens",), tokens)
        field = next((field for family, field in _FIELD_OF_FAMILY if family in self._model), "")
        return with_number(body, (field,), tokens) if field else None

    def asked_with(self, asked: Asked, headers: Headers) -> Asked:
        """The tier and the latency stand in headers here, since each family's body is its own."""
        for name, value in headers:
            if name == _LATENCY_HEADER and value == OPTIMIZED.encode():
                asked.tier = OPTIMIZED
            elif name == _TIER_HEADER and asked.tier != OPTIMIZED:
                asked.tier = clip(value.decode("latin-1"))
        return asked

    def read_answer(self, body: bytes, status: int) -> Answer:
        return error_of(body, status) if status >= 400 else read_invoked(body)

    def reader(self, asked: Asked, *, strip_usage: bool) -> StreamReader:
        return InvokeReader()


class BedrockCountTokens(BedrockConverse):
    """`/count-tokens`: free, so its usage is a known nothing."""

    name = "bedrock-count-tokens"

    def __init__(self, model: str = "") -> None:
        super().__init__(model)
        self.operation = Operation.COUNT_TOKENS

    def read_request(self, body: bytes) -> Asked:
        decode_request(_OBJECT, body)
        return Asked(_named(self._model), model_in_path=True)

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        return None

    def read_answer(self, body: bytes, status: int) -> Answer:
        if status >= 400:
            return error_of(body, status)
        counted = decode_answer(_COUNTED, body)
        return Answer() if counted is None or counted.input_tokens is None else Answer(Usage(), complete=True)


def bedrock_dialect(path: str) -> tuple[Dialect, str] | None:
    """The dialect of a POST's path, bound to its model, and the path at AWS; None if it isn't Bedrock's."""
    found = split_path(path)
    if found is None:
        return None
    at_aws, model, action = found
    match action:
        case "converse" | "converse-stream":
            return BedrockConverse(model, streams=action == "converse-stream"), at_aws
        case "invoke" | "invoke-with-response-stream":
            return BedrockInvoke(model, streams=action != "invoke"), at_aws
    return BedrockCountTokens(model), at_aws


def exception_of(error: BursarError) -> str:
    """The type of AWS's that says the same. One that mustn't be tried again is none that clients try again by."""
    if error.status == 429 and not error.retry:
        return "ServiceQuotaExceededException"
    return _EXCEPTIONS.get(error.status) or ("ValidationException" if error.status < 500 else "InternalServerException")


def _fees(tools: list[msgspec.Raw] | None) -> tuple[tuple[str, int], ...]:
    """Tools of Amazon's own, that are billed by the call under names of their own."""
    found = []
    for raw in tools or ():
        tool = decode_answer(_SYSTEM_TOOL, bytes(raw))
        if tool is not None and tool.system_tool is not None and tool.system_tool.name:
            found.append((tool_price_name(tool.system_tool.name), CALLS_ASSUMED))
    return tuple(found)


def _tools_in(fields: Any) -> int:
    """How many tools stand in an object of the request that nobody else reads."""
    tools = fields.get("tools") if isinstance(fields, dict) else None
    return len(tools) if isinstance(tools, list) else 0


def _named(model: str) -> str:
    """The path's model. Raises BadRequest if AWS could have no such model."""
    require_model(model)
    if len(model) > MODEL_CHARS_MAX or not is_model_id(model):
        raise BadRequest(
            f"a model is a Bedrock id or ARN of at most {MODEL_CHARS_MAX} characters, in the path as one segment",
            field="model",
        )
    return model


def _limit_of(seen: _Invoke) -> int | None:
    """The largest limit that a body gives: which of several a model heeds is its own affair."""
    given = [
        seen.max_tokens,
        seen.max_tokens_to_sample,
        seen.max_gen_len,
        seen.max_completion_tokens,
        seen.max_tokens_camel,
        seen.text_config.max_token_count if seen.text_config is not None else None,
    ]
    if seen.inference_config is not None:
        given += [seen.inference_config.max_tokens, seen.inference_config.max_new_tokens]
    return max((limit for limit in given if limit is not None), default=None)


UNBOUND: tuple[Dialect, ...] = (BedrockConverse(), BedrockInvoke(), BedrockCountTokens())
"""For those who know a dialect by its name alone: errors, recordings."""
