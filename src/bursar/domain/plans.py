"""Planned events: what somebody knows of days to come that the past can't tell, and how much it will change."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

PlanKind = Literal["volume", "price"]
KINDS: tuple[PlanKind, ...] = ("volume", "price")
PERCENT_MIN, PERCENT_MAX = Decimal(-100), Decimal(10_000)
NOTE_CHARS_MAX = 2_000
FIRST_YEAR, LAST_YEAR = 2020, 2999


class PlanTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is planned.

    start, end: first and last day, in whoever's time zone looks; no end: it stays.
    percent:    how much more is spent on each of these days because of it; less than 0: how much less.
    kind:       `volume` for more or fewer calls (a launch), `price` for the same calls at another price.
    scope:      whose cost changes, as an address writes it: `feature=checkout`, `model=gpt-5`; "": everything's.
    """

    start: date
    percent: Decimal
    end: date | None = None
    kind: PlanKind = "volume"
    scope: str = ""
    note: str = ""

    def is_on(self, day: date) -> bool:
        return self.start <= day and (self.end is None or day <= self.end)

    def factor(self, day: date) -> float:
        """What a day's cost is multiplied by, of what is in its scope."""
        return 1 + float(self.percent) / 100 if self.is_on(day) else 1.0


class Plan(msgspec.Struct, frozen=True):
    """One that is kept."""

    plan_id: str
    name: str
    terms: PlanTerms
    created_us: int
    created_by: str


def faults_of_plan(terms: PlanTerms) -> Iterator[tuple[str, str]]:
    """(field, what is wrong); the scope is read by whoever knows the dimensions."""
    if not (terms.percent.is_finite() and PERCENT_MIN <= terms.percent <= PERCENT_MAX) or terms.percent == 0:
        yield "percent", f"other than 0, from {PERCENT_MIN} to {PERCENT_MAX}"
    if not FIRST_YEAR <= terms.start.year <= LAST_YEAR:
        yield "start", f"a day from {FIRST_YEAR} to {LAST_YEAR}"
    if terms.end is not None and terms.end < terms.start:
        yield "end", "not before the first day"
    if terms.end is not None and terms.end.year > LAST_YEAR:
        yield "end", f"a day from {FIRST_YEAR} to {LAST_YEAR}"
    if len(terms.note) > NOTE_CHARS_MAX:
        yield "note", f"at most {NOTE_CHARS_MAX} characters"
