"""A budget whose window changes: no instant in two windows or in none, no second limit by moving midnight."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.budgets.specs import instants_us, specs

from bursar.budgets.schedule import (
    CHANGES_MAX,
    Schedule,
    SpecChange,
    next_window,
    previous_window,
    scheduled_window,
)
from bursar.budgets.spec import WindowSpec, parse_spec
from bursar.budgets.windows import NEVER_US, Window, window_at
from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.errors import BadWindow

dated = specs.filter(lambda one: one.kind != "rolling")
schedules = st.builds(
    lambda first, coming, instants: Schedule(
        first, tuple(SpecChange(at_us, spec) for at_us, spec in zip(sorted(instants), coming, strict=False))
    ),
    dated,
    st.lists(dated, max_size=4),
    st.lists(instants_us, min_size=4, max_size=4, unique=True),
)


def us(text: str) -> int:
    return us_from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


def plan(first: str, *changes: tuple[str, str]) -> Schedule:
    return Schedule(parse_spec(first), tuple(SpecChange(us(at), parse_spec(text)) for at, text in changes))


def walk(budget: Schedule, at: str, count: int) -> list[str]:
    lines: list[str] = []
    window: Window | None = scheduled_window(budget, us(at))
    while window is not None and len(lines) < count:
        end = "never" if window.end_us == NEVER_US else f"{datetime_from_us(window.end_us):%Y-%m-%dT%H:%M}"
        lines.append(f"{window.key} {datetime_from_us(window.start_us):%Y-%m-%dT%H:%M} {end}")
        window = next_window(budget, window.start_us)
    return lines


def test_a_zone_moved_in_mid_month_keeps_the_running_window_and_what_it_spent() -> None:
    budget = plan("month", ("2026-03-15T09:00", "month@Asia/Kolkata"))
    assert walk(budget, "2026-02-10", 3) == [
        "2026-02 2026-02-01T00:00 2026-03-01T00:00",
        "2026-03 2026-03-01T00:00 2026-03-31T18:30",
        "2026-04/1 2026-03-31T18:30 2026-04-30T18:30",
    ]
    before, after = scheduled_window(budget, us("2026-03-15T08:59")), scheduled_window(budget, us("2026-03-15T09:00"))
    assert before == after


def test_weeks_instead_of_months_begin_when_the_running_week_is_over() -> None:
    assert walk(plan("month", ("2026-03-18T12:00", "week")), "2026-03-01", 3) == [
        "2026-03 2026-03-01T00:00 2026-03-23T00:00",
        "2026-W13/1 2026-03-23T00:00 2026-03-30T00:00",
        "2026-W14/1 2026-03-30T00:00 2026-04-06T00:00",
    ]


def test_a_change_at_a_windows_edge_cuts_there() -> None:
    assert walk(plan("month", ("2026-04-01", "quarter")), "2026-03-01", 2) == [
        "2026-03 2026-03-01T00:00 2026-04-01T00:00",
        "2026-Q2/1 2026-04-01T00:00 2026-07-01T00:00",
    ]
    assert walk(plan("month", ("2026-04-01", "month@America/New_York")), "2026-03-01", 3) == [
        "2026-03 2026-03-01T00:00 2026-04-01T00:00",
        "2026-03/1 2026-04-01T00:00 2026-04-01T04:00",
        "2026-04/1 2026-04-01T04:00 2026-05-01T04:00",
    ]


def test_two_changes_within_one_window_leave_it_one_window() -> None:
    budget = plan("month", ("2026-03-10", "month@Asia/Kolkata"), ("2026-03-20", "month@America/New_York"))
    assert walk(budget, "2026-03-01", 2) == [
        "2026-03 2026-03-01T00:00 2026-04-01T04:00",
        "2026-04/2 2026-04-01T04:00 2026-05-01T04:00",
    ]


def test_a_contract_prolonged_while_it_runs_is_one_window_and_afterwards_a_new_one() -> None:
    first, longer = "2026-01-01..2026-03-31", "2026-01-01..2026-04-30"
    assert walk(plan(first, ("2026-03-15", longer)), "2026-03-15", 2) == [
        "2026-01-01..2026-03-31 2026-01-01T00:00 2026-05-01T00:00",
        "2026-05-01../1 2026-05-01T00:00 never",
    ]
    late = plan(first, ("2026-04-15", longer))
    assert walk(late, "2026-03-15", 3) == [
        "2026-01-01..2026-03-31 2026-01-01T00:00 2026-04-01T00:00",
        "2026-04-01.. 2026-04-01T00:00 2026-04-15T00:00",
        "2026-01-01..2026-04-30/1 2026-04-15T00:00 2026-05-01T00:00",
    ]
    assert [scheduled_window(late, us(at)).in_force for at in ("2026-03-15", "2026-04-10", "2026-04-15")] == [
        True, False, True,
    ]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(budget=schedules, at_us=instants_us)
def test_whatever_changes_every_instant_is_in_exactly_one_window(budget: Schedule, at_us: int) -> None:
    instants = [at_us, *(change.from_us for change in budget.changes), *(one.from_us - 1 for one in budget.changes)]
    for instant in instants:
        window = scheduled_window(budget, instant)
        assert window.start_us <= instant < window.end_us
        assert scheduled_window(budget, window.start_us) == window
        assert window.counted_from_us == window.start_us
        assert window.counted_until_us == window.end_us
        if window.end_us != NEVER_US:
            assert scheduled_window(budget, window.end_us - 1) == window
            after = scheduled_window(budget, window.end_us)
            assert after.start_us == window.end_us
            assert after.key != window.key
            assert previous_window(budget, window.end_us) == window


@settings(max_examples=60, deadline=None)
@given(budget=schedules)
def test_no_key_names_two_stretches_around_the_changes(budget: Schedule) -> None:
    seen: dict[str, Window] = {}
    for change in budget.changes:
        window: Window | None = scheduled_window(budget, max(change.from_us - 10**13, 0))
        for _ in range(12):
            if window is not None:
                assert seen.setdefault(window.key, window) == window
                window = next_window(budget, window.start_us)


def test_a_rolling_budget_may_change_its_zone_and_nothing_else() -> None:
    here, there = parse_spec("rolling:24h"), parse_spec("rolling:24h@Asia/Kolkata")
    at_us = us("2026-03-15T10:20")
    budget = Schedule(here, (SpecChange(at_us, there),))
    for later_us in (0, 1, 10**9, 10**10, 10**12):
        found, plain = scheduled_window(budget, at_us + later_us), window_at(there, at_us + later_us)
        assert (found.key, found.start_us, found.end_us) == (plain.key, plain.start_us, plain.end_us)
        assert (found.counted_from_us, found.counted_until_us) == (plain.counted_from_us, plain.counted_until_us)
    edge_us = window_at(here, at_us).end_us
    assert scheduled_window(Schedule(here, (SpecChange(edge_us, there),)), edge_us) == window_at(there, edge_us)
    for other in ("rolling:48h", "day"):
        with pytest.raises(BadWindow) as raised:
            Schedule(here, (SpecChange(at_us, parse_spec(other)),))
        assert raised.value.field == "changes"


def test_changes_out_of_order_or_without_number_are_refused() -> None:
    with pytest.raises(BadWindow, match="order"):
        plan("month", ("2026-03-15", "week"), ("2026-03-15", "day"))
    with pytest.raises(BadWindow, match="at most"):
        Schedule(WindowSpec("day"), tuple(SpecChange(1 + i, WindowSpec("day")) for i in range(CHANGES_MAX + 1)))
