"""What a call used, as disjoint counts: a cached token is counted as cached only, never also as input."""

from collections.abc import Iterator
from enum import StrEnum

import msgspec


class Unit(StrEnum):
    """A class of usage that can carry a price. The value is the name of the field in `Usage`."""

    INPUT = "input"
    CACHE_READ = "cache_read"
    CACHE_WRITE_5M = "cache_write_5m"
    CACHE_WRITE_1H = "cache_write_1h"
    INPUT_AUDIO = "input_audio"
    CACHE_READ_AUDIO = "cache_read_audio"
    INPUT_IMAGE = "input_image"
    OUTPUT = "output"
    OUTPUT_AUDIO = "output_audio"
    OUTPUT_IMAGE = "output_image"
    WEB_SEARCH = "web_search"
    REQUEST = "request"
    CHARACTERS = "characters"
    AUDIO_SECONDS = "audio_seconds"
    IMAGES = "images"
    CACHE_STORAGE = "cache_storage"


UNITS: tuple[Unit, ...] = tuple(Unit)
INPUT_UNITS = (
    Unit.INPUT,
    Unit.CACHE_READ,
    Unit.CACHE_WRITE_5M,
    Unit.CACHE_WRITE_1H,
    Unit.INPUT_AUDIO,
    Unit.CACHE_READ_AUDIO,
    Unit.INPUT_IMAGE,
)
OUTPUT_UNITS = (Unit.OUTPUT, Unit.OUTPUT_AUDIO, Unit.OUTPUT_IMAGE)


COUNTED = {
    Unit.WEB_SEARCH: "web_searches",
    Unit.REQUEST: "requests_billed",
    Unit.CHARACTERS: "characters",
    Unit.AUDIO_SECONDS: "audio_seconds",
    Unit.IMAGES: "images",
    Unit.CACHE_STORAGE: "cache_storage_token_hours",
}
"""Units that aren't tokens, with the column of the ledger that counts them."""


class Usage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Disjoint counts of one attempt. Tokens, but what COUNTED names.

    `output` includes reasoning tokens; `reasoning` says how many of them, and is never priced a second time.
    `kept_tokens` and `kept_us` say exactly what `cache_storage` rounds: where they are there, they are what is priced.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    cache_read_audio: int = 0
    input_image: int = 0
    output: int = 0
    output_audio: int = 0
    output_image: int = 0
    web_search: int = 0
    request: int = 0
    reasoning: int = 0
    characters: int = 0  # of a text that is spoken
    audio_seconds: int = 0  # of sound that is sold by its length
    images: int = 0  # that are sold one by one
    cache_storage: int = 0  # token-hours, rounded: so many tokens kept in a cache for so many hours
    kept_tokens: int = 0  # the tokens of that cache, exactly; never priced a second time
    kept_us: int = 0  # for how long they are charged, in microseconds

    def nonzero(self) -> Iterator[tuple[Unit, int]]:
        """The units that were used, in the order of `Unit`."""
        for unit in UNITS:
            quantity = getattr(self, unit)
            if quantity:
                yield unit, quantity

    @property
    def total_input(self) -> int:
        """All that went in, cached or not, in tokens: what a context window and a price tier look at."""
        return (  # spelled out: this runs for each call, and a loop over INPUT_UNITS costs 2 µs
            self.input
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.input_audio
            + self.cache_read_audio
            + self.input_image
        )

    @property
    def total_output(self) -> int:
        """All that came out, in tokens, reasoning included."""
        return self.output + self.output_audio + self.output_image
