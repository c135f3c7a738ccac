"""Removing kept answers from a file in small steps: a writer of another worker waits for one of them at most.

A step is one transaction of STEP_S, give or take one answer. What goes is found through an index, outside of it.
"""

import sqlite3
import time
from collections.abc import Sequence

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


def used_bytes(connection: sqlite3.Connection) -> int:
    """What of the file is in use: pages that were freed are written again before it grows."""
    count, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((count - free) * size)
