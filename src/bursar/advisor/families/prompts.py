"""The provider's own prompt cache: marks where large inputs come again within its time and none are set.

The ledger has no text, so it can't say how much of an input is the same each time. Two signs can:

- A conversation grows by its own turns, so each turn's input begins with the one before.
- Inputs that hardly differ in size, above a floor, are a fixed part with a small one behind it, if their bytes say so
  too: other texts have other numbers of bytes for a token, by some percent, while in a fixed part that is fixed. So the
  bytes of such calls follow from their tokens, and their tokens from their bytes, to a hundredth.

Both are estimates, and say so.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from bursar.advisor.advice import Advice
from bursar.advisor.drafts import cache_draft, draft_name, match_of
from bursar.advisor.families.talks import NO_TALKS, talks
from bursar.advisor.giving import give
from bursar.advisor.look import SEGMENT_COLUMNS, Look, Segment, Slice, total
from bursar.domain.cacheable import Cacheable, cacheable
from bursar.domain.caching import CacheTerms, PromptCaching, Ttl
from bursar.domain.usage import Unit, Usage

CACHED_SHARE_MAX = 0.02  # of the input: more, and somebody has set marks already
TURNS_MIN = 3.0  # of a conversation, on average
GROWS_MIN = 0.9  # of the turns are at least as long as the one before
ABOVE_FLOOR_MAX = 0.5  # how far the middle input may be above the floor, for the floor to be a fixed part
FLOOR = 0.02
STRAY_MAX = 0.01  # of the bytes, from what the tokens let one expect, and of the tokens from the bytes
VARYING_IN_FLOOR = 0.25  # of what the middle is above the floor: the least varying part is in the floor too
GAPS_S: dict[Ttl, int] = {"5m": 300, "1h": 3_600}
DOUBT_TALK, DOUBT_FLOOR = 0.1, 0.2
BEDROCK = "aws"  # as price lists call it


class Marked(NamedTuple):
    """What marks with one time to live would do: tokens of each slice that are read and written, saved by day."""

    ttl: Ttl
    daily: dict[date, Decimal]


def mark_prompts(look: Look) -> list[Advice]:
    """Marks for segments that would read more than they write, at providers that cache only what is marked."""
    found = []
    for segment, slices in look.segments.items():
        takes = marks_of(segment)
        is_ruled = bool(look.breaks_of(segment))  # a rule marks these already, and finds what breaks their cache
        if takes is not None and not is_ruled and look.worth_a_look(segment) and _is_unmarked(look, slices):
            advice = _of_conversations(look, segment, takes) or _of_a_fixed_part(look, segment, takes)
            if advice is not None:
                found.append(advice)
    return found


def marks_of(segment: Segment) -> Cacheable | None:
    """What the gateway may mark of a segment's prompts; None where its provider takes no marks that are known."""
    return cacheable(segment.model, at_bedrock=segment.provider == BEDROCK)


def _of_conversations(look: Look, segment: Segment, takes: Cacheable) -> Advice | None:
    found = look.once("talks", talks).get(segment, NO_TALKS)
    if found.turns < TURNS_MIN:
        return None
    claim = look.claim(segment, "session <> ''")
    row = look.ask(_GROWS.format(where=claim.sql, base="{base}"), **claim.params)[0]
    if row["grows"] < GROWS_MIN:
        return None
    best = _best(look, takes, _TURNS.format(where=claim.sql, base="{base}"), {**claim.params, "least": takes.minimum})
    why = (
        f"{found.sessions:,} conversations of {found.turns:.0f} turns on average: each turn sends all before it "
        "again, at the full price."
    )
    return _advice(look, segment, best, why, DOUBT_TALK, "session <> ''")


def _of_a_fixed_part(look: Look, segment: Segment, takes: Cacheable) -> Advice | None:
    claim = look.claim(segment)
    row = look.once("floors", _floors)[segment]
    above = row["middle"] - row["floor"]
    fixed = round(row["floor"] - VARYING_IN_FLOOR * above)
    if fixed < takes.minimum or above > ABOVE_FLOOR_MAX * row["floor"]:
        return None
    if max(row["bytes_stray"], row["tokens_stray"]) > STRAY_MAX:
        return None
    best = _best(look, takes, _FIXED.format(where=claim.sql, base="{base}"), {**claim.params, "fixed": fixed})
    why = (
        f"Inputs hardly differ: half have at most {row['middle']:,} tokens, and nearly none has less than "
        f"{row['floor']:,}. So about {fixed:,} of them seem to be a fixed part, sent anew at the full price each time."
    )
    return _advice(look, segment, best, why, DOUBT_FLOOR, "")


def _floors(look: Look) -> dict[Segment, dict[str, Any]]:
    """How sizes of inputs lie in each segment of whose prompts the gateway could mark some."""
    rows = look.ask(_FLOOR, unmarked=sorted({one.model for one in look.segments if marks_of(one) is not None}))
    return {Segment(*(row[name] for name in SEGMENT_COLUMNS)): row for row in rows}


def _advice(look: Look, segment: Segment, best: Marked, why: str, doubt: float, more: str) -> Advice | None:
    if not look.is_worth(best.daily):
        return None
    terms = CacheTerms(match=match_of(look, segment), prompt=PromptCaching(ttl=best.ttl))
    return give(
        look, "prompt_cache", segment, look.claim(segment, more), look.monthly(best.daily, doubt),
        title=f"Mark the prompts of {segment.name} for the provider's cache",
        why=f"{why} What is written to the cache costs more, and is in the figure.",
        change=cache_draft(draft_name("prompt", segment), terms, "no marks: all input at the full price"),
        confidence="estimated", effort="low", risk="low",
        doubts=(
            "The ledger has no text: what is taken for a fixed part may not stand first, or not be the same each time.",
            "Then nothing is read again, and each write costs a quarter more than plain input.",
            "Calls at the same moment can't read what the first of them is still writing.",
        ),
    )  # fmt: skip


def _best(look: Look, takes: Cacheable, source: str, params: dict[str, Any]) -> Marked:
    """Five minutes or an hour, whichever saves more. source: charges with `shared`, `fresh` and `gap_s`."""
    ttls = [ttl for ttl in GAPS_S if ttl == "5m" or takes.has_hour]
    extra = {}
    for ttl in ttls:
        again = f"coalesce(gap_s <= {GAPS_S[ttl]}, false)"
        extra[f"read_{ttl}"] = f"CASE WHEN {again} THEN shared ELSE 0 END"
        extra[f"written_{ttl}"] = f"CASE WHEN {again} THEN fresh ELSE shared + fresh END"
    slices = look.slice(source=f"({source})", extra=extra, **params)
    tried = [Marked(ttl, look.saved(slices, lambda one, ttl=ttl: _with_marks(look, one, ttl))) for ttl in ttls]  # type: ignore[misc]
    return max(tried, key=lambda one: total(one.daily))


def _with_marks(look: Look, one: Slice, ttl: Ttl) -> Decimal | None:
    """What a slice would cost if of its plain input `read` came from the cache and `written` went to it."""
    sheet = look.sheet(one)
    read, written = one.extra[f"read_{ttl}"], one.extra[f"written_{ttl}"]
    usage = Usage(cache_read=read, **{"cache_write_5m" if ttl == "5m" else "cache_write_1h": written})
    would, plain = look.price(one, sheet, usage), look.price(one, sheet, Usage(input=read + written))
    return None if would is None or plain is None else one.cost - plain + would


def _is_unmarked(look: Look, slices: Sequence[Slice]) -> bool:
    """Whether nothing is cached, at a provider that caches what is marked."""
    cached = sum(one.usage.cache_read + one.usage.cache_write_5m + one.usage.cache_write_1h for one in slices)
    if cached > CACHED_SHARE_MAX * sum(one.usage.total_input for one in slices):
        return False
    sheet = look.sheet(slices[0])
    return sheet is not None and {Unit.CACHE_READ, Unit.CACHE_WRITE_5M} <= sheet.listed


_GROWS = """
SELECT coalesce(avg((total_input >= before)::INTEGER) FILTER (before IS NOT NULL), 0) AS grows
FROM (
  SELECT session, total_input, lag(total_input) OVER (PARTITION BY session ORDER BY received_at) AS before
  FROM {base} WHERE {where}
)
"""
_TURNS = """
SELECT *, CASE WHEN input_tokens < $least THEN 0 ELSE least(before, input_tokens) END AS shared,
  CASE WHEN input_tokens < $least THEN 0 ELSE input_tokens - least(before, input_tokens) END AS fresh
FROM (
  SELECT *, CASE WHEN lag(input_tokens) OVER talk >= $least THEN lag(input_tokens) OVER talk ELSE 0 END AS before,
    epoch(received_at) - epoch(lag(received_at) OVER talk) AS gap_s
  FROM {base} WHERE {where} WINDOW talk AS (PARTITION BY session ORDER BY received_at)
)
"""
_FLOOR = f"""
SELECT {", ".join(SEGMENT_COLUMNS)},
  quantile_disc(total_input, {FLOOR}) AS floor, quantile_disc(total_input, 0.5) AS middle,
  sqrt(regr_syy(request_bytes, total_input) * (1 - coalesce(regr_r2(request_bytes, total_input), 0)) / count(*))
    / avg(request_bytes) AS bytes_stray,
  sqrt(regr_syy(total_input, request_bytes) * (1 - coalesce(regr_r2(total_input, request_bytes), 0)) / count(*))
    / avg(total_input) AS tokens_stray
FROM {{base}} WHERE list_contains($unmarked, model) GROUP BY ALL
"""
_FIXED = """
SELECT *, least($fixed, input_tokens) AS shared, 0 AS fresh,
  epoch(received_at) - epoch(lag(received_at) OVER (ORDER BY received_at)) AS gap_s
FROM {base} WHERE {where}
"""
