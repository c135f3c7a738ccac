"""A forecast in money: parts are the whole to the last pico, plans and growth stand apart, the young say nothing."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.forecast.series import TODAY, forecast_of, history_of

from bursar.domain.plans import PlanTerms, faults_of_plan
from bursar.explore.query import OTHER
from bursar.forecast.exact import MICRO, split_exactly
from bursar.forecast.report import stretches_from
from bursar.forecast.told import OTHERS, Forecast

TOMORROW = TODAY + timedelta(days=1)


def adds_up(found: Forecast) -> None:
    told = [one for one in found.parts if one.figures]
    for at, figure in enumerate(found.figures):
        assert sum(one.figures[at].expected for one in told) == figure.amount.expected
        assert figure.amount.low <= figure.amount.expected <= figure.amount.high
        assert figure.amount.low >= 0
        assert all(one.figures[at].low <= one.figures[at].expected <= one.figures[at].high for one in told)
    for at, day in enumerate(found.days):
        assert sum(one.days[at] for one in told) == day.amount.expected
        assert 0 <= day.amount.low <= day.amount.expected <= day.amount.high
    figures = {one.key: one for one in found.figures}
    for span in (7, 30, 90):
        assert figures[str(span)].amount.expected == sum(day.amount.expected for day in found.days[1 : span + 1])


@settings(max_examples=15, deadline=None)
@given(
    rows=st.lists(st.lists(st.decimals(0, 10**5, places=9), min_size=12, max_size=12), min_size=1, max_size=6),
    gone=st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    percent=st.sampled_from([None, -100, -20, 35]),
)
def test_parts_add_up_to_the_whole_exactly(rows, gone, percent):
    names = [f"part {at}" for at in range(len(rows) - 1)] + [OTHER]
    history = history_of(dict(zip(names, rows, strict=True)), [1.5] * len(rows), gone)
    plans = [PlanTerms(start=TOMORROW, percent=Decimal(percent))] if percent else []
    found = forecast_of(history, *plans)
    if found.too_young:
        return
    adds_up(found)
    month = found.figures[0]
    spent = sum(pico for day, pico in found.spent if day >= TODAY.replace(day=1))
    assert month.spent == spent
    assert month.amount.low >= spent, "what is spent is spent"


@given(
    whole=st.lists(st.integers(0, 10**9), min_size=1, max_size=5),
    weights=st.lists(st.floats(0, 1e6), min_size=1, max_size=7),
)
def test_a_split_loses_no_pico(whole: list[int], weights: list[float]):
    amounts = [one * MICRO for one in whole]
    found = split_exactly(amounts, np.repeat(np.array(weights)[:, None], len(whole), axis=1))
    assert [sum(column) for column in zip(*found, strict=True)] == amounts
    assert all(amount >= 0 for row in found for amount in row)


def test_the_young_are_named_without_a_number_and_counted_in_with_the_others():
    history = history_of({"old": [10.0] * 30, "new": [0.0] * 29 + [4.0], OTHER: [1.0] * 30})
    found = forecast_of(history)
    parts = {one.name: one for one in found.parts}
    assert all(one.low < one.expected < one.high for one in parts[OTHERS].figures), "of all that is in it"
    assert parts["new"].figures == []
    assert (parts["new"].lately, parts["new"].age) == (4 * 10**12, 1)
    assert OTHERS in parts
    adds_up(found)


@pytest.mark.parametrize("days", [1, 2])
def test_before_two_whole_days_there_is_no_number_and_then_a_wide_band(days: int):
    found = forecast_of(history_of({"a": [0.0] * (30 - days) + [6.0] * days}))
    assert found.too_young is (days < 2)
    if days < 2:
        assert (found.figures, found.days, found.parts) == ([], [], [])
    else:
        month = found.figures[2].amount
        assert month.high > 2 * month.expected
        assert month.low < month.expected / 2


@pytest.mark.parametrize(
    ("age", "banded"), [(2, []), (3, ["7"]), (9, ["7"]), (10, ["7", "30"]), (30, ["7", "30", "90"])]
)
def test_a_band_needs_a_third_as_many_days_as_it_reaches_ahead(age: int, banded: list[str]):
    found = forecast_of(history_of({"a": [0.0] * (40 - age) + [6.0] * age}))
    assert [one.key for one in found.figures[1:] if found.has_band(one.last)] == banded
    assert [found.days_for_band(one.last) for one in found.figures[1:]] == [3, 10, 30]
    assert not found.has_band(found.figures[1].last, age=2), "of a young part in an old whole"


def test_a_launch_adds_what_it_says_from_its_day_on_and_the_line_without_it_stands_beside():
    history = history_of({"search": [10.0] * 40, "chat": [30.0] * 40})
    start = TODAY + timedelta(days=5)
    launch = PlanTerms(start=start, end=start + timedelta(days=9), percent=Decimal(30), scope="feature=search")
    found = forecast_of(history, launch, shares=[np.array([1.0, 0.0])])
    adds_up(found)
    expected = {day.day: day.amount.expected / 1e12 for day in found.days}
    assert expected[start - timedelta(days=1)] == pytest.approx(40)
    assert expected[start] == pytest.approx(43)
    assert expected[start + timedelta(days=10)] == pytest.approx(40)
    assert [one.unplanned / 1e12 for one in found.figures[1:]] == pytest.approx([280, 1_200, 3_600])
    assert [one / 1e12 for one in found.effects[0].figures[1:]] == pytest.approx([9, 30, 30])


def test_what_was_planned_and_has_begun_is_not_counted_twice_and_ends_with_its_end():
    begun = TODAY - timedelta(days=10)
    history = history_of({"a": [10.0] * 30 + [20.0] * 10})
    sale = PlanTerms(start=begun, end=TODAY + timedelta(days=3), percent=Decimal(100))
    found = forecast_of(history, sale)
    days = {day.day: day.amount.expected / 1e12 for day in found.days}
    assert days[TODAY + timedelta(days=3)] == pytest.approx(20, rel=0.01)
    assert days[TODAY + timedelta(days=4)] == pytest.approx(10, rel=0.01)


def test_a_new_price_and_a_launch_on_the_same_calls_multiply():
    history = history_of({"a": [10.0] * 40})
    found = forecast_of(
        history,
        PlanTerms(start=TOMORROW, percent=Decimal(100)),
        PlanTerms(start=TOMORROW, percent=Decimal(-50), kind="price"),
    )
    assert found.figures[1].amount.expected / 1e12 == pytest.approx(70)
    assert [one.figures[1] / 1e12 for one in found.effects] == pytest.approx([35, -70])


def test_growth_is_a_line_of_its_own():
    found = forecast_of(history_of({"a": [10.0] * 40}), growth="10")
    quarter = found.figures[3]
    assert quarter.amount.expected / 1e12 == pytest.approx(900)
    assert quarter.scenario is not None
    assert 1.12 < quarter.scenario / quarter.amount.expected < 1.2
    assert forecast_of(history_of({"a": [10.0] * 40})).figures[3].scenario is None


def test_a_day_that_is_half_over_counts_what_is_spent_and_adds_the_rest():
    found = forecast_of(history_of({"a": [10.0] * 40}, [10.0], gone=0.5))
    assert found.days[0].amount.expected / 1e12 == pytest.approx(7.5)  # half of the usual, half of today's pace
    over = forecast_of(history_of({"a": [10.0] * 40}, [10.0], gone=1.0))
    assert over.days[0].amount.expected == 0


def test_the_month_ends_where_it_ends():
    last = stretches_from(date(2026, 11, 30))[0]
    assert (last.first, last.until, last.begins) == (0, 1, date(2026, 11, 1))
    assert stretches_from(date(2028, 2, 1))[0].until == 29


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"percent": 0}, "percent"),
        ({"percent": -101}, "percent"),
        ({"percent": 5, "end": date(2026, 1, 1)}, "end"),
        ({"percent": 5, "start": date(1999, 1, 1)}, "start"),
        ({"percent": 5, "note": "x" * 3_000}, "note"),
    ],
)
def test_a_plan_that_can_not_be_names_its_field(terms, field):
    given_terms = PlanTerms(**({"start": TODAY} | terms | {"percent": Decimal(terms["percent"])}))
    assert [name for name, _ in faults_of_plan(given_terms)] == [field]


def test_folded_parts_are_still_everything():
    history = history_of({"a": [3.0] * 9, "b": [2.0] * 9, "c": [1.0] * 9, OTHER: [0.5] * 9}, [1, 2, 3, 4])
    found = history.folded(1)
    assert (found.names, found.days[1][0], found.so_far) == (["a", OTHER], Decimal("3.5"), [1, 9])
    assert history.folded(3) is history
    assert history_of({"a": [1.0] * 3}).folded(5).names == ["a"]
