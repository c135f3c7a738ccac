"""The burn-down as geometry: the line ends at exactly what is spent, held stands on it, nothing leaves the box."""

import re

from hypothesis import given
from hypothesis import strategies as st

from bursar.budgets.forecast import HOUR_US, Forecast, forecast
from bursar.budgets.spec import parse_spec
from bursar.budgets.windows import window_at
from bursar.console.burndown import Burndown, Course, burndown
from bursar.forecast.hours import hours_ahead

START_US = 1_775_001_600_000_000  # 1 April 2026, 00:00 UTC
DAY_US = 24 * HOUR_US
HEIGHT = 100
MONTH = window_at(parse_spec("month"), START_US)


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)]


def drawn(hours: list[tuple[int, int]], spent: int, held: int, limit: int | None, now_us: int) -> Burndown:
    expected = hours_ahead(hours, START_US, now_us, 31 * 24)
    ahead = forecast(expected, dict(hours), MONTH, spent, limit, now_us)
    return burndown(Course(START_US, now_us, MONTH.end_us, hours, spent, held, limit), ahead, HEIGHT)


def test_the_line_begins_with_the_opening_balance_and_ends_at_what_is_spent():
    hours = [(START_US + hour * HOUR_US, 10) for hour in range(240)]
    chart = drawn(hours, 2_800, 200, 5_600, START_US + 10 * DAY_US)
    line = points(chart.spent)
    assert chart.limit_y is not None
    per_pico = (HEIGHT - chart.limit_y) / 5_600
    assert line[0] == (0.0, round(HEIGHT - 400 * per_pico, 1))
    assert line[-1] == (chart.now_x, round(HEIGHT - 2_800 * per_pico, 1))
    assert chart.now_x == 333.3
    assert chart.held is not None
    assert chart.held[1] + chart.held[3] == line[-1][1]


def test_where_the_forecast_meets_the_limit_is_marked():
    hours = [(START_US + hour * HOUR_US, 10) for hour in range(240)]
    chart = drawn(hours, 2_400, 0, 4_800, START_US + 10 * DAY_US)
    assert (chart.at_x, chart.held) == (666.7, None)
    assert drawn(hours, 2_400, 0, 48_000, START_US + 10 * DAY_US).at_x is None


def test_without_a_limit_or_a_forecast_there_is_still_a_line():
    chart = burndown(
        Course(START_US, START_US, MONTH.end_us, [], 0, 0, None), Forecast("unknown", MONTH.end_us), HEIGHT
    )
    assert (chart.limit_y, chart.band, chart.ahead) == (None, "", "")
    assert points(chart.spent)


@given(
    hours=st.lists(st.integers(0, 10**15), max_size=24 * 20),
    spent=st.integers(0, 10**17),
    held=st.integers(0, 10**16),
    limit=st.none() | st.integers(0, 10**17),
)
def test_nothing_leaves_the_box_and_the_line_never_falls(hours: list[int], spent: int, held: int, limit: int | None):
    now_us = START_US + len(hours) * HOUR_US
    chart = drawn([(START_US + at * HOUR_US, pico) for at, pico in enumerate(hours)], spent, held, limit, now_us)
    line = points(chart.spent)
    for x, y in (*line, *points(chart.band), *points(chart.ahead), *points(chart.area)):
        assert 0 <= x <= 1000
        assert 0 <= y <= HEIGHT
    assert [x for x, _ in line] == sorted(x for x, _ in line)
    assert [y for _, y in line] == sorted((y for _, y in line), reverse=True)
