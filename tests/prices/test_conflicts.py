"""Catalogues that contradict each other and prices that jump are found; known ones are all there."""

import csv
import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest
from tests.prices.conftest import MakeBook
from tests.prices.oracle import at_us

from bursar.domain.money import femto_from_usd, femto_from_usd_per_million
from bursar.domain.usage import Unit
from bursar.prices.book import PriceBook
from bursar.prices.catalogue import Catalogue, Cell, read_litellm, read_models_dev, reference_catalogues
from bursar.prices.conflicts import find_bold_overrides, find_conflicts, find_jumps, is_jump, not_accepted

DATA = Path(__file__).parent / "data"
NOW_US = at_us("2026-11-23T12:00:00Z")
PROVIDERS = {"xai": "x-ai", "moonshot": "moonshotai"}
COLUMNS = {
    "litellm_2026_09": "litellm-1.100.0",
    "models_dev_2026_07": "models-dev-2026-07-02",
    "tokencost_2025_09": "tokencost-2025-09-05",
}


@pytest.fixture(scope="module")
def catalogues() -> list[Catalogue]:
    return reference_catalogues()


def rows_of(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cells_of(catalogue: Catalogue) -> dict[tuple[str, str, Unit], int]:
    """The standard prices of the first band."""
    return {(c.provider, c.model, c.unit): c.femto for c in catalogue.cells if c.tier == "default" and c.above == -1}


@pytest.mark.parametrize("name", ["disagreements.csv", "agreements.csv"])
def test_each_catalogue_is_read_as_the_comparison_by_hand_read_it(catalogues: list[Catalogue], name: str):
    checked = 0
    cells = {catalogue.name: cells_of(catalogue) for catalogue in catalogues}
    for row in rows_of(name):
        for column, catalogue in COLUMNS.items():
            key = (PROVIDERS.get(row["provider"], row["provider"]), row["model"], Unit(row["field"]))
            if row[column]:
                assert cells[catalogue][key] == femto_from_usd_per_million(Decimal(row[column])), (row, column)
                checked += 1
    assert checked >= 50


def test_every_known_disagreement_with_the_book_is_a_finding_and_no_agreement_is(
    book: PriceBook, catalogues: list[Catalogue]
):
    found = {(f.provider, f.model, f.unit, f.right_source) for f in find_conflicts(book, catalogues) if f.above == -1}
    dates = {catalogue.name: catalogue.at_us for catalogue in catalogues}
    cells = {catalogue.name: cells_of(catalogue) for catalogue in catalogues}
    expected = set()
    for row in (*rows_of("disagreements.csv"), *rows_of("agreements.csv")):
        provider = PROVIDERS.get(row["provider"], row["provider"])
        model, unit = row["model"], Unit(row["field"])
        for catalogue in COLUMNS.values():
            sheet = book.at(provider, model, dates[catalogue])
            femto = cells[catalogue].get((provider, model, unit))
            if femto is None or sheet is None or unit not in sheet.listed:
                continue
            key = (provider, model, unit, catalogue)
            assert (key in found) == (femto != sheet.unit_prices[unit]), row
            expected |= {key} if femto != sheet.unit_prices[unit] else set()
    models = {model for _, model, _, _ in expected}
    assert {"deepseek-reasoner", "gpt-3.5-turbo", "gemini-2.5-flash"} <= models


def test_every_glitch_of_a_catalogues_history_is_a_jump():
    glitches = rows_of("catalogue_glitches.csv")
    assert len(glitches) == 19
    for row in glitches:
        before, wrong = (femto_from_usd(Decimal(row[key])) for key in ("price_before", "price_wrong"))
        assert is_jump(before, wrong), row


def test_the_jumps_of_a_catalogues_whole_history_contain_every_glitch():
    changes = [
        (row["model"], row["field"], Decimal(row["old_value"]), Decimal(row["new_value"]))
        for row in csv.DictReader(
            gzip.decompress((DATA / "price_events_tokencost_2024-01_2025-09.csv.gz").read_bytes()).decode().splitlines()
        )
        if row["old_value"] and row["new_value"]
    ]
    jumps = {(m, field) for m, field, old, new in changes if is_jump(int(old.scaleb(15)), int(new.scaleb(15)))}
    glitches = {(row["model"], row["field"]) for row in rows_of("catalogue_glitches.csv")}
    assert glitches <= jumps
    assert len(changes) == 434


def test_a_dated_price_over_three_times_its_predecessor_needs_approval(book: PriceBook):
    jumps = find_jumps(book.entries())
    o3 = [jump for jump in jumps if (jump.provider, jump.model, jump.unit) == ("openai", "o3", Unit.OUTPUT)]
    assert [(jump.ratio, jump.needs_approval) for jump in o3] == [(Decimal(5), True)]
    assert o3[0].right_source == "genai-prices 2025-06-10"
    assert not [jump for jump in jumps if jump.model == "deepseek-chat"]  # off-peak is no jump of the price


@pytest.mark.parametrize(
    ("left", "right", "jumps"), [(1, 3, False), (1, 4, True), (4, 1, True), (0, 1, True), (0, 0, False)]
)
def test_three_times_is_still_no_jump(left: int, right: int, jumps: bool):
    assert is_jump(left, right) is jumps


def test_a_local_price_far_off_the_catalogue_needs_approval_until_it_has_it(book_with: MakeBook):
    toml = '[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\ninput = 0.25\noutput = 8\n'
    local, _ = book_with(toml)
    findings = find_bold_overrides(local, NOW_US)
    assert [(f.kind, f.model, f.unit, f.ratio) for f in findings] == [("override", "gpt-4o", Unit.INPUT, Decimal(10))]
    assert findings[0].right_source == "prices.toml:1"
    approved, _ = book_with(toml + "approved = true\n")
    assert find_bold_overrides(approved, NOW_US) == []


def test_a_pattern_far_off_the_catalogue_is_found_for_each_model_it_names(book_with: MakeBook):
    local, _ = book_with('[[price]]\nprovider = "openai"\nmodel = "gpt-4o*"\ninput = 0\n')
    models = {finding.model for finding in find_bold_overrides(local, NOW_US)}
    assert {"gpt-4o", "gpt-4o-mini"} <= models
    assert all(model.startswith("gpt-4o") for model in models)


def test_a_local_price_settles_a_conflict_and_so_does_accepting_it(book: PriceBook, book_with: MakeBook):
    catalogue = Catalogue("other", NOW_US, [Cell("openai", "gpt-4o", "default", -1, Unit.INPUT, 1)], [])
    findings = find_conflicts(book, [catalogue])
    assert [(f.left_source, f.right_source, f.right) for f in findings] == [("genai-prices", "other", 1)]
    decided, _ = book_with('[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\ninput = 2.5\n')
    assert find_conflicts(decided, [catalogue]) == []
    looked_at, _ = book_with(
        '[[accept]]\nprovider = "openai"\nmodel = "gpt-4*"\nunit = "input"\nreason = "theirs is old"\n'
    )
    assert not_accepted(findings, looked_at.accepted) == []
    elsewhere, _ = book_with('[[accept]]\nprovider = "azure"\nmodel = "*"\nreason = "x"\n')
    assert not_accepted(findings, elsewhere.accepted) == findings


def test_the_widest_gap_comes_first(book: PriceBook, catalogues: list[Catalogue]):
    ratios = [finding.ratio or Decimal("Infinity") for finding in find_conflicts(book, catalogues)]
    assert ratios == sorted(ratios, reverse=True)
    assert len(ratios) > 500


@pytest.mark.parametrize("value", ["-1", "true", '"free"', "2.5", "null", "[]"])
def test_an_unbelievable_price_of_a_catalogue_is_a_fault(value: str):
    data = (
        f'{{"gpt-x": {{"litellm_provider": "openai", "input_cost_per_token": {value}, "output_cost_per_token": 1e-6}}}}'
    )
    cells, faults = read_litellm(data.encode(), "litellm")
    assert [cell.unit for cell in cells] == [Unit.OUTPUT]
    assert [fault.where for fault in faults] == ["litellm gpt-x.input_cost_per_token"]


@pytest.mark.parametrize("data", [b"", b"[]", b'{"a": 1}', b"\xff"])
def test_a_catalogue_that_is_none_is_a_fault(data: bytes):
    for read in (read_litellm, read_models_dev):
        cells, faults = read(data, "x")
        assert cells == []
        assert len(faults) == 1


def test_bands_and_tiers_of_litellm_are_told_apart():
    row = {
        "litellm_provider": "gemini",
        "input_cost_per_token": 1e-6,
        "input_cost_per_token_above_200k_tokens": 2e-6,
        "input_cost_per_token_above_200k_tokens_priority": 4e-6,
        "input_cost_per_token_batches": 5e-7,
        "cache_creation_input_token_cost_above_1hr": 3e-6,
        "search_context_cost_per_query": {"search_context_size_low": 0.03},
    }
    cells, faults = read_litellm(json.dumps({"gemini/gemini-x": row}).encode(), "litellm")
    assert faults == []
    assert {(cell.model, cell.tier, cell.above, cell.unit, cell.femto) for cell in cells} == {
        ("gemini-x", "default", -1, Unit.INPUT, 10**9),
        ("gemini-x", "default", 200_000, Unit.INPUT, 2 * 10**9),
        ("gemini-x", "priority", 200_000, Unit.INPUT, 4 * 10**9),
        ("gemini-x", "batch", -1, Unit.INPUT, 5 * 10**8),
        ("gemini-x", "default", -1, Unit.CACHE_WRITE_1H, 3 * 10**9),
    }


def test_a_borrowed_tier_stands_on_the_same_base_price(book: PriceBook):
    borrowed = 0
    for entry in book.entries():
        for tier, periods in entry.tiers.items():
            for period in periods:
                if period.source == "genai-prices" or period.valid_from_us is None:
                    continue
                borrowed += 1
                base = book.at(entry.provider, entry.model, period.valid_from_us)
                assert base is not None
                assert Unit.INPUT in period.bands[0].prices
                if tier in ("flex", "batch"):
                    assert period.bands[0].prices[Unit.INPUT] <= base.unit_prices[Unit.INPUT]
                assert period.valid_from_us == at_us("2026-09-06")
    assert borrowed > 40
