"""Allocation on page, twins, API and PDF: one answer, rules by the form, a chargeback by the button."""

import csv
import io
from collections.abc import Iterator
from decimal import Decimal

import pytest
from litestar.testing import TestClient
from python_calamine import CalamineWorkbook
from tests.console.conftest import make_context

from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.console.reporting import files_sent
from bursar.console.stating import statements_told
from bursar.domain.errors import BadRequest
from bursar.prices.book import PriceBook


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[ConsoleContext]:
    context = make_context(tmp_path_factory.mktemp("allocation"), book, history=True)
    yield context
    context.ledger.close()


@pytest.fixture(scope="module")
def page(mine: ConsoleContext) -> Iterator[TestClient]:
    with TestClient(create_app(mine), base_url="http://127.0.0.1:8788") as client:
        yield client


def rows_of(page: TestClient, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(page.get(path).text)))


def test_an_empty_page_says_what_rules_are_for(empty_client: TestClient):
    assert "Nothing to allocate" in empty_client.get("/allocation").text


def test_a_rule_by_the_form_splits_and_rows_add_up(page: TestClient, mine: ConsoleContext):
    form = {
        "csrf": mine.csrf, "act": "set", "name": "untagged <b>", "kind": "split", "start": "2026-11-01",
        "where": "team=", "by": "team", "method": "even", "among": "support; growth", "month": "2026-11",
    }  # fmt: skip
    assert page.post("/allocation/change", data=form, follow_redirects=False).status_code == 303
    shown = page.get("/allocation?month=2026-11").text
    assert "untagged &lt;b&gt;" in shown
    told = page.get("/api/allocation?month=2026-11&by=team").json()
    rows = rows_of(page, "/allocation.csv?month=2026-11")
    assert sum(Decimal(row["total"]) for row in rows) == Decimal(told["ledger"]) + Decimal(told["flat"])
    split = [Decimal(row["untagged <b>"]) for row in rows if Decimal(row["untagged <b>"])]
    assert len(split) == 2
    assert abs(split[0] - split[1]) <= Decimal("1e-12")


def test_a_statement_is_a_page_a_csv_and_the_same_pdf_each_time(page: TestClient):
    query = "month=2026-11&among=team&of=support"
    assert "Allocation</a><bdi>support</bdi>" in page.get(f"/statements?{query}").text
    told = page.get("/api/statements?month=2026-11&by=team&of=support").json()
    assert sum(Decimal(one["amount"]) for one in told["models"]) == Decimal(told["share"]["direct"])
    rows = rows_of(page, f"/statements.csv?{query}")
    assert sum(Decimal(row["amount"]) for row in rows) == Decimal(told["share"]["total"])
    pdf = page.get(f"/statements/print.pdf?{query}")
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    assert page.get(f"/statements/print.pdf?{query}").content == pdf.content
    assert page.get("/statements.json?month=2026-11&among=team&of=nobody").status_code == 404


def test_a_statement_is_a_workbook_whose_sums_are_the_statement(page: TestClient):
    query = "month=2026-11&among=team&of=support"
    told = page.get("/api/statements?month=2026-11&by=team&of=support").json()
    answer = page.get(f"/statements/print.xlsx?{query}")
    assert answer.content == page.get(f"/statements/print.xlsx?{query}").content
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.content))
    assert book.sheet_names == ["Summary", "Bears", "Direct by model", "Direct by feature", "Tie-out"]
    borne, tied = book.get_sheet_by_name("Bears").to_python(), book.get_sheet_by_name("Tie-out").to_python()
    assert abs(Decimal(str(borne[-1][2])) - Decimal(told["share"]["total"])) < Decimal("1e-6")
    assert [row[5] for row in tied[1:4]] == ["yes", "yes", "yes"]


def test_statements_are_sent_with_their_files_and_wait_for_the_close_where_asked(mine: ConsoleContext):
    told = statements_told(mine, "team", "", "2026-11", closed_only=False)
    assert "support" in [recipient for recipient, _ in told]
    ((_, one),) = statements_told(mine, "team", "support", "2026-11", closed_only=False)
    assert "may change" in one.text
    assert statements_told(mine, "team", "support", "2026-11", closed_only=True) == []
    assert statements_told(mine, "team", "nobody", "2026-11", closed_only=False) == []
    pdf, book = files_sent(mine, one.address)
    assert (pdf.name, pdf.content[:4], book.content[:2]) == ("statement-2026-11-support.pdf", b"%PDF", b"PK")
    with pytest.raises(BadRequest):
        files_sent(mine, "/statements?month=2026-11")


def test_a_chargeback_is_posted_once_and_in_the_books(page: TestClient):
    (entry,) = page.post("/api/allocation/2026-11/chargeback", json={"by": "team"}).json()
    assert sum(Decimal(one["amount"]) for one in entry["postings"]) == 0
    assert page.post("/api/allocation/2026-11/chargeback", json={"by": "team"}).json() == []
    accounts = [one["account"] for one in page.get("/api/close/2026-11").json()["trial_balance"]]
    assert "Expenses:Charged:Support" in accounts
    assert "Chargeback of 2026-11 by team" in page.get("/allocation?month=2026-11").text


def test_rules_by_the_api_are_versions_and_end(page: TestClient):
    terms = {"kind": "flat", "start": "2026-11-01", "amount": "100", "method": "fixed", "shares": {"support": "99"}}
    wrong = page.post("/api/allocation/rules", json={"name": "seats", "terms": terms})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_control")
    right = {"name": "seats", "terms": terms | {"shares": {"support": "100"}}}
    assert [page.post("/api/allocation/rules", json=right).json()["version"] for _ in range(2)] == [1, 2]
    assert "seats" in [one["name"] for one in page.get("/api/allocation/rules").json()]
    assert page.delete("/api/allocation/rules/seats").json() == {"ended": "seats"}
    assert "seats" not in [one["name"] for one in page.get("/api/allocation/rules").json()]
    assert page.delete("/api/allocation/rules/none").status_code == 404


def test_a_rule_that_changed_within_a_month_is_one_column_and_rows_still_add_up(page: TestClient):
    for start, amount in (("2026-11-01", "300"), ("2026-11-16", "600")):
        terms = {"kind": "flat", "start": start, "amount": amount, "method": "even", "among": ["support", "growth"]}
        page.post("/api/allocation/rules", json={"name": "desks", "terms": terms})
    told = page.get("/api/allocation?month=2026-11&by=team").json()
    assert Decimal(told["flat"]) == Decimal(450)
    text = page.get("/allocation.csv?month=2026-11").text
    assert text.splitlines()[0].count("desks") == 1
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sum(Decimal(row["desks"]) for row in rows) == Decimal(450)
    assert sum(Decimal(row["total"]) for row in rows) == Decimal(told["ledger"]) + Decimal(told["flat"])


def test_flat_costs_are_booked_by_the_form_once_and_not_before_the_month_is_over(
    page: TestClient, mine: ConsoleContext
):
    for name, by in (("tool <b>", "team"), ("for customers", "customer")):
        terms = {
            "kind": "flat",
            "start": "2026-10-01",
            "end": "2026-10-31",
            "amount": "400",
            "by": by,
            "method": "even",
        }
        page.post("/api/allocation/rules", json={"name": name, "terms": terms})
    shown = page.get("/close?month=2026-10").text
    assert "tool &lt;b&gt;" in shown
    assert "Not booked: tool &lt;b&gt; (by team), 400.00 USD" in shown
    assert "has the same amount" in shown
    form = {"csrf": mine.csrf, "month": "2026-10", "by": "Ada", "rule:tool <b>": "yes"}
    assert page.post("/close/flat", data=form | {"csrf": "x"}, follow_redirects=False).status_code == 403
    assert page.post("/close/flat", data=form | {"rule:tool <b>": ""}, follow_redirects=False).status_code == 400
    done = [page.post("/close/flat", data=form, follow_redirects=False) for _ in range(2)]
    assert [one.headers["location"] for one in done] == ["/close?month=2026-10#flat"] * 2
    told = {one["rule"]: one for one in page.get("/api/close/2026-10/flat").json()}
    assert (told["tool <b>"]["state"], told["tool <b>"]["booked"], told["tool <b>"]["open"]) == ("booked", "400", "0")
    assert sum(Decimal(part) for part in told["tool <b>"]["parts"].values()) == Decimal(400)
    assert (told["for customers"]["state"], told["for customers"]["twin"]) == ("open", "tool <b>")
    assert [row["open"] for row in rows_of(page, "/api/close/2026-10/flat?format=csv")] == ["0", "400"]
    owed = {one["account"]: one["credit"] for one in page.get("/api/close/2026-10").json()["trial_balance"]}
    assert [amount for account, amount in owed.items() if account.startswith("Liabilities:Accrued:Tool-b")] == ["400"]
    refused = page.post("/api/close/2026-11/flat", json={"by": "Ada"})
    assert "isn't over" in refused.json()["detail"]
    assert page.post("/api/close/2026-10/flat", json={"by": "Ada", "rules": ["tool <b>"]}).json() == []


def test_pages_of_finance_open_once_a_month_is_closed(page: TestClient):
    body = {"by": "Ada", "note": "looked at", "accepted": True}
    assert page.post("/api/close/2026-10", json=body).json()["state"] == "closed"
    for path in ("/allocation", "/close", "/contracts", "/customers", "/invoices", "/rates", "/reports", "/tax"):
        assert page.get(path).status_code == 200, path
    assert "a rule begins and ends on 1 Nov 2026 or later" in page.get("/allocation").text
