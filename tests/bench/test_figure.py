import pytest

from bursar.bench import bodies, loops
from bursar.bench.figure import Figure, Options, against, median


@pytest.mark.parametrize(
    ("figure", "ok"),
    [
        (Figure("a", 80, "MB", 90), True),
        (Figure("a", 91, "MB", 90), False),
        (Figure("a", 40_000, "1/s", 30_000, "at least"), True),
        (Figure("a", 20_000, "1/s", 30_000, "at least"), False),
        (Figure("a", 100, "µs", 4.5, ratio=4.4), True),
        (Figure("a", 100, "µs", 4.5, ratio=4.6), False),
        (Figure("a", 100, "µs"), True),
    ],
)
def test_a_figure_is_judged_by_its_ratio_where_it_has_one(figure, ok):
    assert figure.ok is ok
    assert figure.as_row()["ok"] is ok


def test_a_target_reads_as_it_is_meant():
    assert Figure("a", 1, "MB", 90).target == "≤ 90 MB"
    assert Figure("a", 1, "µs", 4.5, ratio=2).target == "≤ 4.5 ×"
    assert Figure("a", 1, "1/s", 30_000, "at least").target == "≥ 30,000 1/s"
    assert Figure("a", 1, "s").target == ""


def test_a_comparison_takes_the_medians_of_both():
    figure = against("cpu", "µs", [40, 50, 900], [10, 11, 12], 4.5)
    assert (figure.value, round(figure.ratio or 0, 3)) == (50, round(50 / 11, 3))
    assert median([4, 1, 3, 2]) == 2.5


def test_the_loop_breaker_is_measured_on_calls_that_it_lets_through():
    (figure,) = loops.measure(Options(scale=0.1, rounds=2))
    assert 0 < figure.value < 100


def test_the_bodies_are_of_the_sizes_they_are_named_for():
    assert abs(len(bodies.chat_request(1_400)) - 1_400) < 100
    assert abs(len(bodies.chat_request(98_000)) - 98_000) < 200
    assert 900 < len(bodies.chat_answer()) < 1_100
    assert len(bodies.stream_events()) == bodies.EVENTS
