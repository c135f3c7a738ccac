"""Anthropic's Messages, their token count, and the vendors that speak them.

A stream reports usage twice: in `message_start`, and cumulatively in `message_delta`. It is complete when
`message_stop` came. An `error` event may come at any time under a status of 200 (`overloaded_error`).
Source: tests/golden/anthropic-*; Anthropic's published schema.
"""

from typing import Any, ClassVar

import msgspec

from bursar.domain.charge import Operation
from bursar.domain.errors import BursarError
from bursar.domain.usage import Usage
from bursar.providers import errors
from bursar.providers.anthropic_usage import MessageUsage, billed_beside, merge_usage, usage_of_message
from bursar.providers.media import TextMessage, TextPart, decode_with_media
from bursar.providers.peer_fields import PeerFields, metadata_of
from bursar.providers.reading import clip, decode_answer, labels, require_model, served_tier
from bursar.providers.server_tools import Tool, advisers_of, models_in, passes_of, reads_by_itself, searches_allowed
from bursar.providers.splice import with_number
from bursar.providers.sse import StreamReader, text_bytes
from bursar.providers.values import Answer, Asked, ModelName, OutputLimit


class _Request(PeerFields):
    model: ModelName | None = None
    stream: bool | None = None
    max_tokens: OutputLimit | None = None
    service_tier: str | None = None
    metadata: dict[str, Any] | None = None
    tools: list[Tool] | None = None
    speed: Any = None
    inference_geo: Any = None
    context_management: Any = None
    fallbacks: Any = None
    mcp_servers: Any = None


class _TextRequest(_Request):
    """One that holds text alone."""

    messages: list[TextMessage] | None = None
    system: str | list[TextPart] | None = None


class _Message(msgspec.Struct):
    """A whole answer, or the one inside `message_start`."""

    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: MessageUsage | None = None
    type: str | None = None
    error: Any = None


class _Lenient(msgspec.Struct):
    """What is left to read of a message whose usage can't be."""

    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    error: Any = None
    usage: ClassVar[None] = None


class _Delta(msgspec.Struct, gc=False):
    """Of a message: why it stopped. Of a block: more text, of whatever kind."""

    stop_reason: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None


class _Event(msgspec.Struct):
    """One event of a stream."""

    type: str = ""
    message: _Message | None = None
    delta: _Delta | None = None
    usage: MessageUsage | None = None
    error: Any = None


class _LenientEvent(msgspec.Struct):
    type: str = ""
    message: _Lenient | None = None
    delta: _Delta | None = None
    error: Any = None
    usage: ClassVar[None] = None


class _Counted(msgspec.Struct, gc=False):
    input_tokens: int | None = None


_REQUEST = msgspec.json.Decoder(_Request)
_TEXT_REQUEST = msgspec.json.Decoder(_TextRequest)
_MESSAGE = msgspec.json.Decoder(_Message)
_LENIENT = msgspec.json.Decoder(_Lenient)
_COUNTED = msgspec.json.Decoder(_Counted)

FAST = "fast"  # a speed to clients, a tier to the price list
_UNMETERED_REGIONS = (None, "", "global", "not_available")


class AnthropicMessages:
    """`POST /v1/messages`."""

    name = "anthropic-messages"
    family = "anthropic"
    operation = Operation.CHAT

    def read_request(self, body: bytes) -> Asked:
        return self.read_fields(body, model=None)

    def read_fields(self, body: bytes, *, model: str | None) -> Asked:
        """What a body asks for. model: where something else than the body names it."""
        seen, media, data_bytes = decode_with_media(_TEXT_REQUEST, _REQUEST, body)
        return Asked(
            require_model(seen.model) if model is None else model,
            seen.stream is True,
            seen.max_tokens,
            FAST if seen.speed == FAST else seen.service_tier or "",
            "",
            metadata_of(seen, seen.metadata),
            True,  # a Messages stream always reports its usage
            len(seen.tools) if seen.tools else 0,
            1,
            labels(seen.tags) if seen.tags else [],
            media=media,
            data_bytes=data_bytes,
            searches=searches_allowed(seen.tools) if seen.tools else 0,
            region=clip(seen.inference_geo) if isinstance(seen.inference_geo, str) else "",
            passes=1 if seen.context_management is None else passes_of(seen.context_management),
            reads=bool(seen.mcp_servers) or reads_by_itself(seen.tools),
            also=advisers_of(seen.tools) + models_in(seen.fallbacks) if seen.tools or seen.fallbacks else (),
        )

    def with_usage(self, body: bytes, asked: Asked) -> bytes:
        return body

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        return with_number(body, ("max_tokens",), tokens)

    def read_answer(self, body: bytes, status: int) -> Answer:
        return read_plain(body, status)

    def reader(self, asked: Asked, *, strip_usage: bool) -> StreamReader:
        return MessagesReader()

    def error(self, error: BursarError, call_id: str) -> bytes:
        return errors.anthropic_error(error, call_id)

    def stream_error(self, error: BursarError, call_id: str) -> bytes:
        return b"event: error\ndata: " + errors.anthropic_error(error, call_id) + b"\n\n"


class AnthropicCountTokens(AnthropicMessages):
    """`POST /v1/messages/count_tokens`: free, so its usage is a known nothing."""

    name = "anthropic-count-tokens"
    operation = Operation.COUNT_TOKENS

    def read_answer(self, body: bytes, status: int) -> Answer:
        if status >= 400:
            return Answer(error_code=errors.error_code(body, status), complete=True)
        counted = decode_answer(_COUNTED, body)
        if counted is None or counted.input_tokens is None:
            return Answer()
        return Answer(Usage(), complete=True)


class MessagesReader(StreamReader):
    """Watches a Messages stream."""

    __slots__ = ("_error", "_id", "_model", "_seen", "_stop")

    _decoder = msgspec.json.Decoder(_Event)
    _lenient = msgspec.json.Decoder(_LenientEvent)
    _usage_marker = b'"output_tokens"'
    _reason_marker = b'"stop_reason":"'
    _text_markers = (b'"text":"', b'"partial_json":"', b'"thinking":"')

    def __init__(self) -> None:
        super().__init__()
        self._seen: MessageUsage | None = None
        self._id = self._model = self._stop = self._error = ""

    def _said(self) -> Answer:
        if self.plain:
            return read_plain(self.plain, 200)
        complete = self._done and not self._error
        return _answer(self._seen, self._model, self._id, self._stop, complete, self._error)

    def _take(self, event: Any) -> bool:
        delta: _Delta | None = event.delta
        if delta is not None:
            text = delta.text or delta.partial_json or delta.thinking
            if text:
                self._counted += text_bytes(text)
                return False
            if delta.stop_reason:
                self._stop = clip(delta.stop_reason)
        message: _Message | None = event.message
        if message is not None:
            self._id = clip(message.id) or self._id
            self._model = clip(message.model) or self._model
        report: MessageUsage | None = event.usage or (message.usage if message is not None else None)
        if report:
            self._seen = report if self._seen is None else merge_usage(self._seen, report)
        if event.type == "message_stop":
            self._done = True
        elif event.type == "error" or event.error:
            self._error = errors.code_of(event.error) or "error"
        return False


def read_plain(body: bytes, status: int) -> Answer:
    """A whole answer in one JSON body, of any status."""
    if status >= 400:
        return Answer(error_code=errors.error_code(body, status), complete=True)
    seen = decode_answer(_MESSAGE, body)
    named = seen or decode_answer(_LENIENT, body)
    if named is None:
        return Answer()
    usage = seen.usage if seen else None
    error = (errors.code_of(named.error) or "error") if named.error else ""
    return _answer(usage, clip(named.model), clip(named.id), clip(named.stop_reason), True, error)


def _answer(seen: MessageUsage | None, model: str, upstream_id: str, stop: str, complete: bool, error: str) -> Answer:
    tier = region = ""
    if seen is not None:
        tier = FAST if seen.speed == FAST else served_tier(seen.service_tier)
        region = "" if seen.inference_geo in _UNMETERED_REGIONS else clip(seen.inference_geo)
    return Answer(
        usage_of_message(seen),
        model,
        tier,
        stop,
        stop == "max_tokens",
        upstream_id,
        complete,
        None,
        error,
        billed_beside(seen),
        region,
    )


MESSAGES = AnthropicMessages()
COUNT_TOKENS = AnthropicCountTokens()
