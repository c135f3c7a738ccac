"""Hours and days of the series that cost most, read from the charges once, and from then on what came to the books.

A query per dimension: at ten million charges that is a second each, and partial sums by every value would not fit in
memory. But steps that are over change only by rows that are appended: late calls, corrections, adjustments. So the last
answer is kept, and an hour's end reads that hour, and of the ones before what was posted since. Which values cost most
is asked each time; one that wasn't among them is read whole.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bursar.domain.watching import Bucket, Clock, SeriesKey
from bursar.explore import compile as sql
from bursar.explore.apart import OF_CALLS
from bursar.ledger.store import Session
from bursar.watch.buckets import FIELDS, STEP_US, WATCHED, dear_param, naive_us, parts_of, summed
from bursar.watch.dear import DearPairs

BRIEF = ("session",)  # dimensions whose values live for minutes: hours and days of them say nothing
LONG_VALUES = 60  # of each dimension, those that cost most first

Counts = npt.NDArray[np.int64]


class Long(NamedTuple):
    """Hours or days of many series.

    starts_us: of each step, oldest first, without a gap. keys: whose, the whole first.
    counts: int64 (series, steps, fields), in the order of `FIELDS`; a step without a call is 0.
    """

    starts_us: list[int]
    keys: list[SeriesKey]
    counts: Counts

    def buckets(self, series: int) -> list[Bucket]:
        """One series as buckets, a step each."""
        return [Bucket(*row) for row in self.counts[series].tolist()]


class _Asked(NamedTuple):
    """Which whole steps (UTC), and which models are dear for what."""

    clock: Clock
    start_us: int
    end_us: int
    dear: DearPairs

    @property
    def starts_us(self) -> list[int]:
        return list(range(self.start_us, self.end_us, STEP_US[self.clock]))

    @property
    def span(self) -> dict[str, Any]:
        return {"start": naive_us(self.start_us), "end": naive_us(self.end_us)}


class _Kept(NamedTuple):
    """An answer. charges: how many rows it was made of; posted: when the last of them came to the books."""

    asked: _Asked
    rows: dict[SeriesKey, int]
    counts: Counts
    charges: int
    posted: datetime | None


class LongReader:
    """Reads hours and days of one ledger. Not for several threads."""

    def __init__(self, dialect: str, dimensions: Sequence[str] = WATCHED, values: int = LONG_VALUES) -> None:
        self._dialect = dialect
        self._names = [name for name in dimensions if name not in BRIEF]
        self._values = values
        self._kept: dict[Clock, _Kept] = {}

    def read(self, session: Session, clock: Clock, start_us: int, end_us: int, dear: DearPairs = frozenset()) -> Long:
        """Whole hours or days of [start, end), of the whole and of the values of each dimension that cost most.

        The counts are kept to go on from: they aren't to be written to.
        """
        asked = _Asked(clock, start_us, end_us, dear)
        kept = self._kept.pop(clock, None)
        if kept is not None and not _goes_on(session, kept, asked):
            kept = None
        keys = [SeriesKey()]
        parts = [self._counts(session, keys, asked, kept)]
        for name in self._names:
            own = [SeriesKey(name, value) for value in self._dearest(session, name, asked)]
            keys += own
            parts.append(self._counts(session, own, asked, kept))
        counts = np.concatenate(parts)
        charges, posted = session.query(
            f"SELECT count(*), max(posted_at) FROM charges WHERE {_WITHIN}", asked.span
        ).rows[0]
        self._kept[clock] = _Kept(asked, {key: row for row, key in enumerate(keys)}, counts, charges, posted)
        return Long(asked.starts_us, keys, counts)

    def _dearest(self, session: Session, name: str, asked: _Asked) -> list[str]:
        (value,) = sql.dimension_columns((name,), self._dialect)
        query = (
            f"SELECT {value} AS value FROM charges WHERE {_WITHIN} AND coalesce({value}, '') <> '' GROUP BY 1 "
            "ORDER BY SUM(list_cost) DESC NULLS LAST, SUM(weight) DESC, 1 LIMIT $values"
        )
        params = asked.span | sql.dimension_params([name]) | {"values": self._values}
        return sorted(row[0] for row in session.query(query, params).rows)

    def _counts(self, session: Session, keys: Sequence[SeriesKey], asked: _Asked, kept: _Kept | None) -> Counts:
        """(keys, steps, fields), of keys of one dimension."""
        counts = np.zeros((len(keys), len(asked.starts_us), len(FIELDS)), dtype=np.int64)
        known = [row for row, key in enumerate(keys) if kept is not None and key in kept.rows]
        if kept is not None and known:
            past = kept.counts[[kept.rows[keys[row]] for row in known]]
            past = past[:, (asked.start_us - kept.asked.start_us) // STEP_US[asked.clock] :]
            counts[known, : past.shape[1]] = past
            self._add(session, counts, keys, known, asked, kept)
        new = sorted(set(range(len(keys))) - set(known))
        if new:
            self._add(session, counts, keys, new, asked, None)
        return counts

    def _add(
        self, session: Session, counts: Counts, keys: Sequence[SeriesKey], rows: Sequence[int], asked: _Asked,
        kept: _Kept | None,
    ) -> None:  # fmt: skip
        """Add the charges of some of the keys: all there are, or those that `kept` hasn't."""
        name = keys[0].dimension
        params = asked.span | dear_param(asked.dear)
        if kept is not None:
            params |= {"seen": naive_us(kept.asked.end_us), "posted": kept.posted}
        if name:
            params |= sql.dimension_params([name]) | {"values": [keys[row].value for row in rows]}
        found = session.query(self._sums_sql(name, asked, since=kept is not None), params).rows
        if found:
            series = {keys[row].value: row for row in rows}
            steps = {at: index for index, at in enumerate(asked.starts_us)}
            at = [series[row[1]] for row in found], [steps[row[0]] for row in found]
            counts[at] += np.array([row[2:] for row in found], dtype=np.int64)

    def _sums_sql(self, name: str, asked: _Asked, *, since: bool) -> str:
        """name: a dimension, "" for the whole."""
        value, only = "''", ""
        if name:
            (value,) = sql.dimension_columns((name,), self._dialect)
            only = f" AND {value} IN (SELECT unnest($values))"
        sums = ", ".join(f"{summed(field, part=part)} AS {field}" for field, part in parts_of(bool(asked.dear)).items())
        within = (_NEW, _LATE) if since else (_WITHIN,)
        charges = " UNION ALL ".join(f"SELECT * FROM charges WHERE {where}{only}" for where in within)
        step = f"epoch_us(date_trunc('{asked.clock.value}', received_at))"
        return f"SELECT {step} AS step, {value} AS value, {sums} FROM ({charges}) GROUP BY 1, 2"


_WITHIN = f"received_at >= $start AND received_at < $end AND {OF_CALLS}"
_NEW = f"received_at >= $seen AND received_at < $end AND {OF_CALLS}"
_LATE = f"received_at >= $start AND received_at < $seen AND posted_at > $posted AND {OF_CALLS}"


def _goes_on(session: Session, kept: _Kept, asked: _Asked) -> bool:
    """Whether what was kept is the beginning of what is asked, and nothing came that `posted_at` doesn't tell of.

    A batch reads the clock before its turn to write comes, and clocks are set back: then rows come late that seem old.
    """
    begins = kept.asked.start_us <= asked.start_us < kept.asked.end_us <= asked.end_us
    if not begins or kept.asked.dear != asked.dear or kept.posted is None:
        return False
    query = f"SELECT count(*) FROM charges WHERE {_WITHIN} AND posted_at <= $posted"
    found: int = session.query(query, kept.asked.span | {"posted": kept.posted}).only()
    return found == kept.charges
