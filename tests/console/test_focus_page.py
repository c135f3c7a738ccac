"""FOCUS files on the page and in the API: months out, bills in, all or nothing."""

import csv
import io

from litestar.testing import TestClient
from tests.finance.focus.test_importing import HEAD, row

from bursar.console.context import ConsoleContext

CSV = {"content-type": "text/csv"}


def as_csv(*rows: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([HEAD, *rows])
    return out.getvalue().encode()


def test_a_month_is_a_file_whose_sums_are_the_pages(client: TestClient):
    told = client.get("/focus.json").json()
    november = next(month for month in told["months"] if month["month"] == "2026-11")
    answer = client.get(november["csv_url"])
    assert answer.headers["content-disposition"] == 'attachment; filename="focus-2026-11.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert str(len(rows)) == answer.headers["x-bursar-rows"]
    assert f"{sum(float(one['BilledCost']) for one in rows):.6f}" == f"{float(november['billed_cost']):.6f}"
    assert answer.headers["x-bursar-unpriced"] == str(november["unpriced_count"])
    listed = list(csv.DictReader(io.StringIO(client.get(november["unpriced_url"]).text, newline="")))
    assert sum(int(one["x_UnpricedCount"]) for one in listed) == november["unpriced_count"] > 0
    assert client.get(november["parquet_url"]).content[:4] == b"PAR1"


def test_no_file_is_left_behind(client: TestClient, context: ConsoleContext):
    client.get("/api/focus/export?period=2026-11&split=customer")
    assert list((context.spool_dir.parent / "exports").iterdir()) == []


def test_what_can_not_be_asked_is_told(client: TestClient):
    assert client.get("/api/focus/export?format=xml").json()["field"] == "format"
    assert client.get("/api/focus/export?split=model").json()["code"] == "bad_query"
    assert client.get("/api/focus/export?period=soon").json()["code"] == "bad_period"


def test_a_bill_comes_in_by_the_api_and_is_seen_by_source_alone(client: TestClient):
    before = client.get("/api/costs?period=2026-11").json()["totals"]
    sent = as_csv(row("12.5", month="2026-11"), row("1", service="Storage", month="2026-11"))
    assert client.post("/api/focus/import?name=cloud.csv", content=sent, headers=CSV).json()["added"] == 2
    assert client.post("/api/focus/import?name=cloud.csv", content=sent, headers=CSV).json()["added"] == 0
    assert client.get("/api/costs?period=2026-11").json()["totals"] == before
    imported = client.get("/api/costs?period=2026-11-30&by=upstream&filter=source%3Dimported").json()
    costs = {one["keys"][0]: one["effective_cost"] for one in imported["rows"]}
    assert costs == {"Compute": "12.5", "Storage": "1"}
    assert client.get("/api/focus/imports").json()[0]["file_name"] == "cloud.csv"
    page = client.get("/focus").text
    assert "cloud.csv" in page
    assert "Cloud Co" in page


def test_lines_that_do_not_fit_are_told_and_nothing_is_imported(client: TestClient):
    sent = as_csv(row("5", month="2026-11", service="New"), row("$5", month="2026-11"))
    told = client.post("/api/focus/import?name=bad.csv", content=sent, headers=CSV).json()
    assert (told["added"], told["fault_count"], told["faults"][0]["line"]) == (0, 1, 3)
    assert "bad.csv" not in client.get("/api/focus/imports").text
    answer = client.post("/api/focus/import", content=b"a,b\n1,2\n", headers=CSV)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_focus_file")


def test_a_bill_comes_in_by_the_form_with_the_pages_token(client: TestClient, context: ConsoleContext):
    files = {"file": ("form.csv", as_csv(row("3", month="2026-11", service="By form")), "text/csv")}
    assert client.post("/focus/import", data={"csrf": "x"}, files=files).status_code == 403
    sent = client.post("/focus/import", data={"csrf": context.csrf}, files=files, follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (303, "/focus?added=1#imports")
    wrong = {"file": ("form.csv", as_csv(row("x")), "text/csv")}
    refused = client.post("/focus/import", data={"csrf": context.csrf}, files=wrong)
    assert refused.status_code == 400
    assert "line 2: BilledCost" in refused.text


def test_no_other_site_can_send_a_bill(client: TestClient):
    for headers in ({"content-type": "text/plain"}, {**CSV, "origin": "https://example.org"},
                    {**CSV, "sec-fetch-site": "cross-site"}):  # fmt: skip
        assert client.post("/api/focus/import", content=as_csv(row()), headers=headers).status_code == 403


def test_an_empty_console_has_nothing_to_export(empty_client: TestClient):
    page = empty_client.get("/focus").text
    assert "there is nothing to export" in page
    assert empty_client.get("/api/focus/export").text.count("\n") == 1
