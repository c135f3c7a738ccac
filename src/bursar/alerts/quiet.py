"""Quiet hours: when a channel wants to be left alone, in somebody's local time.

Written `22:00-07:00 mon-fri Europe/Berlin`: from 22:00 of each of these days until 07:00, on the next day where that
is earlier. Days and zone may be left out (every day, the console's zone); several are parted by `;`. Each begins and
ends by the wall clock of its zone, so on the two nights a year when clocks change it is an hour longer or shorter.
"""

import re
from datetime import date, datetime, time, timedelta

import msgspec

from bursar.domain.calendar import instant_of, zone
from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.errors import BadAlert, BadPeriod

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SPANS_MAX = 10
CHAIN_MAX = 16  # spans that meet end to end: a week of them; what would be longer is looked at again then
_TIMES = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


class Span(msgspec.Struct, frozen=True):
    """One stretch of each of some weekdays (0 is Monday).

    start, end: minutes from local midnight; an end above a day is on the next one.
    """

    start: int
    end: int
    weekdays: frozenset[int]
    timezone: str


def parse_quiet(text: str, timezone: str) -> tuple[Span, ...]:
    """Read quiet hours; "" is none. timezone: where the text names none. Raises BadAlert that says how to write it."""
    parts = [part.split() for part in text.split(";") if part.strip()]
    if len(parts) > SPANS_MAX:
        raise BadAlert(f"quiet: {len(parts)} spans; at most {SPANS_MAX} are read", field="quiet")
    return tuple(_span(words, timezone) for words in parts)


def quiet_until(spans: tuple[Span, ...], at_us: int) -> int | None:
    """When the quiet that `at_us` falls into is over, or None if it isn't quiet then. Microseconds, UTC."""
    until = None
    at = datetime_from_us(at_us)
    for _ in range(CHAIN_MAX):
        end = max((found for span in spans if (found := _end_at(span, at)) is not None), default=None)
        if end is None:
            break
        until = at = end
    return None if until is None else us_from_datetime(until)


def _end_at(span: Span, at: datetime) -> datetime | None:
    """The end of this span's stretch that holds `at`."""
    today = at.astimezone(zone(span.timezone)).date()
    for day in (today - timedelta(days=1), today):
        if day.weekday() in span.weekdays:
            start, end = _local(day, span.start, span.timezone), _local(day, span.end, span.timezone)
            if start <= at < end:
                return end
    return None


def _local(day: date, minutes: int, timezone: str) -> datetime:
    days, minutes = divmod(minutes, 24 * 60)
    at = datetime.combine(day + timedelta(days=days), time(minutes // 60, minutes % 60))
    return instant_of(at, timezone)


def _span(words: list[str], timezone: str) -> Span:
    found = _TIMES.fullmatch(words[0])
    if found is None:
        raise _unreadable(words)
    hours = [int(part) for part in found.groups()]
    start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if start >= 24 * 60 or end > 24 * 60:
        raise _unreadable(words)
    weekdays = frozenset(range(7))
    for word in words[1:]:
        days = _weekdays(word)
        if days is not None:
            weekdays = days
            continue
        try:
            zone(word)
        except BadPeriod as error:
            raise BadAlert(f"quiet: {error.message}", field="quiet") from error
        timezone = word
    return Span(start, end if end > start else end + 24 * 60, weekdays, timezone)


def _weekdays(word: str) -> frozenset[int] | None:
    """`mon-fri`, `sat,sun`, `fri-mon` as numbers; None for a word of another kind."""
    found: set[int] = set()
    for part in word.lower().split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            return None
        at = DAYS.index(first)
        end = DAYS.index(last) if dash else at
        found |= {day % 7 for day in range(at, (end if end >= at else end + 7) + 1)}
    return frozenset(found)


def _unreadable(words: list[str]) -> BadAlert:
    return BadAlert(
        f"quiet hours are written as in 22:00-07:00 mon-fri Europe/Berlin, not {' '.join(words)!r}", field="quiet"
    )
