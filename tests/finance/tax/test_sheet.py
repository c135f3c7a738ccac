"""The month's work sheet: every duty in its month, the shared credit on the month's sum, and its two files."""

import io
from datetime import date
from decimal import Decimal

import msgspec
import pytest
from python_calamine import CalamineWorkbook
from tests.finance.tax.world import fill

from bursar.domain.clock import FixedClock
from bursar.domain.errors import BadTax
from bursar.finance.fx.book import RateBook
from bursar.finance.fx.rates import RateRow
from bursar.finance.tax.book import TaxBook
from bursar.finance.tax.documents import what_is_known
from bursar.finance.tax.kept import DocumentTerms, TaxRecord, read_kept
from bursar.finance.tax.kept_rates import kept_rates
from bursar.finance.tax.sheet import WorkSheet, make_sheet, work_sheet
from bursar.governance.store import ControlStore
from bursar.reports.tax_print import lead_of, sheet_pdf
from bursar.reports.tax_workbook import sheet_workbook


@pytest.fixture
def book(store: ControlStore) -> TaxBook:
    return fill(TaxBook(store, b"secret", FixedClock(1_000_000)))


@pytest.fixture
def november(book: TaxBook) -> WorkSheet:
    return work_sheet(book, "2026-11")


def amounts(sheet: WorkSheet, section: str) -> dict[str, str]:
    return {f"{one.document} {one.row}".strip(): str(one.amount) for one in sheet.of(section)}


def test_one_document_stands_in_two_months_withholding_by_its_trigger_and_gst_by_its_supply(book: TaxBook):
    october, november = work_sheet(book, "2026-10"), work_sheet(book, "2026-11")
    assert amounts(october, "withhold") == {"ANT-1042": "232292.93"}
    assert october.of("withhold")[0].due == date(2026, 11, 7)
    assert [one.what for one in october.of("file")] == [
        "Form 144 of Q3 2026-27", "Form 145 Part C before remitting, with Form 146 filed first",
    ]  # fmt: skip
    assert october.of("pay") == []
    assert "ANT-1042" not in {one.document for one in november.of("withhold")}


def test_the_month_says_what_to_pay_claim_and_give_back(november: WorkSheet):
    assert amounts(november, "pay") == {
        "ANT-1042 3.1(d)": "202556.82", "AWS-11 3.1(d)": "19310.40", "OAI-77 3.1(d)": "67518.84",
        "ANT-EU-9": "1520.00", "OAI-TX-3": "198.00",
    }  # fmt: skip
    assert amounts(november, "claim") == {"4A(2)": "289386.06", "4A(5)": "90000.00", "ANT-EU-9": "1216.00"}
    assert amounts(november, "reverse") == {"4B(1)": "227631.64", "ANT-EU-9": "304.00"}
    assert {one.due for one in november.of("pay") if one.currency == "INR"} == {date(2026, 12, 20)}
    assert sorted(str(one.amount) for one in november.of("withhold")) == ["10000.00", "22189.44"]


def test_the_shared_credit_is_counted_once_on_the_months_sum(november: WorkSheet):
    one = next(one for one in november.credits if one.head == "igst")
    assert one.shared is not None
    assert sum(one.taken.values()) == one.shared.T == Decimal("379386.06")
    assert one.shared.D1 + one.shared.D2 + one.shared.C3 == one.shared.C2
    assert one.net == one.shared.C3


def test_every_duty_names_its_rules_and_doubt_asks_for_a_professional(november: WorkSheet):
    for one in november.duties:
        assert one.rules or one.section == "decide", one
        assert bool(one.confirm) == (one.confidence != "high")
    assert november.of("self_invoice")[0].confidence == "low"  # borne tax in the value is a choice


def test_a_document_that_lacks_something_asks_for_it_in_its_month_and_hides_no_other(book: TaxBook):
    lacking = [one for one in work_sheet(book, "2026-11").of("decide") if one.document == "ANT-PRE"]
    assert "fx_tds_ttbr_on_2026_11_18" in lacking[0].what
    assert not work_sheet(book, "2026-10").of("decide")


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_a_document_with_a_year_out_of_bounds_hides_no_other(book: TaxBook, november: WorkSheet, day: str):
    inputs = {"amount_usd": "5", "payment_date": "2026-11-12", "invoice_and_booking_date": day}
    document = {"payer": "Acme India", "entity": "Anthropic, PBC", "inputs": inputs}
    with pytest.raises(BadTax, match="years are 1990"):
        book.save("document", "FAR", read_kept("document", document), actor="ada")
    terms = msgspec.convert(document, DocumentTerms)
    kept = TaxRecord("tx_far", "document", "FAR", 1, terms, 1_000_000, "ada")
    records = [*book.all("document"), kept]
    sheet = make_sheet(records, what_is_known(book), book.rules(), "2026-11")
    assert [one for one in sheet.duties if one.document != "FAR"] == november.duties
    assert "years are 1990 to 2199" in next(one.what for one in sheet.of("decide") if one.document == "FAR")
    with pytest.raises(BadTax, match="years are 1990"):
        work_sheet(book, "9999-12")


def test_totals_are_the_sums_of_their_sections(november: WorkSheet):
    for total in november.totals:
        rows = [one.amount for one in november.of(total.section) if one.currency == total.currency and one.amount]
        assert total.amount == sum(rows)
        assert total.count == len(rows)


def test_a_month_without_documents_says_so(book: TaxBook):
    empty = work_sheet(book, "2026-01")
    assert (empty.duties, empty.documents) == ([], [])
    assert lead_of(empty).startswith("Nothing is due")
    assert sheet_pdf(empty, "acme", book.rules()).startswith(b"%PDF")
    with pytest.raises(BadTax, match="2026-13"):
        work_sheet(book, "2026-13")


def test_the_workbook_has_the_sheets_figures_and_the_same_bytes_twice(book: TaxBook, november: WorkSheet):
    content = sheet_workbook(november, "acme", book.rules())
    assert content == sheet_workbook(november, "acme", book.rules())
    read = CalamineWorkbook.from_filelike(io.BytesIO(content))
    assert read.sheet_names == ["Work sheet", "Computation", "Shared credit", "Figures", "Rules"]
    rows = read.get_sheet_by_name("Computation").to_python()
    assert rows[-1][4] == 289386.06
    credit = read.get_sheet_by_name("Shared credit").to_python()
    assert credit[1][11] == 227631.64
    sums = [row for row in read.get_sheet_by_name("Work sheet").to_python() if str(row[1]).startswith("sum of")]
    assert {(row[0], row[6]): row[5] for row in sums}["Pay", "INR"] == 289386.06


def test_the_pdf_is_the_same_bytes_twice(book: TaxBook, november: WorkSheet):
    content = sheet_pdf(november, 'acme "& co"', book.rules())
    assert content.startswith(b"%PDF")
    assert content == sheet_pdf(november, 'acme "& co"', book.rules())


def test_a_rate_that_a_document_does_not_state_comes_from_those_the_site_keeps(book: TaxBook, store: ControlStore):
    rates = RateBook(store, b"secret", FixedClock(1_795_000_000_000_000))
    rates.add(
        [
            RateRow(date(2026, 11, 17), "USD", "INR", Decimal("89.25"), purpose, "FBIL")
            for purpose in ("gst", "tds")
        ],
        actor="ada",
    )  # fmt: skip
    sheet = work_sheet(book, "2026-11", kept_rates(rates.rates()))
    paid = next(one for one in sheet.of("pay") if one.document == "ANT-PRE")
    value = Decimal(500) * Decimal("89.25") / (1 - Decimal("0.208"))  # borne tax is in the value
    assert paid.amount == round(value * Decimal("0.18"), 2)
    notes = next(one.computed.notes for one in sheet.documents if one.name == "ANT-PRE" and one.computed)
    assert any("FBIL" in note and "89.25" in note for note in notes)
    stated = next(one for one in sheet.of("pay") if one.document == "ANT-1042")
    assert str(stated.amount) == "202556.82"
