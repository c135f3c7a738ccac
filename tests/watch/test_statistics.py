"""Tails, deviates, the false discovery rate, changes of level and slopes, beside exact and brute-force answers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.watch.deviance import signed_deviate
from bursar.watch.discovery import discoveries
from bursar.watch.shifts import change_points, robust_slope
from bursar.watch.tails import START, Tail, normal_surprise


@pytest.mark.parametrize("deviate", [-6.0, -1.0, 0.0, 0.5, 1.0, 2.5, 5.0, 8.0, 20.0, 35.0])
def test_the_normal_tail_is_right_far_out(deviate):
    exact = -math.log10(0.5 * math.erfc(deviate / math.sqrt(2)))
    assert normal_surprise(np.array([deviate]))[0] == pytest.approx(exact, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("law", "times"), [("normal", 1.5), ("exponential", 2.0), ("pareto", 3.5)])
def test_a_learned_tail_is_seldom_more_surprised_than_it_says(law, times):
    """After a thousand steps of learning surprises above 3 and 4 come at most so many times as often as stated."""
    rng = np.random.default_rng(5)
    shape = (300,)
    tail = Tail.fresh(shape)
    draws = {
        "normal": lambda: np.abs(rng.standard_normal(shape)),
        "exponential": lambda: rng.exponential(1.0, shape),
        "pareto": lambda: rng.pareto(4.0, shape),
    }
    looks, above = 0, {3: 0, 4: 0}
    for step in range(4000):
        statistic = draws[law]()
        if step >= 1000:
            surprise = tail.surprise(statistic)
            looks += surprise.size
            for bound in above:
                above[bound] += int((surprise >= bound).sum())
        tail.learn(statistic, np.ones(shape, bool))
    for bound, count in above.items():
        assert count / looks <= times * 10.0**-bound, f"{count / looks * 10**bound:.2f} times as many"


def test_a_rise_is_learned_once_when_it_is_over():
    tail = Tail.fresh((1,))
    seen = np.ones(1, bool)
    for statistic in (3.0, 6.0, 4.0, START / 2):
        tail.learn(np.array([statistic]), seen)
        assert tail.excesses[0] == 0
    tail.learn(np.array([0.0]), seen)
    assert tail.excesses[0] == 1


def exact_upper(count, mean):
    """P(Poisson(mean) >= count)."""
    return math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count, count + 200))


@pytest.mark.parametrize(("count", "mean"), [(2, 0.02), (3, 0.1), (5, 0.5), (12, 3.0), (40, 15.0), (160, 100.0)])
def test_a_count_is_about_as_surprising_as_poisson_says(count, mean):
    one = np.ones(1)
    deviate = signed_deviate(count * one, mean * one, one, 0 * one, one)
    exact = -math.log10(exact_upper(count, mean))
    assert 0.8 * exact - 0.2 <= normal_surprise(deviate)[0] <= exact + 0.25


def test_less_than_expected_is_a_negative_deviate_and_nothing_expected_is_none():
    one = np.ones(1)
    assert signed_deviate(0 * one, 9 * one, one, 0 * one, 0 * one)[0] == pytest.approx(-math.sqrt(18))
    assert signed_deviate(3 * one, 0 * one, one, 0 * one, one)[0] == 0


def test_benjamini_and_hochberg_by_hand():
    """Of ten looks at 0.1: bounds 0.01, 0.02, 0.03, 0.04. The third passes its own, and takes the second with it."""
    p = np.array([0.009, 0.025, 0.029, 0.2, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert discoveries(-np.log10(p), 0.1, 10).tolist() == [True] * 3 + [False] * 7
    assert not discoveries(-np.log10(p), 0.1, 100).any()
    assert not discoveries(np.zeros(0), 0.1, 10).any()


@given(st.lists(st.floats(0, 12), min_size=1, max_size=40), st.floats(1e-6, 0.2))
def test_a_discovery_takes_everything_more_surprising_with_it(surprises, chance):
    found = discoveries(np.array(surprises), chance, len(surprises))
    if found.any():
        least = min(s for s, kept in zip(surprises, found, strict=True) if kept)
        assert all(kept for s, kept in zip(surprises, found, strict=True) if s >= least)
        assert least >= -math.log10(chance)


def by_brute_force(values, penalty, shortest):
    """Every partition's cost by dynamic programming without pruning."""
    n = len(values)
    best = [0.0] + [math.inf] * n
    for end in range(1, n + 1):
        for start in range(end - shortest + 1):
            part = values[start:end]
            cost = best[start] + float(((part - part.mean()) ** 2).sum()) + (penalty if start else 0.0)
            best[end] = min(best[end], cost)
    return best[n]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 40), st.integers(1, 4), st.floats(0.5, 12))
def test_changes_of_level_are_the_best_there_are(seed, n, shortest, penalty):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(n) + np.repeat(rng.normal(0, 3, 4), 10)[:n]
    points = change_points(values, np.ones(n), penalty, shortest)
    parts = np.split(values, points)
    cost = sum(float(((part - part.mean()) ** 2).sum()) for part in parts) + penalty * len(points)
    assert cost == pytest.approx(by_brute_force(values, penalty, shortest), rel=1e-9, abs=1e-6)
    if points:
        assert min(len(part) for part in parts) >= shortest


def test_a_robust_slope_doesnt_mind_an_outlier():
    times = np.arange(20.0)
    values = 0.5 * times
    values[7] = 400.0
    slope, deviate = robust_slope(times, values)
    assert slope == pytest.approx(0.5)
    assert deviate > 4
    assert robust_slope(times[:2], values[:2]) == (0.0, 0.0)
