"""The benchmark's scorer on examples computed by hand, and that its detector looks at no row before its time."""

import math

import numpy as np
import pytest

from bursar.bench.made_series import made_corpus
from bursar.bench.nab import Labelled, Profile, load_corpus, normalised, raw_score, sigmoid, surprises_of
from bursar.watch.values import CALM_ROWS, ValueWatch, alarms

STANDARD = Profile("standard", 1.0, 0.11, 1.0)
ROWS = 200


def series(*windows: tuple[int, int], rows: int = ROWS) -> Labelled:
    """Values don't matter to the scorer. Probation: the first 30 of 200 rows."""
    return Labelled("one", np.arange(float(rows)), np.zeros(rows), windows)


def test_the_sigmoid_by_hand():
    assert sigmoid(0) == 0
    assert sigmoid(-1) == pytest.approx(2 / (1 + math.exp(-5)) - 1)
    assert sigmoid(-1) == pytest.approx(0.98661, abs=1e-5)
    assert sigmoid(1) == pytest.approx(-sigmoid(-1))
    assert sigmoid(3.01) == -1


HALF = 0.848284 / 0.986614  # s(-0.5) / s(-1): the middle of a window

EXAMPLES = [
    ("nothing called", (100, 109), [], -1.0),
    ("its first row is worth all", (100, 109), [100], 1.0),
    ("its middle: five of ten rows left", (100, 109), [105], HALF),
    ("only the earliest of a window counts", (100, 109), [105, 100, 109], 1.0),
    ("its last row: a tenth left", (100, 109), [109], (2 / (1 + math.exp(-0.5)) - 1) / 0.986614),
    ("in probation nothing counts", (100, 109), [0, 29], -1.0),
    ("far before any window", (100, 109), [30], -1.0 - 0.11),
    ("nine rows after a window of ten: y = 1", (100, 109), [100, 118], 1.0 - 0.11 * 0.986614),
    ("long after it: y > 3", (100, 109), [100, 150], 1.0 - 0.11),
    ("each false alarm costs", (100, 109), [100, 150, 160, 170], 1.0 - 0.33),
]


@pytest.mark.parametrize(("window", "called", "score"), [case[1:] for case in EXAMPLES], ids=[c[0] for c in EXAMPLES])
def test_scores_by_hand(window, called, score):
    assert raw_score(series(window), called, STANDARD) == pytest.approx(score, abs=1e-5)


def test_profiles_weigh_misses_and_false_alarms():
    low_fn, low_fp = Profile("fn", 1.0, 0.11, 2.0), Profile("fp", 1.0, 0.22, 1.0)
    one = series((100, 109), (150, 159))
    assert raw_score(one, [100], low_fn) == pytest.approx(1.0 - 2.0)
    assert raw_score(one, [40], low_fp) == pytest.approx(-2.0 - 0.22)


def test_the_whole_corpus_goes_from_nothing_to_perfect():
    corpus = [series((100, 109), (150, 159)), series((60, 79))]
    corpus[1] = Labelled("two", corpus[1].times, corpus[1].values, corpus[1].windows)
    assert normalised(corpus, {"one": [], "two": []}, STANDARD) == 0
    assert normalised(corpus, {"one": [100, 150], "two": [60]}, STANDARD) == pytest.approx(100)
    assert normalised(corpus, {"one": [100, 150], "two": []}, STANDARD) == pytest.approx(200 / 3)


def test_half_of_the_benchmark_is_here():
    corpus, profiles = load_corpus()
    assert len(corpus) == 30
    assert sum(len(one.windows) for one in corpus) == 57
    assert [profile.name for profile in profiles] == ["standard", "reward_low_FP_rate", "reward_low_FN_rate"]
    assert all(left >= one.probation for one in corpus for left, _ in one.windows)
    assert all((np.diff(one.times) >= 0).all() for one in corpus)


def test_a_row_is_judged_by_what_came_before_it_alone():
    whole = [Labelled(one.name, one.times[:1200], one.values[:1200], ()) for one in made_corpus(3, seed=5)]
    cut = [Labelled(one.name, one.times[:900], one.values[:900], ()) for one in whole]
    full, part = surprises_of(whole), surprises_of(cut)
    for name, surprises in part.items():
        assert np.array_equal(full[name][:900], surprises)


def test_series_side_by_side_are_judged_as_if_alone():
    both = made_corpus(2, seed=6)
    both = [
        Labelled(one.name, one.times[: 900 + 200 * n], one.values[: 900 + 200 * n], ()) for n, one in enumerate(both)
    ]
    together = surprises_of(both)
    for one in both:
        assert np.allclose(together[one.name], surprises_of([one])[one.name], atol=1e-9)


def test_an_alarm_begins_an_episode_and_calm_ends_it():
    surprises = np.zeros(200)
    surprises[[10, 11, 40, 40 + CALM_ROWS, 40 + 2 * CALM_ROWS + 1]] = 4.0
    assert alarms(surprises).tolist() == [10, 40 + 2 * CALM_ROWS + 1]
    assert alarms(np.zeros(5)).tolist() == []


def test_a_constant_series_and_one_of_gaps_are_never_odd():
    watch = ValueWatch(np.array([288.0, 288.0]))
    for row in range(400):
        seen = np.array([True, row % 3 == 0])
        surprise = watch.step(np.array([5.0, 5.0]), np.array([300.0, 300.0]) * row, seen)
        assert np.isfinite(surprise).all()
        assert (surprise < 3).all()


@pytest.mark.slow
def test_made_up_changes_are_found_at_the_stated_threshold():
    corpus = made_corpus(20, seed=9)
    called = {name: alarms(found).tolist() for name, found in surprises_of(corpus).items()}
    assert normalised(corpus, called, STANDARD) >= 50
