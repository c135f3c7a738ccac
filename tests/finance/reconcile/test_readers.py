"""What each reader makes of the providers' own examples."""

import csv
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from bursar.finance.reconcile.readers import azure
from bursar.finance.reconcile.readers.aws import read_usage_type
from bursar.finance.reconcile.readers.azure import block_size, read_meter
from bursar.finance.reconcile.readers.detect import detect, read_bill
from bursar.finance.reconcile.readers.figures import Unreadable, decimal, read_json
from bursar.finance.reconcile.readers.gcp import read_sku
from bursar.finance.reconcile.readers.mapped import BillMapping, faults_of_mapping, read, typed_total
from bursar.finance.reconcile.readers.words import model_mark, unit_of

EXPORTS = Path(__file__).parent / "exports"


def lines_of(name: str):
    return read_bill((EXPORTS / name).read_bytes())[1].lines


def test_openai_costs_are_dollars():
    (line,) = lines_of("openai/organization_costs.json")
    assert (line.amount, line.currency, line.start) == (Decimal("0.06"), "USD", date(2024, 11, 1))


def test_openai_amounts_keep_every_digit_that_is_written():
    page = (EXPORTS / "openai/organization_costs.json").read_text().replace("0.06", "0.123456789012345678901")
    (line,) = read_bill(page.encode())[1].lines
    assert line.amount == Decimal("0.123456789012345678901")


def test_openai_usage_is_taken_apart_into_disjoint_classes():
    lines = lines_of("openai/organization_usage_completions.json")
    assert {line.unit: int(line.quantity) for line in lines} == {
        "input": 400, "input_audio": 50, "input_image": 50, "cache_read": 350, "cache_read_audio": 50,
        "cache_write_5m": 100, "output": 400, "output_audio": 50, "output_image": 50,
    }  # fmt: skip
    assert sum(line.quantity for line in lines) == 1000 + 500


def test_a_page_says_which_comes_next():
    read_page = read_bill((EXPORTS / "openai/organization_usage_completions.json").read_bytes())[1]
    assert read_page.next_page.startswith("page_")


@pytest.mark.parametrize(
    ("name", "unit", "quantity"),
    [
        ("embeddings", "input", 16),
        ("moderations", "input", 16),
        ("audio_speeches", "characters", 45),
        ("audio_transcriptions", "audio_seconds", 20),
        ("images", "images", 2),
        ("web_search_calls", "web_search", 2),
    ],
)
def test_every_usage_page_that_calls_can_cause_is_read(name, unit, quantity):
    (line,) = lines_of(f"openai/organization_usage_{name}.json")
    assert (line.unit, line.quantity) == (unit, quantity)


@pytest.mark.parametrize("name", ["code_interpreter_sessions", "file_search_calls", "vector_stores"])
def test_usage_that_no_call_has_is_told_and_not_guessed(name):
    _, found = read_bill((EXPORTS / f"openai/organization_usage_{name}.json").read_bytes())
    assert not found.lines
    assert "costs pages" in found.faults[0].what


def test_anthropic_amounts_are_cents():
    tokens, search = lines_of("anthropic/anthropic_cost_report.json")
    assert tokens.amount == Decimal("1.2345")
    assert (search.amount, search.unit) == (Decimal("0.10"), "web_search")


def test_anthropic_usage_has_cache_writes_of_both_lives():
    lines = lines_of("anthropic/anthropic_usage_report_messages.json")
    first = {line.unit: int(line.quantity) for line in lines if line.key == "apikey_example"}
    assert first == {
        "input": 1500, "cache_read": 200, "cache_write_5m": 500, "cache_write_1h": 1000, "output": 500,
        "web_search": 10,
    }  # fmt: skip
    assert [line.tier for line in lines if not line.key] == ["batch"]


def test_google_costs_stand_before_credits():
    usage, credit = lines_of("gcp/gcp_billing_export_detailed_row.json")
    assert (usage.model, usage.unit, usage.quantity, usage.amount) == (
        "Gemini 2.5 Flash", "input", 1_000_000, Decimal("0.3"),
    )  # fmt: skip
    assert (credit.kind, credit.amount) == ("credit", Decimal("-0.05"))


def test_every_usage_type_of_bedrock_is_read_as_it_is_known():
    with (EXPORTS / "aws/bedrock_usage_types.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        model, unit, tier, block, where = read_usage_type(row["usage_type"], "Claude Sonnet 4 (Amazon Bedrock Edition)")
        said = (unit, tier, "global" if "global" in where else "regional")
        assert said == (row["kind"], row["service_level"], row["routing"]), row["usage_type"]
        assert block == (1_000_000 if "-MP:" in row["usage_type"] else 1_000)
        assert model_mark(model) == model_mark(
            "Claude Sonnet 4" if "-MP:" in row["usage_type"] else row["model_or_note"]
        )


def test_every_unit_of_measure_of_azure_has_its_block_size():
    with (EXPORTS / "azure/PricingUnits.csv").open(encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            assert block_size(row["UnitOfMeasure"]) == int(row["PricingBlockSize"]), row["UnitOfMeasure"]


def test_an_azure_export_without_language_models_has_no_lines_and_says_so():
    kind, found = read_bill((EXPORTS / "azure/EA_ActualCost_Small.csv").read_bytes())
    assert (kind, found.lines) == ("azure", [])
    assert found.faults[0].what == "11 lines of other meters are left out"


def test_azure_quantities_are_multiplied_by_their_block():
    head = "Date,MeterName,MeterCategory,MeterSubCategory,Quantity,UnitOfMeasure,Cost,BillingCurrency\n"
    row = "09/04/2026,gpt 4o 0806 Inp glbl Tokens,Foundry Models,Azure OpenAI,12.345,1K,0.0308625,USD\n"
    (line,) = azure.read((head + row).encode()).lines
    assert (line.quantity, line.amount, line.start) == (12_345, Decimal("0.0308625"), date(2026, 9, 4))


@pytest.mark.parametrize(
    ("meter", "said"),
    [
        ("gpt 4o 0806 cchd Inp glbl Tokens", ("gpt 4o 0806", "cache_read", "standard", "glbl")),
        ("gpt-4o-mini-0718-Outp-regnl Tokens", ("gpt 4o mini 0718", "output", "standard", "regnl")),
        ("gpt 4.1 Batch Inp glbl Tokens", ("gpt 4.1", "input", "batch", "glbl")),
    ],
)
def test_azure_meters_name_model_class_and_tier(meter, said):
    assert read_meter(meter) == said


def test_google_skus_name_model_class_and_tier():
    assert read_sku("Gemini 2.5 Pro GA Text Output Batch - Predictions") == ("Gemini 2.5 Pro", "output", "batch")
    assert read_sku("Gemini 2.5 Flash GA Cached Text Input - Predictions")[1] == "cache_read"


@pytest.mark.parametrize(
    ("bill", "ours"),
    [
        ("Claude4.6Opus", "us.anthropic.claude-opus-4-6-20251101-v1:0"),
        ("gpt 4o 0806", "gpt-4o-2024-08-06"),
        ("openai/gpt-4.1-2025-04-14", "gpt-4.1"),
        ("NovaLite", "amazon.nova-lite-v1:0"),
        ("Llama3-3-70B", "meta.llama3-3-70b-instruct-v1:0"),
    ],
)
def test_names_of_one_model_have_one_mark(bill, ours):
    assert model_mark(bill) == model_mark(ours)


def test_names_of_different_models_have_different_marks():
    names = ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "claude-opus-4-6", "claude-opus-4-5", "claude-sonnet-4-6"]
    assert len({model_mark(name) for name in names}) == len(names)


def test_words_that_name_no_class_name_none():
    assert [unit_of(words) for words in ("", "seats", "Provisioned throughput")] == ["", "", ""]


def test_a_mapping_reads_any_csv_and_tells_each_bad_line():
    mapping = BillMapping(
        columns={"date": "Day", "model": "M", "line": "Item", "quantity": "K tokens", "amount": "Cents"},
        provider="acme", per=1000, cents=True,
    )  # fmt: skip
    data = b"Day,M,Item,K tokens,Cents\n2026-10-01,big,input,2.5,125\n2026-10-02,big,output,x,1\nnever,big,input,1,1\n"
    found = read(data, mapping)
    (line,) = found.lines
    assert (line.quantity, line.amount, line.unit) == (2500, Decimal("1.25"), "input")
    assert [fault.line for fault in found.faults] == [3, 4]


def test_a_mapping_says_what_is_wrong_with_it():
    wrong = BillMapping(columns={"amount": "Cost", "colour": "C"}, provider="", per=0, currency="dollars")
    assert {field for field, _ in faults_of_mapping(wrong)} == {"columns", "per", "provider", "currency"}


def test_a_mapping_whose_column_is_missing_reads_nothing():
    mapping = BillMapping(columns={"date": "Day", "amount": "Cost"}, provider="acme")
    with pytest.raises(Unreadable, match="no column 'Cost'"):
        read(b"Day,Price\n2026-10-01,1\n", mapping)


def test_a_typed_total_has_its_tax_beside_it():
    total, tax = typed_total(
        "anthropic", date(2026, 10, 1), date(2026, 10, 31), Decimal("120.50"), Decimal("21.69"), "inr", Decimal(84)
    )
    assert (total.kind, total.start, total.end, total.currency) == (
        "total",
        date(2026, 10, 1),
        date(2026, 11, 1),
        "INR",
    )
    assert (tax.kind, tax.amount) == ("tax", Decimal("21.69"))


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1, 2]", b"a,b\n1,2\n", b'{"data": [', b"PAR1 and no more", b"\xff\xfe"]
)
def test_what_is_no_bill_is_refused(data):
    with pytest.raises(Unreadable):
        read_bill(data)


@pytest.mark.parametrize("text", ["NaN", "1e400", "1" * 60, "abc", "Infinity"])
def test_a_figure_that_is_no_money_is_refused(text):
    with pytest.raises(Unreadable):
        decimal(text, "amount")


def test_json_without_numbers_of_its_own_is_refused():
    with pytest.raises(Unreadable):
        read_json(b'{"amount": NaN}')


def test_openrouter_is_known_by_its_columns():
    row = {"date": "2026-10-01", "model": "a/b", "usage": 1.5, "prompt_tokens": 3, "completion_tokens": 4}
    assert detect(json.dumps({"data": [row]}).encode()) == "openrouter"
    lines = read_bill(json.dumps({"data": [row]}).encode())[1].lines
    assert [(line.unit, line.amount, line.quantity) for line in lines] == [
        ("", Decimal("1.5"), None), ("input", None, 3), ("output", None, 4),
    ]  # fmt: skip
