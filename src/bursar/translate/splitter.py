"""Whole events out of a server-sent stream that was cut anywhere, for the codecs' readers.

Unlike `providers.sse`, which watches bytes that go on as they came, this hands each event over: a translated stream is
written anew. Source: the WHATWG event-stream format; `\\r` alone as a line end is left out, since no provider writes it.
"""

import re

from bursar.providers.sse import EVENT_BYTES_MAX, data_of, last_event_end

_BLANK_LINE = re.compile(rb"\n\r?\n")


class EventSplitter:
    """Holds at most one event. `oversized`: one was larger than EVENT_BYTES_MAX; nothing more is read behind it."""

    def __init__(self) -> None:
        self._tail = bytearray()
        self.oversized = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that are whole now, in order; b"" for one without data (a comment, to keep alive)."""
        if self.oversized:
            return []
        searched = max(0, len(self._tail) - 3)  # a blank line may straddle two chunks
        self._tail += chunk
        end = last_event_end(self._tail, searched)
        if not end:
            self._bound()
            return []
        block = bytes(self._tail[:end])
        del self._tail[:end]
        self._bound()
        return [data_of(event) for event in _BLANK_LINE.split(block)[:-1] if event.strip()]

    def end(self) -> list[bytes]:
        """What stood behind the last blank line: a last event of a stream that ends without one, or half of one."""
        rest = bytes(self._tail).strip()
        self._tail.clear()
        data = data_of(rest)
        return [data] if data else []

    def _bound(self) -> None:
        if len(self._tail) > EVENT_BYTES_MAX:
            self.oversized = True
            self._tail.clear()
