"""Whole months that economics is asked about, as a time zone cuts them, and the months before to compare with."""

import re
from datetime import date, datetime, timedelta

import msgspec

from bursar.domain.calendar import day_start, month_on, zone
from bursar.domain.errors import BadPeriod
from bursar.domain.periods import Period

MONTHS_MAX = 12


class MonthSpan(msgspec.Struct, frozen=True):
    """Months from `first` on; both days are first ones. until: the day after. today: in the zone."""

    first: date
    months: int
    timezone: str
    today: date

    @property
    def until(self) -> date:
        return month_on(self.first, self.months)

    @property
    def last_month(self) -> date:
        """Its first day."""
        return month_on(self.first, self.months - 1)

    @property
    def last_day(self) -> date:
        return self.until - timedelta(days=1)

    @property
    def is_over(self) -> bool:
        return self.today >= self.until

    @property
    def month_list(self) -> list[date]:
        return [month_on(self.first, at) for at in range(self.months)]

    @property
    def period(self) -> Period:
        """The same as a stretch of time."""
        start, end = day_start(self.first, self.timezone), day_start(self.until, self.timezone)
        return Period(start, end, self.name, self.timezone, "month", self.months)

    @property
    def name(self) -> str:
        """As an address writes a period: `2026-10`, or its days."""
        return f"{self.first:%Y-%m}" if self.months == 1 else f"{self.first}..{self.last_day}"

    def before(self) -> "MonthSpan":
        """As many months before these."""
        return msgspec.structs.replace(self, first=month_on(self.first, -self.months))

    def rate_day(self, month: date) -> date:
        """The day whose exchange rate a month's revenue has: its last one, or today."""
        return min(month_on(month, 1) - timedelta(days=1), self.today)


def read_span(month: str, months: str, now: datetime, timezone: str) -> MonthSpan:
    """`month`: the last one, as 2026-10; "": the last that is over. `months`: how many, "": one. Raises BadPeriod."""
    today = now.astimezone(zone(timezone)).date()
    last = month_on(today.replace(day=1), -1)
    if month:
        if not re.fullmatch(r"(19|20)\d\d-(0[1-9]|1[0-2])", month):
            raise BadPeriod(f"month is {month[:40]!r}; write it as 2026-10", field="month")
        last = date.fromisoformat(f"{month}-01")
        if last > today:
            raise BadPeriod(f"{month} hasn't begun", field="month")
    if months and not (months.isascii() and months.isdigit() and 1 <= int(months) <= MONTHS_MAX):
        raise BadPeriod(f"months is {months[:40]!r}; from 1 to {MONTHS_MAX}", field="months")
    count = int(months) if months else 1
    return MonthSpan(month_on(last, 1 - count), count, timezone, today)
