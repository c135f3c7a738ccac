"""The forecast on page, twins and API: one answer, parts that are the whole, its back-test told, plans made, undone."""

import csv
import io
import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
from litestar.testing import TestClient
from sqlalchemy import delete

from bursar.console.context import ConsoleContext
from bursar.console.forecasting import forecast_of
from bursar.forecast.told import OTHERS
from bursar.governance.schema import MARKERS

LAUNCH = {"start": "2026-12-01", "percent": "30", "scope": "feature=support-bot"}


@pytest.fixture
def planned(client: TestClient) -> Iterator[str]:
    """The id of a planned launch."""
    made = client.post("/api/plans", json={"name": "launch <b>", "terms": LAUNCH})
    assert made.status_code == 201, made.text
    yield made.json()["plan_id"]
    for one in client.get("/api/plans").json():
        client.delete(f"/api/plans/{one['plan_id']}")


@pytest.mark.parametrize("by", ["feature", "customer", "model", "tag:plan"])
def test_parts_are_the_whole_whichever_way_it_is_split(client: TestClient, by: str):
    told = client.get(f"/api/forecast?by={by}&limit=5").json()
    parts = [one for one in told["parts"] if one["figures"]]
    for figure in told["figures"]:
        amounts = [one["figures"][figure["key"]] for one in parts]
        assert sum(Decimal(one["expected"]) for one in amounts) == Decimal(figure["amount"]["expected"])
        for one in (*amounts, figure["amount"]):
            assert Decimal(0) <= Decimal(one["low"]) <= Decimal(one["expected"]) <= Decimal(one["high"])
    for at, day in enumerate(told["days"]):
        assert sum(Decimal(one["days"][at]) for one in parts) == Decimal(day["amount"]["expected"])


def test_what_is_spent_is_what_explore_says(client: TestClient):
    told = client.get("/api/forecast").json()
    month = told["figures"][0]
    costs = client.get("/api/costs?period=mtd").json()["totals"]["effective_cost"]
    assert Decimal(month["spent"]) == Decimal(costs)
    assert (month["key"], month["first"], month["last"]) == ("month", "2026-11-01", "2026-11-30")
    lately = client.get("/api/costs?period=30d").json()["totals"]["effective_cost"]
    assert sum(Decimal(one["lately"]) for one in told["parts"]) == Decimal(lately)
    totals = client.get("/api/costs?period=30d").json()["totals"]
    assert told["unpriced_count"] == totals["unpriced_count"] > 0
    assert f"{totals['unpriced_count']} attempts of the last 30 days have no price" in client.get("/forecast").text


def test_the_whole_does_not_depend_on_how_it_is_looked_at(client: TestClient):
    told = [client.get(f"/api/forecast?{query}").json() for query in ("by=feature", "by=customer&limit=2", "by=model")]
    for one in told[1:]:
        for at, figure in enumerate(one["figures"]):
            first = Decimal(told[0]["figures"][at]["amount"]["expected"])
            assert abs(Decimal(figure["amount"]["expected"]) - first) <= Decimal("0.0001"), "rounded day by day"
        assert one["accuracy"] == told[0]["accuracy"]


def test_page_and_twins_tell_the_same_and_the_page_says_how_good_it_was(client: TestClient):
    told = client.get("/api/forecast?by=team&growth=10").json()
    assert client.get("/forecast.json?by=team&growth=10").json() == told
    rows = list(csv.DictReader(io.StringIO(client.get("/forecast.csv?by=team&growth=10").text)))
    assert [row["part"] for row in rows] == [one["name"] for one in told["parts"]]
    assert sum(Decimal(row["30"] or 0) for row in rows) == Decimal(told["figures"][2]["amount"]["expected"])
    assert client.get("/api/forecast?by=team&growth=10&format=csv").text == client.get(
        "/forecast.csv?by=team&growth=10"
    ).text  # fmt: skip
    page = client.get("/forecast?by=team&growth=10").text
    for text in ("How good is it?", "Repeating last week would have been off by", "What came was inside the band",
                 "at 10 % a month", "All of November 2026", "Next 90 days"):  # fmt: skip
        assert text in page, text
    assert told["accuracy"][1]["naive_error"] > 0
    assert 0 < told["accuracy"][1]["held"] <= told["accuracy"][1]["bands"]


def test_a_plan_changes_what_is_expected_and_stands_apart(client: TestClient, planned: str):
    told = client.get("/api/forecast").json()
    quarter = told["figures"][3]
    effect = told["plans"][0]
    assert effect["plan"]["plan_id"] == planned
    assert Decimal(effect["figures"]["90"]) > 0
    assert Decimal(quarter["amount"]["expected"]) - Decimal(quarter["unplanned"]) == pytest.approx(
        Decimal(effect["figures"]["90"]), abs=Decimal("0.0002")
    )
    page = client.get("/forecast").text
    assert "launch &lt;b&gt;" in page
    assert "by planned events" in page
    teams = client.get("/api/forecast?by=team").json()["plans"][0]["figures"]["90"]
    assert Decimal(teams) > 0, "a plan of a feature counts in teams by how much of them it is"


def test_a_plan_is_made_and_removed_with_the_pages_own_token_alone(client: TestClient):
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/forecast").text)
    assert token
    form = {"act": "add", "name": "sale", "start": "2026-12-24", "end": "", "percent": "−20 %", "kind": "price",
            "scope": "", "note": "half of it"}  # fmt: skip
    assert client.post("/forecast/plans", data=form | {"csrf": "x"}, follow_redirects=False).status_code == 403
    made = client.post("/forecast/plans", data=form | {"csrf": token[1]}, follow_redirects=False)
    assert (made.status_code, made.headers["location"]) == (303, "/forecast#plans")
    (kept,) = client.get("/api/plans").json()
    assert (kept["name"], kept["terms"]) == (
        "sale", {"start": "2026-12-24", "percent": "-20", "kind": "price", "note": "half of it"},
    )  # fmt: skip
    gone = client.post("/forecast/plans", data={"act": "remove", "id": kept["plan_id"], "csrf": token[1]})
    assert gone.status_code == 200
    assert client.get("/api/plans").json() == []


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"start": "2026-12-01", "percent": "0"}, "bad_control"),
        ({"start": "2026-12-01", "percent": "5", "scope": "weather=fine"}, "bad_query"),
    ],
)
def test_what_can_not_be_planned_is_refused(client: TestClient, terms: dict[str, str], code: str):
    refused = client.post("/api/plans", json={"name": "x", "terms": terms})
    assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert client.delete("/api/plans/nothing").json()["code"] == "unknown_control"


@pytest.mark.parametrize(
    ("query", "field"),
    [("growth=x", "growth"), ("growth=-95", "growth"), ("by=weather", ""), ("limit=0", "limit"), ("tz=Moon", "tz")],
)
def test_what_can_not_be_read_is_named(client: TestClient, query: str, field: str):
    refused = client.get(f"/forecast.json?{query}")
    assert refused.status_code == 400
    if field:
        assert refused.json()["field"] == field
    if field in ("growth", "limit"):
        page = client.get(f"/forecast?{query}")
        assert (page.status_code, 'role="alert"' in page.text, "How good is it?" in page.text) == (200, True, True)


def test_others_are_one_row_and_limits_are_kept(client: TestClient):
    told = client.get("/api/forecast?limit=2").json()
    assert [one["name"] for one in told["parts"]][-1] == OTHERS
    assert len(told["parts"]) == 3


def test_filters_leave_the_rest_out_and_too_little_says_so(client: TestClient):
    whole = client.get("/api/forecast").json()
    part = client.get("/api/forecast?filter=feature%3Dsupport-bot").json()
    assert Decimal(part["figures"][0]["spent"]) < Decimal(whole["figures"][0]["spent"])
    none = client.get("/api/forecast?filter=feature%3Dnobody-has-it").json()
    assert (none["too_young"], none["figures"], none["parts"]) == (True, [], [])
    assert "Too young to say" in client.get("/forecast?filter=feature%3Dnobody-has-it").text


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
def test_days_are_those_of_the_zone_also_where_its_clocks_change(client: TestClient, zone: str):
    told = client.get(f"/api/forecast?tz={zone}").json()
    spent = client.get(f"/api/costs?period=90d&tz={zone}").json()["totals"]["effective_cost"]
    assert sum(Decimal(day["spent"]) for day in told["spent"][1:]) == Decimal(spent)
    days = [day["day"] for day in told["spent"]] + [day["day"] for day in told["days"][1:]]
    assert days == sorted(set(days))
    assert len(days) == 91 + 92


def test_it_is_made_once_while_the_books_stay_as_they_are(context: ConsoleContext):
    view = context.view("/forecast", {})
    assert forecast_of(context, view) is forecast_of(context, context.view("/forecast", {}))


def test_an_empty_ledger_says_how_to_begin(empty_client: TestClient):
    assert "No calls yet" in empty_client.get("/forecast").text
    assert empty_client.get("/api/forecast").json()["too_young"] is True


def test_what_happened_meanwhile_is_a_line_in_the_chart(context: ConsoleContext, client: TestClient):
    assert "search &lt;4.2&gt;" not in client.get("/forecast").text
    made = client.post("/api/markers", json={"title": "search <4.2>", "at": "2026-11-20T10:00:00Z"})
    assert made.status_code == 201, made.text
    try:
        page = client.get("/forecast").text
        assert "What happened meanwhile, " in page
        assert "search &lt;4.2&gt;" in page
    finally:
        with context.anomalies().markers._store.writing() as connection:
            connection.execute(delete(MARKERS).where(MARKERS.c.marker_id == made.json()["marker_id"]))
