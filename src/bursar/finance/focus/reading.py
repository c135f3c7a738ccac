"""FOCUS files of any vendor, CSV or Parquet, as rows that fit the ledger; what doesn't fit is a fault with its line.

Versions 1.0 to 1.2 read alike: a column that a file hasn't is empty. Columns that FOCUS doesn't know are kept as they
are. Source: exports of AWS, Microsoft and Oracle in FOCUS-Sample-Data (FOCUS 1.0), the specification's own examples.
"""

import csv
import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec

from bursar.domain.errors import BadRequest
from bursar.finance.focus.columns import BY_NAME, OWN_PREFIX, FocusColumn
from bursar.ledger.imported import OTHERS, PLACES, ROW_COLUMNS

NEEDED = (
    "BilledCost", "EffectiveCost", "BillingCurrency", "BillingPeriodStart", "ChargeCategory", "ChargePeriodStart",
    "ChargePeriodEnd", "ProviderName", "ServiceName",
)  # fmt: skip
"""What a row can't be without."""
CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
FAULTS_TOLD = 100
CELL_CHARS_MAX = 32_768
COLUMNS_MAX = 500
AMOUNT_MAX = Decimal(10) ** 15
BATCH = 10_000
ROW_FIELDS = ("row_key", "line", *ROW_COLUMNS)

_NULLS = ("", "NULL", "null")
_NUMBER = re.compile(r"-?\d+(\.\d*)?([eE][+-]?\d+)?$|-?\.\d+([eE][+-]?\d+)?$")
_STEP = Decimal(1).scaleb(-PLACES)


class BadFocusFile(BadRequest):
    """A file that isn't a FOCUS file, or has rows that can't be; the message names the first line."""

    code = "bad_focus_file"


class Fault(msgspec.Struct, frozen=True):
    """Why a line isn't taken. line: of the file, from 1; of a Parquet file the number of the row."""

    line: int
    column: str
    message: str


class Row(NamedTuple):
    """values: text for ROW_FIELDS, "" for nothing; currency of its costs."""

    values: list[str]
    currency: str


class _Misfit(Exception):  # a step inside this module
    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


def read_rows(file: Path) -> Iterator[Row | Fault]:
    """Every row of a file, each as a row or a fault. Raises BadFocusFile where it is no FOCUS file at all."""
    with _cells(file) as (names, lines):
        _check_head(names)
        for line, cells in lines:
            try:
                yield _row(line, names, cells)
            except _Misfit as misfit:
                yield Fault(line, misfit.column, str(misfit))


def _check_head(names: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise BadFocusFile(
            f"line 1: this isn't a FOCUS file: it has no column {', '.join(missing)}; export FOCUS 1.0 or later from "
            "the vendor's console",
            field="file",
        )
    double = sorted({name for name in names if names.count(name) > 1})
    if double or len(names) > COLUMNS_MAX:
        told = f"the column {double[0]} twice" if double else f"more than {COLUMNS_MAX} columns"
        raise BadFocusFile(f"line 1: the file has {told}", field="file")


@contextmanager
def _cells(file: Path) -> Iterator[tuple[list[str], Iterator[tuple[int, Sequence[Any]]]]]:
    """Column names, and (line, cells) of each row."""
    with file.open("rb") as opened:
        is_parquet = opened.read(4) == b"PAR1"
    if is_parquet:
        with _parquet(file) as found:
            yield found
        return
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text)
        try:
            names = [name.strip() for name in next(reader, [])]
        except (UnicodeDecodeError, csv.Error) as error:
            raise BadFocusFile(f"line 1: this is neither CSV nor Parquet ({error})", field="file") from error
        yield names, _csv_lines(reader)


def _csv_lines(reader: Any) -> Iterator[tuple[int, list[str]]]:
    while True:
        line = reader.line_num + 1  # where the row begins: a cell may hold line ends
        try:
            cells = next(reader, None)
        except (UnicodeDecodeError, csv.Error) as error:
            raise BadFocusFile(f"line {line}: the rest of the file can't be read ({error})", field="file") from error
        if cells is None:
            return
        if cells:
            yield line, cells


@contextmanager
def _parquet(file: Path) -> Iterator[tuple[list[str], Iterator[tuple[int, Sequence[Any]]]]]:
    connection = duckdb.connect(config={"memory_limit": "500MB", "threads": 1, "autoload_known_extensions": False})
    try:
        found = connection.execute("SELECT * FROM read_parquet($file)", {"file": str(file)})
        names = [column[0] for column in found.description or ()]

        def lines() -> Iterator[tuple[int, Sequence[Any]]]:
            line = 0
            while batch := found.fetchmany(BATCH):
                for cells in batch:
                    line += 1
                    yield line, cells

        yield names, lines()
    except duckdb.Error as error:
        raise BadFocusFile(f"the Parquet file can't be read: {str(error).splitlines()[0]}", field="file") from error
    finally:
        connection.close()


def _row(line: int, names: Sequence[str], cells: Sequence[Any]) -> Row:
    if len(cells) != len(names):
        raise _Misfit("", f"has {len(cells)} cells where the head has {len(names)}")
    values: dict[str, str] = {}
    others: dict[str, str] = {}
    for name, cell in zip(names, cells, strict=True):
        column = BY_NAME.get(name)
        if column is None or name.startswith(OWN_PREFIX):
            if text := _text(name, cell) if column is None else _value(column, cell):
                others[name] = text
        else:
            values[column.ours] = _value(column, cell)
    for name in NEEDED:
        if not values[BY_NAME[name].ours]:
            raise _Misfit(name, "is empty, and no row can be without it")
    if values["charge_category"] not in CATEGORIES:
        raise _Misfit("ChargeCategory", f"is {values['charge_category'][:60]!r}; there are {', '.join(CATEGORIES)}")
    if values["charge_period_end"] < values["charge_period_start"]:
        raise _Misfit("ChargePeriodEnd", "lies before ChargePeriodStart")
    values[OTHERS] = _json(others) if others else ""
    ordered = [values.get(name, "") for name in ROW_COLUMNS]
    digest = hashlib.md5("\x1f".join(ordered).encode(), usedforsecurity=False).digest()
    return Row([str(uuid.UUID(bytes=digest)), str(line), *ordered], values["billing_currency"])


def _value(column: FocusColumn, cell: Any) -> str:
    match column.kind:
        case "money" | "count":
            return _number(column.name, cell)
        case "time":
            return _time(column.name, cell)
        case "json":
            return _key_values(column.name, cell)
        case _:
            return _text(column.name, cell) or ""


def _text(name: str, cell: Any) -> str | None:
    if cell is None:
        return None
    text = cell if isinstance(cell, str) else _written(cell)
    if text in _NULLS:
        return None
    if len(text) > CELL_CHARS_MAX:
        raise _Misfit(name, f"has {len(text):,} characters; {CELL_CHARS_MAX:,} are the most")
    return text.replace("\x00", "")


def _number(name: str, cell: Any) -> str:
    if cell is None:
        return ""
    text = cell.strip() if isinstance(cell, str) else _written(cell)
    if text in _NULLS:
        return ""
    if not _NUMBER.match(text):
        raise _Misfit(
            name, f"is {text[:60]!r}, which is no number; write 1234.5, without signs of currency or thousands"
        )
    try:
        value = Decimal(text)
        if abs(value) >= AMOUNT_MAX:
            raise _Misfit(name, f"is {text[:60]}, more than the ledger holds")
        exact = value if value.as_tuple().exponent >= -PLACES else value.quantize(_STEP, ROUND_HALF_EVEN)  # type: ignore[operator]  # a finite number
    except InvalidOperation as error:
        raise _Misfit(name, f"is {text[:60]!r}, which is no number") from error
    return f"{exact.normalize():f}" if exact else "0"


def _time(name: str, cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        text = cell.strip()
        if text in _NULLS:
            return ""
        try:
            cell = datetime.fromisoformat(text)
        except ValueError as error:
            raise _Misfit(name, f"is {text[:60]!r}; write a date and time in UTC, as 2026-11-01T00:00:00Z") from error
    if isinstance(cell, datetime):
        at = cell.replace(tzinfo=UTC) if cell.tzinfo is None else cell.astimezone(UTC)
        return at.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, date):
        return f"{cell.isoformat()} 00:00:00"
    raise _Misfit(name, "is no date and time")


def _key_values(name: str, cell: Any) -> str:
    """A JSON object with its keys in order, so that the same tags are the same text."""
    if cell is None or (isinstance(cell, str) and cell.strip() in _NULLS):
        return ""
    found = cell
    if isinstance(cell, str):
        try:
            found = msgspec.json.decode(cell)
        except msgspec.DecodeError as error:
            raise _Misfit(name, 'is no JSON object, as {"team": "search"}') from error
    if isinstance(found, list) and all(isinstance(one, (list, tuple)) and len(one) == 2 for one in found):
        found = dict(found)  # what some writers make of a map
    if not isinstance(found, Mapping):
        raise _Misfit(name, 'is no JSON object, as {"team": "search"}')
    if any(isinstance(value, (Mapping, list)) for value in found.values()):
        raise _Misfit(name, "has an object or a list as a value; values are text, numbers, true, false or null")
    return _json(found)


def _json(found: Mapping[str, Any]) -> str:
    return msgspec.json.encode(dict(sorted(found.items())), enc_hook=str).decode()


def _written(cell: Any) -> str:
    """A typed cell as text; a float by the fewest digits that tell it."""
    if isinstance(cell, float):
        return repr(cell)
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if isinstance(cell, datetime):
        return cell.isoformat()
    return str(cell)
