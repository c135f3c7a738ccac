"""Quiet hours by the wall clock: over midnight, on weekdays, and on the two nights when clocks change."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.alerts.quiet import DAYS, parse_quiet, quiet_until
from bursar.domain.calendar import zone
from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.errors import BadAlert

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia")


def until(text: str, at: str) -> str | None:
    """The end of the quiet that a local time with its offset falls into, in UTC."""
    found = quiet_until(parse_quiet(text, "UTC"), us_from_datetime(datetime.fromisoformat(at)))
    return None if found is None else datetime_from_us(found).strftime("%m-%d %H:%M")


@pytest.mark.parametrize(
    ("text", "at", "end"),
    [
        ("22:00-07:00", "2026-11-18T21:59Z", None),
        ("22:00-07:00", "2026-11-18T22:00Z", "11-19 07:00"),
        ("22:00-07:00", "2026-11-19T06:59Z", "11-19 07:00"),
        ("22:00-07:00", "2026-11-19T07:00Z", None),
        ("22:00-07:00 Asia/Kolkata", "2026-11-18T22:00+05:30", "11-19 01:30"),
        ("22:00-07:00 mon-fri", "2026-11-21T03:00Z", "11-21 07:00"),  # the night that Friday began
        ("22:00-07:00 mon-fri", "2026-11-21T22:30Z", None),  # Saturday's has none
        ("00:00-24:00 sat,sun; 22:00-07:00", "2026-11-20T23:00Z", "11-23 07:00"),  # one after the other is one
        ("22:00-07:00 Europe/Berlin", "2026-03-28T22:30+01:00", "03-29 05:00"),  # an hour shorter
        ("22:00-07:00 Europe/Berlin", "2026-10-24T22:30+02:00", "10-25 06:00"),  # an hour longer
        ("02:30-06:00 Europe/Berlin", "2026-03-29T03:00+02:00", "03-29 04:00"),  # 02:30 is skipped: from the change on
        ("01:00-02:30 Europe/Berlin", "2026-10-25T02:15+01:00", None),  # 02:30 comes twice: over at the first
    ],
)
def test_quiet_hours_end_by_the_wall_clock(text: str, at: str, end: str | None):
    assert until(text, at) == end


def test_quiet_around_the_clock_is_looked_at_again_after_a_while():
    assert until("12:00-12:00", "2026-11-18T03:00Z") == "12-03 12:00"


@given(
    start=st.integers(0, 24 * 60 - 1), length=st.integers(15, 20 * 60), place=st.sampled_from(ZONES),
    days=st.sets(st.sampled_from(DAYS), min_size=1), minutes=st.integers(0, 366 * 24 * 60),
)  # fmt: skip
def test_an_instant_is_quiet_just_when_its_local_time_is_inside(start, length, place, days, minutes):
    end = (start + length) % (24 * 60)
    text = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02} {','.join(sorted(days))} {place}"
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    found = quiet_until(parse_quiet(text, "UTC"), us_from_datetime(at))
    local = at.astimezone(zone(place))
    if any(
        (at + timedelta(hours=hours)).astimezone(zone(place)).utcoffset() != local.utcoffset() for hours in (-26, 26)
    ):
        return  # the nights of a change are told one by one above
    now = local.hour * 60 + local.minute
    today, yesterday = DAYS[local.weekday()], DAYS[(local.weekday() - 1) % 7]
    over = start + length > 24 * 60 or end == 0
    inside = today in days and (start <= now < start + length)
    inside = inside or (over and yesterday in days and now + 24 * 60 < start + length)
    assert (found is not None) is inside


@given(place=st.sampled_from(ZONES), minutes=st.integers(0, 366 * 24 * 60))
def test_after_the_quiet_it_is_not_quiet(place, minutes):
    spans = parse_quiet(f"22:00-07:00 {place}; 13:00-14:00 sat,sun {place}", "UTC")
    found = quiet_until(spans, us_from_datetime(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)))
    if found is not None:
        assert quiet_until(spans, found) is None
        assert quiet_until(spans, found - 1) == found


@pytest.mark.parametrize("text", ["22-7", "25:00-07:00", "22:00-07:00 Mars/Olympus", "22:00 07:00", "24:00-07:00"])
def test_what_is_no_time_says_how_one_is_written(text: str):
    with pytest.raises(BadAlert) as refused:
        parse_quiet(text, "UTC")
    assert refused.value.field == "quiet"


def test_no_quiet_hours_are_never_quiet():
    assert quiet_until(parse_quiet("", "UTC"), 0) is None
