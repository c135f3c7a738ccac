"""What a provider's prompt cache costs and how it works, as far as the decision depends on it.

Source: platform.claude.com, Prompt caching, 2026-11: writes at 1.25 and 2 times the input price, reads at 0.1 (less on
some models), at most four marks, 20 blocks looked back from each, an entry readable once its answer has begun.
"""

import msgspec

FIVE_MINUTES_US = 300_000_000
ONE_HOUR_US = 3_600_000_000
READY_US = 2_000_000
"""From a write to when others can read it. A call that comes sooner pays in full, and is no sign of a reuse."""

MARKS_MAX = 4
LOOKBACK_BLOCKS = 20
NEVER = 1e9
"""A premium that nothing is worth."""


class CacheRates(msgspec.Struct, frozen=True):
    """Multiples of the input price. write_1h: None where nothing is kept for an hour."""

    read: float = 0.1
    write_5m: float = 1.25
    write_1h: float | None = 2.0

    def premiums(self, ttl: str = "auto") -> "Premiums":
        """What a write costs more than input, where only these lifetimes are used: auto, 5m or 1h."""
        minutes = NEVER if ttl == "1h" else self.write_5m - 1
        hour = NEVER if ttl == "5m" or self.write_1h is None else self.write_1h - 1
        return Premiums(minutes, hour, 1 - self.read)


class Premiums(msgspec.Struct, frozen=True):
    """Per token, in multiples of the input price. minutes, hour: of a write; NEVER: it isn't done. one_read: saved."""

    minutes: float
    hour: float
    one_read: float


ANTHROPIC_RATES = CacheRates()
