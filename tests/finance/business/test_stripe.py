"""Stripe's shapes: objects of its API and files its Dashboard exports, checked against Stripe's own worked examples.

Sources, read 2026-11. Objects: docs.stripe.com/api (invoice, line item, credit note, subscription), whose shapes are
also in github.com/stripe/openapi (fixtures3.json, MIT licence); only what is read is written here, with amounts of our
own. Months: the examples of docs.stripe.com/revenue-recognition ("per day"); their figures are facts, no text is
copied. Heads of exports: as programs on GitHub name them that read real ones. No real export was at hand.
"""

import json
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.finance.made import Books

from bursar.domain.errors import BadBusiness
from bursar.finance.business.bringing import Brought, Wish, bring
from bursar.finance.business.stripe import read_stripe
from bursar.finance.business.stripe_amounts import major, net_of_line
from bursar.finance.business.stripe_exports import read_export


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    books = Books(tmp_path_factory.mktemp("stripe"))
    yield books
    books.close()


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def line(name: str, amount: int, start: str, end: str, **more: object) -> dict[str, object]:
    """A line item since 2025-03-31.basil; before, it had `price` and `tax_amounts`."""
    return {
        "id": name, "object": "line_item", "amount": amount, "currency": "usd", "discount_amounts": [],
        "period": {"start": at(start), "end": at(end)}, "pretax_credit_amounts": [], "quantity": 1, "taxes": [],
        "pricing": {"type": "price_details", "price_details": {"price": "price_1", "product": "prod_1"}},
    } | more  # fmt: skip


def invoice(name: str, *lines: dict[str, object], customer: str = "cus_1", **more: object) -> dict[str, object]:
    return {
        "id": name, "object": "invoice", "customer": customer, "currency": "usd", "status": "paid",
        "lines": {"object": "list", "data": list(lines), "has_more": False},
    } | more  # fmt: skip


def note(name: str, of: str, amount: int, of_line: str | None, day: str, **more: object) -> dict[str, object]:
    credited = {"id": f"cnli_{name}", "object": "credit_note_line_item", "amount": amount, "discount_amounts": [],
                "invoice_line_item": of_line, "taxes": [], "type": "invoice_line_item"}  # fmt: skip
    return {
        "id": name, "object": "credit_note", "customer": "cus_1", "invoice": of, "currency": "usd", "status": "issued",
        "created": at(day), "effective_at": at(day), "lines": {"data": [credited], "has_more": False},
    } | more  # fmt: skip


def subscription(name: str, status: str, start: str, **more: object) -> dict[str, object]:
    price = {"id": "price_1", "object": "price", "product": "prod_1", "currency": "usd", "unit_amount": 1900,
             "created": at("2026-01-01"), "recurring": {"interval": "month", "interval_count": 1}}  # fmt: skip
    item = {"id": "si_1", "price": price, "quantity": 1}
    return {
        "id": name, "object": "subscription", "customer": "cus_1", "status": status, "created": at(start),
        "start_date": at(start), "ended_at": None, "trial_start": None, "trial_end": None, "items": {"data": [item]},
    } | more  # fmt: skip


def months(*objects: dict[str, object]) -> dict[str, Decimal]:
    """What objects say is revenue, by month."""
    told = read_stripe(json.dumps({"object": "list", "data": objects}).encode(), {})
    assert told.faults == []
    found: dict[str, Decimal] = defaultdict(Decimal)
    for one in told.records.revenue:
        found[f"{one.month:%Y-%m}"] += one.amount
    return dict(found)


def kept(books: Books, customer: str = "cus_1") -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for one in books.book.revenue(customer, date(2020, 1, 1)):
        found[f"{one.month:%Y-%m}"] += one.amount
    return dict(found)


def take(books: Books, *objects: dict[str, object]) -> Brought:
    told = bring(books.book, json.dumps(list(objects)).encode(), Wish(kind="stripe"), actor="a")
    assert not told.faults
    return told


def test_a_month_from_the_fifteenth_is_earned_over_both_months_by_days():
    assert months(invoice("in_1", line("il_1", 3100, "2026-01-15", "2026-02-15"))) == {"2026-01": 17, "2026-02": 14}


def test_a_period_from_noon_to_noon_is_earned_by_whole_days():
    found = months(invoice("in_1", line("il_1", 12_000, "2026-06-15T12:00", "2026-10-13T12:00")))
    assert found == {"2026-06": 16, "2026-07": 31, "2026-08": 31, "2026-09": 30, "2026-10": 12}


def test_an_upgrade_in_the_middle_of_a_month_earns_both_plans_for_their_days():
    found = months(
        invoice("in_1", line("il_1", 9000, "2026-04-01", "2026-05-01")),
        invoice(
            "in_2", line("il_2", -3000, "2026-04-21", "2026-05-01"), line("il_3", 4000, "2026-04-21", "2026-05-01")
        ),
    )
    assert found == {"2026-04": 100}


def test_a_year_paid_at_once_is_earned_over_its_days():
    found = months(invoice("in_1", line("il_1", 36_500, "2026-01-01", "2027-01-01")))
    assert (len(found), found["2026-02"], sum(found.values())) == (12, 28, 365)


def test_a_credit_note_before_payment_takes_off_each_month_its_part():
    found = months(
        note("cn_1", "in_1", 3000, "il_1", "2026-01-05"),
        invoice("in_1", line("il_1", 12_000, "2026-01-01", "2026-04-01")),
    )
    assert found == {"2026-01": 31, "2026-02": 28, "2026-03": 31}


def test_a_credit_note_for_an_invoice_brought_in_before_finds_its_months(books):
    take(books, invoice("in_9", line("il_9", 9000, "2026-01-01", "2026-04-01", currency="usd"), customer="cus_9"))
    take(books, note("cn_9", "in_9", 900, "il_9", "2026-03-20", customer="cus_9"))
    assert kept(books, "cus_9") == {"2026-01": Decimal("27.9"), "2026-02": Decimal("25.2"), "2026-03": Decimal("27.9")}


def test_a_credit_note_that_nobody_knows_the_line_of_counts_in_its_own_month():
    assert months(note("cn_1", "in_0", 500, "il_0", "2026-03-20")) == {"2026-03": -5}


def test_an_invoice_that_was_voided_since_and_its_credit_note_leave_nothing(books):
    sold = line("il_v", 3100, "2026-01-15", "2026-02-15")
    take(books, invoice("in_v", sold, status="open"), note("cn_v", "in_v", 310, "il_v", "2026-02-01"))
    assert kept(books)["2026-01"] == Decimal("15.3")
    take(books, invoice("in_v", sold, status="void"), note("cn_v", "in_v", 310, "il_v", "2026-02-01", status="void"))
    assert sum(kept(books).values()) == 0
    assert take(books, invoice("in_v", sold, status="void")).kept is not None


def test_the_same_invoice_from_an_export_takes_the_place_of_the_apis(books):
    take(books, invoice("in_x", line("il_x", 3100, "2026-01-15", "2026-02-15"), customer="cus_x"))
    exported = (
        b"id,Customer,Number,Currency,Subtotal,Tax,Total,Status,Date (UTC),Minimum Line Item Period Start (UTC),"
        b"Maximum Line Item Period End (UTC)\n"
        b"in_x,cus_x,A-1,usd,31.00,0.00,31.00,paid,2026-01-15 00:00,2026-01-15 00:00,2026-02-15 00:00\n"
    )
    for _ in range(2):
        told = bring(books.book, exported, Wish(kind="stripe"), actor="a")
        assert not told.faults
        assert kept(books, "cus_x") == {"2026-01": 17, "2026-02": 14}
    assert told.kept is not None
    assert all(one.added == one.replaced == 0 for one in told.kept)


@pytest.mark.parametrize(
    ("code", "minor", "whole"),
    [("usd", 1999, "19.99"), ("jpy", 1999, "1999"), ("kwd", 1999, "1.999"), ("isk", 199_900, "1999"),
     ("ugx", 199_900, "1999"), ("huf", 199_900, "1999"), ("inr", 199_900, "1999")],
)  # fmt: skip
def test_smallest_units_are_those_of_the_currency(code, minor, whole):
    assert major(minor, code) == Decimal(whole)


def test_tax_and_discounts_and_credits_are_no_revenue():
    sold = line(
        "il_1", 10_000, "2026-01-01", "2026-02-01", discount_amounts=[{"amount": 1000, "discount": "di_1"}],
        pretax_credit_amounts=[{"amount": 1000, "type": "discount", "discount": "di_1"},
                               {"amount": 500, "type": "credit_balance_transaction"}],
        taxes=[{"amount": 1417, "tax_behavior": "inclusive"}, {"amount": 300, "tax_behavior": "exclusive"}],
    )  # fmt: skip
    assert net_of_line(sold) == 10_000 - 1000 - 500 - 1417
    before_basil = {"amount": 12_000, "discount_amounts": [], "tax_amounts": [{"amount": 2000, "inclusive": True}]}
    assert net_of_line(before_basil) == 10_000


def test_drafts_and_what_nobody_will_pay_are_no_revenue():
    sold = line("il_1", 3100, "2026-01-15", "2026-02-15")
    assert months(*(invoice("in_1", sold, status=one) for one in ("draft", "uncollectible", "void"))) == {}


def test_money_that_moved_is_said_to_be_no_revenue_by_itself():
    told = read_stripe(json.dumps([{"object": "refund", "id": "re_1", "amount": 500}]).encode(), {})
    assert "credit note" in told.faults[0].message


def test_on_a_trial_they_are_on_a_plan_that_costs_nothing():
    trial = {"trial_start": at("2026-01-10"), "trial_end": at("2026-01-24")}
    on_it = read_stripe(json.dumps([subscription("sub_1", "trialing", "2026-01-10", **trial)]).encode(), {}).records
    assert [(span.plan, span.since, span.until) for span in on_it.customers[0].spans] == [
        ("prod_1 (trial)", date(2026, 1, 10), None)
    ]
    assert (on_it.customers[0].converted_on, {one.name: one.prices[0].price for one in on_it.plans}) == (
        None, {"prod_1": 19, "prod_1 (trial)": 0},
    )  # fmt: skip
    after = read_stripe(json.dumps([subscription("sub_1", "active", "2026-01-10", **trial)]).encode(), {}).records
    assert [(span.plan, span.since, span.until) for span in after.customers[0].spans] == [
        ("prod_1 (trial)", date(2026, 1, 10), date(2026, 1, 24)), ("prod_1", date(2026, 1, 24), None),
    ]  # fmt: skip
    assert after.customers[0].converted_on == date(2026, 1, 24)


def test_who_ended_one_subscription_and_has_another_is_still_a_customer():
    ended = subscription("sub_1", "canceled", "2026-01-10", ended_at=at("2026-03-10"), canceled_at=at("2026-03-01"))
    (both,) = read_stripe(
        json.dumps([ended, subscription("sub_2", "active", "2026-03-12")]).encode(), {}
    ).records.customers
    (gone,) = read_stripe(json.dumps([ended]).encode(), {}).records.customers
    assert (both.cancelled_on, gone.cancelled_on) == (None, date(2026, 3, 10))


def test_who_never_paid_a_first_invoice_never_began():
    assert (
        read_stripe(
            json.dumps([subscription("sub_1", "incomplete_expired", "2026-01-10")]).encode(), {}
        ).records.customers
        == []
    )


def test_seats_are_told_for_the_months_of_the_current_period():
    one = subscription("sub_1", "active", "2026-01-15")
    one["items"]["data"][0] |= {
        "quantity": 7,
        "current_period_start": at("2026-01-15"),
        "current_period_end": at("2026-02-15"),
    }
    told = read_stripe(json.dumps([one]).encode(), {}).records
    assert [(str(seat.month), seat.seats) for seat in told.seats] == [("2026-01-01", 7), ("2026-02-01", 7)]


def test_a_metered_or_tiered_price_is_no_price_a_month_and_is_named():
    metered = {"id": "price_m", "object": "price", "currency": "usd", "unit_amount": 2, "nickname": "Calls",
               "recurring": {"interval": "month", "usage_type": "metered"}}  # fmt: skip
    tiered = {"id": "price_t", "object": "price", "currency": "usd", "unit_amount": None, "nickname": "Steps",
              "billing_scheme": "tiered", "recurring": {"interval": "month", "usage_type": "licensed"}}  # fmt: skip
    told = read_stripe(json.dumps([metered, tiered]).encode(), {})
    assert (told.records.plans, told.faults) == ([], [])
    assert "Calls, Steps" in told.notes[0]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-50_000, 90_000), st.integers(0, 400), st.integers(1, 400)), min_size=1, max_size=5),
    st.sampled_from(["usd", "jpy", "kwd"]),
)
def test_all_of_an_invoice_is_earned_in_some_month(drawn, currency):
    lines = [
        line(
            f"il_{number}",
            amount,
            *(datetime.fromtimestamp(day * 86_400, UTC).isoformat()[:10] for day in (start, start + days)),
        )
        for number, (amount, start, days) in enumerate(drawn)
    ]
    found = months(invoice("in_1", *lines, currency=currency))
    assert sum(found.values()) == major(sum(amount for amount, _, _ in drawn), currency)


# exports

INVOICES = (
    b'"id","Amount Due","Amount Paid","Currency","Customer","Customer Name","Date (UTC)","Number","Paid","Subtotal",'
    b'"Total Discount Amount","Tax","Total","Status","Minimum Line Item Period Start (UTC)",'
    b'"Maximum Line Item Period End (UTC)"\n'
    b'"in_1","40.46","40.46","usd","cus_1","Acme","2026-01-15 09:30","A-1","true","38.00","4.00","6.46","40.46","paid",'
    b'"2026-01-15 09:30","2026-02-15 09:30"\n'
    b'"in_2","5000","5000","jpy","cus_2","Sato","2026-01-31 23:59","A-2","true","5000","0","0","5000","paid",'
    b'"2026-01-01 00:00","2026-02-01 00:00"\n'
    b'"in_3","12.00","0.00","usd","cus_1","Acme","2026-01-20 09:30","A-3","false","12.00","0.00","0.00","12.00","void",'
    b'"2026-01-20 09:30","2026-02-20 09:30"\n'
)


def test_an_export_of_invoices_is_read_without_tax_and_discounts_over_its_period():
    told = read_export(INVOICES, {})
    assert (told.faults, told.documents) == ([], {"in_1", "in_2", "in_3"})
    assert [(one.line_id, one.amount, one.currency) for one in told.records.revenue] == [
        ("in_1 2026-01", Decimal("18.645161"), "USD"), ("in_1 2026-02", Decimal("15.354839"), "USD"),
        ("in_2 2026-01", Decimal(5000), "JPY"),
    ]  # fmt: skip


def test_an_export_without_what_is_needed_says_which_column():
    with pytest.raises(BadBusiness, match="no column Tax"):
        read_export(b"id,Customer,Total,Currency,Status,Date (UTC)\nin_1,cus_1,10,usd,paid,2026-01-01 00:00\n", {})
    whole = b"id,Customer,Tax,Total,Currency,Status,Date (UTC)\nin_1,cus_1,0,10,usd,paid,2026-01-01 00:00\n"
    assert "Minimum Line Item Period Start" in read_export(whole, {}).notes[0]
    with pytest.raises(BadBusiness, match="export of payments"):
        read_export(b"id,Created date (UTC),Amount,Amount Refunded,Currency,Customer ID\n", {})
    with pytest.raises(BadBusiness, match="export of the balance"):
        read_export(b"balance_transaction_id,created_utc,currency,gross,fee,net,reporting_category\n", {})


def test_an_export_with_decimal_commas_is_refused_and_not_read_a_hundred_times_too_large():
    comma = b'id,Customer,Tax,Total,Currency,Status,Date (UTC)\nin_1,cus_1,"0,00","19,00",usd,paid,2026-01-01 00:00\n'
    (fault,) = read_export(comma, {}).faults
    assert (fault.line, fault.column) == (2, "Total")


def test_an_export_of_subscriptions_has_several_of_one_customer():
    told = read_export(
        b"id,Customer ID,Customer Name,Plan,Quantity,Interval,Amount,Status,Created (UTC),Start Date (UTC),"
        b"Current Period Start (UTC),Current Period End (UTC),Trial Start (UTC),Trial End (UTC),Canceled At (UTC),"
        b"Ended At (UTC)\n"
        b"sub_1,cus_1,Acme,pro,2,month,19.00,canceled,2026-01-05 10:00,2026-01-05 10:00,,,,,2026-02-20 10:00,"
        b"2026-03-05 10:00\n"
        b"sub_2,cus_1,Acme,team,3,month,99.00,active,2026-03-05 10:00,2026-03-05 10:00,2026-03-05 10:00,"
        b"2026-04-05 10:00,"
        b"2026-03-05 10:00,2026-03-19 10:00,,\n"
        b"sub_3,cus_2,Beta,pro,1,month,19.00,incomplete_expired,2026-01-05 10:00,2026-01-05 10:00,,,,,,\n",
        {},
    )
    assert told.faults == []
    (acme,) = told.records.customers
    assert [(span.plan, str(span.since), span.until and str(span.until)) for span in acme.spans] == [
        ("pro", "2026-01-05", "2026-03-05"), ("team (trial)", "2026-03-05", "2026-03-19"), ("team", "2026-03-19", None),
    ]  # fmt: skip
    assert (acme.converted_on, acme.cancelled_on) == (date(2026, 1, 5), None)
    assert [(str(one.month), one.seats) for one in told.records.seats] == [("2026-03-01", 3), ("2026-04-01", 3)]


def test_exports_of_customers_and_prices_find_the_tag_and_the_price_a_month():
    told = read_export(
        b"id,Description,Email,Name,Created (UTC),Delinquent,tenant (metadata)\n"
        b"cus_1,,a@example.com,Acme,2026-01-05 10:00,false,acme\ncus_2,,b@example.com,Beta,2026-01-06 10:00,false,\n",
        {}, "metadata.tenant",
    )  # fmt: skip
    (acme,) = told.records.customers
    assert (acme.customer_id, acme.tags["stripe"], acme.signed_up) == ("acme", "cus_1", date(2026, 1, 5))
    assert [(one.line, one.column) for one in told.faults] == [(3, "tenant (metadata)")]
    prices = read_export(
        b"Price ID,Product ID,Product Name,Created (UTC),Amount,Currency,Interval,Interval Count,Usage Type\n"
        b"price_y,prod_1,Gold,2026-01-01 00:00,120.00,usd,year,1,licensed\n", {},
    )  # fmt: skip
    assert [(one.name, one.prices[0].price) for one in prices.records.plans] == [("price_y", 10), ("Gold", 10)]
