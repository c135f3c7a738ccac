"""Hands the control store's state to the gateway workers: one file, replaced atomically."""

import fcntl
import os
from pathlib import Path

from bursar.domain.snapshot import Snapshot, encode_snapshot
from bursar.governance.keys import Keys


def publish_snapshot(path: Path, keys: Keys) -> Snapshot:
    """Write what the store says now, and return it.

    Read and written under one lock: of two publishers the later one read the later state, so no key is lost.
    """
    lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        snapshot = keys.snapshot()
        write_atomically(path, encode_snapshot(snapshot))
    finally:
        os.close(lock)
    return snapshot


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file by a whole new one, mode 0600: a reader sees the old bytes or the new, never half."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    fd = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
