"""Kept answers of one node: a SQLite file that all of its workers read and write.

It is a cache and nothing else: synchronous is off, and a file that can't be read is moved aside and begun again. Reads
are made where the caller is (12 µs out of the page cache); writes in a thread of their own, one after the other. What
must go is removed in small steps between them (`trimming.py`).
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import structlog

from bursar.cache.trimming import (
    EXPIRED,
    INDEXES,
    OLDEST,
    PAUSE_S,
    ranges_between,
    remove_ranges,
    remove_some,
    used_bytes,
)

BUSY_MS = 250  # a writer waits so long for another worker's; a reader never waits
LOOK_EVERY = 64  # writes between two looks at the file's size, or a share of its bound written
LOOK_SHARE = 1 / 64
KEPT_SHARE = 0.97  # of the bound, after old answers were removed
FULL_SHARE = 1.1  # from there on an answer is kept only where one step makes room for it
_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
  key BLOB PRIMARY KEY, created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL, sealed BLOB NOT NULL
) WITHOUT ROWID
"""
_PUT = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)"
_GET = "SELECT sealed FROM answers WHERE key = ?"

T = TypeVar("T")
log = structlog.get_logger("bursar.cache")


class Disk:
    """Sealed answers in a file of about `bytes_max`: FULL_SHARE of it at most, give or take LOOK_EVERY answers."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        self._path, self._bytes_max = path, bytes_max
        self._thread = ThreadPoolExecutor(1, "bursar-cache")
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._unlooked = self._unlooked_bytes = 0  # writes since the last look
        self._is_full = self._is_closing = False
        self._trimming: asyncio.Task[None] | None = None
        self._opened_as = 0  # the file's inode
        self.faults = 0

    async def get(self, key: bytes) -> bytes | None:
        try:
            if self._reader is None:
                self._reader = self._open()
            row = self._reader.execute(_GET, (key,)).fetchone()
        except (sqlite3.Error, OSError) as error:
            self._reader = self._failed(self._reader, error)
            return None
        return row[0] if row else None

    async def put(self, key: bytes, sealed: bytes, now_us: int, expires_us: int) -> None:
        row = (key, now_us, expires_us, sealed)
        is_over = await self._in_thread(lambda connection: self._write(connection, row), False)
        if is_over and self._trimming is None:
            self._trimming = asyncio.create_task(self._make_room(now_us))

    async def remove(self, key: bytes) -> None:
        await self._in_thread(lambda connection: connection.execute("DELETE FROM answers WHERE key = ?", (key,)), None)

    async def expire(self, now_us: int) -> None:
        if self._path.exists():  # a site that keeps nothing has no file
            await self._in_steps(lambda connection: remove_some(connection, EXPIRED, (now_us,)) > 0)

    async def sweep(self, live: frozenset[bytes], gone: frozenset[bytes]) -> bool:
        """All that lies in no space of `live` goes, whatever was known of it: also what an older version kept."""
        ranges = ranges_between(live)
        if self._path.exists():
            await self._in_steps(lambda connection: remove_ranges(connection, ranges))
        return not (self._path.exists() and ranges)

    async def close(self) -> None:
        self._is_closing = True
        if self._trimming is not None:
            await self._trimming
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close_writer)
        self._thread.shutdown()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    async def _make_room(self, now_us: int) -> None:
        try:
            await self._in_steps(lambda connection: self._remove_one_step(connection, now_us))
        finally:
            self._trimming = None

    async def _in_steps(self, step: Callable[[sqlite3.Connection], bool]) -> None:
        """Do a step until it says that nothing is left; what others write comes between. An error is an end too."""
        while await self._in_thread(step, False):
            if self._is_closing:
                return
            await asyncio.sleep(PAUSE_S)

    async def _in_thread(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """What the writer's thread makes of it; `otherwise` if it can't."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work, otherwise)
        except RuntimeError:  # the thread is shut down: the worker stops
            return otherwise

    def _do(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        try:
            if self._writer is None:
                self._writer = self._open()
                for statement in INDEXES:  # here and not in `_open`: of a large file without them it takes a second
                    self._writer.execute(statement)
            return work(self._writer)
        except (sqlite3.Error, OSError) as error:
            self._writer = self._failed(self._writer, error)
            return otherwise

    def _write(self, connection: sqlite3.Connection, row: tuple[bytes, int, int, bytes]) -> bool:
        """Whether the file is above its bound, when it is looked at."""
        if self._is_full:  # it makes its own room, as far as a step goes
            self._remove_one_step(connection, row[1])
            self._is_full = used_bytes(connection) > FULL_SHARE * self._bytes_max
            if self._is_full:
                return True
        connection.execute(_PUT, row)
        self._unlooked += 1
        self._unlooked_bytes += len(row[-1])
        if self._unlooked < LOOK_EVERY and self._unlooked_bytes < LOOK_SHARE * self._bytes_max:
            return False
        self._unlooked = self._unlooked_bytes = 0
        used = used_bytes(connection)
        self._is_full = used > FULL_SHARE * self._bytes_max
        return used > self._bytes_max

    def _remove_one_step(self, connection: sqlite3.Connection, now_us: int) -> bool:
        """What has expired, then the oldest; whether the file is still above what shall be left."""
        left = int(KEPT_SHARE * self._bytes_max)
        if used_bytes(connection) <= left:
            return False
        return remove_some(connection, EXPIRED, (now_us,)) > 0 or remove_some(connection, OLDEST, left=left) > 0

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self._path.exists():
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=0)
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_TABLE)
            self._opened_as = self._path.stat().st_ino
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _failed(self, connection: sqlite3.Connection | None, error: Exception) -> sqlite3.Connection | None:
        """Count it. A file that is damaged is moved aside, by whoever sees it first, and begun again."""
        self.faults += 1
        is_damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        if not is_damaged and self._is_in_place():  # busy, or the disk is full: the next one may pass
            return connection
        if connection is not None:
            connection.close()
        if is_damaged and (connection is None or self._is_in_place()):
            log.warning(
                "cache file is damaged; it is moved aside and begun again", path=str(self._path), why=str(error)
            )
            for suffix in ("", "-wal", "-shm"):
                with suppress(OSError):
                    Path(f"{self._path}{suffix}").replace(f"{self._path}.damaged{suffix}")
        return None

    def _is_in_place(self) -> bool:
        """Whether the file that was opened is still the one of that name."""
        try:
            return self._path.stat().st_ino == self._opened_as
        except OSError:
            return False

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
