"""Hands the control store's state to the gateway workers: files, replaced atomically."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bursar.budgets.budget import Budget
from bursar.budgets.listing import encode_budgets
from bursar.domain.snapshot import Snapshot, encode_snapshot
from bursar.governance.budgets import Budgets
from bursar.governance.keys import Keys


def publish_snapshot(path: Path, keys: Keys) -> Snapshot:
    """Write the keys as the store has them now, and return them."""
    with _alone(path):
        snapshot = keys.snapshot()
        write_atomically(path, encode_snapshot(snapshot))
    return snapshot


def publish_budgets(path: Path, budgets: Budgets) -> list[Budget]:
    """Write the budgets as the store has them now, and return them. A file of their own: there may be 100,000."""
    with _alone(path):
        found = budgets.all()
        write_atomically(path, encode_budgets(found))
    return found


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Read and written under one lock: of two publishers the later one read the later state, so nothing is lost."""
    lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file by a whole new one, mode 0600: a reader sees the old bytes or the new, never half."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    fd = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
