"""Gemini's answers: whole ones, and streams in both of their forms, server-sent events (`alt=sse`) or a JSON array.

A stream has no last word of its own: it is complete when a candidate said why it finished, or the prompt was blocked.
Usage comes with each chunk and counts up; the last report holds. Errors come under a status of 200 as well.
Source: tests/golden/gemini and /vertex; google-genai 3.4.0's schemas.
"""

from typing import Any, ClassVar

import msgspec

from bursar.domain.usage import Usage
from bursar.providers import errors
from bursar.providers.google_usage import (
    Grounding,
    UsageMetadata,
    billed_beside,
    merge_usage,
    searches_of,
    tier_of,
    usage_of_gemini,
)
from bursar.providers.json_array import ArrayElements
from bursar.providers.reading import clip, decode_answer
from bursar.providers.sse import EVENT_BYTES_MAX, StreamReader, text_bytes
from bursar.providers.values import Answer

_BOM_AND_SPACE = b"\xef\xbb\xbf \t\r\n"
_UNFINISHED = (None, "", "FINISH_REASON_UNSPECIFIED")


class _Part(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None
    function_call: msgspec.Raw = msgspec.Raw()


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    grounding_metadata: Grounding | None = None


class _Feedback(msgspec.Struct, gc=False, rename="camel"):
    block_reason: str | None = None


class _Response(msgspec.Struct, rename="camel"):
    """A whole answer, or a chunk of a stream."""

    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


class _LenientCandidate(msgspec.Struct, gc=False, rename="camel"):
    finish_reason: str | None = None
    content: ClassVar[None] = None
    grounding_metadata: ClassVar[None] = None


class _Lenient(msgspec.Struct, rename="camel"):
    """What is left to read of an answer whose usage or text can't be."""

    candidates: list[_LenientCandidate] | None = None
    prompt_feedback: _Feedback | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None
    usage_metadata: ClassVar[None] = None


_RESPONSE = msgspec.json.Decoder(_Response)
_LENIENT = msgspec.json.Decoder(_Lenient)
_WHOLE_STREAM = msgspec.json.Decoder(list[msgspec.Raw])


class Heard:
    """What an answer said so far, chunk by chunk."""

    __slots__ = ("_beside", "_model_asked", "_searches", "_usage", "answer", "family", "text_bytes")

    def __init__(self, family: str, model_asked: str) -> None:
        self.family = family
        self._model_asked = model_asked
        self.answer = Answer()
        self.text_bytes = 0
        self._usage: UsageMetadata | None = None
        self._searches = 0
        self._beside: tuple[str, ...] = ()

    def take(self, said: Any) -> None:
        """One more chunk, or all of it."""
        answer = self.answer
        answer.model = clip(said.model_version) or answer.model
        answer.upstream_id = answer.upstream_id or clip(said.response_id)
        if said.error and not answer.error_code:
            answer.error_code = errors.code_of(said.error) or "error"
        if said.usage_metadata is not None:
            self._usage = merge_usage(self._usage, said.usage_metadata)
        for candidate in said.candidates or ():
            if candidate.finish_reason not in _UNFINISHED and answer.finish_reason != "MAX_TOKENS":
                answer.finish_reason = clip(candidate.finish_reason)
            if candidate.grounding_metadata is not None:
                self._ground(candidate.grounding_metadata)
            for part in candidate.content.parts or () if candidate.content is not None else ():
                self.text_bytes += text_bytes(part.text) + len(bytes(part.function_call))
        if said.prompt_feedback is not None and said.prompt_feedback.block_reason:
            answer.finish_reason = answer.finish_reason or clip(said.prompt_feedback.block_reason)

    def read(self, *, complete: bool) -> Answer:
        """The answer as far as it came."""
        answer = self.answer
        answer.usage = usage_of_gemini(self._usage, self._searches)
        answer.tier = tier_of(self._usage)
        answer.truncated = answer.finish_reason == "MAX_TOKENS"
        answer.complete = complete
        answer.also = tuple((name, Usage(request=1)) for name in self._beside)
        return answer

    def _ground(self, grounding: Grounding) -> None:
        self._searches = max(self._searches, searches_of(grounding, self.answer.model or self._model_asked))
        self._beside += tuple(name for name in billed_beside(grounding, self.family) if name not in self._beside)


class GeminiReader(StreamReader):
    """Watches a stream of `streamGenerateContent`. Which of its two forms it has, its first byte says."""

    __slots__ = ("_elements", "_heard", "_is_begun")

    _decoder = msgspec.json.Decoder(_Response)
    _lenient = _LENIENT
    _usage_marker = b'"groundingMetadata"'  # usage is in every chunk and the last one's holds; this is in one, anywhere
    _reason_marker = b'"finishReason"'
    _text_markers = (b'"text": "', b'"text":"')

    def __init__(self, family: str, model_asked: str) -> None:
        super().__init__()
        self._heard = Heard(family, model_asked)
        self._elements: ArrayElements | None = None
        self._is_begun = False

    def closing(self, event: bytes) -> bytes:
        """An event of ours in this stream's form: an array takes one more element, and only between two others."""
        if self._elements is None:
            return event
        if not self._elements.between or self._elements.closed:
            return b""
        comma = b",\n" if self._heard.answer != Answer() else b""
        return comma + event.removeprefix(b"data: ").strip() + b"\n]"

    def _take_in(self, chunk: bytes) -> bytes:
        if not self._is_begun and (head := chunk.lstrip(_BOM_AND_SPACE)):
            self._is_begun = True
            if head[:1] == b"[":
                self._elements = ArrayElements(EVENT_BYTES_MAX)
        if self._elements is None:
            return super()._take_in(chunk)
        for element in self._elements.feed(chunk):
            said = decode_answer(_RESPONSE, element) or decode_answer(_LENIENT, element)
            if said is not None:
                self._take(said)
        self.oversized = self._elements.oversized
        return chunk

    def _take(self, event: Any) -> bool:
        heard = self._heard
        before = heard.text_bytes
        heard.take(event)
        self._counted += heard.text_bytes - before
        return False

    def _said(self) -> Answer:
        if self.plain:
            return read_plain(self.plain, 200, self._heard.family, "")
        answer = self._heard.answer
        return self._heard.read(complete=bool(answer.finish_reason) and not answer.error_code)


def read_plain(body: bytes, status: int, family: str, model_asked: str) -> Answer:
    """A whole answer in one body, of any status; also a stream's array that came at once."""
    if status >= 400:
        return Answer(error_code=errors.error_code(body, status), complete=True)
    heard = Heard(family, model_asked)
    chunks: list[bytes] = [body]
    if body.lstrip(_BOM_AND_SPACE)[:1] == b"[":
        chunks = [bytes(chunk) for chunk in decode_answer(_WHOLE_STREAM, body) or ()]
        if not chunks:
            return Answer()
    for chunk in chunks:
        said = decode_answer(_RESPONSE, chunk) or decode_answer(_LENIENT, chunk)
        if said is None:
            return Answer()
        heard.take(said)
    return heard.read(complete=True)
