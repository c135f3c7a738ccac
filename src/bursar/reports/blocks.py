"""What a report is made of: pages of figures, sentences, tables and charts, the same for PDF, workbook and address.

Values are exact and of their own type here; how they read is decided once, where they are set.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec

Tone = Literal["bad", "good", "plain"]
Kind = Literal["text", "amount", "money", "count", "share", "change"]
Cell = str | Decimal | int | None


class Figure(msgspec.Struct, frozen=True):
    """One large number and its name. value: in words, as it is shown; note: what it is against."""

    label: str
    value: str
    note: str = ""
    tone: Tone = "plain"


class Figures(msgspec.Struct, frozen=True):
    """A row of them, at most four."""

    figures: tuple[Figure, ...]


class Line(msgspec.Struct, frozen=True):
    """One sentence; url: the console's page behind its number, "" where there is none."""

    text: str
    tone: Tone = "plain"
    url: str = ""


class Prose(msgspec.Struct, frozen=True):
    """Sentences under a heading. nothing: the one line where there are none."""

    title: str
    lines: tuple[Line, ...]
    nothing: str = ""


class Column(msgspec.Struct, frozen=True):
    """kind: how its cells are read and summed. Amount: money of any currency in words, set right.
    Money: USD as a Decimal, None where no price is known; share, change: a Decimal, 1 is all; None: nothing to compare
    with."""

    name: str
    kind: Kind = "text"
    unknown: str = "unpriced"  # how an amount that isn't known reads


class Table(msgspec.Struct, frozen=True):
    """rows: cells as the columns say. total: the last row, whose money and counts are the sums of those above."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] | None = None
    note: str = ""
    name: str = ""
    """Of its sheet in the workbook; "" is the title."""


class Chart(msgspec.Struct, frozen=True):
    """A Vega-Lite specification, its data inside. text: what it shows, for who can't see it."""

    title: str
    spec: Mapping[str, Any]
    text: str


Block = Figures | Prose | Table | Chart


class Page(msgspec.Struct, frozen=True):
    """One page of paper."""

    title: str
    blocks: tuple[Block, ...]


class Report(msgspec.Struct, frozen=True):
    """state: how firm its figures are, in a sentence: "closed on 4 Dec 2026 by Asha" or "not closed: …"."""

    title: str
    organization: str
    period: str
    state: str
    lead: str
    pages: tuple[Page, ...]
    locale: str = "en_US"
    currency: str = "USD"

    def tables(self) -> Sequence[Table]:
        """All of them, in their order."""
        return [block for page in self.pages for block in page.blocks if isinstance(block, Table)]


def totalled(columns: Sequence[Column], rows: Sequence[tuple[Cell, ...]], word: str = "Total") -> tuple[Cell, ...]:
    """The row of sums: money and counts are added, exactly; a cell that is unknown adds nothing, as everywhere."""
    cells: list[Cell] = [word]
    for at, column in enumerate(columns[1:], 1):
        values = [row[at] for row in rows if isinstance(row[at], Decimal | int)]
        cells.append(_sum(values, column) if column.kind in ("money", "count") else None)
    return tuple(cells)


def _sum(values: Sequence[Cell], column: Column) -> Decimal | int | None:
    if column.kind == "count":
        return sum(value for value in values if isinstance(value, int))
    return sum((Decimal(value) for value in values if isinstance(value, Decimal)), Decimal(0)) if values else None
