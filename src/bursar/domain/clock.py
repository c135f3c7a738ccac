"""Time as an argument: the one place that reads the machine's clock, and its replacement in tests."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Microseconds since the Unix epoch, UTC."""

    def now_us(self) -> int: ...


class SystemClock:
    """The machine's wall clock."""

    def now_us(self) -> int:
        return time.time_ns() // 1_000


class FixedClock:
    """A clock that stands where it was put, for tests and for `--at`."""

    def __init__(self, at_us: int) -> None:
        self.at_us = at_us

    def now_us(self) -> int:
        return self.at_us


def us_from_datetime(at: datetime) -> int:
    """Exact microseconds of an aware datetime."""
    delta = at - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def datetime_from_us(at_us: int) -> datetime:
    """An aware UTC datetime, exact to the microsecond."""
    seconds, micros = divmod(at_us, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
