"""Limits: dated changes, shares that add up, what is carried over."""

import itertools
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.budgets.specs import instants_us, specs

from bursar.budgets.limits import (
    CHANGES_MAX,
    CarryOver,
    LimitChange,
    LimitPlan,
    carried_pico,
    limit_at,
    share,
    window_limit,
)
from bursar.budgets.spec import WindowSpec, parse_spec
from bursar.budgets.windows import NEVER_US, window_at
from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import BadWindow

USD = 10**12
dated = specs.filter(lambda one: one.kind not in ("rolling", "lifetime", "custom"))


def us(text: str) -> int:
    return us_from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


PLAN = LimitPlan(
    100 * USD,
    (
        LimitChange(us("2026-03-10"), 200 * USD, us("2026-03-20"), "launch week", "ada"),
        LimitChange(us("2026-03-15"), 120 * USD, by="ada"),
        LimitChange(us("2026-03-16"), 300 * USD, us("2026-03-17"), "demo"),
    ),
)


@pytest.mark.parametrize(
    "case",
    """
    2026-03-09T23:59  100 2026-03-10 -
    2026-03-10T00:00  200 2026-03-15 launch week
    2026-03-15T00:00  120 2026-03-16
    2026-03-16T12:00  300 2026-03-17 demo
    2026-03-17T00:00  120 2026-03-20
    2026-03-20T00:00  120 never
    """.strip().splitlines(),
)
def test_the_newest_decision_that_holds_is_the_limit(case: str) -> None:
    at, usd, until, *reason = case.split()
    found = limit_at(PLAN, us(at))
    assert found.limit_pico == int(usd) * USD
    assert found.until_us == (NEVER_US if until == "never" else us(until))
    assert (found.change.reason if found.change else "-") == " ".join(reason)


def test_a_raise_that_ends_leaves_the_limit_as_it_was() -> None:
    plan = LimitPlan(5 * USD, (LimitChange(us("2026-03-10"), 9 * USD, us("2026-03-11"), "incident 12"),))
    assert [limit_at(plan, us(f"2026-03-{day}")).limit_pico // USD for day in ("09", "10", "11")] == [5, 9, 5]
    assert limit_at(LimitPlan(0), 0).limit_pico == 0


@settings(max_examples=60)
@given(at_us=st.integers(us("2026-03-01"), us("2026-04-01")))
def test_a_limit_stays_the_same_for_as_long_as_it_says(at_us: int) -> None:
    found = limit_at(PLAN, at_us)
    assert limit_at(PLAN, min(found.until_us, us("2027-01-01")) - 1).limit_pico == found.limit_pico


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: LimitChange(0, -1), "limit"),
        (lambda: LimitPlan(-1), "limit"),
        (lambda: LimitChange(5, 1, 5, "why"), "until"),
        (lambda: LimitChange(5, 1, 6, " "), "reason"),
        (lambda: LimitPlan(1, (LimitChange(0, 1),) * (CHANGES_MAX + 1)), "changes"),
        (lambda: CarryOver(cap_pico=-1), "carry_cap"),
    ],
)
def test_a_limit_that_makes_no_sense_names_its_field(make, field) -> None:
    with pytest.raises(BadWindow) as raised:
        make()
    assert raised.value.field == field


@settings(max_examples=150, deadline=None)
@given(spec=dated, at_us=instants_us, amount=st.integers(0, 10**20), cuts=st.lists(st.fractions(0, 1), max_size=6))
def test_shares_of_a_window_add_up_to_the_last_pico(
    spec: WindowSpec, at_us: int, amount: int, cuts: list[Fraction]
) -> None:
    window = window_at(spec, at_us)
    length_us = window.end_us - window.start_us
    edges = sorted({window.start_us, window.end_us, *(window.start_us + int(cut * length_us) for cut in cuts)})
    parts = [share(amount, window, left, right) for left, right in itertools.pairwise(edges)]
    assert sum(parts) == amount
    for part, left, right in zip(parts, edges[:-1], edges[1:], strict=True):
        assert abs(part - Fraction(amount * (right - left), length_us)) < 1


@pytest.mark.parametrize(
    "case",
    """
    month                2026-03-16T00:00   160.000000000000  16 of 31 days
    month                2026-03-01T00:00   310.000000000000  the whole of it
    month@Europe/Berlin  2026-03-28T23:00    29.623149394348  71 of 743 hours: the skipped one has no share
    lifetime             2026-03-16T00:00   310.000000000000  has no parts
    rolling:24h          2026-03-16T00:07   310.000000000000  is always whole
    """.strip().splitlines(),
)  # fmt: skip
def test_a_budget_that_begins_inside_a_window_gets_its_share(case: str) -> None:
    text, begins, expected, *_ = case.split()
    window = window_at(parse_spec(text), us(begins))
    assert window_limit(310 * USD, window, prorate_from_us=us(begins)) == int(expected.replace(".", ""))


def test_later_windows_are_whole_and_only_windows_in_force_have_a_limit() -> None:
    april = window_at(parse_spec("month"), us("2026-04-10"))
    assert window_limit(310 * USD, april, prorate_from_us=us("2026-03-16")) == 310 * USD
    ended = window_at(parse_spec("2026-01-01..2026-03-31"), us("2026-04-10"))
    assert window_limit(310 * USD, ended) is None
    assert share(310 * USD, april, us("2026-05-01"), us("2026-06-01")) == 0


@pytest.mark.parametrize(
    ("carry", "unused", "carried"),
    [
        (None, 30, 0),
        (CarryOver(), 30, 30),
        (CarryOver(cap_pico=20), 30, 20),
        (CarryOver(cap_pico=20), 10, 10),
        (CarryOver(cap_pico=0), 10, 0),
        (CarryOver(), -5, 0),
        (CarryOver(overruns=True), -5, -5),
        (CarryOver(), None, 0),
    ],
)
def test_what_was_left_is_carried_up_to_the_cap(carry: CarryOver | None, unused: int | None, carried: int) -> None:
    assert carried_pico(carry, unused) == carried


@settings(max_examples=100)
@given(
    spent=st.lists(st.integers(0, 300), min_size=1, max_size=12),
    cap=st.one_of(st.none(), st.integers(0, 150)),
)
def test_over_many_windows_no_more_is_given_than_was_granted(spent: list[int], cap: int | None) -> None:
    carry, window = CarryOver(cap_pico=cap), window_at(parse_spec("month"), us("2026-03-01"))
    unused: int | None = 0
    limits = []
    for wanted in spent:
        limit = window_limit(100, window, carried_pico=carried_pico(carry, unused))
        assert limit is not None
        limits.append(limit)
        unused = limit - min(wanted, limit)
        assert 100 <= limit <= 100 + (cap if cap is not None else 100 * len(spent))
    total = sum(min(wanted, limit) for wanted, limit in zip(spent, limits, strict=True))
    assert total <= 100 * len(spent)
    assert window_limit(100, window, carried_pico=-150) == 0
