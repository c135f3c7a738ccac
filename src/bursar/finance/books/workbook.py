"""A month's books as a workbook: trial balance, journal, items of earlier months. The same books, the same bytes.

A spreadsheet keeps fifteen digits of a number. So amounts stand twice: as numbers, to sum and to filter, and as text
with every digit. Totals are formulas over what is above them.
"""

import io
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from bursar.domain.clock import datetime_from_us
from bursar.domain.money import plain
from bursar.finance.books.booked import first_day, next_month
from bursar.finance.books.entries import Transaction
from bursar.finance.books.monthly import MonthBooks

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MONEY = '#,##0.00;[Red]-#,##0.00;"–"'
INR = "[>=10000000]##\\,##\\,##\\,##0.00;[>=100000]##\\,##\\,##0.00;##,##0.00"


def workbook(books: MonthBooks) -> bytes:
    """An XLSX file."""
    out = io.BytesIO()
    after = first_day(next_month(books.month))
    with xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        book.set_properties(
            {
                "title": f"Books of {books.month}",
                "author": books.organization,
                "created": datetime(after.year, after.month, 1),  # noqa: DTZ001  a fixed one: the same bytes each time
            }
        )
        looks = _Looks(book)
        _balance_sheet(book.add_worksheet("Trial balance"), looks, books)
        _journal_sheet(book.add_worksheet("Journal"), looks, books.transactions, "Journal")
        _journal_sheet(book.add_worksheet("Earlier months"), looks, books.prior, "Items of months closed before")
    return out.getvalue()


class _Looks:
    def __init__(self, book: xlsxwriter.Workbook) -> None:
        font = {"font_name": "Calibri", "font_size": 11}
        self.title = self._of(book, font, bold=True, font_size=15)
        self.quiet = self._of(book, font, font_color="#5f6670")
        self.head = self._of(book, font, bold=True, bottom=1, bottom_color="#9aa1aa", text_wrap=True, valign="top")
        self.head_right = self._of(
            book, font, bold=True, bottom=1, bottom_color="#9aa1aa", align="right", text_wrap=True, valign="top"
        )
        self.text = self._of(book, font)
        self.money = self._of(book, font, num_format=MONEY)
        self.inr = self._of(book, font, num_format=INR)
        self.exact = self._of(book, font, font_color="#5f6670", align="right")
        self.total = self._of(book, font, bold=True, top=1, num_format=MONEY)

    @staticmethod
    def _of(book: xlsxwriter.Workbook, font: dict[str, Any], **more: Any) -> Format:
        return book.add_format({**font, **more})

    def of(self, currency: str) -> Format:
        return self.inr if currency == "INR" else self.money


def _balance_sheet(sheet: Worksheet, looks: _Looks, books: MonthBooks) -> None:
    _top(sheet, looks, f"Trial balance, {books.month}", _subtitle(books))
    _heads(sheet, looks, 3, ("Account", "Currency"), ("Debit", "Credit", "Balance", "Balance, every digit"))
    row = 4
    for currency in sorted({one.currency for one in books.balances}):
        first = row
        for one in (one for one in books.balances if one.currency == currency):
            sheet.write_string(row, 0, one.account, looks.text)
            sheet.write_string(row, 1, one.currency, looks.text)
            for column, amount in ((2, one.debit), (3, one.credit)):
                sheet.write_number(row, column, amount, looks.of(currency))
            sheet.write_formula(row, 4, f"=C{row + 1}-D{row + 1}", looks.of(currency), _cached(one.balance))
            sheet.write_string(row, 5, plain(one.balance), looks.exact)
            row += 1
        mine = [one for one in books.balances if one.currency == currency]
        sheet.write_string(row, 0, f"All in {currency}: debits are credits", looks.total)
        sheet.write_string(row, 1, currency, looks.total)
        sums = (sum((one.debit for one in mine), Decimal(0)), sum((one.credit for one in mine), Decimal(0)), Decimal(0))
        for at, (letter, total) in enumerate(zip("CDE", sums, strict=True), 2):
            formula = f"=SUM({letter}{first + 1}:{letter}{row})"
            sheet.write_formula(row, at, formula, looks.total, _cached(total))
        sheet.write_string(row, 5, "0", looks.total)
        row += 2
    if not books.balances:
        sheet.write_string(row, 0, "Nothing is booked in this month.", looks.quiet)
    _shape(sheet, (52, 10, 16, 16, 16, 26), frozen=4)


def _journal_sheet(sheet: Worksheet, looks: _Looks, transactions: Sequence[Transaction], title: str) -> None:
    _top(sheet, looks, title, "a row for each posting; debits are above zero")
    names = ("Day", "Of month", "Kind", "Text", "Account", "Currency")
    _heads(sheet, looks, 3, names, ("Amount", "Amount, every digit"))
    row = 4
    for one in transactions:
        for posting in one.postings:
            texts = (one.day.isoformat(), one.belongs, one.kind, one.text, posting.account, posting.currency)
            for column, text in enumerate(texts):
                sheet.write_string(row, column, text, looks.text)
            sheet.write_number(row, 6, posting.amount, looks.of(posting.currency))
            sheet.write_string(row, 7, plain(posting.amount), looks.exact)
            row += 1
    if row > 4:
        sheet.autofilter(3, 0, row - 1, 7)
    else:
        sheet.write_string(4, 0, "None.", looks.quiet)
    _shape(sheet, (12, 10, 13, 44, 48, 10, 16, 26), frozen=4)


def _top(sheet: Worksheet, looks: _Looks, title: str, subtitle: str) -> None:
    sheet.write_string(0, 0, title, looks.title)
    sheet.write_string(1, 0, subtitle, looks.quiet)


def _heads(sheet: Worksheet, looks: _Looks, row: int, names: Sequence[str], amounts: Sequence[str]) -> None:
    for column, name in enumerate(names):
        sheet.write_string(row, column, name, looks.head)
    for column, name in enumerate(amounts, len(names)):
        sheet.write_string(row, column, name, looks.head_right)


def _shape(sheet: Worksheet, widths: Sequence[int], frozen: int) -> None:
    for column, width in enumerate(widths):
        sheet.set_column(column, column, width)
    sheet.freeze_panes(frozen, 0)
    sheet.hide_gridlines(2)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(frozen - 1)


def _subtitle(books: MonthBooks) -> str:
    if books.closing is None:
        return f"{books.organization}; the month is open, these figures are provisional"
    closed = datetime_from_us(books.closing.closed_us)
    return f"{books.organization}; closed {closed:%Y-%m-%d %H:%M} UTC by {books.closing.closed_by}"


def _cached(amount: Decimal) -> Decimal:
    """What a formula's cell shows until the spreadsheet computes it itself: written without an exponent."""
    return Decimal(plain(amount))
