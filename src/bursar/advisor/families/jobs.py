"""The same request by the clock, with the same answer each time: a job that somebody has forgotten, or that could run
far less often. A cache that keeps its answer for a week does the latter without finding whoever runs it."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from statistics import median

from bursar.advisor.advice import Advice
from bursar.advisor.drafts import cache_draft, draft_name, match_of
from bursar.advisor.families.exact import hits_by_day
from bursar.advisor.families.repeats import Repeat, jobs_and_others
from bursar.advisor.giving import give
from bursar.advisor.look import Look, Segment
from bursar.domain.caching import CacheTerms, ExactCaching

HOUR_S = 3_600
KEPT_S = 7 * 24 * HOUR_S


def stop_repeated_jobs(look: Look) -> list[Advice]:
    """What such a job costs but for one run a week, for each segment that has some."""
    by_segment: dict[Segment, list[Repeat]] = defaultdict(list)
    for one in jobs_and_others(look)[0]:
        by_segment[one.segment].append(one)
    given = []
    for segment, found in by_segment.items():
        _, daily = hits_by_day(found, KEPT_S)
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
    keys = {one.credential_id for one in found}
    match = match_of(look, segment) | ({"credential": keys.pop()} if len(keys) == 1 else {})
    terms = CacheTerms(match=match, exact=ExactCaching(ttl_s=KEPT_S))
    return give(
        look, "repeated_job", segment, claim, look.monthly(daily),
        title=f"Stop the job behind {segment.name}, or run it far less often",
        why=f"{len(found):,} request{'s' if len(found) > 1 else ''} came every {every}, {runs:,} times in this period, "
        "and each answer had the same size as the one before.",
        change=cache_draft(
            draft_name("job", segment), terms, f"asked every {every}",
            "find who runs it by its key, and ask whether anybody reads the answer: not asked at all, it costs nothing",
        ),
        confidence="estimated", effort="medium", risk="medium",
        doubts=(
            "Somebody may read each answer: that its size never changes doesn't say that its words don't.",
            "Any other request of its match that comes again within a week gets its first answer again, too.",
            "It may be a probe of the provider's health, which a smaller model can do.",
        ),
    )  # fmt: skip
