"""Planned events by the hour, as budgets ask for them: a launch makes it sooner, its end makes it what it was."""

from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.budgets.forecast import forecast, horizon
from bursar.budgets.spec import parse_spec
from bursar.budgets.windows import window_at
from bursar.domain.plans import PlanTerms
from bursar.forecast.hours import HOUR_US, hours_ahead
from bursar.forecast.planned_hours import Planned, with_plans, without_plans

START_US = 1_775_001_600_000_000  # 1 April 2026, 00:00 UTC
DAY_US = 24 * HOUR_US
NOW_US = START_US + 10 * DAY_US
UTC, KOLKATA = ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata")
DOLLAR = 10**12
EVEN = [(at, DOLLAR) for at in range(START_US, NOW_US, HOUR_US)]


def foreseen(plans: Planned, spend: list[tuple[int, int]] = EVEN, limit: int = 480, place: ZoneInfo = UTC):
    window = window_at(parse_spec("month"), NOW_US)
    ahead = hours_ahead(
        without_plans(spend, plans, place), START_US, NOW_US, (horizon(window, NOW_US) - NOW_US) // HOUR_US + 2
    )
    ahead, changing = with_plans(ahead, NOW_US, plans, place)
    spent = sum(pico for _, pico in spend)
    names = tuple(str(number) for number in changing)
    return forecast(ahead, dict(spend), window, spent, limit * DOLLAR, NOW_US, names)


def terms(start: int, percent: int, end: int | None = None, kind: str = "volume") -> PlanTerms:
    """Days of April."""
    return PlanTerms(
        start=date(2026, 4, start), percent=Decimal(percent), end=date(2026, 4, end) if end else None, kind=kind
    )


def test_a_launch_makes_it_sooner_and_half_the_price_later():
    assert foreseen([]).at_us == START_US + 20 * DAY_US
    launch = foreseen([(terms(11, 100), 1.0)])
    assert (launch.at_us, launch.planned, launch.per_day_pico) == (START_US + 15 * DAY_US, ("0",), 48 * DOLLAR)
    part = foreseen([(terms(11, 100), 0.5)])
    assert part.at_us is not None
    assert part.at_us == pytest.approx(START_US + 16 * DAY_US + 16 * HOUR_US, abs=HOUR_US)
    cheaper = foreseen([(terms(16, -50, kind="price"), 1.0)])
    assert cheaper.at_us == START_US + 25 * DAY_US
    assert foreseen([(terms(16, -100), 1.0)]).state == "holds"


def test_what_begins_after_the_window_changes_nothing_and_says_so():
    told = foreseen([(PlanTerms(start=date(2026, 5, 3), percent=Decimal(30)), 1.0)])
    assert (told.at_us, told.planned) == (START_US + 20 * DAY_US, ())


def test_a_day_begins_at_the_budgets_own_midnight():
    later = foreseen([(terms(12, 100), 1.0)], place=KOLKATA).at_us
    assert later is not None
    assert later < (foreseen([(terms(12, 100), 1.0)]).at_us or 0), "its day begins half past five hours sooner there"


def test_what_has_begun_is_not_counted_twice_and_ends_with_its_end():
    doubled = [(at, 2 * DOLLAR if at >= START_US + 5 * DAY_US else DOLLAR) for at, _ in EVEN]
    going_on = foreseen([(terms(6, 100), 1.0)], doubled)
    assert going_on.at_us == pytest.approx(NOW_US + 60 * HOUR_US, abs=HOUR_US)  # $120 left at $2 an hour
    ended = foreseen([(terms(6, 100, 11), 1.0)], doubled)
    assert ended.at_us == pytest.approx(NOW_US + DAY_US + 72 * HOUR_US, abs=HOUR_US)  # a day at $2, then $1


@settings(max_examples=20, deadline=None)
@given(
    percents=st.lists(st.integers(-100, 300).filter(bool), min_size=1, max_size=3),
    starts=st.lists(st.integers(1, 30), min_size=3, max_size=3),
    share=st.floats(0, 1),
)
def test_money_stays_whole_and_no_plan_makes_an_hour_less_than_nothing(
    percents: list[int], starts: list[int], share: float
):
    plans = [(terms(start, percent), share) for start, percent in zip(starts, percents, strict=False)]
    told = foreseen(plans)
    for point in told.path:
        assert all(type(amount) is int for amount in point)
        assert 0 <= point.low <= point.pico <= point.high
    assert [pico for _, pico in without_plans(EVEN, [], UTC)] == [DOLLAR] * len(EVEN)
    assert timedelta(microseconds=told.end_us) > timedelta(microseconds=NOW_US)
