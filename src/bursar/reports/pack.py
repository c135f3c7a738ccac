"""The month's finance pack: the bill by vendor, model, team, feature, customer and day, what was corrected, and a
tie-out of all of it with the ledger. As PDF, and as a workbook whose sums are live formulas."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from bursar.reports.blocks import Block, Cell, Column, Figure, Figures, Line, Page, Prose, Report, Table, totalled
from bursar.reviews.words import Words

COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
COST_WORDS = {
    "list_cost": "List", "contracted_cost": "Contracted", "effective_cost": "Effective", "billed_cost": "Billed",
}  # fmt: skip
TITLES = {
    "provider": "By vendor",
    "model": "By model",
    "team": "By team",
    "feature": "By feature",
    "customer": "By customer",
    "day": "By day",
    "quality": "By how sure a cost is",
    "entry": "By kind of entry",
}
GROUPED = tuple(TITLES)
"""The dimensions that the pack groups by."""
PRINTED = {"provider": 20, "model": 12, "team": 15, "feature": 10, "customer": 8, "quality": 6, "entry": 5}
"""How many rows of each the PDF has; the workbook has all."""


class CostLine(msgspec.Struct, frozen=True):
    """One group of charges: the four costs, USD, in COSTS' order (None: nothing of it has a price), and attempts."""

    name: str
    costs: tuple[Decimal | None, ...]
    attempts: int
    unpriced: int = 0


class PackFacts(msgspec.Struct, frozen=True, kw_only=True):
    """groups: by dimension, every value of it. total: of the ledger, asked apart: what all others must tie with.

    finance: blocks that other rooms of finance add (contracts, invoices, tax), with their tables.
    """

    organization: str
    state: str
    period: str
    groups: Mapping[str, Sequence[CostLine]]
    total: CostLine
    finance: tuple[Block, ...] = ()


def pack(facts: PackFacts, words: Words) -> Report:
    """The pack for paper: each table cut to what a page holds, the others as one row."""
    total = facts.total
    unpriced = words.attempts(total.unpriced)
    figures = Figures(
        tuple(
            Figure(f"{COST_WORDS[cost]} cost", words.money(amount))
            for cost, amount in zip(COSTS, total.costs, strict=True)
        )
    )
    doubt = Line(f"{unpriced} without a price: that cost is in no sum of this pack.", "bad")
    sure = Line("Every attempt of the month has a price.", "good")
    first = Page(
        "",
        (
            figures,
            Prose("How sure it is", (doubt if total.unpriced else sure, *_tie_lines(facts, words))),
            *(cut(table_of(facts, name), PRINTED[name]) for name in ("provider", "quality", "entry")),
        ),
    )
    second = Page("Who used it", tuple(cut(table_of(facts, name), PRINTED[name]) for name in ("team", "feature")))
    third = Page(
        "On what, for whom", tuple(cut(table_of(facts, name), PRINTED[name]) for name in ("model", "customer"))
    )
    pages = (first, second, third, *((Page("Contracts, bills and tax", facts.finance),) if facts.finance else ()))
    effective, billed = words.money(total.costs[2]), words.money(total.costs[3])
    lead = f"{effective} effective, {billed} billed, {words.attempts(total.attempts)}."
    return Report(
        "Finance pack", facts.organization, facts.period, facts.state, lead, pages, words.locale, words.currency
    )


def tables(facts: PackFacts) -> list[Table]:
    """Every group in full, for the workbook; then what finance adds."""
    return [table_of(facts, name) for name in TITLES if name in facts.groups] + [
        block for block in facts.finance if isinstance(block, Table)
    ]


def table_of(facts: PackFacts, dimension: str) -> Table:
    """One dimension's groups as a table, dearest first (days in their order)."""
    columns = (
        Column(TITLES[dimension].removeprefix("By ").capitalize()),
        *(Column(COST_WORDS[cost], "money") for cost in COSTS),
        Column("Attempts", "count"),
        Column("Unpriced", "count"),
    )
    lines = list(facts.groups.get(dimension, ()))
    if dimension != "day":
        lines.sort(key=lambda line: (-(line.costs[2] or Decimal(0)), line.name))
    rows: list[tuple[Cell, ...]] = [
        (line.name or "(none)", *line.costs, line.attempts, line.unpriced) for line in lines
    ]
    return Table(TITLES[dimension], columns, tuple(rows), totalled(columns, rows), name=TITLES[dimension])


def cut(table: Table, most: int) -> Table:
    """The first rows; the others are one, and the total stays what it is."""
    if len(table.rows) <= most:
        return table
    others = totalled(table.columns, table.rows[most - 1 :], f"{len(table.rows) - most + 1} others")
    return msgspec.structs.replace(table, rows=(*table.rows[: most - 1], others))


def differences(facts: PackFacts) -> list[tuple[str, str, Decimal]]:
    """(table, cost, what its rows miss of the ledger's total): none in books that tie."""
    found = []
    for name, lines in facts.groups.items():
        for at, cost in enumerate(COSTS):
            whole = facts.total.costs[at] or Decimal(0)
            difference = sum((line.costs[at] or Decimal(0) for line in lines), Decimal(0)) - whole
            if difference:
                found.append((TITLES[name], COST_WORDS[cost], difference))
    return found


def _tie_lines(facts: PackFacts, words: Words) -> list[Line]:
    wrong = differences(facts)
    if not wrong:
        return [Line("Every table adds up to the ledger's total, to the last picodollar.", "good")]
    return [Line(f"{table} ({cost} cost) is off by {words.money(off)}.", "bad") for table, cost, off in wrong]
