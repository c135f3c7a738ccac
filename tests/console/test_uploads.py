"""Files from the browser: looked at, brought in whole or not at all, once; for customers, bills and rates alike."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest
from litestar.testing import TestClient
from tests.console.conftest import make_context
from tests.finance.business.test_sheets import workbook

from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.console.pages import uploads
from bursar.console.uploads.shelf import KEPT_MAX
from bursar.prices.book import PriceBook

REVENUE = b"Customer ID,Month,MRR,Currency\nacme,2026-10,19.00,USD\nbeta,2026-10,29.00,USD\n"
FORM = {"origin": "null"}


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[ConsoleContext]:
    context = make_context(tmp_path_factory.mktemp("uploads"), book, history=False)
    yield context
    context.ledger.close()


@pytest.fixture(scope="module")
def client(context: ConsoleContext) -> Iterator[TestClient]:
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        yield client


def put(context: ConsoleContext, client: TestClient, content: bytes, name: str = "r.csv", to: str = "customers") -> str:
    """Where the uploaded file is looked at."""
    done = client.post(
        "/uploads", data={"csrf": context.csrf, "for": to}, files={"file": (name, content, "text/csv")},
        headers=FORM, follow_redirects=False,
    )  # fmt: skip
    assert done.status_code == 303, done.text
    return str(done.headers["location"])


def act(context: ConsoleContext, client: TestClient, page: str, act: str, **given: str) -> str:
    form = {"csrf": context.csrf, "upload": page.rsplit("/", 1)[1], "act": act, **given}
    done = client.post("/uploads/change", data=form, headers=FORM, follow_redirects=False)
    assert done.status_code == 303, done.text
    return str(done.headers["location"])


def lines(context: ConsoleContext, customer: str) -> list[Decimal]:
    return [one.amount for one in context.finance().business.revenue(customer, date(2020, 1, 1))]


def test_a_file_is_looked_at_then_kept_and_again_changes_nothing(context: ConsoleContext, client: TestClient):
    page = put(context, client, REVENUE)
    text = client.get(page).text
    assert "revenue: 2 would be added" in text
    assert re.search(r'name="col_amount">.*?<option value="MRR" selected', text, re.DOTALL)
    assert lines(context, "acme") == []
    done = client.get(act(context, client, page, "keep", kind="revenue", skip="")).text
    assert "revenue: 2 added" in done
    assert lines(context, "acme") == [Decimal(19)]
    again = client.get(act(context, client, put(context, client, REVENUE), "keep", kind="revenue")).text
    assert "0 added, 0 replaced, 2 there already" in again


def test_a_fault_names_its_line_column_and_what_to_do_and_nothing_is_kept(context: ConsoleContext, client: TestClient):
    faulty = REVENUE + b'gamma,soon,5,USD\ndelta,2026-10,"19,50",USD\n'
    page = put(context, client, faulty)
    text = client.get(page).text
    assert "2 rows have faults" in text
    assert "write 2026-11-01" in text
    assert "decimal comma" in text
    assert ">Bring it in<" not in text
    failed = client.get(act(context, client, page, "keep", kind="revenue")).text
    assert "Nothing was brought in" in failed
    kept = client.get(act(context, client, page, "keep", kind="revenue", skip="yes")).text
    assert "2 rows had faults and were left out" in kept
    assert (lines(context, "gamma"), lines(context, "delta")) == ([], [])


def test_columns_are_chosen_and_how_a_file_is_read_is_saved_for_the_next(context: ConsoleContext, client: TestClient):
    content = b"Kunde;Monat;Umsatz\nkarl;01.10.2026;1.234,50\n"
    page = put(context, client, content, "umsatz.csv")
    assert "no column for customer_id" in client.get(page).text or "choose the one" in client.get(page).text
    chosen = {
        "kind": "revenue", "col_customer_id": "Kunde", "col_month": "Monat", "col_amount": "Umsatz",
        "set_currency": "EUR", "date_format": "%d.%m.%Y", "decimal_sign": ",",
    }  # fmt: skip
    looked = act(context, client, page, "look", **chosen)
    assert "revenue: 1 would be added" in client.get(looked).text
    saved = act(context, client, page, "save", **chosen, name="umsatz")
    assert "revenue: 1 would be added" in client.get(saved).text
    next_one = put(context, client, content, "umsatz2.csv")
    kept = act(context, client, next_one, "keep", kind="revenue", mapping="umsatz")
    assert "revenue: 1 added" in client.get(kept).text
    assert lines(context, "karl") == [Decimal("1234.5")]


def test_a_workbook_and_stripes_own_shapes_are_known_by_their_content(context: ConsoleContext, client: TestClient):
    sheet = workbook([["Customer ID", "Company", "Plan"], ["sheet-1", "مثال 🥐", "Pro"]])
    text = client.get(put(context, client, sheet, "crm.xlsx")).text
    assert "customers: 1 would be added" in text
    assert "مثال 🥐" in text
    stripe = b'[{"object":"customer","id":"cus_1","name":"One","created":1767225600}]'
    assert "customers: 1 would be added" in client.get(put(context, client, stripe, "customers.json")).text


def test_bills_and_rates_come_in_by_the_same_part(context: ConsoleContext, client: TestClient):
    bill = put(context, client, b"neither,a\nbill,1\n", "x.csv", "bills")
    assert "no bill that is known here" in client.get(bill).text
    rates = put(context, client, b"Date,USD\n2026-10-30,1.0850\n", "ecb.csv", "rates")
    given = {"for_report": "yes", "base": "EUR", "source": "ECB"}
    assert "1 rates" in client.get(act(context, client, rates, "look", **given)).text
    assert "1 rates added" in client.get(act(context, client, rates, "keep", **given)).text
    again = put(context, client, b"Date,USD\n2026-10-30,1.0850\n", "ecb.csv", "rates")
    assert "0 rates added, 1 held already" in client.get(act(context, client, again, "keep", **given)).text


def test_a_large_csv_is_looked_at_by_its_beginning_and_checked_whole(
    context: ConsoleContext, client: TestClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("bursar.console.uploads.business.LOOK_BYTES", 100)
    page = put(context, client, REVENUE + b"late,2026-10,broken,USD\n" * 3)
    text = client.get(page).text
    assert "all of it is checked when it is" in text
    assert "Nothing was brought in" in client.get(act(context, client, page, "keep", kind="revenue")).text


def test_what_is_too_large_empty_or_from_elsewhere_is_refused(
    context: ConsoleContext, client: TestClient, monkeypatch: pytest.MonkeyPatch
):
    files = {"file": ("r.csv", REVENUE, "text/csv")}
    own = {"csrf": context.csrf, "for": "customers"}
    assert (
        client.post("/uploads", data={"csrf": "guess", "for": "customers"}, files=files, headers=FORM).status_code
        == 403
    )
    foreign = {"origin": "https://evil.example"}
    assert client.post("/uploads", data=own, files=files, headers=foreign).status_code == 403
    empty = {"file": ("r.csv", b"", "text/csv")}
    assert client.post("/uploads", data=own, files=empty, headers=FORM).status_code == 400
    monkeypatch.setattr(uploads.BusinessTarget, "limit", 10)
    assert client.post("/uploads", data=own, files=files, headers=FORM).status_code == 413
    assert client.get("/uploads/../../secret").status_code == 404
    assert client.get("/uploads/upnothere").status_code == 404


def test_the_shelf_holds_only_a_few(context: ConsoleContext, client: TestClient):
    first = put(context, client, REVENUE)
    for _ in range(KEPT_MAX):
        put(context, client, REVENUE)
    assert client.get(first).status_code == 404
    page = put(context, client, REVENUE)
    assert act(context, client, page, "drop") == "/customers"
    assert client.get(page).status_code == 404
