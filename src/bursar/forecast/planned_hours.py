"""Planned events hour by hour: the past as it would have been without them, the hours to come with them.

Pure. A plan's days are local; an hour belongs to the day in which it begins.
"""

from collections.abc import Iterable, Sequence
from datetime import date, tzinfo

from bursar.domain.clock import datetime_from_us
from bursar.domain.expected import HoursAhead
from bursar.domain.plans import PlanTerms
from bursar.forecast.factors import FACTOR_MIN
from bursar.forecast.hours import DAY_HOURS, HOUR_US
from bursar.forecast.models import WEEK

Planned = Sequence[tuple[PlanTerms, float]]
"""Plans, each with the share of the cost in question that lies in its scope."""


def without_plans(spend: Iterable[tuple[int, int]], plans: Planned, place: tzinfo) -> list[tuple[int, int]]:
    """spend: (start of an hour, pico). What has begun isn't counted twice: its days are read without it."""
    factors = _Factors(plans, place)
    return [(at, round(pico / max(factors.at(at), FACTOR_MIN))) if factors.at(at) != 1 else (at, pico)
            for at, pico in spend]  # fmt: skip


def with_plans(ahead: HoursAhead, now_us: int, plans: Planned, place: tzinfo) -> tuple[HoursAhead, list[int]]:
    """The hours to come with what is planned, and the numbers of the plans that change any of them.

    How sure it is, as a share of what is expected, stays as it was: nobody knows how sure a plan is.
    """
    factors = _Factors(plans, place)
    this_hour = now_us // HOUR_US
    starts = [(this_hour + at) * HOUR_US for at in range(len(ahead.expected))]
    expected = [round(pico * factors.at(at)) for at, pico in zip(starts, ahead.expected, strict=True)]
    week = slice(0, WEEK * DAY_HOURS)
    usual = sum(ahead.expected[week])
    per_day = ahead.per_day * sum(expected[week]) // usual if usual else ahead.per_day
    days = set(map(factors.day_of, starts))
    changing = [number for number, (terms, share) in enumerate(plans) if share and any(map(terms.is_on, days))]
    return ahead._replace(expected=expected, per_day=per_day), changing


class _Factors:
    """What an hour's cost is multiplied by; of plans on the same day each changes what those before it left."""

    def __init__(self, plans: Planned, place: tzinfo) -> None:
        self._plans = plans
        self._place = place
        self._by_day: dict[date, float] = {}

    def day_of(self, at_us: int) -> date:
        return datetime_from_us(at_us).astimezone(self._place).date()

    def at(self, at_us: int) -> float:
        day = self.day_of(at_us)
        found = self._by_day.get(day)
        if found is None:
            found = 1.0
            for terms, share in self._plans:
                found *= 1 + share * (terms.factor(day) - 1)
            self._by_day[day] = found
        return found
