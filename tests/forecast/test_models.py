"""The models, series by series: what is even stays even, what repeats is known, what is unknown is said to be."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.forecast.series import course

from bursar.forecast.backtest import back_test, choose, origins_of
from bursar.forecast.course import Past, is_young, together
from bursar.forecast.models import LOOK_BACK, NAIVE, NAMES, candidates, known_at

amounts = st.one_of(st.just(0.0), st.floats(1e-9, 1e6), st.floats(0.5, 2.0))
pasts = st.lists(amounts, min_size=1, max_size=70)


@pytest.mark.parametrize("days", [2, 3, 8, 30, 90])
def test_what_is_even_stays_even(days: int):
    found = course([5.0] * days)
    assert found.expected[0] == pytest.approx(5.0)
    low, high = found.bands.of_sum(found.expected, 1, 31)
    if days >= 8:
        assert (low[0], high[0]) == (pytest.approx(150), pytest.approx(150))
    else:
        assert low[0] < 150 < high[0], "a young series has a band, however even it was"


def test_a_week_that_repeats_is_known():
    week = [10, 12, 11, 13, 9, 2, 1]
    found = course(week * 6, ahead=14)
    assert found.expected[0] == pytest.approx([*week, *week, week[0]], rel=1e-6)


def test_a_noisy_week_is_forecast_better_than_by_the_last_one():
    chance = np.random.default_rng(5)
    week = np.array([10, 12, 11, 13, 9, 2, 1])
    days = np.tile(week, 12)[None] * chance.lognormal(0, 0.2, (30, 84))
    tested = course(days)
    near = tested.accuracy[1]
    assert near.error is not None
    assert near.naive_error is not None
    assert near.error < 0.85 * near.naive_error


def test_a_new_level_is_followed_and_a_single_odd_day_is_not():
    moved = course([10.0] * 40 + [30.0] * 6).expected[0, 1:8].mean()
    assert moved > 25
    odd = course([10.0] * 40 + [200.0]).expected[0, 1:8].mean()
    assert odd < 20


def test_nothing_for_a_month_is_nothing_ahead_and_a_gap_is_no_end():
    assert course([7.0] * 20 + [0.0] * 30).expected[0].sum() < 1
    gap = course([7.0] * 40 + [0.0] * 2 + [7.0] * 5).expected[0, 1:8].mean()
    assert gap == pytest.approx(7.0, rel=0.35)


def test_a_series_of_zeros_alone_says_nothing_and_breaks_nothing():
    found = course(np.zeros((3, 20)))
    assert not found.expected.any()
    assert found.age == [0, 0, 0]
    assert all(is_young(age) for age in found.age)


def test_a_young_series_is_looked_at_from_its_birth_on():
    days = np.zeros((2, 60))
    days[0], days[1, 57:] = 8.0, 8.0
    found = course(days)
    assert found.age == [60, 3]
    assert found.expected[1] == pytest.approx(8.0, rel=0.05)
    low, high = found.bands.of_sum(found.expected, 0, 7)
    assert high[1] - low[1] > high[0] - low[0]


@settings(max_examples=40, deadline=None)
@given(past=pasts, so_far=amounts, gone=st.floats(0, 1))
def test_bands_hold_what_is_expected_and_nothing_is_negative_or_endless(past: list[float], so_far: float, gone: float):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = course(past, so_far=so_far, gone=gone)
    most = max(*past, so_far, so_far / gone if gone >= 0.5 else 0.0)
    assert np.isfinite(found.expected).all()
    assert (found.expected >= 0).all()
    assert (found.expected <= 40 * most + 1e-6).all(), "nothing explodes"
    for low, high in (found.bands.of_days(found.expected), found.bands.of_sum(found.expected, 0, 31)):
        assert (low >= 0).all()
        assert np.isfinite(high).all()
    low, high = found.bands.of_sums(found.expected)
    sums = np.cumsum(found.expected, axis=1)
    assert (low <= sums + 1e-6 * (1 + sums)).all()
    assert (high >= sums - 1e-6 * (1 + sums)).all()


@settings(max_examples=15, deadline=None)
@given(past=st.lists(amounts, min_size=4, max_size=40), scale=st.sampled_from([1e-6, 1e3]))
def test_other_units_are_the_same_forecast(past: list[float], scale: float):
    known = np.array(past)
    if known.max() < 1e-3:
        return  # near a pico, rounding is all there is
    one, other = course(known).expected, course(known * scale).expected
    assert other == pytest.approx(one * scale, rel=1e-2, abs=1e-6 * scale * known.max())


def test_no_candidate_sees_beyond_its_origin():
    days = np.random.default_rng(3).lognormal(size=(4, 50))
    other = days.copy()
    other[:, 30:] = 1_000
    born = np.zeros(4, dtype=np.intp)
    assert (candidates(known_at(days, born, 30), 10) == candidates(known_at(other, born, 30), 10)).all()
    first, second = back_test(days, born), back_test(other, born)
    at = first.origins.index(max(one for one in first.origins if one <= 30))
    assert (first.said[at] == second.said[at]).all(), "nor does the choice among them"


def test_origins_are_dense_near_now_and_go_far_back():
    assert origins_of(2) == []
    assert origins_of(3) == [2]
    found = origins_of(90)
    assert found[-1] == 89
    assert found == sorted(set(found))
    assert len(found) == 24
    assert found[0] < 50


def test_whoever_is_nearer_is_chosen_and_one_wild_series_does_not_choose_for_all():
    spent = np.full((10, 20, 7), 10.0)
    misses = np.stack([np.full((10, 20, 7), 5.0), np.full((10, 20, 7), 1.0), np.full((10, 20, 7), 3.0)], axis=1)
    misses[:, 1, 0] = 1e9
    origins = list(range(20, 30))
    found = choose(misses, spent, origins, 40)
    assert (found[1:] == 1).all()


def test_each_candidate_has_a_name():
    known = known_at(np.ones((1, LOOK_BACK)), np.zeros(1, dtype=np.intp), LOOK_BACK)
    assert len(candidates(known, 3)) == len(NAMES)


@pytest.mark.parametrize(("gone", "rest"), [(0.0, 10.0), (0.8, 0.2 * (0.2 * 10 + 8)), (1.0, 0.0)])
def test_a_whole_that_repeats_last_week_expects_the_rest_of_today_alone(gone: float, rest: float):
    week = np.tile([10.0, 12, 11, 13, 9, 2, 1], 8)
    share = np.random.default_rng(3).uniform(0.1, 0.9, len(week))  # the parts say little, the whole repeats itself
    past = Past(np.stack([week * share, week * (1 - share)]), np.array([3.0, 5.0]) * (gone > 0), gone)
    found = together(past, [], 7)
    assert found.said_by == NAMES[NAIVE]
    assert found.whole.expected[0, 0] == pytest.approx(rest)
    assert found.parts.expected[:, 0].sum() == pytest.approx(rest)
