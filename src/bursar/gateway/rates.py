"""Limits, counted: requests and tokens over a sliding minute, calls under way, in bounded memory.

Workers share nothing, so each keeps to its share; the shares add up to the limit. A minute is sixty-one whole seconds,
the running one included: no sixty seconds ever hold more than the limit, and a call may wait a second longer than it
had to.
"""

from collections import deque
from collections.abc import Sequence

from bursar.domain.controls import MINUTE_S, Limit, LimitTerms, Match, written
from bursar.domain.errors import RateLimited
from bursar.gateway.case import Case, reader_of

COUNTERS_MAX = 10_000  # values counted one by one; further ones are counted together, which is the safe side
SWEEP_EVERY_S = 1


class Window:
    """A count over the last minute, by seconds."""

    __slots__ = ("_seconds", "total")

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque()
        self.total = 0

    def at(self, second: int) -> int:
        """The count as of that second."""
        seconds = self._seconds
        while seconds and seconds[0][0] < second - MINUTE_S:
            self.total -= seconds.popleft()[1]
        return self.total

    def add(self, second: int, count: int) -> None:
        seconds = self._seconds
        self.total += count
        if seconds and seconds[-1][0] >= second:  # a clock that was set back counts on at the later time
            second, before = seconds.pop()
            count += before
        seconds.append((second, count))

    def take_back(self, second: int) -> None:
        """Undo one of what was added at that second. Where that can't be told any more, it stays counted."""
        for at, (added, count) in enumerate(self._seconds):
            if added == second and count:
                self._seconds[at] = (added, count - 1)
                self.total -= 1
                return

    def room_in_s(self, second: int, most: int) -> int:
        """Seconds until the count is below `most`, if nothing more comes."""
        left = self.total
        for at, count in self._seconds:
            left -= count
            if left < most:
                return max(1, at + MINUTE_S + 1 - second)
        return MINUTE_S


class Counter:
    """What one limit has counted, of all its calls or of one value of its `each`."""

    __slots__ = ("requests", "running", "tokens")

    def __init__(self) -> None:
        self.requests = Window()
        self.tokens = Window()
        self.running = 0

    def is_idle(self, second: int) -> bool:
        return not (self.running or self.requests.at(second) or self.tokens.at(second))


class RateRule:
    """One limit, and this worker's share of each of its figures."""

    __slots__ = ("_overflow", "_read", "_swept", "concurrent", "counters", "limit", "match", "requests", "tokens")

    def __init__(self, limit: Limit, workers: int, slot: int) -> None:
        terms: LimitTerms = limit.terms
        self.limit = limit
        self.match: Match = terms.match
        self.requests = share(terms.requests_per_minute, workers, slot)
        self.tokens = share(terms.tokens_per_minute, workers, slot)
        self.concurrent = share(terms.concurrent, workers, slot)
        self.counters: dict[str, Counter] = {}
        self._read = reader_of(terms.each) if terms.each else None
        self._overflow = Counter()
        self._swept = 0

    def counter(self, case: Case, second: int) -> Counter | None:
        """The call's counter; None where the limit is by a value that the call doesn't say."""
        value = ""
        if self._read is not None and not (value := self._read(case)):
            return None
        found = self.counters.get(value)
        if found is None:
            if len(self.counters) >= COUNTERS_MAX and not self._sweep(second):
                return self._overflow
            if not self._overflow.is_idle(second):  # some of what it counts may be this value's
                return self._overflow
            found = self.counters[value] = Counter()
        return found

    def check(self, counter: Counter, case: Case, second: int) -> None:
        """Raises RateLimited if there is no room for one more call."""
        terms = self.limit.terms
        if self.concurrent is not None and counter.running >= self.concurrent:
            raise self._full(case, f"{terms.concurrent} calls at a time", self.concurrent, 1)
        if self.requests is not None and counter.requests.at(second) >= self.requests:
            wait_s = counter.requests.room_in_s(second, self.requests)
            raise self._full(case, f"{terms.requests_per_minute} requests a minute", self.requests, wait_s)
        if self.tokens is not None and counter.tokens.at(second) >= self.tokens:
            wait_s = counter.tokens.room_in_s(second, self.tokens)
            raise self._full(case, f"{terms.tokens_per_minute} tokens a minute", self.tokens, wait_s)

    def _full(self, case: Case, figure: str, ours: int, wait_s: int) -> RateLimited:
        limit = self.limit
        about = written(limit.terms.match)
        if self._read is not None:
            about = f"{limit.terms.each}={self._read(case)}" + (f" {about}" if limit.terms.match else "")
        told = f"limit {limit.name!r} ({limit.limit_id}): {figure} for {about}"
        if ours == 0:
            told += "; that is fewer than the gateway has workers, and this worker has no share: raise the limit"
        error = RateLimited(f"{told}; try again in {wait_s} s", headers={"retry-after": str(wait_s)})
        error.details = {"limit": limit.limit_id, "limit_name": limit.name, "limit_value": figure, "scope": about}
        return error

    def _sweep(self, second: int) -> bool:
        """Forget counters at rest, once a second at most. True if there is room then."""
        if second >= self._swept + SWEEP_EVERY_S:
            self._swept = second
            self.counters = {value: one for value, one in self.counters.items() if not one.is_idle(second)}
        return len(self.counters) < COUNTERS_MAX


class Taken:
    """A call's place in every limit that is about it. Given back once."""

    __slots__ = ("_counters", "_second")

    def __init__(self, counters: Sequence[Counter], second: int) -> None:
        self._counters = counters
        self._second = second

    def add_tokens(self, tokens: int, now_us: int) -> None:
        """What an attempt used, known when it is settled."""
        for counter in self._counters:
            counter.tokens.add(now_us // 1_000_000, tokens)

    @property
    def counters(self) -> Sequence[Counter]:
        return self._counters

    def holds(self, counter: Counter) -> bool:
        """Whether the call has its place there already."""
        return any(one is counter for one in self._counters)

    def leave(self, kept: Sequence[Counter]) -> None:
        """It goes on elsewhere: those it keeps count on, the others have seen their request."""
        for counter in self._counters:
            if not any(one is counter for one in kept):
                counter.running -= 1
        self._counters = ()

    def release(self, *, was_sent: bool = True) -> None:
        """The call has ended. One that was never sent, refused by a budget for one, counts as no request."""
        for counter in self._counters:
            counter.running -= 1
            if not was_sent:
                counter.requests.take_back(self._second)
        self._counters = ()


def take(rules: Sequence[RateRule], case: Case, now_us: int, beside: Taken | None = None) -> Taken | None:
    """A place in all the limits, or in none. Raises RateLimited.

    beside: the places of a call that this one is made for: one request of a caller isn't counted twice.
    """
    second = now_us // 1_000_000
    counters = []
    for rule in rules:
        counter = rule.counter(case, second)
        if counter is not None and (beside is None or not beside.holds(counter)):
            rule.check(counter, case, second)
            counters.append(counter)
    if not counters:
        return None
    for counter in counters:
        counter.running += 1
        counter.requests.add(second, 1)
    return Taken(counters, second)


def move(
    rules: Sequence[RateRule],
    case: Case,
    now_us: int,
    held: Taken | None,
    *,
    only_look: bool = False,
    stays_too: bool = False,
) -> Taken | None:
    """A call's place in all the limits of where it goes next, those that it holds already not counted again.

    only_look: nothing changes. stays_too: it goes there beside where it is, and keeps all its places.
    Raises RateLimited, and it stays where it was.
    """
    second = now_us // 1_000_000
    counters, fresh = [], []
    for rule in rules:
        counter = rule.counter(case, second)
        if counter is None:
            continue
        counters.append(counter)
        if held is None or not held.holds(counter):
            rule.check(counter, case, second)
            fresh.append(counter)
    if only_look:
        return held
    for counter in fresh:
        counter.running += 1
        counter.requests.add(second, 1)
    if held is not None:
        if stays_too:
            counters = [*held.counters, *fresh]
        held.leave(counters)
    return Taken(counters, second) if counters else None


def share(figure: int | None, workers: int, slot: int) -> int | None:
    """This worker's part of a figure; all workers' parts add up to it.

    >>> [share(10, 4, slot) for slot in range(4)]
    [3, 3, 2, 2]
    """
    if figure is None:
        return None
    return figure // workers + (slot < figure % workers)
