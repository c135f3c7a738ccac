"""Files, batches and responses in the background: what a provider keeps and is asked for later.

A batch takes `job_ms`, and its lines are answered and billed when it is over. A line whose `custom_id` begins with
`expired-` expires, one whose body demands a status fails with it.
Source: OpenAI's published OpenAPI 2.3.0 (OpenAIFile, Batch, BatchRequestOutput); Anthropic's SDK 2.12.0 (MessageBatch,
MessageBatchIndividualResponse).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec

from bursar.domain.clock import Clock
from bursar.simulate import wire_anthropic, wire_openai, wire_responses
from bursar.simulate.http import Request
from bursar.simulate.plan import Plan

LineAnswer = Callable[[int, str, bytes, str], tuple[int, bytes]]
"""(number, path, body, key) → (status, body), billed."""

_encode = msgspec.json.Encoder().encode


class _File(msgspec.Struct):
    id: str
    content: bytes
    purpose: str
    filename: str
    created_s: int


class _Batch(msgspec.Struct):
    id: str
    key: str
    requests: list[tuple[str, str, bytes]]  # custom id, path, body
    created_us: int
    is_anthropic: bool
    endpoint: str = ""
    input_id: str = ""
    metadata: Any = None
    cancelled_us: int | None = None
    results: list[tuple[str, int, bytes]] | None = None  # custom id, status (0 expired, -1 cancelled), body
    output_id: str | None = None
    errors_id: str | None = None


class _Response(msgspec.Struct):
    plan: Plan
    created_us: int
    cancelled: bool = False


class _Request(msgspec.Struct):
    custom_id: str
    url: str = ""
    body: msgspec.Raw = msgspec.Raw(b"{}")


class _Message(msgspec.Struct):
    custom_id: str
    params: msgspec.Raw


class _Messages(msgspec.Struct):
    requests: list[_Message]


class _Creation(msgspec.Struct):
    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: Any = None


class Jobs:
    """All that is kept."""

    def __init__(self, answer_line: LineAnswer, clock: Clock, job_ms: int) -> None:
        self._answer_line = answer_line
        self._clock = clock
        self._job_us = job_ms * 1_000
        self._files: dict[str, _File] = {}
        self._batches: dict[str, _Batch] = {}
        self._responses: dict[str, _Response] = {}
        self._count = 0

    def keep_response(self, plan: Plan) -> None:
        self._responses[plan.answer_id] = _Response(plan, self._clock.now_us())

    def answer(self, request: Request, key: str) -> tuple[int, bytes] | None:
        """Status and body; None for a path that is none of these."""
        start, _, rest = request.path.partition("/v1/")
        kind, _, rest = rest.partition("/")
        if kind not in ("files", "batches", "messages", "responses") or start not in ("", "/openai"):
            return None
        if not key:
            return 401, wire_openai.error(401, "Incorrect API key provided")
        try:
            if kind == "messages":
                name, _, rest = rest.partition("/")
                return self._message_batch(request, key, *_split(rest)) if name == "batches" else None
            one, action = _split(rest)
            if kind == "files":
                return self._file(request, one, action)
            if kind == "batches":
                return self._batch(request, key, one, action)
            return self._response(request, one, action)
        except (msgspec.DecodeError, KeyError) as error:
            return 400, wire_openai.error(400, f"We could not parse the body of your request: {error}")

    # -- files ----------------------------------------------------------------------------------------------------

    def _file(self, request: Request, one: str, action: str) -> tuple[int, bytes] | None:
        if request.method == "POST" and not one:
            fields = _form(request)
            filename, content = fields["file"]
            return 200, _encode(_file_object(self._add_file(content, fields["purpose"][1].decode(), filename)))
        if not one:
            return 200, _encode(_list([_file_object(file) for file in self._files.values()]))
        file = self._files.get(one)
        if file is None:
            return 404, wire_openai.error(404, f"No such File object: {one}")
        if request.method == "DELETE":
            del self._files[one]
            return 200, _encode({"id": one, "object": "file", "deleted": True})
        return 200, file.content if action == "content" else _encode(_file_object(file))

    def _add_file(self, content: bytes, purpose: str, filename: str) -> _File:
        self._count += 1
        file = _File(f"file-sim{self._count:06d}", content, purpose, filename, self._clock.now_us() // 1_000_000)
        self._files[file.id] = file
        return file

    # -- OpenAI's batches -----------------------------------------------------------------------------------------

    def _batch(self, request: Request, key: str, one: str, action: str) -> tuple[int, bytes]:
        if request.method == "POST" and not one:
            return self._create(request, key)
        mine = [batch for batch in self._batches.values() if not batch.is_anthropic]
        if not one:
            return 200, _encode(_list([self._object(batch) for batch in reversed(mine)]))
        batch = self._batches.get(one)
        if batch is None:
            return 404, wire_openai.error(404, f"No batch found with id '{one}'.")
        if action == "cancel":
            self._cancel(batch)
        return 200, _encode(self._object(batch))

    def _create(self, request: Request, key: str) -> tuple[int, bytes]:
        asked = msgspec.json.decode(request.body, type=_Creation)
        file = self._files.get(asked.input_file_id)
        if file is None:
            return 400, wire_openai.error(400, f"Invalid file id: {asked.input_file_id}")
        lines = [msgspec.json.decode(line, type=_Request) for line in file.content.splitlines() if line.strip()]
        requests = [(line.custom_id, line.url, bytes(line.body)) for line in lines]
        batch = self._begin("batch_", key, requests, is_anthropic=False)
        batch.endpoint, batch.input_id, batch.metadata = asked.endpoint, file.id, asked.metadata
        return 200, _encode(self._object(batch, fresh=True))

    def _object(self, batch: _Batch, *, fresh: bool = False) -> dict[str, Any]:
        status = "validating" if fresh else self._status(batch)
        failed = sum(code != 200 for _, code, _ in batch.results or ())
        done = len(batch.results or ()) - failed
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.endpoint,
            "errors": None,
            "input_file_id": batch.input_id,
            "completion_window": "24h",
            "status": status,
            "output_file_id": batch.output_id,
            "error_file_id": batch.errors_id,
            "created_at": batch.created_us // 1_000_000,
            "request_counts": {"total": len(batch.requests), "completed": done, "failed": failed},
            "metadata": batch.metadata,
        }

    def _status(self, batch: _Batch) -> str:
        if not self._is_over(batch):
            return "cancelling" if batch.cancelled_us is not None else "in_progress"
        if batch.cancelled_us is not None:
            return "cancelled"
        return "expired" if any(code == 0 for _, code, _ in batch.results or ()) else "completed"

    # -- Anthropic's ----------------------------------------------------------------------------------------------

    def _message_batch(self, request: Request, key: str, one: str, action: str) -> tuple[int, bytes]:
        if request.method == "POST" and not one:
            asked = msgspec.json.decode(request.body, type=_Messages)
            requests = [(line.custom_id, "/v1/messages", bytes(line.params)) for line in asked.requests]
            return 200, _encode(self._message_object(self._begin("msgbatch_", key, requests, is_anthropic=True)))
        mine = [batch for batch in self._batches.values() if batch.is_anthropic]
        if not one:
            listed = [self._message_object(batch) for batch in reversed(mine)]
            return 200, _encode({"data": listed, "has_more": False, "first_id": None, "last_id": None})
        batch = self._batches.get(one)
        if batch is None:
            return 404, wire_anthropic.error(404, f"Batch {one} not found", "req_sim")
        if action == "cancel":
            self._cancel(batch)
        if action == "results":
            if not self._is_over(batch):
                return 404, wire_anthropic.error(404, f"{one} has no available results", "req_sim")
            return 200, b"".join(_message_line(*result) for result in batch.results or ())
        if request.method == "DELETE":
            del self._batches[one]
            return 200, _encode({"id": one, "type": "message_batch_deleted"})
        return 200, _encode(self._message_object(batch))

    def _message_object(self, batch: _Batch) -> dict[str, Any]:
        is_over = self._is_over(batch)
        codes = [code for _, code, _ in batch.results or ()]
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if is_over else "canceling" if batch.cancelled_us else "in_progress",
            "request_counts": {
                "processing": 0 if is_over else len(batch.requests),
                "succeeded": codes.count(200),
                "errored": sum(code > 200 for code in codes),
                "canceled": codes.count(-1),
                "expired": codes.count(0),
            },
            "ended_at": _time(self._clock.now_us()) if is_over else None,
            "created_at": _time(batch.created_us),
            "expires_at": _time(batch.created_us + 86_400_000_000),
            "archived_at": None,
            "cancel_initiated_at": _time(batch.cancelled_us) if batch.cancelled_us else None,
            "results_url": f"https://api.anthropic.com/v1/messages/batches/{batch.id}/results" if is_over else None,
        }

    # -- both -----------------------------------------------------------------------------------------------------

    def _begin(self, prefix: str, key: str, requests: list[tuple[str, str, bytes]], *, is_anthropic: bool) -> _Batch:
        self._count += 1
        batch = _Batch(f"{prefix}sim{self._count:06d}", key, requests, self._clock.now_us(), is_anthropic)
        self._batches[batch.id] = batch
        return batch

    def _cancel(self, batch: _Batch) -> None:
        if batch.results is None and batch.cancelled_us is None:
            batch.cancelled_us = self._clock.now_us()

    def _is_over(self, batch: _Batch) -> bool:
        """Whether its time has come; its lines are answered then, once."""
        if batch.results is not None:
            return True
        if batch.cancelled_us is None and self._clock.now_us() < batch.created_us + self._job_us:
            return False
        batch.results = []
        for number, (custom_id, path, body) in enumerate(batch.requests):
            if batch.cancelled_us is not None and number > 0:  # the first was done before
                batch.results.append((custom_id, -1, b""))
            elif custom_id.startswith("expired-"):
                batch.results.append((custom_id, 0, b""))
            else:
                batch.results.append((custom_id, *self._answer_line(number, path, body, batch.key)))
        if not batch.is_anthropic:
            answered = [_openai_line(*result) for result in batch.results if result[1] == 200]
            failed = [_openai_line(*result) for result in batch.results if result[1] != 200]
            if answered:
                batch.output_id = self._add_file(b"".join(answered), "batch_output", f"{batch.id}_output.jsonl").id
            if failed:
                batch.errors_id = self._add_file(b"".join(failed), "batch_output", f"{batch.id}_error.jsonl").id
        return True

    # -- responses ------------------------------------------------------------------------------------------------

    def _response(self, request: Request, one: str, action: str) -> tuple[int, bytes] | None:
        kept = self._responses.get(one)
        if kept is None:
            return None
        if request.method == "DELETE":
            del self._responses[one]
            return 200, _encode({"id": one, "object": "response", "deleted": True})
        is_over = self._clock.now_us() >= kept.created_us + self._job_us
        if action == "cancel" and not is_over:
            kept.cancelled = True
        if kept.cancelled or not is_over:
            status = "cancelled" if kept.cancelled else "in_progress"
            return 200, wire_responses.unfinished(kept.plan, status)
        query = parse_qs(request.query)
        if query.get("stream") == ["true"]:
            after = int(query.get("starting_after", ["-1"])[0])
            return 200, b"".join(event.data for event in wire_responses.response_events(kept.plan)[after + 1 :])
        return 200, wire_responses.response(kept.plan)


def _openai_line(custom_id: str, status: int, body: bytes) -> bytes:
    line: dict[str, Any] = {"id": f"batch_req_{custom_id}", "custom_id": custom_id, "response": None, "error": None}
    if status > 0:
        line["response"] = {"status_code": status, "request_id": f"req_{custom_id}", "body": msgspec.Raw(body)}
    else:
        code = "batch_cancelled" if status else "batch_expired"
        line["error"] = {"code": code, "message": "This request could not be executed before the completion window."}
    return _encode(line) + b"\n"


def _message_line(custom_id: str, status: int, body: bytes) -> bytes:
    if status == 200:
        message = msgspec.json.decode(body)
        message["usage"]["service_tier"] = "batch"
        result: dict[str, Any] = {"type": "succeeded", "message": message}
    elif status > 0:
        result = {"type": "errored", "error": msgspec.Raw(body)}
    else:
        result = {"type": "canceled" if status else "expired"}
    return _encode({"custom_id": custom_id, "result": result}) + b"\n"


def _file_object(file: _File) -> dict[str, Any]:
    return {
        "id": file.id, "object": "file", "bytes": len(file.content), "created_at": file.created_s,
        "filename": file.filename, "purpose": file.purpose, "status": "processed",
    }  # fmt: skip


def _list(items: list[dict[str, Any]]) -> dict[str, Any]:
    first, last = (items[0]["id"], items[-1]["id"]) if items else (None, None)
    return {"object": "list", "data": items, "first_id": first, "last_id": last, "has_more": False}


def _split(rest: str) -> tuple[str, str]:
    one, _, action = rest.partition("/")
    return one, action


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).isoformat().replace("+00:00", "Z")


def _form(request: Request) -> dict[str, tuple[str, bytes]]:
    """(file name, value) of each field of a multipart body."""
    boundary = request.headers["content-type"].partition("boundary=")[2].strip('"').encode()
    fields = {}
    for part in request.body.split(b"--" + boundary)[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        text = head.decode("utf-8", "replace")
        name = text.partition(' name="')[2].partition('"')[0]
        fields[name] = (text.partition('filename="')[2].partition('"')[0], value.removesuffix(b"\r\n"))
    return fields
