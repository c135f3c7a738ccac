"""Thresholds as text, and marks: no slice crosses one unless its action was taken."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.budgets.test_authority import LIMIT, NOON_US, Bench, budget

from bursar.budgets.lease import Ask
from bursar.budgets.thresholds import Threshold, parse_threshold, threshold_text
from bursar.domain.errors import BadBudget
from bursar.gateway.pace import Pace, pace_of

ACTING = (parse_threshold("50:throttle=5"), parse_threshold("80:approve"), parse_threshold("95:block"))


@pytest.mark.parametrize(
    "text", ["50", "80:throttle=30", "80:route=gpt-4o-mini,claude-haiku-4-5", "90:approve", "100:block"]
)
def test_a_threshold_is_read_back_as_it_was_written(text):
    assert threshold_text(parse_threshold(text)) == text
    assert parse_threshold(threshold_text(parse_threshold(text), " ")) == parse_threshold(text)


@pytest.mark.parametrize(
    "text", ["", "many", "0", "80:dance", "80:route", "80:throttle=0", "100:approve", "80:block=3", "80:throttle=x"]
)
def test_what_is_no_threshold_is_refused(text):
    with pytest.raises(BadBudget):
        parse_threshold(text)


ASKS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 200), st.integers(0, 900), st.sampled_from([0, 50, 80])),
    max_size=25,
)


@settings(max_examples=30, deadline=None)
@given(asks=ASKS)
def test_no_grant_crosses_a_mark_that_the_ask_is_not_past(asks):
    with TemporaryDirectory() as directory:
        bench = Bench(Path(directory), budget(thresholds=ACTING))
        for number, (holder, need, want, past) in enumerate(asks):
            before = sum(bench.balance())
            ask = Ask(bench.key, f"{holder}/{number}", "", need, need, want, past=past)
            (grant,) = bench.authority.refill(holder, [ask], NOON_US)
            after = sum(bench.balance())
            ceiling = {0: 500, 50: 800, 80: 950}[past] * LIMIT // 1_000
            assert after <= max(before, ceiling)
            assert grant.past <= past
            if grant.is_short:
                assert grant.mark in {0: (50, 80), 50: (80,), 80: (0,)}[past]
        bench.store.engine.dispose()


def test_a_dry_run_has_no_marks_but_a_block(tmp_path):
    bench = Bench(tmp_path, budget(mode="warn", thresholds=ACTING))
    assert bench.ask("a", 1, 900) == (900, False)
    assert bench.ask("a", 2, 100) == (100, True)


@given(times=st.lists(st.integers(0, 400), max_size=60), calls=st.integers(1, 5))
def test_no_minute_holds_more_calls_than_the_pace(times, calls):
    pace, passed = Pace(calls, 60 * 10**6), []
    for second in sorted(times):
        if not pace.wait_s(second * 10**6):
            pace.let_pass(second * 10**6)
            passed.append(second)
    assert all(sum(first <= one < first + 60 for one in passed) <= calls for first in passed)


def test_the_workers_paces_add_up():
    assert sum(pace_of(10, 4, slot).calls for slot in range(4)) == 10


def test_an_approval_is_for_the_window_and_is_remembered(tmp_path):
    bench = Bench(tmp_path, budget(window="day", thresholds=ACTING))
    with pytest.raises(BadBudget):
        bench.budgets.approve(bench.budget.budget_id, until_us=NOON_US + 3 * 24 * 3600 * 10**6, actor="test")
    given_ = bench.budgets.approve(bench.budget.budget_id, reason="launch", actor="test").approvals[-1]
    assert given_.percent == 80
    assert given_.covers(80, "", NOON_US)
    assert not given_.covers(80, "", given_.until_us)
    plain = bench.budgets.set_thresholds(bench.budget.budget_id, (Threshold(50),), actor="test")
    with pytest.raises(BadBudget, match="no approval"):
        bench.budgets.approve(plain.budget_id, actor="test")


def test_a_call_that_came_before_the_one_that_passed_waits_no_longer_than_the_span():
    pace = Pace(1, 60 * 10**6)
    pace.let_pass(5_000)
    assert pace.wait_s(2_000) == 60
