"""What the demo's finance keeps is taken by the console as a person would send it, whatever day the demo starts on."""

import calendar
from collections.abc import Iterator
from datetime import date, timedelta
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient
from tests.console.conftest import NOW, make_context

from bursar.console.app import create_app
from bursar.demo.finance import GERMANY, INDIA, finance_acts, tax_of_bill, terms_since
from bursar.prices.book import PriceBook


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[TestClient]:
    context = make_context(tmp_path_factory.mktemp("demo-finance"), book, history=False)
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        yield client
    context.ledger.close()


def test_every_act_is_taken_and_the_tax_of_both_payers_is_computed(page: TestClient):
    for act in finance_acts(NOW.date()):
        sent = page.post(quote(act.path), content=msgspec.json.encode(act.body),
                         headers={"content-type": "application/json"})  # fmt: skip
        assert sent.status_code < 300, (act.path, sent.text)
    assert [one["name"] for one in page.get("/api/contracts").json()["contracts"]] == ["openai-enterprise"]
    assert {one["name"] for one in page.get("/api/allocation/rules").json()} == {"observability", "untagged"}
    sheet = page.get("/tax.json?month=2026-11").text
    assert INDIA in sheet
    assert GERMANY in sheet
    told = page.get("/api/tax/worksheet?month=2026-11").json()
    assert [one["fault"] for one in told["documents"] if one.get("fault")] == []
    assert {"pay", "claim", "withhold"} <= {one["section"] for one in told["duties"]}


@given(st.dates(date(2024, 1, 1), date(2032, 12, 31)))
def test_days_fit_whenever_the_demo_starts(today: date):
    since = terms_since(today)
    assert since.day == 1
    assert since < today.replace(day=1) <= today
    said = tax_of_bill(today)
    issued, paid = said["invoice_date"], said["inputs"]["payment_date"]
    assert issued == today.replace(day=1) - timedelta(days=1)
    assert issued < paid <= today
    assert issued.day == calendar.monthrange(issued.year, issued.month)[1]
    days = {one["day"] for act in finance_acts(today) if act.path == "/api/rates" for one in act.body}
    assert {issued, paid, today} == days
