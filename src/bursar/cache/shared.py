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

    async def close(self) -> None: ...
