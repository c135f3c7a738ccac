"""Parts of a change of cost: they add up to the last pico, and hand-made changes fall to the factor that made them."""

from fractions import Fraction
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.domain.factors import Cell, Window, decompose, rounded_to_sum
from bursar.domain.findings import Factor

PICO = 10**12


def cell(calls: int, *, wasted: int = 0, other: int = 0, **units: tuple[int, int]) -> Cell:
    """units: name=(quantity, pico USD for one); wasted and other in pico USD."""
    priced = {name: (Fraction(quantity), Fraction(quantity * price)) for name, (quantity, price) in units.items()}
    cost = sum((money for _, money in priced.values()), Fraction(wasted + other))
    return Cell(Fraction(calls), cost, Fraction(wasted), priced)


def parts(before: Window, after: Window) -> dict[str, int]:
    return {part.factor.value: part.pico for part in decompose(before, after)}


def cost(window: Window) -> Fraction:
    return sum((one.cost for one in window.values()), Fraction(0))


USUAL = {("", "small"): cell(100, input=(100_000, 3), output=(10_000, 12))}


def test_three_times_the_calls_is_all_calls():
    assert parts(USUAL, {key: one.scaled(Fraction(3)) for key, one in USUAL.items()}) == {"calls": 840_000}


def test_a_doubled_price_is_all_price():
    dearer = {("", "small"): cell(100, input=(100_000, 6), output=(10_000, 24))}
    assert parts(USUAL, dearer) == {"price": 420_000}


def test_longer_prompts_and_longer_answers_are_told_apart():
    longer = {("", "small"): cell(100, input=(250_000, 3), output=(30_000, 12))}
    assert parts(USUAL, longer) == {"input_length": 450_000, "output_length": 240_000}


def test_a_prompt_cache_that_stopped_hitting_is_all_cache():
    cached = {("", "m"): cell(10, input=(1_000, 10), cache_read=(9_000, 1), output=(100, 50))}
    missed = {("", "m"): cell(10, input=(10_000, 10), output=(100, 50))}
    assert parts(cached, missed) == {"cache": 81_000}
    assert parts(missed, cached) == {"cache": -81_000}


def test_a_swapped_model_is_all_models():
    swapped = {("", "large"): cell(100, input=(90_000, 30), output=(20_000, 90))}
    assert parts(USUAL, swapped) == {"models": int(cost(swapped) - cost(USUAL))}


def test_retries_that_are_paid_for_are_retries():
    stormy = {("", "small"): cell(100, wasted=999_000, input=(100_000, 3), output=(10_000, 12))}
    assert parts(USUAL, stormy) == {"retries": 999_000}


def test_attempts_whose_calls_ended_at_another_model_are_retries():
    failed_over = USUAL | {("", "large"): cell(0, wasted=500_000)}
    assert parts(USUAL, failed_over) == {"retries": 500_000}


def test_more_of_a_dear_feature_within_one_model_is_mix():
    short, long = cell(1, input=(10, 1)), cell(1, input=(1_000, 1))
    before = {("faq", "m"): short.scaled(Fraction(90)), ("agent", "m"): long.scaled(Fraction(10))}
    after = {("faq", "m"): short.scaled(Fraction(50)), ("agent", "m"): long.scaled(Fraction(50))}
    assert parts(before, after) == {"mix": 40 * 990}


def test_what_was_not_there_before_is_all_calls():
    assert parts({}, USUAL) == {"calls": 420_000}
    assert parts(USUAL, {}) == {"calls": -420_000}
    assert parts({}, {}) == {}


def test_searches_and_roundings_are_other():
    searching = {("", "small"): cell(100, other=7, input=(100_000, 3), output=(10_000, 12), web_search=(50, 1_000))}
    assert parts(USUAL, searching) == {"other": 50_007}


def test_two_factors_that_grew_together_share_what_both_made():
    both = {("", "small"): cell(200, input=(400_000, 3), output=(20_000, 12))}  # twice the calls, twice the prompt
    found = parts(USUAL, both)
    assert sum(found.values()) == cost(both) - cost(USUAL)
    assert found == {"calls": 570_000, "input_length": 450_000}  # of prompts 600 → 1 200: half the overlap each


UNITS = ("input", "cache_read", "cache_write_5m", "output", "web_search")
CELLS = st.builds(
    lambda calls, wasted, other, units: cell(calls, wasted=wasted, other=other, **units),
    st.integers(0, 50), st.integers(0, 10**6), st.integers(-50, 50),
    st.dictionaries(st.sampled_from(UNITS), st.tuples(st.integers(1, 10**6), st.integers(0, 10**4)), max_size=4),
)  # fmt: skip
WINDOWS = st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), CELLS, max_size=4)


@given(WINDOWS, WINDOWS, st.fractions(min_value=0, max_value=3, max_denominator=97))
@settings(max_examples=80, deadline=None)
def test_parts_add_up_to_the_change_to_the_last_pico(before, after, weight):
    scaled = {key: one.scaled(weight) for key, one in before.items()}
    assert sum(part.pico for part in decompose(scaled, after)) == round(cost(after) - cost(scaled))


@given(WINDOWS, WINDOWS)
@settings(max_examples=30, deadline=None)
def test_forth_and_back_cancel_out(before, after):
    forth, back = parts(before, after), parts(after, before)
    for name in forth.keys() | back.keys():
        assert abs(forth.get(name, 0) + back.get(name, 0)) <= 2  # both are rounded


@given(st.dictionaries(st.integers(0, 9), st.fractions(max_denominator=1_000), max_size=9))
def test_rounding_keeps_the_sum_and_moves_nothing_by_a_whole_place(amounts):
    found = rounded_to_sum(amounts)
    assert sum(found.values()) == round(sum(amounts.values(), Fraction(0)))
    assert all(abs(found[key] - amounts[key]) <= 1 for key in amounts)


def test_every_order_counts_alike():
    """Against the definition: switch the factors one by one, in all orders, on one cell of a product of three."""
    before = {("", "m"): cell(2, input=(6, 5))}
    after = {("", "m"): cell(7, input=(77, 13))}
    figures = {"calls": (2, 7), "input_length": (3, 11), "price": (5, 13)}
    expected = dict.fromkeys(figures, Fraction(0))
    for order in permutations(figures):
        now = {name: sides[0] for name, sides in figures.items()}
        for name in order:
            was = now["calls"] * now["input_length"] * now["price"]
            now[name] = figures[name][1]
            expected[name] += Fraction(now["calls"] * now["input_length"] * now["price"] - was, 6)
    found = parts(before, after)
    assert all(abs(found[name] - expected[name]) <= 1 for name in figures)
    assert Factor.CALLS.value in found
