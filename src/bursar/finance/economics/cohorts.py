"""Customers by the month they signed up in, over the months since: who still calls, and what they leave. Pure.

Money is whole pico. Everything is in one cell or in what is said beside the grid, so that all of it adds up to the
ledger.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import msgspec

from bursar.domain.calendar import month_on
from bursar.finance.economics.rows import Row

MONTHS = 12


class Cell(msgspec.Struct):
    """Customers of one month of sign-up in one month of the calendar.

    called: had a call; paying: had revenue above 0. revenue_pico, margin_pico: of the `known` ones, whose revenue is
    known; ai_pico: of all of them. unpriced: attempts without a price, which are in no cost. is_counted: calls were
    counted in that month at all; before, nobody knows who called and what it cost.
    """

    month: date
    is_counted: bool = True
    called: int = 0
    known: int = 0
    paying: int = 0
    estimated: int = 0
    revenue_pico: int = 0
    ai_pico: int = 0
    margin_pico: int = 0
    unpriced: int = 0

    def add(self, row: Row) -> None:
        self.called += row.calls > 0
        self.ai_pico += row.ai_pico
        self.unpriced += row.unpriced
        if row.revenue_pico is None:
            return
        self.known += 1
        self.paying += row.revenue_pico > 0
        self.estimated += row.basis == "price"
        self.revenue_pico += row.revenue_pico
        self.margin_pico += row.margin_pico or 0


class Line(msgspec.Struct, frozen=True):
    """One month of sign-up. size: customers who did, by their records, whoever is gone among them.

    cells: from that month on, one for each month up to the last: the place in it is months since sign-up.
    """

    month: date
    size: int
    cells: Sequence[Cell]


class Age(msgspec.Struct, frozen=True):
    """All lines whose month so long since sign-up was counted. size: their customers, all together."""

    age: int
    size: int
    called: int
    known: int
    revenue_pico: int
    ai_pico: int
    margin_pico: int


class Grid(msgspec.Struct, frozen=True):
    """lines: newest sign-up last. earlier: customers who signed up before the first line; undated: nobody knows when,
    or they had costs before they signed up; nameless: calls without a customer. *_pico: AI cost of these months."""

    months: Sequence[date]
    lines: Sequence[Line]
    ages: Sequence[Age]
    earlier: int
    earlier_pico: int
    undated: int
    undated_pico: int
    nameless_pico: int

    @property
    def ai_pico(self) -> int:
        """All AI cost of these months, as the ledger has it."""
        inside = sum(cell.ai_pico for line in self.lines for cell in line.cells)
        return inside + self.earlier_pico + self.undated_pico + self.nameless_pico


def cohort_grid(
    signed_up: Mapping[date, int], months: Mapping[date, Iterable[Row]], counted_since: date | None = None
) -> Grid:
    """signed_up: month → how many customers signed up in it, by all records there are. months: oldest first, with the
    rows of each. counted_since: the month of the first call; None: before all of them."""
    ordered = list(months)
    cells = {
        (born, month): Cell(month, counted_since is None or counted_since <= month)
        for born in ordered
        for month in ordered
        if born <= month
    }
    earlier, undated = set[str](), set[str]()
    earlier_pico = undated_pico = nameless_pico = 0
    for month, rows in months.items():
        for row in rows:
            born = row.signed_up.replace(day=1) if row.signed_up else None
            if not row.customer:
                nameless_pico += row.ai_pico
            elif born is None or born > month:
                undated.add(row.customer)
                undated_pico += row.ai_pico
            elif born < ordered[0]:
                earlier.add(row.customer)
                earlier_pico += row.ai_pico
            else:
                cells[born, month].add(row)
    lines = [
        Line(born, signed_up.get(born, 0), [cells[born, month] for month in ordered if born <= month])
        for born in ordered
        if signed_up.get(born) or any(cells[born, month].ai_pico for month in ordered if born <= month)
    ]
    return Grid(
        ordered, lines, _ages(lines), len(earlier), earlier_pico, len(undated), undated_pico, nameless_pico
    )  # fmt: skip


def last_months(last: date) -> list[date]:
    """The months that a grid shows, oldest first."""
    return [month_on(last, at - MONTHS + 1) for at in range(MONTHS)]


def _ages(lines: Sequence[Line]) -> list[Age]:
    found = []
    for age in range(max((len(line.cells) for line in lines), default=0)):
        old = [(line.size, line.cells[age]) for line in lines if len(line.cells) > age and line.cells[age].is_counted]
        found.append(
            Age(
                age,
                sum(size for size, _ in old),
                *(
                    sum(getattr(cell, name) for _, cell in old)
                    for name in ("called", "known", "revenue_pico", "ai_pico", "margin_pico")
                ),
            )
        )
    return found
