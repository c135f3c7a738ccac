"""Initiatives by quarter: what each shall save in it and what it has, as a take-out tracker shows them."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import msgspec

from bursar.advisor.initiatives import MonthSaving, Standing
from bursar.domain.errors import BadRequest
from bursar.domain.initiatives import Initiative

_CENT = Decimal("0.01")
_ZERO = Decimal(0)


class Quarter(msgspec.Struct, frozen=True):
    """A calendar quarter. months: "2026-10" …"""

    year: int
    number: int

    @property
    def name(self) -> str:
        return f"{self.year}-Q{self.number}"

    @property
    def first(self) -> date:
        return date(self.year, self.number * 3 - 2, 1)

    @property
    def until(self) -> date:
        return self.step(1).first

    @property
    def months(self) -> list[str]:
        return [f"{self.year}-{self.number * 3 - 2 + at:02d}" for at in range(3)]

    def step(self, by: int) -> "Quarter":
        index = self.year * 4 + self.number - 1 + by
        return Quarter(index // 4, index % 4 + 1)


class QuarterRow(msgspec.Struct, frozen=True):
    """One initiative in a quarter, or all of them, USD.

    target: of the whole quarter; due: of the days that were measured. margin: of what was realised, the months' margins
    added up, for a baseline's error is in each of them; None: unknown. cells: by month, None: nothing was measured.
    """

    target: Decimal
    due: Decimal
    realised: Decimal
    margin: Decimal | None
    booked: Decimal | None
    cells: list[Decimal | None]

    @property
    def share(self) -> Decimal | None:
        """Of what was due."""
        return self.realised / self.due if self.due else None


def read_quarter(text: str, today: date) -> Quarter:
    """`2026-Q4`, or the running one for "". Raises BadRequest."""
    if not text:
        return Quarter(today.year, (today.month + 2) // 3)
    found = re.fullmatch(r"(20\d\d)-[Qq]([1-4])", text)
    if found is None:
        raise BadRequest(f"quarter is {text[:40]!r}; write 2026-Q4", field="quarter")
    return Quarter(int(found[1]), int(found[2]))


def quarter_row(one: Standing, quarter: Quarter, booked: dict[tuple[str, str], Decimal]) -> QuarterRow:
    """What one initiative shall save in a quarter, and has."""
    months: dict[str, MonthSaving] = {month.month: month for month in one.months if month.month in quarter.months}
    margins = [month.margin for month in months.values()]
    mine = [booked.get((one.initiative.initiative_id, month)) for month in quarter.months]
    known = [amount for amount in mine if amount is not None]
    return QuarterRow(
        target=target_in(one.initiative, quarter),
        due=sum((month.target for month in months.values()), _ZERO),
        realised=sum((month.realised for month in months.values()), _ZERO),
        margin=_added(margins),
        booked=sum(known, _ZERO) if known else None,
        cells=[months[name].realised if name in months else None for name in quarter.months],
    )


def total_row(rows: Sequence[QuarterRow]) -> QuarterRow:
    """All of them: sums, since no charge counts twice."""
    known = [row.booked for row in rows if row.booked is not None]
    columns = [[row.cells[at] for row in rows if row.cells[at] is not None] for at in range(3)]
    return QuarterRow(
        target=sum((row.target for row in rows), _ZERO),
        due=sum((row.due for row in rows), _ZERO),
        realised=sum((row.realised for row in rows), _ZERO),
        margin=_added([row.margin for row in rows if any(cell is not None for cell in row.cells)]),
        booked=sum(known, _ZERO) if known else None,
        cells=[sum((cell or _ZERO for cell in cells), _ZERO) if cells else None for cells in columns],
    )


def target_in(one: Initiative, quarter: Quarter) -> Decimal:
    """Its target for its days in a quarter: a month's, by the share of the month's days."""
    if one.terms.start is None or one.status == "planned":
        return _ZERO
    total = Fraction(0)
    first = quarter.first
    for _ in range(3):
        after = (first + timedelta(days=32)).replace(day=1)
        days = (min(after, one.ended or after) - max(first, one.terms.start)).days
        total += Fraction(one.terms.target) * max(days, 0) / (after - first).days
        first = after
    return (Decimal(total.numerator) / Decimal(total.denominator)).quantize(_CENT, ROUND_HALF_EVEN)


def _added(margins: Sequence[Decimal | None]) -> Decimal | None:
    known = [one for one in margins if one is not None]
    return sum(known, _ZERO) if known and len(known) == len(margins) else None
