"""Which retries the hourly cap didn't allow, for the console: `run/retries-N.json`, one file per worker of a node."""

import contextlib
import os
from pathlib import Path

import msgspec

from bursar.budgets.retries import HOUR_US

VALUES_MAX = 1_000  # more of one hour aren't told apart
OTHERS = "(others)"


class Refused(msgspec.Struct):
    """Retries that weren't made within one clock hour. hour: since 1970, UTC. counts: by value of the cap's scope."""

    hour: int = 0
    counts: dict[str, int] = {}


def news_path(directory: Path, slot: int) -> Path:
    """slot: the worker's number among those of the node."""
    return directory / f"retries-{slot}.json"


class RetryNews:
    """One worker's, in its file. It goes on counting where the worker before it ended."""

    def __init__(self, path: Path) -> None:
        self.total = 0  # since the worker's start
        self._path = path
        self._now = _read(path)
        self._is_told = True

    def refused(self, value: str, now_us: int) -> None:
        """A retry of this value wasn't made."""
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


def refused_retries(directory: Path, now_us: int) -> dict[str, int]:
    """By value: the retries that the workers of this node didn't make in the running hour."""
    found: dict[str, int] = {}
    for path in sorted(directory.glob("retries-[0-9]*.json")):
        told = _read(path)
        if told.hour == now_us // HOUR_US:
            for value, count in told.counts.items():
                found[value] = found.get(value, 0) + count
    return found


def _read(path: Path) -> Refused:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Refused)
    except (OSError, msgspec.DecodeError):
        return Refused()
