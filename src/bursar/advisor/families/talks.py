"""How long a segment's conversations are: what marks for a prompt cache and a window of turns are both about."""

from typing import NamedTuple

from bursar.advisor.look import SEGMENT_COLUMNS, Look, Segment


class Talks(NamedTuple):
    """Conversations of a segment: how many, and their turns on average and at most."""

    sessions: int
    turns: float
    turns_max: int


NO_TALKS = Talks(0, 0.0, 0)


def talks(look: Look) -> dict[Segment, Talks]:
    """Of each segment that names sessions, asked of the ledger once."""
    keys = ", ".join(SEGMENT_COLUMNS)
    rows = look.ask(
        f"""
        SELECT {keys}, count(*) AS sessions, avg(turns) AS turns, max(turns) AS turns_max FROM (
          SELECT {keys}, session, count(*) AS turns FROM {{base}} WHERE session <> '' GROUP BY ALL
        ) GROUP BY ALL
        """
    )
    return {
        Segment(*(row[name] for name in SEGMENT_COLUMNS)): Talks(row["sessions"], row["turns"], row["turns_max"])
        for row in rows
    }
