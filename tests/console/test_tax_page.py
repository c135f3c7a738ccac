"""Tax on its page, its twins, its files and the API."""

import csv
import io

import pytest
from litestar.testing import TestClient
from tests.finance.tax.world import fill

from bursar.console.context import ConsoleContext


@pytest.fixture(scope="module", autouse=True)
def filled(context: ConsoleContext) -> None:
    fill(context.finance().taxes)


def test_an_empty_page_says_how_documents_come_in(empty_client: TestClient):
    page = empty_client.get("/tax").text
    assert "No tax documents yet" in page
    assert "tax import bills.csv" in page
    assert "First say who pays" in page


def test_the_page_its_twins_and_the_api_say_the_same(client: TestClient):
    page = client.get("/tax?month=2026-11").text
    assert "₹2,89,386.06" in page
    told = client.get("/tax.json?month=2026-11").json()
    assert told == client.get("/api/tax/worksheet?month=2026-11").json()
    rows = list(csv.DictReader(io.StringIO(client.get("/tax.csv?month=2026-11").text)))
    assert [row["amount"] for row in rows] == [one["amount"] or "" for one in told["duties"]]
    for total in told["totals"]:
        assert any(one["section"] == total["section"] for one in told["duties"])


def test_a_document_opens_to_every_figure_with_its_rules(client: TestClient):
    page = client.get("/tax/ANT-1042").text
    assert "232292.93" in page
    assert "IN-TDS-11" in page
    told = client.get("/tax/ANT-1042.json").json()
    assert told["results"]["grossed_up_inr"] == "1116792.93"
    assert all(one["rules"] for one in told["figures"])
    assert "Not computed" in client.get("/tax/ANT-PRE").text
    assert client.get("/tax/nothing").status_code == 404


@pytest.mark.parametrize(("name", "starts"), [("worksheet.pdf", b"%PDF"), ("worksheet.xlsx", b"PK")])
def test_the_sheet_is_a_file(client: TestClient, name, starts):
    answer = client.get(f"/tax/2026-11/{name}")
    assert answer.status_code == 200
    assert answer.content.startswith(starts)
    assert client.get("/tax/2026-11/worksheet.doc").status_code == 404
    assert client.get(f"/tax/never/{name}").status_code == 400


def test_the_forms_keep_what_was_typed_and_refuse_strangers(client: TestClient, context: ConsoleContext):
    form = {"csrf": context.csrf, "act": "document", "name": "BY-HAND <1>", "payer": "Acme India",
            "entity": "OpenAI OpCo, LLC", "amount": "100.00", "invoice_currency": "USD", "payment_date": "2026-09-20",
            "inputs": "fx_gst_policy_rate=88\nfx_tds_ttbr=88"}  # fmt: skip
    assert client.post("/tax/change", data=form, follow_redirects=False).status_code == 303
    assert "BY-HAND &lt;1&gt;" in client.get("/tax?month=2026-09").text
    assert client.get("/api/tax/worksheet?month=2026-09").json()["totals"][0]["amount"] == "8800.00"
    assert client.post("/tax/change", data=form | {"csrf": "x"}).status_code == 403
    wrong = client.post("/tax/change", data=form | {"inputs": "colour=red"})
    assert wrong.status_code == 400
    assert "colour" in wrong.text
    gone = {"csrf": context.csrf, "act": "remove", "kind": "document", "name": "BY-HAND <1>"}
    assert client.post("/tax/change", data=gone, follow_redirects=False).status_code == 303
    assert "BY-HAND" not in client.get("/tax?month=2026-09").text


def test_the_api_computes_keeps_lists_and_removes(client: TestClient):
    case = {"jurisdiction": "DE", "inputs": {"invoice_net_eur": "8000.00", "vendor_country": "IE", "rate": "0.19"}}
    assert client.post("/api/tax/compute", json=case).json()["results"]["output_vat_eur"] == "1520.00"
    wrong = client.post("/api/tax/compute", json={"jurisdiction": "DE", "inputs": {"colour": "red"}})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_tax")
    terms = {"vendor": "Mistral", "country": "FR"}
    kept = client.post("/api/tax/records/entity/Mistral AI", json=terms).json()
    assert (kept["version"], kept["terms"]["country"]) == (1, "FR")
    assert "Mistral AI" in {one["name"] for one in client.get("/api/tax/records/entity").json()}
    assert len(client.get("/api/tax/records/entity/Mistral AI").json()) == 1
    assert client.delete("/api/tax/records/entity/Mistral AI").json() == {"removed": "Mistral AI"}
    sent = {"content": "number,payer,amount_eur,invoice_date\nF-1,Acme GmbH,10.00,2026-08-01\n"}
    assert client.post("/api/tax/import", json=sent).json() == {"changed": 1}
    assert client.post("/api/tax/import", json=sent).json() == {"changed": 0}
    assert len(client.get("/api/tax/rules?on=2026-11-12").json()) > 200
