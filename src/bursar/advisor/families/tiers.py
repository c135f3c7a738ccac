"""A dearer service tier, paid for answers that nobody waits for."""

from decimal import Decimal

from bursar.advisor.advice import Advice
from bursar.advisor.drafts import client_draft
from bursar.advisor.giving import give
from bursar.advisor.look import Look, Segment, Slice

DEARER = ("priority", "fast")


def take_the_standard_tier(look: Look) -> list[Advice]:
    """For each segment on a dearer tier whose calls nobody watches: at the standard price."""
    found = []
    for segment, slices in look.segments.items():
        dear = [one for one in slices if one.tier in DEARER]
        daily = look.saved(dear, lambda one: _standard(look, one))
        if look.is_worth(daily) and not _is_watched(look, segment):
            claim = look.claim(segment, "list_contains($tiers, tier)", tiers=list(DEARER))
            found.append(
                    give(
                        look, "service_tier", segment, claim, look.monthly(daily),
                        title=f"Take {segment.name} off the {dear[0].tier} tier",
                        why=f"Sent at the price of {dear[0].tier}, though nothing is streamed and no session or user "
                        "is named: no person watches these answers come.",
                        change=client_draft(
                            f'"service_tier": "{dear[0].tier}"', "the standard tier",
                            "leave service_tier out of these requests",
                        ),
                        confidence="measured", effort="low", risk="low",
                        doubts=("A system may need the answers in a bounded time; the standard tier has no bound.",),
                    )
                )  # fmt: skip
    return found


def _standard(look: Look, one: Slice) -> Decimal | None:
    return look.price(one, look.sheet(one, tier=""))


def _is_watched(look: Look, segment: Segment) -> bool:
    claim = look.claim(segment, "is_stream OR session <> '' OR consumer_id <> ''")
    return look.claimed(claim)[0] > 0
