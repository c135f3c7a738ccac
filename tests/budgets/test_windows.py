"""Budget windows: each kind by table, and the law that they tile time."""

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.budgets.specs import instants_us, specs

from bursar.budgets.schedule import CurrentWindows, next_window, previous_window
from bursar.budgets.spec import WindowSpec, parse_spec
from bursar.budgets.windows import NEVER_US, ROLLING_SLOTS, Window, turn_text, window_at
from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.errors import BadWindow

HOUR_US = 3_600 * 10**6


def us(text: str) -> int:
    return us_from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


def shown(at_us: int) -> str:
    return "never" if at_us == NEVER_US else f"{datetime_from_us(at_us):%Y-%m-%dT%H:%M}"


def line(window: Window) -> str:
    return f"{window.key} {shown(window.start_us)} {shown(window.end_us)}"


@pytest.mark.parametrize(
    "case",
    """
    hour                          2026-03-15T10:20  2026-03-15T10:00Z 2026-03-15T10:00 2026-03-15T11:00
    hour@Asia/Kolkata             2026-03-15T10:20  2026-03-15T09:30Z 2026-03-15T09:30 2026-03-15T10:30
    hour@Asia/Kathmandu           2026-03-15T10:20  2026-03-15T10:15Z 2026-03-15T10:15 2026-03-15T11:15
    hour@America/New_York         2026-11-01T05:30  2026-11-01T05:00Z 2026-11-01T05:00 2026-11-01T06:00
    hour@America/New_York         2026-11-01T06:30  2026-11-01T06:00Z 2026-11-01T06:00 2026-11-01T07:00
    hour@Australia/Lord_Howe      2026-04-04T14:59  2026-04-04T14:00Z 2026-04-04T14:00 2026-04-04T15:00
    hour@Australia/Lord_Howe      2026-04-04T15:00  2026-04-04T15:00Z 2026-04-04T15:00 2026-04-04T15:30
    hour@Australia/Lord_Howe      2026-04-04T15:30  2026-04-04T15:30Z 2026-04-04T15:30 2026-04-04T16:30
    hour@Australia/Lord_Howe      2026-10-03T15:59  2026-10-03T15:30Z 2026-10-03T15:30 2026-10-03T16:00
    hour@America/St_Johns         2010-11-07T02:30  2010-11-07T02:30Z 2010-11-07T02:30 2010-11-07T02:31
    hour@America/St_Johns         2010-11-07T02:31  2010-11-07T02:31Z 2010-11-07T02:31 2010-11-07T03:30
    day                           2024-02-29T12:00  2024-02-29 2024-02-29T00:00 2024-03-01T00:00
    day@America/New_York          2026-03-08T12:00  2026-03-08 2026-03-08T05:00 2026-03-09T04:00
    day@America/New_York          2026-11-01T12:00  2026-11-01 2026-11-01T04:00 2026-11-02T05:00
    day@Asia/Beirut               2024-03-30T21:59  2024-03-30 2024-03-29T22:00 2024-03-30T22:00
    day@Asia/Beirut               2024-03-30T22:00  2024-03-31 2024-03-30T22:00 2024-03-31T21:00
    day@America/Santiago          2024-09-08T04:00  2024-09-08 2024-09-08T04:00 2024-09-09T03:00
    day@America/Havana            2024-11-03T05:30  2024-11-03 2024-11-03T04:00 2024-11-04T05:00
    day@America/St_Johns          2010-11-07T02:30  2010-11-07 2010-11-07T02:30 2010-11-08T03:30
    day@America/St_Johns          2010-11-07T02:45  2010-11-07 2010-11-07T02:30 2010-11-08T03:30
    day@Pacific/Apia              2011-12-30T09:59  2011-12-29 2011-12-29T10:00 2011-12-30T10:00
    day@Pacific/Apia              2011-12-30T10:00  2011-12-31 2011-12-30T10:00 2011-12-31T10:00
    day@Australia/Lord_Howe       2026-04-05T00:00  2026-04-05 2026-04-04T13:00 2026-04-05T13:30
    week                          2027-01-02T00:00  2026-W53 2026-12-28T00:00 2027-01-04T00:00
    week@Asia/Kolkata             2026-03-15T18:29  2026-W11 2026-03-08T18:30 2026-03-15T18:30
    week@Asia/Kolkata             2026-03-15T18:30  2026-W12 2026-03-15T18:30 2026-03-22T18:30
    month@Asia/Kolkata            2026-03-31T18:30  2026-04 2026-03-31T18:30 2026-04-30T18:30
    month@America/New_York        2026-03-15T00:00  2026-03 2026-03-01T05:00 2026-04-01T04:00
    quarter                       2026-12-31T23:59  2026-Q4 2026-10-01T00:00 2027-01-01T00:00
    year@Asia/Kolkata             2025-12-31T18:30  2026 2025-12-31T18:30 2026-12-31T18:30
    fy:04@Asia/Kolkata            2026-03-31T18:29  FY2025-26 2025-03-31T18:30 2026-03-31T18:30
    fy:04@Asia/Kolkata            2026-03-31T18:30  FY2026-27 2026-03-31T18:30 2027-03-31T18:30
    fy:07@Australia/Sydney        2026-06-30T14:00  FY2026-27 2026-06-30T14:00 2027-06-30T14:00
    fy:01                         2026-06-30T00:00  FY2026 2026-01-01T00:00 2027-01-01T00:00
    fy:10                         2099-10-01T00:00  FY2099-00 2099-10-01T00:00 2100-10-01T00:00
    fq:04                         2027-01-31T00:00  FY2026-27-Q4 2027-01-01T00:00 2027-04-01T00:00
    fq:02                         2027-01-31T00:00  FY2026-27-Q4 2026-11-01T00:00 2027-02-01T00:00
    rolling:24h                   2026-03-15T10:20  2026-03-15T10:00Z 2026-03-15T10:00 2026-03-15T10:24
    rolling:7d                    2026-03-15T10:20  2026-03-15T09:12Z 2026-03-15T09:12 2026-03-15T12:00
    lifetime                      2026-03-15T10:20  lifetime 1970-01-01T00:00 never
    2026-01-01..2026-03-31        2025-12-31T23:59  ..2025-12-31 1970-01-01T00:00 2026-01-01T00:00
    2026-01-01..2026-03-31        2026-03-31T23:59  2026-01-01..2026-03-31 2026-01-01T00:00 2026-04-01T00:00
    2026-01-01..2026-03-31        2026-04-01T00:00  2026-04-01.. 2026-04-01T00:00 never
    2026-01-01..2026-01-31,2026-03-01..2026-03-01  2026-02-10T00:00  2026-02-01..2026-02-28 2026-02-01T00:00 \
2026-03-01T00:00
    """.strip().splitlines(),
)  # fmt: skip
def test_a_window_is_what_its_spec_says(case: str) -> None:
    text, at, *expected = case.split()
    window = window_at(parse_spec(text), us(at))
    assert line(window) == " ".join(expected)
    assert us(at) in window


@pytest.mark.parametrize(
    "case",
    """
    4-5-4:2026-02-01:year         2012-06-01  FY2012-13 2012-01-29 53
    4-5-4:2026-02-01:year         2013-06-01  FY2013-14 2013-02-03 52
    4-5-4:2026-02-01:year         2017-06-01  FY2017-18 2017-01-29 53
    4-5-4:2026-02-01:year         2023-06-01  FY2023-24 2023-01-29 53
    4-5-4:2026-02-01:year         2024-06-01  FY2024-25 2024-02-04 52
    4-5-4:2026-02-01:year         2026-06-01  FY2026-27 2026-02-01 52
    4-4-5:2025-09-28:year:last    2017-06-01  FY2016-17 2016-09-25 53
    4-4-5:2025-09-28:year:last    2023-06-01  FY2022-23 2022-09-25 53
    4-4-5:2025-09-28:year:last    2024-06-01  FY2023-24 2023-10-01 52
    4-4-5:2025-12-28:year:last    2026-06-01  FY2026 2025-12-28 52
    4-4-5:2026-01-01:year         2026-12-31  FY2027 2026-12-31 52
    4-4-5:2026-02-01              2026-02-28  FY2026-27-P01 2026-02-01 4
    4-4-5:2026-02-01              2026-03-01  FY2026-27-P02 2026-03-01 4
    4-4-5:2026-02-01              2026-04-01  FY2026-27-P03 2026-03-29 5
    4-4-5:2026-02-01              2024-02-03  FY2023-24-P12 2023-12-24 6
    4-5-4:2026-02-01              2024-02-03  FY2023-24-P12 2023-12-31 5
    5-4-4:2026-02-01              2026-03-07  FY2026-27-P01 2026-02-01 5
    4-4-5:2026-02-01:quarter      2024-02-03  FY2023-24-Q4 2023-10-29 14
    4-4-5:2026-02-01:quarter      2026-05-03  FY2026-27-Q2 2026-05-03 13
    """.strip().splitlines(),
)
def test_years_of_whole_weeks_have_a_53rd_when_retail_and_apple_had_one(case: str) -> None:
    """As published: 53 weeks in NRF's 4-5-4 calendar of 2012, 2017, 2023, in Apple's annual reports of 2017, 2023."""
    text, day, key, first, weeks = case.split()
    window = window_at(parse_spec(text), us(day))
    assert window.key == key
    assert shown(window.start_us) == f"{first}T00:00"
    assert window.end_us - window.start_us == int(weeks) * 168 * HOUR_US


@settings(max_examples=300, deadline=None)
@given(spec=specs, at_us=instants_us)
def test_every_instant_is_in_exactly_one_window(spec: WindowSpec, at_us: int) -> None:
    window = window_at(spec, at_us)
    assert window.start_us <= at_us < window.end_us
    assert window_at(spec, window.start_us) == window
    if window.end_us == NEVER_US:
        assert next_window(spec, at_us) is None
    else:
        assert window_at(spec, window.end_us - 1) == window
        after = window_at(spec, window.end_us)
        assert after == next_window(spec, at_us)
        assert after.start_us == window.end_us
        assert after.key > window.key
        assert previous_window(spec, window.end_us) == window


@settings(max_examples=60, deadline=None)
@given(spec=specs, at_us=instants_us)
def test_a_walk_through_windows_meets_each_key_once(spec: WindowSpec, at_us: int) -> None:
    seen: list[Window] = []
    window: Window | None = window_at(spec, at_us)
    while window is not None and len(seen) < 30:
        seen.append(window)
        window = next_window(spec, window.start_us)
    keys = [one.key for one in seen]
    assert sorted(set(keys)) == keys
    assert all(left.end_us == right.start_us for left, right in itertools.pairwise(seen))


@settings(max_examples=100, deadline=None)
@given(hours=st.integers(1, 24 * 366), at_us=instants_us, earlier_us=st.integers(0, 10**13))
def test_a_rolling_window_counts_exactly_its_length_before_the_running_slot(
    hours: int, at_us: int, earlier_us: int
) -> None:
    spec = WindowSpec("rolling", hours=hours)
    length_us = hours * HOUR_US
    window = window_at(spec, at_us)
    assert window.start_us - window.counted_from_us == length_us
    assert window.end_us - window.start_us == length_us // ROLLING_SLOTS
    assert window.counted_until_us - window.end_us == length_us
    posted = window_at(spec, max(at_us - earlier_us, 0))
    counts = posted.end_us > window.counted_from_us
    assert counts == (window.start_us < posted.counted_until_us)
    if earlier_us <= length_us:
        assert counts  # no stretch of that many hours escapes the limit
    if earlier_us >= length_us + (window.end_us - window.start_us):
        assert not counts or at_us - earlier_us < 0


@settings(max_examples=100, deadline=None)
@given(
    spec=specs.filter(lambda one: one.kind in ("day", "week", "month", "quarter", "year", "fiscal-year")),
    at_us=instants_us,
)
def test_a_window_of_dates_begins_where_its_local_date_does(spec: WindowSpec, at_us: int) -> None:
    window = window_at(spec, at_us)
    place = ZoneInfo(spec.timezone)
    first = datetime_from_us(window.start_us).astimezone(place).date()
    before = datetime_from_us(window.start_us - 1).astimezone(place).date()
    assert before < first
    if spec.kind == "month":
        assert f"{first:%Y-%m}" == window.key


@settings(max_examples=50, deadline=None)
@given(spec=specs, instants=st.lists(instants_us, max_size=5))
def test_what_is_remembered_is_what_the_calendar_says(spec: WindowSpec, instants: list[int]) -> None:
    current = CurrentWindows()
    for at_us in instants:
        assert current.at(spec, at_us) == window_at(spec, at_us)
        assert current.at(spec, at_us + 1) == window_at(spec, at_us + 1)


def test_what_is_remembered_is_bounded() -> None:
    current = CurrentWindows()
    for hours in range(1, 60):
        current.at(WindowSpec("rolling", hours=hours), 0)
    current.SPECS_MAX = 59
    assert current.at(WindowSpec("day"), 0).key == "1970-01-01"
    assert current.at(WindowSpec("rolling", hours=1), 0).label == "last 1 h"


@pytest.mark.parametrize(
    ("text", "at", "label", "turn"),
    [
        ("month@Asia/Kolkata", "2026-03-15", "March 2026", "resets at 1 Apr 2026, 00:00 (Asia/Kolkata, UTC+05:30)"),
        ("month", "2026-03-15", "March 2026", "resets at 1 Apr 2026, 00:00 (UTC)"),
        ("week", "2026-03-18", "week 12 of 2026 (16–22 Mar 2026)", "resets at 23 Mar 2026, 00:00 (UTC)"),
        ("quarter", "2026-03-18", "Q1 2026", "resets at 1 Apr 2026, 00:00 (UTC)"),
        ("fy:04", "2026-05-01", "FY2026-27 (1 Apr 2026 – 31 Mar 2027)", "resets at 1 Apr 2027, 00:00 (UTC)"),
        ("4-4-5:2026-02-01", "2026-03-30", "FY2026-27 P03 (29 Mar – 2 May 2026)", "resets at 3 May 2026, 00:00 (UTC)"),
        ("rolling:24h", "2026-03-15T10:20", "last 24 h", "what is spent now counts until 16 Mar 2026, 10:24 (UTC)"),
        ("rolling:30d", "2026-03-15T10:20", "last 30 days", "what is spent now counts until 14 Apr 2026, 12:00 (UTC)"),
        ("lifetime", "2026-03-15", "lifetime", "never resets"),
        ("2026-01-01..2026-03-31", "2025-03-15", "not in force before 1 Jan 2026", "begins at 1 Jan 2026, 00:00 (UTC)"),
        ("2026-01-01..2026-03-31", "2026-03-15", "1 Jan – 31 Mar 2026", "ends at 1 Apr 2026, 00:00 (UTC)"),
        ("2026-01-01..2026-01-31,2026-02-01..2026-02-02", "2026-01-15", "1–31 Jan 2026",
         "resets at 1 Feb 2026, 00:00 (UTC)"),
        ("2026-01-01..2026-03-31", "2027-03-15", "ended", "ended"),
        ("hour@America/New_York", "2026-11-01T06:30", "hour from 1 Nov 2026, 01:00 (America/New_York, UTC-05:00)",
         "resets at 1 Nov 2026, 02:00 (America/New_York, UTC-05:00)"),
        ("day@Asia/Beirut", "2024-03-30T12:00", "30 Mar 2024", "resets at 31 Mar 2024, 01:00 (Asia/Beirut, UTC+03:00)"),
    ],
)  # fmt: skip
def test_a_window_can_be_read_by_people(text: str, at: str, label: str, turn: str) -> None:
    window = window_at(parse_spec(text), us(at))
    assert (window.label, turn_text(window)) == (label, turn)


def test_only_ranges_that_were_chosen_are_in_force() -> None:
    spec = parse_spec("2026-01-01..2026-01-31,2026-03-01..2026-03-31")
    day = datetime(2025, 12, 1, tzinfo=UTC)
    while day.date() < date(2026, 5, 1):
        assert window_at(spec, us_from_datetime(day)).in_force == (day.month in (1, 3))
        day += timedelta(hours=12)


@pytest.mark.parametrize("at_us", [-1, 2**62])
def test_an_instant_that_no_call_has_is_refused(at_us: int) -> None:
    with pytest.raises(BadWindow) as raised:
        window_at(WindowSpec("month"), at_us)
    assert raised.value.field == "at"
