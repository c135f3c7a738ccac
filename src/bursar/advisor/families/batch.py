"""Calls that nobody waits for: half price as a batch, or on the flex tier."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from bursar.advisor.advice import Advice, Draft
from bursar.advisor.drafts import client_draft, draft_name, match_of, policy_draft
from bursar.advisor.families.batch_requests import batch_steps
from bursar.advisor.families.unattended import BARE, unattended
from bursar.advisor.giving import give
from bursar.advisor.look import Look, Segment, Slice, total
from bursar.domain.controls import PolicyTerms
from bursar.prices.book import STANDARD_TIERS

BATCH, FLEX = "batch", "flex"
TIERS = {BATCH: "a batch, whose answers come within a day", FLEX: "the flex tier, which may take minutes"}
FLEX_ENOUGH = Decimal("0.95")  # of what a batch saves: then the tier is taken, for which no caller has to change
FLEX_PROVIDERS = frozenset({"openai", "azure", "google"})  # whose requests a policy can ask for it in
DOUBT = 0.05
BEFORE = "one call after the other, at the standard price"


def send_as_batches(look: Look) -> list[Advice]:
    """For each segment without anybody waiting: the flex tier where a policy can set it, else a batch."""
    waits_for_nobody = look.once("unattended", unattended)
    bare: dict[Segment, list[Slice]] = {segment: [] for segment in sorted(waits_for_nobody)}
    for one in look.slice(BARE):
        if one.segment in bare and one.tier in STANDARD_TIERS:
            bare[one.segment].append(one)
    found = []
    for segment, slices in bare.items():
        by_tier = {tier: _saved(look, slices, tier) for tier in TIERS}
        batch, flex = (total(by_tier[tier]) for tier in TIERS)
        tier = FLEX if not batch or (_takes_flex(look, segment, slices) and flex >= FLEX_ENOUGH * batch) else BATCH
        if look.is_worth(by_tier[tier]):
            found.append(_advice(look, segment, tier, by_tier[tier], _takes_flex(look, segment, slices)))
    return found


def _takes_flex(look: Look, segment: Segment, slices: Sequence[Slice]) -> bool:
    """Whether a policy on the segment meets these calls alone: none of it streams, or names a session or user."""
    whole = sum(one.attempts for one in look.segments[segment] if one.tier in STANDARD_TIERS)
    return segment.provider in FLEX_PROVIDERS and sum(one.attempts for one in slices) == whole


def _saved(look: Look, slices: Sequence[Slice], tier: str) -> dict[date, Decimal]:
    def otherwise(one: Slice) -> Decimal | None:
        sheet = look.sheet(one, tier=tier)
        return look.price(one, sheet) if sheet is not None and sheet.tier_known else None

    return look.saved(slices, otherwise)


def _advice(look: Look, segment: Segment, tier: str, daily: dict[date, Decimal], takes_flex: bool) -> Advice:
    claim = look.claim(segment, f"{BARE} AND tier IN {tuple(sorted(STANDARD_TIERS))}")
    where = {BATCH: "as a batch", FLEX: "on the flex tier"}[tier]
    doubts = {
        BATCH: "A provider's batch may take up to a day, and what isn't done by then comes back undone.",
        FLEX: "An answer may take minutes, and where the provider has no room it refuses with 429, unbilled: it has to "
        "be asked again, or at the standard price.",
    }
    return give(
        look, "batch", segment, claim, look.monthly(daily, DOUBT),
        title=f"Send {segment.name} {where}",
        why="These calls come by the clock, name no session and no user, and aren't streamed: nobody seems to wait. "
        "Others of the segment, if it has any, are left as they are.",
        change=_change(look, segment, tier, takes_flex),
        confidence="estimated", effort="low" if tier == FLEX and takes_flex else "medium", risk="low",
        doubts=(
            "Something that isn't in the ledger may wait for the answers, such as a report that is due in the morning.",
            doubts[tier],
        ),
    )  # fmt: skip


def _change(look: Look, segment: Segment, tier: str, takes_flex: bool) -> Draft:
    """A policy for the flex tier. No control makes a batch of live calls: that is the caller's, word for word."""
    after = f"as {TIERS[tier]}" if tier == BATCH else f"on {TIERS[tier]}"
    if tier == BATCH:
        return client_draft(BEFORE, after, *batch_steps(segment.provider, look.homes[segment]))
    if not takes_flex:
        return client_draft(BEFORE, after, 'send "service_tier": "flex" with each request, and allow a longer time-out')
    terms = PolicyTerms(match=match_of(look, segment), service_tier="flex")
    return policy_draft(
        draft_name("flex", segment), terms, BEFORE, after,
        "allow a longer time-out in the client, and in gateway.call_timeout_s: ten minutes or more",
    )  # fmt: skip
