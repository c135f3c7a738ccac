"""Every price we compile equals what genai-prices itself computes; where it does not, the reason is named here."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.prices import oracle

from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.usage import Unit, Usage
from bursar.prices.book import PriceBook
from bursar.prices.match import spelled_out
from bursar.prices.rates import UnpricedUnit, price_usage
from bursar.prices.rows import STANDARD, PriceEntry
from bursar.prices.sheet import FALLBACKS

CONTEXTS: dict[str, dict[str, str] | None] = {
    STANDARD: None,
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},
    "batch": {"processing": "batch"},
}

KEYS = {
    Unit.INPUT: {"input_mtok"},
    Unit.CACHE_READ: {"cache_read_mtok"},
    Unit.CACHE_WRITE_5M: {"cache_write_mtok", "cache_write_5m_mtok"},
    Unit.CACHE_WRITE_1H: {"cache_write_1h_mtok"},
    Unit.INPUT_AUDIO: {"input_audio_mtok"},
    Unit.CACHE_READ_AUDIO: {"cache_audio_read_mtok"},
    Unit.INPUT_IMAGE: {"input_image_mtok"},
    Unit.OUTPUT: {"output_mtok"},
    Unit.OUTPUT_AUDIO: {"output_audio_mtok"},
    Unit.OUTPUT_IMAGE: {"output_image_mtok"},
    Unit.WEB_SEARCH: {"web_searches_kcount"},
}

ROUNDED = Decimal("1e-7")
"""The catalogue's artefacts of floats (0.08333333333333334 USD a million) are kept to a femto-dollar for one unit."""


class Case(NamedTuple):
    provider: str
    model: str
    tier: str
    at: datetime
    usage: Usage


def verdict(book: PriceBook, case: Case) -> str:
    """Compare one case with the oracle. Returns the reason where they differ, "" where they agree, or fails."""
    sheet = book.at(
        case.provider, case.model, us_from_datetime(case.at), tier=case.tier, input_tokens=case.usage.total_input
    )
    context = CONTEXTS[case.tier]
    try:
        theirs = oracle.price_femto(case.provider, case.model, oracle.to_genai(case.usage), case.at, context)
    except LookupError:
        assert sheet is None or sheet.match == "exact", case
        return "" if sheet is None else "found by the id of its entry, which the catalogue doesn't match by"
    assert sheet is not None, case
    if sheet.source != "genai-prices":
        return "a tier that only litellm lists"
    keys = oracle.price_keys(case.provider, case.model, case.at, context)
    try:
        priced = price_usage(case.usage, sheet)
    except UnpricedUnit as unpriced:
        # theirs counts what has no price as nothing; unknown is never zero
        chain = {key for unit in (unpriced.unit, *FALLBACKS.get(unpriced.unit, ())) for key in KEYS[unit]}
        assert not chain & keys, case
        return f"no price for {unpriced.unit.value}"
    ours = Decimal(sum(quantity * femto for _, quantity, femto in priced.lines))
    if ours == theirs:
        return ""
    info = oracle.find(case.provider, case.model)
    assert info is not None
    if case.usage.cache_write_1h and "claude" in info.id and "cache_write_1h_mtok" not in keys:
        as_5m = sheet.unit_prices[Unit.CACHE_WRITE_5M]
        ours += case.usage.cache_write_1h * (as_5m - 2 * sheet.unit_prices[Unit.INPUT])
        if ours == theirs or abs(ours - theirs) <= ROUNDED * theirs:
            return "a 1-hour write of a Claude model is twice the input price, not a 5-minute write"
    assert abs(ours - theirs) <= ROUNDED * theirs, (case, ours, theirs)
    return "digits below a femto-dollar"


def test_every_model_tier_and_date_of_the_catalogue_is_priced_as_the_catalogue_does(book: PriceBook):
    small = Usage(input=1_003, cache_read=501, cache_write_5m=207, cache_write_1h=109, output=97, reasoning=31)
    large = Usage(input=300_001, cache_read=7, output=13)
    seen: dict[str, int] = {}
    for entry in book.entries():
        name = next(iter(spelled_out(entry.match)), entry.model)
        is_banded = any(len(period.bands) > 1 for periods in entry.tiers.values() for period in periods)
        for tier in entry.tiers:
            for at in instants(entry):
                for usage in (small, large) if is_banded else (small,):
                    reason = verdict(book, Case(entry.provider, name, tier, at, usage))
                    seen[reason] = seen.get(reason, 0) + 1
    assert seen.pop("") > 6_000
    assert set(seen) <= {
        "no price for input",
        "no price for output",
        "no price for cache_write_1h",
        "found by the id of its entry, which the catalogue doesn't match by",
        "a tier that only litellm lists",
        "a 1-hour write of a Claude model is twice the input price, not a 5-minute write",
        "digits below a femto-dollar",
    }


def instants(entry: PriceEntry) -> set[datetime]:
    """Instants on both sides of every edge of an entry's prices."""
    edges = {datetime(2026, 11, 23, 12, tzinfo=UTC), datetime(2023, 1, 1, 3, tzinfo=UTC)}
    for period in (period for periods in entry.tiers.values() for period in periods):
        if period.valid_from_us is not None:
            edges |= {datetime_from_us(period.valid_from_us), datetime_from_us(period.valid_from_us - 1)}
    windows = {period.day_from_s for periods in entry.tiers.values() for period in periods} - {0}
    midnights = {edge.replace(hour=0, minute=0, second=0, microsecond=0) for edge in edges}
    return edges | {
        night + timedelta(seconds=s, microseconds=e) for night in midnights for s in windows for e in (-1, 0)
    }


counts = st.one_of(st.just(0), st.integers(1, 400_000))
usages = st.builds(
    Usage,
    input=counts,
    cache_read=counts,
    cache_write_5m=counts,
    cache_write_1h=counts,
    input_audio=counts,
    cache_read_audio=counts,
    input_image=counts,
    output=counts,
    output_audio=counts,
    output_image=counts,
    web_search=st.integers(0, 5),
).flatmap(lambda usage: st.integers(0, usage.output).map(lambda n: with_reasoning(usage, n)))


def with_reasoning(usage: Usage, reasoning: int) -> Usage:
    return msgspec.structs.replace(usage, reasoning=reasoning)


@given(data=st.data(), usage=usages, at_us=st.integers(oracle.at_us("2023-01-01"), oracle.at_us("2027-01-01")))
@settings(max_examples=300, deadline=None)
def test_any_usage_of_any_model_at_any_time_is_priced_as_the_catalogue_does(book: PriceBook, data, usage, at_us):
    entries = list(book.entries())
    entry = entries[data.draw(st.integers(0, len(entries) - 1))]
    name = data.draw(st.sampled_from(spelled_out(entry.match) or [entry.model]))
    tier = data.draw(st.sampled_from(list(entry.tiers)))
    verdict(book, Case(entry.provider, name, tier, datetime_from_us(at_us), usage))


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "azure", "aws", "mistral", "groq", "openrouter"])
@given(model=st.from_regex(r"\A(gpt|claude|gemini|o[134]|mistral|llama|ft:gpt)-?[a-z0-9.:-]{0,24}\Z"))
@settings(max_examples=60, deadline=None)
def test_made_up_names_match_the_same_entry_as_in_the_catalogue(book: PriceBook, provider: str, model: str):
    theirs = oracle.find(provider, model)
    found = book.find(provider, model)
    if found.match in ("exact", "pattern"):
        assert found.entry is not None
        assert theirs is None or theirs.id == found.entry.model
    else:
        assert theirs is None
