"""The course of a finding's series: its steps add up to what the finding cost, and to what was expected of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.governance.test_findings import finding
from tests.watch.conftest import BAD, DAY_US, HOUR_US, START, UNTIL, Watched

from bursar.domain.findings import Finding
from bursar.domain.watching import Change, Clock, Detection, SeriesKey, Signal
from bursar.watch.course import LEAD_MAX_US, STEPS_MAX, Course, course_of, span_of
from bursar.watch.findings import Investigator

SEARCH = SeriesKey("feature", "search")


def explained(watched: Watched, began_us: int, until_us: int, clock: Clock, series: SeriesKey = SEARCH) -> Finding:
    seen = Detection(series, Signal.COST, clock, Change.SHIFT, began_us, until_us, 1.0, 2.0, 5.0)
    made = finding(
        series=series, began_us=began_us, until_us=until_us, seen_us=until_us, clock=clock, detections=(seen,)
    )
    return Investigator(watched.ledger).explained(made, until_us)


def course(watched: Watched, of: Finding, now_us: int = UNTIL) -> Course:
    with watched.ledger.reading() as session:
        return course_of(session, watched.ledger.dialect, of, now_us)


@given(st.integers(1, 40 * 24 * 60), st.sampled_from(Clock), st.integers(0, 10 * 24 * 60))
def test_a_finding_begins_where_a_step_does_and_is_covered(minutes: int, clock: Clock, later: int):
    until_us = BAD + minutes * 60_000_000
    start_us, step_us, count = span_of(
        finding(began_us=BAD, until_us=until_us, clock=clock), until_us + later * 60 * 10**6
    )
    assert (BAD - start_us) % step_us == 0
    assert BAD - start_us <= LEAD_MAX_US + step_us
    assert start_us + count * step_us >= until_us
    assert count <= STEPS_MAX or step_us == DAY_US


@pytest.mark.parametrize(
    ("began_us", "until_us", "clock", "series"),
    [
        (BAD, UNTIL, Clock.MINUTE, SEARCH),
        (BAD, BAD + HOUR_US // 3, Clock.MINUTE, SEARCH),  # compared with the hour around it
        (BAD - 2 * DAY_US, BAD - DAY_US, Clock.HOUR, SeriesKey()),
        (BAD - 2 * DAY_US, BAD - DAY_US, Clock.HOUR, SEARCH),
        (BAD - 3 * DAY_US - 18 * HOUR_US, BAD - 18 * HOUR_US, Clock.DAY, SeriesKey("customer", "customer-3")),
    ],
    ids=["search", "minutes", "everything", "hours", "days"],
)
def test_steps_add_up_to_what_the_finding_says(
    watched: Watched, began_us: int, until_us: int, clock: Clock, series: SeriesKey
):
    of = explained(watched, began_us, until_us, clock, series)
    found = course(watched, of)
    assert all(one.end_us == after.start_us for one, after in zip(found.steps, found.steps[1:], strict=False))
    inside = [one for one in found.steps if one.is_inside]
    assert inside[0].start_us == began_us
    assert inside[-1].end_us >= until_us > inside[-1].start_us
    assert sum(one.actual_pico for one in inside) == of.actual_pico > 0
    expected = sum(one.expected_pico or 0 for one in inside)
    assert abs(expected - of.expected_pico) <= len(inside)  # each is rounded to the pico
    for one in found.steps:
        if one.low_pico is not None and one.expected_pico is not None and one.high_pico is not None:
            assert one.low_pico <= one.expected_pico <= one.high_pico
    named = {series.dimension: series.value} if series.dimension else {}
    assert found.windows_pico == tuple(watched.cost(start, end, **named) for start, end in found.windows_us)


def test_nothing_is_expected_where_nothing_is_known_of_before(watched: Watched):
    """Two days into the books, yesterday is known and the day before the books began isn't."""
    of = explained(watched, START + DAY_US + 6 * HOUR_US, START + DAY_US + 9 * HOUR_US, Clock.HOUR)
    found = course(watched, of, START + 2 * DAY_US)
    known = {one.start_us >= START + DAY_US: one.expected_pico is not None for one in found.steps}
    assert known == {True: True, False: False}


def test_what_came_right_before_is_a_line_without_a_band(watched: Watched):
    of = explained(watched, START + 6 * HOUR_US, START + 8 * HOUR_US, Clock.HOUR)
    found = course(watched, of, START + 9 * HOUR_US)
    assert len({one.expected_pico for one in found.steps}) == 1
    assert all(one.low_pico is None for one in found.steps)


def test_in_books_that_begin_with_it_nothing_is_expected(watched: Watched):
    of = explained(watched, START, START + 2 * HOUR_US, Clock.MINUTE)
    assert {one.expected_pico for one in course(watched, of).steps} == {None}
