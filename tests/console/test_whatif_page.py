"""What-if on page, API and CSV: one answer, which opens to its calls, and a form that says what it can't read."""

import csv
import io
from decimal import Decimal

import pytest
from litestar.testing import TestClient

ASKED = "period=last-month&model=openai/gpt-5-mini"


def test_page_twins_and_api_tell_the_same(client: TestClient):
    answer = client.get(f"/api/whatif?{ASKED}").json()
    assert client.get(f"/whatif.json?{ASKED}").json() | {"prices_at": ""} == answer | {"prices_at": ""}
    rows = list(csv.DictReader(io.StringIO(client.get(f"/whatif.csv?{ASKED}").text)))
    for name in ("was", "would"):
        assert sum(Decimal(row[name]) for row in rows) == Decimal(answer[name])
        assert sum(Decimal(row[name]) for row in answer["models"]) == Decimal(answer[name])
    assert sum(row["attempts"] for row in answer["models"]) == answer["attempts"]
    assert answer["attempts_moved"] + sum(one["attempts"] for one in answer["stays"]) == answer["attempts"]
    assert answer["attempts_moved"] > 0
    assert Decimal(answer["saved"]) == Decimal(answer["was"]) - Decimal(answer["would"])
    page = client.get(f"/whatif?{ASKED}").text
    assert "What stays as it was" in page
    assert "openai/gpt-5-mini" in page


def test_what_it_cost_is_what_explore_says(client: TestClient):
    answer = client.get("/api/whatif?period=last-month").json()
    totals = client.get("/api/costs?period=last-month").json()["totals"]
    assert Decimal(answer["was"]) == Decimal(totals["effective_cost"])
    assert (answer["attempts"], answer["unpriced_count"]) == (totals["attempts"], totals["unpriced_count"])
    filtered = client.get("/api/whatif?period=last-month&filter=team%3Dsupport").json()
    assert Decimal(filtered["was"]) == Decimal(
        client.get("/api/costs?period=last-month&filter=team%3Dsupport").json()["totals"]["effective_cost"]
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("model=gpt-5-mini", "model"),
        ("model=openai/no-such-model", "model"),
        ("tier=fast", "tier"),
        ("batch=101", "batch"),
        ("cached=80&written=40", "cached"),
        ("output=x", "output"),
        ("prices=soon", "period"),
    ],
)
def test_what_can_not_be_read_is_named_in_the_api_and_at_the_form(client: TestClient, query: str, field: str):
    refused = client.get(f"/api/whatif?{query}")
    assert refused.status_code == 400
    page = client.get(f"/whatif?{query}")
    assert page.status_code == 200
    assert 'role="alert"' in page.text
    assert client.get(f"/whatif.json?{query}").json()["field"] == field


def test_an_empty_ledger_says_how_to_begin(empty_client: TestClient):
    assert "no-calls" in empty_client.get("/whatif").text or "No calls yet" in empty_client.get("/whatif").text
