"""Further cases, worked by hand or by plain arithmetic from the reference's tables; some of them again here."""

import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from bursar.finance.tax.compute import compute

CASES = json.loads((Path(__file__).parent / "cases.json").read_text("utf-8"))["cases"]
MORE = json.loads((Path(__file__).parent / "cases_more.json").read_text("utf-8"))["cases"]
BY_ID = {case["id"]: case for case in CASES}


def cents(text: str) -> str:
    return format(Decimal(text).quantize(Decimal("0.01"), ROUND_HALF_UP), "f")


@pytest.mark.parametrize("case", CASES, ids=[f"{case['id']}-{case['kind']}" for case in CASES])
def test_a_case_comes_out_as_worked_by_hand(case):
    found = compute(case)
    assert (found.checked["differ"], found.checked["missing"]) == ({}, [])
    assert set(case["rule_ids"]) <= set(found.rule_ids)
    assert case["working"]


@pytest.mark.parametrize("case", MORE, ids=[f"{case['id']}-{case['kind']}" for case in MORE])
def test_a_case_of_another_wording_comes_out_as_arithmetic_says(case):
    found = compute(case)
    assert (found.checked["differ"], found.checked["missing"]) == ({}, [])


def test_hand_working_is_plain_arithmetic():
    def expected(name: str, key: str) -> str:
        return BY_ID[name]["expected"][key]

    eighteen = Decimal("0.18")
    assert expected("HC-01", "igst_rcm_inr") == cents(str(5000 * Decimal("86.25") * eighteen))
    assert expected("HC-07", "igst_rcm_inr") == cents(str(Decimal("1234.56") * Decimal("101.37") * eighteen))
    assert expected("HC-17", "D1") == cents(str(Decimal(125000) * 3333333 / 10000000))
    assert expected("HC-19", "annual_shortfall_interest_inr") == cents(str(50000 * eighteen * 183 / 365))
    assert expected("HC-23", "grossed_up_inr") == cents(str(Decimal(884500) / Decimal("0.85")))
    assert expected("HC-27", "tds_inr") == cents(str(884500 * Decimal("0.2") * Decimal("1.02") * Decimal("1.04")))
    assert expected("HC-28", "grossed_up_inr") == cents(str(Decimal(884500) / (1 - Decimal("0.2184"))))
    assert expected("HC-37", "interest_inr") == cents(str(160425 * eighteen * 26 / 365))
    assert expected("HC-38", "tds_interest_inr") == cents(str(Decimal("183976.00") * 2 * Decimal("0.015")))
    assert expected("HC-46", "input_vat_eur") == cents(str(Decimal("2469.13") * Decimal("0.62")))


@pytest.mark.parametrize(
    ("where", "inputs", "rule"),
    [
        ("BR", {"amount_brl": "1000.00"}, "BR-IMP-01"),
        ("KR", {"amount_krw": "1000"}, "KR-VAT-01"),
        ("US-AZ", {"charge_usd": "1000.00"}, "US-OTH-02"),
        ("US-NJ", {"charge_usd": "1000.00"}, "US-NT-01"),
        ("IN", {"vendor_country": "US", "amount_usd": "-10.00", "fx_gst_policy_rate": "89"}, "ACC-06"),
    ],
)
def test_what_is_low_computes_nothing_and_says_so(where, inputs, rule):
    found = compute({"jurisdiction": where, "inputs": inputs})
    assert not any(key.endswith(("_inr", "_usd", "_brl", "_krw")) for key in found.results)
    assert [one.rule for one in found.not_computed] == [rule]
    assert found.confidence == "low"
    assert found.needs_professional_confirmation


def test_a_treaty_row_nobody_confirmed_is_marked_low():
    found = compute(BY_ID["HC-22"])
    assert next(one for one in found.figures if one["key"] == "tds_inr")["confidence"] == "low"
    refused = compute({**BY_ID["HC-22"], "expected": {}, "inputs": {**BY_ID["HC-22"]["inputs"],
                                                                    "treaty_rate_confirmed": False}})  # fmt: skip
    assert refused.results["effective_rate"] == "0.208"


def test_figures_asked_for_by_other_names_are_answered_and_said():
    case = {**BY_ID["HC-46"], "expected": {"pro_rata_pct": "62", "non_deductible_vat_eur": "938.27"}}
    found = compute(case)
    assert found.checked == {"matches": 2, "differ": {}, "missing": []}
    assert found.also_named["pro_rata_pct"] == "deduction_pct"


WITHHELD = {"vendor_country": "US", "amount_usd": "1000.00", "payment_date": "2026-05-15", "tds_position": "royalty",
            "fx_gst_policy_rate": "85.00", "fx_tds_ttbr": "85.00"}  # fmt: skip


def test_a_payee_that_is_no_company_is_withheld_from_at_a_treaty_rate_or_not_computed():
    unknown = compute({"jurisdiction": "IN", "inputs": {**WITHHELD, "vendor_type": "individual"}})
    assert "tds_inr" not in unknown.results
    assert unknown.results["igst_rcm_inr"] == "15300.00"
    assert [one.rule for one in unknown.not_computed] == ["IN-TDS-07"]
    borne = compute({"jurisdiction": "IN", "inputs": {**WITHHELD, "vendor_type": "firm", "gross_up": True}})
    assert "igst_rcm_inr" not in borne.results
    assert {one.rule for one in borne.not_computed} == {"IN-TDS-07", "IN-GST-09"}
    papers = {"vendor_type": "individual", "trc_on_file": True, "form41_on_file": True}
    assert compute({"jurisdiction": "IN", "inputs": {**WITHHELD, **papers}}).results["tds_inr"] == "12750.00"


@pytest.mark.parametrize(("aggregate", "told"), [("10000001", True), ("10000000", False), ("20000000", False)])
def test_marginal_relief_is_not_computed_and_says_so_where_it_would_matter(aggregate, told):
    found = compute({"jurisdiction": "IN", "inputs": {**WITHHELD, "aggregate_in_year_inr": aggregate}})
    assert any("marginal relief" in note for note in found.notes) == told
    assert any("marginal relief" in why for why in found.confirm) == told
