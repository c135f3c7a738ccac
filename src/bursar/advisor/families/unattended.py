"""Which calls nobody waits for: they come by the clock, no person is named with them, and nothing is streamed.

A segment may have both: people's calls, and a job that says the same of itself. What is looked at are its bare calls.
"""

from collections.abc import Mapping
from typing import Any

from bursar.advisor.look import CALLS_MIN, SEGMENT_COLUMNS, Look, Segment

DAYS_SEEN_MIN = 3
SHARE_MIN = 0.95
HOURS = 3  # of the day, in a row, that hold nearly all calls: a nightly run
MINUTES = 10  # of the hour: an hourly one
BARE = "NOT is_stream AND session = '' AND consumer_id = '' AND operation IN ('chat', 'text_completion', 'embeddings')"


def unattended(look: Look) -> frozenset[Segment]:
    """Segments whose bare calls could come back hours later, as far as the ledger can tell."""
    rows = look.ask(
        f"""
        SELECT {", ".join(SEGMENT_COLUMNS)}, count(*) AS calls, count(DISTINCT day) AS days,
          histogram(hour(received_at)) AS hours, histogram(minute(received_at)) AS minutes
        FROM {{base}} WHERE {BARE} GROUP BY ALL
        """
    )
    return frozenset(Segment(*(row[name] for name in SEGMENT_COLUMNS)) for row in rows if _is_unattended(row))


def _is_unattended(row: Mapping[str, Any]) -> bool:
    if row["calls"] < CALLS_MIN or row["days"] < DAYS_SEEN_MIN:
        return False
    return (
        densest_share(row["hours"], HOURS, 24) >= SHARE_MIN or densest_share(row["minutes"], MINUTES, 60) >= SHARE_MIN
    )


def densest_share(counts: Mapping[int, int], width: int, round_: int) -> float:
    """The share of the fullest window of `width` neighbours on a dial of `round_`.

    >>> densest_share({23: 5, 0: 4, 12: 1}, 2, 24)
    0.9
    """
    dial = [counts.get(at, 0) for at in range(round_)]
    whole = sum(dial)
    return max(sum(dial[(at + step) % round_] for step in range(width)) for at in range(round_)) / whole
