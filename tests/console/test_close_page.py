"""The close on page, twins and API: the checklist, the form that closes, files that stay."""

import csv
import io
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal

import pytest
from litestar.testing import TestClient
from tests.console.conftest import make_context

from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.console.reporting import report_view
from bursar.console.reporting_finance import state_of
from bursar.domain.errors import ChangedMeanwhile
from bursar.prices.book import PriceBook


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[ConsoleContext]:
    """A console whose months these tests close."""
    context = make_context(tmp_path_factory.mktemp("close"), book, history=True)
    yield context
    context.ledger.close()


@pytest.fixture(scope="module")
def page(mine: ConsoleContext) -> Iterator[TestClient]:
    with TestClient(create_app(mine), base_url="http://127.0.0.1:8788") as client:
        yield client


def test_nothing_to_close_says_so(empty_client: TestClient):
    assert "Nothing to close yet" in empty_client.get("/close").text


def test_a_month_is_closed_by_the_form_and_its_files_stay(page: TestClient, mine: ConsoleContext):
    shown = page.get("/close").text
    assert "Close October 2026" in shown
    told = page.get("/api/close/2026-10").json()
    debit, credit = (sum(Decimal(one[side]) for one in told["trial_balance"]) for side in ("debit", "credit"))
    assert debit == credit == Decimal(told["totals"]["list_cost"])
    form = {"csrf": mine.csrf, "act": "close", "month": "2026-10", "by": "Ada <b>", "note": "fine", "accepted": "yes"}
    done = page.post("/close/change", data=form, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, "/close?month=2026-10")
    shown = page.get("/close?month=2026-10").text
    assert "Ada &lt;b&gt;" in shown
    assert "isn’t opened again" in shown
    assert all(one["is_same"] for one in page.get("/api/close/2026-10/proof").json())
    rows = list(csv.DictReader(io.StringIO(page.get("/close.csv").text)))
    assert [(row["month"], row["state"]) for row in rows] == [("2026-10", "closed"), ("2026-11", "open")]


def test_a_month_that_is_not_over_is_refused_in_words(page: TestClient):
    refused = page.post("/api/close/2026-11", json={"by": "Ada", "note": "x", "accepted": True})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_control")
    assert "the month is over" in refused.json()["detail"]
    assert page.get("/close?month=soon").status_code == 400


def test_an_entry_by_the_api_must_balance(page: TestClient):
    postings = [{"account": "Assets:Prepaid:Openai", "amount": "100"}, {"account": "Assets:Bank", "amount": "-99"}]
    entry = {"key": "credits-1", "day": "2026-11-02", "text": "Credits bought", "postings": postings}
    assert page.post("/api/journal", json=entry).status_code == 400
    postings[1]["amount"] = "-100"
    assert len(page.post("/api/journal", json=entry).json()) == 1
    assert page.post("/api/journal", json=entry).json() == []
    assert [one["key"] for one in page.get("/api/journal").json()] == ["credits-1"]


def test_another_chart_is_used_and_a_wrong_one_refused(page: TestClient):
    chart = page.get("/api/chart").json()
    assert page.put("/api/chart", json=chart | {"expense": "Costs:{model}"}).status_code == 400
    assert (
        page.put("/api/chart", json=chart | {"expense": "Expenses:Inference"}).json()["expense"] == "Expenses:Inference"
    )
    accounts = [one["account"] for one in page.get("/api/close/2026-11").json()["trial_balance"]]
    assert "Expenses:Inference" in accounts


def test_figures_stand_in_another_currency_beside_usd_with_their_rate_or_unknown(page: TestClient):
    assert "unknown in INR" in page.get("/close?month=2026-11&in=INR").text
    rate = {"day": "2026-11-20", "currency": "USD", "into": "INR", "rate": "80", "purposes": ["report"],
            "source": "FBIL"}  # fmt: skip
    page.post("/api/rates", json=[rate])
    shown = page.get("/close?month=2026-11&in=INR").text
    assert "1 USD = 80 INR, FBIL, 2026-11-20, the last one before 2026-11-23" in shown
    billed = Decimal(page.get("/api/close/2026-11").json()["totals"]["billed_cost"])
    assert f"₹{billed * 80:,.2f}" in shown
    assert page.get("/close?month=2026-11&in=rupees").status_code == 400


def test_a_report_of_a_closed_month_says_who_closed_it(mine: ConsoleContext):
    with suppress(ChangedMeanwhile):  # another test of this file may have closed it
        mine.finance().close.close("2026-10", by="Ada <b>", note="fine", accepted=True)
    assert state_of(mine, report_view(mine, "2026-10")).startswith("Closed on 23 Nov 2026 by Ada <b>")
    assert state_of(mine, report_view(mine, "2026-09")).startswith("Draft: the month isn't closed")


def test_a_budgets_old_rate_is_told_and_the_newer_one_taken_by_the_button_alone(page: TestClient, mine: ConsoleContext):
    before = page.get("/budgets/Europe").text
    assert "The rate is 22 days old; no newer one is known" in before
    rate = {"day": "2026-11-20", "currency": "EUR", "into": "USD", "rate": "1.10", "purposes": ["report"],
            "source": "ECB"}  # fmt: skip
    page.post("/api/rates", json=[rate | {"purposes": ["books"], "rate": "1.50"}])  # another purpose's is never taken
    assert "Use 1.5" not in page.get("/budgets/Europe").text
    page.post("/api/rates", json=[rate])
    assert "Use 1.1 from now on" in page.get("/budgets/Europe").text
    known = page.get("/api/budgets/Europe").json()
    assert known["rate"]["usd"] == "1.08"
    form = {"csrf": mine.csrf, "id": known["budget"]["id"], "usd": "1.1"}
    assert page.post("/budgets/rate", data=form | {"csrf": ""}, follow_redirects=False).status_code == 403
    assert page.post("/budgets/rate", data=form | {"usd": "1.2"}, follow_redirects=False).status_code == 409
    assert page.post("/budgets/rate", data=form, follow_redirects=False).status_code == 303
    told = page.get("/api/budgets/Europe").json()
    assert told["rate"] == {"usd": "1.1", "source": "ECB", "as_of": "2026-11-20"}
    assert Decimal(told["budget"]["limit_usd"]) == Decimal(told["budget"]["limit"]) * Decimal("1.1")
    assert told["budget"]["spent_usd"] == known["budget"]["spent_usd"]
    assert page.post("/budgets/rate", data=form, follow_redirects=False).status_code == 409
