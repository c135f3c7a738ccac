"""Budget windows: the stretch of time a limit holds for, as a pure function of an instant and a spec.

No job ever resets a budget. Spending is posted under the key of the window its instant lies in; when the next window
begins there is a new key with nothing posted under it, and the old one stays as it was.

A budget's windows tile time: every instant is in exactly one. All instants are microseconds since the epoch, UTC, and
every stretch is half-open, `[start, end)`.

Rolling windows are tiled too, by slots of a 60th of their length: 24 h in 24-minute slots. At any instant there counts
what was posted in the running slot and in the N hours before it began, so no stretch of N hours, wherever it is laid,
ever holds more than the limit; the price is that a spend counts for up to one slot more than N hours.
"""

from datetime import date, datetime, timedelta

import msgspec

from bursar.budgets.calendars import Span, Turn
from bursar.budgets.spec import WindowSpec, calendar_of
from bursar.domain import dates
from bursar.domain.calendar import clock_change, day_start, instant_of, zone
from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.errors import BadWindow

BEGIN_US = 0
NEVER_US = 2**63 - 1
AT_MAX_US = 221_845_392_000_000_000  # the year 9000: calendars still have room behind it
ROLLING_SLOTS = 60

_HOUR = timedelta(hours=1)
_HOUR_US = 3_600 * 10**6


class Window(msgspec.Struct, frozen=True):
    """`[start_us, end_us)`: while it lasts, spending is posted under `key`.

    counted_from_us:   what was posted from here on counts against the limit: `start_us`, and earlier when rolling.
                       A slot counts if it ends after this instant.
    counted_until_us:  when what is posted now stops counting: `end_us`, and later when rolling.
    label:             "March 2026", for people.
    timezone:          which the texts are in.
    turn:              what happens at `end_us`.
    in_force:          False outside the ranges of a custom window: the budget limits nothing then.
    """

    key: str
    start_us: int
    end_us: int
    counted_from_us: int
    counted_until_us: int
    label: str
    timezone: str
    turn: Turn = "resets"
    in_force: bool = True

    def __contains__(self, at_us: int) -> bool:
        return self.start_us <= at_us < self.end_us


def window_at(spec: WindowSpec, at_us: int) -> Window:
    """The one window that holds an instant. Raises BadWindow for an instant before 1970 or after the year 9000."""
    if not 0 <= at_us < AT_MAX_US:
        raise BadWindow(f"{at_us} µs is no instant of our time", field="at")
    if spec.kind == "hour":
        return _hour(at_us, spec.timezone)
    if spec.kind == "rolling":
        return _slot(spec, at_us)
    return _dated(spec, at_us)


def local_instant(text: str, timezone: str, field: str = "until") -> int:
    """A date, or a date with its time, as people in a zone write it; in microseconds. Raises BadWindow."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadWindow(
            f"{field} is {text[:40]!r}, which is no date; write it as 2026-12-01 or 2026-12-01T00:00", field=field
        ) from error
    return us_from_datetime(instant_of(local, timezone))


def turn_text(window: Window) -> str:
    """When the window makes way for the next, in its zone: "resets at 1 Apr 2026, 00:00 (Asia/Kolkata, UTC+05:30)"."""
    match window.turn:
        case "never":
            return "never resets" if window.in_force else "ended"
        case "rolls":
            return f"what is spent now counts until {_moment(window.counted_until_us, window.timezone)}"
        case turn:
            return f"{turn} at {_moment(window.end_us, window.timezone)}"


def _dated(spec: WindowSpec, at_us: int) -> Window:
    """Of a calendar of dates. The edges decide, not the local date: a clock set back over midnight repeats dates."""
    calendar = calendar_of(spec)
    span = calendar.span(datetime_from_us(at_us).astimezone(zone(spec.timezone)).date())
    while True:
        start_us, end_us = _edges(span, spec.timezone)
        if span.after is None or at_us < end_us:  # a date never shows before its first instant, so start_us <= at_us
            return Window(
                span.key, start_us, end_us, start_us, end_us, span.label, spec.timezone, span.turn, span.in_force
            )
        span = calendar.span(span.after)  # also over a date that the zone left out altogether


def _edges(span: Span, timezone: str) -> tuple[int, int]:
    def edge(day: date | None, unbounded_us: int) -> int:
        return unbounded_us if day is None else max(us_from_datetime(day_start(day, timezone)), BEGIN_US)

    return edge(span.first, BEGIN_US), edge(span.after, NEVER_US)


def _hour(at_us: int, timezone: str) -> Window:
    """From full hour to full hour of the local clock. A clock change within an hour begins a new window: two short ones
    where Lord Howe moves by half an hour. An hour that comes twice is two windows."""
    place = zone(timezone)
    at = datetime_from_us(at_us)
    floor = at - _past_the_hour(at.astimezone(place))
    start = clock_change(floor, at, place) or floor
    end = start + _HOUR - _past_the_hour(start.astimezone(place))
    end = clock_change(start, end, place) or end
    start_us, end_us = max(us_from_datetime(start), BEGIN_US), us_from_datetime(end)
    label = f"hour from {_moment(start_us, timezone)}"
    return Window(_stamp(start_us), start_us, end_us, start_us, end_us, label, timezone)


def _past_the_hour(local: datetime) -> timedelta:
    return timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _slot(spec: WindowSpec, at_us: int) -> Window:
    length_us = spec.hours * _HOUR_US
    slot_us = length_us // ROLLING_SLOTS
    start_us = at_us // slot_us * slot_us
    end_us = start_us + slot_us
    whole_days = spec.hours > 48 and spec.hours % 24 == 0
    label = f"last {spec.hours // 24} days" if whole_days else f"last {spec.hours} h"
    return Window(
        _stamp(start_us), start_us, end_us, start_us - length_us, end_us + length_us, label, spec.timezone, "rolls"
    )


def _stamp(at_us: int) -> str:
    """An instant as a key: in UTC, because a local time may come twice."""
    return f"{datetime_from_us(at_us):%Y-%m-%dT%H:%MZ}"


def _moment(at_us: int, timezone: str) -> str:
    at = datetime_from_us(at_us).astimezone(zone(timezone))
    offset = f"{at:%z}"
    place = timezone if timezone == "UTC" else f"{timezone}, UTC{offset[:3]}:{offset[3:5]}"  # an hour may come twice
    return f"{dates.moment(at, zone(timezone), seconds=False)} ({place})"
