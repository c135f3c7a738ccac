"""`bursar invoices`: a bill comes in, is compared, and what is accepted is posted."""

import json

from bursar.bench.reconcile_bills import openai_costs, plain_csv
from bursar.bench.reconcile_cases import make_cases

TRAFFIC = make_cases(5)[0].traffic


def made(bursar, tmp_path):
    file = tmp_path / "costs.json"
    file.write_bytes(openai_costs(TRAFFIC, with_quantity=True))
    done = bursar("invoices", "import", str(file), "--format", "json")
    assert done.code == 0, done.err
    return json.loads(done.out)["invoices"][0]


def test_a_bill_is_imported_listed_and_shown(bursar, tmp_path):
    bill = made(bursar, tmp_path)
    assert "the same file came in before" in bursar("invoices", "import", str(tmp_path / "costs.json")).err
    shown = bursar("invoices", "show", bill)
    assert shown.code == 0, shown.err
    assert "Tax" in shown.out
    assert bill in bursar("invoices", "list").out
    assert bursar("invoices", "list", "--format", "csv").out.startswith("invoice_id,provider,account,month")
    assert bursar("invoices", "show", bill, "--format", "csv").out.startswith("variance_id,cause,first")
    assert bursar("invoices", "reconcile", bill).code == 1


def test_a_difference_is_accepted_and_posted(bursar, tmp_path):
    bill = made(bursar, tmp_path)
    told = json.loads(bursar("invoices", "show", bill, "--format", "json").out)
    by_cause = {one["cause"]: one["variance_id"] for one in told["variances"]}
    wanted = next(one for cause, one in by_cause.items() if cause != "tax")
    assert "is posted" in bursar("invoices", "accept", bill, wanted, "--note", "seen").err
    refused = bursar("invoices", "accept", bill, by_cause["tax"])
    assert refused.code == 2
    assert "tax isn't posted" in refused.err
    after = json.loads(bursar("invoices", "show", bill, "--format", "json").out)
    assert {one["variance_id"]: one["state"] for one in after["variances"]}[wanted] == "posted"
    other = next((one["variance_id"] for one in after["variances"] if one["state"] == "open"), None)
    if other is not None:
        assert "is ignored" in bursar("invoices", "ignore", bill, other).err


def test_a_total_a_rate_and_a_key_are_said(bursar):
    typed = ("invoices", "total", "acme", "100", "--first", "2026-08-01", "--last", "2026-08-31", "--currency", "EUR")
    bill = json.loads(bursar(*typed, "--format", "json").out)["invoices"][0]
    assert "can't be compared" in bursar("invoices", "show", bill).err
    assert "0.8" in bursar("invoices", "rate", bill, "0.8").err
    assert "125" in bursar("invoices", "show", bill).out
    assert "the rate for the books" in bursar("invoices", "rate", bill, "-").err
    assert "vk_1" in bursar("invoices", "key", "acme", "key_abc", "--is", "vk_1").err
    assert "is no day" in bursar(*typed[:4], "--first", "soon", "--last", "2026-08-31").err


def test_a_bill_becomes_a_tax_document(bursar, tmp_path):
    typed = ("invoices", "total", "acme", "100", "--first", "2026-08-01", "--last", "2026-08-31", "--format", "json")
    bill = json.loads(bursar(*typed).out)["invoices"][0]
    missing = bursar("invoices", "tax", bill)
    assert missing.code == 2
    assert "number:" in missing.err
    for kind, name, terms in (("payer", "Acme India", {"jurisdiction": "IN"}),
                              ("entity", "Acme AI Inc", {"vendor": "Acme", "country": "US"})):  # fmt: skip
        file = tmp_path / "terms.json"
        file.write_text(json.dumps(terms))
        assert bursar("tax", "set", kind, name, str(file)).code == 0
    said = ("--number", "A-7", "--date", "2026-09-02", "--although-open", "--input", "payment_date=2026-09-10")
    made = json.loads(bursar("invoices", "tax", bill, *said, "--format", "json").out)
    assert (made["document"], made["version"], made["is_new"]) == ("A-7", 1, True)
    assert "fx_gst_policy_rate_on_2026_09_10" in made["fault"]
    assert "version 1" in bursar("invoices", "tax", bill, "--although-open").err
    assert bursar("invoices", "tax", bill, "--although-open", "--format", "csv").out.startswith("bill,document,version")
    assert "write NAME=VALUE" in bursar("invoices", "tax", bill, "--input", "frob").err
    assert "A-7" in bursar("tax", "worksheet", "--month", "2026-09").out
    assert "is withdrawn" in bursar("invoices", "withdraw", bill, "--note", "twice").err
    assert "is withdrawn" in bursar("tax", "worksheet", "--month", "2026-09", "--format", "csv").out


def test_a_csv_comes_in_by_a_saved_mapping(bursar, tmp_path):
    file = tmp_path / "bill.csv"
    file.write_bytes(plain_csv(TRAFFIC))
    assert "save a mapping" in bursar("invoices", "import", str(file)).err
    columns = [word for pair in ("date=Day", "model=Model", "line=Item", "quantity=Tokens", "amount=Cost")
               for word in ("--column", pair)]  # fmt: skip
    assert "is kept" in bursar("invoices", "mapping", "acme", "--provider", "acme", *columns).err
    assert "acme" in bursar("invoices", "mappings").out
    done = bursar("invoices", "import", str(file), "--as", "acme")
    assert (done.code, "lines are new" in done.err) == (0, True)


def test_what_is_no_bill_is_refused(bursar, tmp_path):
    (tmp_path / "x.json").write_text("{}")
    refused = bursar("invoices", "import", str(tmp_path / "x.json"))
    assert (refused.code, "no bill that is known" in refused.err) == (2, True)
    assert "can't read" in bursar("invoices", "import", str(tmp_path / "nothing")).err
    assert bursar("invoices", "show", "bill_none").code == 2
