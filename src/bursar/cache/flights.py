"""One call at a time for each key: the first one asks the provider, its equals wait for what it brings.

Within a worker by a future; between the workers of a node by a lock on one byte of a file, at a place that the key
gives. The system lifts it when its holder dies, kill -9 included: nobody waits for the dead.
"""

import asyncio
import fcntl
import os
from pathlib import Path

import structlog

from bursar.cache.entry import Entry

PLACES = 1 << 62
log = structlog.get_logger("bursar.cache")


class Lead:
    """The right to ask for a key. Give it back once: `land` with what came, `drop` with nothing."""

    __slots__ = ("_flights", "_holds_lock", "coming", "key")

    def __init__(self, flights: "Flights", key: bytes) -> None:
        self._flights, self.key, self._holds_lock = flights, key, False
        self.coming: asyncio.Future[Entry | None] = asyncio.get_running_loop().create_future()

    def lock(self) -> bool:
        """Whether no other worker of this node asks for it: from then on none does."""
        self._holds_lock = self._holds_lock or self._flights.lock(self.key)
        return self._holds_lock

    def tell(self, entry: Entry | None) -> None:
        """Those that wait in this worker hear of it at once; the others when the lock is lifted."""
        self._flights.coming.pop(self.key, None)
        if not self.coming.done():
            self.coming.set_result(entry)

    def lift(self) -> None:
        """Other workers may ask, or find what is kept by now."""
        if self._holds_lock:
            self._holds_lock = False
            self._flights.unlock(self.key)

    def drop(self) -> None:
        """Nothing came that could be kept."""
        self.tell(None)
        self.lift()


class Flights:
    """What is being asked for now."""

    def __init__(self, path: Path) -> None:
        self.coming: dict[bytes, Lead] = {}
        self._path = path
        self._file = -1

    def lock(self, key: bytes) -> bool:
        """False: another worker has it. A lock that can't be had at all is as good as held: the call goes on."""
        try:
            if self._file < 0:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
        except BlockingIOError:
            return False
        except OSError as error:
            log.warning("cache calls can't be joined between workers", path=str(self._path), error=str(error))
        return True

    def unlock(self, key: bytes) -> None:
        if self._file >= 0:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(key))

    def close(self) -> None:
        for lead in list(self.coming.values()):
            lead.drop()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _place(key: bytes) -> int:
    return int.from_bytes(key[:8], "big") % PLACES
