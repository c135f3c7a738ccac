"""An answer that may be kept, while it is on its way."""

from typing import Protocol

import msgspec

from bursar.cache.answers import Answers
from bursar.cache.entry import Entry
from bursar.cache.flights import Lead
from bursar.gateway.heard import Feed


class Ends(Protocol):
    """What else waits for the answer."""

    def end(self, entry: Entry | None) -> None: ...


class Keeping(msgspec.Struct):
    """An answer that may be kept when it is whole. pieces: of a stream, as the caller has them.

    key: of its equals; b"": there are none for it. like: what keeps it for those who mean the same.
    upstream, model, output_max: what the key was made for. After that a fallback, a budget's threshold or a clamp may
    send something else, whose answer is not the one that the key's equals ask for.
    """

    answers: Answers
    key: bytes
    ttl_us: int
    bytes_max: int
    lead: Lead | None
    upstream: str
    model: str
    output_max: int | None
    is_over: bool = False
    pieces: list[bytes] = []
    size: int = 0
    like: Ends | None = None

    def beside(self, feed: Feed) -> Feed:
        """The same reader of a stream, with what it gives to the caller kept."""

        def both(chunk: bytes) -> bytes:
            piece = feed(chunk)
            self.add(piece)
            return piece

        return both

    def add(self, piece: bytes) -> None:
        """One more piece; past the bound nothing is kept, and nobody waits for it any more."""
        if self.is_over:
            return
        self.size += len(piece)
        if self.size > self.bytes_max:
            self.drop()
        else:
            self.pieces.append(piece)

    def drop(self) -> None:
        """It won't be kept: whoever waits for it asks by itself."""
        if self.is_over:
            return
        self.is_over = True
        self.pieces.clear()
        if self.lead is not None:
            self.lead.drop()
        if self.like is not None:
            self.like.end(None)

    def keep(self, entry: Entry) -> None:
        """It is whole, and good to give out again."""
        if self.is_over:
            return
        self.is_over = True
        if self.key:
            self.answers.keep(self.key, entry, self.lead)
        if self.like is not None:
            self.like.end(entry)
        self.pieces = []
