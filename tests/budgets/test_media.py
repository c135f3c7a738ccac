"""Tokens of what isn't text: as published, and never below."""

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.budgets import media
from bursar.budgets.bounds import TokenCeilings
from bursar.budgets.media import UNKNOWN, WINDOW_MAX, media_tokens, rule_of
from bursar.domain.media import Media, MediaKind

IMAGE = MediaKind.IMAGE

# model | size | detail | tokens it is published (or was measured) to come to, and where
PUBLISHED = """
gpt-4o                     | 1024 1024 | high | 765    | OpenAI, Images and vision
gpt-4o-2024-08-06          | 2048 4096 | high | 1105   | the same
gpt-4o                     | 4096 8192 | low  | 85     | the same
openai/gpt-4.1             | 2049 513  |      | 1445   | measured, less 8 tokens of text: OpenAI's forum 1281361
gpt-4o-mini                | 1024 1024 | high | 25501  | OpenAI, Images and vision: 2,833 + 4 x 5,667
gpt-4.1-mini               | 1024 1024 | high | 1659   | the same: 1,024 x 1.62
gpt-4.1-mini               | 1800 2400 | high | 2353   | the same: 1,452 x 1.62
gpt-4.1-mini               | 4000 1474 |      | 2488   | measured: forum 1281361
gpt-5-mini                 | 2048 768  |      | 1844   | measured: forum 1344040
o4-mini                    | 1024 1024 |      | 1762   | OpenAI, Images and vision: 1,024 x 1.72
o3                         | 1024 1024 | high | 675    | the same: 75 + 4 x 150
gpt-5                      | 1024 1024 | high | 630    | the same: 70 + 4 x 140
gpt-5.6                    | 6000 6000 | high | 2500   | OpenAI, Image input token and cost calculator
claude-sonnet-4-5          | 1000 1000 |      | 1334   | Anthropic, Images and vision (older page)
claude-3-5-sonnet-20241022 | 1092 1092 |      | 1590   | the same
claude-sonnet-4-6          | 1075 1520 |      | 1551   | Anthropic, Images and vision: 33 x 47, resized to 924 x 1307
claude-opus-4-7            | 1075 1520 |      | 2145   | the same: 39 x 55, not resized
claude-opus-4-8            | 1920 1080 |      | 2691   | the same
anthropic/claude-fable-5   | 3840 2160 |      | 4784   | the same
gemini-2.0-flash           | 384 384   |      | 258    | Google, Understand and count tokens
gemini-2.5-pro             | 960 540   |      | 1548   | the same: 6 tiles
"""
CASES = [[cell.strip() for cell in line.split("|")] for line in PUBLISHED.strip().splitlines()]


def image(size: str, detail: str = "") -> Media:
    width, height = map(int, size.split())
    return Media(IMAGE, width, height, detail)


@pytest.mark.parametrize(("model", "size", "detail", "tokens", "source"), CASES)
def test_an_image_is_bounded_at_what_is_published_and_little_above(
    model: str, size: str, detail: str, tokens: str, source: str
) -> None:
    bound = media_tokens(model, [image(size, detail)])
    assert int(tokens) <= bound <= int(tokens) * 1.35 + 1, source  # 1.35: a multiplier that is published and not billed


@pytest.mark.parametrize(("model", "size", "detail", "tokens", "source"), CASES)
def test_an_unknown_model_and_an_unknown_size_are_bounded_by_the_most_that_is_published(
    model: str, size: str, detail: str, tokens: str, source: str
) -> None:
    assert media_tokens("llama-9-vision", [image(size, detail)]) >= int(tokens)
    assert media_tokens(model, [Media(IMAGE, detail=detail)]) >= int(tokens)


def test_the_examples_of_the_rules_hold() -> None:
    assert doctest.testmod(media).failed == 0


def test_claude_s_resolution_follows_its_version() -> None:
    standard = (
        "claude-opus-4 claude-opus-4-20250514 claude-opus-4-1-20250805 claude-opus-4-6 claude-haiku-4-5 claude-3-opus"
    )
    fine = "claude-opus-4-7 claude-opus-4-8 claude-sonnet-5 claude-mythos-5 us.anthropic.claude-opus-5-v1:0"
    assert {media_tokens(model, [Media(IMAGE)]) for model in standard.split()} == {1_600}
    assert {media_tokens(model, [Media(IMAGE)]) for model in fine.split()} == {4_784}


def claude_resized(width: int, height: int, edge: int, most: int) -> int:
    """Tokens by Anthropic's published procedure: the largest size of that shape which fits, in 28 px patches."""

    def count(w: int, h: int) -> int:
        return math.ceil(w / 28) * math.ceil(h / 28)

    def fits(w: int, h: int) -> bool:
        return max(math.ceil(w / 28), math.ceil(h / 28)) * 28 <= edge and count(w, h) <= most

    if fits(width, height):
        return count(width, height)
    width, height = max(width, height), min(width, height)
    low, high = 1, width
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle, max(round(middle * height / width), 1)) else (low, middle)
    return count(low, max(round(low * height / width), 1))


SIDES = st.integers(1, 9_000)


@given(SIDES, SIDES)
def test_claude_never_bills_more_than_the_bound(width: int, height: int) -> None:
    part = [Media(IMAGE, width, height)]
    assert claude_resized(width, height, 1_568, 1_568) <= media_tokens("claude-sonnet-4-6", part)
    assert claude_resized(width, height, 2_576, 4_784) <= media_tokens("claude-opus-4-7", part)


@given(SIDES, SIDES, st.sampled_from(["", "auto", "low", "high", "original"]))
def test_a_known_size_is_never_bounded_above_an_unknown_one_nor_a_known_model_above_an_unknown(
    width: int, height: int, detail: str
) -> None:
    for model, *_ in CASES:
        known = media_tokens(model, [Media(IMAGE, width, height, detail)])
        assert 0 < known <= media_tokens("another", [Media(IMAGE, width, height, detail)])
        if not model.startswith("gemini"):  # Google publishes no most for odd shapes
            assert known <= media_tokens(model, [Media(IMAGE, detail=detail)])


def test_what_cannot_be_known_is_a_whole_window_and_nothing_is_more() -> None:
    assert rule_of("nobody-knows") is UNKNOWN
    for part in (Media(MediaKind.FILE), Media(MediaKind.AUDIO), Media(MediaKind.PDF, pages=10**6)):
        assert media_tokens("gpt-4o", [part, part]) == WINDOW_MAX


def test_a_bill_above_the_rules_is_learned_and_never_below_them() -> None:
    ceilings = TokenCeilings()
    assert ceilings.media_tokens("m", 1_000) == 1_000
    ceilings.learn("m", 500, 2_500, 10, media_published=1_000)  # 500 of text at most, so 2,000 by the image
    assert ceilings.input_tokens("m", 500) + ceilings.media_tokens("m", 1_000) >= 2_500
    assert ceilings.media_tokens("m", 1_000) == 2_500
    for _ in range(10_000):
        ceilings.learn("m", 500, 600, 10, media_published=1_000)
    assert 1_000 <= ceilings.media_tokens("m", 1_000) < 1_300  # faded, with its margin


def test_images_teach_nothing_about_text() -> None:
    """A picture of 2 MB that comes to 765 tokens would make a text of 2 MB look like 765 tokens."""
    ceilings = TokenCeilings()
    for _ in range(100):
        ceilings.learn("m", 400, 865, 10, media_published=765)
    assert ceilings.input_tokens("m", 2_000_000) == 2_000_000
    assert ceilings.input_tokens("m", 400) == 400


@given(st.integers(1, 10**6), st.integers(0, 10**7), st.integers(1, 10**6))
def test_the_next_request_alike_is_held_for_at_least_what_this_one_was_billed(
    text_bytes: int, billed: int, published: int
) -> None:
    ceilings = TokenCeilings()
    ceilings.learn("m", text_bytes, billed, 1, media_published=published)
    assert ceilings.input_tokens("m", text_bytes) + ceilings.media_tokens("m", published) >= billed
