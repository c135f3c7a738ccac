"""Cases from the field, in exact amounts."""

from decimal import Decimal

from tests.finance.scenarios.populations import ask, one, payer

D = Decimal


def test_a_free_user_at_four_dollars_with_two_percent_converting_to_ten_destroys_margin():
    """1,000 of them cost $4,000 a month and bring $200: 40 % would have to convert."""
    free = [payer(f"u{at}", "free", "0", "4") for at in range(12)]
    found = one(free, "viral 1000 price=10 convert=2% after=0", months=2)
    assert found.months[1].change == D(-3_800)
    assert found.change == D(-7_600)
    (wave,) = found.viral
    assert (wave.cost, wave.convert, wave.margin, wave.paying_off) == (D(4), D(2), D(-7_600), D(40))


def test_the_same_said_of_a_site_that_has_no_free_user_yet():
    found = one([payer("a", "pro", "19", "1")], "viral 1000 price=10 convert=2% after=0 cost=4")
    assert [month.change for month in found.months] == [D(-3_800)] * 3


def test_a_nineteen_dollar_plan_with_eleven_of_ai_keeps_42_percent_until_usage_grows_by_73_percent():
    payers = [payer(f"c{at}", "plus", "19", "11") for at in range(20)]
    found = ask(payers, "usage 1.727272", "usage 1.727273", "usage 2")
    as_is = found.as_is.months[0].amounts
    assert as_is.margin == D(160)
    assert as_is.share is not None
    assert as_is.share.value == D("42.11")
    (plan,) = found.as_is.plans
    assert (plan.tipping.usage, plan.tipping.price) == (D("1.727272"), D(11))
    below, above, twice = found.scenarios
    assert (below.months[0].amounts.margin, above.months[0].amounts.margin) == (D("0.00016"), D("-0.00006"))
    assert twice.months[0].amounts.margin == D(20 * (19 - 22))
    assert (twice.turned_count, twice.losing) == (20, 20)
    assert twice.turned[0].was == D(8)


def test_a_power_user_with_a_hundred_times_the_volume_and_two_hundred_times_the_cost():
    """Ninety-nine at $0.20 on a $19 plan, one at $40: the plan earns well, the one loses, and needs $40."""
    usual = [payer(f"c{at:02d}", "plus", "19", "0.20", calls=100) for at in range(99)]
    found = ask(
        [*usual, payer("power", "plus", "19", "40", calls=10_000)], "usage 1.5 heavy=1%", "overage 0.01 included=500"
    )
    (plan,) = found.as_is.plans
    assert (plan.losing, plan.amounts.margin) == (1, D(1_900) - D("59.8"))
    assert plan.tipping.usage == D("31.772575")
    heavy, overage = found.scenarios
    # the heaviest takes all of the growth: half of $59.80 more
    assert heavy.change == 3 * D("-29.9")
    assert heavy.months[0].amounts.ai_cost == D("59.8") * D("1.5")
    # 9,500 units above what is included, at a cent each, pay for it
    assert overage.change == 3 * D(95)
    assert overage.losing == 0
