import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.domain.errors import BadPeriod
from bursar.domain.periods import PRESETS, Grain, Period, bucket_start, buckets, offsets, parse_period, previous

NOW = datetime(2026, 11, 23, 14, 5, 30, tzinfo=UTC)
ZONES = ("UTC", "Asia/Kolkata", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu")
instants = st.integers(0, 9 * 366 * 86_400).map(
    lambda seconds: datetime(2022, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


def span(text: str, timezone: str = "UTC") -> str:
    period = parse_period(text, NOW, timezone)
    return f"{period.start:%Y-%m-%dT%H:%M} {period.end:%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    "case",
    """
    today                   UTC               2026-11-23T00:00 2026-11-23T14:15
    yesterday               UTC               2026-11-22T00:00 2026-11-23T00:00
    7d                      UTC               2026-11-17T00:00 2026-11-23T14:15
    30d                     UTC               2026-10-25T00:00 2026-11-23T14:15
    mtd                     UTC               2026-11-01T00:00 2026-11-23T14:15
    last-month              UTC               2026-10-01T00:00 2026-11-01T00:00
    quarter                 UTC               2026-10-01T00:00 2026-11-23T14:15
    last-quarter            UTC               2026-07-01T00:00 2026-10-01T00:00
    ytd                     UTC               2026-01-01T00:00 2026-11-23T14:15
    year                    UTC               2025-12-01T00:00 2026-11-23T14:15
    last-year               UTC               2025-01-01T00:00 2026-01-01T00:00
    2026-03                 UTC               2026-03-01T00:00 2026-04-01T00:00
    2026-03                 Asia/Kolkata      2026-02-28T18:30 2026-03-31T18:30
    2026-03                 America/New_York  2026-03-01T05:00 2026-04-01T04:00
    2026-03-01..2026-03-15  UTC               2026-03-01T00:00 2026-03-16T00:00
    2026-11-20..            UTC               2026-11-20T00:00 2026-11-23T14:15
    2026-W12                UTC               2026-03-16T00:00 2026-03-23T00:00
    2026-W53                UTC               2026-12-28T00:00 2027-01-04T00:00
    2024-02                 UTC               2024-02-01T00:00 2024-03-01T00:00
    2026-Q1                 UTC               2026-01-01T00:00 2026-04-01T00:00
    2026-03-15              Europe/Berlin     2026-03-14T23:00 2026-03-15T23:00
    2026-03-29              Europe/Berlin     2026-03-28T23:00 2026-03-29T22:00
    2026-03-01T06:00Z..2026-03-01T12:00Z  Asia/Kolkata  2026-03-01T06:00 2026-03-01T12:00
    """.strip().splitlines(),
)
def test_a_period_is_what_it_says(case: str) -> None:
    text, timezone, *expected = case.split()
    assert span(text, timezone) == " ".join(expected)


@pytest.mark.parametrize(
    "case",
    """
    mtd         UTC  2026-10-01T00:00 2026-10-23T14:15
    last-month  UTC  2026-09-01T00:00 2026-10-01T00:00
    7d          UTC  2026-11-10T00:00 2026-11-16T14:15
    today       UTC  2026-11-22T00:00 2026-11-22T14:15
    2026-03     UTC  2026-02-01T00:00 2026-03-01T00:00
    2026-W12    UTC  2026-03-09T00:00 2026-03-16T00:00
    2026-Q1     UTC  2025-10-01T00:00 2026-01-01T00:00
    2026        UTC  2025-01-01T00:00 2026-01-01T00:00
    2026-03-01..2026-03-15  UTC  2026-02-14T00:00 2026-03-01T00:00
    2026-03     America/New_York  2026-02-01T05:00 2026-03-01T05:00
    2026-03-01T06:00Z..2026-03-01T12:00Z  UTC  2026-03-01T00:00 2026-03-01T06:00
    """.strip().splitlines(),
)
def test_the_period_before_is_comparable(case: str) -> None:
    text, timezone, *expected = case.split()
    before = previous(parse_period(text, NOW, timezone))
    assert [f"{before.start:%Y-%m-%dT%H:%M}", f"{before.end:%Y-%m-%dT%H:%M}"] == expected


def test_the_month_before_the_31st_of_march_ends_with_february() -> None:
    period = parse_period("mtd", datetime(2026, 3, 31, 12, 0, tzinfo=UTC))
    assert previous(period).end == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "MTD", " last-month "])
def test_spelling_is_forgiven(text: str) -> None:
    assert parse_period(text, NOW).seconds > 0


@pytest.mark.parametrize(
    "text",
    [
        "2026-13",
        "2026-02-30",
        "2026-W54",
        "tomorrow",
        "0d",
        "2026-03-15..2026-03-01",
        "1..2",
        "'; DROP",
        "2026-03-01T06:00..2026-03-01T12:00",
    ],
)
def test_what_is_no_period_says_what_is(text: str) -> None:
    with pytest.raises(BadPeriod, match=r"period|ends before"):
        parse_period(text, NOW)


@pytest.mark.parametrize(
    "text", ["0001", "0001-W01", "0002-03", "1969", "3000", "9999-12-30", "0001-01-01..0001-01-02"]
)
@pytest.mark.parametrize("timezone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_a_year_that_no_calendar_reaches_is_refused(text: str, timezone: str) -> None:
    with pytest.raises(BadPeriod, match="years go from"):
        parse_period(text, NOW, timezone)


@pytest.mark.parametrize("text", ["1970", "2999", "1970-01-01..2999-12-30", "9999d"])
@pytest.mark.parametrize("timezone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_a_year_that_is_allowed_has_a_period_before(text: str, timezone: str) -> None:
    period = parse_period(text, NOW, timezone)
    assert previous(period).start < period.start < period.end


def test_an_unknown_time_zone_is_named() -> None:
    with pytest.raises(BadPeriod, match="Mars/Olympus"):
        parse_period("today", NOW, "Mars/Olympus")


@settings(max_examples=60, deadline=None)
@given(now=instants, timezone=st.sampled_from(ZONES), text=st.sampled_from(PRESETS))
def test_every_preset_is_a_period_that_knows_its_past(now: datetime, timezone: str, text: str) -> None:
    period = parse_period(text, now, timezone)
    before = previous(period)
    assert period.start < period.end
    assert period.start.tzinfo is UTC
    assert before.start < before.end <= period.end
    assert before.start < period.start
    assert period.end <= now + timedelta(minutes=15)
    if text in ("today", "mtd", "quarter", "ytd"):
        assert now in period
    if text in ("yesterday", "last-month", "last-quarter", "last-year"):
        assert before.end == period.start


@settings(max_examples=60, deadline=None)
@given(
    start=instants,
    hours=st.integers(1, 24 * 40),
    timezone=st.sampled_from([zone for zone in ZONES if zone != "Australia/Lord_Howe"]),
    grain=st.sampled_from(("hour", "day", "week", "month")),
)
def test_buckets_tile_a_period_in_any_zone(start: datetime, hours: int, timezone: str, grain: Grain) -> None:
    period = Period(start, start + timedelta(hours=hours), timezone=timezone)
    found = buckets(period, grain)
    assert found[0].start <= period.start < found[0].end
    assert found[-1].start < period.end <= found[-1].end
    assert all(left.end == right.start for left, right in itertools.pairwise(found))
    assert len({bucket.label for bucket in found}) == len(found)
    for bucket in found:
        assert bucket_start(bucket.start, grain, timezone) == bucket.start
        assert bucket_start(bucket.end - timedelta(seconds=1), grain, timezone) == bucket.start


def test_the_day_the_clock_is_set_back_has_25_hours() -> None:
    day = parse_period("2026-11-01", NOW, "America/New_York")
    labels = [bucket.label for bucket in buckets(day, "hour")]
    assert len(labels) == 25
    assert labels[1:3] == ["2026-11-01T01:00-04:00", "2026-11-01T01:00-05:00"]
    assert offsets(day.start, day.end, day.timezone) == (
        (day.start, -14_400),
        (datetime(2026, 11, 1, 6, tzinfo=UTC), -18_000),
    )


def test_a_chart_of_hours_over_ten_years_is_refused() -> None:
    with pytest.raises(BadPeriod, match="coarser"):
        buckets(Period(datetime(2016, 1, 1, tzinfo=UTC), NOW), "hour")
