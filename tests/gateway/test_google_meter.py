"""Grounding in money: searches at the listed price, what has none unknown until somebody gives it a price."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from bursar.domain.money import usd_from_pico
from bursar.gateway.meter import Meter, Metered
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows
from bursar.prices.overrides import read_overrides
from bursar.providers.base import Asked
from bursar.providers.registry import dialect_for

AT_US = 1_791_000_000_000_000
USAGE = {"promptTokenCount": 1_000_000, "totalTokenCount": 1_000_000}
MAPS = {"groundingChunks": [{"maps": {"title": "x"}}]}
LOCAL = '[[price]]\nprovider = "google"\nmodel = "google-maps-grounding"\nrequest = 25_000\n'


@pytest.fixture(scope="module")
def rows():
    return compile_rows(None)[0]


def metered(book: PriceBook, model: str, grounding: dict[str, Any], usage: dict[str, Any] | None = None) -> Metered:
    found = dialect_for("POST", f"/v1beta/models/{model}:generateContent")
    assert found is not None
    candidates = [{"finishReason": "STOP", "groundingMetadata": grounding}]
    body = {"candidates": candidates, "usageMetadata": usage or USAGE, "modelVersion": model}
    answer = found[0].read_answer(json.dumps(body).encode(), 200)
    return Meter(book).answered(Asked(model=model), answer, "chat", "google", AT_US, 100, 100)


def cost(found: Metered) -> Decimal:
    assert found.list_pico is not None
    return usd_from_pico(found.list_pico)


def test_searches_are_billed_at_their_price(rows):
    book = PriceBook(rows)
    queries = {"webSearchQueries": ["a", "b"]}
    assert cost(metered(book, "gemini-2.5-flash", queries)) == Decimal("0.3") + Decimal("0.035")
    assert cost(metered(book, "gemini-3-flash-preview", queries)) == Decimal("0.5") + 2 * Decimal("0.014")


def test_a_search_or_place_without_a_price_makes_the_call_unpriced_and_never_free(rows):
    book = PriceBook(rows)
    for model, grounding in (("gemini-2.5-flash", MAPS), ("gemini-2.5-flash-image", {"webSearchQueries": ["a"]})):
        found = metered(book, model, grounding)
        assert (found.list_pico, found.quality) == (None, "unpriced")


def test_a_place_is_billed_once_a_price_is_given(rows):
    local = read_overrides(LOCAL)
    assert local.faults == []
    book = PriceBook(msgspec.structs.replace(rows, overrides=local.rows))
    found = metered(book, "gemini-2.5-flash", MAPS)
    assert (cost(found), found.quality) == (Decimal("0.3") + Decimal("0.025"), "reported")


def test_a_long_prompt_is_billed_in_its_band_with_the_cache_counted(rows):
    usage = {"promptTokenCount": 200_001, "cachedContentTokenCount": 150_000, "candidatesTokenCount": 10,
             "thoughtsTokenCount": 90, "totalTokenCount": 200_101}  # fmt: skip
    found = metered(PriceBook(rows), "gemini-2.5-pro", {}, usage)
    wanted = 50_001 * Decimal("2.5") + 150_000 * Decimal("0.25") + 100 * Decimal(15)
    assert cost(found) == wanted / 1_000_000


def test_provisioned_throughput_is_an_estimate(rows):
    found = metered(PriceBook(rows), "gemini-2.5-pro", {}, {**USAGE, "trafficType": "PROVISIONED_THROUGHPUT"})
    assert found.quality == "estimated"
