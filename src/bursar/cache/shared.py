"""Where workers share kept answers. Whatever goes wrong there is a miss: a call never waits or fails for it."""

from typing import Protocol


class Shared(Protocol):
    """Sealed answers by key. No method raises but for a cancelled task."""

    faults: int
    """How often something went wrong: shown in the metrics."""

    async def get(self, key: bytes) -> bytes | None:
        """None: it isn't there, or the place can't be asked now."""
        ...

    async def put(self, key: bytes, sealed: bytes, now_us: int, expires_us: int) -> None:
        """Kept when this returns, or not at all."""
        ...

    async def remove(self, key: bytes) -> None:
        """Forget it."""
        ...

    async def expire(self, now_us: int) -> None:
        """Forget all whose time is over."""
        ...

    async def sweep(self, live: frozenset[bytes], gone: frozenset[bytes]) -> bool:
        """Forget what no call can meet any more. live: all spaces that are kept in; gone: some that were, and no longer
        are. Whether it is done; else it is to be tried again."""
        ...

    async def close(self) -> None: ...
