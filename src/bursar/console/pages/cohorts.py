"""Part of the page of customers: who signed up when, and what came of them month by month, as a grid."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from bursar.console.context import ConsoleContext
from bursar.console.customers import span_of, usd
from bursar.console.format import Format
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.errors import BadQuery
from bursar.finance.economics.cohorts import Cell, Grid, Line

SHADES = 8
SHOWN = {"usage": "Still calling", "margin": "Margin of one", "sum": "Margin so far"}
WORDS = {
    "usage": "customers of a cohort who called in a month, of all who signed up",
    "margin": "margin of a month, divided by all who signed up",
    "sum": "the same, added up since sign-up: below zero, they haven't paid for themselves yet",
}


class ShownCell(msgspec.Struct, frozen=True):
    """text: the figure; "": nothing to say. shade: a class, deeper for more, red below zero. title: all of it."""

    text: str
    shade: str
    title: str
    href: str
    is_open: bool


class ShownLine(msgspec.Struct, frozen=True):
    name: str
    size: int
    cells: list[ShownCell]


def grid_parts(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """What the template draws. Raises BadQuery."""
    which = view.get("cells", "usage")
    if which not in SHOWN:
        raise BadQuery(f"cells is {which[:40]!r}; it can be {', '.join(SHOWN)}", field="cells")
    span = span_of(view)
    grid = context.finance().economics.cohorts(span)
    tell = _share if which == "usage" else f.money
    values = [_values(line, which) for line in grid.lines]
    deepest = max((abs(one) for row in values for one in row if one is not None), default=Decimal(0))
    return {
        "which": which,
        "words": WORDS[which],
        "tabs": [(name, f"{view.url(cells=key)}#grid", key == which) for key, name in SHOWN.items()],
        "ages": list(range(max((len(line.cells) for line in grid.lines), default=0))),
        "lines": [
            ShownLine(
                display.month(line.month), line.size,
                [
                    _cell(
                        view, f, line, cell, value, tell, deepest, is_open=not span.is_over and cell is line.cells[-1]
                    )
                    for cell, value in zip(line.cells, row, strict=True)
                ],
            )
            for line, row in zip(grid.lines, values, strict=True)
        ],
        "all": _all(grid, which, tell),
        "asides": _asides(grid),
        "since": display.month(grid.months[0]),
    }  # fmt: skip


def _values(line: Line, which: str) -> list[Decimal | None]:
    """What each cell shows, money or a share; None: unknown, and then so is each sum after it."""
    found: list[Decimal | None] = []
    so_far, is_known = 0, True
    for cell in line.cells:
        knows = cell.is_counted and (cell.known > 0 or not cell.ai_pico)
        so_far += cell.margin_pico
        is_known = is_known and knows
        if not line.size or not cell.is_counted:
            found.append(None)
        elif which == "usage":
            found.append(Decimal(cell.called) / line.size)
        elif which == "margin":
            found.append(_each(cell.margin_pico, line.size) if knows else None)
        else:
            found.append(_each(so_far, line.size) if is_known else None)
    return found


def _each(pico: int, size: int) -> Decimal:
    return usd(pico // size) or Decimal(0)


def _cell(
    view: View, f: Format, line: Line, cell: Cell, value: Decimal | None, tell: Callable[[Decimal], str],
    deepest: Decimal, *, is_open: bool,
) -> ShownCell:  # fmt: skip
    money = f.plain_money
    if not cell.is_counted:
        return ShownCell("", "before", "before the first call that was counted here", "", is_open=False)
    told = [
        f"{display.month(cell.month)}: {cell.called:,} of {line.size:,} called",
        f"AI cost {money(usd(cell.ai_pico) or Decimal(0))}",
    ]  # fmt: skip
    revenue, margin = (money(usd(pico) or Decimal(0)) for pico in (cell.revenue_pico, cell.margin_pico))
    told.append(f"of {cell.known:,} revenue is known: {revenue}, margin {margin}" if cell.known else "revenue unknown")
    if cell.unpriced:
        told.append(f"{cell.unpriced:,} attempts without a price are in no cost")
    if is_open:
        told.append("the month isn't over")
    share = value / deepest if value is not None and deepest else Decimal(0)
    shade = f"{'low' if share < 0 else 'deep'}-{-(-int(abs(share) * SHADES * 1000) // 1000)}"
    href = view.url(
        show="customers", month=f"{cell.month:%Y-%m}", months=None, signed=f"{line.month:%Y-%m}", cells=None
    )
    return ShownCell(
        "?" if value is None else tell(value), shade, "; ".join(told), f"{href}#table", is_open
    )  # fmt: skip


def _all(grid: Grid, which: str, tell: Callable[[Decimal], str]) -> list[str]:
    """All cohorts that are so old, together."""
    found, so_far = [], Decimal(0)
    for one in grid.ages:
        each = _each(one.margin_pico, one.size) if one.size else Decimal(0)
        so_far += each
        if not one.size:
            found.append("–")
        elif which == "usage":
            found.append(tell(Decimal(one.called) / one.size))
        else:
            found.append(tell(each if which == "margin" else so_far))
    return found


def _asides(grid: Grid) -> list[tuple[str, Decimal | None]]:
    """What isn't in the grid, each with its AI cost."""
    told = []
    if grid.earlier:
        told.append((f"{grid.earlier:,} customers signed up before", usd(grid.earlier_pico)))
    if grid.undated:
        told.append((f"{grid.undated:,} customers: nobody knows since when", usd(grid.undated_pico)))
    if grid.nameless_pico:
        told.append(("calls without a customer", usd(grid.nameless_pico)))
    return told


def _share(value: Decimal) -> str:
    return display.percent(value, Decimal(1)).replace("\u00a0", " ")
