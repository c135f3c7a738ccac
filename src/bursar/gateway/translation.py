"""A call whose provider speaks another dialect than its caller: what it is told, and what the caller hears.

A call that needs none of this pays one look at a None. From here on the call's own dialect, `asked` and body are the
provider's: bounds, limits and meters read what is really sent. Its facts keep the caller's.
"""

import time
from collections.abc import Callable, Iterable

import msgspec

from bursar.domain.errors import BadRequest, NotTranslatable
from bursar.domain.usage import Usage
from bursar.gateway.embedding import EmbeddingTranslation, embedding_of, told_vectors
from bursar.gateway.envelope import Elsewhere
from bursar.gateway.heads import Headers
from bursar.providers.base import Asked, Dialect
from bursar.providers.sse import StreamReader
from bursar.translate.answer import Ended, Event, Failed, Started
from bursar.translate.chat import CHAT
from bursar.translate.codec import BadAnswer, Codec, EventReader, EventWriter
from bursar.translate.conversation import Conversation, Losses
from bursar.translate.converse import ConverseCodec
from bursar.translate.embeddings import Embedder
from bursar.translate.gemini import GeminiCodec
from bursar.translate.registry import CODECS

STRICT_HEADER = b"x-bursar-strict"
LIMIT_HEADER = b"x-bursar-max-tokens"
KEPT_HEADERS = frozenset({b"date", b"retry-after", b"retry-after-ms", b"x-should-retry"})
"""Of a provider's answer: its others speak of its own dialect."""

STREAM_TYPES = {"bedrock-converse": b"application/vnd.amazon.eventstream"}
"""Of callers whose streams are no events."""


class Translation(msgspec.Struct):
    """Between a caller and a provider.

    caller, asked, body: what the caller said, in its own dialect, as policies left it. codec: of the caller's dialect;
    other: of the provider's. wished: how the answer is wanted, without what was said. losses: of the request, and then
    of a plain answer. limit: what our own rules made of the output limit, None: nothing. sent_limit: what was written
    in the end.
    """

    caller: Dialect
    codec: Codec
    other: Codec
    asked: Asked
    body: bytes
    wished: Conversation
    losses: Losses
    limit: int | None
    sent_limit: int | None


class Spoken(msgspec.Struct, frozen=True):
    """A request as its provider gets it."""

    translation: Translation | EmbeddingTranslation
    dialect: Dialect
    head: bytes
    asked: Asked
    body: bytes


def translate(other: Elsewhere, caller: Dialect, asked: Asked, body: bytes, limit: int | None = None) -> Spoken:
    """The caller's request for another provider, of the model in `asked`.

    Raises BadRequest where it can't be said, NotTranslatable where the caller wants it whole.
    """
    if isinstance(other.codec, Embedder):
        return _embedding(other, other.codec, caller, asked, body)
    if asked.streams_array and not other.takes_events:
        raise BadRequest("a stream of another provider's is sent as events: ask for alt=sse", field="alt")
    codec, losses = bound(CODECS[caller.name], asked), Losses()
    said = codec.read_request(body, losses)
    conversation = msgspec.structs.replace(
        said,
        model=asked.model,
        stream=asked.stream,
        wants_stream_usage=asked.wants_usage or caller.name != CHAT.dialect,  # not what we asked for ourselves
        max_output_tokens=said.max_output_tokens if limit is None else limit,
        default_output_tokens=other.output_tokens,
    )
    sent = other.codec.write_request(conversation, losses)
    if other.is_strict and losses.names:
        raise lossy(losses, caller.name, other.codec.dialect)
    dialect, head = other.streamed if asked.stream else other.plain
    there = dialect.read_request(sent.facts)
    wished = msgspec.structs.replace(
        conversation, messages=(), system=(), tools=()
    )  # the rest can be long, and is said
    translation = Translation(
        caller, codec, bound(other.codec, asked), asked, body, wished, losses, limit, there.max_output_tokens
    )
    return Spoken(translation, dialect, head, there, sent.body)


def _embedding(other: Elsewhere, embedder: Embedder, caller: Dialect, asked: Asked, body: bytes) -> Spoken:
    translation, written = embedding_of(embedder, caller, asked, body)
    if other.is_strict and translation.losses.names:
        raise lossy(translation.losses, caller.name, embedder.dialect)
    dialect, head = other.plain
    return Spoken(translation, dialect, head, dialect.read_request(written), written)


def bound(codec: Codec, asked: Asked) -> Codec:
    """The codec as this call's path makes it, where the path says what bodies of its dialect don't."""
    if isinstance(codec, GeminiCodec | ConverseCodec):
        return codec.bound(asked.model, streams=asked.stream)
    return codec


def limit_of(translation: Translation | EmbeddingTranslation, asked: Asked) -> int | None:
    """What our own rules made of the output limit up to now: a budget may have lowered it since."""
    if isinstance(translation, EmbeddingTranslation):
        return None
    sent = asked.max_output_tokens
    return translation.limit if sent == translation.sent_limit else sent


def wants_all(headers: Headers) -> bool:
    """Whether the caller rather hears a refusal than that something was left out."""
    return any(name == STRICT_HEADER and value.strip().lower() in (b"true", b"1") for name, value in headers)


def lossy(losses: Losses, caller: str, other: str) -> NotTranslatable:
    names = list(losses.names)
    error = NotTranslatable(
        f"{other} can't say {', '.join(names)}, and x-bursar-strict is set: leave that out, or ask a provider that "
        f"speaks {caller}",
        field=names[0],
    )
    error.details = {"dropped": ", ".join(names)}
    return error


def notes_of(translation: Translation | EmbeddingTranslation) -> Headers:
    """What the caller must know: headers of the answer."""
    told = f"{translation.caller.name}>{translation.other.dialect}"
    notes: Headers = [(b"x-bursar-translated", told.encode())]
    if translation.losses.names:
        dropped = ", ".join(translation.losses.names)
        notes.append((b"x-bursar-dropped", dropped.encode("ascii", "replace")))
    return notes


def limit_note(spoken: Spoken) -> Headers:
    """The output limit that the provider is told, if the caller didn't say it."""
    limit = spoken.asked.max_output_tokens
    if limit is None or spoken.translation.asked.max_output_tokens is not None:
        return []
    return [(LIMIT_HEADER, b"%d" % limit)]


def translated_answer(
    translation: Translation | EmbeddingTranslation, status: int, body: bytes, usage: Usage | None = None
) -> tuple[int, bytes]:
    """(status, body) of a whole answer as the caller hears it; what was no answer is a failure of the provider's.

    usage: as the meter read it, in headers too; a chat codec reads its own.
    """
    if isinstance(translation, EmbeddingTranslation):
        return told_vectors(translation, status, body, usage)
    codec, other = translation.codec, translation.other
    if status >= 400:
        return status, codec.write_fault(other.read_fault(status, body))
    try:
        reply = other.read_answer(body)
    except BadAnswer:
        return 502, codec.write_fault(other.read_fault(502, body))
    if not reply.created_s:
        reply = msgspec.structs.replace(reply, created_s=int(time.time()))
    return status, codec.write_answer(reply, translation.losses)


class Interpreter:
    """A provider's stream, in the caller's words. The meter sees the provider's bytes, one chunk after the other."""

    __slots__ = ("_events", "_meter", "_writer", "is_over")

    def __init__(self, translation: Translation, meter: StreamReader, call_id: str) -> None:
        self._meter: Callable[[bytes], bytes] = meter.feed
        self._events: EventReader = translation.other.reader()
        self._writer: EventWriter = translation.codec.writer(translation.wished, call_id)
        self.is_over = False  # the caller has the end of its answer, or why there is none

    def feed(self, chunk: bytes) -> bytes:
        """What the caller hears of it; b"" where nothing is to be said yet."""
        self._meter(chunk)
        return self._say(self._events.feed(chunk))

    def end(self) -> bytes:
        """What the end of the stream says."""
        return self._say(self._events.end())

    def _say(self, events: list[Event]) -> bytes:
        if not events:
            return b""
        first, last = events[0], events[-1]
        if isinstance(first, Started) and not first.created_s:
            events[0] = msgspec.structs.replace(first, created_s=int(time.time()))
        if isinstance(last, Ended | Failed):
            self.is_over = True
        return self._writer.write(events)


def kept_headers(headers: Iterable[tuple[bytes, bytes]], caller: str, *, streams: bool) -> Headers:
    """A provider's headers that a caller of another dialect understands, and the type of what it gets."""
    kept = [header for header in headers if header[0] in KEPT_HEADERS]
    kind = STREAM_TYPES.get(caller, b"text/event-stream") if streams else b"application/json"
    return [(b"content-type", kind), *kept]
