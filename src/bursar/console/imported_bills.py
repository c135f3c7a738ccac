"""The thread that converts imported bills when a rate was added, by whichever face."""

import threading

from bursar.console.context import ConsoleContext
from bursar.console.pacing import look_often, surviving
from bursar.finance.focus.converting import convert
from bursar.finance.fx.rates import Rates

LOOK_EVERY_S = 10.0
FIRST_LOOK_S = 3.0


class Converting:
    """Where no rate was added since, a look is one question for the last rate's number."""

    def __init__(self, context: ConsoleContext) -> None:
        self._context = context
        self._by: Rates | None = None

    def run(self, stop: threading.Event) -> None:
        """Until `stop`."""
        look_often(stop, self.look, first_s=FIRST_LOOK_S, every_s=LOOK_EVERY_S)

    def look(self) -> None:
        """One look. Never raises: a fault is logged, and rows stay as they are."""
        with surviving("bills_not_converted"):
            rates = self._context.finance().rates.rates()
            if rates is not self._by:  # the same object while nothing was added
                convert(self._context.ledger, rates)
                self._by = rates
