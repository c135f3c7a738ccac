"""Work behind the client's back: so much at a time, so much in all, and what doesn't fit isn't taken on."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

AT_ONCE = 8
HELD_MAX = 64  # from the moment a place is taken: gathering, waiting and under way

Work = Callable[[], Coroutine[Any, Any, None]]

log = structlog.get_logger("bursar.gateway")


class Background:
    """One worker's. Whoever took a place either starts its work or gives the place back."""

    def __init__(self, at_once: int = AT_ONCE, held_max: int = HELD_MAX) -> None:
        self._at_once = at_once
        self._held_max = held_max
        self._held = 0
        self._waiting: deque[Work] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def held(self) -> int:
        """Places taken."""
        return self._held

    def enter(self) -> bool:
        """Take a place. False: there is none."""
        if self._held >= self._held_max or self._is_closed:
            return False
        self._held += 1
        return True

    def leave(self) -> None:
        """Give a place back whose work was never started."""
        self._held -= 1

    def start(self, work: Work) -> None:
        """Do the work of a place that was taken, now or when others are done. Returns at once."""
        if self._is_closed:
            self._held -= 1
        elif len(self._tasks) >= self._at_once:
            self._waiting.append(work)
        else:
            self._begin(work)

    async def close(self, grace_s: float) -> None:
        """Drop what waits, let what is under way end for a while, then cancel it."""
        self._is_closed = True
        self._held -= len(self._waiting)
        self._waiting.clear()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, work: Work) -> None:
        task = asyncio.ensure_future(self._do(work))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _do(self, work: Work) -> None:
        try:
            await work()
        except Exception as error:  # the background supervisor: a mistake of ours ends this work and no other
            log.error("background work failed", error=f"{type(error).__name__}: {error}")

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._held -= 1
        if self._waiting and not self._is_closed:
            self._begin(self._waiting.popleft())
