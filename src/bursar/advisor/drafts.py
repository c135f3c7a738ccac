"""The exact change that an advice proposes, as data that can be kept, off, until a person switches it on."""

from decimal import ROUND_UP, Decimal
from glob import escape
from hashlib import blake2b
from typing import Any

import msgspec

from bursar.advisor.advice import Draft
from bursar.advisor.look import Look, Segment
from bursar.domain.cache_words import cache_phrases
from bursar.domain.caching import CacheTerms
from bursar.domain.controls import DraftBudget, PolicyTerms, written
from bursar.domain.money import plain
from bursar.domain.routes import RouteRule

NAME_CHARS_MAX = 60
CENTS = Decimal("0.01")
WIDENS = (
    "These calls say neither feature nor request type, so the draft is about every call of the key and model: narrow "
    "its match, or have them tagged first."
)
ALONE = {
    "cache": "One cache rule decides about a call, alone: if these have one, put this into it.",
    "route": "One route decides about a call, alone: if these have one, put this into it.",
}


def match_of(look: Look, segment: Segment) -> dict[str, str]:
    """Conditions that hold for a segment's calls. Where they say little, the key's, if they have but one."""
    home = look.homes[segment]
    match = {"feature": segment.feature, "request_type": segment.request_type, "model": home.model_sent}
    if not (segment.feature and segment.request_type):
        match["credential"] = home.credential_id
    return {name: value for name, value in match.items() if value}


def doubts_of_draft(draft: Draft, segment: Segment) -> tuple[str, ...]:
    """What to look at before a draft is switched on: whether its match can tell these calls from others, and whether
    another control decides about them."""
    if draft.kind == "client":
        return ()
    widens = () if segment.feature or segment.request_type else (WIDENS,)
    return (*widens, *((ALONE[draft.kind],) if draft.kind in ALONE else ()))


def draft_name(what: str, segment: Segment) -> str:
    """A name that people will know it by; its last characters tell apart what is cut or not said in it."""
    said = "-".join(part for part in (segment.feature, segment.request_type, segment.model) if part)
    plain = "".join(letter if letter.isalnum() or letter in ".-_" else "-" for letter in said)
    mark = blake2b("\0".join(segment).encode(), digest_size=2).hexdigest()
    return f"{f'advice-{what}-{plain}'[:NAME_CHARS_MAX]}-{mark}"


def policy_draft(name: str, terms: PolicyTerms, before: str, after: str, *steps: str) -> Draft:
    """before, after: what the policy changes, in words. steps: what the caller does beside it."""
    return Draft("policy", name, _plain(terms), (before,), (after, f"for {written(terms.match)}"), steps)


def cache_draft(name: str, terms: CacheTerms, before: str, *steps: str) -> Draft:
    """steps: what the caller does beside it."""
    after = (*cache_phrases(terms), f"for {written(terms.match)}")
    return Draft("cache", name, _plain(terms), (before,), after, steps)


def route_draft(rule: RouteRule, before: str, after: str) -> Draft:
    """A route's values are patterns, and a caller may have named its feature `*`."""
    rule = msgspec.structs.replace(rule, match={name: escape(value) for name, value in rule.match.items()})
    return Draft("route", rule.name, _plain(rule), (before,), (after, f"for {written(rule.match)}"))


def budget_draft(name: str, match: dict[str, str], a_day: Decimal, before: str, after: str, *steps: str) -> Draft:
    """A budget by the day that refuses nothing, for what the caller changes: it says when a day costs more. a_day: USD,
    rounded up to two digits."""
    digits = Decimal(1).scaleb(max(a_day, CENTS).adjusted() - 1)
    limit = max((a_day / digits).to_integral_value(ROUND_UP) * digits, CENTS)
    terms = DraftBudget(limit=plain(limit), match=match)
    watched = f"a budget of ${limit:,.2f} a day, as a dry run, says when it costs more again"
    return Draft("budget", name, _plain(terms), (before,), (after, watched, f"for {written(match)}"), steps)


def client_draft(before: str, after: str, *steps: str) -> Draft:
    """What only the caller can change."""
    return Draft("client", before=(before,), after=(after,), steps=steps)


def _plain(terms: PolicyTerms | CacheTerms | RouteRule | DraftBudget) -> dict[str, Any]:
    return msgspec.to_builtins(terms)  # type: ignore[no-any-return]
