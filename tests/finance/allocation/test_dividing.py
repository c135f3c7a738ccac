"""Parts add up to the whole, to the last pico."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from bursar.finance.allocation.dividing import divide

WEIGHTS = st.dictionaries(st.text(max_size=6), st.integers(0, 10**20) | st.decimals(0, 10**6, places=6), max_size=12)


def test_what_is_left_over_goes_to_the_largest_remainders():
    assert divide(100, {"a": 1, "b": 1, "c": 1}) == {"a": 34, "b": 33, "c": 33}
    assert divide(-100, {"a": 1, "b": 1, "c": 1}) == {"a": -34, "b": -33, "c": -33}
    assert divide(10, {"a": Decimal("0.1"), "b": Decimal("0.9"), "c": 0}) == {"a": 1, "b": 9}
    assert divide(10, {"a": 0}) == {}


@given(total=st.integers(-(10**24), 10**24), weights=WEIGHTS)
def test_parts_add_up_and_none_is_a_pico_away_from_its_share(total, weights):
    parts = divide(total, weights)
    whole = sum(map(Fraction, weights.values()))
    assert bool(parts) is bool(whole)
    if parts:
        assert sum(parts.values()) == total
        for name, part in parts.items():
            assert abs(part - total * Fraction(weights[name]) / whole) < 1
