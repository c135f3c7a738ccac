"""When a semantic cache may be switched on: only by what its shadow has shown, and it says why not."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.domain.caching import CacheTerms, SemanticCaching, measured_as
from bursar.domain.resemblance import MONTH_US, Measured, measured_words, upper_share, why_not_on, why_off

ON = CacheTerms(match={"feature": "help"}, semantic=SemanticCaching("on"))
PAYS = Measured(
    measured_as(ON), 0.6, calls=1_000, hits=400, compared=400, false_hits=1, saved_pico=7 * 10**12,
    embed_pico=10**12, until_us=MONTH_US,
)  # fmt: skip


def why(terms: CacheTerms = ON, **changes: object) -> str:
    return why_not_on(terms, msgspec.json.encode(msgspec.structs.replace(PAYS, **changes)).decode())


def test_what_pays_and_is_seldom_wrong_may_answer():
    assert why() == ""
    assert "400 of 1,000 calls (40.0 %) would have been hits, 1 of 400 compared were wrong" in measured_words(PAYS)
    assert "at 1,000 calls a month this would cost $1.00 and save $7.00" in measured_words(PAYS)


def test_what_does_not_pay_says_so_in_words():
    told = why(calls=4_100, saved_pico=7 * 10**12, embed_pico=11 * 10**12)
    assert told == "at 4,100 calls a month this would cost $11 and save $7.00"
    assert why(saved_pico=0, embed_pico=0).startswith("at 1,000 calls a month this would cost $0 and save $0")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"compared": 99, "false_hits": 0}, "99 of 100 would-be hits in other words"),
        ({"false_hits": 12}, "as many as 4.8 % may be wrong"),
        ({"mark": "other"}, "hasn't been measured as it is written here"),
        ({"agreement_min": 0.5}, "counted with agreement_min 0.5"),
    ],
)
def test_too_little_or_too_much_keeps_it_off(changes: dict[str, object], says: str):
    assert says in why(**changes)


def test_nothing_measured_or_other_terms_keep_it_off():
    assert "hasn't been measured" in why_not_on(ON, "")
    wider = msgspec.structs.replace(ON, match={})
    looser = msgspec.structs.replace(ON, semantic=SemanticCaching("on", similarity_min=0.8))
    for terms in (wider, looser):
        assert "hasn't been measured" in why(terms)
    shadow = msgspec.structs.replace(ON, semantic=SemanticCaching("shadow", sample_percent=50))
    assert measured_as(shadow) == measured_as(ON)


def test_one_that_answers_goes_back_when_it_is_surely_wrong_too_often():
    seen = msgspec.structs.replace(PAYS, compared=100, false_hits=4)
    assert why_off(ON, seen) == ""  # 4 of 100 may be chance at 3 %
    assert "12 of 100 answers" in why_off(ON, msgspec.structs.replace(seen, false_hits=12))
    assert why_off(ON, msgspec.structs.replace(seen, compared=0, false_hits=0)) == ""


def test_a_long_good_shadow_does_not_hide_that_its_answers_are_wrong_now():
    seen = msgspec.structs.replace(PAYS, compared=10_012, false_hits=12, live_compared=20, live_false=12)
    assert "12 of 20 answers" in why_off(ON, seen)
    assert "12 of 20 answers" in why_not_on(ON, msgspec.json.encode(seen).decode())  # nor may it come back at once
    assert why_off(ON, msgspec.structs.replace(seen, live_compared=4, live_false=4)) == ""
    assert why_off(ON, msgspec.structs.replace(seen, live_compared=20, live_false=1)) == ""


@settings(deadline=None)
@given(of=st.integers(1, 300), share=st.floats(0, 1))
def test_the_bound_is_above_what_was_seen_and_falls_with_evidence(of: int, share: float):
    seen = int(of * share)
    bound = upper_share(seen, of)
    assert seen / of <= bound <= 1
    assert upper_share(seen * 2, of * 2) <= bound + 1e-9
    assert upper_share(0, of) == pytest.approx(1 - 0.05 ** (1 / of), abs=1e-9)
