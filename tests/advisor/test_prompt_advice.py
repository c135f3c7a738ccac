"""Advice on the provider's prompt cache: only where the gateway can mark, by the table that the gateway marks by; and
what breaks it, as the workers saw it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import cache

import pytest

from bursar.advisor.families.prompts import mark_prompts, marks_of
from bursar.advisor.families.repairs import repair_marks
from bursar.advisor.look import MONTH_DAYS, Look, Segment
from bursar.advisor.prompt_breaks import PromptBreak
from bursar.bench.advice import FIRST_DAY, calls_of, looked_at
from bursar.bench.advice_making import Plant
from bursar.bench.advice_plants import SONNET, FixedPrompt, Stamped, Tutor
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


def test_a_part_that_breaks_the_cache_is_named_with_what_it_costs():
    breaks = [
        broken("brief", "brief", "system[0]", "time", "90"),
        broken("brief", "brief", "tools", "reordered", "10"),
        broken("brief", "brief", "messages[2]", "trimmed", None),
        broken("brief", "other", "system[0]", "id", "900"),
    ]
    with look_at([Stamped(0)]) as look:
        [plain] = repair_marks(look)
        [mended] = repair_marks(told_of(look, breaks))
        [both] = repair_marks(told_of(look, breaks[1:3]))
    assert (plain.change.kind, plain.evidence) == ("cache", ())
    assert plain.change.terms["prompt"] == {}
    assert mended.change.kind == "client"
    assert mended.saving is not None
    assert mended.saving.expected == round(Decimal(100) * MONTH_DAYS / 30, 4)
    assert "system[0]" in mended.title
    assert mended.evidence[:2] == (
        "system[0] changes: $90.00 a month",
        "tools changes: $10.00 a month",
    )
    assert "isn't known" in mended.evidence[2]
    assert "take the time out of system[0]" in mended.change.steps[0]
    assert len(both.evidence) == 2
    assert both.saving == plain.saving  # to mend ten dollars is less than to stop writing what nobody reads


def test_a_break_never_costs_more_than_its_calls():
    with look_at([Stamped(0)]) as look:
        [mended] = repair_marks(told_of(look, [broken("brief", "brief", "system[0]", "time", "1000000")]))
        assert mended.saving is not None
        assert mended.saving.expected <= round(look.spent / look.months, 4)


def test_prompts_that_a_rule_looks_after_are_not_to_be_marked_once_more():
    known = broken("contract-fields", "extract", "system[0]", "number", "500")
    with look_at([FixedPrompt(0)]) as look:
        assert len(mark_prompts(look)) == 1
        assert mark_prompts(told_of(look, [known])) == []


def broken(feature: str, request_type: str, part: str, cause: str, usd: str | None) -> PromptBreak:
    return PromptBreak(
        SONNET, feature, request_type, part, cause, f"{part} changes", None if usd is None else Decimal(usd)
    )


def told_of(look: Look, breaks: Sequence[PromptBreak]) -> Look:
    return Look(look.session, "duckdb", look.period, look.book, look.now_us, (), breaks)
