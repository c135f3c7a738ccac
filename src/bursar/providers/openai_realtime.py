"""OpenAI's Realtime over a websocket: which events move money, and what they say.

A session is one connection, and a response is what is billed: `response.done` carries its usage. A transcription of
what was heard is billed beside it, by the price of its own model. Events of the GA interface and of the older beta are
read alike. Whatever isn't named here only passes.
Source: OpenAI's published schema 2.3.0 (RealtimeServerEvent*, RealtimeClientEvent*, RealtimeBeta*), and "Realtime
costs": one token per 100 ms of sound that goes in, one per 50 ms that comes out. No recording could be had.
"""

from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote

import msgspec

from bursar.domain.charge import Operation
from bursar.domain.errors import BadRequest, BursarError, MissingField
from bursar.domain.usage import Usage
from bursar.providers import errors
from bursar.providers.reading import clip, decode_answer
from bursar.providers.sse import StreamReader
from bursar.providers.values import MODEL_CHARS_MAX, Answer, Asked, Count

OUTPUT_TOKENS_MAX = 4096
"""What one response can hold at most: `max_output_tokens` is an integer up to that, or "inf"."""

CONTEXT_TOKENS_MAX = 128_000
"""A conversation is truncated to the model's window; the largest known, where the catalogue doesn't say."""

PCM_BYTES_PER_TOKEN = 4800  # 100 ms at 24 kHz, 16 bits
G711_BYTES_PER_TOKEN = 800  # 100 ms at 8 kHz, 8 bits
PCM_BYTES_PER_TOKEN_OUT = 2400  # 50 ms
G711_BYTES_PER_TOKEN_OUT = 400

NOTHING = msgspec.Raw()


class ClientEvent(msgspec.Struct, gc=False):
    """What a client sends, as far as it matters here. `Raw` is a view: a second of sound isn't copied to be counted."""

    type: str | None = None
    event_id: str | None = None
    audio: msgspec.Raw = NOTHING
    response: msgspec.Raw = NOTHING
    session: msgspec.Raw = NOTHING


class ServerEvent(msgspec.Struct, gc=False):
    """What the provider sends."""

    type: str | None = None
    item_id: str | None = None
    response_id: str | None = None
    delta: msgspec.Raw = NOTHING
    response: msgspec.Raw = NOTHING
    session: msgspec.Raw = NOTHING
    usage: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING


class _CachedDetails(msgspec.Struct, gc=False):
    text_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None


class _InputDetails(msgspec.Struct, gc=False):
    cached_tokens: Count | None = None
    text_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None
    cached_tokens_details: _CachedDetails | None = None


class _OutputDetails(msgspec.Struct, gc=False):
    text_tokens: Count | None = None
    audio_tokens: Count | None = None
    reasoning_tokens: Count | None = None


class RealtimeUsage(msgspec.Struct, gc=False):
    """`usage` of a response and of a transcription. `seconds`: of one that is sold by time."""

    type: str | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    input_token_details: _InputDetails | None = None
    output_token_details: _OutputDetails | None = None


class _Response(msgspec.Struct, gc=False):
    """`usage` is read apart: where that can't be read, the response it ends is known all the same."""

    id: str | None = None
    status: str | None = None
    status_details: Any = None
    usage: msgspec.Raw = NOTHING
    conversation_id: str | msgspec.UnsetType | None = msgspec.UNSET


class _ResponseAsked(msgspec.Struct, gc=False):
    max_output_tokens: Any = None
    max_response_output_tokens: Any = None  # beta


class _Error(msgspec.Struct, gc=False):
    code: str | None = None
    event_id: str | None = None


_CLIENT_EVENT = msgspec.json.Decoder(ClientEvent)
_SERVER_EVENT = msgspec.json.Decoder(ServerEvent)
_RESPONSE = msgspec.json.Decoder(_Response)
_RESPONSE_ASKED = msgspec.json.Decoder(_ResponseAsked)
_USAGE = msgspec.json.Decoder(RealtimeUsage)
_ERROR = msgspec.json.Decoder(_Error)
_ANYTHING = msgspec.json.Decoder(dict[str, Any])
_UNREAD_CLIENT_EVENT = ClientEvent()
_UNREAD_SERVER_EVENT = ServerEvent()


def read_client_event(message: bytes) -> ClientEvent:
    """An event without a type where it can't be read: that is the provider's to refuse."""
    return decode_answer(_CLIENT_EVENT, message) or _UNREAD_CLIENT_EVENT


def read_server_event(message: bytes) -> ServerEvent:
    return decode_answer(_SERVER_EVENT, message) or _UNREAD_SERVER_EVENT


class Done(NamedTuple):
    """A response's end. is_free: the provider itself says that nothing was used.

    is_aside: it belongs to no conversation, so it says nothing of what the next one reads.
    """

    response_id: str
    answer: Answer
    is_free: bool
    is_aside: bool


def read_done(event: ServerEvent) -> Done:
    """What `response.done` says. Never raises."""
    seen = decode_answer(_RESPONSE, bytes(event.response)) or _Response()
    status = seen.status or ""
    usage = decode_answer(_USAGE, bytes(seen.usage)) if seen.usage else None
    details = seen.status_details if isinstance(seen.status_details, dict) else {}
    reason = details.get("reason")
    answer = Answer(
        usage_of_realtime(usage),
        finish_reason=clip(reason if isinstance(reason, str) else status),
        truncated=status == "incomplete",
        upstream_id=clip(seen.id),
        complete=True,
        error_code=(errors.code_of(details.get("error")) or "response_failed") if status == "failed" else "",
    )
    says_nothing = usage is not None and usage.input_tokens == 0 and usage.output_tokens == 0
    return Done(seen.id or "", answer, says_nothing and status in ("cancelled", "failed"), seen.conversation_id is None)


def response_id_of(event: ServerEvent) -> str:
    """The response that an event is about."""
    if event.response_id:
        return event.response_id
    return (decode_answer(_RESPONSE, bytes(event.response)) or _Response()).id or ""


def output_limit_of(event: ClientEvent) -> int | None:
    """What a `response.create` allows its answer; None: it says nothing of that."""
    seen = decode_answer(_RESPONSE_ASKED, bytes(event.response)) if event.response else None
    if seen is None:
        return None
    return _limit(seen.max_output_tokens if seen.max_output_tokens is not None else seen.max_response_output_tokens)


def read_transcription(event: ServerEvent) -> Answer:
    """What a transcription's end says. One that is sold by the second has no usage that a unit here could hold."""
    usage = usage_of_realtime(decode_answer(_USAGE, bytes(event.usage)) if event.usage else None)
    return Answer(usage, complete=True, upstream_id=clip(event.item_id))


def read_error(event: ServerEvent) -> tuple[str, str]:
    """(code, the client's event it is about) of an `error`."""
    seen = decode_answer(_ERROR, bytes(event.error)) or _Error()
    return seen.code or "", seen.event_id or ""


class SessionFacts(NamedTuple):
    """What a session's settings mean for money; None: these settings don't say.

    transcription: the model that writes down what is heard; "": none does. model: the session's own.
    """

    model: str
    answers_by_itself: bool | None
    has_idle_timeout: bool | None
    transcription: str | None
    output_limit: int | None
    input_is_pcm: bool | None
    output_is_pcm: bool | None


def read_session(raw: msgspec.Raw) -> SessionFacts:
    """The settings in `session.update`, `session.created` and `session.updated`, of the GA interface or the beta."""
    session = decode_answer(_ANYTHING, bytes(raw)) or {}
    heard, spoken = _part(_part(session, "audio"), "input"), _part(_part(session, "audio"), "output")
    where = heard if "turn_detection" in heard else session
    answers = idle = None
    if "turn_detection" in where:
        detection = where["turn_detection"]
        is_on = isinstance(detection, dict)
        answers = is_on and detection.get("create_response") is not False
        idle = is_on and detection.get("idle_timeout_ms") is not None
    transcription: str | None = None
    for place, name in ((heard, "transcription"), (session, "input_audio_transcription")):
        if name in place:
            model = _part(place, name).get("model")
            transcription = model[:MODEL_CHARS_MAX] if isinstance(model, str) else ""
            break
    limit = session.get("max_output_tokens", session.get("max_response_output_tokens"))
    named = session.get("model")
    return SessionFacts(
        named[:MODEL_CHARS_MAX] if isinstance(named, str) else "",
        answers,
        idle,
        transcription,
        _limit(limit),
        _is_pcm(heard.get("format", session.get("input_audio_format"))),
        _is_pcm(spoken.get("format", session.get("output_audio_format"))),
    )


def usage_of_realtime(seen: RealtimeUsage | None) -> Usage | None:
    """Disjoint classes whose sum is the totals, whatever the details say; None if nothing was reported.

    Cached images are counted with cached text: there is no class of their own.
    """
    if seen is None or not (seen.input_tokens or seen.output_tokens):
        return None
    given, made = seen.input_token_details or _InputDetails(), seen.output_token_details or _OutputDetails()
    total, out = seen.input_tokens or 0, seen.output_tokens or 0
    audio = min(given.audio_tokens or 0, total)
    image = min(given.image_tokens or 0, total - audio)
    text = total - audio - image
    cached = min(given.cached_tokens or 0, total)
    told = given.cached_tokens_details or _CachedDetails()
    cached_audio = min(told.audio_tokens or 0, audio, cached)
    cached_image = min(told.image_tokens or 0, image, cached - cached_audio)
    cached_text = min(cached - cached_audio - cached_image, text)
    cached_image = min(cached - cached_audio - cached_text, image)
    cached_audio = cached - cached_text - cached_image
    out_audio = min(made.audio_tokens or 0, out)
    return Usage(
        input=text - cached_text,
        cache_read=cached_text + cached_image,
        input_audio=audio - cached_audio,
        cache_read_audio=cached_audio,
        input_image=image - cached_image,
        output=out - out_audio,
        output_audio=out_audio,
        reasoning=min(made.reasoning_tokens or 0, out - out_audio),
    )


def sound_bytes(raw: msgspec.Raw) -> int:
    """Bytes of sound in a base64 text that stands in JSON, quotes included; at most."""
    return max(0, len(bytes(raw)) - 2) * 3 // 4


class Realtime:
    """`GET /v1/realtime?model=…`, upgraded to a websocket. It has no body: the query says what is asked."""

    name = "openai-realtime"
    family = "openai"
    operation = Operation.REALTIME

    def read_query(self, query: bytes) -> Asked:
        """Raises MissingField or BadRequest."""
        said = dict(parse_qsl(query.decode("latin-1")))
        if said.get("intent") == "transcription":
            raise BadRequest(
                "a session of transcription alone isn't served: its model can change without a word to us; open "
                "a session of a realtime model with session.audio.input.transcription instead",
                field="intent",
            )
        if said.get("call_id"):
            raise BadRequest(
                "a call that was begun elsewhere can't be joined here: its money would pass by us", field="call_id"
            )
        model = said.get("model", "")
        if not model:
            raise MissingField("the address names no model: /v1/realtime?model=gpt-realtime", field="model")
        if len(model) > MODEL_CHARS_MAX:
            raise BadRequest(f"model: longer than {MODEL_CHARS_MAX} characters", field="model")
        return Asked(model, stream=True, model_in_path=True)

    def read_request(self, body: bytes) -> Asked:
        raise MissingField("/v1/realtime takes no body: name the model in the address", field="model")

    def with_usage(self, body: bytes, asked: Asked) -> bytes:
        return body

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        return None

    def read_answer(self, body: bytes, status: int) -> Answer:
        return Answer(error_code=errors.error_code(body, status) if status >= 400 else "", complete=True)

    def reader(self, asked: Asked, *, strip_usage: bool) -> StreamReader:
        raise NotImplementedError("a websocket has frames, no stream of events")

    def error(self, error: BursarError, call_id: str) -> bytes:
        return errors.openai_error(error)

    def stream_error(self, error: BursarError, call_id: str) -> bytes:
        return error_event(error, call_id, "")


def error_event(error: BursarError, event_id: str, about: str) -> bytes:
    """An `error` as the provider would send it. about: the client's own `event_id`, "" where it gave none."""
    told = msgspec.json.decode(errors.openai_error(error))["error"]
    body = {"type": "error", "event_id": event_id, "error": {**told, "event_id": about or None}}
    return msgspec.json.encode(body)


def with_model_in_query(query: bytes, model: str) -> bytes:
    """The query with another model, every other parameter as it came."""
    parts = [part for part in query.split(b"&") if part and part.partition(b"=")[0] != b"model"]
    return b"&".join([b"model=" + quote(model, safe="").encode(), *parts])


def _part(place: Any, name: str) -> dict[str, Any]:
    found = place.get(name) if isinstance(place, dict) else None
    return found if isinstance(found, dict) else {}


def _limit(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return min(max(value, 0), OUTPUT_TOKENS_MAX)
    return OUTPUT_TOKENS_MAX if value == "inf" else None


def _is_pcm(form: Any) -> bool | None:
    """GA: {"type": "audio/pcm"}; beta: "pcm16"."""
    kind = form.get("type") if isinstance(form, dict) else form
    return "pcm" in kind and kind not in ("audio/pcmu", "audio/pcma") if isinstance(kind, str) else None


REALTIME = Realtime()
