"""Kept answers of one node: a SQLite file that all of its workers read and write.

It is a cache and nothing else: synchronous is off, and a file that can't be read is moved aside and begun again. Reads
are made where the caller is (12 µs out of the page cache); writes in a thread of their own.
"""

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import structlog

BUSY_MS = 250  # a writer waits so long for another worker's; a reader never waits
TIDY_EVERY = 64  # writes between two looks at the file's size
KEPT_SHARE = 0.9  # of the bound, after old answers were removed
_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
  key BLOB PRIMARY KEY, created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL, sealed BLOB NOT NULL
) WITHOUT ROWID
"""
_PUT = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)"
_EXPIRE = "DELETE FROM answers WHERE expires_us <= ?"
_GET = "SELECT sealed FROM answers WHERE key = ?"

log = structlog.get_logger("bursar.cache")


class Disk:
    """Sealed answers in a file of `bytes_max` at most, give or take TIDY_EVERY answers."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        self._path, self._bytes_max = path, bytes_max
        self._thread = ThreadPoolExecutor(1, "bursar-cache")
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._writes = 0
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
        await self._in_thread((_PUT, (key, now_us, expires_us, sealed)), now_us)

    async def remove(self, key: bytes) -> None:
        await self._in_thread(("DELETE FROM answers WHERE key = ?", (key,)), 0)

    async def expire(self, now_us: int) -> None:
        if self._path.exists():  # a site that keeps nothing has no file
            await self._in_thread((_EXPIRE, (now_us,)), 0)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close_writer)
        self._thread.shutdown()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    async def _in_thread(self, statement: tuple[str, tuple[object, ...]], now_us: int) -> None:
        with suppress(RuntimeError):  # the thread is shut down: the worker stops
            await asyncio.get_running_loop().run_in_executor(self._thread, self._write, statement, now_us)

    def _write(self, statement: tuple[str, tuple[object, ...]], now_us: int) -> None:
        try:
            if self._writer is None:
                self._writer = self._open()
            self._writer.execute(*statement)
            self._writes += 1
            if self._writes % TIDY_EVERY == 0 and now_us:
                self._tidy(self._writer, now_us)
        except (sqlite3.Error, OSError) as error:
            self._writer = self._failed(self._writer, error)

    def _tidy(self, connection: sqlite3.Connection, now_us: int) -> None:
        """Remove what has expired, then the oldest, until the file's used pages are within the bound."""
        connection.execute(_EXPIRE, (now_us,))
        used = _used_bytes(connection)
        if used <= self._bytes_max:
            return
        (count,) = connection.execute("SELECT count(*) FROM answers").fetchone()
        goes = count - int(count * KEPT_SHARE * self._bytes_max / used)
        connection.execute(
            "DELETE FROM answers WHERE key IN (SELECT key FROM answers ORDER BY created_us LIMIT ?)", (goes,)
        )

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


def _used_bytes(connection: sqlite3.Connection) -> int:
    count, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((count - free) * size)
