"""The data of server-sent events out of chunks that were cut anywhere: what every codec's reader of a stream begins with."""

from bursar.providers.sse import EVENT_BYTES_MAX, data_of, last_event_end


class EventData:
    """Whole events of one stream. Keeps at most one that isn't whole, and no more than `EVENT_BYTES_MAX` of it."""

    __slots__ = ("_searched", "_tail", "oversized")

    def __init__(self) -> None:
        self._tail = bytearray()
        self._searched = 0  # no event ends before this offset of the tail
        self.oversized = False  # one was too large to keep: nothing behind it can be trusted

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that are whole with this chunk, comments and empty ones left out."""
        if self._tail or not chunk.endswith(b"\n\n"):
            self._tail += chunk
            end = last_event_end(self._tail, self._searched)
            if not end:
                self._searched = max(0, len(self._tail) - 2)
                if len(self._tail) > EVENT_BYTES_MAX:
                    self.oversized = True
                    self._tail.clear()
                    self._searched = 0
                return []
            chunk = bytes(self._tail[:end])
            del self._tail[:end]
            self._searched = 0
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n")  # inside JSON both are escaped: these are line ends
        return [data for event in chunk.split(b"\n\n") if (data := _data(event))]

    def rest(self) -> bytes:
        """What came behind the last whole event, taken out: an event that was cut, or a body that is no stream."""
        rest = bytes(self._tail)
        self._tail.clear()
        self._searched = 0
        return rest


def _data(event: bytes) -> bytes:
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    return data_of(event)
