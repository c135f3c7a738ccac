"""The free tier as a business: what it burns, what it brings, and whether it ever pays. Pure; money is whole pico."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Literal

import msgspec

from bursar.finance.economics.rows import Row
from bursar.finance.economics.spans import MonthSpan

Verdict = Literal["pays", "destroys", "unknown", "none"]


class FreeTier(msgspec.Struct, frozen=True):
    """All figures a month.

    free, paying: customers. converted: became paying in these months. rate: converted of those who could have, a month.
    burn_pico: AI cost of free customers. per_free_pico: of one of them.
    earned_pico: what one paying customer leaves after AI and other cost of goods.
    revenue_pico: what one paying customer pays.
    carried: free customers that stand behind one paying one, at this rate of conversion.
    carried_pico: what they cost in a month, which a paying customer has to carry.
    per_conversion_pico: burn of a month for each conversion of a month: what a new paying customer cost in free usage.
    payback_months: that, divided by what one leaves; None: never, or unknown.
    """

    free: int
    paying: int
    converted: int
    rate: Fraction | None
    burn_pico: int
    per_free_pico: Fraction | None
    revenue_pico: Fraction | None
    earned_pico: Fraction | None
    carried: Fraction | None
    carried_pico: Fraction | None
    per_conversion_pico: Fraction | None
    payback_months: Fraction | None

    @property
    def verdict(self) -> Verdict:
        """destroys: what a paying customer leaves is less than what the free ones behind them cost each month."""
        if not self.free:
            return "none"
        if self.earned_pico is None or self.rate is None:
            return "unknown"
        if self.carried_pico is None:  # nobody converted
            return "destroys" if self.burn_pico > 0 else "pays"
        return "destroys" if self.carried_pico > self.earned_pico else "pays"


def free_tier(
    *, free: int, burn_pico: int, paying: int, paying_revenue_pico: int, paying_cost_pico: int, converted: int,
    months: int = 1,
) -> FreeTier:  # fmt: skip
    """Sums over `months`; free and paying: customers on average. paying_cost: AI and other cost of goods of those
    paying customers whose revenue is known.

    The rate of conversion is of all who were free at some time in these months: those who stayed and those who went.
    """
    could = free + converted
    rate = Fraction(converted, could * months) if could else None
    per_free = Fraction(burn_pico, free * months) if free else None
    revenue = Fraction(paying_revenue_pico, paying * months) if paying else None
    earned = Fraction(paying_revenue_pico - paying_cost_pico, paying * months) if paying else None
    carried = (1 - rate) / rate if rate else None
    carried_pico = carried * per_free if carried is not None and per_free is not None else None
    per_conversion = Fraction(burn_pico, converted) if converted else None
    payback = per_conversion / earned if per_conversion is not None and earned and earned > 0 else None
    return FreeTier(
        free, paying, converted, rate, burn_pico // months, per_free, revenue, earned, carried, carried_pico,
        per_conversion, payback,
    )  # fmt: skip


def free_tier_of(rows: Sequence[Row], span: MonthSpan) -> FreeTier:
    free = [row for row in rows if row.is_free]
    paying = [row for row in rows if row.customer and row.revenue_pico is not None and row.revenue_pico > 0]
    converted = sum(row.converted_on is not None and span.first <= row.converted_on < span.until for row in rows)
    return free_tier(
        free=len(free),
        burn_pico=sum(row.ai_pico for row in free),
        paying=len(paying),
        paying_revenue_pico=sum(row.revenue_pico or 0 for row in paying),
        paying_cost_pico=sum(row.ai_pico + (row.other_pico or 0) for row in paying),
        converted=converted,
        months=span.months,
    )


class Cohort(msgspec.Struct, frozen=True):
    """Customers who signed up in one month; None: nobody knows when. Money is of the months that are looked at."""

    month: date | None
    signed_up: int
    active: int
    paying: int
    converted: int
    revenue_pico: int
    ai_pico: int
    margin_pico: int


def cohorts(rows: Sequence[Row], span: MonthSpan) -> list[Cohort]:
    """By sign-up month, newest first, of customers that a record is of; those that are gone without a trace in these
    months aren't in it."""
    found: dict[date | None, list[Row]] = {}
    for row in rows:
        if row.is_known and row.customer:
            found.setdefault(row.signed_up.replace(day=1) if row.signed_up else None, []).append(row)
    ordered = sorted(found, key=lambda month: month or date.min, reverse=True)
    return [_cohort(month, found[month], span) for month in ordered]


def _cohort(month: date | None, rows: Sequence[Row], span: MonthSpan) -> Cohort:
    known = [row for row in rows if row.revenue_pico is not None]
    return Cohort(
        month,
        len(rows),
        sum(row.cancelled_on is None or row.cancelled_on >= span.until for row in rows),
        sum((row.revenue_pico or 0) > 0 for row in rows),
        sum(row.converted_on is not None and row.converted_on < span.until for row in rows),
        sum(row.revenue_pico or 0 for row in known),
        sum(row.ai_pico for row in rows),
        sum(row.margin_pico or 0 for row in known),
    )
