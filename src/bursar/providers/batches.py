"""What batches say: how they stand, what their results hold line by line, and what an input file asks for.

A line that the provider refused, that expired or was cancelled is billed nothing, by both providers' word; one that was
answered is billed at the batch price.
Source: OpenAI's published OpenAPI 2.3.0 (Batch, BatchRequestOutput); Anthropic's SDK 2.12.0 (MessageBatch,
MessageBatchIndividualResponse).
"""

import re
from datetime import datetime
from typing import Any

import msgspec

from bursar.domain.charge import Outcome
from bursar.domain.errors import BursarError
from bursar.providers.anthropic import MESSAGES
from bursar.providers.base import Dialect
from bursar.providers.reading import UNREADABLE, clip, decode_answer
from bursar.providers.registry import dialect_for
from bursar.providers.splice import doubled_field
from bursar.providers.values import Answer, Asked

OPENAI_BATCH, ANTHROPIC_BATCH, RESPONSE = "openai-batch", "anthropic-batch", "response"
OUTPUT, ERRORS = "output", "errors"
_OVER = ("completed", "failed", "expired", "cancelled", "ended")


class BatchState(msgspec.Struct, frozen=True):
    """How a batch stands. output_id, errors_id: of the files with its results, "" while there are none.

    is_over: nothing more comes. requests: how many it has, if that is said.
    """

    id: str
    status: str
    is_over: bool
    input_id: str = ""
    output_id: str = ""
    errors_id: str = ""
    endpoint: str = ""
    created_s: int = 0
    requests: int = 0


class _Counts(msgspec.Struct):
    total: int = 0
    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0


class _Batch(msgspec.Struct):
    id: str
    status: str | None = None
    processing_status: str | None = None
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    endpoint: str | None = None
    created_at: int | str | None = None
    results_url: str | None = None
    request_counts: _Counts | None = None


class _Named(msgspec.Struct):
    id: str = ""


class _List(msgspec.Struct):
    data: list[msgspec.Raw]


class Line(msgspec.Struct):
    """One line of results. model, usage and the rest: in `answer`; `status` as its own call would have had."""

    custom_id: str
    status: int
    outcome: Outcome
    dialect: Dialect | None
    answer: Answer
    is_billed: bool


class _Reply(msgspec.Struct):
    status_code: int = 0
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Error(msgspec.Struct):
    code: str | None = None
    type: str | None = None
    error: Any = None


class _Result(msgspec.Struct):
    type: str
    message: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


class _Line(msgspec.Struct):
    custom_id: str = ""
    response: _Reply | None = None
    error: _Error | None = None
    result: _Result | None = None


class _Request(msgspec.Struct):
    url: str = ""
    body: msgspec.Raw = msgspec.Raw(b"{}")


class _MessageRequest(msgspec.Struct):
    params: msgspec.Raw = msgspec.Raw(b"{}")


class _MessageRequests(msgspec.Struct):
    requests: list[msgspec.Raw]


class _Creation(msgspec.Struct):
    input_file_id: str = ""
    endpoint: str = ""
    model: str | None = None


_BATCH = msgspec.json.Decoder(_Batch)
_NAMED = msgspec.json.Decoder(_Named)
_LIST = msgspec.json.Decoder(_List)
_LINE = msgspec.json.Decoder(_Line)
_REQUEST = msgspec.json.Decoder(_Request)
_CREATION = msgspec.json.Decoder(_Creation)
_MESSAGE_REQUESTS = msgspec.json.Decoder(_MessageRequests)
_MESSAGE_REQUEST = msgspec.json.Decoder(_MessageRequest)
_CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*"((?:[^"\\]|\\.){1,512})"')
_ENDED = {"expired": Outcome.TIMEOUT, "batch_expired": Outcome.TIMEOUT, "canceled": Outcome.ABORTED,
          "batch_cancelled": Outcome.ABORTED}  # fmt: skip


def read_batch(body: bytes) -> BatchState | None:
    """How a batch stands by its provider's answer; None where that is no batch."""
    seen = decode_answer(_BATCH, body)
    if seen is None or not (seen.status or seen.processing_status):
        return None
    status = seen.status or seen.processing_status or ""
    counts = seen.request_counts or _Counts()
    requests = counts.total or counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
    is_messages = seen.processing_status is not None
    output = clip(seen.output_file_id)
    if is_messages and seen.results_url:
        output = clip(seen.id)
    created = _seconds(seen.created_at)
    return BatchState(
        clip(seen.id), clip(status), status in _OVER, clip(seen.input_file_id), output, clip(seen.error_file_id),
        clip(seen.endpoint), created, requests,
    )  # fmt: skip


def _seconds(at: int | str | None) -> int:
    """An instant in seconds since the epoch; Anthropic writes it as text. 0: unknown."""
    if isinstance(at, str):
        try:
            return int(datetime.fromisoformat(at).timestamp())
        except ValueError:
            return 0
    return at or 0


def read_list(body: bytes) -> list[tuple[str, bytes]]:
    """(id, its bytes) of each item of a list of batches or files; [] where it is no list."""
    seen = decode_answer(_LIST, body)
    if seen is None:
        return []
    return [(clip(_id_of(bytes(item))), bytes(item)) for item in seen.data]


def read_creation(body: bytes) -> tuple[str, str]:
    """(input file, endpoint) that the creation of a batch asks for; "" where it doesn't say."""
    seen = decode_answer(_CREATION, body)
    return (clip(seen.input_file_id), clip(seen.endpoint)) if seen else ("", "")


def read_line(kind: str, endpoint: str, raw: bytes) -> Line:
    """One line of results. Never raises: one that can't be read was maybe billed, and has no usage."""
    seen = decode_answer(_LINE, raw)
    if seen is None:
        found = _CUSTOM_ID.search(raw[:4096])
        custom_id = found[1].decode("utf-8", "replace") if found else ""
        return Line(custom_id, 0, Outcome.PROVIDER_ERROR, _dialect_of(kind, endpoint), Answer(), is_billed=True)
    if kind == ANTHROPIC_BATCH:
        return _message_line(seen)
    return _openai_line(seen, endpoint)


def _openai_line(seen: _Line, endpoint: str) -> Line:
    dialect = _dialect_of(OPENAI_BATCH, endpoint)
    reply = seen.response
    if reply is None:
        code = clip(seen.error.code if seen.error else "") or "error"
        outcome = _ENDED.get(code, Outcome.PROVIDER_ERROR)
        return Line(seen.custom_id, 0, outcome, dialect, Answer(error_code=code, complete=True), is_billed=False)
    status = reply.status_code or 200
    body = bytes(reply.body)
    answer = dialect.read_answer(body, status) if dialect is not None else Answer()
    if status >= 400:
        outcome = Outcome.CLIENT_ERROR if status < 500 else Outcome.PROVIDER_ERROR
        return Line(seen.custom_id, status, outcome, dialect, answer, is_billed=False)
    outcome = Outcome.PROVIDER_ERROR if answer.error_code else Outcome.TRUNCATED if answer.truncated else Outcome.OK
    return Line(seen.custom_id, status, outcome, dialect, answer, is_billed=True)


def _message_line(seen: _Line) -> Line:
    result = seen.result or _Result("errored")
    if result.type == "succeeded":
        answer = MESSAGES.read_answer(bytes(result.message), 200)
        outcome = Outcome.TRUNCATED if answer.truncated else Outcome.OK
        return Line(seen.custom_id, 200, outcome, MESSAGES, answer, is_billed=True)
    inner = result.error.error if result.error else None
    code = result.type
    if result.type == "errored":
        code = clip(inner.get("type") if isinstance(inner, dict) else "") or "error"
    outcome = _ENDED.get(result.type, Outcome.PROVIDER_ERROR)
    if code == "invalid_request_error":
        outcome = Outcome.CLIENT_ERROR
    return Line(seen.custom_id, 0, outcome, MESSAGES, Answer(error_code=code, complete=True), is_billed=False)


def requests_of(kind: str, content: bytes) -> list[tuple[Dialect, Asked, bytes] | None]:
    """(dialect, what is asked, its body) of each request of an input file, or of Anthropic's inline list.

    None for one that can't be read, or is for an endpoint that nobody here knows. The provider may refuse it and bill
    nothing; it may as well take what we don't (a limit of `1e5` tokens, lines that end in a carriage return).
    """
    found: list[tuple[Dialect, Asked, bytes] | None] = []
    for dialect, body in _bodies(kind, content):
        try:
            found.append(None if dialect is None else (dialect, dialect.read_request(body), body))
        except BursarError:
            found.append(None)
    return found


def _bodies(kind: str, content: bytes) -> list[tuple[Dialect | None, bytes]]:
    if kind == ANTHROPIC_BATCH:
        seen = decode_answer(_MESSAGE_REQUESTS, content)
        return [_params_of(bytes(one)) for one in seen.requests] if seen else []
    return [_body_of(line) for line in content.split(b"\n") if line.strip()]


def _params_of(request: bytes) -> tuple[Dialect | None, bytes]:
    one = decode_answer(_MESSAGE_REQUEST, request)
    return (None, request) if one is None or _is_in_doubt(request) else (MESSAGES, bytes(one.params))


def _body_of(line: bytes) -> tuple[Dialect | None, bytes]:
    one = decode_answer(_REQUEST, line)
    return (None, line) if one is None or _is_in_doubt(line) else (_dialect_of(OPENAI_BATCH, one.url), bytes(one.body))


def _is_in_doubt(request: bytes) -> bool:
    """Whether it gives its address or its body twice."""
    try:
        return bool(doubled_field(request))
    except UNREADABLE:
        return True


def _dialect_of(kind: str, endpoint: str) -> Dialect | None:
    if kind == ANTHROPIC_BATCH:
        return MESSAGES
    found = dialect_for("POST", endpoint) if endpoint else None
    return found[0] if found else None


def _id_of(item: bytes) -> str:
    seen = decode_answer(_NAMED, item)
    return seen.id if seen else ""
