"""One cell of a file as a value. Each reader says in its error what it takes; the caller adds line and column."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from bursar.finance.business.model import month_of
from bursar.finance.business.tables import AMOUNT_MAX, AMOUNT_PLACES

TEXT_CHARS_MAX = 200
COUNT_MAX = 10**12
YEAR_MIN, YEAR_MAX = 1990, 2999
_YES = frozenset(("true", "yes", "y", "1"))
_NO = frozenset(("false", "no", "n", "0"))
_GROUPED = {".": re.compile(r"-?\d{1,3}(,\d{2,3})*,\d{3}(\.\d+)?"), ",": re.compile(r"-?\d{1,3}(\.\d{3})+(,\d+)?")}
"""Groups of three, or of two as in India, but three before the decimal sign: `19,00` is no amount of 1900."""
_SIGNS = re.compile(r"[$€£¥₹\s\u00a0\u202f']")
_CURRENCY = re.compile(r"[A-Z]{3}")


class Unreadable(ValueError):
    """Why a cell can't be read, for people."""


def text(cell: str) -> str:
    if len(cell) > TEXT_CHARS_MAX:
        raise Unreadable(f"{len(cell)} characters; at most {TEXT_CHARS_MAX}")
    if not cell.isprintable():
        raise Unreadable("has characters that can't be printed")
    return cell


def amount(cell: str, decimal_sign: str = ".") -> Decimal:
    """`1,234.50`, `$19`, `(3.00)` (less than 0, as accountants write it). At most six decimals."""
    plain = _SIGNS.sub("", cell).replace("−", "-")
    if plain.startswith("(") and plain.endswith(")"):
        plain = f"-{plain[1:-1]}"
    if _GROUPED[decimal_sign].fullmatch(plain):
        plain = plain.replace("," if decimal_sign == "." else ".", "")
    plain = plain.replace(",", ".") if decimal_sign == "," else plain
    try:
        value = Decimal(plain)
    except InvalidOperation as error:
        other = "; or say that amounts have a decimal comma (decimal_sign)" if re.search(r"\d,\d+$", cell) else ""
        raise Unreadable(f"{cell[:40]!r} is no amount; write 1234.50{other}") from error
    if not value.is_finite() or abs(value) >= AMOUNT_MAX:
        raise Unreadable(f"{cell[:40]!r} is out of range; less than {AMOUNT_MAX:,}")
    if value != round(value, AMOUNT_PLACES):
        raise Unreadable(f"{cell[:40]!r} has more than {AMOUNT_PLACES} decimals")
    return value


def whole(cell: str) -> int:
    try:
        value = Decimal(cell.replace(",", ""))
    except InvalidOperation as error:
        raise Unreadable(f"{cell[:40]!r} is no whole number") from error
    if not value.is_finite() or value != int(value) or not 0 <= value <= COUNT_MAX:
        raise Unreadable(f"{cell[:40]!r} is no whole number from 0 to {COUNT_MAX:,}")
    return int(value)


def day(cell: str, pattern: str = "") -> date:
    """`2026-11-01`, or a time of that day; `pattern`: another way, as `strptime` takes it (`%d/%m/%Y`)."""
    return moment(cell, pattern).date() if pattern or len(cell) > 10 else _iso_day(cell)


def month(cell: str, pattern: str = "") -> date:
    """`2026-11`, or any day of it."""
    if re.fullmatch(r"\d{4}-\d{2}", cell) and not pattern:
        return _iso_day(f"{cell}-01")
    return month_of(day(cell, pattern))


def moment(cell: str, pattern: str = "") -> datetime:
    """A time, in UTC where it doesn't say another offset."""
    try:
        at = datetime.strptime(cell, pattern) if pattern else datetime.fromisoformat(cell)  # noqa: DTZ007  read below
    except ValueError as error:
        wanted = f"as {pattern}" if pattern else "as 2026-11-01 or 2026-11-01T12:00:00Z"
        raise Unreadable(
            f"{cell[:40]!r} is no time {wanted}; how days are written can be said (date_format)"
        ) from error
    if not YEAR_MIN <= at.year <= YEAR_MAX:
        raise Unreadable(f"the year {at.year} isn't from {YEAR_MIN} to {YEAR_MAX}")
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def flag(cell: str) -> bool:
    if cell.lower() in _YES:
        return True
    if cell.lower() in _NO:
        return False
    raise Unreadable(f"{cell[:40]!r} is neither yes nor no")


def currency(cell: str) -> str:
    code = cell.upper()
    if not _CURRENCY.fullmatch(code):
        raise Unreadable(f"{cell[:40]!r} is no currency; write its three letters, as USD")
    return code


def _iso_day(cell: str) -> date:
    try:
        found = date.fromisoformat(cell)
    except ValueError as error:
        raise Unreadable(
            f"{cell[:40]!r} is no day; write 2026-11-01, or say how days are written (date_format)"
        ) from error
    if not YEAR_MIN <= found.year <= YEAR_MAX:
        raise Unreadable(f"the year {found.year} isn't from {YEAR_MIN} to {YEAR_MAX}")
    return found
