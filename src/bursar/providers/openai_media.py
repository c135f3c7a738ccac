"""OpenAI's images, speech, transcriptions, translations and moderations. Their bodies are JSON or forms.

What is reported in tokens is usage: GPT images, transcriptions by GPT models, speech as a stream of events. The rest is
sold by what stands in the request or the answer: the characters of a text that is spoken, the seconds that a
transcription says it heard, the images that came, under a name with their quality and size (`dall-e-3/hd/1024x1792`).
What neither says is unpriced, never zero. Moderations are free by OpenAI's own word.
Source: OpenAI's published schema 2.3.0 (ImagesUsage, ImageGenUsage, TranscriptTextUsageTokens,
TranscriptTextUsageDuration, SpeechAudioDoneEvent) and price page; no recording could be had.
"""

from typing import Annotated, Any, ClassVar

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

BY_CHARACTER = "tts-1"
BY_IMAGE = "dall-e"
DEFAULT_SIZE, DEFAULT_QUALITY = "1024x1024", "standard"
IMAGES_MAX = 100  # more in one request is no such request
Seconds = Annotated[float, msgspec.Meta(ge=0, le=10_000_000)]


class _Request(msgspec.Struct):
    model: ModelName | None = None
    stream: bool | None = None
    stream_format: str | None = None
    user: str | None = None
    input: Any = None
    n: Any = None
    size: Any = None
    quality: Any = None


class _Usage(ResponseUsage):
    """`input_token_details`: so is it spelled for audio."""

    input_token_details: InputDetails | None = None
    seconds: Seconds | None = None


class _Said(msgspec.Struct):
    """A whole answer, or an event of a stream."""

    type: str | None = None
    model: str | None = None
    usage: _Usage | None = None
    data: list[msgspec.Raw] | None = None
    error: Any = None
    code: Any = None


class _Lenient(msgspec.Struct):
    type: str | None = None
    error: Any = None
    code: Any = None
    model: ClassVar[None] = None
    usage: ClassVar[None] = None
    data: ClassVar[None] = None


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
        sold, sold_as = self._sold(seen, model)
        return Asked(model, streams, 0, user=seen.user or "", wants_usage=True, sold=sold, sold_as=sold_as)

    def _sold(self, seen: _Request, model: str) -> tuple[Usage | None, str]:
        """What the request says will be billed, and under which name: a text by its characters, images of a size."""
        if self.operation == Operation.SPEECH and model.startswith(BY_CHARACTER) and isinstance(seen.input, str):
            return Usage(characters=len(seen.input)), ""
        if self.operation == Operation.IMAGES and model.startswith(BY_IMAGE):
            size = seen.size if isinstance(seen.size, str) and seen.size else DEFAULT_SIZE
            quality = seen.quality if isinstance(seen.quality, str) and seen.quality else DEFAULT_QUALITY
            count = _count(seen.n)
            name = clip(f"{model}/{quality}/{size}")
            return (Usage(images=count), name) if 1 <= count <= IMAGES_MAX else (None, name)
        return None, ""

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
        if self.operation == Operation.IMAGES and usage is None and seen is not None and seen.data:
            usage = Usage(images=len(seen.data))  # of a model that is sold by the image; another one has no such price
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
    if seen.seconds is not None:
        return Usage(audio_seconds=max(1, int(seen.seconds + 0.5)))  # billed by the second, rounded to the nearest
    if seen.input_token_details is not None and seen.input_tokens_details is None:
        seen.input_tokens_details = seen.input_token_details
    if made and seen.output_tokens_details is None and seen.output_tokens:
        seen.output_tokens_details = OutputDetails(**{made: seen.output_tokens})
    return usage_of_response(seen)


def _count(n: Any) -> int:
    """How many images are asked for, one where nothing is said; 0: it can't be read, which isn't one.

    >>> _count(None), _count("3"), _count(2.0), _count("many"), _count([4])
    (1, 3, 2, 0, 0)
    """
    if n is None or n == "":
        return 1
    if isinstance(n, float):
        return int(n) if n.is_integer() else 0
    return int(n) if isinstance(n, int) or (isinstance(n, str) and n.isdecimal()) else 0


def _read_form(body: bytes) -> _Request:
    """Raises BadRequest for a form that isn't whole."""
    fields = form_fields(body)
    if fields is None:
        raise BadRequest("the multipart body can't be read: it isn't whole, or has more parts than a call needs")

    def last(name: str) -> str:
        return (fields.get(name) or [""])[-1]

    for name in ("model", "n", "size", "quality"):
        if len(fields.get(name, ())) > 1:
            raise BadRequest(f"{name} is given more than once; send it once", field=name)
    if len(last("model")) > MODEL_CHARS_MAX:
        raise BadRequest(f"model is longer than {MODEL_CHARS_MAX} characters", field="model")
    return _Request(
        last("model"),
        last("stream").lower() == "true",
        last("stream_format"),
        last("user"),
        n=last("n"),
        size=last("size"),
        quality=last("quality"),
    )


IMAGES = OpenAIMedia("openai-images", Operation.IMAGES, model="dall-e-2", made="image_tokens")
SPEECH = OpenAIMedia("openai-speech", Operation.SPEECH, made="audio_tokens")
TRANSCRIPTIONS = OpenAIMedia("openai-transcriptions", Operation.TRANSCRIPTION)
TRANSLATIONS = OpenAIMedia("openai-translations", Operation.TRANSCRIPTION)
MODERATIONS = OpenAIMedia("openai-moderations", Operation.MODERATION, model="omni-moderation-latest")
