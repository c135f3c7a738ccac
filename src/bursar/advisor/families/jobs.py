"""The same request by the clock, with the same answer each time: a job that somebody has forgotten, or that could run
far less often."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from statistics import median

from bursar.advisor.advice import Advice
from bursar.advisor.drafts import client_draft
from bursar.advisor.families.repeats import Repeat, repeats
from bursar.advisor.giving import give
from bursar.advisor.look import Look, Segment

HOUR_S = 3_600


def stop_repeated_jobs(look: Look) -> list[Advice]:
    """All of what such a job costs, for each segment that has some."""
    by_segment: dict[Segment, list[Repeat]] = defaultdict(list)
    for one in look.once("repeats", repeats):
        if one.is_job:
            by_segment[one.segment].append(one)
    given = []
    for segment, found in by_segment.items():
        daily: dict[date, Decimal] = {}
        for one in found:
            for day, cost in zip(one.days, one.costs, strict=True):
                daily[day] = daily.get(day, Decimal(0)) + cost
        if look.is_worth(daily):
            given.append(_advice(look, segment, found, daily))
    return given


def _advice(look: Look, segment: Segment, found: list[Repeat], daily: dict[date, Decimal]) -> Advice:
    runs = sum(len(one.at_s) for one in found)
    beat_s = median(gap for one in found for gap in one.gaps_s)
    claim = look.claim(
        segment,
        "outcome = 'ok' AND request_fingerprint IN (SELECT unnest($prints))",
        prints=[one.fingerprint for one in found],
    )
    every = f"{beat_s / HOUR_S:.3g} hours" if beat_s >= HOUR_S else f"{beat_s / 60:.0f} minutes"
    return give(
        look, "repeated_job", segment, claim, look.monthly(daily),
        title=f"Stop the job behind {segment.name}, or run it far less often",
        why=f"{len(found):,} request{'s' if len(found) > 1 else ''} came every {every}, {runs:,} times in this period, "
        "and each answer had the same size as the one before.",
        change=client_draft(
            f"asked every {every}", "not asked, or only when what it asks about has changed",
            "find who runs it by its key, and ask whether anybody reads the answer",
            "if it is needed: an exact cache with a time to live of days gives the same answer for nothing",
        ),
        confidence="estimated", effort="medium", risk="medium",
        doubts=(
            "Somebody may read each answer: that its size never changes doesn't say that its words don't.",
            "It may be a probe of the provider's health, which a smaller model can do.",
        ),
    )  # fmt: skip
