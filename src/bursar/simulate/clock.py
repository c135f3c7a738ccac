"""An event loop whose clock jumps to the next timer: an hour of traffic in a second, the same way each time.

Sockets work as ever. The loop jumps only when nothing can be read or written and the next thing to happen is a timer;
two ends of a loopback connection in one loop therefore see each other's bytes before any time passes.
"""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

Result = TypeVar("Result")

START_US = 1_790_000_000_000_000  # 2026-09-21T14:13:20Z
IDLE_REAL_S = 5.0  # nothing is due and nobody writes: a deadlock, or a thread that takes its time


class Stuck(RuntimeError):
    """Every task waits for something that no timer and no socket will bring."""


class JumpingClock:
    """Time as the loop sees it, and as `domain.clock.Clock` for everything that takes one."""

    def __init__(self, start_us: int = START_US) -> None:
        self.start_us = start_us
        self.passed_us = 0

    def now_us(self) -> int:
        return self.start_us + self.passed_us

    def monotonic_s(self) -> float:
        return self.passed_us / 1_000_000


class JumpingLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on a JumpingClock."""

    def __init__(self, clock: JumpingClock) -> None:
        self.clock = clock
        super().__init__(_JumpingSelector(clock))

    def time(self) -> float:
        return self.clock.monotonic_s()


class _JumpingSelector(selectors.BaseSelector):
    """Asks the real selector without waiting; where it would have waited, time passes at once."""

    def __init__(self, clock: JumpingClock) -> None:
        self._clock = clock
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            ready = self._real.select(IDLE_REAL_S)
            if not ready:
                raise Stuck(f"nothing happened for {IDLE_REAL_S:g} s of real time, and no timer is set")
            return ready
        self._clock.passed_us += max(1, round(timeout * 1_000_000))
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def run_jumping(work: Coroutine[Any, Any, Result], clock: JumpingClock) -> Result:
    """Run to the end on a loop of its own. Raises Stuck when it can't get there."""
    with asyncio.Runner(loop_factory=lambda: JumpingLoop(clock)) as runner:
        return runner.run(work)
