"""Streams of converse-stream: frames, whose last one is `metadata` with the usage.

Source: the service model of bedrock-runtime, botocore 1.44.5; tests/golden/bedrock.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from bursar.providers.event_frames import Frame, Frames, write_frame
from bursar.providers.reading import UNREADABLE, decode_answer
from bursar.providers.sse import EVENT_BYTES_MAX
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
    Started,
    Stopped,
)
from bursar.translate.citations import CITATIONS_MAX, over
from bursar.translate.conversation import Citation, Thinking
from bursar.translate.converse_answer import (
    REASONS,
    STOPS,
    exception_of,
    fault_of,
    passage_of,
    read_usage,
    write_usage,
)
from bursar.translate.converse_blocks import DIALECT, passage, signature_block, thought_block, tool_id
from bursar.translate.streams import unreadable

_IN_STREAMS = (
    "InternalServerException",
    "ModelStreamErrorException",
    "ValidationException",
    "ThrottlingException",
    "ServiceUnavailableException",
)


class _Thought(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class _Use(msgspec.Struct, gc=False, rename="camel"):
    tool_use_id: str | None = None
    name: str | None = None
    type: str | None = None
    input: str | None = None


class _Piece(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: _Use | None = None
    reasoning_content: _Thought | None = None
    citation: Any = None


class _Tier(msgspec.Struct, gc=False):
    type: str | None = None


class _Event(msgspec.Struct, rename="camel"):
    """The payload of any event."""

    content_block_index: int | None = None
    start: _Piece | None = None
    delta: _Piece | None = None
    stop_reason: str | None = None
    usage: msgspec.Raw = msgspec.Raw()
    service_tier: _Tier | None = None


class _Refused(msgspec.Struct, gc=False):
    message: str | None = None


_EVENT = msgspec.json.Decoder(_Event)
_REFUSED = msgspec.json.Decoder(_Refused)
_KNOWN = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata")


class ConverseEventReader:
    """A provider's stream. What opens a text or a thought is its first piece: only calls have a beginning."""

    __slots__ = ("_cited", "_count", "_frames", "_grown", "_is_over", "_is_started", "_is_stopped", "_model", "_open",
                 "_said", "_skipped")  # fmt: skip

    def __init__(self, model: str) -> None:
        self._frames = Frames(EVENT_BYTES_MAX)
        self._model = model
        self._count = 0  # parts so far
        self._open = ""  # the kind of the part that is open
        self._skipped: int | None = None  # the block of a tool that the provider runs itself
        self._grown = False
        self._said = 0  # characters of the text that is open
        self._cited: list[Citation] = []  # about all of it, which is known at its end
        self._is_started = False
        self._is_stopped = False
        self._is_over = False

    def feed(self, chunk: bytes) -> list[Event]:
        events: list[Event] = []
        try:
            for frame in [] if self._has_ended() else self._frames.feed(chunk):
                self._read(frame, events)
                if self._has_ended():
                    break
        except UNREADABLE as error:
            self._fail(events, unreadable(error))
        if not self._has_ended() and (self._frames.fault or self._frames.oversized):
            why = self._frames.fault or "a frame is too large"
            self._fail(events, Fault(502, "api_error", f"the provider's stream can't be read: {why}", "bad_answer"))
        return events

    def end(self) -> list[Event]:
        self._is_over = True
        return []

    def _has_ended(self) -> bool:
        return self._is_over

    def _fail(self, events: list[Event], fault: Fault) -> None:
        self._is_over = True
        events.append(Failed(fault))

    def _read(self, frame: Frame, events: list[Event]) -> None:
        if frame.kind != "event":
            said = decode_answer(_REFUSED, frame.payload)
            name = frame.name[:1].upper() + frame.name[1:]
            self._fail(events, fault_of(name, (said.message or "") if said is not None else ""))
            return
        if frame.name not in _KNOWN:
            return
        event = _EVENT.decode(frame.payload)
        if not self._is_started:
            self._is_started = True
            events.append(Started("", self._model))
        match frame.name:
            case "contentBlockDelta":
                self._grow(event, events)
            case "contentBlockStart":
                self._start_part(event, events)
            case "contentBlockStop":
                self._end_part(events)
            case "messageStop":
                self._stop(event.stop_reason, events)
            case "metadata":
                self._stop(None, events)
                self._is_over = True
                tier = event.service_tier.type if event.service_tier is not None else None
                events.append(Ended(read_usage(event.usage), tier or ""))

    def _stop(self, reason: str | None, events: list[Event]) -> None:
        if not self._is_stopped:
            self._is_stopped = True
            self._end_part(events)
            events.append(Stopped(STOPS.get(reason or "", "end")))

    def _start_part(self, event: _Event, events: list[Event]) -> None:
        self._end_part(events)
        use = event.start.tool_use if event.start is not None else None
        if use is None or use.type is not None or self._is_stopped:
            self._skipped = event.content_block_index
            return
        self._open, self._grown = "tool_use", False
        events.append(PartStarted(self._count, "tool_use", use.tool_use_id or "", use.name or ""))

    def _ensure(self, kind: str, events: list[Event]) -> None:
        if self._open != kind:
            self._end_part(events)
            self._open, self._said, self._cited = kind, 0, []
            events.append(PartStarted(self._count, kind))

    def _grow(self, event: _Event, events: list[Event]) -> None:
        piece = event.delta
        if piece is None or self._is_stopped:
            return
        if piece.tool_use is not None:
            if self._open == "tool_use" and piece.tool_use.input:
                self._grown = True
                events.append(PartGrew(self._count, piece.tool_use.input))
        elif self._skipped is not None and event.content_block_index == self._skipped:
            return
        elif piece.text:
            self._ensure("text", events)
            self._said += len(piece.text)
            events.append(PartGrew(self._count, piece.text))
        elif isinstance(piece.citation, dict):
            self._ensure("text", events)
            if len(self._cited) < CITATIONS_MAX:
                self._cited.append(passage_of(piece.citation))
        elif piece.reasoning_content is not None:
            self._think(piece.reasoning_content, events)

    def _think(self, thought: _Thought, events: list[Event]) -> None:
        self._ensure("thinking", events)
        if thought.text:
            events.append(PartGrew(self._count, thought.text))
        if thought.signature:
            events.append(PartSigned(self._count, thought.signature, provider=DIALECT))
        if thought.redacted_content:
            events.append(PartSigned(self._count, redacted=thought.redacted_content, provider=DIALECT))

    def _end_part(self, events: list[Event]) -> None:
        self._skipped = None
        if not self._open:
            return
        if self._open == "tool_use" and not self._grown:
            events.append(PartGrew(self._count, "{}"))
        if self._open == "text":
            events += [PartCited(self._count, over(one, self._said)) for one in self._cited]
        events.append(PartEnded(self._count))
        self._count += 1
        self._open = ""


class ConverseEventWriter:
    """The caller's stream."""

    __slots__ = ("_blocks", "_is_started", "_kind", "_signed", "_stop", "_tool")

    def __init__(self) -> None:
        self._is_started = False
        self._blocks = 0  # blocks that are whole
        self._kind = ""  # of the part that is open
        self._tool = ""
        self._signed = ""  # the open call's signature
        self._stop = "end_turn"

    def write(self, events: Iterable[Event]) -> bytes:
        """Frames; of several choices the first alone. Bedrock knows no pings."""
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
                    if self._kind == "text" and event.citation.url:  # of all of the block, as in Messages
                        self._say({"citation": passage(event.citation)}, out)
                case PartEnded(choice=0):
                    self._end_part(out)
                case Started():
                    self._start(out)
                case Stopped(choice=0):
                    self._stop = REASONS.get(event.stop, "end_turn")
                case Ended():
                    self._end(event, out)
                case Failed():
                    out.append(_exception(event.fault))
        return b"".join(out)

    def _start(self, out: list[bytes]) -> None:
        if not self._is_started:
            self._is_started = True
            out.append(_event("messageStart", {"role": "assistant"}))

    def _start_part(self, event: PartStarted, out: list[bytes]) -> None:
        self._start(out)
        self._kind = event.kind
        if event.kind == "tool_use":
            self._tool, self._signed = tool_id(event.id), ""
            start = {"toolUse": {"toolUseId": self._tool, "name": event.name}}
            out.append(_event("contentBlockStart", {"start": start, "contentBlockIndex": self._blocks}))

    def _say(self, delta: dict[str, Any], out: list[bytes]) -> None:
        out.append(_event("contentBlockDelta", {"delta": delta, "contentBlockIndex": self._blocks}))

    def _grow(self, event: PartGrew, out: list[bytes]) -> None:
        match self._kind:
            case "thinking":
                self._say({"reasoningContent": {"text": event.text}}, out)
            case "tool_use":
                self._say({"toolUse": {"input": event.text}}, out)
            case _:
                self._say({"text": event.text}, out)

    def _sign(self, event: PartSigned, out: list[bytes]) -> None:
        if self._kind != "thinking":
            self._signed = event.signature
            return
        block = thought_block(Thinking("", event.signature, event.redacted, provider=event.provider))
        said = block["reasoningContent"]
        proof = said if event.redacted else {"signature": said["reasoningText"]["signature"]}
        self._say({"reasoningContent": proof}, out)

    def _end_part(self, out: list[bytes]) -> None:
        self._end_block(out)
        if self._kind == "tool_use" and self._signed:
            self._say(signature_block(self._tool, self._signed), out)
            self._end_block(out)
        self._kind = ""

    def _end_block(self, out: list[bytes]) -> None:
        out.append(_event("contentBlockStop", {"contentBlockIndex": self._blocks}))
        self._blocks += 1

    def _end(self, event: Ended, out: list[bytes]) -> None:
        self._start(out)
        if self._kind:
            self._end_part(out)
        last: dict[str, Any] = {"usage": write_usage(event.usage), "metrics": {"latencyMs": 0}}
        if event.tier:
            last["serviceTier"] = {"type": event.tier}
        out.append(_event("messageStop", {"stopReason": self._stop}))
        out.append(_event("metadata", last))


def _event(name: str, said: dict[str, Any]) -> bytes:
    headers = ((":event-type", name), (":content-type", "application/json"), (":message-type", "event"))
    return write_frame(headers, msgspec.json.encode(said))


def _exception(fault: Fault) -> bytes:
    name = exception_of(fault)
    name = name if name in _IN_STREAMS else "ModelStreamErrorException"
    kind = name[0].lower() + name[1:]
    headers = ((":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception"))
    return write_frame(headers, msgspec.json.encode({"message": fault.message}))
