"""Shadows of routes: what they cost, how they did and how far they agree, over the last days."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from bursar.domain.routes import RouteRule, Shadow
from bursar.explore.shadows import Pair, pairs_so_far
from bursar.ledger.store import Ledger

DAYS = 30  # of calls that count
DROPPED = "bursar_shadows_dropped_total"


class ShadowAnswer(msgspec.Struct, frozen=True):
    """A shadow so far. dropped: calls of the sample that none followed, by reason, since the workers started."""

    route: str
    shadow: str
    candidate: str
    percent: float
    pairs: list[Pair]
    dropped: dict[str, int]


def shadow_so_far(
    ledger: Ledger, rule: RouteRule, shadow: Shadow, now: datetime, counts: Mapping[tuple[str, ...], int]
) -> ShadowAnswer:
    """counts: of the workers' metrics, by name and labels."""
    since = (now - timedelta(days=DAYS)).replace(tzinfo=None)
    with ledger.reading() as session:
        pairs = pairs_so_far(session, rule.name, shadow.name, since)
    place = shadow.candidate
    dropped = {
        key[2].removeprefix("reason="): count
        for key, count in sorted(counts.items())
        if key[0] == DROPPED and key[1] == f"route={rule.name}"
    }
    candidate = "/".join(part for part in (place.upstream, place.model) if part)
    return ShadowAnswer(rule.name, shadow.name, candidate, shadow.percent, pairs, dropped)
