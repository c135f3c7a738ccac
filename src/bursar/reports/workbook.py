"""A report's tables as a workbook: a sheet each, sums as live formulas, and a sheet that ties them with the ledger.

A cell holds fifteen digits, as every spreadsheet's does; the exact figures are in the CSV exports. The same tables are
the same bytes.
"""

import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from bursar.reports.blocks import Cell, Column, Table

NAME_CHARS_MAX = 31  # of a sheet, Excel's own limit
WRITTEN = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)  # no clock in the file: the same tables, the same bytes
FORMATS = {"money": '#,##0.00;[Red]-#,##0.00;"–"', "count": "#,##0", "share": "0.0 %", "change": "+0.0 %;-0.0 %"}
WIDTHS = {"text": 34, "amount": 18, "money": 16, "count": 13, "share": 10, "change": 10}
TIES_WITHIN = "0.000001"  # USD: what fifteen digits leave of sums of many rows


class Total(NamedTuple):
    """The sum of a column: where it stands, and what it is."""

    sheet: str
    column: str
    cell: str
    value: Decimal


def printable(sheet: Worksheet, heads: int = 1) -> Worksheet:
    """Printed as people expect it: A4 across, as wide as the page, heads on each page, its name and page below."""
    sheet.set_paper(9)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.6)
    sheet.repeat_rows(0, heads - 1)
    sheet.set_footer("&L&A&R&P / &N")
    return sheet


class Workbook:
    """Sheets as they are added; `done()` is the file."""

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        """lines: what the first sheet says, one below the other."""
        self._buffer = io.BytesIO()
        self._book = xlsxwriter.Workbook(self._buffer, {"in_memory": True, "strings_to_formulas": False,
                                                        "strings_to_urls": False})  # fmt: skip
        self._book.set_properties({"title": title, "created": WRITTEN})
        self._bold = self._book.add_format({"bold": True})
        self._head = self._book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self._plain = {kind: self._book.add_format({"num_format": text}) for kind, text in FORMATS.items()}
        self._sum = {
            kind: self._book.add_format({"num_format": text, "bold": True, "top": 1}) for kind, text in FORMATS.items()
        }
        self._sum["text"] = self._book.add_format({"bold": True, "top": 1})
        self._head_right = self._book.add_format({"bold": True, "bottom": 1, "valign": "top", "align": "right"})
        self._verdict = self._book.add_format({"bold": True, "align": "center"})
        self._middle = self._book.add_format({"align": "center"})
        self._head_middle = self._book.add_format({"bold": True, "bottom": 1, "valign": "top", "align": "center"})
        self._right = self._book.add_format({"align": "right"})
        self._names: set[str] = set()
        self._totals: list[Total] = []
        first = self._sheet("Summary")
        first.set_column(0, 0, 60)
        for row, line in enumerate([title, *lines]):
            first.write_string(row, 0, line, self._bold if row == 0 else None)

    def add(self, table: Table) -> None:
        """One table on a sheet of its own, its money and counts summed by formulas."""
        sheet = self._sheet(table.name or table.title)
        sheet.freeze_panes(1, 1)
        for at, column in enumerate(table.columns):
            sheet.set_column(at, at, WIDTHS[column.kind])
            sheet.write_string(0, at, column.name, self._head if column.kind == "text" else self._head_right)
        for row, cells in enumerate(table.rows, 1):
            for at, (column, value) in enumerate(zip(table.columns, cells, strict=True)):
                self._write(sheet, row, at, column, value)
        if table.rows:
            sheet.autofilter(0, 0, len(table.rows), len(table.columns) - 1)
        if table.total is not None and table.rows:
            self._add_sums(sheet, table, table.total)

    def tie_out(self, wanted: Sequence[tuple[str, Decimal]], note: str) -> None:
        """A sheet that holds each table's sums against the ledger's: (column's name, what the ledger says)."""
        sheet = self._sheet("Tie-out")
        heads = ("Sheet", "Column", "Sum of the sheet", "The ledger", "Difference", "Ties")
        for at, (head, width) in enumerate(zip(heads, (26, 16, 18, 18, 18, 10), strict=True)):
            sheet.set_column(at, at, width)
            place = self._head if at < 2 else self._head_middle if head == "Ties" else self._head_right
            sheet.write_string(0, at, head, place)
        ledger, row, all_tie = dict(wanted), 0, True
        for total in self._totals:
            if total.column not in ledger:
                continue
            row += 1
            off = total.value - ledger[total.column]
            ties = abs(off) < Decimal(TIES_WITHIN)
            all_tie = all_tie and ties
            sheet.write_string(row, 0, total.sheet)
            sheet.write_string(row, 1, total.column)
            sheet.write_formula(row, 2, f"='{total.sheet}'!{total.cell}", self._plain["money"], total.value)
            sheet.write_number(row, 3, ledger[total.column], self._plain["money"])
            sheet.write_formula(row, 4, f"=C{row + 1}-D{row + 1}", self._plain["money"], off)
            verdict = f'=IF(ABS(E{row + 1})<{TIES_WITHIN},"yes","NO")'
            sheet.write_formula(row, 5, verdict, self._middle, "yes" if ties else "NO")
        sheet.write_string(row + 2, 0, "All of it ties", self._bold)
        whole = f'=IF(COUNTIF(F2:F{row + 1},"yes")={row},"yes","NO")'
        sheet.write_formula(row + 2, 5, whole, self._verdict, "yes" if all_tie else "NO")
        sheet.write_string(row + 3, 0, note)

    def done(self) -> bytes:
        """The file."""
        self._book.close()
        return self._buffer.getvalue()

    def _sheet(self, title: str) -> Worksheet:
        base = re.sub(r"[\[\]:*?/\\']", " ", title)[:NAME_CHARS_MAX].strip() or "Sheet"
        name, number = base, 2
        while name.lower() in self._names:
            name, number = f"{base[: NAME_CHARS_MAX - 4]} {number}", number + 1
        self._names.add(name.lower())
        return printable(self._book.add_worksheet(name))

    def _write(self, sheet: Worksheet, row: int, at: int, column: Column, value: Cell) -> None:
        if column.kind in ("text", "amount"):
            text = " ".join(str(value or "").splitlines())  # a second line would be under the next row
            sheet.write_string(row, at, text, self._right if column.kind == "amount" else None)
        elif value is None:
            if column.kind == "money":
                sheet.write_string(row, at, column.unknown, self._right)
        else:
            sheet.write_number(row, at, Decimal(value), self._plain[column.kind])

    def _add_sums(self, sheet: Worksheet, table: Table, sums: tuple[Cell, ...]) -> None:
        row = len(table.rows) + 1
        for at, (column, value) in enumerate(zip(table.columns, sums, strict=True)):
            if column.kind in ("money", "count"):
                letter = xl_col_to_name(at)
                known = Decimal(0) if value is None else Decimal(value)
                sheet.write_formula(row, at, f"=SUM({letter}2:{letter}{row})", self._sum[column.kind], known)
                self._totals.append(Total(sheet.get_name(), column.name, f"{letter}{row + 1}", known))
            else:
                sheet.write_string(row, at, str(value or "") if at == 0 else "", self._sum["text"])
