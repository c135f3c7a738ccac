"""Calendars: how dates are cut into weeks, months, fiscal years and 4-4-5 periods.

Arithmetic on dates alone: no time zone, no clock. Each calendar tiles all dates; a span's key names it for good, and
the keys of one calendar ascend as text.
"""

from bisect import bisect_right
from datetime import date, timedelta
from itertools import accumulate
from typing import Literal, NamedTuple, Protocol

from bursar.domain import dates
from bursar.domain.calendar import month_on

Turn = Literal["resets", "rolls", "ends", "begins", "never"]
YearRule = Literal["nearest", "last"]
RetailGrain = Literal["period", "quarter", "year"]

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_YEAR_SLACK_DAYS = 14  # a year that begins this close to 1 January carries one year's name


class Span(NamedTuple):
    """Dates `[first, after)`; None: unbounded on that side.

    turn:      what happens to a budget when the span is over ("begins": it isn't in force before that).
    in_force:  whether the budget limits anything in this span.
    """

    first: date | None
    after: date | None
    key: str
    label: str
    turn: Turn = "resets"
    in_force: bool = True


class Calendar(Protocol):
    def span(self, day: date) -> Span:
        """The one span that holds `day`."""
        ...


class Days:
    def span(self, day: date) -> Span:
        return Span(day, day + _DAY, day.isoformat(), dates.day(day, year=True))


class IsoWeeks:
    """Monday to Sunday; a week belongs to the year that has its Thursday, so some years have a week 53."""

    def span(self, day: date) -> Span:
        year, week, weekday = day.isocalendar()
        first = day - timedelta(days=weekday - 1)
        label = f"week {week} of {year} ({dates.days(first, first + 6 * _DAY)})"
        return Span(first, first + _WEEK, f"{year}-W{week:02}", label)


class Months:
    """Months, calendar quarters and years: 1, 3 or 12 months at a time, from January on."""

    def __init__(self, months: int) -> None:
        self._months = months

    def span(self, day: date) -> Span:
        index = (day.month - 1) // self._months * self._months
        first = date(day.year, index + 1, 1)
        after = month_on(first, self._months)
        if self._months == 1:
            return Span(first, after, f"{first:%Y-%m}", dates.month(first))
        if self._months == 12:
            return Span(first, after, f"{first:%Y}", str(first.year))
        quarter = index // 3 + 1
        return Span(first, after, f"{first:%Y}-Q{quarter}", f"Q{quarter} {first.year}")


class FiscalMonths:
    """Fiscal years of twelve calendar months, or their quarters: "FY2026-27" from April 2026 to March 2027."""

    def __init__(self, months: int, start_month: int) -> None:
        self._months = months
        self._start_month = start_month

    def span(self, day: date) -> Span:
        index = (day.month - self._start_month) % 12  # months since the fiscal year began
        first = month_on(day.replace(day=1), -(index % self._months))
        after = month_on(first, self._months)
        year = fiscal_year_name(month_on(day.replace(day=1), -index))
        name = year if self._months == 12 else f"{year}-Q{index // 3 + 1}"
        return Span(first, after, name, _spelled(name, first, after))


class RetailWeeks:
    """4-4-5 and its kin: quarters of 13 whole weeks, each cut into three periods of whole weeks.

    anchor:  the first day of any one fiscal year; its weekday begins every week.
    rule:    when the other years begin. "nearest": on that weekday nearest to the anchor's day of the year (the US
             National Retail Federation's, 1 February). "last": the year ends on the last such weekday of the month
             it ends in (Apple's last Saturday of September).
    Either way a year has 52 weeks, and every five or six years 53.
    The 53rd week belongs to the year's last period, which so has one week more than the pattern says.
    """

    def __init__(self, anchor: date, pattern: tuple[int, int, int], grain: RetailGrain, rule: YearRule) -> None:
        self._anchor = anchor
        self._pattern = pattern
        self._grain = grain
        self._rule = rule

    def year_start(self, year: int) -> date:
        """The first day of the fiscal year that nominally begins in calendar year `year`."""
        if self._rule == "last":
            end = self._anchor - _DAY
            last = month_on(date(year, end.month, 1), 1) - _DAY
            return last - timedelta(days=(last.weekday() - end.weekday()) % 7) + _DAY
        nominal = self._nominal(year)
        ahead = (self._anchor.weekday() - nominal.weekday()) % 7
        return nominal + timedelta(days=ahead if ahead <= 3 else ahead - 7)

    def span(self, day: date) -> Span:
        year = day.year + 1
        while self.year_start(year) > day:
            year -= 1
        first, after = self.year_start(year), self.year_start(year + 1)
        name = fiscal_year_name(self._nominal(year))
        if self._grain == "year":
            return Span(first, after, name, _spelled(name, first, after))
        weeks = list(self._pattern * 4) if self._grain == "period" else [13] * 4
        weeks[-1] += (after - first).days // 7 - 52
        letter, digits = ("P", 2) if self._grain == "period" else ("Q", 1)
        starts = [first + count * _WEEK for count in accumulate(weeks, initial=0)]
        number = bisect_right(starts, day)
        begin, end = starts[number - 1], starts[number]
        name = f"{name}-{letter}{number:0{digits}}"
        return Span(begin, end, name, _spelled(name, begin, end))

    def _nominal(self, year: int) -> date:
        if self._rule == "last":
            return month_on(date(year, (self._anchor - _DAY).month, 1), 1) - _DAY
        return self._anchor.replace(year=year)


class Ranges:
    """Stretches of dates somebody chose; between and around them the budget isn't in force.

    ranges: `(first, last)`, both included, ascending, none overlapping.
    """

    def __init__(self, ranges: tuple[tuple[date, date], ...]) -> None:
        self._ranges = ranges

    def span(self, day: date) -> Span:
        gap_first: date | None = None
        for index, (first, last) in enumerate(self._ranges):
            if day < first:
                return _gap(gap_first, first)
            after = last + _DAY
            if day <= last:
                follows = index + 1 < len(self._ranges) and self._ranges[index + 1][0] == after
                turn: Turn = "resets" if follows else "ends"
                return Span(first, after, f"{first}..{last}", dates.days(first, last), turn)
            gap_first = after
        return _gap(gap_first, None)


class Always:
    """One span without end."""

    def span(self, day: date) -> Span:
        return Span(None, None, "lifetime", "lifetime", "never")


def fiscal_year_name(start: date) -> str:
    """ "FY2026-27" for a year that begins in 2026 and ends in 2027; "FY2026" where it is (nearly) calendar year 2026.

    start: where the year nominally begins. A year that begins within two weeks of 1 January has that January's name.
    """
    january = date((start + timedelta(days=_YEAR_SLACK_DAYS)).year, 1, 1)
    if abs((start - january).days) <= _YEAR_SLACK_DAYS:
        return f"FY{january.year}"
    return f"FY{start.year}-{(start.year + 1) % 100:02}"


def _spelled(name: str, first: date, after: date) -> str:
    return f"{name.replace('-Q', ' Q').replace('-P', ' P')} ({dates.days(first, after - _DAY)})"


def _gap(first: date | None, after: date | None) -> Span:
    last = after - _DAY if after else None
    key = f"{first or ''}..{last or ''}"
    if after is None:
        return Span(first, None, key, "ended", "never", in_force=False)
    return Span(first, after, key, f"not in force before {dates.day(after, year=True)}", "begins", in_force=False)
