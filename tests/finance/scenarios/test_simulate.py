"""Whole simulations: the same bytes for the same question, prices that cover cost, waves of free users."""

import random
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.finance.scenarios.populations import JANUARY, ask, grounds, many, one, payer

from bursar.domain.errors import BadScenario
from bursar.finance.scenarios.payers import Grounds
from bursar.finance.scenarios.simulate import Wish, simulate
from bursar.finance.scenarios.steps import Scenario
from bursar.finance.scenarios.written import read_steps

D = Decimal
TEXTS = (
    "usage 2 heavy=5%",
    "price +20%; churn 0.7",
    "viral 800 price=19 convert=1%..4% decay=30% ramp=2 from=2027-02-15",
)


def test_the_same_seed_gives_the_same_bytes_whatever_the_order_of_customers():
    payers = many(150)
    first = msgspec.json.encode(ask(payers, *TEXTS))
    random.Random(3).shuffle(payers)
    assert msgspec.json.encode(ask(payers, *TEXTS)) == first
    assert msgspec.json.encode(ask(payers, *TEXTS, seed=2)) != first


def test_a_scenario_says_the_same_alone_and_beside_others():
    payers = many(150)
    beside = ask(payers, *TEXTS).scenarios
    for at, text in enumerate(TEXTS):
        alone = ask(payers, text).scenarios[0]
        assert msgspec.structs.replace(alone, name=f"s{at}") == beside[at]


def test_nothing_otherwise_is_as_it_is_and_its_change_has_no_band():
    found = ask(many(120), "usage 1; price +0%")
    (same,) = found.scenarios
    assert [one.amounts for one in same.months] == [one.amounts for one in found.as_is.months]
    assert {str(value) for one in same.months for value in msgspec.structs.astuple(one.change_band)} == {"0.000000"}


def test_amounts_are_exact_sums_and_plans_add_up_to_the_whole():
    payers = many(200)
    found = ask(payers, "usage 1.37 plan=pro; price +7%")
    told = found.as_is.months[0].amounts
    assert told.ai_cost == D(sum(one.ai_cost for one in payers)).scaleb(-12)
    for scenario in (found.as_is, *found.scenarios):
        last = scenario.months[-1].amounts
        for field in ("revenue", "ai_cost", "other_cost", "margin"):
            assert sum(getattr(plan.amounts, field) for plan in scenario.plans) == getattr(last, field)
        assert scenario.whole.margin == sum(month.amounts.margin for month in scenario.months)
        assert sum(plan.losing for plan in scenario.plans) == scenario.losing


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    plan=st.sampled_from(["pro", "team", "free"]),
    shock=st.sampled_from(["", "usage 3; ", "overage 0.0001 included=50; "]),
)
def test_a_break_even_price_put_in_gives_a_margin_of_zero(seed: int, plan: str, shock: str):
    """It is rounded up to a millionth, so that what is left is less than a millionth for each customer."""
    payers = many(60, seed)
    found = {one.plan: one for one in (ask(payers, shock, worlds=10).scenarios[0]).plans}
    if plan not in found or found[plan].tipping.price is None:
        return
    told = found[plan]
    again = ask(payers, f"{shock}price {told.tipping.price:f} plan={plan}", worlds=10).scenarios[0]
    left = next(one for one in again.plans if one.plan == plan).amounts.margin
    extra = told.amounts.margin > 0 and told.tipping.price == 0  # what is billed beside it covers all cost
    assert extra or 0 <= left < told.customers * D("0.000001")


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shock=st.sampled_from(["", "price +5%; ", "overage 0.00002 included=50; ", "overage 0.01 included=200 plan=pro; "]),
)
def test_the_usage_at_which_margin_is_zero_put_in_gives_a_margin_near_zero(seed: int, shock: str):
    payers = many(60, seed)
    told = ask(payers, shock, worlds=10).scenarios[0]
    usage = told.tipping.usage
    if usage is None or not 0 < usage < 900:
        return
    last = told.months[-1].amounts
    at_zero = ask(payers, f"{shock}usage {usage:f}", worlds=10).scenarios[0].months[-1].amounts.margin
    assert (
        abs(at_zero) <= (last.revenue + last.ai_cost) * D("0.00001") + D("0.01") * 60
    )  # a unit of use more or less each


def test_a_wave_comes_over_months_leaves_in_part_and_pays_from_a_month_on():
    payers = [payer(f"u{at}", "free", "0", "2") for at in range(10)]
    found = one(payers, "viral 300 ramp=3 price=10 convert=10% decay=50% after=1 cost=2", months=4)
    # present: of each hundred 10 stay and pay; of 90, half leave with each month
    there = [100, 100 + 55, 100 + 55 + D("32.5"), 55 + D("32.5") + D("21.25")]
    paying = [0, 10, 20, 30]
    assert [month.change for month in found.months] == [
        10 * pay - 2 * here for pay, here in zip(paying, there, strict=True)
    ]
    assert [month.customers for month in found.months] == [10 + here for here in there]


def test_a_wave_on_a_day_counts_for_what_is_left_of_its_month():
    found = one([payer("a", "free", "0", "3.1")], "viral 100 price=10 convert=0% from=2027-01-11", months=2)
    assert [month.change for month in found.months] == [D(-210), D(-310)]  # 21 days of 31


def test_a_wave_without_free_users_needs_to_be_told_what_one_costs():
    with pytest.raises(BadScenario, match="cost=4") as raised:
        one([payer("a", "pro", "19", "1")], "viral 100 price=10 convert=2%")
    assert raised.value.field == "viral.cost"


def test_new_users_are_drawn_from_the_free_ones_so_that_a_few_heavy_ones_widen_the_band():
    even = [payer(f"u{at}", "free", "0", "2") for at in range(50)]
    uneven = [payer(f"u{at}", "free", "0", "0.5" if at % 10 else "15.5") for at in range(50)]
    text = "viral 1000 price=10 convert=2%"
    narrow, wide = (one(payers, text).months[-1] for payers in (even, uneven))
    assert narrow.change == wide.change
    spread = [month.change_band.high - month.change_band.low for month in (narrow, wide)]
    assert spread[1] > 10 * spread[0] > 0


def test_who_turns_to_loss_is_told_with_the_largest_loss_first():
    payers = [
        payer("a", "pro", "10", "6"),
        payer("b", "pro", "10", "2"),
        payer("c", "pro", "10", "9"),
        payer("d", "pro", "10", "11"),
    ]
    found = one(payers, "usage 2")
    assert [(one.customer, one.margin, one.was) for one in found.turned] == [("c", D(-8), D(1)), ("a", D(-2), D(4))]
    assert (found.turned_count, found.losing) == (2, 3)
    assert found.turned[0].tipping.price == D(18)
    assert found.turned[0].tipping.usage == D("0.555555")


def test_thin_data_is_told():
    found = ask([payer(f"c{at}", "pro", "10", "6") for at in range(12)] + [payer("z", "big", "99", "1")])
    assert any("Fewer than 10 customers: big." in note for note in found.notes)
    assert any("13 customers are few" in note for note in found.notes)
    assert {plan.plan: plan.is_thin for plan in found.as_is.plans} == {"big": True, "pro": False}


def test_assumptions_are_told():
    payers = many(50)
    assert any("elasticity 0" in note for note in one(payers, "price +10%").notes)
    assert any("0.5 % of such" in note for note in one(payers, "price +10%; churn 0.5").notes)
    assert any("was to acme/x" in note for note in one(payers, "model acme/x to=openai/gpt-4o price=1").notes)


def test_without_a_customer_everything_is_nothing_and_nothing_breaks():
    found = ask([], "usage 2", "viral 10 price=5 convert=50% cost=1")
    assert (found.customers, found.as_is.whole.margin, list(found.as_is.plans)) == (0, 0, [])
    assert found.scenarios[1].months[0].change == -10
    assert found.as_is.months[0].amounts.share is None


@pytest.mark.parametrize(
    ("field", "given"),
    [("months", {"months": 0}), ("months", {"months": 25}), ("seed", {"seed": -1}), ("worlds", {"worlds": 10**6}),
     ("scenarios", {"scenarios": [Scenario("", read_steps("usage 2"))] * 5})],
)  # fmt: skip
def test_a_wish_out_of_bounds_names_the_field_and_the_limit(field: str, given: dict[str, object]):
    wish = Wish(**({"scenarios": [], "first": JANUARY} | given))  # type: ignore[arg-type]
    with pytest.raises(BadScenario, match=r"\d") as raised:
        simulate(grounds([]), wish)
    assert raised.value.field == field


def test_what_is_unknown_is_said_and_in_no_figure():
    known = Grounds(
        payers=[payer("a", "pro", "10", "6")],
        months=[JANUARY],
        unknown_customers=3,
        unknown_ai_cost=5 * 10**12,
        unpriced=2,
        without_other_cost=1,
    )
    found = simulate(known, Wish(scenarios=[], first=JANUARY))
    assert found.as_is.months[0].amounts.ai_cost == D(6)
    assert found.unknown_ai_cost == D(5)
    assert len([note for note in found.notes if "no figure here" in note]) == 2
