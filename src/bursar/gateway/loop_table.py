"""What the loop breaker counts in: rows of whole numbers in one piece of memory that all workers of a node share.

A loop's calls may come to any worker, so a count that each kept for itself would come N times too late. The memory is
a file of fixed size, mapped by every worker; it outlives them, and its times say what in it is old. Two workers that
write one row in the same instant may lose a count: a loop has more where that came from.
"""

import fcntl
import mmap
import os
import struct
from pathlib import Path

import structlog

FILE_NAME = "loops-v1.shared"
HEADER_CELLS = 8
REQUESTS_ROWS, REQUESTS_WIDTH = 1 << 16, 12
CONVERSATIONS_ROWS, CONVERSATIONS_WIDTH = 1 << 13, 16
REQUESTS_START = HEADER_CELLS
CONVERSATIONS_START = REQUESTS_START + REQUESTS_ROWS * REQUESTS_WIDTH
CELLS = CONVERSATIONS_START + CONVERSATIONS_ROWS * CONVERSATIONS_WIDTH
BYTES = CELLS * 8
"""7.3 MB, once per node."""

KEY, KEEP, SINCE, CALLS = range(4)
"""The first cells of every row: whose it is (0: nobody's), how much it is worth keeping (a time), since when, and how
many calls. A row begins with its first call."""

LIVELY = 1  # cell of the header: until when some conversation has failures or truncated answers to its name

KEY_BITS = (1 << 60) - 1

log = structlog.get_logger("bursar.gateway.loops")


class Table:
    """Rows found by a key. A key has two places; the row less worth keeping makes room for a new one."""

    __slots__ = ("_fresh", "_zeros", "cells", "mask", "start", "width")

    def __init__(self, cells: "memoryview[int]", start: int, rows: int, width: int) -> None:
        self.cells = cells
        self.start = start
        self.mask = rows - 1
        self.width = width
        self._fresh = struct.Struct(f"{width}q").pack_into
        self._zeros = (0,) * (width - 4)

    def find(self, key: int) -> int:
        """Where the key's row begins in `cells`; -1 if it has none."""
        at = self.start + (key & self.mask) * self.width
        if self.cells[at] == key:
            return at
        at = self.start + ((key >> 32) & self.mask) * self.width
        return at if self.cells[at] == key else -1

    def claim(self, key: int, now_us: int) -> int:
        """Begin a row; -1 if both its places hold what is worth more."""
        at = self.start + (key & self.mask) * self.width
        if self.cells[at] == 0:
            self.reset(at, key, now_us)
            return at
        return self.find_or_claim(key, at, now_us)[0]

    def find_or_claim(self, key: int, at: int, now_us: int) -> tuple[int, bool]:
        """(the row of a key whose first place, `at`, somebody else has, or -1; whether it came before)."""
        cells = self.cells
        other = self.start + ((key >> 32) & self.mask) * self.width
        if cells[other] == key:
            return other, True
        keep = cells[at + KEEP]
        if cells[other + KEEP] < keep:
            at, keep = other, cells[other + KEEP]
        if keep > now_us:
            return -1, False
        self._fresh(cells, at * 8, key, now_us, now_us, 1, *self._zeros)
        return at, False

    def reset(self, at: int, key: int, now_us: int) -> None:
        """Begin a row anew."""
        self._fresh(self.cells, at * 8, key, now_us, now_us, 1, *self._zeros)

    def drop(self, key: int) -> None:
        """Forget a key."""
        at = self.find(key)
        if at >= 0:
            self.cells[at] = 0


class Tables:
    """The two tables of a node: requests and conversations. `cells`: all memory, a header first."""

    def __init__(self, memory: "memoryview[int] | None" = None) -> None:
        cells = memoryview(bytearray(BYTES)).cast("q") if memory is None else memory
        self.cells = cells
        self.requests = Table(cells, REQUESTS_START, REQUESTS_ROWS, REQUESTS_WIDTH)
        self.conversations = Table(cells, CONVERSATIONS_START, CONVERSATIONS_ROWS, CONVERSATIONS_WIDTH)


def open_tables(directory: Path) -> Tables:
    """The node's tables; memory of this worker alone when the disk has no room for them, which is logged."""
    try:
        return Tables(_shared(directory / FILE_NAME))
    except OSError as error:
        log.error("no room for the shared counts of loops; this worker counts for itself", error=str(error))
        return Tables()


def _shared(path: Path) -> "memoryview[int]":
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)  # two workers that start together make it once
        if os.fstat(fd).st_size < BYTES:
            os.posix_fallocate(fd, 0, BYTES)  # a full disk says so here, and not when a row is written
        fcntl.flock(fd, fcntl.LOCK_UN)  # the map keeps a copy of fd: the lock would last as long as this worker
        return memoryview(mmap.mmap(fd, BYTES)).cast("q")
    finally:
        os.close(fd)
