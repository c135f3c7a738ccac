"""Contracts and negotiation in the console: what was agreed, what it did, what to bring to a vendor."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from tests.console.conftest import make_context

from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.finance.contracts.terms import ContractTerms
from bursar.prices.book import PriceBook

TERMS: dict[str, Any] = {
    "provider": "openai", "owner": "Ada",
    "discounts": [{"percent": "10"}],
    "volumes": [{"name": "monthly", "steps": [{"above": "5", "percent": "5"}, {"above": "1000000", "percent": "8"}]}],
    "commitments": [{"name": "year", "amount": "50000", "start": "2026-10-20", "end": "2027-10-19"}],
    "credits": [{"name": "welcome", "amount": "2", "granted": "2026-10-20", "expires": "2026-12-31"}],
}  # fmt: skip
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[ConsoleContext]:
    context = make_context(tmp_path_factory.mktemp("contracts"), book, history=True)
    yield context
    context.ledger.close()


@pytest.fixture(scope="module")
def asked(own: ConsoleContext) -> Iterator[TestClient]:
    with TestClient(create_app(own), base_url="http://127.0.0.1:8788") as client:
        made = client.post("/api/contracts", json={"name": "acme", "since": "2026-10-20", "terms": TERMS})
        assert made.status_code == 201, made.text
        assert client.post("/api/contracts/rate", headers=JSON).json()[0]["entries"] > 10
        yield client


def test_what_a_contract_changed_is_in_explore_and_on_its_calls(asked: TestClient) -> None:
    sums = {
        name: Decimal(asked.get(f"/api/costs?by=provider&period=all&measure={name}").json()["totals"][name])
        for name in ("effective_cost",)
    }
    told = asked.get("/api/contracts").json()["contracts"][0]
    effect = Decimal(told["effect"]["effective_cost"])
    assert effect < 0
    costs = asked.get("/api/costs?by=provider&period=all").json()
    assert Decimal(costs["totals"]["list_cost"]) + effect == Decimal(costs["totals"]["effective_cost"])
    assert sums["effective_cost"] == Decimal(costs["totals"]["effective_cost"])


def test_both_pages_and_their_twins_tell_the_same(asked: TestClient) -> None:
    page = asked.get("/contracts")
    assert page.status_code == 200
    for words in ("acme", "version 1 holds", "10 % off all models", "commitment year", "Contracts and invoices"):
        assert words in page.text
    assert asked.get("/contracts.json").json() == asked.get("/api/contracts").json()
    assert asked.get("/contracts.csv").text.startswith("contract,provider,kind,name,state,amount,used")
    other = asked.get("/contracts/negotiation?provider=openai&discount=20&months=6&amount=100")
    assert other.status_code == 200
    for words in ("Best commitment", "Regret, little", "yours", "If much is used", "Ada"):
        assert words in other.text
    told = asked.get("/contracts/negotiation.json?provider=openai&discount=20&months=6&amount=100").json()
    assert told["chosen"]["asked"]["amount"] == 100.0
    assert told["vendors"][0]["provider"] in asked.get("/contracts/negotiation.csv").text


@pytest.mark.parametrize(
    ("address", "field"),
    [("discount=x", "discount"), ("discount=0", "discount"), ("months=0", "months"), ("amount=-1", "amount")],
)
def test_an_offer_that_cannot_be_read_is_told_at_its_field(asked: TestClient, address: str, field: str) -> None:
    page = asked.get(f"/contracts/negotiation?provider=openai&{address}")
    assert page.status_code == 200
    assert f"{field}: " in page.text.lower() or f"{field} is" in page.text.lower()
    assert asked.get(f"/api/negotiations?provider=openai&{address}").json()["field"] == field
    assert asked.get("/api/negotiations?provider=nobody").json()["code"] == "unknown_contract"


def test_the_pack_is_two_pages_of_pdf(asked: TestClient) -> None:
    found = asked.get("/contracts/pack/openai.pdf?discount=20")
    assert (found.status_code, found.headers["content-type"]) == (200, "application/pdf")
    assert found.content.startswith(b"%PDF")
    assert found.content.count(b"/Type /Page\n") in (0, 2)  # objects may be packed
    assert asked.get("/contracts/pack/nobody.pdf").status_code == 404


def test_forms_add_change_and_own(own: ConsoleContext, asked: TestClient) -> None:
    def send(**fields: str) -> Any:
        return asked.post("/contracts/change", data={"csrf": own.csrf, **fields}, follow_redirects=False)

    short = {"name": "claude", "provider": "anthropic", "since": "2026-11-01", "percent": "5 %", "committed": "$1,000",
             "committed_until": "2026-12-31", "credit": "10"}  # fmt: skip
    made = send(act="add", **short)
    assert made.headers["location"].startswith("/contracts#ct_")
    kept = own.finance().contracts.get("claude").latest
    assert (kept.since, kept.terms.discounts[0].percent, kept.terms.commitments[0].amount) == (
        date(2026, 11, 1), Decimal(5), Decimal(1000)
    )  # fmt: skip
    assert send(act="change", id="claude", since="2026-11-10", terms='{"provider": "anthropic"}').status_code == 303
    assert own.finance().contracts.get("claude").latest.terms == ContractTerms(provider="anthropic")
    assert send(act="change", id="claude", since="2026-11-10", terms="{").status_code == 400
    assert send(act="change", id="claude", since="x", terms="{}").status_code == 400
    assert send(act="own", provider="anthropic", owner="Ben").headers["location"].endswith("?provider=anthropic")
    assert own.finance().contracts.owners()["anthropic"] == "Ben"
    assert asked.post("/contracts/change", data={"act": "rate"}).status_code == 403


def test_the_api_names_what_is_wrong_and_keeps_nothing(asked: TestClient) -> None:
    wrong = asked.post("/api/contracts", json={"name": "x", "since": "2026-11-01", "terms": {"provider": ""}})
    assert (wrong.status_code, wrong.json()["code"], wrong.json()["field"]) == (400, "bad_contract", "provider")
    assert asked.put("/api/contracts/nobody", json={"since": "2026-11-01", "terms": TERMS}).status_code == 404
    assert asked.put("/api/contracts-owner", json={"provider": "mistral", "owner": "Cy"}).json()["owner"] == "Cy"


def test_an_empty_console_says_what_to_do(tmp_path: Path, book: PriceBook) -> None:
    context = make_context(tmp_path, book, history=False)
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        assert "No contract is recorded" in client.get("/contracts").text
        assert "No calls yet" in client.get("/contracts/negotiation").text
        assert client.get("/contracts/negotiation.json").json()["chosen"] is None
    context.ledger.close()
