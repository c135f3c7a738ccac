"""Advice on the provider's prompt cache: only where the gateway can mark, by the table that the gateway marks by."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import pytest

from bursar.advisor.families.prompts import mark_prompts, marks_of
from bursar.advisor.look import Look, Segment
from bursar.bench.advice import FIRST_DAY, calls_of, looked_at
from bursar.bench.advice_making import Plant
from bursar.bench.advice_plants import FixedPrompt, Tutor
from bursar.domain.cacheable import cacheable
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows

DAYS = 4


class ShortTalks(Tutor):
    """The same talks with a model whose prefixes must be twice as long as any of theirs."""

    name, model = "short-talks", "claude-haiku-4-5"
    turns, talks = (3, 5), 60.0


@cache
def book() -> PriceBook:
    return PriceBook(compile_rows(None)[0])


@contextmanager
def look_at(plants: Sequence[Plant]) -> Iterator[Look]:
    made = calls_of(plants, 0, FIRST_DAY, DAYS)
    calls = sorted((call for of_plant in made for call in of_plant), key=lambda one: one.at_us)
    with looked_at(calls, book(), DAYS) as look:
        yield look


def test_what_is_shorter_than_the_model_keeps_is_not_to_be_marked():
    with look_at([Tutor(0), ShortTalks(0), FixedPrompt(0)]) as look:
        assert {one.scope[0].values[0] for one in mark_prompts(look)} == {"tutor", "contract-fields"}


@pytest.mark.parametrize(
    ("provider", "model", "minimum"),
    [
        ("anthropic", "claude-haiku-4-5-20251001", 4_096),
        ("anthropic", "claude-opus-5", 512),
        ("anthropic", "claude-of-next-year", 4_096),
        ("aws", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", 1_024),
        ("aws", "meta.llama3-70b-instruct-v1:0", None),
        ("openai", "gpt-4.1", None),
    ],
)
def test_advice_and_gateway_have_one_table(provider: str, model: str, minimum: int | None):
    takes = marks_of(Segment("", "", provider, model))
    assert takes == cacheable(model, at_bedrock=provider == "aws")
    assert (takes and takes.minimum) == minimum
