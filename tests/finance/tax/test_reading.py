"""What a case may say: many spellings, exact amounts, and refusals that name the field."""

import pytest

from bursar.domain.errors import BadTax
from bursar.finance.tax.case import Case, overlaid
from bursar.finance.tax.compute import compute
from bursar.finance.tax.rules import read_rules, shipped_rules
from bursar.finance.tax.vocabulary import exchange_purpose, understand

CASE = {"vendor_country": "US", "amount_usd": "10000.00", "payment_date": "2026-11-12",
        "fx_gst_policy_rate_on_2026_11_12": "89.1250"}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amonut_usd": "1"}, "amonut_usd"),
        ({"amount_usd": 10000.55}, "amount_usd"),
        ({"amount_usd": "ten"}, "amount_usd"),
        ({"amount_usd": "NaN"}, "amount_usd"),
        ({"payment_date": "12/11/2026"}, "payment_date"),
        ({"vendor_pan": "perhaps"}, "vendor_pan"),
        ({"base_rate": "20"}, "base_rate"),
        ({"payer_exempt_turnover_pct": "140"}, "payer_exempt_turnover_pct"),
        ({"fx_gst_policy_rate_on_2026_11_12": "0"}, "fx_gst_policy_rate_on_2026_11_12"),
        ({"fx_gst_policy_rate_on_2026_11_12": None}, "fx_gst_policy_rate_on_2026_11_12"),
        ({"tds_position": "maybe"}, "tds_position"),
        ({"invoice_amount": "9"}, "invoice_amount"),
        ({"lines": {}}, "lines"),
        ({"purpose": "bussiness"}, "purpose"),
        ({"attribution": "half"}, "attribution"),
        ({"payer_type": "nbcf"}, "payer_type"),
        ({"vendor_type": "compny"}, "vendor_type"),
        ({"document_type": "kredit_note"}, "document_type"),
        ({"gst_value_policy": "both"}, "gst_value_policy"),
        ({"marketplace_seller": "frob"}, "marketplace_seller"),
        ({"vendor_country": "Irelnd"}, "vendor_country"),
        ({"invoice_currency": "dollars"}, "invoice_currency"),
        ({"payer_percent": "5"}, "payer_percent"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(change, field):
    inputs = {name: value for name, value in {**CASE, **change}.items() if value is not None}
    with pytest.raises(BadTax) as told:
        compute({"jurisdiction": "IN", "inputs": inputs})
    assert told.value.field == field
    assert field in told.value.message


@pytest.mark.parametrize(
    ("where", "inputs", "field"),
    [
        ("XX", {"invoice_net_eur": "1"}, "jurisdiction"),
        ("US", {"charge_usd": "1", "state": "ZZ"}, "customer_state"),
        ("CA", {"invoice_net_cad": "1", "province": "NS", "supply_date": "2025-03-31"}, "customer_state"),
        ("IN", {"invoice_net_inr": "1", "supplier_state": "Karnatka", "customer_state": "KA"}, "supplier_state"),
        ("IN", {"invoice_net_inr": "1", "supplier_state": "29", "customer_state": "Tamil Nadu",
                "resident_tds_option": "some"}, "resident_tds_option"),
    ],
)  # fmt: skip
def test_what_no_rule_knows_is_refused_by_the_input_that_said_it(where, inputs, field):
    with pytest.raises(BadTax) as told:
        compute({"jurisdiction": where, "inputs": inputs})
    assert told.value.field == field
    assert field in told.value.message


def test_an_unknown_name_says_what_it_may_have_meant_and_can_be_passed_over():
    with pytest.raises(BadTax, match="did you mean 'payer_gst_registered'"):
        compute({"jurisdiction": "IN", "inputs": {**CASE, "payer_gst_registred": True}})
    found = compute({"jurisdiction": "IN", "inputs": {**CASE, "colour": "blue"}}, lenient=True)
    assert found.ignored_inputs == ["colour"]


def test_the_rate_of_another_day_is_not_taken():
    inputs = {**CASE, "payment_date": "2026-11-13"}
    with pytest.raises(BadTax, match="fx_gst_policy_rate_on_2026_11_13") as told:
        compute({"jurisdiction": "IN", "inputs": inputs})
    assert "2026-11-12" in told.value.message


def test_a_rate_that_changed_needs_a_date_and_never_todays():
    with pytest.raises(BadTax, match="a date is needed"):
        compute({"jurisdiction": "EE", "inputs": {"invoice_net_eur": "100.00", "vendor_country": "IE"}})


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("net_payable_to_vendor_usd", "amount"), ("invoice_net_eur", "amount"), ("Invoice-Net-EUR", "amount"),
        ("pan_of_vendor", "vendor_pan"), ("aggregate_to_vendor_in_tax_year_inr_at_most", "aggregate_at_most"),
        ("E_exempt_turnover_inr", "E_exempt_turnover"), ("taxable_sales_ratio_pct", "creditable_pct"),
        ("trc", "trc_on_file"), ("used_usd_on_2026_11_30", "used"),
    ],
)  # fmt: skip
def test_spellings_mean_one_thing(raw, name):
    read = understand(raw)
    assert read is not None
    assert read.input.name == name


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("buyer_gst_registered", "payer_gst_registered"),
        ("recipient_state", "customer_state"),
        ("purchaser_gstin", "customer_gstin"),
        ("trc_obtained", "trc_on_file"),
        ("prepaid_credits_purchase_usd", "amount"),
    ],
)
def test_words_that_say_the_same_are_taken_for_one_another(raw, name):
    assert understand(raw).input.name == name


def test_words_that_could_mean_two_inputs_mean_neither():
    assert understand("supplier_registered") is None


@pytest.mark.parametrize(
    ("raw", "purpose"),
    [
        ("fx_gst_policy_rate_on_2026_11_12", "gst"), ("fx_tds_ttbr_on_2026_10_30", "tds"),
        ("fx_booking_rate_on_2026_10_30", "books"), ("bank_selling_rate_on_2026_11_12", "bank"),
        ("fx_rate_on_2026_11_12", "any"), ("fx_closing_rate_on_2026_11_30", "closing"),
    ],
)  # fmt: skip
def test_rates_of_exchange_say_what_for(raw, purpose):
    found = exchange_purpose(raw)
    assert found is not None
    assert (found[0], found[1] is not None) == (purpose, True)


def test_a_lines_own_word_stands_over_the_bills_by_meaning():
    assert overlaid({"vendor_country": "US", "customer_state": "KA"}, {"issuer_country": "IN"}) == {
        "customer_state": "KA", "issuer_country": "IN",
    }  # fmt: skip
    assert Case({"amount_usd": "1", "currency": "usd"}).currency == "USD"


def test_every_row_names_a_rule_and_every_rule_has_its_words():
    book = shipped_rules()
    assert len(book.rules) > 110
    assert all(row.rule in book.rules for row in book.rows)
    assert all(rule.condition and rule.confidence in ("high", "medium", "low") for rule in book.rules.values())
    assert {"IN-GST-06a", "IN-REG-04a", "EU-AIA-01", "ACC-08", "FX-OTH-01", "US-CHI-01"} <= set(book.rules)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[[row]]\ntable='x'\nrule='NO-1'\nvalues={}", "NO-1"),
        ("[[row]]\ntable='x'\nrule='IN-GST-01'\nfrom='soon'\nvalues={}", "soon"),
        ("[[rule]]\nid='X'\njurisdiction='IN'\ncondition='c'\ncitation='c'\nconfidence='sure'", "sure"),
        ("not toml", "TOML"),
    ],
)
def test_rules_of_ones_own_are_refused_with_what_is_wrong(text, word):
    with pytest.raises(BadTax, match=word):
        shipped_rules().with_more([read_rules(text)])


def test_of_two_rows_on_a_day_the_one_that_began_last_holds():
    own = read_rules("""
[[row]]
table = "vat.rate"
key = "DE"
rule = "EU-VAT-02"
from = "2027-01-01"
to = ""
values = {rate = "0.20"}
""")
    book = shipped_rules().with_more([own])
    case = {"jurisdiction": "DE", "inputs": {"invoice_net_eur": "100.00", "vendor_country": "US"}}
    for day, tax in (("2026-12-31", "19.00"), ("2027-01-01", "20.00")):
        dated = {**case, "inputs": {**case["inputs"], "invoice_date": day}}
        assert compute(dated, book).results["output_vat_eur"] == tax
