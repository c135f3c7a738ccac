"""Kept answers of several nodes: Redis or Valkey, which is never waited for long.

An answer that takes longer than `TIMEOUT_S` is a miss. After a fault nobody asks for a moment, so that a Redis that is
gone costs each call nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bursar.cache.key import SPACE_BYTES

TIMEOUT_S = 0.1
REST_S = 5.0
CONNECTIONS_MAX = 32
SCAN_KEYS = 500  # looked at in one step of a sweep
PREFIX = b"bursar:answer:"

log = structlog.get_logger("bursar.cache")


class RedisStore:
    """Sealed answers under PREFIX and their key, each with its own expiry."""

    def __init__(self, url: str, password: str = "") -> None:
        self._client = Redis.from_url(
            url,
            password=password or None,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            max_connections=CONNECTIONS_MAX,
            retry=Retry(NoBackoff(), 0),
            client_name="bursar",
        )
        self._connections = asyncio.Semaphore(CONNECTIONS_MAX)
        self._rests_until = 0.0
        self.faults = 0

    async def get(self, key: bytes) -> bytes | None:
        found = await self._asked(lambda: self._client.get(name_of(key)), TIMEOUT_S)
        return found if isinstance(found, bytes) else None

    async def put(self, key: bytes, sealed: bytes, now_us: int, expires_us: int) -> None:
        left_ms = (expires_us - now_us) // 1_000
        if left_ms > 0:
            await self._asked(lambda: self._client.set(name_of(key), sealed, px=left_ms), 10 * TIMEOUT_S)

    async def remove(self, key: bytes) -> None:
        await self._asked(lambda: self._client.delete(name_of(key)), TIMEOUT_S)

    async def expire(self, now_us: int) -> None:
        """It does so by itself."""

    async def sweep(self, live: frozenset[bytes], gone: frozenset[bytes]) -> bool:
        """Only what lies in `gone`: other sites may keep in the same Redis, and other nodes know newer spaces."""
        begins, cursor = {name_of(space) for space in gone}, 0
        length = len(PREFIX) + 2 * SPACE_BYTES
        while begins:
            look = partial(self._client.scan, cursor, match=PREFIX + b"*", count=SCAN_KEYS)
            found: Any = await self._asked(look, 10 * TIMEOUT_S)
            if found is None:
                return False
            cursor, names = found
            dead = [name for name in names if name[:length] in begins]
            if dead and await self._asked(partial(self._client.unlink, *dead), 10 * TIMEOUT_S) is None:
                return False
            if not cursor:
                break
        return True

    async def close(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._client.aclose()
        except (RedisError, OSError, TimeoutError):
            return

    async def _asked(self, command: Callable[[], Awaitable[object]], timeout_s: float) -> object:
        """What Redis says; None if it can't be asked. More calls than there are connections wait for one: to be refused
        one would look like a Redis that is gone."""
        if self._rests():
            return None
        async with self._connections:
            if self._rests():  # since it waited: whoever was before found it gone
                return None
            try:
                async with asyncio.timeout(timeout_s):
                    return await command()
            except (RedisError, OSError, TimeoutError) as error:
                self._failed(error)
                return None

    def _rests(self) -> bool:
        return asyncio.get_running_loop().time() < self._rests_until

    def _failed(self, error: Exception) -> None:
        """Said once a rest, not once a call; the address stays unsaid, for it may hold a password."""
        self.faults += 1
        if not self._rests():
            log.warning("the shared cache can't be asked; calls go on without it", why=type(error).__name__)
        self._rests_until = asyncio.get_running_loop().time() + REST_S


def name_of(key: bytes) -> bytes:
    """Its name in Redis."""
    return PREFIX + key.hex().encode()
