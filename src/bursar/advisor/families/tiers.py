"""A dearer service tier, paid for answers that nobody waits for."""

from decimal import Decimal

from bursar.advisor.advice import Advice, Draft
from bursar.advisor.drafts import client_draft, draft_name, match_of, policy_draft
from bursar.advisor.giving import give
from bursar.advisor.look import Look, Segment, Slice
from bursar.domain.controls import PolicyTerms

DEARER = ("priority", "fast")
ASKED_MIN = 0.9  # of the dearer calls: where fewer ask for it, a project's settings do
IN_HEADERS = "aws"  # Bedrock's tiers are in headers too, which no policy changes


def take_the_standard_tier(look: Look) -> list[Advice]:
    """For each segment on a dearer tier whose calls nobody watches: at the standard price."""
    found = []
    for segment, slices in look.segments.items():
        dear = [one for one in slices if one.tier in DEARER]
        daily = look.saved(dear, lambda one: _standard(look, one))
        if look.is_worth(daily) and not _is_watched(look, segment):
            claim = look.claim(segment, f"tier IN {DEARER}")
            found.append(
                    give(
                        look, "service_tier", segment, claim, look.monthly(daily),
                        title=f"Take {segment.name} off the {dear[0].tier} tier",
                        why=f"Sent at the price of {dear[0].tier}, though nothing is streamed and no session or user "
                        "is named: no person watches these answers come.",
                        change=_change(look, segment, dear[0].tier),
                        confidence="measured", effort="low", risk="low",
                        doubts=("A system may need the answers in a bounded time; the standard tier has no bound.",),
                    )
                )  # fmt: skip
    return found


def _change(look: Look, segment: Segment, tier: str) -> Draft:
    """A policy, where the requests themselves ask for the tier."""
    claim = look.claim(segment, f"tier IN {DEARER}")
    asked = look.ask(
        f"SELECT avg((tier_asked IN {DEARER})::INTEGER) AS share FROM {{base}} WHERE {claim.sql}", **claim.params
    )[0]["share"]
    before, after = f'"service_tier": "{tier}"', "the standard tier"
    if (asked or 0) < ASKED_MIN:
        return client_draft(
            before, after, f"these requests don't ask for it: take {tier} out of the project's settings"
        )
    if segment.provider == IN_HEADERS:
        return client_draft(before, after, "leave the service tier out of these requests and their headers")
    terms = PolicyTerms(match=match_of(look, segment), service_tier="standard")
    own = "or leave service_tier (speed, with Anthropic) out of these requests"
    return policy_draft(draft_name("tier", segment), terms, before, after, own)


def _standard(look: Look, one: Slice) -> Decimal | None:
    return look.price(one, look.sheet(one, tier=""))


def _is_watched(look: Look, segment: Segment) -> bool:
    claim = look.claim(segment, "is_stream OR session <> '' OR consumer_id <> ''")
    return look.claimed(claim)[0] > 0
