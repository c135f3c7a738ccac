"""A statement as a workbook: what one team, customer or feature bears of a month, its sums as live formulas."""

from collections.abc import Sequence

from bursar.domain import display
from bursar.domain.money import plain, usd_from_pico
from bursar.finance.allocation.book import Statement
from bursar.finance.allocation.gathering import Detail
from bursar.finance.allocation.statements import METHODS
from bursar.finance.books.booked import first_day
from bursar.reports.blocks import Cell, Column, Table, totalled
from bursar.reports.workbook import Workbook

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
BORNE = (Column("Cost"), Column("How"), Column("Borne", "money"))


def statement_workbook(one: Statement, organization: str, beside: str = "") -> bytes:
    """The same statement gives the same bytes. beside: its total in another currency, with the rate; "" for none."""
    share, named = one.share, display.month(first_day(one.month))
    state = "final: the month is closed" if one.is_final else "provisional: the month is open"
    exact = f"Exactly {plain(usd_from_pico(share.total_pico))} USD. A cell holds fifteen digits."
    lines = [organization, f"AI cost of {named} by {one.by}; {state}", "Effective cost in USD", exact]
    if beside:
        lines.append(beside)
    if share.unpriced:
        lines.append(f"{share.unpriced:,} attempts have no price and are in no amount.")
    book = Workbook(f"Statement of {share.recipient}, {named}", lines)
    book.add(_borne(one))
    for name, found in (("Direct by model", one.models), ("Direct by feature", one.features)):
        book.add(_direct(name, found))
    wanted = [("Borne", usd_from_pico(share.total_pico)), ("Direct", usd_from_pico(share.direct_pico))]
    book.tie_out(wanted, "What it bears is its direct cost and its part of each rule; direct cost adds up both ways.")
    return book.done()


def _borne(one: Statement) -> Table:
    methods = {pool.name: METHODS.get(pool.method, pool.method) for pool in one.allocation.pools}
    rows: list[tuple[Cell, ...]] = [("Direct", "what its own calls cost", usd_from_pico(one.share.direct_pico))]
    rows += [(name, methods.get(name, ""), usd_from_pico(pico)) for name, pico in one.share.parts.items()]
    return Table("Bears", BORNE, tuple(rows), totalled(BORNE, rows))


def _direct(name: str, found: Sequence[Detail]) -> Table:
    columns = (
        Column(name.removeprefix("Direct by ").capitalize()),
        Column("Attempts", "count"),
        Column("Direct", "money"),
    )
    rows: list[tuple[Cell, ...]] = [
        (each.value or "(none)", each.attempts, usd_from_pico(each.cost_pico)) for each in found
    ]
    return Table(name, columns, tuple(rows), totalled(columns, rows))
