"""All that a worker keeps of answers: at hand, shared with others, and on their way."""

import asyncio
import random
from collections.abc import Coroutine
from typing import NamedTuple

from bursar.cache.entry import Box, Entry
from bursar.cache.flights import Flights, Lead, Patience
from bursar.cache.key import SPACE_BYTES
from bursar.cache.memory import Memory
from bursar.cache.shared import Shared
from bursar.domain.clock import Clock

POLL_FIRST_S = 0.005
POLL_MAX_S = 0.1
SHARING_BYTES_MAX = 64 * 1024 * 1024  # on their way to a disk or Redis that is slow; more stay with this worker
EXPIRE_EVERY_US = 60 * 1_000_000
SWEEP_AFTER_US = 2 * 1_000_000  # until then every worker has heard of it, and what was on its way has arrived


class Found(NamedTuple):
    """entry: a kept answer. lead: none, and this call asks for it in the name of its equals: it must give that back."""

    entry: Entry | None = None
    lead: Lead | None = None


NOTHING = Found()


class Answers:
    """Reads and keeps. Nothing here raises but for a cancelled task: a cache that fails is a miss."""

    def __init__(self, box: Box, memory: Memory, flights: Flights, clock: Clock, shared: Shared | None = None) -> None:
        self._box, self._memory, self._flights, self._clock, self.shared = box, memory, flights, clock, shared
        self._writes: set[asyncio.Task[None]] = set()
        self._expired_us = 0
        self._sharing_bytes = 0
        self._live: frozenset[bytes] | None = None  # spaces; None: not told, so whatever is asked for
        self._gone: set[bytes] = set()
        self._sweep_us = 0  # when what lies elsewhere is to be forgotten; 0: it is

    async def find(self, key: bytes, age_s_max: int | None, wait_s: float, *, leads: bool) -> Found:
        """The answer, or the right to ask for it; neither after `wait_s`, or if those who asked brought none: then the
        call asks by itself.

        leads: whether the caller can keep what it brings, so that others may wait for it.
        """
        entry = self._at_hand(key, age_s_max)
        if entry is not None:
            return Found(entry)
        patience = Patience(self._flights, key, wait_s)
        while (flight := self._flights.coming.get(key)) is not None:
            entry = await patience.wait_for(flight)
            if entry is not None and entry.is_fresh(self._clock.now_us(), age_s_max):
                return Found(entry)
            if patience.is_over():
                return NOTHING
        if not leads:
            return Found(await self._elsewhere(key, age_s_max))
        lead = self._flights.begin(key)
        try:
            entry = await self._elsewhere(key, age_s_max)
            if entry is None:
                entry = await self._from_another_worker(lead, age_s_max, patience)
        except BaseException:
            lead.drop()
            raise
        if entry is not None:
            lead.tell(entry)
            lead.lift()
            return Found(entry)
        if lead.is_held:
            return Found(None, lead)
        lead.drop()
        return NOTHING

    def keep(self, key: bytes, entry: Entry, lead: Lead | None) -> None:
        """At hand at once; shared a moment later, and only then others stop waiting for it.

        Of a space that was cleared meanwhile it goes to those that wait for it, and is kept nowhere.
        """
        is_live = self._is_live(key)
        if is_live:
            self._memory.put(key, entry)
        if lead is not None:
            lead.tell(entry)
        if not is_live or self.shared is None or self._sharing_bytes + len(entry.body) > SHARING_BYTES_MAX:
            if lead is not None:
                lead.lift()
            return
        self._sharing_bytes += len(entry.body)
        self._begin(self._share(self.shared, key, entry, lead))

    def use(self, live: frozenset[bytes]) -> None:
        """The spaces that are kept in from now on. What lies in others is met by nobody, and forgotten here at once,
        elsewhere in a moment (`look`)."""
        if live == self._live:
            return
        if self.shared is not None:
            self._gone |= (self._live or frozenset()) - live
        self._live = live
        self._memory.keep_only(live)
        self._sweep_us = self._clock.now_us() + SWEEP_AFTER_US

    def look(self) -> None:
        """Every now and then, from an event loop: nothing lies anywhere for longer than its time and a minute, be there
        calls or none, and what was cleared is gone in a few seconds."""
        now_us = self._clock.now_us()
        if self.shared is None:
            return
        is_due = not self._sweep_us - EXPIRE_EVERY_US <= now_us < self._sweep_us  # also where a clock jumped
        if self._sweep_us and self._live is not None and is_due:
            self._sweep_us = 0
            self._begin(self._sweep(self.shared, self._live, frozenset(self._gone)))
        if abs(now_us - self._expired_us) >= EXPIRE_EVERY_US:
            self._expired_us = now_us
            self._begin(self.shared.expire(now_us))

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=2.0)
        self._flights.close()
        if self.shared is not None:
            await self.shared.close()

    def _is_live(self, key: bytes) -> bool:
        return self._live is None or key[:SPACE_BYTES] in self._live

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _sweep(self, shared: Shared, live: frozenset[bytes], gone: frozenset[bytes]) -> None:
        if await shared.sweep(live, gone):
            self._gone -= gone
        elif not self._sweep_us:  # a Redis that is gone, a file that is busy
            self._sweep_us = self._clock.now_us() + EXPIRE_EVERY_US

    def _at_hand(self, key: bytes, age_s_max: int | None) -> Entry | None:
        entry = self._memory.get(key)
        return entry if entry is not None and entry.is_fresh(self._clock.now_us(), age_s_max) else None

    async def _elsewhere(self, key: bytes, age_s_max: int | None) -> Entry | None:
        if self.shared is None:
            return None
        sealed = await self.shared.get(key)
        if sealed is None:
            return None
        entry = self._box.open(key, sealed)
        if entry is None:  # damaged, forged or of another site
            self.shared.faults += 1
            await self.shared.remove(key)
            return None
        if not entry.is_fresh(self._clock.now_us(), age_s_max):
            return None
        if self._is_live(key):
            self._memory.put(key, entry)
        return entry

    async def _from_another_worker(self, lead: Lead, age_s_max: int | None, patience: Patience) -> Entry | None:
        """What another worker of this node asks for. None: none does, and the lead is held, or patience is over."""
        if lead.lock():
            return await self._elsewhere(lead.key, age_s_max)  # it may have landed just before
        pause_s = POLL_FIRST_S
        while True:
            await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311
            if patience.is_over():
                return None
            pause_s = min(POLL_MAX_S, pause_s * 1.5)
            is_free = lead.lock()
            entry = await self._elsewhere(lead.key, age_s_max)
            if entry is not None or is_free:
                return entry

    async def _share(self, shared: Shared, key: bytes, entry: Entry, lead: Lead | None) -> None:
        try:
            await shared.put(key, self._box.seal(key, entry), entry.created_us, entry.expires_us)
        finally:
            self._sharing_bytes -= len(entry.body)
            if lead is not None:
                lead.lift()
