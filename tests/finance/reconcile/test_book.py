"""Bills in either control store."""

from datetime import date
from decimal import Decimal

import pytest
from tests.governance.conftest import server, store

from bursar.domain.clock import FixedClock
from bursar.domain.errors import BadControl, UnknownControl
from bursar.finance.reconcile.bill import BillLine, day_after
from bursar.finance.reconcile.book import InvoiceBook
from bursar.finance.reconcile.causes import Cause
from bursar.finance.reconcile.naming import BillNames
from bursar.finance.reconcile.readers.mapped import BillMapping
from bursar.finance.reconcile.result import Variance, VarianceCell

__all__ = ["server", "store"]
SECRET = b"s" * 32
DAY = date(2026, 10, 5)


def line(amount, unit="input", day=DAY):
    return BillLine(
        start=day, end=day_after(day), provider="openai", model="m", unit=unit, quantity=Decimal(10), amount=amount
    )


def variance(money):
    cell = VarianceCell(DAY, day_after(DAY), "", "m", "input", "", money, Decimal(10))
    return Variance(
        "va_1",
        Cause.MISSING,
        DAY,
        DAY,
        "",
        "m",
        "input",
        "",
        money,
        Decimal(10),
        "",
        "post it",
        "adjust",
        False,
        [cell],
    )


def test_lines_come_in_once_and_a_later_one_takes_the_place_of_one_before(store):
    book = InvoiceBook(store, SECRET, FixedClock(1))
    first = book.add(b"1", "one", "openai", [line(Decimal("1.5")), line(Decimal(2), "output")], [], actor="ada")
    again = book.add(b"2", "two", "openai", [line(Decimal("1.5"))], [], actor="ada")
    later = book.add(b"3", "three", "openai", [line(Decimal("1.75"))], [], actor="ada")
    assert [(one.fresh, one.replaced, one.known) for one in (first, again, later)] == [(2, 0, 0), (0, 0, 1), (0, 1, 0)]
    (bill,) = first.invoices
    assert sorted(one.amount for one in book.lines(bill)) == [Decimal("1.75"), Decimal(2)]
    assert [one.name for one in book.files(bill)] == ["one", "three"]
    assert [(one.month, one.formats) for one in book.all()] == [("2026-10", ["openai"])]


def test_months_and_accounts_are_bills_of_their_own(store):
    book = InvoiceBook(store, SECRET, FixedClock(1))
    lines = [line(Decimal(1)), line(Decimal(1), day=date(2026, 9, 30))]
    assert len(book.add(b"1", "one", "openai", lines, [], actor="ada").invoices) == 2
    assert [one.month for one in book.all()] == ["2026-10", "2026-09"]


def test_a_decision_is_kept_and_posted_once(store):
    book = InvoiceBook(store, SECRET, FixedClock(1))
    (bill,) = book.add(b"1", "one", "openai", [line(Decimal(1))], [], actor="ada").invoices
    book.decide(bill, variance(5), "ignored", "", actor="ada")
    assert book.acts() == []
    book.decide(bill, variance(5), "accepted", "seen", actor="bob")
    (waiting,) = book.acts()
    assert (waiting.variance.money, waiting.by, waiting.note) == (5, "bob", "seen")
    book.note_posted(bill, "va_1", 3)
    assert book.acts() == []
    assert [(one.act, one.entries) for one in book.acts(bill)] == [("accepted", 3)]
    with pytest.raises(BadControl, match="stays"):
        book.decide(bill, variance(5), "ignored", "", actor="ada")
    with pytest.raises(BadControl, match="accepted or ignored"):
        book.decide(bill, variance(5), "loved", "", actor="ada")
    with pytest.raises(UnknownControl):
        book.decide("bill_none", variance(5), "accepted", "", actor="ada")


def test_a_rate_is_exact_and_bounded(store):
    book = InvoiceBook(store, SECRET, FixedClock(1))
    (bill,) = book.add(b"1", "one", "openai", [line(Decimal(1))], [], actor="ada").invoices
    book.set_rate(bill, Decimal("84.5000000001"), actor="ada")
    assert book.one(bill).rate == Decimal("84.5000000001")
    for wrong in (Decimal(0), Decimal(-1), Decimal("NaN"), Decimal(10**7)):
        with pytest.raises(BadControl, match="rate"):
            book.set_rate(bill, wrong, actor="ada")


def test_keys_and_mappings_are_said_changed_and_forgotten(store):
    names = BillNames(store, SECRET, FixedClock(1))
    names.set_key("openai", "key_a", ["vk_1", "vk_2"], actor="ada")
    names.set_key("openai", "key_a", ["outside"], actor="ada")
    names.set_key("openai", "key_b", ["vk_3"], actor="ada")
    names.set_key("openai", "key_b", [], actor="ada")
    assert names.keys("openai") == {"key_a": ["outside"]}
    with pytest.raises(BadControl, match="alone"):
        names.set_key("openai", "key_a", ["outside", "vk_1"], actor="ada")
    mapping = BillMapping(columns={"date": "Day", "amount": "Cost"}, provider="acme")
    names.set_mapping("acme", mapping, actor="ada")
    assert names.mapping("acme") == mapping
    with pytest.raises(BadControl, match="columns"):
        names.set_mapping("acme", BillMapping(columns={}, provider="acme"), actor="ada")
