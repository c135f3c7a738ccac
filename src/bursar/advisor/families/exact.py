"""The same request again within an hour or a day: an exact cache answers it for nothing.

Measured exactly: each repeat of a request by the same key is in the ledger with its time and its cost, and a cache
with a time to live answers those that come before its entry ends. What a cache adds to a miss (microseconds) is no
cost that a provider bills.
"""

from collections import defaultdict
from datetime import date
from decimal import Decimal

from bursar.advisor.advice import Advice
from bursar.advisor.drafts import cache_draft, draft_name, match_of
from bursar.advisor.families.repeats import Repeat, jobs_and_others
from bursar.advisor.giving import give
from bursar.advisor.look import Look, Segment, total
from bursar.domain.caching import CacheTerms, ExactCaching

TTLS_S = {300: "5 minutes", 3_600: "an hour", 86_400: "a day"}
ENOUGH = Decimal("0.9")  # of what the longest saves: the shorter one is taken, whose answers are younger
AT_ONCE_S = 5.0
SAMPLED_SHARE_MAX = 0.2
FINGERPRINTS_MAX = 20_000


def keep_equal_answers(look: Look) -> list[Advice]:
    """An exact cache for each segment that would have had hits worth it."""
    by_segment: dict[Segment, list[Repeat]] = defaultdict(list)
    for one in jobs_and_others(look)[1]:
        by_segment[one.segment].append(one)
    return [
        advice
        for segment, found in by_segment.items()
        if not _wants_variety(found) and (advice := _advice(look, segment, found)) is not None
    ]


def _advice(look: Look, segment: Segment, found: list[Repeat]) -> Advice | None:
    found = sorted(found, key=lambda one: -sum(one.costs))[:FINGERPRINTS_MAX]  # what isn't claimed isn't promised
    by_ttl = {ttl_s: hits_by_day(found, ttl_s) for ttl_s in TTLS_S}
    most = max(total(daily) for _, daily in by_ttl.values())
    ttl_s = next(ttl_s for ttl_s, (_, daily) in by_ttl.items() if total(daily) >= ENOUGH * most)
    hits, daily = by_ttl[ttl_s]
    if not look.is_worth(daily):
        return None
    terms = CacheTerms(match=match_of(look, segment), exact=ExactCaching(ttl_s=ttl_s))
    claim = look.claim(
        segment,
        "outcome = 'ok' AND request_fingerprint IN (SELECT unnest($prints))",
        prints=[one.fingerprint for one in found],
    )
    return give(
        look, "exact_cache", segment, claim, look.monthly(daily),
        title=f"Keep the answers of {segment.name} for {TTLS_S[ttl_s]}",
        why=f"{hits:,} calls of this period were a request that the same key had been answered within {TTLS_S[ttl_s]}.",
        change=cache_draft(draft_name("exact", segment), terms, "every call goes to its provider"),
        confidence="measured", effort="low", risk="low",
        doubts=(
            "Where freshness or variety is wanted, an answer that is given again is wrong; callers say no-cache then.",
            "Answer text is at rest for its time.",
            "Calls that offer tools aren't kept, and the ledger doesn't know of tools that were offered and not used.",
        ),
    )  # fmt: skip


def hits_by_day(found: list[Repeat], ttl_s: float) -> tuple[int, dict[date, Decimal]]:
    """How many calls a cache would have answered, and what they cost by day. An entry isn't prolonged by its hits."""
    hits, daily = 0, dict[date, Decimal]()
    for one in found:
        ends_s = -1.0
        for at_s, day, cost in zip(one.at_s, one.days, one.costs, strict=True):
            if at_s < ends_s:
                hits += 1
                daily[day] = daily.get(day, Decimal(0)) + cost
            else:
                ends_s = at_s + ttl_s
    return hits, daily


def _wants_variety(found: list[Repeat]) -> bool:
    """Whether equals are asked at once and answered differently: somebody takes the best of several."""
    at_once = different = 0
    for one in found:
        for gap_s, size, before in zip(one.gaps_s, one.sizes[1:], one.sizes, strict=False):
            at_once += gap_s <= AT_ONCE_S and size != before
            different += 1
    return at_once > SAMPLED_SHARE_MAX * max(different, 1)
