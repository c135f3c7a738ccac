"""What went wrong with an initiative: its guard past the limit, unit cost that rises again, calls without a measure."""

from collections.abc import Sequence
from datetime import date, timedelta
from math import sqrt

import msgspec

from bursar.advisor.initiatives_rates import student
from bursar.domain.initiatives import Guard
from bursar.explore.unit_costs import Guarded

RECENT_DAYS = 7
EARLIER_DAYS_MIN = 7
GUARD_CALLS_MIN = 20
LOST_SHARE = 0.5


class Flag(msgspec.Struct, frozen=True):
    """code: guard, rising, not_saving, new_kinds, unpriced, no_baseline, too_fine. text: for people."""

    code: str
    text: str


GUARD_SAID = {"error_rate": "failed calls are", "latency_p95_ms": "p95 latency is", "feedback": "feedback is"}


def guard_figure(metric: str, value: float) -> str:
    """`2.4 %`, `17,210 ms`, `0.62`."""
    match metric:
        case "error_rate":
            return f"{value:.3g} %"
        case "latency_p95_ms":
            return f"{value:,.0f} ms"
        case _:
            return f"{value:.3g}"


class GuardReading(msgspec.Struct, frozen=True):
    """value: None where too little was seen. count: calls, or scores, that it is made of."""

    metric: str
    limit: float
    value: float | None
    count: int
    is_past: bool

    @property
    def text(self) -> str:
        """Its value in words; "" where too little was seen."""
        return "" if self.value is None else f"{GUARD_SAID[self.metric]} {guard_figure(self.metric, self.value)}"


def read_guard(guard: Guard, seen: Guarded) -> GuardReading:
    """A guard against the calls of the last days."""
    value: float | None
    match guard.metric:
        case "error_rate":
            value, count = (100 * seen.failed / seen.calls if seen.calls else None), seen.calls
        case "latency_p95_ms":
            value, count = seen.latency_p95_ms, seen.calls - seen.failed
        case _:
            value, count = seen.score, seen.scored
    if value is None or count < GUARD_CALLS_MIN:
        return GuardReading(guard.metric, guard.limit, None, count, is_past=False)
    is_past = value < guard.limit if guard.metric == "feedback" else value > guard.limit
    return GuardReading(guard.metric, guard.limit, float(value), count, is_past)


def rising(days: Sequence[tuple[date, float, float]]) -> tuple[float, float] | None:
    """(share saved before, share saved in the last days) where at least half of what was saved is lost again, and by
    more than days differ by themselves; else None.

    days: (day, expected, actual) in order. One-sided, at 99 %.
    """
    if not days:
        return None
    since = days[-1][0] - timedelta(days=RECENT_DAYS - 1)
    earlier = [one for one in days if one[0] < since and one[1] > 0]
    recent = [one for one in days if one[0] >= since and one[1] > 0]
    if len(earlier) < EARLIER_DAYS_MIN or len(recent) < 3:
        return None
    before, now = _share(earlier), _share(recent)
    if before <= 0 or now > before * (1 - LOST_SHARE):
        return None
    first, second = _ratios(earlier), _ratios(recent)
    error = sqrt(_variance(first) / len(first) + _variance(second) / len(second))
    if before <= student(0.99, len(first) - 1) * sqrt(_variance(first) / len(first)):
        return None  # nothing was surely saved that could be lost
    freedom = min(len(first), len(second)) - 1
    return (before, now) if before - now > student(0.99, freedom) * error else None


def _share(days: Sequence[tuple[date, float, float]]) -> float:
    return 1 - sum(actual for _, _, actual in days) / sum(expected for _, expected, _ in days)


def _ratios(days: Sequence[tuple[date, float, float]]) -> list[float]:
    return [actual / expected for _, expected, actual in days]


def _variance(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)
