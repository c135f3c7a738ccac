"""The two threads of the console that alerts live in: one looks by the rules, one delivers.

Apart from each other, so that a mail server that hangs doesn't keep anybody from looking.
"""

import threading
from collections.abc import Callable

import structlog

from bursar.alerts.deliver import Deliverer
from bursar.alerts.watch import Watch
from bursar.domain.clock import Clock
from bursar.governance.outbox import Outbox

DELIVER_EVERY_S = 1.0
FORGET_EVERY_US = 3_600_000_000

_log = structlog.get_logger(__name__)


class AlertThreads:
    """Looks every so often and delivers each second, until stopped."""

    def __init__(
        self, watch: Watch, deliverer: Deliverer, outbox: Outbox, clock: Clock, *, look_every_s: float
    ) -> None:
        self._errors: dict[str, str] = {}
        self._watch = watch
        self._deliverer = deliverer
        self._outbox = outbox
        self._clock = clock
        self._look_every_s = look_every_s
        self._forgotten_us = 0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(self._look, look_every_s), name="alerts-look"),
            threading.Thread(target=self._run, args=(self._deliver, DELIVER_EVERY_S), name="alerts-deliver"),
        ]

    def start(self) -> None:
        """Begin; what a process that died had claimed is due again at once."""
        self._outbox.release(self._clock.now_us())
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
        """Why the last round of either failed; "" while both do what they should."""
        return "; ".join(self._errors.values())

    def _look(self) -> None:
        self._watch.look()
        now_us = self._clock.now_us()
        if now_us - self._forgotten_us > FORGET_EVERY_US:
            self._forgotten_us = now_us
            self._outbox.forget(now_us)

    def _deliver(self) -> None:
        self._deliverer.deliver()

    def _run(self, work: Callable[[], None], every_s: float) -> None:
        while not self._stop.is_set():
            try:
                work()
                self._errors.pop(threading.current_thread().name, None)
            except Exception as error:  # the background supervisor's broad except: tried again at the next round
                words = self._errors[threading.current_thread().name] = f"{type(error).__name__}: {error}"
                _log.error("alerts_failed", error=words)
            self._stop.wait(every_s)
