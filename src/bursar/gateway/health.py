"""How an upstream is doing, as one worker sees it: latency, failures, a circuit breaker, and a rest if it asks for one.

A handful of numbers per upstream, whatever the traffic. Times are microseconds of the worker's clock.
"""

from math import exp

OPEN_AFTER = 5  # failures in a row
OPEN_RATIO = 0.5  # or of the last answers, once there were enough of them
SEEN_MIN = 20
WEIGHT = 0.1  # of the newest answer in the failure ratio: about the last twenty count
OPEN_FIRST_US = 1_000_000
OPEN_MAX_US = 30_000_000
PROBE_US = 10_000_000  # a probe that nobody heard of for so long no longer keeps others away
DECAY_US = 10_000_000  # of the latency's peak
COOL_KEYS_MAX = 1_024  # callers' own keys that are at rest


class Health:
    """peak_us: latency to the first byte; a slow answer counts at once, a fast one only with time (peak-EWMA)."""

    __slots__ = ("cool_keys", "cool_until_us", "failed_ratio", "in_flight", "in_row", "open_until_us", "opened",
                 "peak_us", "probe_until_us", "seen", "told_us")  # fmt: skip

    def __init__(self) -> None:
        self.peak_us = 0.0
        self.told_us = 0
        self.in_flight = 0
        self.failed_ratio = 0.0
        self.seen = 0
        self.in_row = 0
        self.opened = 0  # times in a row: each opens it for twice as long
        self.open_until_us = 0
        self.probe_until_us = 0
        self.cool_until_us = 0
        self.cool_keys: dict[str, int] = {}

    def why_not(self, now_us: int, own_key: str = "") -> str:
        """ "" if it may be asked; else "open", "probing" or "cooling": to be asked only if nothing else is left.

        own_key: the id of a caller's own provider key; "": the operator's is shown.
        """
        if now_us < (self.cool_keys.get(own_key, 0) if own_key else self.cool_until_us):
            return "cooling"
        if not self.opened:
            return ""
        if now_us < self.open_until_us:
            return "open"
        return "probing" if now_us < self.probe_until_us else ""

    def load(self, now_us: int) -> float:
        """What another call there would wait for, relative to other upstreams; 0: never asked."""
        decayed = self.peak_us * exp(-max(0, now_us - self.told_us) / (6 * DECAY_US))
        return decayed * (self.in_flight + 1)

    def begin(self, now_us: int) -> None:
        """A call goes there. After a rest it is the one that tries whether it is back."""
        self.in_flight += 1
        if self.opened and now_us >= self.open_until_us:
            self.probe_until_us = now_us + PROBE_US

    def answered(self, now_us: int, latency_us: int) -> None:
        """It answered, whatever the answer was worth to the caller."""
        self.in_flight -= 1
        elapsed = max(0, now_us - self.told_us)
        if latency_us >= self.peak_us:
            self.peak_us = float(latency_us)
        else:
            keep = exp(-elapsed / DECAY_US)
            self.peak_us = self.peak_us * keep + latency_us * (1 - keep)
        self.told_us = now_us
        self.in_row = self.opened = 0
        self.probe_until_us = 0
        self._count(0.0)

    def failed(self, now_us: int) -> None:
        """It didn't answer, or said that it can't."""
        self.in_flight -= 1
        self.in_row += 1
        self._count(1.0)
        if now_us < self.open_until_us:
            return  # one that was under way when it opened
        if self.opened or self.in_row >= OPEN_AFTER or (self.seen >= SEEN_MIN and self.failed_ratio > OPEN_RATIO):
            self.open_until_us = now_us + min(OPEN_MAX_US, OPEN_FIRST_US << min(self.opened, 8))
            self.opened += 1
            self.probe_until_us = 0
            self.seen = 0

    def left(self) -> None:
        """A call ended without a word on the upstream: its client went, or it was cut by us."""
        self.in_flight -= 1
        self.probe_until_us = 0

    def cool(self, until_us: int, now_us: int, own_key: str = "") -> None:
        """It asks for a rest, of the key that was shown: others have limits of their own."""
        if not own_key:
            self.cool_until_us = max(self.cool_until_us, until_us)
            return
        if len(self.cool_keys) >= COOL_KEYS_MAX:
            self.cool_keys = {key: until for key, until in self.cool_keys.items() if until > now_us}
        if len(self.cool_keys) < COOL_KEYS_MAX:
            self.cool_keys[own_key] = max(self.cool_keys.get(own_key, 0), until_us)

    def _count(self, failed: float) -> None:
        self.seen += 1
        self.failed_ratio += (failed - self.failed_ratio) * WEIGHT
