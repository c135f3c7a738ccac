"""Vectors that upstreams made of texts: remembered within bounds, asked for once at a time, and not of one that fails.

In memory alone. What is asked goes on behind the back of whoever waits for it, so that a call that waits no longer has
its vector the next time.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import msgspec

from bursar.gateway.background import Background

BYTES_MAX = 16 * 1024 * 1024
"""Of all vectors of a worker; the one that was used longest ago goes first."""
ENTRY_BYTES = 200  # of a key and its place, about
AT_ONCE, HELD_MAX = 32, 256
REST_S_FIRST, REST_S_MAX = 1.0, 60.0
"""An upstream that fails is asked again after a while, which doubles each time."""


class Embedded(msgspec.Struct, frozen=True):
    """What came of asking. vector: float32, of length 1 together; None: there is none. failed: the upstream did."""

    vector: bytes | None = None
    failed: bool = False


class Vectors:
    """One worker's."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self.work = Background(AT_ONCE, HELD_MAX)
        self._bytes_max = bytes_max
        self._known: OrderedDict[bytes, bytes] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Future[bytes | None]] = {}
        self._rests: dict[str, tuple[float, float]] = {}  # embedder → (until when, how long)
        self.bytes = 0

    async def get(self, key: bytes, embedder: str, ask: Callable[[], Awaitable[Embedded]]) -> bytes | None:
        """The vector of a key, by `ask` if nobody has it or is asking for it. None: there is none, now."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
            return found
        waited = self._under_way.get(key)
        if waited is None:
            if self.rests(embedder) or not self.work.enter():
                return None
            waited = self._under_way[key] = asyncio.get_running_loop().create_future()
            self.work.start(lambda: self._ask(key, embedder, ask))
        return await asyncio.shield(waited)

    def rests(self, embedder: str) -> bool:
        """Whether it failed just now."""
        until, _ = self._rests.get(embedder, (0.0, 0.0))
        return asyncio.get_running_loop().time() < until

    async def _ask(self, key: bytes, embedder: str, ask: Callable[[], Awaitable[Embedded]]) -> None:
        found = Embedded()
        try:
            found = await ask()
        finally:
            self._under_way.pop(key).set_result(found.vector)
        if found.vector is not None:
            self._rests.pop(embedder, None)
            self._remember(key, found.vector)
        elif found.failed:
            self._let_rest(embedder)

    def _let_rest(self, embedder: str) -> None:
        if self.rests(embedder):  # those that were asked beside the first that failed say nothing more
            return
        _, rest_s = self._rests.get(embedder, (0.0, REST_S_FIRST / 2))
        rest_s = min(REST_S_MAX, rest_s * 2)
        self._rests[embedder] = (asyncio.get_running_loop().time() + rest_s, rest_s)

    def _remember(self, key: bytes, vector: bytes) -> None:
        self._known[key] = vector
        self.bytes += len(vector) + ENTRY_BYTES
        while self.bytes > self._bytes_max:
            _, oldest = self._known.popitem(last=False)
            self.bytes -= len(oldest) + ENTRY_BYTES
