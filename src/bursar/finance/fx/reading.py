"""Rates from a CSV, as central banks and customs publish them: a row a rate, or a column a currency.

A row a rate: `date,currency,rate`, with `into`, `purpose`, `source` and `units` where the file has them; the ECB data
portal's own columns (`CURRENCY`, `CURRENCY_DENOM`, `TIME_PERIOD`, `OBS_VALUE`) are read too.
A column a currency: the ECB's `eurofxref` (`Date,USD,JPY,…`, one EUR in each) and the reference rates of RBI and FBIL
(`Date,1 USD,1 GBP,100 JPY`, each in INR).
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

import msgspec

from bursar.domain.errors import BadControl
from bursar.finance.fx.rates import RateRow, check_row, is_currency

BYTES_MAX = 8_000_000
ROWS_MAX = 200_000
_NAMES: Mapping[str, tuple[str, ...]] = {
    "day": ("date", "day", "time_period", "effective_from", "effective_date", "with_effect_from"),
    "currency": ("currency", "currency_code", "foreign_currency", "ccy"),
    "rate": ("rate", "exchange_rate", "obs_value", "import_rate", "rate_of_exchange", "tt_buying", "value"),
    "into": ("into", "quote", "quote_currency", "to"),
    "base": ("currency_denom", "base", "base_currency"),
    "purpose": ("purpose",),
    "source": ("source",),
    "units": ("units", "unit", "per"),
}
_FORMATS = ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d %B %Y", "%d %b %Y", "%d-%b-%Y", "%Y%m%d")
_MISSING = ("", "N/A", "NA", "-", "–")
_ALIASES = {"EURO": "EUR", "YEN": "JPY", "POUND": "GBP", "DOLLAR": "USD"}
_HEAD = re.compile(r"(?:(\d+)\s*)?([A-Z]{3}|EURO|YEN|POUND|DOLLAR)(?:\s*\(.*\))?")


class Told(msgspec.Struct, frozen=True):
    """What a file doesn't say of itself.

    into: what its rates are in; base: one of what they are of. Of both at most one, and none where columns say it.
    purposes: what each rate is for. day: for a file without dates.
    """

    source: str = ""
    purposes: tuple[str, ...] = ()
    into: str = ""
    base: str = ""
    day: date | None = None


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a line; line 1 is the header."""

    line: int
    text: str


def read_rates(content: str, told: Told) -> tuple[list[RateRow], list[Fault]]:
    """Rows in the file's order, and what couldn't be read. Raises BadControl for a file that has no such columns."""
    if len(content) > BYTES_MAX:
        raise BadControl(f"the file has {len(content):,} characters, at most {BYTES_MAX:,}", field="content")
    if told.into and told.base:
        raise BadControl("say `into` or `base`, not both: rates are in the one, or of one of the other", field="base")
    lines = list(csv.reader(io.StringIO(content.lstrip("\ufeff"))))
    lines = [[cell.strip() for cell in line] for line in lines]
    if not lines:
        raise BadControl("the file is empty", field="content")
    if len(lines) > ROWS_MAX:
        raise BadControl(f"the file has {len(lines):,} lines, at most {ROWS_MAX:,}", field="content")
    places = _places(lines[0])
    if "currency" in places and "rate" in places:
        return _long(lines, places, told)
    wide = _wide_columns(lines[0])
    if wide and "day" in places:
        return _wide(lines, places["day"], wide, told)
    raise BadControl(
        "the first line must name columns: date, currency and rate, or date and a column for each currency",
        field="content",
    )


def _long(lines: Sequence[Sequence[str]], places: Mapping[str, int], told: Told) -> tuple[list[RateRow], list[Fault]]:
    rows: list[RateRow] = []
    faults: list[Fault] = []
    for number, line in enumerate(lines[1:], 2):
        if not any(line):
            continue
        cells = {name: line[at] for name, at in places.items() if at < len(line)}
        if cells.get("rate", "") in _MISSING:
            continue
        try:
            rows += _rows_of(cells, told)
        except (BadControl, ValueError) as error:
            faults.append(Fault(number, str(error)))
    return rows, faults


def _rows_of(cells: Mapping[str, str], told: Told) -> list[RateRow]:
    currency = _code(cells["currency"])
    base, into = _code(cells.get("base", "") or told.base), _code(cells.get("into", "") or told.into)
    pair = (base, currency) if base else (currency, into)
    if not base and not into:
        raise BadControl("into: the file doesn't say what its rates are in; say it (INR)", field="into")
    day = _day(cells["day"]) if cells.get("day") else told.day
    if day is None:
        raise BadControl("day: the file has no dates; say the day", field="day")
    rate = _number(cells["rate"]) / _units(cells.get("units", ""))
    return _for_each(day, pair, rate, cells.get("purpose", ""), cells.get("source", ""), told)


def _wide(
    lines: Sequence[Sequence[str]], day_at: int, columns: Mapping[int, tuple[str, int]], told: Told
) -> tuple[list[RateRow], list[Fault]]:
    if not told.into and not told.base:
        raise BadControl("say `into` (INR: rates are in it) or `base` (EUR: rates are of one of it)", field="into")
    rows: list[RateRow] = []
    faults: list[Fault] = []
    for number, line in enumerate(lines[1:], 2):
        if not any(line):
            continue
        try:
            day = _day(line[day_at])
            for at, (currency, units) in columns.items():
                if at >= len(line) or line[at] in _MISSING:
                    continue
                pair = (told.base, currency) if told.base else (currency, told.into)
                rows += _for_each(day, pair, _number(line[at]) / units, "", "", told)
        except (BadControl, ValueError, IndexError) as error:
            faults.append(Fault(number, str(error)))
    return rows, faults


def _for_each(day: date, pair: tuple[str, str], rate: Decimal, purpose: str, source: str, told: Told) -> list[RateRow]:
    purposes = (purpose,) if purpose else told.purposes
    if not purposes:
        raise BadControl("purpose: what the rates are for: books, gst, tds or report", field="purpose")
    return [check_row(RateRow(day, *pair, rate, one, source or told.source)) for one in purposes]


def _places(head: Sequence[str]) -> dict[str, int]:
    """Where each known column stands."""
    plain = [re.sub(r"[^a-z]+", "_", name.lower()).strip("_") for name in head]
    found = {}
    for field, names in _NAMES.items():
        at = next((plain.index(name) for name in names if name in plain), None)
        if at is not None:
            found[field] = at
    return found


def _wide_columns(head: Sequence[str]) -> dict[int, tuple[str, int]]:
    """Columns that are a currency, and of how many units each is told: "100 JPY"."""
    found = {}
    for at, name in enumerate(head):
        if match := _HEAD.fullmatch(name.upper()):
            code = _code(match[2])
            if is_currency(code):
                found[at] = (code, int(match[1] or 1))
    return found


def _code(text: str) -> str:
    upper = text.strip().upper()
    return _ALIASES.get(upper, upper)


def _units(text: str) -> Decimal:
    return _number(text) if text else Decimal(1)


def _number(text: str) -> Decimal:
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation as error:
        raise BadControl(f"rate: {text[:40]!r} is no number", field="rate") from error


def _day(text: str) -> date:
    for form in _FORMATS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007  a day, of no zone
        except ValueError:
            continue
    raise BadControl(f"day: {text[:40]!r}; write 2026-11-12 (12/11/2026 is read as day, month, year)", field="day")
