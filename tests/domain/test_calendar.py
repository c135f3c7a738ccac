"""Where local dates begin, whatever the clocks do at midnight."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.domain.calendar import clock_change, day_start, instant_of, month_on, zone
from bursar.domain.errors import BadPeriod


@pytest.mark.parametrize(
    "case",
    """
    2026-03-15  UTC                  2026-03-15T00:00  an ordinary day
    2026-03-15  Asia/Kolkata         2026-03-14T18:30  half an hour off the grid
    2024-03-31  Asia/Beirut          2024-03-30T22:00  midnight is skipped: the day begins with the change, at 01:00
    2024-09-08  America/Santiago     2024-09-08T04:00  the same in the south
    2024-10-27  Asia/Beirut          2024-10-26T22:00  23:00 came twice the evening before
    2024-11-03  America/Havana       2024-11-03T04:00  midnight comes twice: the first
    1919-03-31  America/Toronto      1919-03-31T04:30  23:30 became 00:30: the gap began before midnight
    2011-12-30  Pacific/Apia         2011-12-30T10:00  a date that Samoa never had begins where
    2011-12-31  Pacific/Apia         2011-12-30T10:00  the next one does
    2024-02-29  Australia/Lord_Howe  2024-02-28T13:00  leap day
    """.strip().splitlines(),
)
def test_a_local_date_begins_at_one_instant(case: str) -> None:
    day, timezone, expected, *_ = case.split()
    assert f"{day_start(date.fromisoformat(day), timezone):%Y-%m-%dT%H:%M}" == expected


@settings(max_examples=80, deadline=None)
@given(
    day=st.dates(date(1975, 1, 1), date(2060, 1, 1)),
    timezone=st.sampled_from(
        [
            "Asia/Beirut",
            "America/Santiago",
            "America/Havana",
            "Africa/Cairo",
            "Pacific/Apia",
            "America/Nuuk",
            "Asia/Gaza",
        ]
    ),
)
def test_before_a_date_begins_it_is_an_earlier_date(day: date, timezone: str) -> None:
    start = day_start(day, timezone)
    place = zone(timezone)
    assert start <= day_start(day + timedelta(days=1), timezone)
    assert start.astimezone(place).date() >= day
    assert (start - timedelta(microseconds=1)).astimezone(place).date() < day


def test_a_skipped_time_is_the_instant_of_the_change_and_a_repeated_one_the_first() -> None:
    assert instant_of(datetime.fromisoformat("2026-03-08T02:30"), "America/New_York") == datetime(
        2026, 3, 8, 7, tzinfo=UTC
    )
    assert instant_of(datetime.fromisoformat("2026-11-01T01:30"), "America/New_York") == datetime(
        2026, 11, 1, 5, 30, tzinfo=UTC
    )
    assert instant_of(datetime(2026, 3, 8, tzinfo=UTC), "America/New_York") == datetime(2026, 3, 8, tzinfo=UTC)


def test_a_clock_change_is_found_to_the_second_between_any_two_instants() -> None:
    change, place = datetime(2026, 3, 8, 7, tzinfo=UTC), zone("America/New_York")
    for before_us, after_us in ((1, 0), (1, 400_000), (1_400_000, 0), (86_400_000_000, 5_900_001)):
        low, high = change - timedelta(microseconds=before_us), change + timedelta(microseconds=after_us)
        assert clock_change(low, high, place) == change
    assert clock_change(change, change + timedelta(days=1), place) is None


def test_months_are_counted_over_the_ends_of_years() -> None:
    assert month_on(date(2026, 11, 1), 3) == date(2027, 2, 1)
    assert month_on(date(2026, 1, 1), -1) == date(2025, 12, 1)


def test_a_zone_nobody_knows_is_named() -> None:
    with pytest.raises(BadPeriod, match="Mars/Olympus"):
        zone("Mars/Olympus")
