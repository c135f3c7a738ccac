"""The month's tax work sheet as a workbook: duties, live computations, the shared credit, every figure, the rules.

A cell holds fifteen digits, as every spreadsheet's does; exact figures are in the JSON. The same sheet, the same bytes.
"""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from bursar.domain import display
from bursar.finance.tax.duties import SECTIONS, lines_of
from bursar.finance.tax.exact import half_up
from bursar.finance.tax.rules import RuleBook
from bursar.finance.tax.sheet import WorkSheet
from bursar.reports.workbook import printable

WRITTEN = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)  # no clock in the file: the same sheet, the same bytes
LINE_POINTS = 15.0
MONEY = '#,##0.00;[Red]-#,##0.00;"–"'
DUTY_HEADS = (("Section", 20), ("What", 34), ("Document", 15), ("Vendor", 16), ("Payer", 14), ("Amount", 15),
              ("Currency", 9), ("Due", 11), ("Row", 7), ("Rules", 22), ("Rate", 7), ("Rate from", 11),
              ("Confidence", 11), ("Confirm", 14), ("Note", 34))  # fmt: skip
VALUE_HEADS = (("Document", 22), ("Line", 6), ("Taxable value", 18), ("Rate", 8), ("Tax", 16), ("Withheld on", 18),
               ("Withholding rate", 16), ("Withheld", 16))  # fmt: skip
FIGURE_HEADS = (("Document", 22), ("Figure", 44), ("Value", 22), ("Rules", 36), ("Rate", 8), ("From", 12), ("To", 12),
                ("Confidence", 11), ("Confirm", 26))  # fmt: skip
RULE_HEADS = (("Rule", 14), ("From", 12), ("To", 12), ("Rate", 16), ("Condition", 110), ("Citation", 50),
              ("Confidence", 11))  # fmt: skip


NUMBERS = frozenset({
    "Line", "Amount", "Taxable value", "Tax", "Withheld on", "Withholding rate", "Withheld", "T", "T1", "T2", "T3",
    "T4", "C1", "C2", "E", "F", "D1", "D2", "C3", "Given back", "Kept",
})  # fmt: skip
"""Heads above numbers stand right, as they do."""


class _Book:
    """The workbook as it is written."""

    def __init__(self, title: str) -> None:
        self.buffer = io.BytesIO()
        self.book = xlsxwriter.Workbook(self.buffer, {"in_memory": True, "strings_to_formulas": False,
                                                      "strings_to_urls": False})  # fmt: skip
        self.book.set_properties({"title": title, "created": WRITTEN})
        self.bold = self.book.add_format({"bold": True})
        self.head = self.book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self.money = self.book.add_format({"num_format": MONEY, "valign": "top"})
        self.sum = self.book.add_format({"num_format": MONEY, "bold": True, "top": 1})
        self.day = self.book.add_format({"num_format": "yyyy-mm-dd", "align": "left", "valign": "top"})
        self.head_right = self.book.add_format({"bold": True, "bottom": 1, "valign": "top", "align": "right"})
        self.wrap = self.book.add_format({"text_wrap": True, "valign": "top"})

    def sheet(self, name: str, heads: tuple[tuple[str, int], ...]) -> Worksheet:
        made = printable(self.book.add_worksheet(name))
        made.freeze_panes(1, 1)
        for at, (title, width) in enumerate(heads):
            made.set_column(at, at, width)
            made.write_string(0, at, title, self.head_right if title in NUMBERS else self.head)
        return made


def height_of(cells: Sequence[tuple[str, int]]) -> float:
    """Points that a row of wrapped texts needs, by (text, its column's width): not every program finds that out."""
    return LINE_POINTS * max(-(-len(text) // max(width, 1)) or 1 for text, width in cells)


def sheet_workbook(sheet: WorkSheet, organization: str, rules: RuleBook) -> bytes:
    """The file."""
    book = _Book(f"Tax work sheet {sheet.month}, {organization}")
    _duties(book, sheet)
    _values(book, sheet)
    _credit(book, sheet)
    _figures(book, sheet)
    _rules(book, sheet, rules)
    book.book.close()
    return book.buffer.getvalue()


def _duties(book: _Book, sheet: WorkSheet) -> None:
    """All duties, and below them the sum of each section and currency as a live formula."""
    made = book.sheet("Work sheet", DUTY_HEADS)
    for row, one in enumerate(sheet.duties, 1):
        texts = {0: SECTIONS[one.section], 1: display.sentence(one.what), 2: one.document,
                 3: one.vendor, 4: one.payer, 6: one.currency,
                 8: one.row, 9: ", ".join(one.rules), 10: one.rate, 11: one.rate_from, 12: one.confidence,
                 13: one.confirm, 14: one.note}  # fmt: skip
        made.set_row(row, height_of([(text, DUTY_HEADS[at][1]) for at, text in texts.items()]))
        for at, text in texts.items():
            made.write_string(row, at, text, book.wrap)
        if one.amount is not None:
            made.write_number(row, 5, one.amount, book.money)
        if one.due:
            made.write_datetime(row, 7, datetime.combine(one.due, datetime.min.time()), book.day)
    last = max(len(sheet.duties), 1)
    if sheet.duties:
        made.autofilter(0, 0, last, len(DUTY_HEADS) - 1)
    for at, total in enumerate(sheet.totals):
        row, name = last + 2 + at, SECTIONS[total.section]
        made.write_string(row, 0, name, book.bold)
        made.write_string(row, 1, f"sum of {total.count}", book.bold)
        made.write_string(row, 6, total.currency, book.bold)
        made.write_formula(
            row, 5, f'=SUMIFS(F2:F{last + 1},A2:A{last + 1},"{name}",G2:G{last + 1},"{total.currency}")', book.sum,
            total.amount,
        )  # fmt: skip
    if not sheet.duties:
        made.write_string(1, 0, "Nothing is due: no document of this month is kept.")


def _values(book: _Book, sheet: WorkSheet) -> None:
    """Tax as value times rate, and withholding as base times rate, live."""
    made = book.sheet("Computation", VALUE_HEADS)
    row, taxed, withheld = 0, Decimal(0), Decimal(0)
    for one in sheet.documents:
        if one.computed is None or one.computed.jurisdiction != "IN":
            continue
        figures = {figure["key"]: figure for figure in one.computed.figures}
        for at, (prefix, results) in enumerate(lines_of(one.computed), 1):
            row += 1
            made.write_string(row, 0, one.name)
            made.write_number(row, 1, at)
            told = _value(book, made, row, results, figures.get(f"{prefix}igst_rcm_inr", {}))
            taxed, withheld = taxed + told[0], withheld + told[1]
    if row:
        made.write_string(row + 1, 0, "Total", book.bold)
        for letter, at, amount in (("E", 4, taxed), ("H", 7, withheld)):
            made.write_formula(row + 1, at, f"=SUM({letter}2:{letter}{row + 1})", book.sum, amount)


def _value(
    book: _Book, made: Worksheet, row: int, results: Mapping[str, Any], figure: Mapping[str, Any]
) -> tuple[Decimal, Decimal]:
    """Writes one line; its tax and what is withheld."""
    tax = withheld = Decimal(0)
    if results.get("reverse_charge") and figure.get("rate"):
        value, tax = Decimal(results["gst_taxable_value_inr"]), Decimal(results["igst_rcm_inr"])
        _product(book, made, row, 2, value, Decimal(figure["rate"]), tax)
    base = results.get("grossed_up_inr") or results.get("tds_base_inr")
    if base and results.get("effective_rate"):
        withheld = Decimal(results["tds_inr"])
        _product(book, made, row, 5, Decimal(base), Decimal(results["effective_rate"]), withheld)
    return tax, withheld


def _product(book: _Book, made: Worksheet, row: int, at: int, base: Decimal, rate: Decimal, told: Decimal) -> None:
    """Base, rate and their product, live; where exact digits behind the base make another paisa, the figure itself."""
    letters = (xl_col_to_name(at), xl_col_to_name(at + 1))
    made.write_number(row, at, base, book.money)
    made.write_number(row, at + 1, rate)
    if half_up(base * rate) == told:
        made.write_formula(row, at + 2, f"=ROUND({letters[0]}{row + 1}*{letters[1]}{row + 1},2)", book.money, told)
    else:
        made.write_number(row, at + 2, told, book.money)


def _credit(book: _Book, sheet: WorkSheet) -> None:
    """Rule 42, live: change a share and the rest follows."""
    names = ("T", "T1", "T2", "T3", "T4", "C1", "C2", "E", "F", "D1", "D2", "C3", "Given back", "Kept")
    made = book.sheet("Shared credit", (("Payer", 22), ("Head", 8), *((name, 16) for name in names)))
    for row, one in enumerate((found for found in sheet.credits if found.shared), 1):
        shared, at = one.shared, row + 1
        if shared is None:
            continue
        made.write_string(row, 0, one.payer)
        made.write_string(row, 1, one.head.upper())
        numbers = {2: shared.T, 3: shared.T1, 4: shared.T2, 5: shared.T3, 6: shared.T4, 9: one.exempt,
                   10: one.turnover, 12: shared.D2}  # fmt: skip
        for column, amount in numbers.items():
            made.write_number(row, column, amount, book.money)
        formulas = {
            7: (f"=C{at}-D{at}-E{at}-F{at}", shared.C1),
            8: (f"=H{at}-G{at}", shared.C2),
            11: (f"=ROUND(I{at}*J{at}/K{at},2)", shared.D1),
            13: (f"=I{at}-L{at}-M{at}", shared.C3),
            14: (f"=D{at}+E{at}+F{at}+L{at}+M{at}", shared.direct + shared.reversed),
            15: (f"=C{at}-O{at}", shared.T - shared.direct - shared.reversed),
        }
        for column, (formula, value) in formulas.items():
            made.write_formula(row, column, formula, book.money, value)


def _figures(book: _Book, sheet: WorkSheet) -> None:
    made, row = book.sheet("Figures", FIGURE_HEADS), 0
    for one in sheet.documents:
        for figure in one.computed.figures if one.computed else ():
            row += 1
            cells = (one.name, figure["key"], figure["value"], ", ".join(figure["rules"]), figure["rate"],
                     figure["rate_from"], figure["rate_to"], figure["confidence"], figure["confirm"])  # fmt: skip
            for at, value in enumerate(cells):
                told = {None: "", True: "yes", False: "no"}.get(value) if not isinstance(value, str) else value
                made.write_string(row, at, str(value) if told is None else told)
    if row:
        made.autofilter(0, 0, row, len(FIGURE_HEADS) - 1)


def _rules(book: _Book, sheet: WorkSheet, rules: RuleBook) -> None:
    made = book.sheet("Rules", RULE_HEADS)
    known = [rules.rules[name] for name in sheet.rule_ids if name in rules.rules]
    for row, one in enumerate(known, 1):
        cells = (one.id, one.starts or one.from_text, one.ends or one.to_text, one.rate, one.condition, one.citation,
                 one.confidence)  # fmt: skip
        made.set_row(row, height_of([(text, RULE_HEADS[at][1]) for at, text in enumerate(cells)]))
        for at, text in enumerate(cells):
            made.write_string(row, at, text, book.wrap)
