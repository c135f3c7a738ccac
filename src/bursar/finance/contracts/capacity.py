"""Reserved capacity: a flat cost by the hour, shared among the charges that used it, what was idle apart."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

import msgspec

from bursar.finance.contracts.terms import Capacity, pico

HOURS = 24
MINUTES = 60
ON_CAPACITY = -1
"""In place of a share: the charge is on reserved capacity, and its hour isn't over."""


class OnCapacity(Protocol):
    """What is looked at of a charge; `rate.Used` is one."""

    @property
    def hour(self) -> int: ...
    @property
    def model(self) -> str: ...
    @property
    def tier(self) -> str: ...
    @property
    def tokens(self) -> int: ...


class Shared(msgspec.Struct, frozen=True):
    """of_charges: a share of a flat cost, pico-USD, for each; None: it is on no reserved capacity.

    flats: by name, what the hours that are over cost, and what of it was idle.
    """

    of_charges: list[int | None]
    flats: dict[str, tuple[int, int]]


def share_capacity(capacities: Sequence[Capacity], day: date, hours_over: int, charges: Sequence[OnCapacity]) -> Shared:
    """A charge belongs to the first capacity that covers it. Shares and idle parts add up to the flat cost."""
    of_charges: list[int | None] = [None] * len(charges)
    flats: dict[str, tuple[int, int]] = {}
    taken = [False] * len(charges)
    for capacity in capacities:
        if not capacity.holds_on(day):
            continue
        by_hour: dict[int, list[int]] = {}
        for place, one in enumerate(charges):
            if not taken[place] and capacity.covers(one.model, one.tier):
                taken[place] = True
                of_charges[place] = ON_CAPACITY
                by_hour.setdefault(one.hour, []).append(place)
        flat = idle = 0
        for hour in range(min(hours_over, HOURS)):
            cost = _hour_cost(capacity, day, hour)
            places = by_hour.get(hour, [])
            tokens = [max(charges[place].tokens, 0) for place in places]
            pool = _used_part(capacity, cost, sum(tokens))
            for place, share in zip(places, _split(pool, tokens), strict=True):
                of_charges[place] = share
            flat, idle = flat + cost, idle + cost - pool
        flats[capacity.name] = (flat, idle)
    return Shared(of_charges, flats)


def _used_part(capacity: Capacity, cost: int, tokens: int) -> int:
    """What of an hour's cost was used; the rest is idle. More tokens than it can do: all of it."""
    if not tokens:
        return 0
    if capacity.tokens_per_minute is None:
        return cost
    whole = capacity.tokens_per_minute * MINUTES
    return cost * min(tokens, whole) // whole


def _hour_cost(capacity: Capacity, day: date, hour: int) -> int:
    """Pico-USD of one hour; the hours of a month add up to the month's cost."""
    if capacity.per == "hour":
        return pico(capacity.usd)
    first = day.replace(day=1)
    following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    hours = (following - first).days * HOURS
    at = (day - first).days * HOURS + hour
    whole = pico(capacity.usd)
    return whole * (at + 1) // hours - whole * at // hours


def _split(pool: int, weights: Sequence[int]) -> list[int]:
    """By weight; the parts add up to the whole."""
    total, so_far, shares = sum(weights), 0, []
    for weight in weights:
        start = pool * so_far // total if total else 0
        so_far += weight
        shares.append((pool * so_far // total if total else 0) - start)
    return shares
