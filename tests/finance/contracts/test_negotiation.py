"""What a commitment saves and risks: the newsvendor's rule, checked by hand and against trying every amount."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.finance.contracts.negotiation import Demand, Offer, best_amount, saving, weigh, weigh_some

CERTAIN = Demand(100.0, 100.0, 100.0)
BAND = Demand(80.0, 100.0, 140.0)


def test_a_committed_dollar_saves_its_discount_if_used_and_costs_its_price_if_not() -> None:
    offer = Offer(0.2)
    # 100 committed: 80 are paid for them. 60 used: 60 would have cost 60, so 20 are lost. 120 used: 20 saved.
    assert saving(offer, 100.0, 60.0) == pytest.approx(-20)
    assert saving(offer, 100.0, 120.0) == pytest.approx(20)


def test_a_discount_on_everything_is_paid_for_by_a_minimum() -> None:
    offer = Offer(0.2, "all")
    assert saving(offer, 100.0, 150.0) == pytest.approx(30)
    assert saving(offer, 100.0, 60.0) == pytest.approx(-20)


def test_without_doubt_all_of_it_is_committed_and_nothing_is_regretted() -> None:
    assert best_amount(Offer(0.2), CERTAIN) == pytest.approx(100)
    found = weigh(Offer(0.2), 100.0, CERTAIN)
    assert (found.saving, found.regret_low, found.regret_high, found.loses) == pytest.approx((20, 0, 0, 0))


def test_the_best_commitment_is_the_forecasts_quantile_at_the_discount() -> None:
    assert best_amount(Offer(0.1), BAND) == pytest.approx(80)
    assert best_amount(Offer(0.9), BAND) == pytest.approx(140)
    assert best_amount(Offer(0.5), BAND) == pytest.approx(100)


@given(discount=st.floats(0.02, 0.9))
def test_no_other_amount_saves_more_on_average(discount: float) -> None:
    offer = Offer(discount)
    best = weigh(offer, best_amount(offer, BAND), BAND).saving
    others = [weigh(offer, float(amount), BAND).saving for amount in range(40, 220, 12)]
    assert best >= max(others) - 1e-3


def test_where_everything_is_cheaper_the_most_that_still_pays_is_told() -> None:
    offer = Offer(0.2, "all")
    most = best_amount(offer, BAND)
    assert weigh(offer, most * 0.98, BAND).saving > 0 > weigh(offer, most * 1.02, BAND).saving


def test_regret_is_what_hindsight_would_have_saved_more() -> None:
    # at 20 % off, 100 committed; 80 come: hindsight saves 16, this 0.2 * 80 - 0.8 * 20 = 0, so 16 are regretted
    found = weigh(Offer(0.2), 100.0, BAND)
    assert (found.at_low, found.regret_low) == pytest.approx((0, 16))
    assert (found.at_high, found.regret_high) == pytest.approx((20, 8))
    assert [one.amount for one in weigh_some(Offer(0.2), BAND, 123.0)] == sorted(
        one.amount for one in weigh_some(Offer(0.2), BAND, 123.0)
    )
