"""Events into the stream of a caller who speaks Responses.

Each item is said in pieces and then whole, and the last event says the whole response again: clients (the Codex CLI,
`client.responses.stream`) take items from either. So a writer holds the answer, up to ANSWER_BYTES_MAX; beyond that the
stream ends as failed, since half an answer that says it is whole would be believed.
Source: OpenAI's published schema (ResponseStreamEvent); tests/golden recordings.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from bursar.translate.answer import (
    Ended,
    Event,
    Failed,
    Fault,
    PartCited,
    PartEnded,
    PartGrew,
    PartSigned,
    PartStarted,
    Pinged,
    Started,
    Stopped,
    TokenLogprob,
)
from bursar.translate.citations import annotation
from bursar.translate.conversation import Citation, Losses, Part, Refusal, Text, Thinking
from bursar.translate.responses_answer import (
    call_item,
    message_item,
    response_object,
    said_object,
    status_of,
    usage_object,
)
from bursar.translate.responses_items import call_seal, hidden_of, logprob_objects, reasoning_item

ANSWER_BYTES_MAX = 8 * 1024 * 1024  # as a reader takes of one event; some two million tokens
ITEM_BYTES = 256  # of a part beside its text
PING = b": ping\n\n"

_CODE_OF_KIND = {"rate_limit_error": "rate_limit_exceeded", "invalid_request_error": "invalid_prompt"}
_encode = msgspec.json.Encoder().encode


class ResponsesEventWriter:
    """Writes choice 0; a stream of Responses has no other."""

    def __init__(self, model: str, call_id: str) -> None:
        self._id = f"resp_{call_id}"
        self._model = model
        self._created_s = 0
        self._number = 0  # of the next event
        self._held_bytes = 0
        self._items: list[dict[str, Any]] = []  # whole ones
        self._message: dict[str, Any] | None = None  # the message that is open
        self._part: _OpenPart | None = None
        self._stop = "end"
        self._said: list[Part] = []  # only whether a refusal was among them
        self._is_over = False

    def write(self, events: Iterable[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if self._is_over:
                break
            self._write(event, out)
        return b"".join(out)

    def _write(self, event: Event, out: list[bytes]) -> None:
        match event:
            case PartGrew(choice=0):
                self._grow(event, out)
            case PartStarted(choice=0):
                self._start_part(event, out)
            case PartSigned(choice=0):
                if self._part is not None:
                    self._part.signed = event
                    self._hold(len(event.signature) + len(event.redacted), out)
            case PartCited(choice=0):
                self._cite(event.citation, out)
            case PartEnded(choice=0):
                self._end_part(out)
            case Started():
                self._id = event.id or self._id
                self._model = event.model or self._model
                self._created_s = event.created_s
                for kind in ("response.created", "response.in_progress"):
                    self._say(out, kind, response=self._response("in_progress"))
            case Stopped(choice=0):
                self._close_message(out)
                self._stop = event.stop
            case Ended():
                self._finish(event, out)
            case Pinged():
                out.append(PING)
            case Failed():
                self._fail(event.fault, out)

    def _start_part(self, event: PartStarted, out: list[bytes]) -> None:
        self._hold(ITEM_BYTES, out)
        if self._is_over:
            return
        index = len(self._items)
        if event.kind in ("text", "refusal"):
            if self._message is None:
                self._message = message_item(f"msg_{self._id}_{index}", [], "in_progress")
                self._say(out, "response.output_item.added", output_index=index, item=self._message)
            at = {
                "item_id": self._message["id"],
                "output_index": index,
                "content_index": len(self._message["content"]),
            }
            self._part = _OpenPart(event, at)
            part = said_object(Text("") if event.kind == "text" else Refusal(""), (), Losses())
            self._say(out, "response.content_part.added", **at, part=part)
            return
        self._close_message(out)
        index = len(self._items)
        if event.kind == "tool_use":
            id = f"fc_{self._id}_{index}"
            item = call_item(id, event.id, event.name, "", "in_progress")
        else:
            id = f"rs_{self._id}_{index}"
            item = reasoning_item(id, "", "")
        self._part = _OpenPart(event, {"item_id": id, "output_index": index})
        self._say(out, "response.output_item.added", output_index=index, item=item)

    def _grow(self, event: PartGrew, out: list[bytes]) -> None:
        part = self._part
        if part is None or not event.text:
            return
        if part.kind == "thinking" and not part.pieces:
            summary = {"type": "summary_text", "text": ""}
            self._say(out, "response.reasoning_summary_part.added", **part.at, summary_index=0, part=summary)
        part.pieces.append(event.text)
        part.logprobs += event.logprobs
        if part.kind == "text":
            told = logprob_objects(event.logprobs) if event.logprobs else []
            self._say(out, "response.output_text.delta", **part.at, delta=event.text, logprobs=told)
        elif part.kind == "tool_use":
            self._say(out, "response.function_call_arguments.delta", **part.at, delta=event.text)
        elif part.kind == "refusal":
            self._say(out, "response.refusal.delta", **part.at, delta=event.text)
        else:
            self._say(out, "response.reasoning_summary_text.delta", **part.at, summary_index=0, delta=event.text)
        self._hold(len(event.text), out)

    def _cite(self, citation: Citation, out: list[bytes]) -> None:
        part = self._part
        if part is None or part.kind != "text" or not citation.url:
            return
        told = {"annotation_index": len(part.cited), "annotation": annotation(citation)}
        part.cited.append(citation)
        self._say(out, "response.output_text.annotation.added", **part.at, **told)
        self._hold(ITEM_BYTES + len(citation.url) + len(citation.title) + len(citation.quote), out)

    def _end_part(self, out: list[bytes]) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        text = "".join(part.pieces)
        if part.kind == "tool_use":
            self._end_call(part, text, out)
        elif part.kind == "thinking":
            self._end_thought(part, text, out)
        else:
            self._end_said(part, text, out)

    def _end_said(self, part: "_OpenPart", text: str, out: list[bytes]) -> None:
        if self._message is None:
            return
        whole = Text(text, citations=tuple(part.cited)) if part.kind == "text" else Refusal(text)
        said = said_object(whole, tuple(part.logprobs), Losses())
        if part.kind == "text":
            self._say(out, "response.output_text.done", **part.at, text=text, logprobs=said["logprobs"])
        else:
            self._said.append(Refusal(""))
            self._say(out, "response.refusal.done", **part.at, refusal=text)
        self._say(out, "response.content_part.done", **part.at, part=said)
        self._message["content"].append(said)

    def _end_call(self, part: "_OpenPart", text: str, out: list[bytes]) -> None:
        begun = part.begun
        arguments = text or "{}"
        done = {"arguments": arguments, "name": begun.name}
        self._say(out, "response.function_call_arguments.done", **part.at, **done)
        self._end_item(call_item(part.at["item_id"], begun.id, begun.name, arguments, "completed"), out)
        if part.signed is not None and part.signed.signature:
            seal = reasoning_item(f"rs_{self._id}_{len(self._items)}", "", call_seal(begun.id, part.signed.signature))
            self._say(out, "response.output_item.added", output_index=len(self._items), item=seal)
            self._end_item(seal, out)

    def _end_thought(self, part: "_OpenPart", text: str, out: list[bytes]) -> None:
        signed = part.signed
        hidden = hidden_of(Thinking(text, signed.signature, signed.redacted, "", signed.provider)) if signed else ""
        item = reasoning_item(part.at["item_id"], text, hidden)
        if text:
            self._say(out, "response.reasoning_summary_text.done", **part.at, summary_index=0, text=text)
            summary = item["summary"][0]
            self._say(out, "response.reasoning_summary_part.done", **part.at, summary_index=0, part=summary)
        self._end_item(item, out)

    def _end_item(self, item: dict[str, Any], out: list[bytes]) -> None:
        self._say(out, "response.output_item.done", output_index=len(self._items), item=item)
        self._items.append(item)

    def _close_message(self, out: list[bytes]) -> None:
        self._end_part(out)
        if self._message is not None:
            message, self._message = self._message, None
            self._end_item({**message, "status": "completed"}, out)

    def _finish(self, event: Ended, out: list[bytes]) -> None:
        self._close_message(out)
        status, reason = status_of(self._stop, self._said)
        usage = usage_object(event.usage)
        response = self._response(status, reason=reason, usage=usage, tier=event.tier)
        self._say(out, f"response.{status}", response=response)
        self._is_over = True

    def _fail(self, fault: Fault, out: list[bytes]) -> None:
        """A failure: a failed response if one had begun, an `error` event before that."""
        code = fault.code or _CODE_OF_KIND.get(fault.kind, "server_error")
        if self._number == 0:
            self._say(out, "error", code=code, message=fault.message, param=fault.field or None)
        else:
            error = {"code": code, "message": fault.message}
            self._say(out, "response.failed", response=self._response("failed", error=error))
        self._is_over = True

    def _hold(self, size: int, out: list[bytes]) -> None:
        """Count what must be said again. size: characters, which is near enough to bytes for a bound."""
        self._held_bytes += size
        if self._held_bytes > ANSWER_BYTES_MAX:
            message = f"the answer is larger than the {ANSWER_BYTES_MAX} bytes that a translated stream may hold"
            self._fail(Fault(502, "api_error", message, "answer_too_large"), out)

    def _response(self, status: str, **more: Any) -> dict[str, Any]:
        return response_object(self._id, self._model, self._created_s, status, self._items, **more)

    def _say(self, out: list[bytes], kind: str, **fields: Any) -> None:
        data = _encode({"type": kind, "sequence_number": self._number, **fields})
        out.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), data))
        self._number += 1


class _OpenPart:
    """The part that grows."""

    __slots__ = ("at", "begun", "cited", "kind", "logprobs", "pieces", "signed")

    def __init__(self, begun: PartStarted, at: dict[str, Any]) -> None:
        self.begun = begun
        self.kind = begun.kind
        self.at = at
        self.pieces: list[str] = []
        self.cited: list[Citation] = []
        self.logprobs: list[TokenLogprob] = []
        self.signed: PartSigned | None = None
