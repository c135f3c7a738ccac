"""Local prices win, unit by unit and by date; what can't be used is a fault with its line."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.prices.conftest import MakeBook
from tests.prices.oracle import at_us

from bursar.domain.clock import datetime_from_us
from bursar.domain.money import femto_from_usd_per_million
from bursar.domain.usage import Unit, Usage
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_book, current_book
from bursar.prices.overrides import read_overrides
from bursar.prices.rates import UnpricedUnit, price_usage
from bursar.prices.sheet import PriceSheet

NOW_US = at_us("2026-11-23T12:00:00Z")


def usd(text: str) -> int:
    return femto_from_usd_per_million(Decimal(text))


def sheet_at(book: PriceBook, provider: str, model: str, at: int = NOW_US, tier: str = "", size: int = 0) -> PriceSheet:
    sheet = book.at(provider, model, at, tier=tier, input_tokens=size)
    assert sheet is not None
    return sheet


def test_a_local_price_wins_for_its_units_and_the_catalogue_holds_for_the_others(book: PriceBook, book_with: MakeBook):
    local, faults = book_with('[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\ninput = 1.25\n')
    sheet, before = sheet_at(local, "openai", "gpt-4o"), sheet_at(book, "openai", "gpt-4o")
    assert faults == []
    assert sheet.unit_prices == before.unit_prices | {
        Unit.INPUT: usd("1.25"),  # and what is billed as input
        **dict.fromkeys((Unit.CACHE_WRITE_5M, Unit.CACHE_WRITE_1H, Unit.INPUT_AUDIO, Unit.INPUT_IMAGE), usd("1.25")),
    }
    assert (sheet.match, sheet.source) == ("override", "prices.toml:1, genai-prices")
    assert sheet.sku_price_id == "override:openai/gpt-4o@origin#default"
    assert local.describe(sheet.sku_price_id) == [sheet]


def test_a_local_price_holds_between_its_dates_and_not_a_microsecond_longer(book: PriceBook, book_with: MakeBook):
    local, _ = book_with(
        '[[price]]\nprovider = "openai"\nmodel = "o3"\nfrom = 2025-01-01\nto = 2025-08-01T00:00:00Z\noutput = 9\n'
    )
    inside = (at_us("2025-01-01"), at_us("2025-06-09"), at_us("2025-06-10"), at_us("2025-08-01") - 1)
    assert {sheet_at(local, "openai", "o3", at).unit_prices[Unit.OUTPUT] for at in inside} == {usd("9")}
    for at in (at_us("2025-01-01") - 1, at_us("2025-08-01")):
        assert sheet_at(local, "openai", "o3", at) == sheet_at(book, "openai", "o3", at)
    # the catalogue's own change of 2025-06-10 in the other units is a new dated price under the override too
    ids = [sheet_at(local, "openai", "o3", at).sku_price_id for at in inside]
    assert ids == ["override:openai/o3@2025-01-01#default"] * 2 + ["override:openai/o3@2025-06-10#default"] * 2


def test_an_explicit_zero_is_free_and_a_missing_unit_without_a_catalogue_is_unknown(book_with: MakeBook):
    local, _ = book_with('[[price]]\nprovider = "my-box"\nmodel = "llama-4"\ninput = 0\n')
    sheet = sheet_at(local, "my-box", "llama-4")
    assert price_usage(Usage(input=1_000, cache_read=5), sheet).list_pico == 0
    with pytest.raises(UnpricedUnit):
        price_usage(Usage(input=1, output=1), sheet)
    assert local.at("my-box", "llama-5", NOW_US) is None


def test_exact_names_win_over_patterns_and_the_first_pattern_over_later_ones(book_with: MakeBook):
    local, faults = book_with(
        """
        [[price]]
        provider = "openai"
        model = "gpt-4o*"
        input = 7
        output = 70
        [[price]]
        provider = "*"
        model = "gpt-*"
        input = 8
        cache_read = 0.8
        [[price]]
        provider = "openai"
        model = "gpt-4o-mini"
        input = 9
        """
    )
    assert faults == []
    mini, large = sheet_at(local, "openai", "gpt-4o-mini"), sheet_at(local, "openai", "gpt-4o")
    other = sheet_at(local, "azure", "gpt-4.1")
    assert [mini.unit_prices[unit] for unit in (Unit.INPUT, Unit.OUTPUT, Unit.CACHE_READ)] == [
        usd("9"),
        usd("70"),
        usd("0.8"),
    ]
    assert (large.unit_prices[Unit.INPUT], large.unit_prices[Unit.OUTPUT]) == (usd("7"), usd("70"))
    assert (other.unit_prices[Unit.INPUT], other.unit_prices[Unit.OUTPUT]) == (usd("8"), usd("8"))


def test_the_asked_name_wins_over_the_catalogues_name_for_it(book_with: MakeBook):
    local, _ = book_with(
        '[[price]]\nprovider = "openai"\nmodel = "gpt-4o-2024-08-06"\ninput = 3\n'
        '[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\ninput = 4\n'
    )
    assert sheet_at(local, "openai", "gpt-4o-2024-08-06").unit_prices[Unit.INPUT] == usd("3")
    assert sheet_at(local, "openai", "gpt-4o-2024-11-20").unit_prices[Unit.INPUT] == usd("4")


def test_a_tier_keeps_its_own_price_unless_the_local_one_is_of_that_tier_or_of_all(
    book: PriceBook, book_with: MakeBook
):
    toml = '[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\ninput = 4\n'
    priority = sheet_at(book, "openai", "gpt-4o", tier="priority")
    assert sheet_at(book_with(toml)[0], "openai", "gpt-4o", tier="priority") == priority
    for tier in ("priority", "*"):
        local, _ = book_with(toml + f'tier = "{tier}"\n')
        assert sheet_at(local, "openai", "gpt-4o", tier="priority").unit_prices[Unit.INPUT] == usd("4")
    unheard_of, _ = book_with(toml + 'tier = "scale"\n')
    assert sheet_at(unheard_of, "openai", "gpt-4o", tier="scale").tier_known
    stands_in = sheet_at(book_with(toml)[0], "openai", "gpt-4o", tier="scale")
    assert (stands_in.tier_known, stands_in.unit_prices[Unit.INPUT]) == (False, usd("4"))


def test_a_local_price_may_be_for_large_calls_only(book: PriceBook, book_with: MakeBook):
    local, _ = book_with('[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\nabove_input_tokens = 50_000\ninput = 4\n')
    assert sheet_at(local, "openai", "gpt-4o", size=50_000).unit_prices[Unit.INPUT] == usd("2.5")
    assert sheet_at(local, "openai", "gpt-4o", size=50_001).unit_prices[Unit.INPUT] == usd("4")


prices = st.decimals(0, 1_000, places=6, allow_nan=False)


@given(
    at=st.integers(0, 2_000),
    start=st.integers(0, 1_000),
    length=st.integers(1, 1_000),
    price=prices,
    size=st.sampled_from((0, 10**6)),
)
@settings(max_examples=100, deadline=None)
def test_within_its_dates_a_local_price_always_wins(
    book: PriceBook, book_with: MakeBook, at: int, start: int, length: int, price: Decimal, size: int
):
    first, day = at_us("2024-01-01"), 86_400_000_000
    local, faults = book_with(
        f'[[price]]\nprovider = "anthropic"\nmodel = "claude-opus-4-6"\noutput = {price}\n'
        f"from = {iso(first + start * day)}\nto = {iso(first + (start + length) * day)}\n"
    )
    assert faults == []
    now = sheet_at(local, "anthropic", "claude-opus-4-6", first + at * day, size=size)
    if start <= at < start + length:
        assert now.unit_prices[Unit.OUTPUT] == femto_from_usd_per_million(price)
        assert now.match == "override"
    else:
        assert now == sheet_at(book, "anthropic", "claude-opus-4-6", first + at * day, size=size)


def iso(us: int) -> str:
    return datetime_from_us(us).strftime("%Y-%m-%d")


GOOD = '[[price]]\nprovider = "openai"\nmodel = "m"\ninput = 1\n'

FAULTS = [
    ("input = = 1", 1, "not valid TOML"),
    ("x = 1\n" + GOOD, 0, "unknown table or key 'x'"),
    ("price = 3", 0, "[[price]]"),
    (GOOD + '\n[[price]]\nmodel = "m"\ninput = 1', 6, "`provider` is missing"),
    (GOOD.replace('"m"', "7"), 1, "`model` must be text"),
    (GOOD.replace("input = 1", "input = -1"), 1, "input is negative"),
    (GOOD.replace("input = 1", "input = nan"), 1, "input must be finite"),
    (GOOD.replace("input = 1", "input = true"), 1, "input must be a number"),
    (GOOD.replace("input = 1", 'input = "cheap"'), 1, "input is not a number"),
    (GOOD.replace("input = 1", "input = 0.0000000001"), 1, "more than 9 decimal places"),
    (GOOD.replace("input = 1", "input = 1e11"), 1, "USD per million"),
    (GOOD.replace("input = 1", "tokens = 1"), 1, "unknown unit or field tokens"),
    (GOOD.replace("input = 1\n", ""), 1, "no price for any unit"),
    (GOOD + "from = 2026-02-01\nto = 2026-02-01\n", 1, "`from` must be before `to`"),
    (GOOD + 'from = "2026-02-01"\n', 1, "must be a TOML date"),
    (GOOD + "above_input_tokens = -5\n", 1, "whole number"),
    (GOOD + "\n" + GOOD, 6, "overlaps the dates of line 1"),
    (GOOD + "to = 2026-02-02\n\n" + GOOD + "from = 2026-02-01\n", 7, "overlaps the dates of line 1"),
    ('[[accept]]\nprovider = "*"\nmodel = "*"\n', 1, "`reason` is missing"),
    ('[[accept]]\nprovider = "*"\nmodel = "*"\nreason = "x"\nunit = "tokens"\n', 1, "unknown unit"),
    ('[[accept]]\nprovider = "*"\nmodel = "*"\nreason = "x"\nkind = "odd"\n', 1, "unknown kind"),
    ('[[accept]]\nprovider = "*"\nmodel = "*"\nreason = "x"\nwhy = 1\n', 1, "unknown field why"),
]


@pytest.mark.parametrize(("toml", "line", "what"), FAULTS, ids=[what for _, _, what in FAULTS])
def test_what_cant_be_used_is_a_fault_with_its_line(toml: str, line: int, what: str):
    file = read_overrides(toml)
    assert len(file.faults) == 1
    assert file.faults[0].line == line
    assert what in file.faults[0].what
    assert len(file.rows) <= 1


def test_neighbouring_dates_other_units_and_other_tiers_dont_overlap():
    earlier, later = GOOD + "to = 2026-02-01\n", GOOD + "from = 2026-02-01\n"
    assert read_overrides(earlier + later).faults == []
    assert read_overrides(later + earlier).faults == []
    assert read_overrides(GOOD + GOOD.replace("input", "output")).faults == []
    assert read_overrides(GOOD + GOOD + 'tier = "flex"\n').faults == []
    assert read_overrides(GOOD + GOOD + "above_input_tokens = 9\n").faults == []


@given(text=st.text(max_size=200))
def test_any_text_is_read_without_an_exception(text: str):
    read_overrides(text)
    read_overrides(GOOD + text)


def test_a_file_goes_through_the_compiler_and_back(tmp_path: Path):
    overrides, path = tmp_path / "prices.toml", tmp_path / "book.msgpack"
    overrides.write_text(GOOD + "\n[[price]]\n", "utf-8")
    faults = compile_book(path, overrides)
    assert [str(fault) for fault in faults] == ["prices.toml:6: no price for any unit"]
    book = PriceBook.load(path)
    assert sheet_at(book, "openai", "m").unit_prices[Unit.INPUT] == usd("1")
    assert current_book(path, overrides)[1] == faults
    overrides.write_text(GOOD.replace("input = 1", "input = 2"), "utf-8")
    assert sheet_at(current_book(path, overrides)[0], "openai", "m").unit_prices[Unit.INPUT] == usd("2")


def test_a_file_that_is_no_text_is_one_fault(tmp_path: Path):
    overrides = tmp_path / "prices.toml"
    overrides.write_bytes(b"\xff\xfe")
    faults = compile_book(tmp_path / "book.msgpack", overrides)
    assert ["not UTF-8" in fault.what for fault in faults] == [True]


def test_local_prices_are_listed_before_the_catalogue(book_with: MakeBook):
    local, _ = book_with(GOOD)
    first = next(iter(local.entries()))
    assert (first.provider, first.model, first.comment) == ("openai", "m", "override")
    assert local.tiers("openai", "gpt-4o") == ["default", "batch", "fast", "priority"]
