from datetime import date
from decimal import Decimal

from bursar.finance.business.model import Customer, PlanPrice, PlanSpan, PricePlan
from bursar.finance.economics.model import CustomerMonth, share_of

NOVEMBER = date(2026, 11, 1)


def test_a_margin_of_unknown_revenue_is_unknown():
    month = CustomerMonth(customer_id="a", month=NOVEMBER, ai_cost=Decimal(3))
    assert month.margin is None
    assert month.margin_without_ai is None


def test_a_nineteen_dollar_plan_with_eleven_of_ai_keeps_eight():
    month = CustomerMonth(customer_id="a", month=NOVEMBER, revenue=Decimal(19), ai_cost=Decimal(11))
    assert month.margin == 8
    assert round(share_of(month.margin, month.revenue), 3) == 0.421


def test_what_a_plan_costs_beside_ai_lowers_both_margins():
    month = CustomerMonth(
        customer_id="a", month=NOVEMBER, revenue=Decimal(19), ai_cost=Decimal(11), other_cost_of_goods=Decimal("2.5")
    )
    assert (month.margin, month.margin_without_ai) == (Decimal("5.5"), Decimal("16.5"))


def test_a_plan_has_the_price_of_the_day():
    plan = PricePlan(
        name="Pro",
        prices=(
            PlanPrice(since=date(2026, 1, 1), price=Decimal(19)),
            PlanPrice(since=date(2026, 10, 1), price=Decimal(0)),
        ),
    )
    assert plan.at(date(2025, 12, 31)) is None
    assert plan.at(date(2026, 9, 30)).price == 19
    assert not plan.is_free_on(date(2026, 9, 30))
    assert plan.is_free_on(NOVEMBER)


def test_a_customer_is_on_the_plan_of_the_day_and_on_none_in_a_gap():
    customer = Customer(
        customer_id="a",
        signed_up=date(2026, 1, 5),
        cancelled_on=date(2026, 6, 1),
        spans=(PlanSpan("Free", date(2026, 1, 5), date(2026, 2, 1)), PlanSpan("Pro", date(2026, 3, 1))),
    )
    assert [customer.plan_on(day) for day in (date(2026, 1, 31), date(2026, 2, 1), NOVEMBER)] == ["Free", "", "Pro"]
    assert customer.is_active_on(date(2026, 5, 31))
    assert not customer.is_active_on(date(2026, 6, 1))
