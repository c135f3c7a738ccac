from hypothesis import given
from hypothesis import strategies as st

from bursar.budgets.bounds import EVIDENCE_MIN, HIDDEN_BILLS, HIDDEN_STALE_US, MODELS_MAX, TokenCeilings

REPORTS = st.lists(
    st.tuples(st.integers(1_024, 2_047), st.integers(0, 4_000), st.integers(0, 10_000)), min_size=EVIDENCE_MIN
)


def test_of_a_model_nobody_has_seen_a_token_is_a_byte():
    assert TokenCeilings().input_tokens("gpt-9", 1_500) == 1_500
    assert TokenCeilings().usual_output_tokens("gpt-9", 4_096) == 4_096


@given(REPORTS)
def test_a_ceiling_is_never_below_what_was_just_reported(reports):
    ceilings = TokenCeilings()
    for size, tokens, output in reports:
        ceilings.learn("m", size, tokens, output)
        assert ceilings.input_tokens("m", size) >= tokens


def test_with_evidence_the_ceiling_comes_down_to_the_highest_ratio_and_a_margin():
    ceilings = TokenCeilings()
    for _ in range(EVIDENCE_MIN):
        ceilings.learn("m", 1_500, 375, 100)
    assert ceilings.input_tokens("m", 1_600) == 500  # a quarter, and a quarter more
    assert ceilings.input_tokens("m", 100_000) == 100_000  # of another size nothing is known


def test_hidden_input_raises_the_ceiling_after_its_first_bill():
    ceilings = TokenCeilings()
    for _ in range(EVIDENCE_MIN):
        ceilings.learn("m", 1_500, 375, 100)
    ceilings.learn("m", 1_500, 9_000, 100)
    assert ceilings.input_tokens("m", 1_500) >= 9_000


def test_the_usual_output_is_above_99_of_100_answers():
    ceilings = TokenCeilings()
    for number in range(1_000):
        ceilings.learn("m", 1_500, 375, 4_000 if number % 100 == 0 else 90)
    assert 90 <= ceilings.usual_output_tokens("m", 8_192) <= 4_095
    assert ceilings.usual_output_tokens("m", 64) == 64  # never above what the call allows


def test_models_beyond_the_bound_stay_at_a_byte_a_token():
    ceilings = TokenCeilings()
    for number in range(MODELS_MAX + 10):
        for _ in range(EVIDENCE_MIN):
            ceilings.learn(f"m{number}", 1_500, 300, 1)
    assert ceilings.input_tokens(f"m{MODELS_MAX + 5}", 1_500) == 1_500


SIZES_OF_TEXT = st.integers(1, 100_000)


@given(SIZES_OF_TEXT, SIZES_OF_TEXT, st.integers(0, 200_000))
def test_what_one_request_was_added_is_held_for_one_of_any_other_size(one: int, other: int, hidden: int):
    ceilings = TokenCeilings()
    ceilings.learn("m", one, one + hidden, 1)
    assert ceilings.input_tokens("m", other) >= other + hidden


def test_what_was_added_fades_when_bills_stop_showing_it():
    ceilings = TokenCeilings()
    ceilings.learn("m", 100, 10_100, 1)
    for _ in range(HIDDEN_BILLS):
        assert ceilings.input_tokens("m", 3_000) >= 13_000
        ceilings.learn("m", 60_000, 15_000, 1)
    for _ in range(HIDDEN_BILLS):
        ceilings.learn("m", 60_000, 15_000, 1)
    assert ceilings.input_tokens("m", 3_000) == 3_000


def test_what_every_so_many_bills_show_is_never_forgotten():
    ceilings = TokenCeilings()
    for _ in range(5):
        ceilings.learn("m", 100, 10_100, 1)
        for _ in range(HIDDEN_BILLS - 1):
            ceilings.learn("m", 60_000, 15_000, 1)
            assert ceilings.input_tokens("m", 3_000) >= 13_000


def test_a_model_whose_calls_are_refused_for_what_was_added_once_is_met_anew():
    """No call passes, so no bill can show that nothing is added any more."""
    ceilings, now_us = TokenCeilings(), 1_790_000_000_000_000
    ceilings.age(now_us)
    ceilings.learn("m", 100, 100_100, 1)
    ceilings.learn("busy", 100, 100_100, 1)
    ceilings.age(now_us + HIDDEN_STALE_US)  # it had a bill since
    assert ceilings.knows("m")
    assert ceilings.input_tokens("m", 100) >= 100_100
    ceilings.learn("busy", 100, 100_100, 1)
    ceilings.age(now_us + 2 * HIDDEN_STALE_US)
    assert not ceilings.knows("m"), "as before its first bill: with the margin of first calls, a few at a time"
    assert ceilings.input_tokens("m", 100) == 100
    assert ceilings.knows("busy")
    assert ceilings.input_tokens("busy", 100) >= 100_100
    ceilings.learn("m", 100, 25, 1)
    assert ceilings.knows("m")


def test_sizes_whose_bills_never_had_it_are_not_held_for_it():
    ceilings = TokenCeilings()
    for _ in range(EVIDENCE_MIN):
        ceilings.learn("m", 60_000, 15_000, 1)
    ceilings.learn("m", 100, 10_100, 1)
    assert ceilings.input_tokens("m", 60_000) == 18_750
