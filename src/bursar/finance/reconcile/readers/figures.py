"""Figures as files write them: decimals from text, never through a float; days; tables of CSV."""

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from json import JSONDecodeError, loads
from typing import Any

DIGITS_MAX = 40
Row = Mapping[str, str]


class Unreadable(ValueError):
    """A figure that can't be read; the message says which and why."""


def read_json(data: bytes) -> Any:
    """JSON with every number as a Decimal. Raises Unreadable."""
    try:
        return loads(data, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number)
    except (JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"not JSON: {error}") from error


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; nothing for what is none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def decimal(value: Any, what: str) -> Decimal:
    """A finite number of at most 40 digits, from a Decimal or text. Raises Unreadable."""
    text = str(value).strip().replace(",", "") if not isinstance(value, Decimal) else value
    try:
        found = Decimal(text)
    except (InvalidOperation, ValueError) as error:
        raise Unreadable(f"{what} is {str(value)[:40]!r}, not a number") from error
    if not found.is_finite() or len(found.as_tuple().digits) > DIGITS_MAX or abs(found.adjusted()) > DIGITS_MAX:
        raise Unreadable(f"{what} is {str(value)[:40]!r}: too large or too fine to be money")
    return found


def maybe(value: Any, what: str) -> Decimal | None:
    """The same; None for nothing. Raises Unreadable."""
    return None if value is None or value == "" else decimal(value, what)


def places(amount: Decimal) -> int:
    """How many decimal places a figure was written with."""
    exponent = amount.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def text(value: Any) -> str:
    """Text as it stands; "" for null."""
    return "" if value is None else str(value).strip()


def day(value: Any, what: str) -> date:
    """The UTC day of a date, a moment, or seconds since the epoch. Raises Unreadable."""
    if isinstance(value, Decimal):
        try:
            return datetime.fromtimestamp(int(value), UTC).date()
        except (OverflowError, OSError, ValueError) as error:
            raise Unreadable(f"{what} is {value}, not seconds since 1970") from error
    said = text(value)
    for shape in ("%m/%d/%Y", "%Y%m%d"):
        try:
            return datetime.strptime(said, shape).replace(tzinfo=UTC).date()
        except ValueError:
            pass
    try:
        at = datetime.fromisoformat(said.replace(" UTC", "+00:00"))
    except ValueError as error:
        raise Unreadable(f"{what} is {said[:40]!r}, not a day") from error
    return (at.astimezone(UTC) if at.tzinfo else at).date()


def csv_rows(data: bytes) -> Iterator[tuple[int, Row]]:
    """(line, row) of a CSV file with a head. Raises Unreadable for what is none."""
    try:
        told = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8 text: {error}") from error
    reader = csv.DictReader(io.StringIO(told, newline=""))
    if not reader.fieldnames:
        raise Unreadable("an empty file")
    try:
        for row in reader:
            yield reader.line_num, {(name or "").strip(): value or "" for name, value in row.items() if name}
    except csv.Error as error:
        raise Unreadable(f"not CSV: {error}") from error


def _no_number(text: str) -> Any:
    raise Unreadable(f"{text} is no number")
