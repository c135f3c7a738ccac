"""What simulations stand on: customers of the last month, the mean of months on the same plan, what is unknown said."""

from datetime import date
from decimal import Decimal
from pathlib import Path

from tests.finance.made import NOW, Books, charge, customer, paid, plan
from tests.finance.scenarios.populations import usd

from bursar.finance.business.keeping import Records
from bursar.finance.business.model import Customer, PlanSpan
from bursar.finance.economics.rows import Row
from bursar.finance.economics.spans import MonthSpan
from bursar.finance.scenarios.gather import grounds_of, model_costs
from bursar.finance.scenarios.payers import Grounds

AUGUST, SEPTEMBER, OCTOBER = date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1)


def gathered(books: Books) -> Grounds:
    spans = [MonthSpan(month, 1, "UTC", NOW.date()) for month in (AUGUST, SEPTEMBER, OCTOBER)]
    months: dict[date, list[Row]] = {span.first: books.desk.economics(span).rows for span in spans}
    with books.ledger.reading() as session:
        models = {span.first: model_costs(session, span.period, {"/m", "/n"}) for span in spans}
    return grounds_of(months, models, "USD")


def test_each_customer_is_the_mean_of_the_months_on_the_plan_they_are_on(tmp_path: Path):
    books = Books(
        tmp_path,
        [
            charge("steady", "1", at="2026-08-05 12:00"), charge("steady", "2", at="2026-09-05 12:00", model="n"),
            charge("steady", "4", count=2), charge("moved", "9", at="2026-08-05 12:00"), charge("moved", "3"),
            charge("gone", "5", at="2026-09-05 12:00"), charge("stranger", "7"), charge("", "2"), charge("free", "0.5"),
            charge("steady", None),
        ],
    )  # fmt: skip
    gone = Customer(
        customer_id="gone", cancelled_on=SEPTEMBER, spans=(PlanSpan("pro", date(2026, 1, 1), date(2026, 9, 20)),)
    )
    moved = Customer(
        customer_id="moved", spans=(PlanSpan("free", date(2026, 1, 1), SEPTEMBER), PlanSpan("pro", SEPTEMBER))
    )
    books.book.bring_in(
        Records(
            plans=[plan("pro", "19", other_cost_of_goods=Decimal(2)), plan("free", "0")],
            customers=[customer("steady", "pro", segment="small"), moved, gone, customer("free", "free")],
            revenue=[paid("moved", "25", SEPTEMBER)],
        ),
        "test", actor="ada",
    )  # fmt: skip
    found = gathered(books)
    by_name = {one.customer: one for one in found.payers}
    assert set(by_name) == {"steady", "moved", "free"}
    steady, changed, free = by_name["steady"], by_name["moved"], by_name["free"]
    assert (steady.revenue, steady.other_cost, steady.segment) == (usd(19), usd(2), "small")
    assert steady.ai_cost == round((usd(1) + usd(2) + usd(8)) / 3)
    assert set(steady.cost_by_model) == {"/m", "/n"}
    assert abs(sum(steady.cost_by_model.values()) - steady.ai_cost) <= 1
    assert (changed.plan, changed.revenue, changed.ai_cost) == ("pro", usd(22), usd("1.5"))  # September and October
    assert (free.is_free, free.revenue) == (True, 0)
    assert (found.unknown_customers, found.unknown_ai_cost, found.unpriced) == (1, usd(9), 1)
    assert found.without_other_cost == 1
    assert [(one.month, one.ai_cost) for one in found.past] == [
        (AUGUST, usd(10)),
        (SEPTEMBER, usd(7)),
        (OCTOBER, usd("11.5")),
    ]
    books.close()
