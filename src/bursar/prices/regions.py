"""What a call costs more for where it is served: a factor on every token price, by provider, model and region."""

import re
from fractions import Fraction
from typing import NamedTuple

from bursar.domain.usage import Unit

UNMETERED = frozenset({"", "global", "not_available"})
"""Regions that cost nothing extra, as providers write them."""

FEES = frozenset({Unit.WEB_SEARCH, Unit.REQUEST})
"""Units whose price doesn't depend on the region."""

_CLAUDE = re.compile(r"^claude-(?:opus|sonnet|haiku|fable|mythos)-(?:preview|(\d+)(?:-(\d{1,2})(?!\d))?)")


class Uplift(NamedTuple):
    factor: Fraction
    source: str


ANTHROPIC_US = Uplift(Fraction(11, 10), "Anthropic, data residency: 1.1x")
"""US-only inference (`inference_geo: us`), all token kinds, from Opus 4.6 on. Source: platform.claude.com, data
residency, read 2026-10; litellm 1.100.0 has the same factor for the models it lists (`provider_specific_entry.us`)."""

ANTHROPIC_US_SINCE = (4, 6)


def uplift(provider: str, model: str, region: str) -> Uplift | None:
    """The factor for a region, or None where no price for it is known.

    provider, model: the catalogue's own ids. Resellers set their own prices: `aws` takes nothing from `anthropic` here.
    """
    if (provider, region) != ("anthropic", "us"):
        return None
    named = _CLAUDE.match(model)
    if named is None:
        return None
    version = (int(named[1]), int(named[2] or 0)) if named[1] else ANTHROPIC_US_SINCE
    return ANTHROPIC_US if version >= ANTHROPIC_US_SINCE else None


def raised(femto: int, factor: Fraction) -> int:
    """A price times a factor, to a femto-dollar, half-even."""
    return round(femto * factor)
