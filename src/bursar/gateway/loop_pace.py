"""The pace of keys and of sessions: calls a minute beside their own busiest one so far, and failures of one kind.

Each worker keeps this for itself: what counts is what is usual, and a worker has its share of that as of a hurry.
"""

from bursar.gateway.loop_signs import MINUTE_US, Limits, Seen, Sign, is_storm, is_sudden, usual_after

PACES_MAX = 8192  # keys and sessions remembered, half of them for sure
SHARES_MAX = 4  # a worker of many still sees this part of a client that stays with it


class Pace:
    """One key's, or one session's. The counts are those of the minute that ends at `ends_us`."""

    __slots__ = (
        "calls",
        "ends_us",
        "error_kind",
        "errors",
        "errors_since_us",
        "known_since_us",
        "number",
        "pico",
        "successes",
        "unpriced",
        "usual",
    )

    def __init__(self, number: int, now_us: int) -> None:
        self.number = number
        self.known_since_us = now_us
        self.ends_us = now_us + MINUTE_US
        self.calls = self.pico = self.unpriced = self.usual = 0
        self.error_kind = ""
        self.errors = self.errors_since_us = self.successes = 0

    def begin_minute(self, now_us: int) -> None:
        """The minute before may have been the busiest so far."""
        minutes = (now_us - self.ends_us) // MINUTE_US + 1
        self.usual = usual_after(self.usual, self.calls, minutes)
        self.ends_us = now_us + MINUTE_US
        self.calls = self.pico = self.unpriced = 0


class Paces:
    """All of one worker, in bounded memory: the half that was asked for longest ago goes first."""

    def __init__(self, limits: Limits, workers: int) -> None:
        self.limits = limits
        self.share = min(max(workers, 1), SHARES_MAX)
        self.floor = max(1, limits.rate_floor // self.share)
        self.floor_session = max(1, limits.rate_floor_session // self.share)
        self.newer: dict[object, Pace] = {}
        self.older: dict[object, Pace] = {}

    def find(self, name: object, number: int, now_us: int) -> Pace:
        """The pace of a name that isn't among the newer ones."""
        pace = self.older.pop(name, None) or Pace(number, now_us)
        if len(self.newer) >= PACES_MAX // 2:
            self.older, self.newer = self.newer, {}
        self.newer[name] = pace
        return pace

    def hurries(self, pace: Pace, scope: str, floor: int, now_us: int) -> Seen | None:
        """Whether this minute's calls are sudden."""
        learn_us = self.limits.rate_learn_us if scope == "key" else self.limits.rate_learn_session_us
        if not is_sudden(
            self.limits, calls=pace.calls, usual=pace.usual, floor=floor,
            is_known=now_us - pace.known_since_us >= learn_us, pico=pace.pico * self.share, unpriced=pace.unpriced,
        ):  # fmt: skip
            return None
        calls, pace.calls = pace.calls - 1, 0
        return Seen(
            sign=Sign.RATE, scope=scope, key=pace.number, calls=calls, unpriced=pace.unpriced, pico=pace.pico,
            first_us=pace.ends_us - MINUTE_US, lasts_us=self.limits.cut_wide_us,
        )  # fmt: skip

    def failed(self, pace: Pace, kind: str, now_us: int) -> Seen | None:
        """Count a failure of a key's calls."""
        if pace.error_kind != kind or now_us - pace.errors_since_us >= MINUTE_US:
            pace.error_kind, pace.errors_since_us = kind, now_us
            pace.errors, pace.successes = 1, 0
            return None
        pace.errors += 1
        if not is_storm(self.limits, pace.errors * self.share, pace.successes * self.share):
            return None
        calls, pace.errors = pace.errors, 0
        return Seen(
            sign=Sign.STORM, scope="key", key=pace.number, calls=calls, unpriced=pace.unpriced, pico=pace.pico,
            first_us=pace.errors_since_us, lasts_us=self.limits.cut_storm_us, error_kind=kind,
        )  # fmt: skip
