"""Dates in words, day before month and the month in letters, so that nobody can swap them."""

from datetime import date, datetime, tzinfo

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def day(at: date, *, year: bool = False) -> str:
    """`1 Oct`, or `1 Oct 2026`."""
    text = f"{at.day} {_MONTHS[at.month - 1][:3]}"
    return f"{text} {at.year}" if year else text


def month(at: date) -> str:
    """`October 2026`."""
    return f"{_MONTHS[at.month - 1]} {at.year}"


def days(first: date, last: date) -> str:
    """An inclusive range without saying anything twice: `1–31 Oct 2026`, `28 Sep – 4 Oct 2026`."""
    if first == last:
        return day(first, year=True)
    if first.year != last.year:
        return f"{day(first, year=True)} – {day(last, year=True)}"
    if first.month != last.month:
        return f"{day(first)} – {day(last, year=True)}"
    return f"{first.day}–{day(last, year=True)}"


def moment(at: datetime, zone: tzinfo, *, seconds: bool = True, millis: bool = False) -> str:
    """An exact time in a zone: `23 Nov 2026, 14:31:07`."""
    local = at.astimezone(zone)
    clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    return f"{day(local, year=True)}, {clock}" + (f".{local.microsecond // 1000:03d}" if millis else "")
