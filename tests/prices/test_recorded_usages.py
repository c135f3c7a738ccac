"""The 808 recorded usages with the price genai-prices gave them: ours is the same, or the difference is explained."""

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import genai_prices
from tests.prices import oracle

from bursar.domain.clock import us_from_datetime
from bursar.domain.usage import Unit, Usage
from bursar.prices.book import PriceBook
from bursar.prices.rates import price_usage
from bursar.prices.sheet import PriceSheet

CASES = Path(__file__).parent / "data" / "usage_and_price_cases.jsonl.gz"
TAKEN = datetime(2026, 8, 21, 12, tzinfo=UTC)
TAKEN_US = us_from_datetime(TAKEN)

REPRICED = {
    ("mistral", "mistral-medium-latest"): "1.5/7.5 since 2026-06-16; the commit had 0.4/2",
    ("mistral", "mistral-small-latest"): "0.15/0.6 since 2026-03-16; the commit had 0.1/0.3",
    ("openai", "gpt-5.6-sol"): "4/20 from 2026-08-21, the day of the commit, which had 5/30",
    ("azure", "gpt-5.6-sol"): "as openai, whose prices Azure takes",
    ("aws", "openai.gpt-5.6-luna"): "0.22/1.32 since 2026-07-30; the commit had 1.10/6.60",
}
"""Prices that the installed catalogue corrected after the cases were written."""


def test_every_recorded_usage_costs_what_the_catalogue_said(book: PriceBook):
    seen: Counter[str] = Counter()
    differing: Counter[tuple[str, str]] = Counter()
    for line in gzip.decompress(CASES.read_bytes()).splitlines():
        case = json.loads(line)
        model = case.get("model")
        for extracted in case["extracted"]:
            usage = oracle.from_genai(extracted["usage"])
            for expected in extracted["extractors"]:
                provider = expected["provider_id"]
                if model is None:
                    seen["the recording names no model"] += 1
                    continue
                sheet = book.at(provider, model, TAKEN_US, input_tokens=usage.total_input)
                if "input_price" not in expected:
                    seen[explain_unpriced(book, provider, model)] += 1
                    continue
                assert sheet is not None, (provider, model)
                price = Decimal(expected["input_price"]) + Decimal(expected["output_price"])
                ours = femto_of(usage, sheet)
                if ours == price * oracle.FEMTO:
                    seen["equal"] += 1
                else:
                    differing[provider, model] += 1
                    now = oracle.price_femto(provider, model, genai_prices.Usage(**extracted["usage"]), TAKEN)
                    assert ours == now, (provider, model)
    assert seen["equal"] == 1_698, seen
    assert set(differing) == set(REPRICED), differing
    assert set(seen) <= {
        "equal",
        "the recording names no model",
        "neither knows the model",
        "listed since",
        "known by the id of its entry",
        "the undated model stands in",
    }, seen


def femto_of(usage: Usage, sheet: PriceSheet) -> int:
    """The price of the tokens alone: theirs has a request's fee in the total, not in input or output."""
    lines = price_usage(usage, sheet).lines
    return sum(quantity * femto for unit, quantity, femto in lines if unit is not Unit.REQUEST)


def explain_unpriced(book: PriceBook, provider: str, model: str) -> str:
    """Why the commit had no price for a model at a provider, and what we have."""
    found = book.find(provider, model)
    known = oracle.find(provider, model) is not None
    if found.entry is None:
        assert not known
        return "neither knows the model"
    if known:
        return "listed since"
    return "the undated model stands in" if found.match == "undated" else "known by the id of its entry"
