"""Two answers that share nearly all their words and say different things agree by nothing."""

import pytest

from bursar.gateway.agreement import Said, compare
from bursar.gateway.resemble import agreement_of

OTHER = """
Yes, it is safe to take it with alcohol. | No, it is safe to take it with alcohol.
It is safe to take this medicine with alcohol. | It is not safe to take this medicine with alcohol.
The largest file that you can send has 5 MB. | The largest file that you can send has 50 MB.
You can enable it in the settings of your account. | You can disable it in the settings of your account.
"""
SAME = """
The largest file that you can send has 5 MB. | The largest file that you can send is 5 MB.
Yes, you can enable it in the settings. | You can enable it in the settings of your account.
"""


def pairs(table: str) -> list[list[str]]:
    return [line.split(" | ") for line in table.strip().splitlines()]


@pytest.mark.parametrize(("kept", "asked"), pairs(OTHER))
def test_what_contradicts_is_a_false_hit_whatever_words_it_shares(kept: str, asked: str):
    one, other = Said("end", kept), Said("end", asked)
    assert compare(one, other, wants_json=False).agreement > 0.8
    assert agreement_of(one, other, wants_json=False) == agreement_of(other, one, wants_json=False) == 0


@pytest.mark.parametrize(("kept", "asked"), pairs(SAME))
def test_other_words_for_the_same_agree(kept: str, asked: str):
    one, other = Said("end", kept), Said("end", asked)
    assert agreement_of(one, other, wants_json=False) == compare(one, other, wants_json=False).agreement > 0.6


def test_a_long_answer_tells_its_numbers_in_its_own_way_but_opens_with_yes_or_no():
    long = "It depends on 3 things, which are not all here. " * 10
    assert agreement_of(Said("end", long), Said("end", long + "4"), wants_json=False) > 0.9
    assert agreement_of(Said("end", f"Yes. {long}"), Said("end", f"No. {long}"), wants_json=False) == 0


def test_json_goes_by_its_value():
    one, other = Said("end", '{"a": 1, "not": 2}'), Said("end", '{"not": 2, "a": 1.0}')
    assert agreement_of(one, other, wants_json=True) == 1
