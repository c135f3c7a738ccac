"""What workers refused within an hour and the console tells people of: `run/retries-N.json`, retries that the hourly
cap didn't allow, and `run/approvals-N.json`, calls that wait for an approval. One file each per worker.
"""

import contextlib
import os
from pathlib import Path

import msgspec

from bursar.budgets.retries import HOUR_US

RETRIES, APPROVALS = "retries", "approvals"
VALUES_MAX = 1_000  # more of one hour aren't told apart
OTHERS = "(others)"


class Refused(msgspec.Struct):
    """What was refused within one clock hour. hour: since 1970, UTC. counts: by whose it was."""

    hour: int = 0
    counts: dict[str, int] = {}


def news_path(directory: Path, what: str, slot: int) -> Path:
    """slot: the worker's number among those of the node."""
    return directory / f"{what}-{slot}.json"


class HourNews:
    """One worker's, in its file. It goes on counting where the worker before it ended."""

    def __init__(self, path: Path) -> None:
        self.total = 0  # since the worker's start
        self._path = path
        self._now = _read(path)
        self._is_told = True

    def add(self, value: str, now_us: int) -> None:
        """Something of this value was refused."""
        self.total += 1
        hour = now_us // HOUR_US
        if hour != self._now.hour:
            self._now = Refused(hour)
        counts = self._now.counts
        if value not in counts and len(counts) >= VALUES_MAX:
            value = OTHERS
        counts[value] = counts.get(value, 0) + 1
        self._is_told = False

    def look(self) -> None:
        """Write if there is news. A disk that refuses stops nobody; it is tried again."""
        if self._is_told:
            return
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        with contextlib.suppress(OSError):
            temporary.write_bytes(msgspec.json.encode(self._now))
            temporary.replace(self._path)
            self._is_told = True


def refused_this_hour(directory: Path, what: str, now_us: int) -> dict[str, int]:
    """By whose they are: how many were refused by the workers of this node in the running hour."""
    found: dict[str, int] = {}
    for path in sorted(directory.glob(f"{what}-[0-9]*.json")):
        told = _read(path)
        if told.hour == now_us // HOUR_US:
            for value, count in told.counts.items():
                found[value] = found.get(value, 0) + count
    return found


def approval_key(budget_id: str, percent: int, value: str) -> str:
    """What a call waits for: one threshold of one budget, of one value of its `each`.

    >>> read_approval(approval_key("bg_1", 80, "acme corp"))
    ('bg_1', 80, 'acme corp')
    """
    return f"{budget_id} {percent} {value}"


def read_approval(key: str) -> tuple[str, int, str] | None:
    """The parts of an approval's key; None for anything else."""
    budget_id, _, rest = key.partition(" ")
    percent, _, value = rest.partition(" ")
    return (budget_id, int(percent), value) if percent.isdecimal() else None


def _read(path: Path) -> Refused:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Refused)
    except (OSError, msgspec.DecodeError):
        return Refused()
