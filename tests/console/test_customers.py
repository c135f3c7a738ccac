"""The pages of customers, and the data behind them, over the simulated history and the demo's own books."""

import re
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import quote

import pytest
from litestar.testing import TestClient
from tests.console.conftest import NOW, make_context

from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.console.customers import span_of
from bursar.console.readying import Readying
from bursar.demo.business import business_files
from bursar.prices.book import PriceBook

NAME = "Halcyon Freight"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[ConsoleContext]:
    """A console of this module's own: it is told of customers, and keeps a budget."""
    context = make_context(tmp_path_factory.mktemp("customers"), book, history=True)
    yield context
    context.ledger.close()


@pytest.fixture(scope="module")
def told(context: ConsoleContext) -> Iterator[TestClient]:
    """A client whose console has been told of customers, as the demo tells it."""
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        tell(client)
        yield client


def tell(client: TestClient) -> None:
    for one in business_files(NOW.date()):
        answer = client.post(
            f"/api/business/imports?kind={one.kind}&source={one.name}", content=one.content,
            headers={"content-type": "text/csv"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        assert answer.json()["fault_count"] == 0


@pytest.mark.parametrize("show", ["customers", "plans", "features", "events", "free", "cohorts"])
def test_every_part_of_the_page_is_drawn(told: TestClient, show: str):
    assert told.get(f"/customers?month=2026-10&show={show}").status_code == 200


def test_one_customers_page_and_its_data_say_the_same(told: TestClient):
    address = f"/customers/{quote(NAME)}"
    assert NAME in told.get(f"{address}?month=2026-10").text
    now = told.get(f"{address}.json?month=2026-10").json()["now"]
    (row,) = [one for one in told.get("/customers.json?month=2026-10&limit=500").json()["customers"]
              if one["customer"] == NAME]  # fmt: skip
    assert now == row


def test_the_last_months_are_kept_ready_and_a_fault_stops_nothing(told: TestClient, context: ConsoleContext):
    desk = context.finance().economics
    desk.forget()
    Readying(context).look()
    ready = desk.economics(span_of(context.view("/customers", {})))
    assert desk.economics(ready.span) is ready
    Readying(None).look()  # type: ignore[arg-type]  # as broken as can be


def test_rows_add_up_to_the_total(told: TestClient):
    answer = told.get("/api/customers?month=2026-10&limit=10000").json()
    assert sum(Decimal(one["ai_cost"]) for one in answer["customers"]) == Decimal(answer["total"]["ai_cost"])


def test_nothing_is_known_of_a_stranger(told: TestClient):
    answer = told.get("/api/customers/nobody-at-all")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_customer")


def test_a_cloud_event_is_kept_once(told: TestClient):
    event = {"specversion": "1.0", "id": "e1", "source": "desk", "type": "ticket", "subject": NAME}
    answers = [
        told.post("/api/business/events", json=event, headers={"content-type": "application/cloudevents+json"}).json()
        for _ in range(2)
    ]
    assert answers == [{"added": 1, "known": 0}, {"added": 0, "known": 1}]


def test_a_button_drafts_a_budget_that_refuses_nothing(told: TestClient, context: ConsoleContext):
    text = told.get("/customers?month=2026-10").text
    customer = re.search(r'name="customer" value="([^"]+)"', text)
    assert customer
    form = {"csrf": context.csrf, "customer": customer[1], "month": "2026-10", "act": "draft"}
    answer = told.post("/customers/change", data=form, headers={"origin": "null"}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    budget_id = answer.headers["location"].rsplit("/", 1)[1]
    (kept,) = [one for one in context.budget_store().all() if one.budget_id == budget_id]
    assert (kept.mode, kept.match) == ("warn", {"customer": customer[1]})
    shown = told.get(f"/budgets/{budget_id}.json").json()["budget"]
    (cost,) = [one["ai_cost"] for one in told.get("/customers.json?month=2026-11&limit=500").json()["customers"]
               if one["customer"] == customer[1]]  # fmt: skip
    assert shown["spent_usd"] == cost, "what the month has cost already counts from the start"
