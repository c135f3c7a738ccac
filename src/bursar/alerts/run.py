"""The two threads of the console that alerts live in: one looks by the rules, one delivers.

Apart from each other, so that a mail server that hangs doesn't keep anybody from looking. A control store that can't be
reached is tried again at each round; the console's figures don't wait for it.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple

import structlog

from bursar.alerts.deliver import Deliverer
from bursar.alerts.watch import Watch
from bursar.domain.clock import Clock
from bursar.governance.outbox import Outbox

DELIVER_EVERY_S = 1.0
FORGET_EVERY_US = 3_600_000_000

_log = structlog.get_logger(__name__)


class Parts(NamedTuple):
    """What the threads work with, once the control store is open."""

    watch: Watch
    deliverer: Deliverer
    outbox: Outbox


class AlertThreads:
    """Looks every so often and delivers each second, until stopped.

    open_parts: opens the control store; what it raises is told in `error`, and it is asked again.
    """

    def __init__(self, open_parts: Callable[[], Parts], clock: Clock, *, look_every_s: float) -> None:
        self._open_parts = open_parts
        self._clock = clock
        self._parts: Parts | None = None
        self._opening = threading.Lock()
        self._errors: dict[str, str] = {}
        self._forgotten_us = 0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(self._look, look_every_s), name="alerts-look"),
            threading.Thread(target=self._run, args=(self._deliver, DELIVER_EVERY_S), name="alerts-deliver"),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stop.set()

    def join(self) -> None:
        """Wait for both to end; a message that is being sent ends first, within its channel's time-out."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    @property
    def error(self) -> str:
        """Why the last round of either failed, or a rule can't be judged; "" while both do what they should."""
        faults = self._parts.watch.faults if self._parts else {}
        told = [*dict.fromkeys(self._errors.copy().values()), *(f"rule {name}: {why}" for name, why in faults.items())]
        return "; ".join(told)

    def _opened(self) -> Parts:
        """Open at first use; what a process that died had claimed is due again at once."""
        with self._opening:
            if self._parts is None:
                parts = self._open_parts()
                parts.outbox.release(self._clock.now_us())
                self._parts = parts
            return self._parts

    def _look(self) -> None:
        parts = self._opened()
        parts.watch.look()
        now_us = self._clock.now_us()
        if now_us - self._forgotten_us > FORGET_EVERY_US:
            parts.outbox.forget(now_us)
            self._forgotten_us = now_us

    def _deliver(self) -> None:
        self._opened().deliverer.deliver()

    def _run(self, work: Callable[[], None], every_s: float) -> None:
        name = threading.current_thread().name
        while not self._stop.is_set():
            try:
                work()
                self._errors.pop(name, None)
            except Exception as error:  # the background supervisor's broad except: tried again at the next round
                words = f"{type(error).__name__}: {error}"
                if self._errors.get(name) != words:
                    _log.error("alerts_failed", error=words)
                self._errors[name] = words
            self._stop.wait(every_s)
