"""What finance adds to reports: margin, contracts, tax and the close, on the pages that a board is promised."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import typst
from tests.console.conftest import make_context
from tests.finance.made import customer, paid, plan
from tests.finance.tax.world import fill

from bursar.console.context import ConsoleContext
from bursar.console.reporting import board_report, make_files, pack_facts, report_view
from bursar.finance.business.keeping import Records
from bursar.finance.contracts.terms import Commitment, ContractTerms, Discount
from bursar.prices.book import PriceBook
from bursar.reports.blocks import Table
from bursar.reports.pack import differences
from bursar.reports.typeset import source_of

MONTH = "2026-10"
CUSTOMERS = ("Internal use", "Halcyon Freight", "Meridian Health", "Kestrel Logistics")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> ConsoleContext:
    """Customers on two plans, a contract nobody owns, tax documents, and October closed."""
    context = make_context(tmp_path_factory.mktemp("company"), book, history=True)
    desk = context.finance()
    desk.business.bring_in(
        Records(
            plans=[plan("Free", "0"), plan("Pro", "5")],
            customers=[customer(name, "Free" if at == 1 else "Pro") for at, name in enumerate(CUSTOMERS)],
            revenue=[paid(name, "5") for at, name in enumerate(CUSTOMERS) if at != 1],
        ),
        "test",
        actor="ada",
    )
    terms = ContractTerms(
        provider="openai", discounts=(Discount(percent=Decimal(10)),),
        commitments=(Commitment(name="2026", amount=Decimal(1000), start=date(2026, 1, 1), end=date(2026, 12, 31)),),
    )  # fmt: skip
    desk.contracts.add("acme-openai", date(2026, 11, 1), terms, actor="ada")
    fill(desk.taxes)
    desk.close.close(MONTH, by="Ada Lovelace", note="looked at", accepted=True)
    return context


def test_a_board_s_report_with_all_of_finance_still_has_four_pages(company: ConsoleContext, tmp_path: Path):
    for month in (MONTH, "2026-11"):
        report = board_report(company, report_view(company, month), "state")
        assert len(typst.compile(source_of(report).encode(), format="png", ppi=20)) == 4


def test_the_pack_says_who_closed_the_month_and_what_was_booked_then(company: ConsoleContext):
    files = make_files(company, "pack", MONTH)
    assert files.state.startswith("Closed on 23 Nov 2026 by Ada Lovelace")
    facts = pack_facts(company, report_view(company, MONTH), files.state)
    closed = next(block for block in facts.finance if isinstance(block, Table) and block.title == "As closed")
    assert closed.rows[0][3] == facts.total.costs[2], "nothing came in since, so both are one"
    assert differences(facts) == []


def test_margin_is_of_those_whose_revenue_is_known(company: ConsoleContext):
    facts = pack_facts(company, report_view(company, MONTH), "state")
    plans = next(block for block in facts.finance if isinstance(block, Table) and block.title == "Margin by plan")
    rows = {row[0]: row for row in plans.rows}
    assert rows["Pro"][2] == Decimal(15)
    assert isinstance(rows["Pro"][3], Decimal)
    assert rows["Pro"][5] == Decimal(15) - rows["Pro"][3] - rows["Pro"][4]
    nameless = rows.get("calls without a customer")
    assert isinstance(plans.total[3], Decimal)
    assert plans.total[3] == facts.total.costs[2], "all AI cost is there"
    if nameless:
        assert "name no customer" in plans.note
        assert nameless[5] is None
    assert [column.name for column in plans.columns[2:6]] == ["Revenue", "AI cost", "Other cost", "Margin"]


def test_tax_and_a_contract_that_nobody_owns_are_told(company: ConsoleContext):
    report = board_report(company, report_view(company, "2026-11"), "state")
    text = source_of(report)
    assert "Nobody owns acme-openai" in text
    assert "Tax to settle" in text
