"""CSV and XLSX files as rows of text: what is in the cells, before anybody asks what it means."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple

import python_calamine

from bursar.domain.errors import BadBusiness

FILE_BYTES_MAX = 128 * 1024 * 1024
XLSX_MAGIC = b"PK\x03\x04"
SHEET_BYTES_MAX = 512 * 1024 * 1024  # unpacked
SHEET_CELLS_MAX = 20_000_000  # all of its rectangle, empty ones too: so much memory it takes
SHEET_PART = re.compile(r"xl/worksheets/[^/]+\.xml")
PIECE = 1 << 20
_PLACE = re.compile(rb' r="([A-Z]{1,3})(\d{1,7})"')


class Table(NamedTuple):
    """A file's heads, and its rows, each with its line in the file (from 1); rows without a word are left out."""

    heads: Sequence[str]
    rows: Iterator[tuple[int, Sequence[str]]]


def table_of(content: bytes) -> Table:
    """What a file has; of a workbook its first sheet. Its first line with anything in it is that of the heads.

    Raises BadBusiness for what is neither CSV nor XLSX, or empty; while its rows are read, too.
    """
    if len(content) > FILE_BYTES_MAX:
        raise BadBusiness(f"the file has {len(content):,} bytes; at most {FILE_BYTES_MAX:,}: divide it", field="file")
    rows = _sheet(content) if content.startswith(XLSX_MAGIC) else _csv(content)
    told = ((number, row) for number, row in enumerate(rows, 1) if any(cell.strip() for cell in row))
    _, heads = next(told, (0, None))
    if heads is None:
        raise BadBusiness("the file is empty; its first line names the columns", field="file")
    return Table(heads, told)


def _csv(content: bytes) -> Iterator[Sequence[str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadBusiness(f"line {line}: not UTF-8; save the file as CSV in UTF-8", field="file") from error
    sample = text[: text.find("\n")] if "\n" in text else text
    sign = max(",;\t", key=sample.count)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True)
    except csv.Error as error:
        raise BadBusiness(f"not a CSV file: {error}", field="file") from error


def _sheet(content: bytes) -> Iterator[Sequence[str]]:
    """The first sheet of a workbook, each cell as text; of a formula what it came to when the file was saved."""
    try:
        check_size(content)
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        rows = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (python_calamine.CalamineError, zipfile.BadZipFile, NotImplementedError) as error:
        raise BadBusiness(f"not an XLSX file that can be read: {error}", field="file") from error
    for row in rows:
        yield [cell_text(cell) for cell in row]


def check_size(content: bytes) -> None:
    """Look how much a workbook is before it is opened: packed it may be a thousand times smaller.

    Raises BadBusiness where its sheets are too large, BadZipFile where it is none.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        unpacked = 0
        for name in packed.namelist():
            columns: set[bytes] = set()
            last_row, tail = 0, b""
            with packed.open(name) as part:
                while piece := part.read(PIECE):
                    unpacked += len(piece)
                    if unpacked > SHEET_BYTES_MAX:
                        raise BadBusiness(
                            f"the workbook is more than {SHEET_BYTES_MAX:,} bytes when unpacked; save the table as CSV",
                            field="file",
                        )
                    if not SHEET_PART.fullmatch(name):
                        continue
                    piece, tail = tail + piece, piece[-20:]
                    found = _PLACE.findall(piece)
                    columns.update(letters for letters, _ in found)
                    last_row = max(last_row, *(int(row) for _, row in found[-1:]), 0)
            width = max((_column(letters) for letters in columns), default=0)
            if width * last_row > SHEET_CELLS_MAX:
                raise BadBusiness(
                    f"a sheet reaches {width:,} columns and {last_row:,} rows far; at most {SHEET_CELLS_MAX:,} cells: "
                    "delete what stands far off, or save the table as CSV",
                    field="file",
                )


def _column(letters: bytes) -> int:
    """`A` is 1, `AA` 27."""
    found = 0
    for letter in letters:
        found = found * 26 + letter - 64
    return found


def cell_text(cell: Any) -> str:
    """A cell as it shows. Numbers of a workbook are doubles, of which 15 digits count, as spreadsheet programs show:
    what adds up to 0.30000000000000004 is 0.3."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else format(Decimal(format(cell, ".15g")), "f")
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat()
    return cell.isoformat() if isinstance(cell, date) else str(cell)
