"""Attempts that were paid for and came to nothing, whose request was then asked again."""

from datetime import date
from decimal import Decimal

from bursar.advisor.advice import Advice
from bursar.advisor.drafts import budget_draft, draft_name, match_of
from bursar.advisor.giving import give
from bursar.advisor.look import SEGMENT_COLUMNS, Look, Segment, Slice

AGAIN_S = 600
TIMES_MIN = 10
USUAL_DAY = 90  # of a hundred days, so many cost less
LOST = ("aborted", "timeout", "provider_error")
SAYS = {
    "aborted": "the client hung up before the answer was whole",
    "timeout": "no answer came in time",
    "provider_error": "the provider broke off",
}
STEPS = {
    "aborted": "raise the client's time-out above the 99th percentile of this segment's time, or stream the answer",
    "timeout": "raise the time-out, or give these calls a first-byte time-out and another way (routes)",
    "provider_error": "give these calls another way (routes), or let the SDK or Bursar retry, not both",
}


def stop_asking_again(look: Look) -> list[Advice]:
    """For each segment whose lost attempts, asked again within minutes, cost something."""
    keys = ", ".join(SEGMENT_COLUMNS)
    lost = f"""
        SELECT * FROM (
          SELECT *, epoch(lead(received_at) OVER again) - epoch(received_at) AS gap_s,
            lead(call_id) OVER again = call_id AS is_own
          FROM {{base}} WHERE request_fingerprint <> '' AND request_fingerprint IN (
            SELECT request_fingerprint FROM {{base}} WHERE outcome IN {LOST})
          WINDOW again AS (
            PARTITION BY {keys}, credential_id, request_fingerprint ORDER BY received_at, attempt_number)
        ) WHERE outcome IN {LOST} AND (is_own OR gap_s <= {AGAIN_S}) AND quality <> 'assumed'
    """
    by_segment: dict[Segment, list[Slice]] = {}
    for one in look.slice(source=f"({lost})"):
        by_segment.setdefault(one.segment, []).append(one)
    return [
        _advice(look, segment, slices, daily)
        for segment, slices in by_segment.items()
        if sum(one.attempts for one in slices) >= TIMES_MIN
        and look.is_worth(daily := look.saved(slices, lambda _: Decimal(0)))
    ]


def _advice(look: Look, segment: Segment, slices: list[Slice], daily: dict[date, Decimal]) -> Advice:
    claim = look.claim(segment, f"outcome IN {LOST}")
    mostly = look.ask(f"SELECT mode(outcome) AS outcome FROM {{base}} WHERE {claim.sql}", **claim.params)[0]["outcome"]
    times = sum(one.attempts for one in slices)
    match = match_of(look, segment) | {"model": look.homes[segment].model_asked}
    return give(
        look, "retries", segment, claim, look.monthly(daily),
        title=f"Stop paying twice in {segment.name}",
        why=f"{times:,} attempts were billed and came to nothing, and the same request was sent again within "
        f"{AGAIN_S // 60} minutes. Mostly {SAYS[mostly]}.",
        change=budget_draft(
            draft_name("retries", segment), match, _usual(look, segment, slices),
            f"{SAYS[mostly]}, and it is asked again", "it is asked once", STEPS[mostly],
        ),
        confidence="measured", effort="medium", risk="low",
        doubts=("What was billed of a broken answer is estimated from its bytes where the provider didn't say.",),
    )  # fmt: skip


def _usual(look: Look, segment: Segment, lost: list[Slice]) -> Decimal:
    """What nine of ten days cost at most without what was paid for nothing, USD."""
    daily: dict[date, Decimal] = {}
    for slices, sign in ((look.segments[segment], 1), (lost, -1)):
        for one in slices:
            daily[one.day] = daily.get(one.day, Decimal(0)) + sign * one.cost
    costs = sorted(daily.values())
    return costs[min(len(costs) * USUAL_DAY // 100, len(costs) - 1)]
