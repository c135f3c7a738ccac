"""Steps of saving: one order, nothing twice, nothing lost."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.savings import COLUMNS, LEVERS, WORDS, Saved, saved_by

AMOUNTS = st.builds(Saved, *[st.integers(-(10**17), 10**17)] * 5)


@given(AMOUNTS, AMOUNTS)
def test_together_is_step_by_step_and_loses_nothing(one: Saved, other: Saved):
    both = one.plus(other)
    assert both.total == one.total + other.total
    assert dict(both.steps()) == {
        lever: getattr(one, lever) + getattr(other, lever)
        for lever in LEVERS
        if getattr(one, lever) + getattr(other, lever)
    }


@given(AMOUNTS)
def test_the_lever_of_a_charge_is_the_one_that_made_the_most_difference(saved: Saved):
    amounts = dict(saved.steps())
    if not amounts:
        assert saved.lever == ""
    else:
        assert abs(amounts[saved.lever]) == max(map(abs, amounts.values()))


def test_every_lever_has_a_field_a_column_and_a_name():
    assert Saved.__struct_fields__ == LEVERS == tuple(COLUMNS) == tuple(WORDS)


def test_what_an_older_bursar_wrote_is_all_by_its_one_lever():
    assert saved_by("prompt_cache", -7) == Saved(prompt_cache=-7)
    assert saved_by("", 7) == saved_by("contract", 7) == saved_by("routing", 0) == Saved()
    assert msgspec.structs.astuple(saved_by("routing", 3)) == (3, 0, 0, 0, 0)
