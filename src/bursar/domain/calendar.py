"""Days and months as a time zone's clock shows them: which instant a local date begins at, and where clocks change.

Pure functions of their arguments and of the zone database. Periods (what people ask for) and budget windows (what
limits them) are cut here, so that "March" is the same stretch in both.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bursar.domain.errors import BadPeriod

MIDNIGHT = datetime.min.time()


@lru_cache(maxsize=256)
def zone(timezone: str) -> ZoneInfo:
    """The IANA zone of that name. Raises BadPeriod where there is none."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadPeriod(
            f"no time zone is called {timezone!r}; use an IANA name such as Asia/Kolkata", field="tz"
        ) from error


def instant_of(local: datetime, timezone: str) -> datetime:
    """UTC of a local time; one that is aware already is only converted.

    A local time that a clock change skips becomes the instant of the change; of one that comes twice, the first. So
    each date begins exactly where the date before ends, whatever the clock does at midnight.
    """
    if local.tzinfo:
        return local.astimezone(UTC)
    place = zone(timezone)
    asked = local.replace(tzinfo=place)
    at = asked.astimezone(UTC)
    if at.astimezone(place).replace(tzinfo=None) == local.replace(fold=0):
        return at
    before = asked.replace(fold=1).astimezone(UTC)  # read with the offset after the gap: earlier than the change
    return clock_change(before, at, place) or at


def day_start(day: date, timezone: str) -> datetime:
    """The UTC instant at which a local date begins."""
    return instant_of(datetime.combine(day, MIDNIGHT), timezone)


def offset_s(at: datetime, place: ZoneInfo) -> int:
    """Seconds that local time is ahead of UTC at an instant."""
    shift = at.astimezone(place).utcoffset() or timedelta()
    return shift.days * 86_400 + shift.seconds


def clock_change(low: datetime, high: datetime, place: ZoneInfo) -> datetime | None:
    """The instant in `(low, high]` from which on the offset is another than at `low`; None where it is the same.

    low, high: aware, in UTC, with at most one change between them. Changes fall on whole seconds.
    """
    before = offset_s(low, place)
    if offset_s(high, place) == before:
        return None
    while high - low > timedelta(seconds=1):
        middle = low + max(timedelta(seconds=int((high - low).total_seconds()) // 2), timedelta(seconds=1))
        low, high = (middle, high) if offset_s(middle, place) == before else (low, middle)
    return high.replace(microsecond=0)


def month_on(first: date, count: int) -> date:
    """The first of the month `count` months on from a first of a month."""
    index = first.year * 12 + first.month - 1 + count
    return date(index // 12, index % 12 + 1, 1)
