"""Bringing in: once is once, all or nothing, every fault with its line; Stripe's smallest units; CloudEvents."""

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.finance.made import NOW, Books

from bursar.domain.errors import BadBusiness
from bursar.finance.business.bringing import Wish, bring
from bursar.finance.business.cloudevents import read_events
from bursar.finance.business.keeping import Records
from bursar.finance.business.mapping import Reading
from bursar.finance.business.stripe_amounts import major, spread

CUSTOMERS = b"Customer ID,Company,Plan,Created\nacme,Acme,Pro,2026-01-05\nbeta,Beta,Free,2026-02-01\n"


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    books = Books(tmp_path_factory.mktemp("books"))
    yield books
    books.close()


def test_a_file_is_tried_kept_and_the_same_again_changes_nothing(books):
    wish = Wish(kind="customers", source="crm.csv")
    trial = bring(books.book, CUSTOMERS, Wish(kind="customers", is_trial=True), actor="a")
    assert (trial.kept[0].added, books.book.customer("acme")) == (2, None)
    assert bring(books.book, CUSTOMERS, wish, actor="a").kept[0].added == 2
    again = bring(books.book, CUSTOMERS, wish, actor="a").kept[0]
    assert (again.added, again.replaced, again.same) == (0, 0, 2)
    assert books.book.customer("acme").plan_on(date(2026, 3, 1)) == "Pro"


def test_one_fault_keeps_all_of_a_file_out_and_names_line_and_column(books):
    content = b"customer_id,month,amount,currency\nx,2026-10,12.50,USD\ny,2026-10,lots,USD\nz,someday,1,USD\n"
    told = bring(books.book, content, Wish(kind="revenue", source="r.csv"), actor="a")
    assert told.kept is None
    assert [(one.line, one.column) for one in told.faults] == [(3, "amount"), (4, "month")]
    assert books.book.revenue("x", date(2026, 1, 1)) == []
    skipped = bring(books.book, content, Wish(kind="revenue", source="r.csv", skip_faults=True), actor="a")
    assert skipped.kept[0].added == 1


def test_a_field_that_a_file_doesnt_say_stays_as_it_was(books):
    bring(books.book, b"customer_id,segment\nm,Health\n", Wish(kind="customers"), actor="a")
    bring(books.book, b"customer_id,name\nm,Em\n", Wish(kind="customers"), actor="a")
    found = books.book.customer("m")
    assert (found.name, found.segment) == ("Em", "Health")


def test_a_mapping_reads_other_heads_dates_and_decimal_commas(books):
    content = b"Kunde;Monat;Umsatz\nk;01/10/2026;1.234,50\n"
    reading = Reading(
        kind="revenue", columns={"customer_id": "Kunde", "month": "Monat", "amount": "Umsatz"},
        constants={"currency": "EUR"}, date_format="%d/%m/%Y", decimal_sign=",",
    )  # fmt: skip
    bring(books.book, content, Wish(kind="revenue", reading=reading), actor="a")
    (line,) = books.book.revenue("k", date(2026, 1, 1))
    assert (line.amount, line.currency) == (Decimal("1234.5"), "EUR")


def test_stripes_amounts_are_in_the_smallest_unit_of_their_currency():
    assert [major(1999, one) for one in ("usd", "jpy", "kwd")] == [Decimal("19.99"), 1999, Decimal("1.999")]


def test_stripes_list_objects_become_customers_plans_and_revenue_by_month(books):
    day = 86_400
    price = {"object": "price", "id": "p", "nickname": "Gold", "currency": "usd", "unit_amount": 12_000, "created": 0,
             "recurring": {"interval": "year", "interval_count": 1}}  # fmt: skip
    found = {"object": "list", "data": [
        {"object": "customer", "id": "cus_1", "name": "One", "created": 1_767_225_600, "metadata": {"tenant": "one"}},
        {"object": "subscription", "id": "s", "customer": "cus_1", "created": 1_767_225_600, "status": "active",
         "items": {"data": [{"price": price}]}},
        {"object": "invoice", "id": "i", "customer": "cus_1", "status": "paid", "currency": "usd", "lines": {"data": [
            {"id": "l", "amount": 12_000, "price": price,
             "period": {"start": 1_767_225_600, "end": 1_767_225_600 + 59 * day}}]}},
    ]}  # fmt: skip
    told = bring(books.book, json.dumps(found).encode(), Wish(kind="stripe", customer_key="metadata.tenant"), actor="a")
    assert not told.faults
    lines = books.book.revenue("one", date(2025, 12, 1))
    assert sum(line.amount for line in lines) == 120
    assert [str(line.month) for line in lines] == ["2026-02-01", "2026-01-01"]
    assert next(one for one in books.book.plans() if one.name == "Gold").prices[0].price == 10


@given(st.integers(-(10**9), 10**9), st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(0, 800))
def test_an_amount_spread_over_months_adds_up_to_it(cents, start, days):
    amount = Decimal(cents).scaleb(-2)
    assert sum(spread(amount, start, date.fromordinal(start.toordinal() + days)).values()) == amount


def event(number: int, source: str = "crm") -> dict[str, object]:
    return {"specversion": "1.0", "id": str(number), "source": source, "type": "ticket", "subject": "acme"}


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["crm", "shop"])), max_size=12))
def test_events_are_kept_once_by_source_and_id_however_often_they_are_told(books, told):
    before = len(books.book.events("acme", 1000))
    body = json.dumps([event(*one) for one in told]).encode()
    for _ in range(2):
        books.book.bring_in(Records(events=read_events(body, "application/json", {}, NOW)), "t", actor="a")
    with books.ledger.reading() as session:
        rows, keys = session.query("SELECT count(*), count(DISTINCT (source, event_id)) FROM business_events").rows[0]
    assert rows == keys >= before


def test_an_event_may_come_with_its_attributes_in_headers():
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t", "ce-subject": "acme"}
    (found,) = read_events(b'{"quantity": 2.5, "feature": "chat"}', "application/json", headers, NOW)
    assert (found.customer_id, found.quantity, found.feature, found.at) == ("acme", Decimal("2.5"), "chat", NOW)


def test_a_faulty_event_is_named_by_its_place_and_attribute():
    body = json.dumps([event(1), event(2) | {"subject": ""}]).encode()
    with pytest.raises(BadBusiness, match="event 2: subject is missing"):
        read_events(body, "application/cloudevents-batch+json", {}, NOW)
