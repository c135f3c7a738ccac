"""A provider's bill as a tax document: what it says, what is asked, no double, and what is told when it changes."""

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.finance.tax.world import OPENAI, fill

from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.domain.errors import BadControl, BadTax, UnknownControl
from bursar.finance.reconcile.bill import BillLine
from bursar.finance.reconcile.book import InvoiceBook
from bursar.finance.reconcile.desk import Summary
from bursar.finance.reconcile.readers.aws import read as read_aws
from bursar.finance.tax.bill_desk import BillDesk
from bursar.finance.tax.book import TaxBook
from bursar.finance.tax.exact import half_up
from bursar.finance.tax.from_bill import Said, billed_parts
from bursar.finance.tax.sheet import work_sheet
from bursar.governance.store import ControlStore

CLOCK = FixedClock(us_from_datetime(datetime(2026, 11, 25, 9, tzinfo=UTC)))
FIRST, AFTER = date(2026, 10, 1), date(2026, 11, 1)
SAID = Said(payer="Acme India", number="OAI-2026-10", invoice_date=date(2026, 11, 2))
INDIA, INC = "AWS India Private Limited", "AWS, Inc."


def line(amount: str, kind="usage", currency="USD", **more) -> BillLine:
    return BillLine(
        start=FIRST, end=AFTER, provider="openai", kind=kind, amount=Decimal(amount), currency=currency, **more
    )


@pytest.fixture
def books(store: ControlStore):
    bills = InvoiceBook(store, b"secret", CLOCK)
    taxes = fill(TaxBook(store, b"secret", CLOCK))
    return BillDesk(taxes, bills, lambda *asked: (Decimal(88), f"a kept rate for {asked[0]}")), taxes, bills


def take(bills: InvoiceBook, *lines: BillLine, waiting: int = 0) -> str:
    bill = bills.add(repr(lines).encode(), "bill", "typed", lines, [], actor="ada").invoices[0]
    bills.keep_result(bill, msgspec.json.encode(Summary(open_count=waiting)).decode())
    return bill


def test_a_bill_becomes_a_document_with_what_it_says_itself_and_rates_of_the_book(books):
    desk, taxes, bills = books
    bill = take(bills, line("1200.004"), line("30.002", "fee"), line("-10", "credit"))
    assert [one.field for one in desk.questions(bill, Said())] == ["number", "payer", "invoice_date"]
    made = desk.make(bill, msgspec.structs.replace(SAID, inputs={"payment_date": "2026-11-12"}), actor="ada")
    terms = made.record.terms
    assert (made.is_new, made.record.name, terms.entity, terms.bill) == (True, "OAI-2026-10", OPENAI, bill)
    assert terms.inputs == {"invoice_date": "2026-11-02", "service_receipt_date": "2026-10-31", "amount": "1220.01",
                            "invoice_currency": "USD", "payment_date": "2026-11-12"}  # fmt: skip
    assert made.computed.computed.results["igst_rcm_inr"] == str(half_up(Decimal("1220.01") * 88 * Decimal("0.18")))
    assert "a kept rate for gst" in made.computed.computed.notes
    assert desk.document_of(bill).name == "OAI-2026-10"
    assert "OAI-2026-10" in {one.document for one in work_sheet(taxes, "2026-11").duties}


def test_what_is_missing_is_told_at_once_and_by_name(books):
    desk, _, bills = books
    bill = take(bills, line("5"), waiting=2)
    with pytest.raises(BadTax, match=r"number: .*payer: .*invoice_date: .*although_open: 2 differences wait") as told:
        desk.make(bill, Said(), actor="ada")
    assert told.value.field == "number"
    usage = take(bills, msgspec.structs.replace(line("1"), amount=None, provider="groq", quantity=Decimal(5)))
    assert [one.field for one in desk.questions(usage, SAID)] == ["amount"]
    with pytest.raises(UnknownControl):
        desk.questions("bill_none", SAID)
    with pytest.raises(BadTax, match="colour"):
        desk.make(bill, msgspec.structs.replace(SAID, although_open=True, inputs={"colour": "red"}), actor="ada")


def test_a_bill_is_in_one_document_and_the_same_again_is_no_version(books):
    desk, taxes, bills = books
    bill = take(bills, line("1200"))
    first = desk.make(bill, SAID, actor="ada").record
    assert desk.make(bill, Said(), actor="ada").record.version == first.version
    with pytest.raises(BadTax, match="a bill is in one"):
        desk.make(bill, msgspec.structs.replace(SAID, number="OTHER"), actor="ada")
    with pytest.raises(BadTax, match="a bill is in one"):
        taxes.save("document", "OTHER", first.terms, actor="eve")
    other = take(bills, msgspec.structs.replace(line("7"), start=AFTER, end=date(2026, 12, 1)))
    with pytest.raises(BadTax, match="kept already"):
        desk.make(other, SAID, actor="ada")
    taxes.remove("document", "OAI-2026-10", actor="ada")
    assert desk.document_of(bill) is None
    assert desk.make(bill, SAID, actor="ada").is_new


def test_a_bill_that_changed_is_told_on_its_document_and_taken_again_on_demand(books):
    desk, taxes, bills = books
    bill = take(bills, line("1200", key="k"))
    record = desk.make(bill, msgspec.structs.replace(SAID, inputs={"payment_date": "2026-11-12"}), actor="ada").record
    assert desk.all_news() == {}
    take(bills, line("1250", key="k"))
    told = desk.news(record)
    assert "it said 1200.00 USD, and says 1250.00 USD now" in told
    rows = work_sheet(taxes, "2026-11", None, desk.all_news()).duties
    assert any(one.section == "decide" and one.document == record.name and told in one.what for one in rows)
    again = desk.make(bill, Said(), actor="ada")
    assert (again.is_new, again.record.version, again.record.terms.inputs["amount"]) == (False, 2, "1250.00")
    assert again.record.terms.inputs["payment_date"] == "2026-11-12"
    assert desk.all_news() == {}
    bills.withdraw(bill, "another company's", actor="ada")
    assert "is withdrawn" in desk.all_news()[record.name]
    assert [one.invoice_id for one in bills.all()] == []
    with pytest.raises(BadControl, match="withdrawn already"):
        bills.withdraw(bill, actor="ada")
    with pytest.raises(BadTax, match="no line with money"):
        desk.make(bill, Said(although_open=True), actor="ada")
    take(bills, line("1250", key="k"))
    assert desk.all_news() == {}
    assert [one.invoice_id for one in bills.all()] == [bill]
    gone = msgspec.structs.replace(again.record, terms=msgspec.structs.replace(again.record.terms, bill="bill_gone"))
    assert "is withdrawn" in desk.news(gone)


def test_a_bill_of_two_entities_has_a_line_for_each_with_its_own_tax(books):
    desk, taxes, bills = books
    bill = take(
        bills, line("500000", currency="INR", issuer=INDIA), line("90000", "tax", "INR", issuer=INDIA),
        line("1200", issuer="AMAZON WEB SERVICES, INC."),
    )  # fmt: skip
    asked = desk.questions(bill, SAID)
    assert [(one.field, one.issuer) for one in asked] == [("entities", "AMAZON WEB SERVICES, INC.")]
    said = msgspec.structs.replace(
        SAID, entities={"AMAZON WEB SERVICES, INC.": INC}, inputs={"payment_date": "2026-11-12"}
    )  # fmt: skip
    made = desk.make(bill, said, actor="ada")
    assert {one["entity"]: one.get("vendor_tax_charged") for one in made.record.terms.lines} == {
        INDIA: "90000.00", INC: None,
    }  # fmt: skip
    results = made.computed.computed.results
    assert (results["igst_inr"], results["igst_rcm_inr"]) == ("90000.00", "19008.00")
    assert taxes.one("document", made.record.name).terms.entity == ""


def test_aws_says_who_bills_and_a_line_read_again_with_it_is_the_same_line():
    row = "line_item_usage_start_date,line_item_unblended_cost,line_item_line_item_type,line_item_legal_entity,"
    row += "line_item_line_item_description\n2026-10-01T00:00:00Z,12.50,Tax,AWS India Private Limited,Bedrock GST\n"
    found = read_aws(row.encode()).lines
    assert [one.issuer for one in found] == [INDIA]
    assert found[0].slot == msgspec.structs.replace(found[0], issuer="").slot


@given(
    st.lists(st.tuples(st.decimals("-1000", "1000", places=6), st.sampled_from(["usage", "fee", "credit", "tax"]),
                       st.sampled_from(["", INDIA, INC]), st.sampled_from(["USD", "INR"])), min_size=1, max_size=12)
)  # fmt: skip
def test_parts_are_the_bill_to_the_last_digit_whatever_the_order(rows):
    lines = [line(str(amount), kind, unit, issuer=issuer) for amount, kind, issuer, unit in rows]
    parts = billed_parts(lines)
    assert sum(one.amount + one.tax for one in parts) == sum(amount for amount, *_ in rows)
    assert billed_parts(reversed(lines)) == parts
    assert len({(one.issuer, one.currency) for one in parts}) == len(parts)
