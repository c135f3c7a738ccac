"""Calls that nobody waits for: half price as a batch, or on the flex tier."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from bursar.advisor.advice import Advice
from bursar.advisor.drafts import client_draft
from bursar.advisor.families.unattended import BARE, unattended
from bursar.advisor.giving import give
from bursar.advisor.look import Look, Segment, Slice
from bursar.prices.book import STANDARD_TIERS

TIERS = {"batch": "a batch, whose answers come within a day", "flex": "the flex tier, which may take minutes"}
DOUBT = 0.05


def send_as_batches(look: Look) -> list[Advice]:
    """For each segment without anybody waiting: the first of the cheaper tiers that has a price."""
    waits_for_nobody = look.once("unattended", unattended)
    bare: dict[Segment, list[Slice]] = {segment: [] for segment in sorted(waits_for_nobody)}
    for one in look.slice(BARE):
        if one.segment in bare and one.tier in STANDARD_TIERS:
            bare[one.segment].append(one)
    found = []
    for segment, slices in bare.items():
        for tier in TIERS:
            daily = _saved(look, slices, tier)
            if look.is_worth(daily):
                found.append(_advice(look, segment, tier, daily))
                break
    return found


def _saved(look: Look, slices: Sequence[Slice], tier: str) -> dict[date, Decimal]:
    def otherwise(one: Slice) -> Decimal | None:
        sheet = look.sheet(one, tier=tier)
        return look.price(one, sheet) if sheet is not None and sheet.tier_known else None

    return look.saved(slices, otherwise)


def _advice(look: Look, segment: Segment, tier: str, daily: dict[date, Decimal]) -> Advice:
    claim = look.claim(segment, f"{BARE} AND list_contains($tiers, tier)", tiers=sorted(STANDARD_TIERS))
    step = (
        "send the requests of a run as one file to the provider's batch API, through the gateway (batches.md)"
        if tier == "batch"
        else 'send "service_tier": "flex" with each request, and allow a longer time-out'
    )
    return give(
        look, "batch", segment, claim, look.monthly(daily, DOUBT),
        title=f"Send {segment.name} as {TIERS[tier].split(',')[0]}",
        why="These calls come by the clock, name no session and no user, and aren't streamed: nobody seems to wait. "
        "Others of the segment, if it has any, are left as they are.",
        change=client_draft("one call after the other, at the standard price", f"as {TIERS[tier]}", step),
        confidence="estimated", effort="medium", risk="low",
        doubts=(
            "Something that isn't in the ledger may wait for the answers, such as a report that is due in the morning.",
            "A provider's batch may take up to a day, and what isn't done by then comes back undone.",
        ),
    )  # fmt: skip
