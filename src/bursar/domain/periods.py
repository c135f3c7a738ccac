"""Stretches of time: half-open, in UTC, named in somebody's time zone.

`parse_period("last-month", now, "Asia/Kolkata")` is a pure function of its arguments; no job ever resets a window.
Weeks are ISO weeks, from Monday on.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal

import msgspec

from bursar.domain.calendar import MIDNIGHT, clock_change, instant_of, month_on, offset_s
from bursar.domain.calendar import zone as zone  # whoever reads periods needs their zone
from bursar.domain.errors import BadPeriod

Grain = Literal["hour", "day", "week", "month"]
Step = Literal["day", "month", "span"]

PRESETS = (
    "today",
    "yesterday",
    "7d",
    "30d",
    "90d",
    "mtd",
    "last-month",
    "quarter",
    "last-quarter",
    "ytd",
    "last-year",
    "year",
    "all",
)
"""`mtd`, `quarter`, `ytd`: from the calendar start until now (the end of this quarter of an hour, so that rollups cover
them exactly). `7d`, `30d`, `90d`: that many days, today included.
`year`: twelve calendar months, this one included."""

FIRST_DAY = date(2020, 1, 1)  # where `all` starts: before any call of today's models
YEAR_MIN, YEAR_MAX = 1970, 2999  # with the period before, and every zone's midnights, well inside what a datetime holds
BUCKETS_MAX = 20_000


class Period(msgspec.Struct, frozen=True):
    """`[start, end)` in UTC.

    name:     as it was asked for, and as an address shows it: "last-month", "2026-03".
    timezone: the IANA name whose midnights it was cut at.
    step, steps: how far back the comparable period lies: 1 month, 7 days; "span" is its own length.
    """

    start: datetime
    end: datetime
    name: str = ""
    timezone: str = "UTC"
    step: Step = "span"
    steps: int = 1

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


class Bucket(msgspec.Struct, frozen=True):
    """One bar of a chart: `label` is the local date, or for hours the local time with its offset."""

    label: str
    start: datetime
    end: datetime


def parse_period(text: str, now: datetime, timezone: str = "UTC") -> Period:
    """The period that `text` names: a preset, `2026`, `2026-Q1`, `2026-03`, `2026-W12`, `2026-03-15`,
    `2026-03-01..2026-03-15` (both days included), `2026-03-01..` (until now), or two instants with an offset,
    `2026-03-01T06:00Z..2026-03-01T12:00Z` (the end excluded).

    now: aware; the only clock there is. Raises BadPeriod that says what can be written.
    """
    local = _until(now).astimezone(zone(timezone))
    name = text.strip().lower() or "mtd"
    found = _preset(name, local) or _calendar(name) or _range(text.strip(), local)
    if found is None:
        raise BadPeriod(
            f"{text!r} is not a period; say one of {', '.join(PRESETS)}, or 2026-03, 2026-W12, 2026-03-01..2026-03-15",
            field="period",
        )
    start, end, step, steps = found
    last = end - timedelta(microseconds=1)
    if min(start.year, last.year) < YEAR_MIN or max(start.year, last.year) > YEAR_MAX:
        raise BadPeriod(f"{text!r}: years go from {YEAR_MIN} to {YEAR_MAX}", field="period")
    period = Period(instant_of(start, timezone), instant_of(end, timezone), text.strip() or name, timezone, step, steps)
    if period.end < period.start:
        raise BadPeriod(f"{text!r} ends before it starts", field="period")
    return period


def is_cut(start: datetime, first_call: datetime | None) -> bool:
    """Whether books with that first call lack a day or more of what begins at `start`."""
    return first_call is not None and first_call >= start + timedelta(days=1)


def previous(period: Period) -> Period:
    """The comparable period before: the month before a month, the same part of last month before a month to date."""
    start, end = period.start, period.end
    if period.step == "span":
        return msgspec.structs.replace(period, start=start - (end - start), end=start, name="")
    place = zone(period.timezone)
    shifted = [
        instant_of(_shift(at.astimezone(place).replace(tzinfo=None), period.step, -period.steps), period.timezone)
        for at in (start, end)
    ]
    return msgspec.structs.replace(period, start=shifted[0], end=shifted[1], name="")


def buckets(period: Period, grain: Grain) -> list[Bucket]:
    """The period cut at local hours, days, weeks or months; the first and last are whole buckets too.

    Raises BadPeriod above BUCKETS_MAX: a chart of hours over ten years is a mistake, and a slow one.
    """
    if period.end <= period.start:
        return []
    if period.seconds / _GRAIN_SECONDS[grain] > BUCKETS_MAX:
        raise BadPeriod(f"too long for one row per {grain}: choose a coarser one", field="grain")
    return list(_hours(period) if grain == "hour" else _days(period, grain))


def bucket_start(at: datetime, grain: Grain, timezone: str) -> datetime:
    """The UTC instant at which the bucket that holds `at` begins."""
    local = at.astimezone(zone(timezone))
    if grain == "hour":
        return (local.astimezone(UTC) - timedelta(minutes=local.minute, seconds=local.second)).replace(microsecond=0)
    return instant_of(datetime.combine(_floor(local.date(), grain), datetime.min.time()), timezone)


@lru_cache(maxsize=512)
def offsets(start: datetime, end: datetime, timezone: str) -> tuple[tuple[datetime, int], ...]:
    """The zone's offsets over a stretch, in seconds: `((from when on, offset), …)`, the first from `start` on.

    With these a store can turn UTC into local time by plain arithmetic, exactly and alike on every engine.
    """
    place = zone(timezone)
    found = [(start, offset_s(start, place))]
    at = start
    while at < end:
        later = min(at + timedelta(days=7), end)
        if change := clock_change(at, later, place):
            found.append((change, offset_s(later, place)))
        at = later
    return tuple(found)


_GRAIN_SECONDS: dict[Grain, int] = {"hour": 3_600, "day": 86_400, "week": 604_800, "month": 28 * 86_400}
_Found = tuple[datetime, datetime, Step, int]


def _until(now: datetime) -> datetime:
    """The end of the quarter hour that `now` is in: a rollup's grain, and in every zone's own grid."""
    utc = now.astimezone(UTC)
    floor = utc.replace(minute=utc.minute // 15 * 15, second=0, microsecond=0)
    return floor + timedelta(minutes=15)


def _preset(name: str, local: datetime) -> _Found | None:
    now = local  # aware: "until now" must not be taken apart by a repeated hour
    today = (local - timedelta(microseconds=1)).date()  # at 24:00 it is still the day that ends
    month = today.replace(day=1)
    quarter = month.replace(month=(month.month - 1) // 3 * 3 + 1)
    year = month.replace(month=1)
    match name:
        case "today":
            return _at(today), now, "day", 1
        case "yesterday":
            return _at(today - timedelta(days=1)), _at(today), "day", 1
        case "mtd" | "month":
            return _at(month), now, "month", 1
        case "last-month":
            return _at(month_on(month, -1)), _at(month), "month", 1
        case "quarter":
            return _at(quarter), now, "month", 3
        case "last-quarter":
            return _at(month_on(quarter, -3)), _at(quarter), "month", 3
        case "ytd":
            return _at(year), now, "month", 12
        case "year":
            return _at(month_on(month, -11)), now, "month", 12
        case "last-year":
            return _at(month_on(year, -12)), _at(year), "month", 12
        case "all":
            return _at(FIRST_DAY), now, "span", 1
    if days := re.fullmatch(r"([1-9]\d{0,3})d", name):
        count = int(days[1])
        return _at(today - timedelta(days=count - 1)), now, "day", count
    return None


def _calendar(name: str) -> _Found | None:
    """A year, quarter, month, ISO week or day, written as in ISO 8601."""
    try:
        if found := re.fullmatch(r"(\d{4})", name):
            start = date(int(found[1]), 1, 1)
            return _at(start), _at(month_on(start, 12)), "month", 12
        if found := re.fullmatch(r"(\d{4})-q([1-4])", name):
            start = date(int(found[1]), int(found[2]) * 3 - 2, 1)
            return _at(start), _at(month_on(start, 3)), "month", 3
        if found := re.fullmatch(r"(\d{4})-(\d{2})", name):
            start = date(int(found[1]), int(found[2]), 1)
            return _at(start), _at(month_on(start, 1)), "month", 1
        if found := re.fullmatch(r"(\d{4})-w(\d{2})", name):
            start = date.fromisocalendar(int(found[1]), int(found[2]), 1)
            return _at(start), _at(start + timedelta(days=7)), "day", 7
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", name):
            start = date.fromisoformat(name)
            return _at(start), _at(start + timedelta(days=1)), "day", 1
    except (ValueError, OverflowError):
        return None
    return None


def _range(text: str, local: datetime) -> _Found | None:
    first, dots, last = text.partition("..")
    if not dots:
        return None
    if "t" in text.lower():
        start, end = _instant_text(first), _instant_text(last) if last else local
        return (start, end, "span", 1) if start and end else None
    begin = _calendar(first.lower())
    if begin is None:
        return None
    if not last:
        return begin[0], local, "span", 1
    finish = _calendar(last.lower())
    if finish is None:
        return None
    days = (finish[1] - begin[0]).days
    return begin[0], finish[1], "day", max(days, 1)


def _instant_text(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return at if at.tzinfo else None


def _at(day: date) -> datetime:
    return datetime.combine(day, MIDNIGHT)


def _shift(local: datetime, step: Step, count: int) -> datetime:
    """A local time some days or months on; a day that the month lacks becomes the end of that month."""
    if step == "day":
        return local + timedelta(days=count)
    first = month_on(local.date().replace(day=1), count)
    end = month_on(first, 1)
    if local.day > (end - first).days:
        return _at(end)
    return local.replace(year=first.year, month=first.month)


def _floor(day: date, grain: Grain) -> date:
    if grain == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if grain == "month" else day


def _days(period: Period, grain: Grain) -> Iterator[Bucket]:
    day = _floor(period.start.astimezone(zone(period.timezone)).date(), grain)
    start = instant_of(_at(day), period.timezone)
    while start < period.end:
        after = month_on(day, 1) if grain == "month" else day + timedelta(days=7 if grain == "week" else 1)
        end = instant_of(_at(after), period.timezone)
        yield Bucket(day.isoformat(), start, end)
        day, start = after, end


def _hours(period: Period) -> Iterator[Bucket]:
    place = zone(period.timezone)
    start = bucket_start(period.start, "hour", period.timezone)
    while start < period.end:
        end = bucket_start(start + timedelta(hours=1), "hour", period.timezone)
        if end <= start:  # a clock set back by half an hour (Lord Howe)
            end = start + timedelta(hours=1)
        yield Bucket(start.astimezone(place).isoformat(timespec="minutes"), start, end)
        start = end
