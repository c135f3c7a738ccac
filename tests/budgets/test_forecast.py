"""The forecast: exact where the pace is, honest about how sure it is, and it knows a weekend."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.budgets.forecast import HOUR_US, POINTS_MAX, Forecast, forecast, horizon
from bursar.budgets.spec import parse_spec
from bursar.budgets.windows import Window, window_at
from bursar.forecast.hours import hours_ahead

START_US = 1_775_001_600_000_000  # Wednesday, 1 April 2026, 00:00 UTC
DAY_US = 24 * HOUR_US
MONTH = window_at(parse_spec("month"), START_US)
DOLLAR = 10**12


def steady(first_us: int, last_us: int, pico: int) -> list[tuple[int, int]]:
    return [(at, pico) for at in range(first_us, last_us, HOUR_US)]


def foreseen(
    spend: list[tuple[int, int]], since_us: int, window: Window, spent: int, limit: int | None, now_us: int
) -> Forecast:
    """As the console does it: what is expected, held against the limit."""
    ahead = hours_ahead(spend, since_us, now_us, (horizon(window, now_us) - now_us) // HOUR_US + 2)
    return forecast(ahead, dict(spend), window, spent, limit, now_us)


def ask(
    spend: list[tuple[int, int]], limit: int, now_us: int, window: str = "month", since_us: int | None = None
) -> Forecast:
    found = window_at(parse_spec(window), now_us)
    spent = sum(pico for at, pico in spend if found.counted_from_us <= at)
    first = min((at for at, _ in spend), default=now_us) if since_us is None else since_us
    return foreseen(spend, first, found, spent, limit, now_us)


def test_at_an_even_pace_the_instant_is_exact_and_so_is_the_interval():
    now_us = START_US + 10 * DAY_US
    told = ask(steady(START_US, now_us, DOLLAR), 480 * DOLLAR, now_us)  # $24 a day: after 20 days
    assert told.state == "exhausts"
    assert (told.at_us, told.earliest_us, told.latest_us) == (START_US + 20 * DAY_US,) * 3
    assert (told.per_day_pico, told.hours, told.has_band) == (24 * DOLLAR, 240, True)


def test_a_pace_that_reaches_the_limit_after_the_window_holds():
    now_us = START_US + 10 * DAY_US
    told = ask(steady(START_US, now_us, DOLLAR), 721 * DOLLAR, now_us)
    assert (told.state, told.at_us, told.earliest_us) == ("holds", None, None)
    assert told.path[-1] == (MONTH.end_us, 720 * DOLLAR, 720 * DOLLAR, 720 * DOLLAR)


def test_what_is_spent_is_spent_and_what_is_not_limited_is_unknown():
    now_us = START_US + DAY_US
    spend = steady(START_US, now_us, DOLLAR)
    assert ask(spend, 24 * DOLLAR, now_us).state == "spent"
    assert foreseen(spend, START_US, MONTH, 0, None, now_us).state == "unknown"
    assert ask([], DOLLAR, now_us).state == "unknown"


def test_five_hours_give_a_pace_but_no_interval():
    now_us = START_US + 5 * HOUR_US
    told = ask([(START_US, 5 * DOLLAR)], 10 * DOLLAR, now_us)
    assert (told.state, told.has_band, told.earliest_us == told.at_us) == ("exhausts", False, True)


def test_uneven_days_make_the_interval_wide_and_it_grows_with_time():
    now_us = START_US + 10 * DAY_US
    spend = [(START_US + day * DAY_US, (10 if day % 2 else 38) * DOLLAR) for day in range(10)]
    told = ask(spend, 480 * DOLLAR, now_us)
    assert told.at_us is not None
    assert told.earliest_us is not None
    assert told.earliest_us < told.at_us < (told.latest_us or MONTH.end_us)
    widths = [point.high - point.low for point in told.path]
    assert widths == sorted(widths)
    assert widths[0] == 0 < widths[-1]


def test_after_two_weeks_a_weekend_is_known_to_be_quiet():
    def is_work(at_us: int) -> bool:
        hours = at_us // HOUR_US
        return (hours // 24 + 3) % 7 < 5 and 9 <= hours % 24 < 17

    now_us = START_US + 16 * DAY_US + 17 * HOUR_US  # Friday, 17 April, 17:00
    spend = [(at, DOLLAR) for at in range(START_US, now_us, HOUR_US) if is_work(at)]
    told = ask(spend, (len(spend) + 4) * DOLLAR, now_us, since_us=START_US)
    assert "as on its weekday" in told.said_by
    assert told.at_us == START_US + 19 * DAY_US + 13 * HOUR_US  # Monday, 13:00: four working hours on


def test_of_a_rolling_window_what_leaves_makes_room():
    now_us = START_US + 10 * DAY_US
    even = steady(START_US, now_us, DOLLAR)
    assert ask(even, 25 * DOLLAR, now_us, "rolling:24h").state == "holds"
    quiet = [*steady(START_US, now_us - 6 * HOUR_US, DOLLAR)]  # six hours of nothing: as they leave, little does
    told = ask(quiet, 20 * DOLLAR, now_us, "rolling:24h")
    assert told.state == "exhausts"
    assert told.end_us == now_us + DAY_US


@given(
    spend=st.lists(st.integers(0, 10**15), min_size=1, max_size=24 * 40),
    limit=st.integers(1, 10**18),
    window=st.sampled_from(["hour", "day", "week", "month", "lifetime", "rolling:24h", "rolling:30d", "fy:04"]),
    minute=st.integers(0, 59),
)
@settings(max_examples=60, deadline=None)
def test_money_stays_whole_and_every_instant_is_inside(spend: list[int], limit: int, window: str, minute: int):
    now_us = START_US + len(spend) * HOUR_US + minute * 60 * 10**6
    told = ask([(START_US + at * HOUR_US, pico) for at, pico in enumerate(spend)], limit, now_us, window)
    assert len(told.path) <= POINTS_MAX + 1
    for point in told.path:
        assert all(type(amount) is int for amount in point)
        assert point.low <= point.pico <= point.high
        assert now_us <= point.at_us <= told.end_us
    known = [at for at in (told.earliest_us, told.at_us, told.latest_us) if at is not None]
    assert known == sorted(known)
    assert all(now_us <= at <= told.end_us for at in known)
    assert (told.state == "exhausts") is (told.at_us is not None)


@pytest.mark.parametrize(("days", "most"), [(7, 80), (20, 77)])
def test_the_interval_holds_about_four_times_in_five(days: int, most: int):
    """Of a budget that is a week old it is wider than that."""
    chance = random.Random(days)
    inside = 0
    for _ in range(80):
        daily = [chance.gauss(24, 6) for _ in range(days + 10)]
        spend = [
            (START_US + day * DAY_US + hour * HOUR_US, round(max(amount, 0) * DOLLAR / 24))
            for day, amount in enumerate(daily)
            for hour in range(24)
        ]
        now_us = START_US + days * DAY_US
        past = [(at, pico) for at, pico in spend if at < now_us]
        spent = sum(pico for _, pico in past)
        window = window_at(parse_spec("lifetime"), now_us)
        told = foreseen(past, START_US, window, spent, spent + 120 * DOLLAR, now_us)
        total = spent
        truth = next(at for at, pico in spend if at >= now_us and (total := total + pico) >= spent + 120 * DOLLAR)
        inside += (told.earliest_us or 0) - HOUR_US <= truth <= (told.latest_us or told.end_us)
    assert 52 <= inside <= most, inside
