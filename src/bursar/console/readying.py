"""The thread that keeps economics of the last months ready: nobody waits for what doesn't change any more."""

import threading

from bursar.console.context import ConsoleContext
from bursar.console.pacing import look_often, surviving
from bursar.console.simulating import read_asked

LOOK_EVERY_S = 30.0
FIRST_LOOK_S = 5.0


class Readying:
    """What `/customers` and `/scenarios` show unasked: where nothing changed, a look costs some counts of charges."""

    def __init__(self, context: ConsoleContext) -> None:
        self._context = context

    def run(self, stop: threading.Event) -> None:
        """Until `stop`."""
        look_often(stop, self.look, first_s=FIRST_LOOK_S, every_s=LOOK_EVERY_S)

    def look(self) -> None:
        """One look. Never raises: a fault is logged, and whoever asks waits as before."""
        with surviving("economics_not_ready"):
            finance = self._context.finance()
            if finance.business.has_any():
                finance.scenarios.compare(read_asked(self._context.view("/scenarios", {})))
