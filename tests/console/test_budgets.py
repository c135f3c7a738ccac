"""Budgets in the console: page, twins and API tell the same figures, and each opens to its calls."""

import csv
import io
import re
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from litestar.testing import TestClient

from bursar.budgets.thresholds import parse_threshold


def budget(client: TestClient, name: str) -> dict[str, object]:
    return next(one for one in client.get("/api/budgets").json()["budgets"] if one["name"] == name)


def test_spent_held_and_left_are_three_exact_figures(client: TestClient):
    told = budget(client, "Support bot")
    assert (told["spent_usd"], told["held_usd"], told["left_usd"], told["limit_usd"]) == ("14.25", "2", "3.75", "20")
    assert told["overrun_usd"] == "0.25"
    assert told["resets"] == "resets at 1 Dec 2026, 00:00 (UTC)"


def test_the_fullest_budget_comes_first(client: TestClient):
    names = [one["name"] for one in client.get("/api/budgets").json()["budgets"]]
    assert names[:2] == ["fair use", "Support bot"]


def test_page_twins_and_api_have_the_same_figures(client: TestClient):
    told = client.get("/api/budgets").json()
    assert client.get("/budgets.json").json() == told
    rows = list(csv.DictReader(io.StringIO(client.get("/budgets.csv").text)))
    assert [(row["id"], row["left_usd"]) for row in rows] == [
        (one["id"], one["left_usd"] or "") for one in told["budgets"]
    ]
    one = client.get("/api/budgets/fair use").json()
    assert client.get(f"/budgets/{one['budget']['id']}.json").json() == one
    values = list(csv.DictReader(io.StringIO(client.get("/budgets/fair use.csv").text)))
    assert {row["value"]: row["left_usd"] for row in values} == {"acme": "0.4", "<b>bold</b>": "0"}


@pytest.mark.parametrize("name", ["Support bot", "Europe", "fair use"])
def test_the_calls_that_a_budget_opens_to_are_those_of_the_books(client: TestClient, name: str):
    told = client.get(f"/api/budgets/{name}").json()
    parameters = [
        ("period", told["budget"]["period"]),
        ("by", "model"),
        *(("filter", f) for f in told["budget"]["filters"]),
    ]
    costs = client.get("/api/costs", params=parameters).json()
    assert told["books_usd"] == costs["totals"]["list_cost"]
    html = unescape(client.get(f"/budgets/{name}").text)
    who = re.findall(r"Who spent it, by (\w+)", html)
    assert set(who) == {"feature", "customer", "key"} - {one.partition("=")[0] for one in told["budget"]["where"]}


def test_every_link_of_a_budget_leads_to_just_its_calls(client: TestClient):
    html = client.get("/budgets/Support bot").text
    links = [unescape(link) for link in re.findall(r'href="(/(?:calls|explore)[^"]*filter[^"]*)"', html)]
    assert len(links) > 5
    assert all("feature%3Dsupport-bot" in link and "period=2026-11-01T" in link for link in links)
    assert [link for link in links if client.get(link).status_code != 200] == []


def test_the_page_of_a_foreign_currency_says_its_rate_with_source_and_date(client: TestClient):
    html = unescape(client.get("/budgets/Europe").text)
    assert "1 EUR = 1.08 USD, ECB, 2026-11-01" in html
    assert "€" in html
    told = client.get("/api/budgets/Europe").json()
    assert told["rate"] == {"usd": "1.08", "source": "ECB", "as_of": "2026-11-01"}
    assert (told["budget"]["limit"], told["first_limit"], told["changes"][0]["reason"]) == ("1000", "900", "launch")
    assert told["budget"]["overshoot_usd"] == "108"


def test_the_forecast_is_one_sentence_with_its_basis_and_an_interval(client: TestClient):
    told = client.get("/api/budgets/Support bot").json()["forecast"]
    assert "each day's hours as on its weekday" in told["basis"]
    assert told["state"] in ("holds", "exhausts")
    assert Decimal(told["end_low_usd"]) <= Decimal(told["end_usd"]) <= Decimal(told["end_high_usd"])
    assert Decimal("14.25") <= Decimal(told["end_low_usd"])
    assert told["said"][0].upper() + told["said"][1:] in unescape(client.get("/budgets").text)


def test_a_budget_that_is_not_in_force_now_says_so_instead_of_zero(client: TestClient):
    told = client.get("/api/budgets/next year").json()
    assert (told["budget"]["limit_usd"], told["budget"]["left_usd"]) == (None, None)
    html = client.get("/budgets/next year").text
    assert html.count("none now") == 2
    assert "No limit now" in html


def test_what_is_held_is_drawn_apart_from_what_is_spent(client: TestClient):
    html = client.get("/budgets/Support bot").text
    assert html.count('<rect class="held"') == 1
    assert '<rect class="held"' not in client.get("/budgets/nothing yet").text


def test_an_unknown_budget_is_told_as_one(client: TestClient):
    answer = client.get("/api/budgets/nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_budget")
    assert client.get("/budgets/nobody").status_code == 404


def test_without_budgets_the_page_shows_the_one_command(empty_client: TestClient):
    html = unescape(empty_client.get("/budgets").text)
    assert "No budgets yet" in html
    assert "budgets create everything --limit 500" in html
    assert empty_client.get("/api/budgets").json() == {"budgets": []}


def test_an_approval_is_given_by_the_page_or_the_api_and_shown(client: TestClient):
    context = client.app.state.context
    store = context.budgets()
    known = store.all()[0]
    store.set_thresholds(known.budget_id, (parse_threshold("1:throttle=7"), parse_threshold("2:approve")), actor="test")
    page = client.get(f"/budgets/{known.budget_id}").text
    assert "7 calls a minute" in page
    assert "Approve for this window" in page
    form = {"csrf": context.csrf, "id": known.budget_id, "reason": "launch"}
    assert client.post("/budgets/approve", data=form | {"csrf": "x"}).status_code == 403
    answer = client.post("/budgets/approve", data=form, headers={"origin": "null"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/budgets/{known.budget_id}")
    page = client.get(f"/budgets/{known.budget_id}").text
    assert "approved" in page
    assert "Approve for this window" not in page
    told = client.post(f"/api/budgets/{known.budget_id}/approve", json={"reason": "more"}).json()
    assert [one["approved_by"] for one in told["thresholds"]] == ["", "console"]
    assert client.post(f"/api/budgets/{known.budget_id}/approve", json={"percent": 1}).json()["code"] == "bad_budget"
    store.set_thresholds(known.budget_id, known.thresholds, actor="test")


def test_thresholds_and_their_actions_are_set_over_the_api(client: TestClient):
    store = client.app.state.context.budgets()
    known = store.all()[0]
    address = f"/api/budgets/{known.budget_id}/thresholds"
    told = client.post(address, json={"thresholds": ["90:approve", "80:throttle=30", "50", "50"]}).json()
    assert [one["percent"] for one in told["thresholds"]] == [50, 80, 90]
    assert [one.action for one in store.find(known.budget_id).thresholds] == ["alert", "throttle", "approve"]
    for wrong in (["80:explode"], ["0"], ["50"] * 3 + [str(percent) for percent in range(1, 20)]):
        assert client.post(address, json={"thresholds": wrong}).json()["code"] == "bad_budget"
    assert client.post("/api/budgets/nobody/thresholds", json={"thresholds": []}).status_code == 404
    assert client.post(address, json={"threshold": []}).status_code == 400
    store.set_thresholds(known.budget_id, known.thresholds, actor="test")


def test_a_planned_event_counts_in_when_a_budget_will_be_exhausted(client: TestClient):
    def told() -> dict[str, Any]:
        return client.get("/api/budgets/Support bot").json()["forecast"]

    before = told()
    terms = {"start": "2026-11-24", "percent": "300", "scope": "feature=support-bot"}
    elsewhere = {"start": "2026-11-24", "percent": "300", "scope": "feature=nobody"}
    made = [client.post("/api/plans", json={"name": name, "terms": one}).json()["plan_id"]
            for name, one in (("big launch", terms), ("elsewhere", elsewhere))]  # fmt: skip
    try:
        after = told()
        assert after["planned"] == ["big launch"]
        assert "with what is planned" in after["said"]
        more = Decimal(after["end_usd"]) - Decimal(before["end_usd"])
        assert more > 2 * (Decimal(before["end_usd"]) - Decimal("14.25"))
        assert "with what is planned" in client.get("/budgets/Support bot").text
    finally:
        for one in made:
            client.delete(f"/api/plans/{one}")
    assert told() == before
