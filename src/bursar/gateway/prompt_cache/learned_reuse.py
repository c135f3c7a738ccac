"""How often blocks of a class are read again while a provider would still have them: learned from every call.

Whether a block comes again is seen by its hash, marked or not. So nothing has to be written to learn what writing it
would have been worth, and a class that stopped paying is seen to pay again.
"""

import msgspec

from bursar.gateway.prompt_cache.rates import FIVE_MINUTES_US, ONE_HOUR_US, Premiums

TOKENS_KEPT_MAX = 40_000_000
"""Of one class. Beyond it what was seen counts half, so that a change is noticed."""

CLASSES_MAX = 512
NEVER_CAME = 1 << 62
PRIOR_CALLS, PRIOR_TOKENS = 4, 32_768
PRIOR_NEW, PRIOR_AGAIN = 0.2, 0.9
"""What a class begins with, as if four calls, or so many tokens, had gained so much. What is new isn't worth writing
until it has been seen to come again; what came again in time is, as it mostly does so once more. Chosen on the trace of
`bursar bench caching`, where they matter little: 6.8 to 7.3 % saved, over a wide range of each."""


class Reuse(msgspec.Struct):
    """One class of blocks, in tokens.

    seen: that were sent. gained_5m, gained_1h: what writing those would have gained by their next reads, before the
    premium; a gain that a later write would have had as well isn't counted.
    """

    seen: float
    gained_5m: float
    gained_1h: float


class LearnedReuse:
    """The classes of one series. They are odds: no money is booked by them, so they are floats."""

    def __init__(self) -> None:
        self._classes: dict[int, Reuse] = {}

    def of(self, class_id: int, tokens: int, gap_us: int) -> Reuse:
        """What is known of a class. tokens: of the call; gap_us: since the block came last, NEVER_CAME if it is new.
        Both are what a class begins with. Beyond CLASSES_MAX there is one for all."""
        found = self._classes.get(class_id)
        if found is None:
            if len(self._classes) >= CLASSES_MAX:
                class_id = -1
            weight = max(PRIOR_TOKENS, PRIOR_CALLS * tokens)
            gained_5m = PRIOR_AGAIN if gap_us <= FIVE_MINUTES_US else PRIOR_NEW
            gained_1h = PRIOR_AGAIN if gap_us <= ONE_HOUR_US else PRIOR_NEW
            found = self._classes.setdefault(class_id, Reuse(weight, gained_5m * weight, gained_1h * weight))
        return found


def note_sent(reuse: Reuse, tokens: int) -> None:
    """A block of this class was sent."""
    reuse.seen += tokens
    if reuse.seen > TOKENS_KEPT_MAX:
        reuse.seen /= 2
        reuse.gained_5m /= 2
        reuse.gained_1h /= 2


def note_again(before: Reuse, now: Reuse, tokens: int, gap_us: int, premiums: Premiums) -> None:
    """A block that was of the class `before` came again after this gap, as one of the class `now`.

    Had it been written, this read would have saved its price, and it would be there for the next: that is worth what
    `now` gains, but no more than it would cost to write it only now.
    """
    if gap_us > ONE_HOUR_US:
        return
    next_5m = now.gained_5m / now.seen
    next_1h = now.gained_1h / now.seen
    written_now = max(0.0, next_5m - premiums.minutes, next_1h - premiums.hour)
    one_read = premiums.one_read
    before.gained_1h += tokens * (one_read + max(0.0, next_1h - written_now))
    if gap_us <= FIVE_MINUTES_US:
        before.gained_5m += tokens * (one_read + max(0.0, next_5m - written_now))
