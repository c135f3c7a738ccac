"""The worker's side of the semantic cache's room: a thread that owns model and vectors, and bounds on waiting for it.

numpy and the model are loaded in that thread, when the first call is compared: a gateway without semantic rules has
neither.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import structlog

from bursar.cache.entry import Entry
from bursar.cache.key import SPACE_BYTES
from bursar.semantic.weights import NoWeights

if TYPE_CHECKING:
    from bursar.semantic.room import Looked, Room

QUEUE_MAX = 64
"""Texts that wait for the thread; one more isn't compared."""
ENTRY_BYTES_MAX = 1024 * 1024
"""A larger answer isn't kept."""

T = TypeVar("T")
log = structlog.get_logger("bursar.cache")


class Likeness:
    """Compares texts. Nothing here raises but for a cancelled task: what can't be compared is a miss."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "bursar-semantic")
        self._room: Room[Entry] | None = None
        self._live: frozenset[bytes] | None = None  # spaces that are kept in; None: not told
        self._waiting = 0
        self.faults = 0
        self.dropped = 0

    async def look(
        self, key: bytes, text: str, similarity_min: float, now_us: int, wait_s: float, vector: bytes | None = None
    ) -> "Looked[Entry] | None":
        """What is known of a text; None: nothing after `wait_s`, or too many wait, or there are no weights.

        vector: of the text, float32; None: the local model makes it.
        """
        if self._waiting >= QUEUE_MAX:
            self.dropped += 1
            return None
        self._waiting += 1
        work = asyncio.get_running_loop().run_in_executor(
            self._thread, self._look, key, text, similarity_min, now_us, vector
        )
        work.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(wait_s):
                return await asyncio.shield(work)
        except TimeoutError:
            self.dropped += 1
            return None
        except Exception as error:  # the plug-in boundary: whatever numpy or the weights raise, the call goes on
            self.faults += 1
            log.warning("a text can't be compared", error=f"{type(error).__name__}: {error}")
            return None

    def use(self, live: frozenset[bytes]) -> None:
        """The spaces that are kept in from now on; what lies in others is forgotten."""
        room = self._room
        if live != self._live and room is not None:
            with suppress(RuntimeError):  # as below
                self._thread.submit(room.keep_only, live)
        self._live = live

    def keep(self, key: bytes, looked: "Looked[Entry]", entry: Entry) -> None:
        """For those who mean the same; a moment later. What was cleared meanwhile is kept no more."""
        room = self._room
        if self._live is not None and key[:SPACE_BYTES] not in self._live:
            return
        if room is not None and len(entry.body) <= ENTRY_BYTES_MAX and self._waiting < QUEUE_MAX:
            with suppress(RuntimeError):  # the thread is shut down: the worker stops
                self._thread.submit(room.keep, key, looked, entry, len(entry.body), entry.expires_us)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _look(
        self, key: bytes, text: str, similarity_min: float, now_us: int, vector: bytes | None
    ) -> "Looked[Entry] | None":
        # numpy and the model: only where a rule compares, and not on the loop's thread
        import numpy as np

        from bursar.semantic.minilm import MiniLM
        from bursar.semantic.room import Room

        if self._room is None:
            self._room = Room()
        if vector is not None:
            return self._room.look(key, text, similarity_min, now_us, np.frombuffer(vector, np.float32))
        if self._room.model is None:
            try:
                self._room.model = MiniLM()
            except NoWeights as error:
                if not self.faults:
                    log.warning("nothing is compared by the local model", why=str(error))
                self.faults += 1
                return None
        return self._room.look(key, text, similarity_min, now_us)

    def _ended(self, work: "asyncio.Future[Looked[Entry] | None]") -> None:
        self._waiting -= 1
        if not work.cancelled():
            work.exception()  # whoever waited has seen it, or has left
