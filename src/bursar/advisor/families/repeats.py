"""Requests that came again, each with its times: what an exact cache and forgotten jobs are found in."""

from datetime import date
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from statistics import mean, median, pstdev

import msgspec

from bursar.advisor.look import SEGMENT_COLUMNS, Look, Segment

ROWS_MAX = 2_000_000  # of repeats that are held at a time; what is beyond them is not advised on
SAME = (*SEGMENT_COLUMNS, "request_fingerprint", "credential_id", "is_stream")
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
        if len(self.at_s) < RUNS_MIN or max(self.sizes) > SIZES_MAX * min(self.sizes):
            return False
        gaps = self.gaps_s
        if median(gaps) < BEAT_S_MIN:
            return False
        usual = [gap for gap in gaps if gap <= 1.5 * median(gaps)]  # a run that was missed doubles a gap
        return len(usual) >= 0.9 * len(gaps) and pstdev(usual) <= BEAT_SPREAD_MAX * mean(usual)


def jobs_and_others(look: Look) -> tuple[list[Repeat], list[Repeat]]:
    """Requests that come by the clock with the same answer, and all others that came again; asked once."""
    return look.once("jobs and others", _parted)


def _parted(look: Look) -> tuple[list[Repeat], list[Repeat]]:
    parted: tuple[list[Repeat], list[Repeat]] = ([], [])
    for one in repeats(look):
        parted[0 if one.is_job else 1].append(one)
    return parted


def repeats(look: Look) -> list[Repeat]:
    """Of answers that a cache could have kept: whole ones of status 200 that had nothing done. Of segments whose
    repeats cost too little for any advice, none."""
    keys = ", ".join(SEGMENT_COLUMNS)
    same = ", ".join(SAME)
    whole = f"""
        SELECT {same}, received_at, day, cost, response_bytes
        FROM {{base}} WHERE outcome = 'ok' AND request_fingerprint <> ''
          AND operation IN ('chat', 'text_completion', 'embeddings') AND NOT list_contains($tools, finish_reason)
    """
    answer = look.answer(
        f"""
        WITH maybe AS (
          SELECT hash(feature, request_fingerprint) AS print FROM ({whole}) GROUP BY print HAVING count(*) > 1
        ), few AS MATERIALIZED (
          SELECT * FROM ({whole}) SEMI JOIN maybe ON hash(feature, request_fingerprint) = print
        ), again AS (
          SELECT {same}, SUM(cost) AS together FROM few GROUP BY ALL HAVING count(*) > 1
        ), enough AS (
          SELECT {keys} FROM again GROUP BY ALL HAVING SUM(together) >= $least
        )
        SELECT {same}, epoch(received_at) AS at_s, day, cost, response_bytes
        FROM few SEMI JOIN enough USING ({keys}) SEMI JOIN again USING ({same})
        ORDER BY {same}, received_at LIMIT {ROWS_MAX}
        """,
        tools=list(TOOLS), least=look.least * look.months,
    )  # fmt: skip
    found: list[Repeat] = []
    for (*key, fingerprint, credential_id, _), of_one in groupby(answer.rows, key=itemgetter(slice(len(SAME)))):
        times, days, costs, sizes = zip(*(row[len(SAME) :] for row in of_one), strict=True)
        one = Repeat(Segment(*key), fingerprint, credential_id, list(times), list(days), list(costs), list(sizes))
        found.append(one)
    return found
