"""Watching a server-sent event stream go by: whole events out of chunks that were cut anywhere, in bounded memory.

Bytes pass as they came, and are put by until there is a block of them to look at, or the end: event by event that
costs ten times as much. Of a block's many events only both ends are decoded into the few fields that their dialect
bills by: usage, reasons and errors come last, and markers say if a provider reports any in between. What must not be
kept (an event larger than the bound) is counted, so that the charge can say `estimated`.
Source: the WHATWG event-stream format; `\\r` alone as a line end is left out, since no provider writes it.
"""

import re
from operator import methodcaller
from typing import Any, ClassVar

import msgspec

from bursar.providers.reading import UNREADABLE, decode_answer
from bursar.providers.values import Answer

EVENT_BYTES_MAX = 8 * 1024 * 1024  # a Responses stream ends with one event that holds the whole answer
HELD_BYTES_MAX = 16 * 1024  # a usage chunk is smaller; a longer event is passed on while it still comes

LAST_EVENTS = (b"[DONE]", b"message_stop", b"response.completed", b"response.incomplete", b'"finishReason"')

BLOCK_BYTES = 16 * 1024  # put by before they are looked at
UNCOUNTED_BYTES_MAX = 64 * 1024
BURST_BYTES = 4 * 1024  # a block this large holds more events than are worth decoding one by one
BURST_ENDS = 4  # events decoded at its end: reason, usage, error, `[DONE]`

_EVENT_END = re.compile(rb"\n\r?\n")
_QUOTE_AT = methodcaller("find", b'"')
_EMPTY_CHOICES = (b'"choices":[]', b'"choices": []')
_STRING_REST = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_BACKSLASH = 0x5C
_CR = 0x0D
_LF = 0x0A


class StreamReader:
    """Watches one stream. A dialect's reader names its decoders and fills in `_take` and `answer`."""

    __slots__ = (
        "_counted",
        "_done",
        "_extras",
        "_passed",
        "_searched",
        "_skims",
        "_skipping",
        "_strips",
        "_tail",
        "_uncounted",
        "_uncounted_bytes",
        "_waiting",
        "_waiting_bytes",
        "oversized",
        "plain",
    )

    last_marks: ClassVar[tuple[bytes, ...]] = LAST_EVENTS  # one of these is in a chunk with the stream's last event
    _decoder: ClassVar[msgspec.json.Decoder[Any]]
    _lenient: ClassVar[msgspec.json.Decoder[Any]]  # the same event where its usage can't be read
    _usage_marker: ClassVar[bytes]  # in every event that reports usage
    _reason_marker: ClassVar[bytes]  # in every event that says why the answer ended
    _text_markers: ClassVar[tuple[bytes, ...]]  # what opens a text, the most usual first

    def __init__(self, *, strips: bool = False, skims: bool = True) -> None:
        self._waiting: list[bytes] = []  # chunks that were passed on and not looked at
        self._waiting_bytes = 0
        self._tail = bytearray()  # the event that isn't whole yet
        self._searched = 0  # no event ends before this offset of the tail
        self._passed = 0  # how much of the tail has been passed on already, when stripping
        self._strips = strips
        self._extras: list[bytes] = []  # events of the current block that the client didn't ask for
        self._skims = skims  # leave out the middle of bursts
        self._skipping = False  # inside an event that was too large to keep
        self._done = False  # `[DONE]` came
        self._counted = 0  # text of the answer so far
        self._uncounted: list[bytes] = []  # events whose text isn't counted yet
        self._uncounted_bytes = 0
        self.oversized = 0
        self.plain = b""  # the whole body, if it was no event stream at all

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes as they came off the socket; get what to pass on: the same, unless an event is taken out."""
        if not self._strips or self._is_plain(chunk):
            self._waiting.append(chunk)
            self._waiting_bytes += len(chunk)
            if self._waiting_bytes > BLOCK_BYTES:
                self._look()
            return chunk
        self._look()
        return self._pass(self._take_in(chunk))

    def end(self) -> bytes:
        """The stream is over, or was cut. Gets what was still held back."""
        self._look()
        rest = bytes(self._tail)
        self._tail.clear()
        held = rest[self._passed :] if self._strips else b""
        is_begun, self._passed = self._passed > 0, 0
        if not rest.strip() or self._skipping:
            return held
        if rest.lstrip()[:1] == b"{":
            self.plain = rest
            return held
        self._watch(rest + b"\n\n")
        return held if is_begun or not self._extras else b""

    def closing(self, event: bytes) -> bytes:
        """An event of ours as the last thing of this stream."""
        return event

    @property
    def output_bytes(self) -> int:
        """Text of the answer so far: what an estimate goes by if no usage comes. Counted when asked for."""
        self._look()
        if self._uncounted:
            self._count()
        return self._counted

    def answer(self) -> Answer:
        """What the stream said, as far as it came. Final after `end`."""
        self._look()
        return self._said()

    def _said(self) -> Answer:
        """What the events that were looked at said."""
        raise NotImplementedError

    def _take(self, event: Any) -> bool:
        """Note what an event says. True: the client didn't ask for this event."""
        raise NotImplementedError

    def _is_plain(self, chunk: bytes) -> bool:
        """Whole events, none of which can be one that the client didn't ask for: such have usage and no choices."""
        return (
            not self._tail
            and chunk.endswith(b"\n\n")
            and self._usage_marker not in chunk
            and _EMPTY_CHOICES[0] not in chunk
            and _EMPTY_CHOICES[1] not in chunk
        )

    def _look(self) -> None:
        """Look at what was put by."""
        waiting = self._waiting
        if waiting:
            self._take_in(waiting[0] if len(waiting) == 1 else b"".join(waiting))
            self._waiting = []
            self._waiting_bytes = 0

    def _take_in(self, chunk: bytes) -> bytes:
        """See the events that are whole with this chunk, and return them; the rest waits in the tail."""
        block = chunk if not self._tail and chunk.endswith(b"\n\n") else self._whole_events(chunk)
        if block:
            self._watch(block)
        if not self._strips and len(self._tail) > EVENT_BYTES_MAX:
            self._give_up_event()
        return block

    def _whole_events(self, chunk: bytes) -> bytes:
        """The events that are whole with this chunk; the rest stays in the tail."""
        tail = self._tail
        tail += chunk
        end = last_event_end(tail, self._searched)
        if not end:
            self._searched = max(0, len(tail) - 2)
            return b""
        block = bytes(tail[:end])
        del tail[:end]
        self._searched = 0
        return block

    def _watch(self, block: bytes) -> None:
        """See the events of a block of whole ones."""
        if block[-2] == _CR:
            block = block.replace(b"\r\n", b"\n")  # inside JSON both are escaped: these are line ends
        start = 0
        if self._skipping:
            self._skipping = False
            start = block.find(b"\n\n") + 2
        if len(block) - start < BURST_BYTES or not self._skims:
            self._see(block, start, len(block))
            return
        head = block.find(b"\n\n", block.find(b"\n\n", start) + 2) + 2  # two events: the first may be the filter's
        tail = len(block)
        for _ in range(BURST_ENDS + 1):
            tail = block.rfind(b"\n\n", head, tail)
            if tail < 0:
                break
        if (
            tail < 0
            or block.find(self._usage_marker, head, tail + 2) >= 0
            or block.find(self._reason_marker, head, tail + 2) >= 0
        ):
            self._see(block, start, len(block))
        else:
            self._see(block, start, head)
            self._uncounted.append(block[head : tail + 2])
            self._uncounted_bytes += tail - head
            if self._uncounted_bytes > UNCOUNTED_BYTES_MAX:
                self._count()
            self._see(block, tail + 2, len(block))

    def _see(self, block: bytes, start: int, stop: int) -> None:
        """Decode each event between two offsets."""
        decode = self._decoder.decode
        while start < stop:
            end = block.find(b"\n", start)  # one byte is found five times as fast as two
            while end + 1 < stop and block[end + 1] != _LF:
                end = block.find(b"\n", end + 1)
            brace = block.find(b"{", start, end)
            if brace >= 0:
                data = block[brace:end]
                try:
                    event = decode(data)
                except UNREADABLE:
                    event = self._decode_again(data, block[start:end])
                if event is not None and self._take(event):
                    self._extras.append(data)
            elif end > start and data_of(block[start:end]) == b"[DONE]":
                self._done = True
            start = end + 2

    def _count(self) -> None:
        """Count the text of the events that weren't decoded, by the marker that finds any; escapes count as written."""
        block = b"".join(self._uncounted)
        self._uncounted = []
        self._uncounted_bytes = 0
        for marker in self._text_markers:
            parts = block.split(marker)[1:]
            size = sum(map(_QUOTE_AT, parts))
            if _BACKSLASH in block:
                for part in parts:
                    end = part.find(b'"')
                    if end > 0 and part[end - 1] == _BACKSLASH:  # perhaps the quote is part of the text
                        found = _STRING_REST.match(part)
                        size += found.end() - end if found else 0
            if size > 0:
                self._counted += size
                return

    def _decode_again(self, data: bytes, event: bytes) -> Any:
        """An event with several data lines, more fields behind them, or counts that can't be; None if it is neither."""
        if b"\r\n" in event:  # somebody between us and the provider added events of its own: mixed line ends
            mixed = event.replace(b"\r\n", b"\n") + b"\n\n"
            self._see(mixed, 0, len(mixed))
            return None
        lines = data_of(event)
        for text in (data, lines) if lines != data else (data,):
            for decoder in (self._decoder, self._lenient):
                found = decode_answer(decoder, text)
                if found is not None:
                    return found
        return None

    def _pass(self, block: bytes) -> bytes:
        """What of these events goes on, and of the tail if it grew long."""
        passed = self._passed
        if block:
            self._passed = 0
            if self._extras:
                for data in self._extras:
                    block = without_event(block, data, is_begun=passed > 0)
                self._extras.clear()
            kept = block[passed:] if passed else block
        else:
            kept = b""
        if len(self._tail) > HELD_BYTES_MAX:
            kept += self._tail[self._passed :]
            self._passed = len(self._tail)
        if len(self._tail) > EVENT_BYTES_MAX:
            self._give_up_event()
        return kept

    def _give_up_event(self) -> None:
        """Forget an event that is too large, and wait for its end."""
        if not self._skipping:
            self._skipping = True
            self.oversized += 1
        del self._tail[:-2]  # its end may straddle two chunks
        self._searched = 0
        self._passed = len(self._tail) if self._strips else 0


def last_event_end(data: bytes | bytearray, start: int) -> int:
    """Where the last whole event ends; 0 if none does. Nothing before `start` is looked at."""
    plain = data.rfind(b"\n\n", start)
    network = data.rfind(b"\n\r\n", start)
    return max(plain + 2 if plain >= 0 else 0, network + 3 if network >= 0 else 0)


def without_event(block: bytes, data: bytes, *, is_begun: bool) -> bytes:
    """A block of whole events without the one that holds this data.

    is_begun: the client already has half of the first event, which must then stay.
    """
    at = block.find(data)
    end = _EVENT_END.search(block, at + len(data)) if at >= 0 else None
    if end is None:
        return block
    start = last_event_end(block[:at], 0)
    return block if is_begun and start == 0 else block[:start] + block[end.end() :]


def data_of(event: bytes) -> bytes:
    """The data lines of an event, joined, as the format says."""
    return b"\n".join(line[5:] for line in event.split(b"\n") if line.startswith(b"data:")).strip()


def text_bytes(text: str | None) -> int:
    """Size of a text in UTF-8."""
    if not text:
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
