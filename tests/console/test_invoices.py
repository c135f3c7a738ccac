"""Invoices as pages, twins and API: a bill comes in, its differences are shown, decided and posted."""

import base64
import re
from datetime import UTC, datetime

import pytest
from litestar.testing import TestClient
from tests.console.conftest import make_context

from bursar.bench.reconcile_cases import make_cases
from bursar.bench.reconcile_planted import fill_ledger
from bursar.console.app import create_app
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.explore.query import Explorer

CASES = make_cases(5)
OPENAI = CASES[0]
AWS_MARKET = CASES[6]


@pytest.fixture(scope="module")
def console(tmp_path_factory, book):
    directory = tmp_path_factory.mktemp("invoices")
    context = make_context(directory, book, history=False)
    context.ledger.close()
    (directory / "world").mkdir()
    context.ledger = fill_ledger(CASES, directory / "world")
    context.explorer = Explorer(context.ledger)
    context.clock = FixedClock(us_from_datetime(datetime(2027, 1, 20, tzinfo=UTC)))
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        yield client, context
    context.ledger.close()


@pytest.fixture(scope="module")
def bill(console):
    client, _ = console
    for name, targets in (("key_a1", ["vk_openai_a"]), ("key_b2", ["vk_openai_b"])):
        said = {"provider": "openai", "name": name, "targets": targets}
        assert client.put("/api/bill-keys", json=said).status_code == 200
    done = client.post("/api/invoices", json={"name": "costs.json", "content": OPENAI.files[0].decode()})
    assert done.status_code == 201, done.text
    assert (done.json()["format"], done.json()["faults"]) == ("openai", [])
    return done.json()["invoices"][0]


def form(context, client, target="/invoices/change", **fields):
    return client.post(target, data={"csrf": context.csrf, **fields}, follow_redirects=False)


def test_a_console_without_bills_says_how_to_bring_one_in(empty_client):
    page = empty_client.get("/invoices")
    assert page.status_code == 200
    assert "No bill yet" in page.text
    assert "Explained" not in empty_client.get("/").text


def test_the_page_has_a_row_for_each_bill_and_opens_it(console, bill):
    client, _ = console
    page = client.get("/invoices").text
    assert f"/invoices/{bill}" in page
    one = client.get(f"/invoices/{bill}").text
    for said in ("Missing here", "Price differs", "Not through Bursar", "Billed too much", "Other service tier", "Tax"):
        assert said in one
    assert "the causes add up to the difference" in one


def test_the_twins_and_the_api_say_the_same_and_add_up(console, bill):
    client, _ = console
    told = client.get(f"/api/invoices/{bill}").json()
    assert client.get(f"/invoices/{bill}.json").json() == told
    pico = round(sum(float(one["money"]) for one in told["variances"]) * 10**9)
    assert pico == round(float(told["bill"]["difference"]) * 10**9)
    csv = client.get(f"/invoices/{bill}.csv").text.splitlines()
    assert len(csv) == 1 + sum(len(one["cells"]) for one in told["variances"])
    assert client.get("/api/invoices").json()[0]["invoice_id"] == bill
    assert client.get("/api/invoices?format=csv").text.count("\n") == 1 + len(client.get("/api/invoices").json())


def test_a_figure_of_a_bill_opens_to_the_calls_behind_it(console, bill):
    client, _ = console
    page = client.get(f"/invoices/{bill}").text
    links = re.findall(r'href="(/calls\?[^"]+)"', page)
    assert links
    assert client.get(links[0].replace("&amp;", "&")).status_code == 200


def test_overview_has_the_share_that_is_explained(console, bill):
    client, _ = console
    page = client.get("/?period=2026-01").text
    assert re.search(r'href="/invoices"><div class="label">Explained</div><div class="value">9\d', page)


def test_an_accepted_difference_is_posted_and_says_so(console, bill):
    client, context = console
    told = client.get(f"/api/invoices/{bill}").json()
    one = next(one for one in told["variances"] if one["cause"] == "missing_attempt")
    done = form(context, client, act="accepted", bill=bill, variance=one["variance_id"])
    assert (done.status_code, done.headers["location"]) == (303, f"/invoices/{bill}")
    after = client.get(f"/api/invoices/{bill}").json()
    assert {each["variance_id"]: each["state"] for each in after["variances"]}[one["variance_id"]] == "posted"
    assert after["posted"] == one["money"]
    assert "posted" in client.get(f"/invoices/{bill}").text


def test_a_decision_by_the_api(console, bill):
    client, _ = console
    told = client.get(f"/api/invoices/{bill}").json()
    by_cause = {one["cause"]: one["variance_id"] for one in told["variances"]}
    done = client.post(f"/api/invoices/{bill}/decide", json={"variance": by_cause["theirs"], "act": "ignored"})
    assert done.status_code == 201
    refused = client.post(f"/api/invoices/{bill}/decide", json={"variance": by_cause["tax"]})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_control")
    gone = client.post(f"/api/invoices/{bill}/decide", json={"variance": "va_0"})
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_control")


def test_a_file_is_uploaded_by_the_form(console):
    client, context = console
    files = {"file": ("cur.parquet", AWS_MARKET.files[0], "application/octet-stream")}
    sent = client.post("/uploads", data={"csrf": context.csrf, "for": "bills"}, files=files, follow_redirects=False)
    assert sent.status_code == 303, sent.text
    seen = sent.headers["location"]
    assert "read as aws-cur" in client.get(seen).text
    fields = {"csrf": context.csrf, "upload": seen.rsplit("/", 1)[1], "act": "keep"}
    kept = client.post("/uploads/change", data=fields, follow_redirects=False)
    done = re.search(r'href="(/invoices/[^"]+)"', client.get(kept.headers["location"]).text)
    assert done
    assert client.get(seen).text.count("/invoices/") >= 1
    page = client.get(done[1]).text
    assert "aws" in page
    assert "cur.parquet" in page


def test_a_form_of_somebody_else_is_refused(console, bill):
    client, _ = console
    refused = client.post("/invoices/change", data={"csrf": "guess", "act": "accept-all", "bill": bill})
    assert refused.status_code == 403
    files = {"file": ("x", b"x", "text/plain")}
    assert client.post("/uploads", data={"csrf": "guess", "for": "bills"}, files=files).status_code == 403
    foreign = {"origin": "https://evil.example"}
    assert client.post("/uploads", data={"csrf": "x"}, files=files, headers=foreign).status_code == 403


def test_a_total_is_typed_in(console):
    client, context = console
    typed = {"provider": "acme", "first": "2026-10-01", "last": "2026-10-31", "amount": "1,200.50", "tax": "216.09"}
    done = form(context, client, act="typed", **typed)
    assert done.status_code == 303
    told = client.get(done.headers["location"].replace("/invoices/", "/api/invoices/")).json()
    assert {one["cause"]: one["money"] for one in told["variances"]} == {"tax": "216.09", "missing_attempt": "1200.5"}


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"name": "x", "content": "{}"}, "file"),
        ({"name": "x", "content": "a,b\n1,2\n", "format": "nobody's"}, "format"),
        ({"name": "x", "base64": "***"}, "base64"),
        ({"name": "x", "base64": "ééé"}, "base64"),
    ],
)
def test_what_is_no_bill_is_refused_with_its_field(console, sent, field):
    client, _ = console
    refused = client.post("/api/invoices", json=sent)
    assert refused.status_code in (400, 404)
    assert refused.json()["field"] == field


def test_a_mapping_is_kept_and_used(console):
    client, _ = console
    mapping = {"columns": {"date": "Day", "model": "M", "amount": "Cost"}, "provider": "acme"}
    kept = client.put("/api/bill-mappings", json={"name": "acme csv", "mapping": mapping})
    assert kept.json()["acme csv"]["provider"] == "acme"
    content = base64.b64encode(b"Day,M,Cost\n2026-09-01,big,1.25\n").decode()
    done = client.post("/api/invoices", json={"name": "acme.csv", "base64": content, "format": "acme csv"}).json()
    assert (done["format"], done["fresh"]) == ("acme csv", 1)
    assert client.post("/api/invoices", json={"name": "b", "base64": content, "format": "acme csv"}).json()["again"]


def test_a_bill_becomes_a_tax_document_from_its_page(console):
    client, context = console
    typed = {"provider": "acme", "first": "2026-07-01", "last": "2026-07-31", "amount": "80", "tax": "2"}
    bill = client.post("/api/invoices/typed", json=typed).json()["invoices"][0]
    assert "First say who pays" in client.get(f"/invoices/{bill}").text
    for name, terms in (("payer/Acme India", {"jurisdiction": "IN"}),
                        ("entity/Acme AI <Inc>", {"vendor": "Acme", "country": "US"})):  # fmt: skip
        assert client.post(f"/api/tax/records/{name}", json=terms).status_code == 200
    page = client.get(f"/invoices/{bill}").text
    assert "Make it a tax document" in page
    said = {"act": "tax", "bill": bill, "number": "A/7 <b>", "invoice_date": "2026-08-02"}
    refused = form(context, client, **said)
    assert refused.status_code == 400
    assert "although_open" in refused.text
    assert form(context, client, **{**said, "csrf": "guess"}).status_code == 403
    done = form(context, client, **said, although_open="yes")
    assert (done.status_code, done.headers["location"]) == (303, "/tax/A~2F7%20%3Cb%3E")
    assert f"/invoices/{bill}#tax" in client.get(done.headers["location"]).text
    assert client.get(f"{done.headers['location']}.json").json()["code"] == "bad_tax"  # no rate is kept for the day
    assert f'href="{done.headers["location"]}.json' in client.get(done.headers["location"]).text
    assert "A/7 &lt;b&gt;" in client.get(f"/invoices/{bill}").text
    told = client.get(f"/api/invoices/{bill}/tax").json()
    assert (told["document"], told["version"], told["news"]) == ("A/7 <b>", 1, "")
    assert client.post("/api/invoices/typed", json={**typed, "amount": "90"}).status_code == 201
    assert "says 90.00 USD with tax 2.00 now" in client.get(done.headers["location"]).text
    assert "Take the bill again" in client.get(f"/invoices/{bill}").text
    assert "says 90.00 USD" in client.get("/tax?month=2026-08").text
    again = client.post(f"/api/invoices/{bill}/tax", json={"although_open": True}).json()
    assert (again["version"], again["news"]) == (2, "")
    kept = form(context, client, act="tax", bill=bill, payment_date="2026-08-20", although_open="yes")
    assert kept.status_code == 303
    assert "2026-08-20" in client.get(kept.headers["location"]).text
    assert client.get("/api/invoices/bill_none/tax").status_code == 404
    assert form(context, client, act="withdraw", bill=bill).status_code == 303
    assert "This bill is withdrawn" in client.get(f"/invoices/{bill}").text
    assert "is withdrawn" in client.get(done.headers["location"]).text
    assert bill not in {one["invoice_id"] for one in client.get("/api/invoices").json()}
    assert client.post(f"/api/invoices/{bill}/withdraw", json={}).json()["code"] == "bad_control"


def test_a_rate_is_said_and_taken_back(console):
    client, _ = console
    typed = {"provider": "acme", "first": "2026-08-01", "last": "2026-08-31", "amount": "100", "currency": "EUR"}
    bill = client.post("/api/invoices/typed", json=typed).json()["invoices"][0]
    listed = client.get("/invoices").text
    assert "EUR 100</span> on the bill" in listed
    assert "1 more, not compared" in listed
    told = client.get(f"/api/invoices/{bill}").json()["bill"]
    assert "EUR" in told["fault"]
    assert (told["billed"], told["difference"], told["open_count"]) == (None, None, None), "unknown, and not zero"
    assert "EUR" in client.get(f"/invoices/{bill}").text
    done = client.put(f"/api/invoices/{bill}/rate", json={"rate": "0.8"}).json()
    assert (done["bill"]["fault"], done["bill"]["billed"]) == ("", "125")
    assert client.put(f"/api/invoices/{bill}/rate", json={"rate": "-1"}).json()["field"] == "rate"
    assert client.put(f"/api/invoices/{bill}/rate", json={"rate": None}).json()["bill"]["rate"] is None
