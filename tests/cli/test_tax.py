"""`bursar tax` as a person types it."""

import csv
import io
import json
from pathlib import Path

CASE = {"jurisdiction": "IN", "id": "one", "inputs": {
    "vendor_country": "US", "amount_usd": "10000.00", "payment_date": "2026-11-12", "self_invoice_date": "2026-11-12",
    "fx_gst_policy_rate_on_2026_11_12": "89.1250", "tds_position": "not_chargeable"}}  # fmt: skip
GOLDEN = Path(__file__).parents[1] / "finance" / "tax" / "tax_golden.json"


def test_a_case_is_computed_and_what_was_expected_is_compared(bursar, tmp_path):
    file = tmp_path / "case.json"
    file.write_text(json.dumps(CASE | {"expected": {"igst_rcm_inr": "160425.00"}}))
    told = bursar("tax", "compute", str(file))
    assert told.code == 0
    assert "160425.00" in told.out
    file.write_text(json.dumps(CASE | {"expected": {"igst_rcm_inr": "1.00"}}))
    assert bursar("tax", "compute", str(file)).code == 1
    rows = list(csv.DictReader(io.StringIO(bursar("tax", "compute", str(file), "--format", "csv").out)))
    assert {row["key"]: row["value"] for row in rows}["gstr3b_due"] == "2026-12-20"


def test_the_golden_file_is_computed_whole(bursar):
    told = bursar("tax", "compute", str(GOLDEN), "--format", "json")
    assert told.code == 0
    assert [one["checked"]["differ"] for one in json.loads(told.out)] == [{}] * 5


def test_a_case_that_cannot_be_computed_is_told_and_hides_no_other(bursar, tmp_path):
    file = tmp_path / "cases.json"
    wrong = CASE | {"id": "two", "inputs": {**CASE["inputs"], "colour": "red"}}
    file.write_text(json.dumps([wrong, CASE]))
    told = bursar("tax", "compute", str(file), "--format", "json")
    first, second = json.loads(told.out)
    assert (told.code, first["id"], first["error"]["field"]) == (2, "two", "colour")
    assert second["results"]["igst_rcm_inr"] == "160425.00"
    assert "case two: colour" in bursar("tax", "compute", str(file)).err


def test_what_cannot_be_read_is_wrong_usage_and_names_the_field(bursar, tmp_path):
    file = tmp_path / "case.json"
    file.write_text(json.dumps(CASE | {"inputs": {**CASE["inputs"], "colour": "red"}}))
    told = bursar("tax", "compute", str(file))
    assert (told.code, "colour" in told.err) == (2, True)
    assert bursar("tax", "compute", str(file), "--lenient").code == 0
    assert bursar("tax", "compute", str(tmp_path / "none.json")).code == 2
    assert bursar("tax", "worksheet", "--month", "soon").code == 2


def test_rules_are_listed_with_their_words(bursar):
    told = bursar("tax", "rules", "--match", "IN-GST-06", "--format", "json")
    assert {one["id"] for one in json.loads(told.out)} == {"IN-GST-06", "IN-GST-06a"}
    assert "Ireland" in bursar("tax", "rules", "--match", "in.treaty", "--format", "csv").out


def test_a_document_is_kept_and_stands_on_the_months_sheet(bursar, tmp_path):
    for kind, name, terms in (
        ("payer", "Acme India", {"jurisdiction": "IN"}),
        ("entity", "OpenAI OpCo, LLC", {"vendor": "OpenAI", "country": "US"}),
    ):
        file = tmp_path / f"{kind}.json"
        file.write_text(json.dumps(terms))
        assert f"{kind} {name}: version 1" in bursar("tax", "set", kind, name, str(file)).err
    bills = tmp_path / "bills.csv"
    bills.write_text(
        "Invoice no,payer,entity,amount_usd,payment_date,fx_gst_policy_rate_on_2026_11_12\n"
        'I-1,Acme India,"OpenAI OpCo, LLC",10000.00,2026-11-12,89.1250\n'
    )
    assert "1 new or changed" in bursar("tax", "import", str(bills), "--map", "Invoice no=number").err
    xlsx, pdf = tmp_path / "sheet.xlsx", tmp_path / "sheet.pdf"
    told = bursar("tax", "worksheet", "--month", "2026-11", "--xlsx", str(xlsx), "--pdf", str(pdf), "--format", "json")
    duties = json.loads(told.out)
    assert [one["amount"] for one in duties if one["section"] == "pay"] == ["160425.00"]
    assert [one["what"] for one in duties if one["section"] == "decide"] == [
        "whether to withhold: no position is kept for this vendor"
    ]
    assert xlsx.read_bytes().startswith(b"PK")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert "₹1,60,425.00" in bursar("tax", "worksheet", "--month", "2026-11").out
    assert "I-1" in bursar("tax", "list", "document").out
    assert "is removed" in bursar("tax", "remove", "document", "I-1").err
    assert "nothing is due" in bursar("tax", "worksheet", "--month", "2026-11").err
