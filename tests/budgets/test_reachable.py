"""Thresholds that could never act are refused when they are set."""

import pytest

from bursar.budgets.reachable import KnownModels, UpstreamModels, check_reachable
from bursar.budgets.thresholds import parse_threshold
from bursar.domain.errors import BadBudget
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows


@pytest.fixture(scope="module")
def known() -> KnownModels:
    upstreams = [
        UpstreamModels("openai", "openai", ["gpt-5*"]),
        UpstreamModels("own-llm", "own-llm", []),
        UpstreamModels("lab", "lab", ["lab-*"]),
    ]
    book = PriceBook(compile_rows(None)[0])
    return KnownModels(upstreams, {"cheap": "gpt-4o-mini", "lost": "nosuch"}, lambda: book)


@pytest.mark.parametrize(
    ("name", "is_known"),
    [
        ("gpt-4o-mini", True),  # priced
        ("gpt-5-of-next-year", True),  # an upstream says that it serves it
        ("openai/gpt-4o-mini", True),
        ("openai:gpt-4o-mini", True),
        ("openai/nosuch", False),
        ("claude-haiku-4-5", True),  # priced, though no upstream here has it
        ("anthropic/claude-haiku-4-5", True),
        ("own-llm/llama-at-home", True),  # an upstream without a list may have anything
        ("llama-at-home", False),
        ("lab/lab-1", True),
        ("lab/other", False),
        ("cheap", True),
        ("lost", False),
        ("nosuch", False),
    ],
)
def test_a_model_is_known_that_an_upstream_serves_or_that_has_a_price(
    known: KnownModels, name: str, is_known: bool
) -> None:
    assert known(name) is is_known


@pytest.mark.parametrize(
    ("text", "told"),
    [("80:route=gpt-4o-mini,nosuch", "no upstream serves 'nosuch'"), ("120:block", "120:block is never reached")],
)
def test_a_threshold_that_can_never_act_is_refused_with_its_place_unless_it_was_there(
    known: KnownModels, text: str, told: str
) -> None:
    before, new = parse_threshold("50"), parse_threshold(text)
    with pytest.raises(BadBudget) as refused:
        check_reachable((before, new), (before,), known)
    assert told in refused.value.message
    assert refused.value.field == "thresholds.1"
    check_reachable((before, new), (new,), known)


def test_an_alert_above_the_limit_and_a_model_where_none_are_known_are_taken(known: KnownModels) -> None:
    check_reachable([parse_threshold(text) for text in ("120", "200", "100:block")], (), known)
    check_reachable([parse_threshold("80:route=nosuch")], (), None)
