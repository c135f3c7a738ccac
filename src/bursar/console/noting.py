"""The thread that notes the step of maturity: once a day with what advice expects, and when the step is another one."""

import threading

import structlog

from bursar.console.advising import reviewed
from bursar.console.context import ConsoleContext
from bursar.console.maturity import advised_by

LOOK_EVERY_S = 900.0
FIRST_LOOK_S = 90.0  # after the ledger has been filled

log = structlog.get_logger(__name__)


class Noting:
    """Looks by itself, so that history has no gap where nobody opened the page."""

    def __init__(self, context: ConsoleContext) -> None:
        self._context = context
        self._day = -1

    def run(self, stop: threading.Event) -> None:
        """Until `stop`."""
        wait_s = FIRST_LOOK_S
        while not stop.wait(wait_s):
            self.look()
            wait_s = LOOK_EVERY_S

    def look(self) -> None:
        """One look. Never raises: a fault is logged, and it is tried again."""
        try:
            self._look()
        except Exception as error:  # the background supervisor: figures and calls go on without it
            log.error("maturity_not_noted", error=f"{type(error).__name__}: {error}")

    def _look(self) -> None:
        context, desk = self._context, self._context.maturity()
        now_us = context.clock.now_us()
        day = now_us // 86_400_000_000
        if day == self._day:
            desk.look()
            return
        desk.look(advised_by(reviewed(context, context.view("/advice", {})), now_us))
        self._day = day
