"""Removing kept answers from a file in small steps: a writer of another worker waits for one of them at most.

A step is one transaction of STEP_S, give or take one answer. What goes is found through an index, outside of it.
"""

import sqlite3
import time
from collections.abc import Collection, Sequence

STEP_S = 0.005
PAUSE_S = 0.02  # between two steps: others write meanwhile
ROWS_MAX = 256  # of a step
SIZE_EVERY = 8  # rows between two looks at what is in use

INDEXES = (
    "CREATE INDEX IF NOT EXISTS answers_created ON answers (created_us)",
    "CREATE INDEX IF NOT EXISTS answers_expires ON answers (expires_us)",
)
EXPIRED = "SELECT key FROM answers WHERE expires_us <= ? ORDER BY expires_us LIMIT ?"
OLDEST = "SELECT key FROM answers ORDER BY created_us LIMIT ?"
BETWEEN = "SELECT key FROM answers WHERE key >= ? AND key < ? ORDER BY key LIMIT ?"

Range = tuple[bytes, bytes]
BEHIND_ALL = b"\xff" * 64


def remove_some(connection: sqlite3.Connection, query: str, parameters: Sequence[object] = (), *, left: int = 0) -> int:
    """Remove what a query names, for STEP_S; how many. 0: it names nothing, and nothing was locked.

    query: gives keys; its last parameter is how many at most. left: so many bytes in use are enough.
    Raises sqlite3.Error, with nothing left open.
    """
    keys = connection.execute(query, (*parameters, ROWS_MAX)).fetchall()
    if not keys:
        return 0
    removed = 0
    connection.execute("BEGIN IMMEDIATE")
    try:
        until = time.monotonic() + STEP_S
        for key in keys:
            connection.execute("DELETE FROM answers WHERE key = ?", key)
            removed += 1
            if time.monotonic() >= until or (removed % SIZE_EVERY == 0 and used_bytes(connection) <= left):
                break
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors end it
            connection.execute("ROLLBACK")
        raise
    return removed


def ranges_between(spaces: Collection[bytes]) -> list[Range]:
    """The keys that begin with none of these, all of one length, as half-open ranges."""
    found, begin = [], b""
    for space in sorted(spaces):
        if begin < space:
            found.append((begin, space))
        begin = _behind(space)
    return [*found, (begin, BEHIND_ALL)] if begin < BEHIND_ALL else found


def remove_ranges(connection: sqlite3.Connection, ranges: list[Range]) -> bool:
    """A step of removing all keys in these; a range that is empty is taken off. Whether any are left."""
    until = time.monotonic() + STEP_S
    while ranges and time.monotonic() < until:
        if remove_some(connection, BETWEEN, ranges[-1]) == 0:
            ranges.pop()
    return bool(ranges)


def _behind(space: bytes) -> bytes:
    """The first key behind all that begin with the space."""
    number = int.from_bytes(space, "big") + 1
    return BEHIND_ALL if number >> 8 * len(space) else number.to_bytes(len(space), "big")


def used_bytes(connection: sqlite3.Connection) -> int:
    """What of the file is in use: pages that were freed are written again before it grows."""
    count, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((count - free) * size)
