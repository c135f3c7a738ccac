"""What retries may cost in an hour, per scope: the cap over all calls, where `gateway.retry_usd_max` is that of one.

An hour is a clock hour in UTC. A retry is counted at its bound when it begins and at its cost when it ends. Workers
share nothing here: each of the N workers of a node keeps to an Nth of the cap, so that together they never pass it.
Memory is bounded: values past VALUES_MAX within an hour are counted together.
"""

from typing import NamedTuple

from bursar.spool.records import CallFacts

HOUR_US = 3_600_000_000
VALUES_MAX = 10_000
OTHERS = "\0others"


class RetryHold(NamedTuple):
    """What one retry was counted at."""

    hour: int
    value: str
    pico: int


class RetryCap:
    """One worker's. pico: of the whole node, an hour. scope: one of RETRY_SCOPES; each of its values has the cap."""

    def __init__(self, pico: int, scope: str, workers: int) -> None:
        self._share = pico // max(1, workers)
        self._scope = scope
        self._hour = 0
        self._spent: dict[str, int] = {}
        self.refused = 0

    def begin(self, facts: CallFacts, bound_pico: int | None, now_us: int) -> RetryHold | None:
        """Count a retry that is about to be made; None: the hour's cap doesn't allow it.

        A bound that isn't known can't be added up: then the number of attempts is the only cap.
        """
        hour = now_us // HOUR_US
        if hour != self._hour:
            self._hour = hour
            self._spent.clear()
        value, pico = _value(facts, self._scope), bound_pico or 0
        if value not in self._spent and len(self._spent) >= VALUES_MAX:
            value = OTHERS
        spent = self._spent.get(value, 0) + pico
        if pico and spent > self._share:
            self.refused += 1
            return None
        self._spent[value] = spent
        return RetryHold(hour, value, pico)

    def end(self, hold: RetryHold, cost_pico: int) -> None:
        """What it cost, instead of what it could have."""
        if hold.hour == self._hour:
            self._spent[hold.value] = self._spent.get(hold.value, 0) - hold.pico + cost_pico


def _value(facts: CallFacts, scope: str) -> str:
    match scope:
        case "organization" | "team" | "project":
            return str(getattr(facts.scope, scope))
        case "key":
            return facts.credential_id
        case _:
            return str(getattr(facts.attribution, scope))
