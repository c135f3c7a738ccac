"""What economics says of a few made customers: it ties to the ledger, tells what it doesn't know, and adds up."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.finance.made import NOW, Books, charge, customer, paid, plan

from bursar.finance.business.keeping import Records
from bursar.finance.business.model import BusinessEvent, SeatMonth
from bursar.finance.economics.features import divided
from bursar.finance.economics.moved import Volume, moved
from bursar.finance.economics.report import ledger_cost
from bursar.finance.economics.spans import read_span

USD = 10**12
OCTOBER = read_span("2026-10", "", NOW, "UTC")
CHARGES = [
    charge("a", "1.5", count=3),
    charge("a", "0.000000000001", feature="search"),
    charge("b", "2", feature="search"),
    charge("", "0.25", count=2),
    charge("stranger", "7"),
    charge("b", None, count=4),
    charge("a", "9", at="2026-09-30 23:59:59"),
    charge("a", "9", at="2026-11-01 00:00"),
    charge("a", "1", at="2026-10-31 19:00"),
]


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    books = Books(tmp_path_factory.mktemp("books"), CHARGES)
    books.book.bring_in(
        Records(
            plans=[plan("Pro", "19", other_cost_of_goods=Decimal(2)), plan("Seats", "5", is_per_seat=True)],
            customers=[customer("a", "Pro"), customer("b", "Seats"), customer("euro", "Pro"), customer("gone", "Pro",
                       cancelled_on=date(2026, 9, 1))],
            seats=[SeatMonth(customer_id="b", month=date(2026, 10, 1), seats=3)],
            revenue=[paid("a", "19"), paid("a", "4", feature="search"), paid("euro", "10", currency="EUR")],
            events=[
                BusinessEvent(source="crm", event_id=str(at), kind="ticket", customer_id=who, at=NOW.replace(month=10),
                              quantity=Decimal(count), feature="search")
                for at, (who, count) in enumerate([("a", 1), ("b", 4)])
            ],
        ),
        "test", actor="ada",
    )  # fmt: skip
    yield books
    books.close()


@pytest.mark.parametrize("timezone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_customers_add_up_to_the_ledger_in_any_time_zone(books, timezone):
    found = books.desk.economics(read_span("2026-10", "", NOW, timezone))
    with books.ledger.reading() as session:
        whole = ledger_cost(session, found.span.period)
    assert (found.total.ai_pico, found.total.unpriced, found.total.calls) == (
        whole["ai"], whole["unpriced"], whole["calls"],
    )  # fmt: skip
    assert whole["unpriced"] == 4


def test_what_isnt_known_is_told_with_counts_and_never_dropped(books):
    found = books.desk.economics(OCTOBER)
    assert (found.unattributed.calls, found.unattributed.ai_pico) == (2, USD // 2)
    assert (found.unknown.customers, found.unknown.ai_pico) == (1, 7 * USD)
    assert found.missing_rates == ["EUR"]
    euro = found.row("euro")
    assert (euro.basis, euro.revenue_pico, euro.margin_pico) == ("no_rate", None, None)
    assert found.row("stranger").revenue_pico is None
    assert found.row("gone") is None


def test_a_plans_price_stands_in_for_revenue_nobody_brought_in_by_seats(books):
    row = books.desk.economics(OCTOBER).row("b")
    assert (row.basis, row.revenue_pico, row.unpriced) == ("price", 15 * USD, 4)


def test_months_before_a_plan_had_a_price_are_answered(books):
    found = books.desk.economics(read_span("2019-01", "", NOW, "UTC"))
    assert all(row.revenue_pico in (None, 0) for row in found.rows)


def test_other_cost_of_goods_comes_off_both_margins(books):
    row = books.desk.economics(OCTOBER).row("a")
    assert row.revenue_pico == 23 * USD
    assert row.without_ai_pico == 21 * USD
    assert row.margin_pico == 21 * USD - row.ai_pico


def test_a_rate_turns_other_currencies_into_dollars(tmp_path):
    books = Books(tmp_path, [], rate=lambda currency, _day: {"USD": Decimal(1), "EUR": Decimal("1.08")}[currency])
    books.book.bring_in(Records(revenue=[paid("e", "10.01", currency="EUR"), paid("e", "1")]), "t", actor="a")
    assert books.desk.economics(OCTOBER).row("e").revenue_pico == 11_810_800_000_000
    books.close()


def test_features_share_what_customers_pay_by_calls_and_add_up(books):
    found = books.desk.economics(OCTOBER)
    features = {one.feature: one for one in books.desk.features(found)}
    known = [row for row in found.rows if row.revenue_pico is not None and row.calls]
    assert sum(one.revenue_pico for one in features.values()) == sum(row.revenue_pico for row in known)
    assert sum(one.other_pico for one in features.values()) == sum(row.other_pico or 0 for row in known)
    assert sum(one.ai_pico for one in features.values()) == found.total.ai_pico
    assert sum(one.unpriced for one in features.values()) == 4
    # a: $4 of its own and a fifth of $19, by 1 call of 5; b: $15 by 1 call of 5
    assert features["search"].revenue_pico == 4 * USD + 19 * USD // 5 + 3 * USD


def test_an_event_costs_what_its_customers_feature_costs_by_event(books):
    found = books.desk.economics(OCTOBER)
    (ticket,) = books.desk.events(found)
    assert (ticket.kind, ticket.events, ticket.quantity, ticket.customers) == ("ticket", 2, 5, 2)
    assert ticket.cost_pico == 2 * USD + 1
    assert (ticket.p50, ticket.p95) == (USD // 2, USD // 2)  # four of b's at $0.50 beside one of a's at a pico


def test_what_was_found_holds_until_a_charge_or_an_import_is_another_one(books):
    first = books.desk.economics(OCTOBER)
    assert books.desk.economics(OCTOBER) is first
    books.book.bring_in(Records(revenue=[paid("late", "1")]), "t", actor="a")
    assert books.desk.economics(OCTOBER).row("late").revenue_pico == USD


def test_what_moved_a_customer_adds_up_to_the_change(books):
    found = books.desk.economics(OCTOBER)
    row = found.row("a")
    change = books.desk.moved(OCTOBER, [row])["a"]
    assert change.change_pico == row.ai_pico - 9 * USD
    assert change.calls + change.tokens + change.price == change.change_pico
    assert sum(part.pico for part in books.desk.causes(OCTOBER, "a")) == change.change_pico


counts = st.integers(0, 10**6)


@given(st.tuples(counts, counts, counts), st.tuples(counts, counts, counts))
def test_three_factors_add_up_to_any_change(before, now):
    found = moved(Volume(*before), Volume(*now))
    assert found.calls + found.tokens + found.price == found.change_pico == now[2] - before[2]


@given(st.integers(-(10**18), 10**18), st.lists(st.integers(0, 10**9), min_size=1, max_size=20))
def test_a_divided_amount_adds_up_to_the_last_pico(pico, weights):
    assert sum(divided(pico, weights)) == pico
