"""Writes what happens to the journal, and keeps calls going when the journal can't take it.

Law 10: a full disk doesn't stop a call. What can't be written waits in memory, in order, up to BACKLOG_MAX records,
and is written as soon as the disk takes it; `/readyz` and the metrics say so meanwhile.
"""

from collections import deque

import structlog

from bursar.spool.journal import Journal
from bursar.spool.records import ENCODER, Record

BACKLOG_MAX = 100_000

log = structlog.get_logger("bursar.gateway.recorder")


class Recorder:
    """The worker's one way to the journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.backlog: deque[Record] = deque()
        self.lost = 0  # records that not even the backlog could hold; each is logged
        self.failures = 0

    def next_seq(self) -> int:
        """The number of the next `Dispatched`: a gap in them is a lost attempt."""
        self.journal.seq += 1
        return self.journal.seq

    def write(self, record: Record) -> bytes:
        """The record as written. Safe from kill -9 when this returns (or in the backlog, if the disk refuses)."""
        if self.backlog and not self.flush():
            return self._keep(record)
        try:
            return self.journal.append(record)
        except OSError as error:
            self.failures += 1
            if not self.backlog:
                log.error("journal can't be written; calls go on and their records wait in memory", error=str(error))
            return self._keep(record)

    def flush(self) -> bool:
        """Write what waits, oldest first. True when nothing is left."""
        while self.backlog:
            try:
                self.journal.append(self.backlog[0])
            except OSError:
                return False
            self.backlog.popleft()
        return True

    @property
    def is_degraded(self) -> bool:
        return bool(self.backlog) or self.lost > 0

    def _keep(self, record: Record) -> bytes:
        if len(self.backlog) < BACKLOG_MAX:
            self.backlog.append(record)
        else:
            self.lost += 1
            log.critical("journal backlog is full; a record is lost", kind=type(record).__name__, lost=self.lost)
        return ENCODER.encode(record)
