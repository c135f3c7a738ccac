"""A worker's own share of the hourly cap on retries, for while the control store can't be reached.

Each of the N workers of a node keeps to an Nth of the cap, so that together they never pass it.
Memory is bounded: values past VALUES_MAX within an hour are counted together.
"""

from typing import NamedTuple

from bursar.budgets.retries import HOUR_US

VALUES_MAX = 10_000
OTHERS = "\0others"


class ShareHold(NamedTuple):
    """What one retry was counted at."""

    hour: int
    value: str
    pico: int


class RetryShare:
    """One worker's. pico: the cap of the whole node, an hour, of each value."""

    def __init__(self, pico: int, workers: int) -> None:
        self._share = pico // max(1, workers)
        self._hour = 0
        self._spent: dict[str, int] = {}

    def begin(self, value: str, pico: int, now_us: int) -> ShareHold | None:
        """Count a retry at its bound; None: the share has no room for it."""
        hour = now_us // HOUR_US
        if hour != self._hour:
            self._hour = hour
            self._spent.clear()
        if value not in self._spent and len(self._spent) >= VALUES_MAX:
            value = OTHERS
        spent = self._spent.get(value, 0) + pico
        if pico and spent > self._share:
            return None
        self._spent[value] = spent
        return ShareHold(hour, value, pico)

    def end(self, hold: ShareHold, cost_pico: int) -> None:
        """What it cost, instead of what it could have."""
        if hold.hour == self._hour:
            self._spent[hold.value] = self._spent.get(hold.value, 0) - hold.pico + cost_pico
