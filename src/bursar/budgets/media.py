"""How many tokens an image, a recording or a file comes to, by the rules that the providers publish. Pure.

A bound: where a rule needs what we don't know (the size of an image that stands at an address, the pages of a PDF by
id), or the model is in no rule, the most that any published rule can come to is taken. The words that a provider wraps
around a part are in the bytes of the request, which are bounded beside this.

Sources, as stored in autumn 2026; each golden example in tests/budgets/test_media.py names its own:
- OpenAI, "Images and vision" (developers.openai.com/api/docs/guides/images-vision): tiles of 512 px for GPT-4o, 4.1, 5,
  o1 and o3; patches of 32 px with a budget and a multiplier for the small and for the newer models; 30,000 patches are
  the most that any request may have. The models whose multiplier isn't published get the 1.2 of its price calculator.
- OpenAI, "Realtime costs": input audio is one token per 100 ms.
- Anthropic, "Images and vision" (platform.claude.com/docs/en/build-with-claude/vision): patches of 28 px, at most 1,568
  tokens; 4,784 since Claude 4.7. Its older page said width x height / 750, at most 1,600: the larger of both is taken.
- Anthropic, "PDF support": 1,500 to 3,000 tokens of text a page, and each page is an image too; 600 pages at most.
- Google, "Understand and count tokens": 258 tokens for an image up to 384 px, else 258 per tile of up to 768 px; Gemini
  3 at most 2,240 by `media_resolution`; 32 tokens per second of audio.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

import msgspec

from bursar.domain.media import Media, MediaKind

WINDOW_MAX = 1_050_000  # tokens: the largest context window in these pages; no input is billed above it
PDF_PAGES_MAX = 600
PDF_TEXT_TOKENS = 3_000  # a page
AUDIO_TOKENS_PER_S_OPENAI = 10
AUDIO_TOKENS_PER_S_GOOGLE = 32
PERCENT = 100


class ImageRule(Protocol):
    """Tokens of one image. A width of 0: its size isn't known, and the most that it can come to is meant."""

    def tokens(self, width: int, height: int, detail: str) -> int: ...


class Tiles(msgspec.Struct, frozen=True):
    """OpenAI's tiles: fitted into 2,048 px, the shorter side down to 768 px, then so many squares of 512 px.

    >>> Tiles(85, 170).tokens(1024, 1024, "high")
    765
    >>> Tiles(85, 170).tokens(2048, 4096, "high")
    1105
    >>> Tiles(85, 170).tokens(4096, 8192, "low")
    85
    """

    base: int
    tile: int

    def tokens(self, width: int, height: int, detail: str) -> int:
        if detail == "low":
            return self.base
        if not width:
            return self.base + 8 * self.tile  # 2,048 by 768
        width, height = _scaled(width, height, max(width, height), 2_048)
        width, height = _scaled(width, height, min(width, height), 768)
        return self.base + self.tile * -(-width // 512) * -(-height // 512)


class Patches(msgspec.Struct, frozen=True):
    """OpenAI's patches of 32 px, times a multiplier. What is above the budget is scaled into it.

    >>> Patches(100, high=1_536).tokens(1024, 1024, "high")
    1024
    >>> Patches(162, high=1_536).tokens(4000, 1474, "high")  # billed at 2,488
    2489
    """

    percent: int
    high: int
    original: int = 0  # the budget of `detail: original`, where there is such; 0: as high

    def tokens(self, width: int, height: int, detail: str) -> int:
        budget = self.high if detail == "high" or not self.original else self.original
        seen = -(-width // 32) * -(-height // 32) if width else budget
        if detail == "low":  # drawn to 512 by 512
            seen = budget = 256
        return -(-min(seen, budget) * self.percent // PERCENT)


class AreaPatches(msgspec.Struct, frozen=True):
    """Anthropic's patches of 28 px, or its older rule by area; the larger one.

    >>> AreaPatches(1_600).tokens(1000, 1000, "")
    1334
    >>> AreaPatches(4_784).tokens(1920, 1080, "")  # 2,691 by patches
    2765
    >>> AreaPatches(4_784).tokens(3840, 2160, "")
    4784
    """

    cap: int

    def tokens(self, width: int, height: int, detail: str) -> int:
        if not width:
            return self.cap
        return min(self.cap, max(-(-width // 28) * -(-height // 28), -(-width * height // 750)))


class GoogleTiles(msgspec.Struct, frozen=True):
    """Google's tiles, whose side follows the shorter side of the image; at least what Gemini 3 takes at most.

    >>> GoogleTiles(0).tokens(300, 384, "")
    258
    >>> GoogleTiles(0).tokens(960, 540, "")
    1548
    """

    least: int

    def tokens(self, width: int, height: int, detail: str) -> int:
        if not width:
            width = height = 3_072  # larger ones are scaled to that
        width, height = _scaled(width, height, max(width, height), 3_072)
        tiles = 1
        if max(width, height) > 384:
            side = min(768, max(256, min(width, height) * 2 // 3))
            tiles = -(-width // side) * -(-height // side)
        return max(self.least, 258 * tiles)


class MediaRule(msgspec.Struct, frozen=True):
    """What holds for a family of models."""

    images: tuple[ImageRule, ...]
    audio_per_s: int = AUDIO_TOKENS_PER_S_OPENAI


_CLAUDE, _CLAUDE_FINE = AreaPatches(1_600), AreaPatches(4_784)
_RULES: tuple[tuple[re.Pattern[str], MediaRule], ...] = tuple(
    (re.compile(pattern), MediaRule((rule,), seconds))
    for pattern, rule, seconds in (
        (r"claude-(instant|[123]\b|(opus|sonnet)-4(-[0156])?(-20\d{6}|@|$)|haiku-4)", _CLAUDE, 10),
        (r"claude", _CLAUDE_FINE, 10),
        (r"gemini-[12]", GoogleTiles(0), 32),
        (r"gemini", GoogleTiles(2_240), 32),
        (r"gpt-4o-mini", Tiles(2_833, 5_667), 10),
        (r"gpt-4o|gpt-4\.5|gpt-4-turbo|gpt-4-vision", Tiles(85, 170), 10),
        (r"gpt-(4\.1|5|5\.4)-mini", Patches(162, 1_536), 10),
        (r"gpt-(4\.1|5|5\.4)-nano", Patches(246, 1_536), 10),
        (r"gpt-4\.1", Tiles(85, 170), 10),
        (r"gpt-5(-chat.*|-20\d\d.*)?$", Tiles(70, 140), 10),
        (r"gpt-5\.2", Patches(120, 1_536), 10),
        (r"gpt-5\.[45](?!\d)", Patches(120, 2_500, 10_000), 10),
        (r"gpt-(5\.6|6)", Patches(120, 2_500, 30_000), 10),
        (r"o4-mini", Patches(172, 1_536), 10),
        (r"\bo[13]\b", Tiles(75, 150), 10),
        (r"computer-use-preview", Tiles(65, 129), 10),
    )
)
UNKNOWN = MediaRule(tuple(rule for _, one in _RULES for rule in one.images), AUDIO_TOKENS_PER_S_GOOGLE)
"""A model that is in no rule: the most that any of them says."""


@lru_cache(maxsize=1_024)
def rule_of(model: str) -> MediaRule:
    """The published rule of a model, by its name in any spelling with a vendor before it."""
    name = model.lower()
    for pattern, rule in _RULES:
        if pattern.search(name):
            return rule
    return UNKNOWN


def media_tokens(model: str, parts: Iterable[Media]) -> int:
    """The most tokens that these parts of a request come to; no more than the largest context window.

    >>> media_tokens("gpt-4o", [Media(MediaKind.IMAGE, 1024, 1024)])
    765
    >>> media_tokens("claude-haiku-4-5", [Media(MediaKind.PDF, pages=2)])
    9200
    >>> media_tokens("gpt-audio", [Media(MediaKind.AUDIO, seconds=60)])  # in no rule: as Google counts
    1920
    """
    rule = rule_of(model)
    return min(WINDOW_MAX, sum(_tokens(rule, part) for part in parts))


def _tokens(rule: MediaRule, part: Media) -> int:
    if part.kind is MediaKind.IMAGE:
        return _image(rule, part.width, part.height, part.detail)
    if part.kind is MediaKind.AUDIO:
        return part.seconds * rule.audio_per_s or WINDOW_MAX
    if part.kind is MediaKind.PDF:
        return (part.pages or PDF_PAGES_MAX) * (PDF_TEXT_TOKENS + _image(rule, 0, 0, "high"))
    return part.text_bytes or WINDOW_MAX


def _image(rule: MediaRule, width: int, height: int, detail: str) -> int:
    return max(one.tokens(width, height, detail) for one in rule.images)


def _scaled(width: int, height: int, side: int, most: int) -> tuple[int, int]:
    """The size after `side` was brought down to `most`, rounded up."""
    if side <= most:
        return width, height
    return -(-width * most // side), -(-height * most // side)
