"""Requests that came again, each with its times: what an exact cache and forgotten jobs are found in."""

from datetime import date
from decimal import Decimal
from statistics import mean, median, pstdev

import msgspec

from bursar.advisor.look import SEGMENT_COLUMNS, Look, Segment

ROWS_MAX = 2_000_000  # of repeats that are held at a time; what is beyond them is not advised on
TOOLS = ("tool_calls", "tool_use", "function_call")
RUNS_MIN = 6  # of a job, to know its beat
BEAT_S_MIN = 900  # what comes more often is traffic
BEAT_SPREAD_MAX = 0.15  # of its gaps, against their mean
SIZES_MAX = 1.02  # the largest answer, to the smallest


class Repeat(msgspec.Struct):
    """One request of one key that was answered more than once, in order of time.

    at_s: seconds since the epoch. sizes: of the answers, in bytes.
    """

    segment: Segment
    fingerprint: str
    credential_id: str
    at_s: list[float]
    days: list[date]
    costs: list[Decimal]
    sizes: list[int]

    @property
    def gaps_s(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.at_s, self.at_s[1:], strict=False)]

    @property
    def is_job(self) -> bool:
        """Whether it comes by the clock and gets the same answer each time, as far as its size can tell."""
        gaps = self.gaps_s
        if len(self.at_s) < RUNS_MIN or median(gaps) < BEAT_S_MIN or max(self.sizes) > SIZES_MAX * min(self.sizes):
            return False
        usual = [gap for gap in gaps if gap <= 1.5 * median(gaps)]  # a run that was missed doubles a gap
        return len(usual) >= 0.9 * len(gaps) and pstdev(usual) <= BEAT_SPREAD_MAX * mean(usual)


def repeats(look: Look) -> list[Repeat]:
    """Of answers that a cache could have kept: whole ones of status 200 that had nothing done."""
    keys = ", ".join(SEGMENT_COLUMNS)
    rows = look.ask(
        f"""
        SELECT {keys}, request_fingerprint, credential_id, is_stream, epoch(received_at) AS at_s, day, cost,
          response_bytes
        FROM {{base}} WHERE outcome = 'ok' AND request_fingerprint <> ''
          AND operation IN ('chat', 'text_completion', 'embeddings') AND NOT list_contains($tools, finish_reason)
        QUALIFY count(*) OVER (PARTITION BY {keys}, request_fingerprint, credential_id, is_stream) > 1
        ORDER BY {keys}, request_fingerprint, credential_id, is_stream, received_at LIMIT {ROWS_MAX}
        """,
        tools=list(TOOLS),
    )
    found: list[Repeat] = []
    last: tuple[object, ...] = ()
    for row in rows:
        key = tuple(row[name] for name in (*SEGMENT_COLUMNS, "request_fingerprint", "credential_id", "is_stream"))
        if key != last:
            segment = Segment(*(row[name] for name in SEGMENT_COLUMNS))
            found.append(Repeat(segment, row["request_fingerprint"], row["credential_id"], [], [], [], []))
            last = key
        one = found[-1]
        one.at_s.append(float(row["at_s"]))
        one.days.append(row["day"])
        one.costs.append(row["cost"])
        one.sizes.append(int(row["response_bytes"]))
    return found
