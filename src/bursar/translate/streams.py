"""A provider's server-sent events, one at a time and in bounded memory: what every codec's event reader stands on."""

import re

from bursar.providers.reading import UNREADABLE
from bursar.providers.sse import EVENT_BYTES_MAX, data_of
from bursar.translate.answer import Event, Failed, Fault
from bursar.translate.codec import BadAnswer

_EVENT_END = re.compile(rb"\n\r?\n")


class Frames:
    """Data of whole events out of chunks that were cut anywhere."""

    __slots__ = ("_searched", "_tail")

    def __init__(self) -> None:
        self._tail = bytearray()
        self._searched = 0  # no event ends before this offset of the tail

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that is whole now. Raises BadAnswer for one that is larger than the bound."""
        if not self._tail and chunk[-2:] == b"\n\n" and b"\r" not in chunk:  # the usual: whole events
            return [data for event in chunk[:-2].split(b"\n\n") if (data := _data(event))]
        tail = self._tail
        tail += chunk
        found = []
        start = 0
        searched = self._searched
        while end := _EVENT_END.search(tail, searched):
            data = data_of(bytes(tail[start : end.start()]).replace(b"\r\n", b"\n"))
            if data:
                found.append(data)
            start = searched = end.end()
        del tail[:start]
        self._searched = max(0, len(tail) - 2)  # its end may straddle two chunks
        if len(tail) > EVENT_BYTES_MAX:
            raise BadAnswer(f"an event of the provider's stream is larger than {EVENT_BYTES_MAX} bytes")
        return found

    def end(self) -> list[bytes]:
        """The data of an event that no blank line ended."""
        rest = bytes(self._tail)
        self._tail.clear()
        data = data_of(rest.replace(b"\r\n", b"\n"))
        return [data] if data else []


def _data(event: bytes) -> bytes:
    if event[:6] == b"data: " and b"\n" not in event:
        return event[6:]
    return data_of(event)


class SseEventReader:
    """An `EventReader`: a codec's own fills in `_read`, and `_close` if the end of the stream says something."""

    __slots__ = ("_frames", "_is_over")

    def __init__(self) -> None:
        self._frames = Frames()
        self._is_over = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that are whole now; a `Failed` is the last one ever."""
        events: list[Event] = []
        if self._is_over:
            return events
        try:
            for data in self._frames.feed(chunk):
                self._read(data, events)
                if events and isinstance(events[-1], Failed):
                    break
        except (BadAnswer, *UNREADABLE) as error:
            self.fail(events, unreadable(error))
        return events

    def end(self) -> list[Event]:
        """What the end of the stream says."""
        events: list[Event] = []
        if self._is_over:
            return events
        try:
            for data in self._frames.end():
                self._read(data, events)
        except (BadAnswer, *UNREADABLE):
            self._is_over = True  # the stream was cut inside an event
            return events
        if not self._is_over:
            self._is_over = True
            self._close(events)
        return events

    def fail(self, events: list[Event], fault: Fault) -> None:
        """The provider failed in mid-stream: nothing comes behind that."""
        self._is_over = True
        events.append(Failed(fault))

    def _read(self, data: bytes, events: list[Event]) -> None:
        """Take the data of one event. May raise BadAnswer, or what decoding raises."""
        raise NotImplementedError

    def _close(self, events: list[Event]) -> None:
        """The stream is over; whatever it didn't say is unsaid."""


def unreadable(error: Exception) -> Fault:
    """An event that isn't one of its dialect."""
    return Fault(502, "api_error", f"the provider's stream can't be read: {error}", "bad_answer")
