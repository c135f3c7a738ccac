"""What steps do to customers: exactly, and only to those meant."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.finance.scenarios.populations import JANUARY, MODELS, ask, many, one, payer, usd

from bursar.domain.errors import BadScenario
from bursar.finance.scenarios.columns import Columns, columns_of
from bursar.finance.scenarios.exact import times, total
from bursar.finance.scenarios.payers import Payer
from bursar.finance.scenarios.shocks import apply, held_in
from bursar.finance.scenarios.steps import Scenario
from bursar.finance.scenarios.written import read_steps

D = Decimal
NOTHING = [
    "", "usage 1", "usage 1 heavy=5%", "price +0%", "pricelist +0% of=openai", "churn 0",
    f"model {MODELS[0]} to={MODELS[1]} price=1", f"model {MODELS[0]} to={MODELS[1]} price=0.5 tokens=2",
    f"model {MODELS[0]} to={MODELS[2]} price=0.1 share=0%", "overage 0 included=0",
]  # fmt: skip


def columns(payers: list[Payer], text: str) -> tuple[Columns, Columns]:
    steps = read_steps(text)
    base = columns_of(payers, [Scenario("", steps)])
    return base, apply(base, steps, held_in(steps, JANUARY))


@pytest.mark.parametrize("text", NOTHING)
def test_a_step_of_one_changes_nothing_to_the_pico(text: str):
    base, now = columns(many(300), text)
    assert (now.ai == base.ai).all()
    assert (now.margin == base.margin).all()
    assert (now.stays == base.stays).all()


@pytest.mark.parametrize(
    "text", ["usage 2 plan=pro", "price 29 plan=pro", "overage 0.001 plan=pro", "usage 0.3 plan=pro"]
)
def test_a_step_on_one_plan_leaves_the_others_alone(text: str):
    base, now = columns(many(300), text)
    other = base.plan != base.plans.index("pro")
    assert (now.margin[other] == base.margin[other]).all()
    assert (now.margin[~other] != base.margin[~other]).any()


def test_heavy_users_first_take_all_of_the_growth_and_it_is_as_much():
    base, now = columns(many(400), "usage 1.5 heavy=2.5%")
    grew = np.flatnonzero(now.ai != base.ai)
    assert len(grew) == 10
    assert base.ai[grew].min() >= np.delete(base.ai, grew).max()
    assert abs(total(now.ai) - Fraction(3, 2) * total(base.ai)) <= 10 * 3  # half a pico a customer and group, and less
    share = now.ai[grew].astype(float) / base.ai[grew].astype(float)
    assert share == pytest.approx(share[0])


def test_heavy_users_can_not_shrink_below_nothing():
    with pytest.raises(BadScenario, match=r"heaviest 1 % have .* of the cost") as raised:
        columns(many(400), "usage 0.1 heavy=1%")
    assert raised.value.field == "usage.heavy"


def test_a_models_cost_moves_to_another_at_the_ratio_of_prices_times_tokens():
    payers = [payer("a", "pro", "19", "10"), payer("b", "pro", "19", "4")]
    base, now = columns(
        payers, f"model {MODELS[0]} to={MODELS[2]} share=50% price=0.2 tokens=1.25; pricelist +10% of=anthropic"
    )
    # half moves, costs a quarter there, and that provider raises its prices
    assert now.ai.tolist() == [usd("5") + usd("1.375"), usd("2") + usd("0.55")]
    assert total(base.ai) == usd(14)


def test_a_price_list_of_a_day_holds_for_the_rest_of_its_month():
    found = one([payer("a", "pro", "19", "10")], "pricelist +31% of=openai/gpt-4o from=2027-01-11", months=2)
    assert [month.change for month in found.months] == [D("-2.1"), D("-3.1")]  # 21 days of 31, then all
    other = one([payer("a", "pro", "19", "10")], "pricelist +31% of=anthropic", months=2)
    assert other.change == 0


def test_free_users_past_a_limit_pay_in_part_and_stop_there_in_the_others():
    payers = [
        payer("a", "free", "0", "8", calls=400),
        payer("b", "free", "0", "1", calls=50),
        payer("c", "pro", "19", "8", calls=400),
    ]
    _, now = columns(payers, "freelimit 100 convert=25% price=10")
    # a quarter pays $10 and goes on; three quarters stop at a quarter of their use
    assert now.revenue.tolist() == [usd("2.5"), 0, usd(19)]
    assert now.ai.tolist() == [usd("3.5"), usd(1), usd(8)]
    assert now.calls.tolist() == [175, 50, 400]


def test_a_new_price_is_what_each_paying_customer_pays_and_free_ones_only_if_their_plan_is_named():
    payers = [payer("a", "free", "0", "1"), payer("b", "pro", "19", "1"), payer("c", "team", "99", "1")]
    assert columns(payers, "price +10%")[1].revenue.tolist() == [0, usd("20.9"), usd("108.9")]
    assert columns(payers, "price 30")[1].revenue.tolist() == [0, usd(30), usd(30)]
    assert columns(payers, "price 5 plan=free")[1].revenue.tolist() == [usd(5), usd(19), usd(99)]


def test_who_pays_more_leaves_by_the_elasticity_with_what_they_pay_and_cost():
    payers = [payer("a", "pro", "20", "4"), payer("b", "team", "100", "4")]
    _, now = columns(payers, "price +10% plan=pro; churn 0.5")
    assert now.stays.tolist() == [950_000, 1_000_000]
    assert now.revenue.tolist() == [usd("20.9"), usd(100)]
    assert now.ai.tolist() == [usd("3.8"), usd(4)]
    _, gone = columns(payers, "price +300% plan=pro; churn 1")
    assert (gone.stays.tolist(), gone.ai.tolist()) == ([0, 1_000_000], [0, usd(4)])


def test_months_before_a_step_are_as_they_are():
    found = one([payer("a", "pro", "19", "10")], "usage 2 from=2027-03", months=4)
    assert [month.change for month in found.months] == [0, 0, D(-10), D(-10)]


@given(
    column=st.lists(st.integers(-(10**19), 10**19), min_size=1, max_size=8),
    over=st.integers(0, 10**10),
    under=st.integers(1, 10**10),
)
def test_scaling_is_what_fractions_say_whatever_the_size(column: list[int], over: int, under: int):
    for kind in (object, np.int64):
        if kind is np.int64 and max(map(abs, column)) >= 2**63:
            continue
        found = times(np.array(column, dtype=kind), over, under)
        assert [int(one) for one in found] == [round(Fraction(one * over, under)) for one in column]
        assert total(found) == sum(round(Fraction(one * over, under)) for one in column)


def test_amounts_beyond_what_a_machine_word_holds_are_exact():
    rich = [payer("a", "pro", "9000000", "8000000"), payer("b", "pro", "9000000.000000000001", "1")]
    found = ask(rich, "usage 1000").scenarios[0].months[0].amounts
    assert found.revenue == D("18000000.000000000001")
    assert found.ai_cost == D(8_000_001_000)


@pytest.mark.parametrize("text", ["usage 2 plan=gold", "price 3 segment=x"])
def test_a_plan_or_segment_that_nobody_has_is_told_with_those_there_are(text: str):
    with pytest.raises(BadScenario, match=r"no customer has .*; there are"):
        columns(many(30), text)
