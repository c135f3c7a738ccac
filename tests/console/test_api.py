"""The API survives what its own description allows, and what it doesn't."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from litestar.testing import TestClient
from schemathesis import GenerationMode

from bursar.console.app import create_app
from bursar.console.context import ConsoleContext


def test_the_description_lists_every_address_of_the_api(client: TestClient):
    told = client.get("/api/openapi.json").json()
    assert set(told["paths"]) == {
        "/api/costs", "/api/explore", "/api/calls", "/api/calls/{call_id}", "/api/prices", "/api/verify", "/api/status",
        "/api/live", "/api/alerts", "/api/alerts/ack", "/api/alerts/test", "/api/alerts/rules", "/api/alerts/channels",
        "/api/alerts/remove",
        "/api/anomalies", "/api/anomalies/{anomaly_id}", "/api/anomalies/{anomaly_id}/label",
        "/api/anomalies/{anomaly_id}/apply", "/api/anomalies/{anomaly_id}/pace", "/api/markers",
        "/api/loops", "/api/waste", "/api/savings", "/api/advice", "/api/advice/{advice_id}/apply",
        "/api/policies", "/api/policies/{name}", "/api/policies/{name}/switch", "/api/policies/{name}/try",
        "/api/routes", "/api/routes/{name}", "/api/routes/{name}/switch", "/api/route-replay", "/api/experiments",
        "/api/shadows", "/api/whatif", "/api/prompt-breaks", "/api/reviews", "/api/reviews/{period}",
        "/api/reports", "/api/reports/{kind}/{month}",
        "/api/limits", "/api/limits/{name}", "/api/limits/{name}/try", "/api/kills", "/api/kills/{name}",
        "/api/caches", "/api/caches/{name}", "/api/caches/{name}/switch", "/api/caches/{name}/resume",
        "/api/caches/{name}/answers", "/api/kept-answers",
        "/api/initiatives", "/api/initiatives/{name}", "/api/initiatives/{name}/start",
        "/api/initiatives/{name}/done", "/api/initiatives/{name}/stop", "/api/initiative-bookings",
        "/api/scenarios", "/api/scenarios/customers", "/api/scenarios/saved", "/api/scenarios/saved/{name}",
        "/api/forecast", "/api/plans", "/api/plans/{name}",
        "/api/rates", "/api/rates/on", "/api/rates/import",
        "/api/focus/export", "/api/focus/unpriced", "/api/focus/import", "/api/focus/imports",
        "/api/contracts", "/api/contracts/{name}", "/api/contracts/rate", "/api/contracts-owner", "/api/negotiations",
        "/api/invoices", "/api/invoices/typed", "/api/invoices/{name}", "/api/invoices/{name}/reconcile",
        "/api/invoices/{name}/tax",
        "/api/invoices/{name}/withdraw",
        "/api/invoices/{name}/decide", "/api/invoices/{name}/rate", "/api/invoices/{name}/variances/{variance_id}",
        "/api/bill-keys", "/api/bill-mappings",
        "/api/close", "/api/close/{month}", "/api/close/{month}/proof", "/api/close/{month}/files/{name}",
        "/api/close/{month}/flat",
        "/api/journal", "/api/chart", "/api/statements",
        "/api/allocation", "/api/allocation/rules", "/api/allocation/rules/{name}",
        "/api/allocation/{month}/chargeback",
        "/api/customers", "/api/customers/{name}", "/api/customers/drafts", "/api/economics", "/api/cohorts",
        "/api/business", "/api/business/imports", "/api/business/events",
        "/api/business/mappings/{name}", "/api/business/plans",
        "/api/tax/worksheet", "/api/tax/rules", "/api/tax/compute", "/api/tax/import", "/api/tax/records/{kind}",
        "/api/tax/records/{kind}/{name}",
        "/api/maturity", "/api/maturity/reviews", "/api/maturity/evidence", "/api/maturity/evidence/{number}/withdraw",
        "/api/budgets", "/api/budgets/{budget_id}", "/api/budgets/{budget_id}/approve",
        "/api/budgets/{budget_id}/thresholds",
    }  # fmt: skip


@pytest.fixture(scope="session")
def api_schema(context: ConsoleContext):
    return schemathesis.openapi.from_asgi("/api/openapi.json", create_app(context), headers={"host": "127.0.0.1"})


WITH_PARAMETERS = (
    "/api/costs", "/api/explore", "/api/calls", "/api/prices", "/api/live", "/api/alerts", "/api/waste", "/api/savings",
    "/api/anomalies",
    "/api/policies", "/api/limits", "/api/kills", "/api/policies/{name}/try", "/api/limits/{name}/try",
    "/api/routes", "/api/caches", "/api/initiatives", "/api/initiative-bookings", "/api/forecast",
    "/api/advice", "/api/maturity", "/api/invoices",
)  # fmt: skip
CASES = [(path, mode) for path in WITH_PARAMETERS for mode in GenerationMode]
CASES += [
    ("/api/markers", GenerationMode.NEGATIVE),  # a made-up period may end before it starts, which is told as such
    ("/api/loops", GenerationMode.POSITIVE),
    ("/api/scenarios", GenerationMode.POSITIVE),  # of what it accepts, the description shows the simplest
    ("/api/budgets", GenerationMode.POSITIVE),
    ("/api/budgets/{budget_id}", GenerationMode.POSITIVE),
    ("/api/calls/{call_id}", GenerationMode.POSITIVE),
    ("/api/status", GenerationMode.POSITIVE),
]


@pytest.mark.parametrize(("path", "mode"), CASES)
def test_the_api_keeps_to_its_description(api_schema, path: str, mode: GenerationMode):
    operation = api_schema[path]["GET"]

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(headers={"host": "127.0.0.1"})

    ask()


def test_money_is_text_with_every_digit_and_a_currency(client: TestClient):
    told = client.get("/api/costs?period=30d&limit=2").json()
    assert told["currency"] == "USD"
    assert isinstance(told["totals"]["effective_cost"], str)
    assert "E" not in told["totals"]["effective_cost"]


def test_a_grain_gives_a_row_for_each_day(client: TestClient):
    told = client.get("/api/explore?grain=day&period=2026-11-01..2026-11-07&by=feature").json()
    assert told["by"] == ["day", "feature"]
    assert {row["keys"][0] for row in told["rows"]} == {f"2026-11-0{day}" for day in range(1, 8)}
    assert told["compared_with"] is None


def test_the_books_are_verified_over_the_api(client: TestClient):
    told = client.get("/api/verify").json()
    assert told["ok"], [finding for finding in told["findings"] if not finding["ok"]]
    assert {"law", "name", "ok", "expected", "actual", "detail"} <= set(told["findings"][0])


def test_what_is_new_can_be_asked_cheaply(client: TestClient):
    told = client.get("/api/live").json()
    assert told["state"] in ("on", "late", "idle")
    assert told["calls_today"] >= 0
    assert client.get("/api/status").json()["organization"] == "acme"
