"""Streams of Messages, read into events and written from them.

An `error` event may come at any time. Blocks of the provider's own tools are left out, so parts are counted anew.
Source: the anthropic SDK 2.12.0's types of events; tests/golden/anthropic.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from bursar.providers.anthropic_usage import MessageUsage, merge_usage, usage_of_message
from bursar.providers.reading import decode_answer
from bursar.translate.answer import (
    Ended,
    Event,
    Failed,
    PartCited,
    PartEnded,
    PartGrew,
    PartSigned,
    PartStarted,
    Pinged,
    Started,
    Stopped,
)
from bursar.translate.arguments import arguments_text
from bursar.translate.citations import CITATIONS_MAX, over
from bursar.translate.codec import BadAnswer
from bursar.translate.conversation import Citation, Thinking
from bursar.translate.messages_answer import (
    REASONS,
    STOPS,
    TIERS,
    Block,
    WireMessage,
    fault_of,
    message_head,
    passage_of,
    passages_of,
    usage_in,
    write_fault,
    write_usage,
)
from bursar.translate.messages_blocks import DIALECT
from bursar.translate.messages_parts import passage, signature_block, signature_of, tool_id
from bursar.translate.streams import SseEventReader


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: Any = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    index: int | None = None
    message: WireMessage | None = None
    content_block: Block | None = None
    delta: _Delta | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: Any = None


class _Typed(msgspec.Struct, gc=False):
    type: str = ""


_EVENT = msgspec.json.Decoder(_Event)
_TYPED = msgspec.json.Decoder(_Typed)
_KNOWN = ("message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta")
_KINDS = {"text": "text", "thinking": "thinking", "redacted_thinking": "thinking", "tool_use": "tool_use"}


class MessagesEventReader(SseEventReader):
    """A provider's stream."""

    __slots__ = (
        "_cited",
        "_count",
        "_grown",
        "_kept_input",
        "_open",
        "_said",
        "_seen",
        "_started",
        "_stopped",
        "_wire_index",
    )

    def __init__(self) -> None:
        super().__init__()
        self._seen: MessageUsage | None = None
        self._count = 0  # parts so far
        self._started = False
        self._stopped = False
        self._open = ""  # the kind of the part that is open
        self._wire_index: int | None = None  # and its number on the wire
        self._kept_input = ""  # of a call whose arguments came with its beginning
        self._grown = False
        self._said = 0  # characters of the text that is open
        self._cited: list[Citation] = []  # about all of it, which is known at its end

    def _read(self, data: bytes, events: list[Event]) -> None:
        try:
            event = _EVENT.decode(data)
        except msgspec.ValidationError:
            typed = decode_answer(_TYPED, data)
            if typed is None or typed.type in _KNOWN:
                raise
            return  # an event of a kind that isn't known, whose fields are its own
        match event.type:
            case "content_block_delta":
                self._grow(event, events)
            case "content_block_start":
                self._start_part(event, events)
            case "content_block_stop":
                if event.index == self._wire_index:
                    self._end_part(events)
            case "message_start":
                self._start(event.message or WireMessage(), events)
            case "message_delta":
                self._note_usage(event.usage)
                if event.delta is not None and event.delta.stop_reason:
                    self._stop(event.delta, events)
            case "message_stop":
                self._stop(_Delta(), events)
                self._is_over = True
                tier = TIERS.get((self._seen.service_tier if self._seen else None) or "", "")
                events.append(Ended(usage_of_message(self._seen), tier))
            case "ping":
                events.append(Pinged())
            case "error":
                self.fail(events, fault_of(event.error))
            case _ if event.error:
                self.fail(events, fault_of(event.error))

    def _start(self, message: WireMessage, events: list[Event]) -> None:
        if self._started:
            raise BadAnswer("a second message_start")
        self._started = True
        self._note_usage(message.usage)
        events.append(Started(message.id or "", message.model or "", usage=usage_of_message(self._seen)))

    def _begin(self, events: list[Event]) -> None:
        """Some vendors leave out `message_start`."""
        if not self._started:
            self._start(WireMessage(), events)

    def _stop(self, delta: _Delta, events: list[Event]) -> None:
        """Why it stopped, once; a vendor that doesn't say so ended."""
        self._begin(events)
        if not self._stopped:
            self._stopped = True
            self._end_part(events)
            events.append(Stopped(STOPS.get(delta.stop_reason or "", "end"), delta.stop_sequence or ""))

    def _note_usage(self, raw: msgspec.Raw) -> None:
        report = usage_in(raw)
        if report is not None:
            self._seen = report if self._seen is None else merge_usage(self._seen, report)

    def _start_part(self, event: _Event, events: list[Event]) -> None:
        self._begin(events)
        self._end_part(events)
        block = event.content_block or Block()
        kind = _KINDS.get(block.type)
        if kind is None or self._stopped:
            return
        at = self._count
        self._open, self._wire_index, self._grown = kind, event.index, False
        events.append(PartStarted(at, kind, block.id or "", block.name or "" if kind == "tool_use" else ""))
        if kind == "tool_use":
            self._kept_input = arguments_text(block.input)
        elif block.type == "redacted_thinking":
            events.append(PartSigned(at, redacted=block.data or "", provider=DIALECT))
        else:
            self._said, self._cited = 0, passages_of(block.citations) if kind == "text" else []
            if text := block.text or block.thinking:
                self._said = len(text)
                events.append(PartGrew(at, text))
            if block.signature:
                events.append(PartSigned(at, block.signature, provider=DIALECT))

    def _grow(self, event: _Event, events: list[Event]) -> None:
        delta = event.delta
        if delta is None or not self._open or event.index != self._wire_index:
            return  # of a block that was left out
        text = {"text": delta.text, "thinking": delta.thinking, "tool_use": delta.partial_json}[self._open]
        if text:
            self._grown = True
            self._said += len(text)
            events.append(PartGrew(self._count, text))
        elif isinstance(delta.citation, dict):
            if self._open == "text" and len(self._cited) < CITATIONS_MAX:
                self._cited.append(passage_of(delta.citation))
        elif delta.signature and self._open == "thinking":
            events.append(PartSigned(self._count, delta.signature, provider=DIALECT))

    def _end_part(self, events: list[Event]) -> None:
        if not self._open:
            return
        if self._open == "tool_use" and not self._grown:
            events.append(PartGrew(self._count, self._kept_input))
        if self._open == "text":
            events += [PartCited(self._count, over(one, self._said)) for one in self._cited]
        events.append(PartEnded(self._count))
        self._count += 1
        self._open = ""


class MessagesEventWriter:
    """The caller's stream. A thought's beginning waits for what it holds: words, or only a proof."""

    __slots__ = ("_blocks", "_call_id", "_kind", "_model", "_signed", "_started", "_stopped", "_tool", "_waits")

    def __init__(self, model: str, call_id: str) -> None:
        self._model = model  # as asked for, until the answer says its own
        self._call_id = call_id
        self._started = False
        self._blocks = 0  # content blocks begun
        self._kind = ""  # of the part that is open
        self._waits = False  # a thought was begun, and nothing of it is written
        self._tool = ""  # the id of the call that is open
        self._signed = ""  # its provider's signature
        self._stopped = Stopped("end")

    def write(self, events: Iterable[Event]) -> bytes:
        """The events of the wire; of several choices the first alone."""
        out: list[bytes] = []
        for event in events:
            match event:
                case PartGrew(choice=0):
                    self._grow(event, out)
                case PartStarted(choice=0):
                    self._start_part(event, out)
                case PartSigned(choice=0):
                    self._sign(event, out)
                case PartCited(choice=0):
                    self._cite(event.citation, out)
                case PartEnded(choice=0):
                    self._end_part(out)
                case Started():
                    self._start(event, out)
                case Stopped(choice=0):
                    self._stopped = event
                case Ended():
                    self._end(event, out)
                case Pinged():
                    out.append(b'event: ping\ndata: {"type": "ping"}\n\n')
                case Failed():
                    out.append(b"event: error\ndata: " + write_fault(event.fault) + b"\n\n")
        return b"".join(out)

    def _start(self, event: Started, out: list[bytes]) -> None:
        self._started = True
        message = {
            **message_head(event.id or f"msg_{self._call_id}", event.model or self._model),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(event.usage),
        }
        out.append(_event("message_start", {"message": message}))

    def _start_part(self, event: PartStarted, out: list[bytes]) -> None:
        if not self._started:
            self._start(Started("", ""), out)
        self._kind = event.kind
        if event.kind == "thinking":
            self._waits = True
        elif event.kind == "tool_use":
            self._tool, self._signed = tool_id(event.id), ""
            self._start_block({"type": "tool_use", "id": self._tool, "name": event.name, "input": {}}, out)
        else:
            self._start_block({"type": "text", "text": ""}, out)

    def _start_block(self, block: dict[str, Any], out: list[bytes]) -> None:
        out.append(_event("content_block_start", {"index": self._blocks, "content_block": block}))
        self._blocks += 1

    def _start_thought(self, out: list[bytes]) -> None:
        if self._waits:
            self._waits = False
            self._start_block({"type": "thinking", "thinking": "", "signature": ""}, out)

    def _grow(self, event: PartGrew, out: list[bytes]) -> None:
        match self._kind:
            case "thinking":
                self._start_thought(out)
                delta = {"type": "thinking_delta", "thinking": event.text}
            case "tool_use":
                delta = {"type": "input_json_delta", "partial_json": event.text}
            case _:
                delta = {"type": "text_delta", "text": event.text}
        out.append(_event("content_block_delta", {"index": self._blocks - 1, "delta": delta}))

    def _sign(self, event: PartSigned, out: list[bytes]) -> None:
        if self._kind != "thinking":
            self._signed = event.signature
            return
        proof = signature_of(Thinking("", event.signature, event.redacted, provider=event.provider))
        if event.redacted and self._waits:
            self._waits = False
            self._start_block({"type": "redacted_thinking", "data": proof}, out)
        elif not event.redacted:
            self._start_thought(out)
            delta = {"type": "signature_delta", "signature": proof}
            out.append(_event("content_block_delta", {"index": self._blocks - 1, "delta": delta}))

    def _cite(self, citation: Citation, out: list[bytes]) -> None:
        """A block is cited as a whole, and this one is on its way: a shorter span is widened to it."""
        if self._kind == "text" and citation.url:
            delta = {"type": "citations_delta", "citation": passage(citation)}
            out.append(_event("content_block_delta", {"index": self._blocks - 1, "delta": delta}))

    def _end_part(self, out: list[bytes]) -> None:
        self._start_thought(out)
        out.append(_event("content_block_stop", {"index": self._blocks - 1}))
        if self._kind == "tool_use" and self._signed:
            self._start_block(signature_block(self._tool, self._signed), out)
            out.append(_event("content_block_stop", {"index": self._blocks - 1}))
        self._kind = ""

    def _end(self, event: Ended, out: list[bytes]) -> None:
        if not self._started:
            self._start(Started("", ""), out)
        if self._kind:
            self._end_part(out)
        stopped = {
            "stop_reason": REASONS.get(self._stopped.stop, "end_turn"),
            "stop_sequence": self._stopped.stop_sequence or None,
        }
        usage = write_usage(event.usage, event.tier)
        out.append(_event("message_delta", {"delta": stopped, "usage": usage}))
        out.append(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


def _event(kind: str, said: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **said}))
