"""Workbooks as rows of text: what a person sees in the cells, and no more of it than a machine can hold."""

import io
import zipfile
from datetime import date, datetime

import pytest
import xlsxwriter

from bursar.domain.errors import BadBusiness
from bursar.finance.business import sheets
from bursar.finance.business.files import read_file
from bursar.finance.business.mapping import Reading
from bursar.finance.business.sheets import cell_text, table_of


def workbook(*sheet_rows: list[list[object]], merged: str = "") -> bytes:
    """Each argument is a sheet. merged: a range of the first sheet, whose text is `both`."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as book:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for rows in sheet_rows:
            sheet = book.add_worksheet()
            for at, row in enumerate(rows):
                for column, cell in enumerate(row):
                    if isinstance(cell, datetime | date):
                        sheet.write_datetime(at, column, cell, day)
                    elif isinstance(cell, tuple):
                        sheet.write_formula(at, column, cell[0], None, cell[1])
                    elif cell is not None:
                        sheet.write(at, column, cell)
            if merged:
                sheet.merge_range(merged, "both")
                merged = ""
    return stream.getvalue()


def rows(content: bytes) -> list[tuple[int, list[str]]]:
    table = table_of(content)
    return [(0, list(table.heads)), *((line, list(row)) for line, row in table.rows)]


def test_days_times_amounts_and_flags_read_as_they_show():
    noon = datetime(2026, 10, 1, 9, 30)  # noqa: DTZ001  a cell knows no zone
    cells = [date(2026, 10, 1), noon, 19.99, 1234567.0, True, "  text "]
    ((_, heads), (line, row)) = rows(workbook([list("abcdef"), cells]))
    assert heads == list("abcdef")
    assert (line, row) == (2, ["2026-10-01", "2026-10-01T09:30:00", "19.99", "1234567", "yes", "  text "])


@pytest.mark.parametrize(
    ("double", "shown"),
    [(0.1 + 0.2, "0.3"), (1.1 * 3, "3.3"), (4.35 * 100, "435"), (1e-6, "0.000001"),
     (123456789.123457, "123456789.123457"), (-0.1 - 0.2, "-0.3"), (1e15, "1000000000000000")],
)  # fmt: skip
def test_a_number_is_what_a_spreadsheet_program_shows_of_it(double, shown):
    assert cell_text(double) == shown


def test_a_formula_is_what_it_came_to_when_the_file_was_saved():
    ((_, _), (_, row)) = rows(workbook([["sum", "text"], [("=0.1+0.2", 0.1 + 0.2), ('="a"&"b"', "ab")]]))
    assert row == ["0.3", "ab"]


def test_empty_cells_are_empty_and_empty_rows_are_left_out_but_counted():
    found = rows(workbook([["a", "b", "c"], ["1", None, "3"], [None, None, None], [None, "2", None]]))
    assert found[1:] == [(2, ["1", "", "3"]), (4, ["", "2", ""])]


def test_a_table_may_begin_further_down_and_faults_name_its_own_lines():
    content = workbook([[], [None, "Our customers"][:0], ["customer_id", "month", "amount", "currency"],
                        ["acme", "2026-10", 12.5, "USD"], ["beta", "someday", 1, "USD"]])  # fmt: skip
    records, faults = read_file(content, Reading(kind="revenue"), "r.xlsx")
    assert [str(one.amount) for one in records.revenue] == ["12.5"]
    assert [(one.line, one.column) for one in faults] == [(5, "month")]


def test_of_merged_cells_the_first_has_the_text():
    found = rows(workbook([["a", "b"], [None, None], ["x", "y"]], merged="A2:B2"))
    assert found[1:] == [(2, ["both", ""]), (3, ["x", "y"])]


def test_the_first_of_several_sheets_is_read():
    assert rows(workbook([["first"]], [["second"]])) == [(0, ["first"])]


def test_a_sheet_that_reaches_too_far_is_refused_before_it_is_opened():
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "a")
        sheet.write(1_048_575, 16_383, "far off")
    with pytest.raises(BadBusiness, match="16,384 columns and 1,048,576 rows"):
        table_of(stream.getvalue()).heads  # noqa: B018  reading is what refuses


def test_a_workbook_that_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(sheets, "SHEET_BYTES_MAX", 1 << 20)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b" " * (8 << 20))
    assert len(stream.getvalue()) < 1 << 14
    with pytest.raises(BadBusiness, match="when unpacked"):
        table_of(stream.getvalue())


@pytest.mark.parametrize("content", [b"PK\x03\x04 and no more", b"", b"\xff\xfe", b"\n\n"])
def test_what_is_no_table_says_so(content):
    with pytest.raises(BadBusiness):
        table_of(content)
