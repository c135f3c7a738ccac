"""OpenAI's images, speech, transcriptions, translations and moderations. Their bodies are JSON or forms.

What is reported in tokens is usage: GPT images, transcriptions by GPT models, speech as a stream of events. The rest is
sold by the image, the character or the second, which Bursar has no unit for: such an answer has no usage, and its
charge is unpriced, never zero. Moderations are free by OpenAI's own word.
Source: OpenAI's published schema 2.3.0 (ImagesUsage, ImageGenUsage, TranscriptTextUsageTokens,
TranscriptTextUsageDuration, SpeechAudioDoneEvent) and price page; no recording could be had.
"""

from typing import Any, ClassVar

import msgspec

from bursar.domain.charge import Operation
from bursar.domain.errors import BadRequest, BursarError, MissingField
from bursar.domain.usage import Usage
from bursar.providers import errors
from bursar.providers.forms import form_fields, is_form
from bursar.providers.openai_usage import InputDetails, OutputDetails, ResponseUsage, usage_of_response
from bursar.providers.reading import clip, decode_answer, decode_request
from bursar.providers.sse import StreamReader
from bursar.providers.values import MODEL_CHARS_MAX, Answer, Asked, ModelName


class _Request(msgspec.Struct):
    model: ModelName | None = None
    stream: bool | None = None
    stream_format: str | None = None
    user: str | None = None


class _Usage(ResponseUsage):
    """`input_token_details`: so is it spelled for audio."""

    input_token_details: InputDetails | None = None


class _Said(msgspec.Struct):
    """A whole answer, or an event of a stream."""

    type: str | None = None
    model: str | None = None
    usage: _Usage | None = None
    error: Any = None
    code: Any = None


class _Lenient(msgspec.Struct):
    type: str | None = None
    error: Any = None
    code: Any = None
    model: ClassVar[None] = None
    usage: ClassVar[None] = None


_REQUEST = msgspec.json.Decoder(_Request)
_SAID = msgspec.json.Decoder(_Said)
_LENIENT = msgspec.json.Decoder(_Lenient)


class OpenAIMedia:
    """One of these operations.

    model: what a request that names none gets by OpenAI's schema; "": it has to name one.
    made: the kind of the output tokens, where an answer doesn't tell: "image_tokens", "audio_tokens" or "" (text).
    """

    family = "openai"

    def __init__(self, name: str, operation: Operation, *, model: str = "", made: str = "") -> None:
        self.name = name
        self.operation = operation
        self._model = model
        self._made = made

    def read_request(self, body: bytes) -> Asked:
        seen = _read_form(body) if is_form(body) else decode_request(_REQUEST, body)
        model = seen.model or self._model
        if not model:
            raise MissingField("the request names no model", field="model")
        streams = seen.stream is True or seen.stream_format == "sse"
        return Asked(model, streams, 0, user=seen.user or "", wants_usage=True)

    def with_usage(self, body: bytes, asked: Asked) -> bytes:
        return body

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        return None

    def read_answer(self, body: bytes, status: int) -> Answer:
        """Audio and plain texts too, which say nothing of what they used."""
        if status >= 400:
            return Answer(error_code=errors.error_code(body, status), complete=True)
        seen = decode_answer(_SAID, body)
        usage = usage_of_media(seen.usage, self._made) if seen else None
        if self.operation == Operation.MODERATION and seen is not None:
            usage = Usage()
        return Answer(usage, clip(seen.model) if seen else "", complete=True)

    def reader(self, asked: Asked, *, strip_usage: bool) -> "MediaReader":
        return MediaReader(self._made)

    def error(self, error: BursarError, call_id: str) -> bytes:
        return errors.openai_error(error)

    def stream_error(self, error: BursarError, call_id: str) -> bytes:
        return b"data: " + errors.openai_error(error) + b"\n\n"


class MediaReader(StreamReader):
    """Watches a stream of images, speech or a transcript; its last event has the usage."""

    __slots__ = ("_answer", "_made")

    _decoder = _SAID
    _lenient = _LENIENT
    _usage_marker = b'"usage"'
    _reason_marker = b'"usage"'
    _text_markers = (b'"delta":"',)

    def __init__(self, made: str) -> None:
        super().__init__()
        self._made = made
        self._answer = Answer()

    def _said(self) -> Answer:
        return self._answer

    def _take(self, event: Any) -> bool:
        if event.error or event.type == "error":
            self._answer.error_code = errors.code_of(event.error) or errors.code_of({"code": event.code}) or "error"
        elif event.type and event.type.endswith((".completed", ".done")):
            usage = usage_of_media(event.usage, self._made)
            self._answer.usage = usage or self._answer.usage
            self._answer.complete = True
        return False


def usage_of_media(seen: _Usage | None, made: str) -> Usage | None:
    """Disjoint classes; None where the answer counts no tokens."""
    if seen is None:
        return None
    if seen.input_token_details is not None and seen.input_tokens_details is None:
        seen.input_tokens_details = seen.input_token_details
    if made and seen.output_tokens_details is None and seen.output_tokens:
        seen.output_tokens_details = OutputDetails(**{made: seen.output_tokens})
    return usage_of_response(seen)


def _read_form(body: bytes) -> _Request:
    """Raises BadRequest for a form that isn't whole."""
    fields = form_fields(body)
    if fields is None:
        raise BadRequest("the multipart body can't be read: it isn't whole, or has more parts than a call needs")

    def last(name: str) -> str:
        return (fields.get(name) or [""])[-1]

    if len(fields.get("model", ())) > 1:
        raise BadRequest("model is given more than once; send it once", field="model")
    if len(last("model")) > MODEL_CHARS_MAX:
        raise BadRequest(f"model is longer than {MODEL_CHARS_MAX} characters", field="model")
    return _Request(last("model"), last("stream").lower() == "true", last("stream_format"), last("user"))


IMAGES = OpenAIMedia("openai-images", Operation.IMAGES, model="dall-e-2", made="image_tokens")
SPEECH = OpenAIMedia("openai-speech", Operation.SPEECH, made="audio_tokens")
TRANSCRIPTIONS = OpenAIMedia("openai-transcriptions", Operation.TRANSCRIPTION)
TRANSLATIONS = OpenAIMedia("openai-translations", Operation.TRANSCRIPTION)
MODERATIONS = OpenAIMedia("openai-moderations", Operation.MODERATION, model="omni-moderation-latest")
