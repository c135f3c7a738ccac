"""The bytes of a provider's answer, kept while they pass, for whoever compares it later.

Keeping is all that happens on the call's way; what the bytes mean is read afterwards, in small steps.
"""

import asyncio
from collections.abc import Callable

import msgspec

from bursar.gateway.agreement import TEXT_CHARS_MAX, Said, arguments_mark, said_by
from bursar.translate.answer import Ended, Event, PartGrew, PartStarted, Stopped
from bursar.translate.codec import BadAnswer, Codec

HEARD_BYTES_MAX = 1024 * 1024
STEP_BYTES = 8 * 1024  # of a stream, between two looks at the loop: well below a millisecond
TOOLS_MAX = 128

Feed = Callable[[bytes], bytes]


class Heard(msgspec.Struct):
    """One answer. overflowed: it was larger than HEARD_BYTES_MAX, so none of it is kept."""

    chunks: list[bytes] = []
    size: int = 0
    streams: bool = False
    overflowed: bool = False

    def keep(self, chunk: bytes) -> None:
        """One more piece, or all of it."""
        if self.overflowed:
            return
        self.size += len(chunk)
        if self.size > HEARD_BYTES_MAX:
            self.overflowed = True
            self.chunks.clear()
        else:
            self.chunks.append(chunk)

    def beside(self, feed: Feed) -> Feed:
        """The same reader of a stream, with each piece kept."""
        self.streams = True

        def both(chunk: bytes) -> bytes:
            self.keep(chunk)
            return feed(chunk)

        return both

    async def said(self, codec: Codec) -> Said | None:
        """What it said, in the dialect that it came in; None: nothing that is whole. Forgets the bytes."""
        body = b"".join(self.chunks)
        self.chunks.clear()
        if not body:
            return None
        if not self.streams:
            try:
                return said_by(codec.read_answer(body))
            except BadAnswer:
                return None
        reader, gathering = codec.reader(), _Gathering()
        for start in range(0, len(body), STEP_BYTES):
            gathering.take(reader.feed(body[start : start + STEP_BYTES]))
            await asyncio.sleep(0)
        gathering.take(reader.end())
        return gathering.said()


class _Gathering:
    """The first choice of a stream, put together."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._tools: dict[int, tuple[str, list[str]]] = {}
        self._thoughts: set[int] = set()
        self._stop: str | None = None
        self._is_whole = False

    def take(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Ended):
                self._is_whole = True
            elif isinstance(event, PartStarted | PartGrew | Stopped) and event.choice == 0:
                self._take(event)

    def said(self) -> Said | None:
        if not self._is_whole or self._stop is None:
            return None
        tools = tuple((name, arguments_mark("".join(texts))) for name, texts in self._tools.values())
        return Said(self._stop, "".join(self._texts)[:TEXT_CHARS_MAX], tools)

    def _take(self, event: PartStarted | PartGrew | Stopped) -> None:
        if isinstance(event, Stopped):
            self._stop = event.stop
        elif isinstance(event, PartStarted):
            if event.kind == "tool_use" and len(self._tools) < TOOLS_MAX:
                self._tools[event.index] = (event.name, [])
            elif event.kind == "thinking":
                self._thoughts.add(event.index)
        elif event.index in self._tools:
            self._tools[event.index][1].append(event.text)
        elif event.index not in self._thoughts:
            self._texts.append(event.text)
