"""Local prices: the operator's dated TOML file, read into rows and faults."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from bursar.domain.clock import us_from_datetime
from bursar.domain.money import InexactMoney, femto_from_usd_per_million
from bursar.domain.usage import UNITS
from bursar.prices.rows import STANDARD, Accepted, Fault, Override

WHERE = "prices.toml"
TO_FILL_IN = "?"
FIELDS = frozenset({"provider", "model", "tier", "from", "to", "above_input_tokens", "note", "approved"})
ACCEPT_FIELDS = frozenset({"provider", "model", "unit", "kind", "reason"})
TABLES = frozenset({"price", "accept"})
UNIT_NAMES = {unit.value: unit for unit in UNITS}

_LINE = re.compile(r"at line (\d+)")


class OverrideFile(NamedTuple):
    """What a file holds: usable rows, accepted findings, and a fault for each table that is neither."""

    rows: list[Override]
    accepted: list[Accepted]
    faults: list[Fault]


class BadRowError(ValueError):
    """A row that can't be used; says what is wrong with it."""


def price_template(provider: str, model: str) -> str:
    """Lines for the price file about a model without a price. As they stand they are refused: unknown isn't zero."""
    return (
        f"[[price]]\nprovider = {_quoted(provider or '*')}\nmodel = {_quoted(model)}\n"
        f'input = "{TO_FILL_IN}"  # USD per million tokens\noutput = "{TO_FILL_IN}"\n'
        f'# cache_read = "{TO_FILL_IN}"  # default: as input\n'
        "# from = 2026-01-31  # default: always, so earlier calls too\n"
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a TOML string


def read_overrides(text: str) -> OverrideFile:
    """Read a price file. A bad row is left out and is a fault; a file that is no TOML has no rows and one fault.

    [[price]]
    provider = "openai"            # a provider's id, or "*"
    model = "gpt-4o"               # a name, or a pattern: "ft:gpt-4o*"
    tier = "flex"                  # default: the standard tier; "*" for every tier
    from = 2026-01-01              # UTC, inclusive; default: always
    to = 2026-07-01                # UTC, exclusive; default: open
    above_input_tokens = 200_000   # for larger calls only
    input = 1.25                   # USD per million, for each unit that differs from the catalogue
    cache_read = 0                 # an explicit zero is a price: free
    approved = true                # over 3x off the catalogue's, and meant

    [[accept]]                     # a finding of `bursar prices check` that somebody has looked at
    provider = "openrouter"
    model = "qwen/*"
    reason = "their list changes weekly"
    """
    try:
        tree = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        place = _LINE.search(str(error))
        return OverrideFile([], [], [Fault(WHERE, int(place[1]) if place else 0, f"not valid TOML: {error}")])
    file = OverrideFile([], [], [])
    file.faults.extend(Fault(WHERE, 0, f"unknown table or key {name!r}") for name in tree if name not in TABLES)
    for line, table in _tables(tree, "price", text, file.faults):
        try:
            row = _row(table, line)
            _check_overlap(row, file.rows)
        except BadRowError as bad:
            file.faults.append(Fault(WHERE, line, str(bad)))
        else:
            file.rows.append(row)
    for line, table in _tables(tree, "accept", text, file.faults):
        try:
            file.accepted.append(_accepted(table, line))
        except BadRowError as bad:
            file.faults.append(Fault(WHERE, line, str(bad)))
    return file


def _tables(
    tree: Mapping[str, Any], name: str, text: str, faults: list[Fault]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The tables of `[[name]]` with the line each starts on; TOML's own reader doesn't say it."""
    tables = tree.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        faults.append(Fault(WHERE, 0, f"`{name}` is written as [[{name}]], one table a row"))
        return
    header = re.compile(rf"^\s*\[\[\s*{name}\s*\]\]")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if header.match(line)]
    for at, table in enumerate(tables):
        yield lines[at] if at < len(lines) else 0, table


def _accepted(table: Mapping[str, Any], line: int) -> Accepted:
    unknown = sorted(table.keys() - ACCEPT_FIELDS)
    if unknown:
        raise BadRowError(f"unknown field {', '.join(unknown)}; fields are {', '.join(sorted(ACCEPT_FIELDS))}")
    unit, kind = _text(table, "unit", ""), _text(table, "kind", "")
    if unit and unit not in UNIT_NAMES:
        raise BadRowError(f"unknown unit {unit}; units are {', '.join(UNIT_NAMES)}")
    if kind not in ("", "conflict", "jump", "override"):
        raise BadRowError(f"unknown kind {kind}; kinds are conflict, jump, override")
    return Accepted(
        _text(table, "provider").lower(), _text(table, "model").lower(), unit, kind, _text(table, "reason"), line
    )


def _row(table: Mapping[str, Any], line: int) -> Override:
    unknown = sorted(table.keys() - FIELDS - UNIT_NAMES.keys())
    if unknown:
        raise BadRowError(f"unknown unit or field {', '.join(unknown)}; units are {', '.join(UNIT_NAMES)}")
    prices = {unit: _price(name, table[name]) for name, unit in UNIT_NAMES.items() if name in table}
    if not prices:
        raise BadRowError("no price for any unit")
    valid_from, valid_to = _instant(table, "from"), _instant(table, "to")
    if valid_from is not None and valid_to is not None and valid_from >= valid_to:
        raise BadRowError("`from` must be before `to`")
    tier = _text(table, "tier", STANDARD).lower()
    return Override(
        provider=_text(table, "provider").lower(),
        model=_text(table, "model").lower(),
        tier=STANDARD if tier == "standard" else tier,
        valid_from_us=valid_from,
        valid_to_us=valid_to,
        above=_above(table),
        prices=prices,
        note=_text(table, "note", ""),
        approved=table.get("approved") is True,
        line=line,
    )


def _price(name: str, value: object) -> int:
    """USD per million of a unit as femto-USD for one. Text is taken too: "0.075"."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise BadRowError(f"{name} must be a number, USD per million")
    if value == TO_FILL_IN:
        raise BadRowError(f'{name} is still "{TO_FILL_IN}": write the price, in USD per million')
    try:
        usd = Decimal(value)
    except InvalidOperation:
        raise BadRowError(f"{name} is not a number: {value!r}") from None
    if not usd.is_finite():
        raise BadRowError(f"{name} must be finite")
    if usd < 0:
        raise BadRowError(f"{name} is negative")
    if usd.adjusted() > 9:
        raise BadRowError(f"{name} is over 10,000 USD for one; prices are USD per million")
    try:
        return femto_from_usd_per_million(usd)
    except InexactMoney as error:
        raise BadRowError(f"{name} has more than 9 decimal places per million: {value}") from error


def _text(table: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = table.get(name, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise BadRowError(f"`{name}` is missing" if name not in table else f"`{name}` must be text")
    return value.strip()


def _above(table: Mapping[str, Any]) -> int:
    value = table.get("above_input_tokens", -1)
    if isinstance(value, bool) or not isinstance(value, int) or (value < 0 and "above_input_tokens" in table):
        raise BadRowError("`above_input_tokens` must be a whole number of tokens")
    return value


def _instant(table: Mapping[str, Any], name: str) -> int | None:
    value = table.get(name)
    match value:
        case None:
            return None
        case datetime():
            return us_from_datetime(value if value.tzinfo is not None else value.replace(tzinfo=UTC))
        case date():
            return us_from_datetime(datetime.combine(value, time(), UTC))
        case _:
            raise BadRowError(f"`{name}` must be a TOML date, such as 2026-01-31")


def _check_overlap(row: Override, earlier: list[Override]) -> None:
    """Two prices of one unit at one time would leave it to chance which holds."""
    for other in earlier:
        same = (row.provider, row.model, row.tier, row.above) == (other.provider, other.model, other.tier, other.above)
        if same and row.prices.keys() & other.prices.keys() and _meet(row, other):
            raise BadRowError(f"overlaps the dates of line {other.line}")


def _meet(one: Override, other: Override) -> bool:
    return (one.valid_to_us is None or other.valid_from_us is None or other.valid_from_us < one.valid_to_us) and (
        other.valid_to_us is None or one.valid_from_us is None or one.valid_from_us < other.valid_to_us
    )
