"""The writing end of the journal: one per gateway worker, append-only segment files.

Why files and not SQLite (which DESIGN.md first named): a record has to be safe from kill -9 *before* the request goes
out, for each call alone. A SQLite commit is that for 15 µs (NORMAL) to 219 µs (FULL). Bytes copied into a shared
mapping of a file are that too: they are in the kernel's page cache when the copy is done, whatever becomes of the
process. Measured: 1 µs a record, where `write` on the same file took 3 to 9 beside the thread that syncs it. Workers
share no lock, and a writer's death is seen by the kernel dropping its `flock`.

The disk is claimed a segment at a time (`posix_fallocate`), so a full disk is an error when a segment begins and
can't strike in the middle of a record. A background thread calls `fdatasync` within SYNC_INTERVAL_S: a power cut loses
at most that much.

A segment: MAGIC (8 bytes), end of the last whole frame (8, native order, stored in one piece after the frame), then
frames: length (4), crc32 of the payload (4), payload (msgpack of a `Record`).
"""

import fcntl
import mmap
import os
import struct
import threading
import zlib
from collections import deque
from pathlib import Path

from bursar.spool.records import ENCODER, Record

MAGIC = b"BURSARJ2"
HEADER_BYTES = 16
FRAME = struct.Struct("<II")
SEGMENT_BYTES = 8 * 1024 * 1024
FRAME_BYTES_MAX = 1024 * 1024
SYNC_INTERVAL_S = 0.02
RELEASE_BYTES = 512 * 1024  # written pages that stay mapped; without, a worker grows by a segment and shrinks again
SUFFIX = ".journal"

_END_WORD = 1  # the header's second 8 bytes


class Journal:
    """Appends records. Not safe for threads: it belongs to one event loop.

    directory:  the node's spool.
    writer:     a name for this process run, unique on the node: "w0-018bcfe5…". Sequence numbers count per writer.
    Raises OSError when the disk is full or gone; the caller decides whether calls may go on.
    """

    def __init__(self, directory: Path, writer: str, *, segment_bytes: int = SEGMENT_BYTES, sync: bool = True) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.writer = writer
        self.seq = 0  # of the last `Dispatched` made: the caller counts it up
        self._segment_bytes = segment_bytes
        self._segment = -1
        self._full: deque[_Segment] = deque()  # for the sync thread to close: that waits for the disk
        self.sync_failures = 0  # the disk refused: records are in memory of the kernel only
        self._closing = threading.Event()
        self._current = self._next_segment()
        self._syncer = threading.Thread(target=self._sync_often, name="journal-sync", daemon=True) if sync else None
        if self._syncer:
            self._syncer.start()

    def append(self, record: Record) -> bytes:
        """Write one record, and return it as written; when this returns, kill -9 of this process can't lose it."""
        payload = ENCODER.encode(record)
        frame = FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        segment = self._current
        end = segment.end + len(frame)
        if end > segment.size:
            segment = self._roll_over(len(frame))
            end = segment.end + len(frame)
        segment.map[segment.end : end] = frame
        segment.words[_END_WORD] = segment.end = end  # last, and in one piece: the frame is there or it isn't
        return payload

    def _roll_over(self, needed: int) -> "_Segment":
        """A segment with room for `needed` bytes."""
        full = self._current
        self._current = self._next_segment()  # an OSError leaves the full one current, to be tried again
        self._full.append(full)
        if self._syncer is None:
            self._close_full()
        if self._current.end + needed > self._current.size:
            raise OSError(27, f"journal: a record of {needed} bytes doesn't fit a segment of {self._current.size}")
        return self._current

    def close(self) -> None:
        """Sync and let go; the reader then knows that no more will come."""
        self._closing.set()
        if self._syncer:
            self._syncer.join()
        self._close_full()
        self._current.close()

    def _next_segment(self) -> "_Segment":
        """Begun before the full one is let go, so that the writer always holds one lock."""
        fresh = _Segment(self.directory / f"{self.writer}.{self._segment + 1:06d}{SUFFIX}", self._segment_bytes)
        self._segment += 1
        return fresh

    def _close_full(self) -> None:
        while self._full:
            self._full.popleft().close()

    def _sync_often(self) -> None:
        while not self._closing.wait(SYNC_INTERVAL_S):
            try:
                self._close_full()
                self._current.sync()
            except OSError:
                self.sync_failures += 1


class _Segment:
    """One file: claimed, mapped, locked."""

    __slots__ = ("_released", "_synced_end", "end", "fd", "map", "size", "words")

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        unnamed = path.with_suffix(".new")  # a reader must never meet a segment whose lock isn't held yet
        self.fd = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(self.fd, 0, size)
            self.map = mmap.mmap(self.fd, size)
        except OSError:
            os.close(self.fd)
            unnamed.unlink()
            raise
        self.words = memoryview(self.map).cast("Q")
        self.end = HEADER_BYTES
        self._synced_end = 0
        self._released = mmap.PAGESIZE  # the first page holds the header, which is written with each record
        self.map[: len(MAGIC)] = MAGIC
        self.words[_END_WORD] = self.end
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        unnamed.rename(path)

    def sync(self) -> None:
        """See what was written to the disk."""
        end = self.end
        if end != self._synced_end:
            os.fdatasync(self.fd)
            self._synced_end = end
            self._release(end)

    def _release(self, end: int) -> None:
        """Let go of written pages: they stay in the kernel's page cache, and no longer count as the worker's memory."""
        whole = end - end % mmap.PAGESIZE - self._released
        if whole >= RELEASE_BYTES:
            self.map.madvise(mmap.MADV_DONTNEED, self._released, whole)  # of a shared mapping: nothing is lost
            self._released += whole

    def close(self) -> None:
        """Give back what wasn't used, sync, and drop the lock."""
        self.words.release()
        self.map.close()
        os.ftruncate(self.fd, self.end)
        os.fdatasync(self.fd)
        os.close(self.fd)
