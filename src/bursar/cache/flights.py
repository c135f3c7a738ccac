"""One call at a time for each key: the first one asks the provider, its equals wait for what it brings.

Within a worker by a future; between the workers of a node by a lock on one byte of a file, at a place that the key
gives. The system lifts it when its holder dies, kill -9 included: nobody waits for the dead.

If who asked brings nothing, one of those that wait asks in the name of the others; if that one brings nothing either,
they all ask by themselves: a provider that is down must not have its callers one after the other.
"""

import asyncio
import contextlib
import fcntl
import os
from pathlib import Path

import structlog

from bursar.cache.entry import Entry

PLACES = 1 << 62
LEADS_MAX = 2  # that a call waits for and that bring nothing: the one it met, and one that was elected
SLOTS = 1 << 16  # of counts in the file; keys that share one give up a little sooner
SLOT_BYTES = 4
log = structlog.get_logger("bursar.cache")


class Lead:
    """The right to ask for a key. Give it back once: `tell` and `lift` with what came, `drop` with nothing."""

    __slots__ = ("_flights", "coming", "is_held", "key")

    def __init__(self, flights: "Flights", key: bytes) -> None:
        self._flights, self.key, self.is_held = flights, key, False
        self.coming: asyncio.Future[Entry | None] = asyncio.get_running_loop().create_future()

    def lock(self) -> bool:
        """Whether no other worker of this node asks for it: from then on none does."""
        self.is_held = self.is_held or self._flights.lock(self.key)
        return self.is_held

    def tell(self, entry: Entry | None) -> None:
        """Those that wait in this worker hear of it at once; the others when the lock is lifted."""
        self._flights.coming.pop(self.key, None)
        if not self.coming.done():
            self.coming.set_result(entry)

    def lift(self) -> None:
        """Other workers may ask, or find what is kept by now."""
        if self.is_held:
            self.is_held = False
            self._flights.unlock(self.key)

    def drop(self) -> None:
        """Nothing came that could be kept. It is counted before others may ask, and only for who could have asked."""
        if self.is_held:
            self._flights.count_failed(self.key)
        self.tell(None)
        self.lift()


class Patience:
    """How long a call waits for its equals: for a time, and for LEADS_MAX of them that bring nothing, in this worker or
    another one of the node."""

    __slots__ = ("_failed", "_flights", "_key", "_until", "_waited")

    def __init__(self, flights: "Flights", key: bytes, wait_s: float) -> None:
        self._flights, self._key, self._waited = flights, key, 0
        self._failed = flights.failed(key)
        self._until = asyncio.get_running_loop().time() + wait_s

    async def wait_for(self, lead: Lead) -> Entry | None:
        """What an equal of this worker brings; None: nothing, or not in time."""
        self._waited += 1
        try:
            async with asyncio.timeout_at(self._until):
                return await asyncio.shield(lead.coming)
        except TimeoutError:
            return None

    def is_over(self) -> bool:
        """Whether the call shall ask by itself."""
        if self._waited >= LEADS_MAX or asyncio.get_running_loop().time() >= self._until:
            return True
        return (self._flights.failed(self._key) - self._failed) % (1 << 8 * SLOT_BYTES) >= LEADS_MAX


class Flights:
    """What is being asked for now. The file's bytes, where they aren't only locked, count who brought nothing."""

    def __init__(self, path: Path) -> None:
        self.coming: dict[bytes, Lead] = {}
        self._path = path
        self._file = -1

    def begin(self, key: bytes) -> Lead:
        """The lead in this worker: its equals wait for it from now on."""
        lead = self.coming[key] = Lead(self, key)
        return lead

    def lock(self, key: bytes) -> bool:
        """False: another worker has it. A lock that can't be had at all is as good as held: the call goes on."""
        try:
            fcntl.lockf(self._opened(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
        except BlockingIOError:
            return False
        except OSError as error:
            log.warning("cache calls can't be joined between workers", path=str(self._path), error=str(error))
        return True

    def unlock(self, key: bytes) -> None:
        if self._file >= 0:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(key))

    def failed(self, key: bytes) -> int:
        """How often who asked for the key, or another of its slot, brought nothing; 0 if that can't be told."""
        try:
            return int.from_bytes(os.pread(self._opened(), SLOT_BYTES, _slot(key)), "big")
        except OSError:
            return 0

    def count_failed(self, key: bytes) -> None:
        """Another one. By the holder of the key's lock; two keys of one slot may count as one."""
        with contextlib.suppress(OSError):  # who waits has its own count, and its time
            count = (self.failed(key) + 1) % (1 << 8 * SLOT_BYTES)
            os.pwrite(self._opened(), count.to_bytes(SLOT_BYTES, "big"), _slot(key))

    def close(self) -> None:
        for lead in list(self.coming.values()):
            lead.drop()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _opened(self) -> int:
        """Raises OSError."""
        if self._file < 0:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        return self._file


def _place(key: bytes) -> int:
    return int.from_bytes(key[-8:], "big") % PLACES


def _slot(key: bytes) -> int:
    return int.from_bytes(key[-2:], "big") % SLOTS * SLOT_BYTES
