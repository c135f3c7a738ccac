"""Prefixes that were seen, by their keyed hashes: when, how often, and whether the provider should have them now."""

import msgspec

from bursar.gateway.prompt_cache.learned_reuse import Reuse
from bursar.gateway.prompt_cache.rates import FIVE_MINUTES_US, ONE_HOUR_US, READY_US

PREFIXES_MAX = 65_536  # of one worker; 115 bytes each, so 7.5 MB


class Seen(msgspec.Struct):
    """One prefix. reuse: the class that its last block was of when it came last.

    written_us, live_until_us: 0 if it was never marked. is_1h: how long the provider keeps it.
    """

    count: int = 0
    last_us: int = 0
    reuse: Reuse | None = None
    written_us: int = 0
    live_until_us: int = 0
    is_1h: bool = False

    def is_live(self, now_us: int) -> bool:
        """Whether the provider should have it."""
        return self.written_us + READY_US <= now_us <= self.live_until_us

    def keep(self, now_us: int, *, is_1h: bool) -> None:
        """It was sent with a mark: written now, or read and kept for longer."""
        if now_us > self.live_until_us:
            self.written_us = now_us
        self.is_1h = is_1h
        self.live_until_us = now_us + (ONE_HOUR_US if is_1h else FIVE_MINUTES_US)


def drop(kept: list[Seen]) -> None:
    """The provider has none of these: the call that marked them was refused, or nothing of it was kept."""
    for seen in kept:
        seen.live_until_us = 0


class Prefixes:
    """The newest prefixes, in two halves: when the younger is full, the older is forgotten."""

    def __init__(self, most: int = PREFIXES_MAX) -> None:
        self._half = most // 2
        self._young: dict[int, Seen] = {}
        self._old: dict[int, Seen] = {}

    def find(self, prefix: int) -> Seen:
        """What is known of a prefix; it is remembered from now on."""
        found = self._young.get(prefix)
        if found is not None:
            return found
        found = self._old.pop(prefix, None) or Seen()
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[prefix] = found
        return found
