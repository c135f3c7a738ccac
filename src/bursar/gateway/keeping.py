"""An answer that may be kept, while it is on its way."""

import msgspec

from bursar.cache.answers import Answers
from bursar.cache.entry import Entry
from bursar.cache.flights import Lead
from bursar.gateway.heard import Feed


class Keeping(msgspec.Struct):
    """An answer that may be kept when it is whole. pieces: of a stream, as the caller has them.

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

    def keep(self, entry: Entry) -> None:
        """It is whole, and good to give out again."""
        if self.is_over:
            return
        self.is_over = True
        self.answers.keep(self.key, entry, self.lead)
        self.pieces = []
