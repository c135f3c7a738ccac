"""The interval holds what it says, volume and mix alone save nothing, and what everyone got is nobody's saving."""

from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.advisor.initiatives_worlds import FIRST, KINDS, START, a_group, daily, measured, one_case, overlapping_case

from bursar.advisor.initiatives_rates import margin_of, rates_of, student
from bursar.explore.unit_costs import Cell

CASES = 400


def coverage(**world) -> tuple[float, float]:
    """Share of cases whose interval has the truth in it, and the mean error relative to the mean truth."""
    found = [one_case(seed, **world) for seed in range(CASES)]
    inside = sum(abs(one.saved - one.truth) <= one.margin for one in found) / CASES
    scale = float(np.mean([abs(one.truth) for one in found])) or 1.0
    return inside, float(np.mean([one.saved - one.truth for one in found])) / scale


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.0, 0.7, 0.4])
def test_the_interval_of_a_month_covers_the_truth_as_often_as_it_says(factor):
    inside, bias = coverage(factor=factor)
    assert 0.85 <= inside <= 0.95
    assert factor == 1.0 or abs(bias) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.0, 0.7])
def test_with_a_comparison_too_and_a_price_cut_for_everyone_is_nobodys_saving(factor):
    inside, bias = coverage(factor=factor, price_cut=0.6, compared=True)
    assert 0.85 <= inside <= 0.95
    assert factor == 1.0 or abs(bias) < 0.03


@pytest.mark.slow
def test_of_two_that_share_calls_each_interval_covers_its_own_truth():
    found = [overlapping_case(seed, 0.7, 0.8) for seed in range(CASES)]
    for mine in zip(*found, strict=True):
        assert 0.85 <= sum(abs(one.saved - one.truth) <= one.margin for one in mine) / CASES <= 0.95


@pytest.mark.slow
def test_without_a_comparison_a_price_cut_would_be_taken_for_a_saving():
    found = one_case(1, 1.0, price_cut=0.6)
    assert found.saved - found.margin > 0
    compared = one_case(1, 1.0, price_cut=0.6, compared=True)
    assert abs(compared.saved) <= 2 * compared.margin


def test_a_comparison_narrows_the_interval_where_days_are_dear_for_everyone():
    both = [one_case(seed, 0.7, compared=True) for seed in range(6)]
    rng = np.random.default_rng(3)
    days = [FIRST + timedelta(days=at) for at in range(61)]
    shocks = {day: float(rng.lognormal(0, 0.3)) for day in days}
    before, after = a_group(rng, FIRST, 30, 1.0, shocks), a_group(rng, START, 31, 0.7, shocks)
    assert measured(before, after)[1] > max(one.margin for one in both)


UNITS = st.integers(1, 400)
RATES = st.integers(1, 10**10)


@settings(max_examples=25, deadline=None)
@given(
    rates=st.lists(RATES, min_size=3, max_size=3),
    before=st.lists(st.lists(UNITS, min_size=3, max_size=3), min_size=20, max_size=20),
    after=st.lists(st.lists(st.integers(1, 4_000), min_size=3, max_size=3), min_size=2, max_size=9),
    times=st.integers(1, 50),
)
def test_neither_volume_nor_mix_saves_anything_while_a_call_costs_the_same(rates, before, after, times):
    """Exactly zero: not a pico, whatever is asked more or less, and however often."""

    def cells(first, days, factor):
        return [
            Cell(first + timedelta(days=at), 1, (kind,), (count * factor,), count * factor * rate, count * factor, 0)
            for at, counts in enumerate(days)
            for kind, count, rate in zip(KINDS, counts, rates, strict=True)
        ]

    saved, margin = measured(cells(FIRST, before, 1), cells(START, after, times))
    assert saved == 0
    assert margin == 0.0


def test_a_kind_that_was_seen_too_rarely_has_no_rate():
    seen = {(FIRST + timedelta(days=at), ("often",)): (Fraction(10), 100) for at in range(7)}
    rare = {(FIRST, ("rare",)): (Fraction(500), 100), (FIRST + timedelta(days=1), ("rare",)): (Fraction(500), 100)}
    few = {(FIRST + timedelta(days=at), ("few",)): (Fraction(2), 100) for at in range(7)}
    assert set(rates_of(seen | rare | few).by_stratum) == {("often",)}


def test_students_quantiles_are_those_of_the_tables():
    for freedom, wanted in (
        (1, 6.314),
        (2, 2.920),
        (2.5, 2.558),
        (3, 2.353),
        (5, 2.015),
        (10, 1.812),
        (30, 1.697),
        (1e9, 1.645),
    ):
        assert student(0.95, freedom) == pytest.approx(wanted, rel=0.01)
    assert 3.705 < student(0.95, 1.5) < 3.705 * 1.03


def test_an_interval_needs_two_days_on_either_side():
    days = {FIRST: 1.0, FIRST + timedelta(days=1): 2.0, START: 3.0}
    assert margin_of(days, START) is None
    assert margin_of(days | {START + timedelta(days=1): 1.0}, START) is not None


def test_days_that_are_alike_are_sure():
    cells = [Cell(FIRST + timedelta(days=at), 1, ("ask",), (50,), 500, 50, 0) for at in range(10)]
    after = [Cell(START + timedelta(days=at), 1, ("ask",), (50,), 300, 50, 0) for at in range(10)]
    assert measured(cells, after) == (2_000, 0.0)
    assert rates_of(daily(cells)).days == 10
