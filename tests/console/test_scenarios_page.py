"""Scenarios on page, twins and API: one answer, steps added by a form, what is wrong told where it is, kept ones."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from urllib.parse import quote

import pytest
from litestar.testing import TestClient
from tests.console.conftest import make_context

from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.finance.business.keeping import Records
from bursar.finance.business.model import Customer, PlanPrice, PlanSpan, PricePlan
from bursar.prices.book import PriceBook

PLANS = ("team", "pro", "free")
D = Decimal
TWICE = f"a={quote('usage 2 heavy=10%')}&a_name=Twice&b={quote('price +10% plan=pro; churn 0.5')}"


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[ConsoleContext]:
    """Simulated history, with plans and customers brought in; two customers stay unknown."""
    context = make_context(tmp_path_factory.mktemp("scenarios"), book, history=True)
    with context.ledger.reading() as session:
        rows = session.query("SELECT DISTINCT customer FROM charges WHERE customer <> '' ORDER BY 1").rows
    since = date(2026, 1, 1)
    plans = [
        PricePlan(name=name, prices=(PlanPrice(since=since, price=D(price)),))
        for name, price in zip(PLANS, ("2", "0.4", "0"), strict=True)
    ]
    customers = [
        Customer(customer_id=row[0], segment=("small", "mid")[at % 2], spans=(PlanSpan(PLANS[at % 3], since),))
        for at, row in enumerate(rows[:-2])
    ]
    context.finance().business.bring_in(Records(plans=plans, customers=customers), "test", actor="test")
    yield context
    context.ledger.close()


@pytest.fixture(scope="module")
def asked(mine: ConsoleContext) -> Iterator[TestClient]:
    with TestClient(create_app(mine), base_url="http://127.0.0.1:8788") as client:
        yield client


def test_page_twins_and_api_tell_the_same(asked: TestClient):
    told = asked.get(f"/api/scenarios?{TWICE}").json()
    assert asked.get(f"/scenarios.json?{TWICE}").json() == told
    rows = list(csv.DictReader(io.StringIO(asked.get(f"/scenarios.csv?{TWICE}").text)))
    assert asked.get(f"/api/scenarios?{TWICE}&format=csv").text == asked.get(f"/scenarios.csv?{TWICE}").text
    assert [row["scenario"] for row in rows[::6]] == ["As it is", "Twice", "B"]
    assert [D(row["margin"]) for row in rows[:6]] == [D(one["amounts"]["margin"]) for one in told["as_is"]["months"]]
    page = asked.get(f"/scenarios?{TWICE}").text
    for text in (
        "Twice",
        "the heaviest 10",
        "Each 1",
        "makes 0.5",
        "Break-even price",
        "seed 1",
        "four worlds in five",
    ):
        assert text in page, text


def test_what_is_now_is_what_the_books_say_of_the_last_month(asked: TestClient, mine: ConsoleContext):
    told = asked.get("/api/scenarios?base=1").json()
    costs = asked.get("/api/costs?period=2026-10&by=customer").json()["totals"]["effective_cost"]
    known = D(told["as_is"]["months"][0]["amounts"]["ai_cost"])
    assert known + D(told["unknown_ai_cost"]) == D(costs)
    assert told["past"][0]["margin"] == told["as_is"]["months"][0]["amounts"]["margin"]
    assert told["unknown_customers"] in (1, 2)  # of those two, who called in that month


def test_models_are_told_apart_where_a_scenario_asks_for_them(asked: TestClient):
    with_models = quote("pricelist +50% of=openai; pricelist +50% of=anthropic; pricelist +50% of=google")
    told = asked.get(f"/api/scenarios?base=1&a={with_models}").json()
    as_is, dearer = (D(one["months"][0]["amounts"]["ai_cost"]) for one in (told["as_is"], told["scenarios"][0]))
    assert as_is < dearer <= as_is * D("1.5") + D("0.000000001")
    none = asked.get(f"/api/scenarios?base=1&a={quote('pricelist +50% of=nobody')}").json()
    assert D(none["scenarios"][0]["months"][0]["amounts"]["ai_cost"]) == as_is


def test_a_form_adds_a_step_and_leads_to_its_address(asked: TestClient):
    sent = asked.get(
        "/scenarios?add=usage&to_place=a&f_value=2&f_heavy=10%25&f_plan=&f_segment=&f_from=", follow_redirects=False
    )
    assert sent.status_code == 303
    assert sent.headers["location"] == "/scenarios?add=usage&a=usage%202%20heavy%3D10%25&show=a"
    more = asked.get(f"{sent.headers['location']}&to_place=a&f_value=3&f_plan=a%20b", follow_redirects=False)
    assert "usage%202%20heavy%3D10%25%3B%20usage%203%20plan%3D%22a%20b%22" in more.headers["location"]


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        (f"a={quote('usage two')}", "a", "A: step 1 (usage): factor is &#39;two&#39;; write a number from 0 to 1,000"),
        (f"b={quote('usage 2 plan=gold')}", "plan", "no customer has &#39;gold&#39;; there are"),
        ("months=99", "months", "from 1 to 24"),
        ("base=0", "base", "from 1 to 12"),
        ("seed=x", "seed", "whole number"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_told_on_the_page_beside_the_rest(asked: TestClient, query: str, field: str, says: str):
    page = asked.get(f"/scenarios?{query}")
    assert page.status_code == 200
    assert says in page.text
    assert "Margin a month, as it is" in page.text
    refused = asked.get(f"/scenarios.json?{query}")
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (400, "bad_scenario", field)


def test_customers_behind_a_scenario_add_up_to_it(asked: TestClient):
    told = asked.get(f"/api/scenarios?{TWICE}").json()
    everyone = asked.get(f"/api/scenarios/customers?{TWICE.replace('&a_name=Twice', '')}&of=a").json()["customers"]
    last = told["scenarios"][0]["months"][-1]["amounts"]
    assert sum(D(one["margin"]) for one in everyone) == D(last["margin"])
    margins = [D(one["margin"]) for one in everyone]
    assert margins == sorted(margins)
    a = TWICE.partition("&")[0]
    losing = asked.get(f"/api/scenarios/customers?{a}&of=a&which=losing&format=csv").text.splitlines()
    assert len(losing) - 1 == told["scenarios"][0]["losing"] == sum(margin < 0 for margin in margins)
    refused = asked.get("/api/scenarios/customers?of=c")
    assert (refused.status_code, refused.json()["field"]) == (400, "of")


def test_the_page_links_to_customers_as_data(asked: TestClient):
    page = asked.get(f"/scenarios?{TWICE}").text
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="(/api/scenarios/customers[^"]*)"', page)]
    assert len(links) == 3
    assert all(asked.get(link).text.startswith("customer,plan,segment") for link in links)


def test_scenarios_are_kept_put_beside_and_removed(asked: TestClient, mine: ConsoleContext):
    form = {"csrf": mine.csrf, "act": "save", "name": "spring <b>", "steps": "price 10% plan=pro", "back": "/scenarios"}
    made = asked.post("/scenarios/change", data=form, follow_redirects=False)
    assert (made.status_code, made.headers["location"]) == (303, "/scenarios#saved")
    (kept,) = asked.get("/api/scenarios/saved").json()
    assert (kept["name"], kept["steps"]) == ("spring <b>", "price +10% plan=pro")
    page = asked.get("/scenarios").text
    assert "spring &lt;b&gt;" in page
    assert "Price 10\u202f% more of plan pro" in page
    href = re.search(r'class="btn small" href="([^"]*)">Put beside', page)
    assert href
    assert "spring &lt;b&gt;" in asked.get(href[1].replace("&amp;", "&")).text
    assert asked.post("/api/scenarios/saved", json={"name": "spring <b>", "steps": "usage 2"}).status_code == 409
    wrong = asked.post("/api/scenarios/saved", json={"name": "x", "steps": "usage"})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "usage.factor")
    assert asked.post("/scenarios/change", data=form | {"csrf": "no"}).status_code == 403
    gone = form | {"act": "remove", "id": kept["scenario_id"], "back": "//evil"}
    away = asked.post("/scenarios/change", data=gone, follow_redirects=False)
    assert away.headers["location"] == "/scenarios#saved"
    assert asked.get("/api/scenarios/saved").json() == []
    assert asked.delete("/api/scenarios/saved/spring").status_code == 404


def test_without_calls_or_revenue_the_page_says_what_to_do(empty_client: TestClient, client: TestClient):
    assert "No calls yet" in empty_client.get("/scenarios").text
    page = client.get("/scenarios").text
    assert "Nobody&#39;s revenue is known yet" in page
    wave = client.get(f"/scenarios?a={quote('viral 100 price=10 convert=2% cost=4')}").text
    assert "100 free users" in wave
    assert "Beside each other" in wave
