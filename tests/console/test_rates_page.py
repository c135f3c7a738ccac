"""Exchange rates on page, twins and API."""

import csv
import io

from litestar.testing import TestClient

from bursar.console.context import ConsoleContext

FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_an_empty_page_says_how_rates_come_in(empty_client: TestClient):
    page = empty_client.get("/rates").text
    assert "No exchange rates yet" in page
    assert "bursar rates add USD INR" in page


def test_a_rate_added_by_the_form_is_on_the_page_its_twins_and_the_api(client: TestClient, context: ConsoleContext):
    form = {"csrf": context.csrf, "act": "add", "day": "2026-11-20", "currency": "usd", "into": "inr",
            "rate": "89.1250", "source": "FBIL <b>", "for_gst": "yes", "for_report": "yes"}  # fmt: skip
    assert client.post("/rates/change", data=form, follow_redirects=False).status_code == 303
    page = client.get("/rates").text
    assert "FBIL &lt;b&gt;" in page
    assert '<td class="num"><b>89.125</b></td>' in page
    rows = list(csv.DictReader(io.StringIO(client.get("/rates.csv").text)))
    assert {(row["rate"], row["purpose"]) for row in rows} >= {("89.125", "gst"), ("89.125", "report")}
    told = client.get("/api/rates/on?currency=USD&into=INR&day=2026-11-22&purpose=gst").json()
    assert (told["state"], told["rate"], told["day"], told["age_days"]) == ("known", "89.125", "2026-11-20", 2)


def test_an_unknown_rate_is_null_and_says_so(client: TestClient):
    told = client.get("/api/rates/on?currency=USD&into=CHF&day=2026-11-22&purpose=books").json()
    assert (told["state"], told["rate"]) == ("unknown", None)


def test_a_file_comes_in_by_the_api_once(client: TestClient):
    sent = {"content": "date,currency,rate\n2026-11-19,EUR,102.5\n", "source": "RBI", "purposes": ["books"],
            "into": "INR"}  # fmt: skip
    assert client.post("/api/rates/import", json=sent).json() == {"added": 1, "already": 0}
    assert client.post("/api/rates/import", json=sent).json() == {"added": 0, "already": 1}
    wrong = client.post("/api/rates/import", json=sent | {"content": "date,currency,rate\n2026-11-19,EUR,x\n"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_control")
    assert "line 2" in wrong.json()["detail"]


def test_a_form_of_another_page_changes_nothing(client: TestClient):
    assert client.post("/rates/change", data={"act": "add", "csrf": "x"}).status_code == 403
