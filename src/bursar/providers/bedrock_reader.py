"""Amazon Bedrock's answers: whole ones, and streams of frames.

Converse's stream ends with `metadata`, which has the usage. A stream of `invoke-with-response-stream` wraps the model's
own events, whose last one carries `amazon-bedrock-invocationMetrics`. A frame of the type `exception` ends either under
a status of 200; so do a frame whose checksum is wrong and a stream that breaks off inside one.
Source: tests/golden/bedrock; the service model of bedrock-runtime, botocore 1.44.5.
"""

import binascii
import re
from typing import Any, ClassVar

import msgspec
from msgspec.structs import replace

from bursar.domain.usage import Usage
from bursar.providers import anthropic, errors
from bursar.providers.anthropic import MessagesReader
from bursar.providers.bedrock_usage import (
    InvocationMetrics,
    TokenUsage,
    Trace,
    billed_beside,
    model_routed_to,
    size_of,
    usage_of_converse,
    usage_of_metrics,
)
from bursar.providers.event_frames import Frame, Frames
from bursar.providers.openai_chat import CHAT
from bursar.providers.reading import clip, decode_answer
from bursar.providers.sse import EVENT_BYTES_MAX, UNCOUNTED_BYTES_MAX, StreamReader
from bursar.providers.values import Answer, Count

CORRUPT = "stream_corrupt"  # the error code of a stream whose checksums are wrong
FILLED_BYTES_MAX = 64 * 1024
OPTIMIZED = "optimized"
CUT_REASONS = frozenset({"max_tokens", "length", "model_context_window_exceeded"})

_REASON = re.compile(rb'"(?:stop_reason|stopReason|completionReason|finish_reason)"\s*:\s*"([^"\\]{1,64})"')
_METRICS = b"amazon-bedrock-invocationMetrics"
_METRICS_CODED = (b"aW52b2NhdGlvbk1ldHJpY3", b"ludm9jYXRpb25NZXRyaWNz", b"pbnZvY2F0aW9uTWV0cmljc")
"""`invocationMetrics` as base64 has it, at each of the three places where its first byte can stand."""


class _Latency(msgspec.Struct, gc=False):
    latency: str | None = None


class _Tier(msgspec.Struct, gc=False):
    type: str | None = None


class _Converse(msgspec.Struct, rename="camel"):
    """A whole answer of Converse, or a stream's `messageStop` or `metadata`."""

    stop_reason: str | None = None
    usage: TokenUsage | None = None
    trace: Trace | None = None
    performance_config: _Latency | None = None
    service_tier: _Tier | None = None


class _Lenient(msgspec.Struct, rename="camel"):
    """What is left to read of an answer whose usage can't be."""

    stop_reason: str | None = None
    service_tier: _Tier | None = None
    usage: ClassVar[None] = None
    trace: ClassVar[None] = None
    performance_config: ClassVar[None] = None


class _Part(msgspec.Struct, gc=False):
    bytes: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    metrics: InvocationMetrics | None = msgspec.field(default=None, name=_METRICS.decode())


class _Result(msgspec.Struct, gc=False, rename="camel"):
    token_count: Count | None = None


class _Invoked(msgspec.Struct):
    """Counts in the bodies of Nova, Llama and Titan."""

    usage: TokenUsage | None = None
    prompt_token_count: Count | None = None
    generation_token_count: Count | None = None
    input_text_token_count: Count | None = msgspec.field(default=None, name="inputTextTokenCount")
    results: list[_Result] | None = None


_CONVERSE = msgspec.json.Decoder(_Converse)
_LENIENT = msgspec.json.Decoder(_Lenient)
_PART = msgspec.json.Decoder(_Part)
_CHUNK = msgspec.json.Decoder(_Chunk)
_INVOKED = msgspec.json.Decoder(_Invoked)


class FrameReader(StreamReader):
    """Watches a stream of frames; a dialect fills in `_see_frame` and `_heard`."""

    __slots__ = ("_ended", "_error", "_frames")

    def __init__(self) -> None:
        super().__init__()
        self._frames = Frames(EVENT_BYTES_MAX)
        self._ended = False  # the last event came
        self._error = ""

    def closing(self, event: bytes) -> bytes:
        """An exception of ours. Inside a frame nothing can be said: it is filled up, and its checksum is wrong, so that
        a client raises an error instead of taking the answer for a whole one."""
        missing = self._frames.missing
        if self._frames.fault or missing > FILLED_BYTES_MAX:
            return b""
        return bytes(missing) + event

    def _take_in(self, chunk: bytes) -> bytes:
        for frame in self._frames.feed(chunk):
            if frame.kind == "event":
                self._see_frame(frame)
            else:
                self._error = self._error or exception_name(frame.name)
        self.oversized = self._frames.oversized
        return chunk

    def _put_by(self, text: bytes) -> None:
        """What holds text of the answer, to be counted if it is needed."""
        self._uncounted.append(text)
        self._uncounted_bytes += len(text)
        if self._uncounted_bytes > UNCOUNTED_BYTES_MAX:
            self._count()

    def _said(self) -> Answer:
        """The answer as far as it came: complete with its last event, unless something is wrong with its bytes."""
        answer = self._heard()
        error = self._error or (CORRUPT if self._frames.fault else "")
        answer.error_code = error or answer.error_code
        answer.complete = self._ended and not answer.error_code and not self._frames.missing
        return answer

    def _see_frame(self, frame: Frame) -> None:
        raise NotImplementedError

    def _heard(self) -> Answer:
        """What the events said."""
        raise NotImplementedError


class ConverseReader(FrameReader):
    """Watches `converse-stream`."""

    __slots__ = ("_metadata", "_reason")

    last_marks = (b"metadata",)
    _text_markers = (b'"text":"', b'"input":"', b'"text": "')

    def __init__(self) -> None:
        super().__init__()
        self._reason = ""
        self._metadata: Any = None

    def _see_frame(self, frame: Frame) -> None:
        if frame.name == "contentBlockDelta":
            self._put_by(frame.payload)
        elif frame.name == "messageStop":
            said = decode_answer(_CONVERSE, frame.payload)
            self._reason = clip(said.stop_reason) if said is not None else self._reason
        elif frame.name == "metadata":
            self._ended = True
            self._metadata = _decode_converse(frame.payload)

    def _heard(self) -> Answer:
        return _answer_of(self._metadata, self._reason)


class InvokeReader(FrameReader):
    """Watches `invoke-with-response-stream`. Anthropic's events are read as in their own streams."""

    __slots__ = ("_inner", "_metrics", "_reason")

    last_marks = _METRICS_CODED
    _text_markers = (b'"text":"', b'"generation":"', b'"outputText":"', b'"content":"', b'"partial_json":"')

    def __init__(self) -> None:
        super().__init__()
        self._inner = MessagesReader()
        self._metrics: InvocationMetrics | None = None
        self._reason = ""

    @property
    def output_bytes(self) -> int:
        self._look()
        if self._uncounted:
            self._count()
        return max(self._counted, self._inner.output_bytes)

    def _see_frame(self, frame: Frame) -> None:
        part = decode_answer(_PART, frame.payload) if frame.name == "chunk" else None
        if part is None or part.bytes is None:
            return
        try:
            event = binascii.a2b_base64(part.bytes, strict_mode=True)
        except (binascii.Error, ValueError):
            self._error = self._error or CORRUPT
            return
        if _METRICS in event:
            said = decode_answer(_CHUNK, event)
            if said is not None and said.metrics is not None:
                self._ended, self._metrics = True, said.metrics
        if found := _REASON.search(event):
            self._reason = found[1].decode("utf-8", "replace")
        self._put_by(event)
        self._inner.feed(b"data: %b\n\n" % event.replace(b"\n", b" "))

    def _heard(self) -> Answer:
        """The larger of both reports: Anthropic's tells the writes apart, the metrics are what AWS counted."""
        said = self._inner.answer()
        counted = usage_of_metrics(self._metrics)
        self._ended = self._ended or said.complete
        usage = said.usage if size_of(said.usage) >= size_of(counted) else counted
        return replace(said, usage=usage, model="", region="", **_ending(said.finish_reason or self._reason))


def read_converse(body: bytes) -> Answer:
    """A whole answer of Converse."""
    seen = _decode_converse(body)
    if seen is None:
        return Answer()
    return replace(_answer_of(seen, clip(seen.stop_reason)), complete=True)


def read_invoked(body: bytes) -> Answer:
    """A whole answer of a model in the model's own words; what these leave out, its headers say."""
    said = anthropic.read_plain(body, 200)
    usage = said.usage
    if usage is None:
        usage = CHAT.read_answer(body, 200).usage or _usage_invoked(decode_answer(_INVOKED, body))
    reason = said.finish_reason
    if not reason and (found := _REASON.search(body)):
        reason = found[1].decode("utf-8", "replace")
    return replace(said, usage=usage, model="", region="", **_ending(reason))


def exception_name(name: str) -> str:
    """An exception as its type is called: in a stream its first letter is small.

    >>> exception_name("throttlingException"), exception_name("ValidationException:http://internal/")
    ('ThrottlingException', 'ValidationException')
    """
    name = name.partition(":")[0].rpartition("#")[2]
    return clip(name[:1].upper() + name[1:]) or "error"


def error_of(body: bytes, status: int) -> Answer:
    """A refusal. Its type stands in its headers, and at some addresses in `__type`."""
    named = errors.error_code(body, status)
    return Answer(error_code=named, complete=True)


def _decode_converse(body: bytes) -> Any:
    return decode_answer(_CONVERSE, body) or decode_answer(_LENIENT, body)


def _answer_of(seen: Any, reason: str) -> Answer:
    """What Converse said, in one body or in its last two events."""
    answer = Answer(**_ending(reason))
    if seen is None:
        return answer
    answer.usage = usage_of_converse(seen.usage)
    if answer.usage is None and seen.usage is not None and reason == "guardrail_intervened":
        answer.usage = Usage()  # the prompt was blocked: no model saw it
    answer.model = model_routed_to(seen.trace)
    tier = seen.service_tier.type if seen.service_tier is not None else None
    is_optimized = seen.performance_config is not None and seen.performance_config.latency == OPTIMIZED
    answer.tier = OPTIMIZED if is_optimized else clip(tier)
    answer.also = billed_beside(seen.trace, seen.usage)
    return answer


def _ending(reason: str) -> dict[str, Any]:
    return {"finish_reason": reason, "truncated": reason.lower() in CUT_REASONS}


def _usage_invoked(seen: _Invoked | None) -> Usage | None:
    """Nova's, Llama's or Titan's own counts."""
    if seen is None:
        return None
    made = sum(one.token_count or 0 for one in seen.results or ())
    sent = seen.prompt_token_count or seen.input_text_token_count
    counted = TokenUsage(input_tokens=sent, output_tokens=seen.generation_token_count or made)
    return usage_of_converse(seen.usage) or usage_of_converse(counted)
