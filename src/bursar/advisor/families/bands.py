"""Calls just above the input size at which a model gets dearer for all of their tokens."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

from bursar.advisor.advice import Advice, Draft
from bursar.advisor.drafts import client_draft, draft_name, match_of, policy_draft
from bursar.advisor.giving import give
from bursar.advisor.look import Look, Segment, Slice
from bursar.domain.controls import PolicyTerms
from bursar.domain.usage import Usage

ABOVE_MAX = 0.1  # of the band's start: so much can be left out of a long input
DOUBT = 0.05


def cross_fewer_bands(look: Look) -> list[Advice]:
    """For each segment with calls just above a band: at its edge, at the lower price."""
    found = []
    for band in look.bands:
        if band <= 0:
            continue
        where = f"total_input > {band} AND total_input <= {round(band * (1 + ABOVE_MAX))}"
        by_segment: dict[Segment, list[Slice]] = defaultdict(list)
        for one in look.slice(where, extra={"above": f"total_input - {band}"}):
            sheet = look.sheet(one)
            if sheet is not None and sheet.band_above == band:
                by_segment[one.segment].append(one)
        for segment, slices in by_segment.items():
            daily = look.saved(slices, lambda one, band=band: _at_the_edge(look, one, band))  # type: ignore[misc]
            if look.is_worth(daily):
                found.append(_advice(look, segment, slices, daily, band, where))
    return found


def _advice(
    look: Look, segment: Segment, slices: list[Slice], daily: dict[date, Decimal], band: int, where: str
) -> Advice:
    calls = sum(one.attempts for one in slices)
    return give(
        look, "context_band", segment, look.claim(segment, where), look.monthly(daily, DOUBT),
        title=f"Keep {segment.name} at {band:,} tokens of input",
        why=f"{calls:,} calls had up to {ABOVE_MAX:.0%} more than {band:,} tokens of input; from there on all "
        "of a call's tokens cost more.",
        change=_change(look, segment, band, where),
        confidence="estimated", effort="medium", risk="low",
        doubts=("What is left out may have been needed.",),
        about=str(band),
    )  # fmt: skip


def _change(look: Look, segment: Segment, band: int, where: str) -> Draft:
    """The caller's, and a policy that warns of requests of that size: their bytes, as these calls' tokens have them."""
    claim = look.claim(segment, where)
    row = look.ask(
        f"SELECT SUM(request_bytes) / SUM(total_input) AS of_token FROM {{base}} WHERE {claim.sql}", **claim.params
    )[0]
    before, after = f"up to {band * (1 + ABOVE_MAX):,.0f} tokens of input", f"{band:,} at most"
    step = "count the tokens before sending (count_tokens is free), and leave out what is least needed"
    if not row["of_token"]:
        return client_draft(before, after, step)
    most = round(float(row["of_token"]) * band)
    terms = PolicyTerms(match=match_of(look, segment), input_bytes_max=most, on_input_excess="warn")
    warned = f"{after}; a request above {most:,} bytes is warned of in its answer's headers, and goes on"
    return policy_draft(draft_name(f"band-{band}", segment), terms, before, warned, step)


def _at_the_edge(look: Look, one: Slice, band: int) -> Decimal | None:
    """What a slice would cost with so much less input, in the band below."""
    here, below = look.sheet(one), look.sheet(one, band_above=band - 1)
    above = min(one.extra["above"], one.usage.input)
    would = look.price(one, below)
    spared = look.price(one, below, Usage(input=above))
    return None if here is None or would is None or spared is None else would - spared
