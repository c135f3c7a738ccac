"""Paces of budgets past their `throttle` threshold: so many calls a minute, in bounded memory.

Workers share nothing, so each keeps to its share; the shares add up to the pace. Where there are fewer calls a minute
than workers, each worker lets one pass every so many minutes, so that none of them is shut.
"""

from collections import deque

from bursar.budgets.lease import BalanceKey
from bursar.gateway.rates import share

MINUTE_US = 60 * 1_000_000
PACES_MAX = 10_000  # balances at once; beyond that the one used longest ago starts anew


class Pace:
    """When the last calls were let pass: no span of time ever holds more than `calls`."""

    __slots__ = ("_passed", "calls", "span_us")

    def __init__(self, calls: int, span_us: int) -> None:
        self.calls = calls
        self.span_us = span_us
        self._passed: deque[int] = deque()

    def wait_s(self, now_us: int) -> int:
        """Whole seconds until one more may pass; 0: now."""
        passed = self._passed
        while passed and passed[0] <= now_us - self.span_us:
            passed.popleft()
        if len(passed) < self.calls:
            return 0
        # a call that came before the one that passed waits a span and no more
        left_us = min(self.span_us, passed[0] + self.span_us - now_us)
        return max(1, -(-left_us // 1_000_000))

    def let_pass(self, now_us: int) -> None:
        self._passed.append(now_us)

    def take_back(self, now_us: int) -> None:
        """A call that was let pass then and wasn't sent after all."""
        if now_us in self._passed:
            self._passed.remove(now_us)


class Paces:
    """This worker's share of every pace. workers, slot: of this node."""

    def __init__(self, workers: int = 1, slot: int = 0) -> None:
        self._workers = workers
        self._slot = slot
        self._paces: dict[tuple[BalanceKey, int, int], Pace] = {}

    def of(self, key: BalanceKey, percent: int, per_minute: int) -> Pace:
        """The pace of one balance from one threshold on."""
        known = key, percent, per_minute
        found = self._paces.pop(known, None)
        if found is None:
            if len(self._paces) >= PACES_MAX:
                del self._paces[next(iter(self._paces))]
            found = pace_of(per_minute, self._workers, self._slot)
        self._paces[known] = found  # last in order: used last
        return found


def pace_of(per_minute: int, workers: int, slot: int) -> Pace:
    """One worker's share.

    >>> [(pace_of(10, 4, slot).calls, pace_of(10, 4, slot).span_us // 10**6) for slot in range(4)]
    [(3, 60), (3, 60), (2, 60), (2, 60)]
    >>> pace_of(1, 4, 3).calls, pace_of(1, 4, 3).span_us // 10**6
    (1, 240)
    """
    if per_minute >= workers:
        return Pace(share(per_minute, workers, slot) or 1, MINUTE_US)
    return Pace(1, MINUTE_US * workers // per_minute)
