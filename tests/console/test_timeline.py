"""The timeline of an anomaly: what is beyond the expected stands on what is within it, and nothing leaves the plot."""

import re
from datetime import UTC
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.governance.test_findings import finding
from tests.watch.conftest import BAD, DAY_US, HOUR_US

from bursar.console.timeline import BEYOND, USUAL, WITHIN, Timeline, step_words, timeline
from bursar.domain.money import plain, usd_from_pico
from bursar.domain.watching import Marker
from bursar.watch.course import Course, Step

PICO = st.integers(0, 10**15)


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    before, own = draw(st.integers(0, 6)), draw(st.integers(1, 6))
    found = []
    for at in range(before + own):
        low, expected, high = sorted(draw(st.tuples(PICO, PICO, PICO)))
        known = draw(st.booleans())
        start = BAD + (at - before) * HOUR_US
        found.append(
            Step(
                start, start + HOUR_US, draw(PICO), expected if known else None, low if known else None,
                high if known else None, is_inside=at >= before,
            )
        )  # fmt: skip
    return found


def draw_timeline(found: list[Step], *markers: Marker, place: ZoneInfo | None = None) -> Timeline:
    of = finding(began_us=BAD, until_us=found[-1].end_us)
    step_us = found[0].end_us - found[0].start_us
    return timeline(
        of, Course(step_us, tuple(found), ((BAD - HOUR_US, BAD),), (1,)), markers, place or UTC,
        now_us=found[-1].end_us,
        href=lambda start, end: f"/calls?{start}..{end}", tell=plain, tell_tick=lambda value, step: str(value),
    )  # fmt: skip


@settings(max_examples=40)
@given(steps())
def test_the_parts_of_a_bar_add_up_to_what_was_paid_and_stay_inside(found: list[Step]):
    drawn = draw_timeline(found)
    named = {one.name: one.values for one in drawn.chart.series}
    for at, step in enumerate(found):
        parts = [named[name][at] or Decimal(0) for name in (USUAL, WITHIN, BEYOND)]
        assert sum(parts) == drawn.rows[at].actual == usd_from_pico(step.actual_pico)
        if step.is_inside and step.expected_pico is not None:
            assert parts[2] == usd_from_pico(max(step.actual_pico - step.expected_pico, 0))
        else:
            assert not parts[2]
    assert all(-0.1 <= rect.y <= drawn.chart.height for bar in drawn.chart.bars for rect in bar.rects)
    assert bool(drawn.chart.before) is any(step.expected_pico is not None for step in found)
    edges = [float(text) for text in re.findall(r"(?:M\S+ |V)(-?[\d.]+)", drawn.band)]
    assert all(-0.1 <= y <= drawn.chart.height for y in edges)


def test_its_own_time_and_what_it_is_compared_with_are_shaded():
    own = [Step(BAD + at * HOUR_US, BAD + (at + 1) * HOUR_US, 5, 2, 1, 3, is_inside=at >= 0) for at in range(-2, 2)]
    drawn = draw_timeline(own, Marker("mk_1", BAD - 1, "search 4.2"))
    assert [(one.kind, one.x, one.width) for one in drawn.shades] == [("own", 50.0, 50.0), ("compared", 25.0, 25.0)]
    assert [row.happened for row in drawn.rows] == [[], ["search 4.2"], [], []]
    assert drawn.chart.hover[2]["rows"] == [[9, "more than expected", "0.000000000003", ""]]
    assert drawn.chart.hover[2]["note"] == "≈ 0.000000000002 expected, 0.000000000001 to 0.000000000003"


@pytest.mark.parametrize(
    ("zone", "start_us", "step_us", "wanted"),
    [
        ("UTC", BAD - 18 * HOUR_US, DAY_US, "19 Nov"),
        ("Asia/Kolkata", BAD - 18 * HOUR_US, DAY_US, "19 Nov, 05:30 – 20 Nov, 05:30"),
        ("UTC", BAD, HOUR_US // 4, "19 Nov, 18:00 – 18:15"),
        ("UTC", BAD + 5 * HOUR_US, HOUR_US, "19 Nov, 23:00 – 00:00"),
    ],
)
def test_a_step_is_named_in_the_zone_of_the_page(zone: str, start_us: int, step_us: int, wanted: str):
    step = Step(start_us, start_us + step_us, 1, None, None, None, is_inside=True)
    assert draw_timeline([step], place=ZoneInfo(zone)).rows[0].column.title == wanted


def test_lengths_of_bars_are_said_in_words():
    assert [step_words(length) for length in (HOUR_US // 12, HOUR_US, 6 * HOUR_US, DAY_US)] == [
        "5 minutes", "an hour", "6 hours", "a day",
    ]  # fmt: skip
