"""One piece of advice: what to change, what that saves a month, how sure that is, and why it may be wrong."""

from decimal import Decimal
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from bursar.explore.filters import Filter

Confidence = Literal["measured", "sampled", "estimated"]
Level = Literal["low", "medium", "high"]
DraftKind = Literal["policy", "route", "cache", "budget", "client"]

KINDS = {
    "exact_cache": "Exact cache",
    "repeated_job": "Repeated job",
    "batch": "Batch",
    "service_tier": "Service tier",
    "cheaper_model": "Cheaper model",
    "prompt_cache": "Prompt cache",
    "cache_repair": "Prompt cache, repaired",
    "output_cap": "Cap on output",
    "output_cut_off": "Answers cut off",
    "output_length": "Length of answers",
    "reasoning": "Reasoning",
    "history": "Unused context",
    "retries": "Paid and asked again",
    "place": "Region or provider",
    "context_band": "Context band",
    "commitment": "Commitment",
}
"""kind → its name on pages, in the order of the docs."""


class Estimate(msgspec.Struct, frozen=True):
    """USD a month: what is expected, and between which figures it lies in nineteen of twenty months."""

    expected: Decimal
    low: Decimal
    high: Decimal


class Draft(msgspec.Struct, frozen=True):
    """The exact change, as data.

    kind:    what it is kept as; `client`: nothing that Bursar keeps can do it, and `terms` is empty.
    name:    of what is kept. terms: PolicyTerms, RouteRule, CacheTerms or DraftBudget as plain values.
    before, after: the same in words, a line each, for a diff.
    steps:   what the caller does: the whole change, or beside what is kept.
    """

    kind: DraftKind
    name: str = ""
    terms: dict[str, Any] = {}
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


class Claim(msgspec.Struct, frozen=True):
    """Which charges would cost otherwise: a condition over the charges looked at, with its values bound by name.

    Each charge counts for the first claim on it, so that two pieces of advice on one call are not summed.

    about: the segment, all of whose charges it may be about and no others; (): it may be about any. more: what else has
    to hold for these, where no value is bound in it.
    """

    sql: str
    params: dict[str, Any] = {}
    about: tuple[str, ...] = ()
    more: str | None = None


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What to change, and all that speaks for and against it.

    id:         stays the same as long as it is about the same calls.
    scope:      filters that open to the calls. examples: ids of calls that show it best.
    attempts:   how many charges of the period it is about; spent: what these cost, in USD, in the period.
    saving:     net of what the lever itself costs, a month; None: unknown, the advice is a pointer.
    confidence: measured: all of it is in the ledger; sampled: measured on a part of the calls; estimated: something is
                assumed, and `doubts` says what.
    is_proven:  False: something has to be tried first, and the saving is in no total until then.
    doubts:     why it may be wrong.
    evidence:   what else was seen, beyond counts: which part of a prompt breaks its cache, and what that costs.
    """

    id: str
    kind: str
    title: str
    why: str
    scope: tuple[Filter, ...]
    examples: tuple[str, ...]
    attempts: int
    spent: Decimal
    saving: Estimate | None
    confidence: Confidence
    effort: Level
    risk: Level
    change: Draft
    doubts: tuple[str, ...]
    claim: Claim
    is_proven: bool = True
    evidence: tuple[str, ...] = ()


def advice_id(kind: str, *about: str) -> str:
    """The id of an advice of a kind about something: "ad_" and ten characters."""
    return f"ad_{blake2b(chr(0).join((kind, *about)).encode(), digest_size=5).hexdigest()}"
