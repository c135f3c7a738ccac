"""The words of a forecast: what is wished for, and what is told."""

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from bursar.domain.plans import Plan
from bursar.explore.filters import Filter
from bursar.forecast.accuracy import Accuracy

OTHERS = "(others)"
BAND_TIMES = 3  # days ahead, as many times as days are known, up to which a band is told: past that it is a guess


class Wish(msgspec.Struct, frozen=True):
    """What is to be forecast. top: how many parts are told one by one. growth: percent a month, a scenario; None: none.

    now: aware. filters: whose calls. plans: what is known of days to come.
    """

    now: datetime
    timezone: str
    dimension: str
    filters: tuple[Filter, ...] = ()
    top: int = 12
    growth: Decimal | None = None
    plans: tuple[Plan, ...] = ()


class Amount(NamedTuple):
    """Pico-dollars: what is expected, and the band that four in five are inside."""

    expected: int
    low: int
    high: int


class Figure(msgspec.Struct, frozen=True):
    """What is expected over a stretch of days, pico-dollars.

    key: `month`, `7`, `30` or `90`. spent: of it so far, for a month. amount: with what is spent, and with what is
    planned. unplanned: without the planned events. scenario: if it grew as was asked; None: nothing was asked.
    """

    key: str
    first: date
    last: date
    spent: int
    amount: Amount
    unplanned: int
    scenario: int | None


class Part(msgspec.Struct, frozen=True):
    """One part; the parts add up to the whole in every figure and on every day.

    figures: of each of the whole's, in order; of a part that is too young to say, none: what is expected of it is in
    `OTHERS`. lately: what it cost in the last 30 days with today. days: what is expected of each day ahead, the rest
    of today first. said_by: the model.
    """

    name: str
    lately: int
    figures: list[Amount]
    days: list[int]
    said_by: str
    age: int


class Day(msgspec.Struct, frozen=True):
    """A day ahead; of today, what is left of it. Pico-dollars."""

    day: date
    amount: Amount
    unplanned: int
    scenario: int | None


class Effect(msgspec.Struct, frozen=True):
    """What a plan adds in the days ahead; less than 0: takes away. Pico-dollars, by figure."""

    plan: Plan
    figures: list[int]


class Forecast(msgspec.Struct, frozen=True):
    """All that is expected. too_young: fewer than two whole days are known; nothing is said then.

    spent: what each day of the past cost; the last one is today, so far. said_by: the whole's model. accuracy: of the
    whole; parts_accuracy: of all parts, each by itself, weighted by what it costs. unpriced: attempts of the last 30
    days that nobody knows the cost of, and that are in no figure.
    """

    today: date
    timezone: str
    dimension: str
    age: int
    too_young: bool
    said_by: str
    spent: list[tuple[date, int]]
    figures: list[Figure]
    days: list[Day]
    parts: list[Part]
    effects: list[Effect]
    accuracy: list[Accuracy]
    parts_accuracy: list[Accuracy]
    unpriced: int = 0

    def days_for_band(self, last: date) -> int:
        """How many days of calls a band that reaches to `last` needs."""
        return -(-(last - self.today).days // BAND_TIMES)

    def has_band(self, last: date, age: int | None = None) -> bool:
        """Whether so much is known. age: of a part; None: of the whole."""
        return (self.age if age is None else min(age, self.age)) >= self.days_for_band(last)
