"""Tax rules and their dated rows, read from data: what holds on a day, in whose words, and how sure that is.

A rule is words with an id; a row is what is computed with, dated, and names its rule. A new treaty, rate, form or due
date is a row more, in these files or in a file of the user's own.
"""

import functools
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from importlib import resources
from typing import Any

import msgspec

from bursar.domain.errors import BadTax

CONFIDENCES = ("high", "medium", "low")
RULE_FILES = (
    "rules_india.toml", "rules_world.toml", "rules_accounting.toml", "rates_india.toml", "forms_india.toml",
    "treaties_india.toml", "rates_eu.toml", "rates_world.toml", "rates_us.toml", "withholding_elsewhere.toml",
)  # fmt: skip


class Rule(msgspec.Struct, frozen=True, rename={"starts": "from", "ends": "to"}):
    """A rule in the words of its source. starts, ends: days as text, both included; "" is not established or open."""

    id: str
    jurisdiction: str
    condition: str
    citation: str
    confidence: str
    starts: str = ""
    ends: str = ""
    rate: str = ""
    from_text: str = ""
    to_text: str = ""


class Row(msgspec.Struct, frozen=True, rename={"starts": "from", "ends": "to"}):
    """What is computed with from `starts` to `ends`, both included. confidence: "" is that of its rule."""

    table: str
    rule: str
    values: dict[str, Any]
    key: str = ""
    starts: str = ""
    ends: str = ""
    confidence: str = ""
    citation: str = ""
    origin: str = ""

    def decimal(self, name: str) -> Decimal:
        return Decimal(str(self.values[name]))

    def number(self, name: str) -> int:
        return int(str(self.values[name]))

    def text(self, name: str) -> str:
        return str(self.values.get(name, ""))

    def holds_on(self, day: date) -> bool:
        text = day.isoformat()
        return (not self.starts or self.starts <= text) and (not self.ends or text <= self.ends)


class RuleFile(msgspec.Struct, frozen=True):
    """A file of rules, rows or both."""

    rule: list[Rule] = []
    row: list[Row] = []


class RuleBook:
    """Every rule and row. Later rows come before earlier ones that hold on the same day and began no later."""

    def __init__(self, rules: Iterable[Rule], rows: Iterable[Row]) -> None:
        self.rules: dict[str, Rule] = {one.id: one for one in rules}
        self.rows: list[Row] = list(rows)
        self._found: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            self._found.setdefault((row.table, row.key), []).append(row)

    def with_more(self, more: Sequence[RuleFile]) -> "RuleBook":
        """The same with a user's own. Raises BadTax for a row whose rule nobody wrote."""
        rules = [*self.rules.values(), *(rule for one in more for rule in one.rule)]
        book = RuleBook(rules, [*self.rows, *(row for one in more for row in one.row)])
        for row in book.rows:
            if row.rule not in book.rules:
                raise BadTax(f"rule: row {row.table} {row.key} names {row.rule!r}, which no rule has", field="rule")
        return book

    def keys(self, table: str) -> list[str]:
        return [key for name, key in self._found if name == table]

    def has(self, table: str, key: str = "") -> bool:
        return (table, key) in self._found

    def at(self, table: str, day: date | None, key: str = "") -> Row | None:
        """The row that holds on a day; None: none does.

        Without a day, the only one there is. Raises BadTax where there are several: the trigger date is needed then,
        and never today's.
        """
        rows = self._found.get((table, key), [])
        if day is None:
            if len({(one.starts, one.ends) for one in rows}) > 1:
                raise BadTax(
                    f"a date is needed: {table} {key} changed over time, and today's rate is never taken by itself",
                    field="tax_point_date",
                )
            return rows[-1] if rows else None
        holding = [(one.starts, at, one) for at, one in enumerate(rows) if one.holds_on(day)]
        return max(holding)[2] if holding else None

    def need(self, table: str, day: date | None, key: str = "", *, field: str = "") -> Row:
        """Raises BadTax where no row holds. field: the input that said the key, for the message."""
        row = self.at(table, day, key)
        if row is None:
            when = f" on {day}" if day else ""
            known = f" (known: {', '.join(sorted(self.keys(table))[:40])})" if key and not self.has(table, key) else ""
            told = f"{field}: " if field else ""
            raise BadTax(f"{told}no rule says {table} {key}{when}{known}; add a row of your own", field=field or table)
        return row

    def confidence(self, row: Row) -> str:
        return row.confidence or self.confidence_of(row.rule)

    def confidence_of(self, rule_id: str) -> str:
        rule = self.rules.get(rule_id)
        return rule.confidence if rule else "low"


def weakest(confidences: Iterable[str]) -> str:
    """The least of several; of none, high."""
    return max(confidences, key=CONFIDENCES.index, default="high")


def read_rules(text: str, origin: str = "") -> RuleFile:
    """Rules and rows as TOML. Raises BadTax that names what is wrong."""
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadTax(f"rules: not TOML: {error}", field="rules") from error
    return convert_rules(told, origin)


def convert_rules(told: Mapping[str, Any], origin: str = "") -> RuleFile:
    """Raises BadTax that names what is wrong."""
    try:
        found = msgspec.convert(told, RuleFile)
    except msgspec.ValidationError as error:
        raise BadTax(f"rules: {error}", field="rules") from error
    for rule in found.rule:
        _check(rule)
    for row in found.row:
        _check(row)
    return RuleFile(found.rule, [msgspec.structs.replace(row, origin=row.origin or origin) for row in found.row])


def _check(one: Rule | Row) -> None:
    name = one.id if isinstance(one, Rule) else f"{one.table} {one.key}".strip()
    for field, text in (("from", one.starts), ("to", one.ends)):
        if text:
            try:
                date.fromisoformat(text)
            except ValueError as error:
                raise BadTax(f"{field}: {text[:40]!r} of {name} is no day; write 2026-04-01", field=field) from error
    if one.confidence not in (CONFIDENCES if isinstance(one, Rule) else ("", *CONFIDENCES)):
        raise BadTax(f"confidence: {one.confidence[:40]!r} of {name}; it is high, medium or low", field="confidence")


@functools.cache
def shipped_rules() -> RuleBook:
    """The rules that come with Bursar."""
    directory = resources.files("bursar.finance.tax") / "data"
    files = [read_rules((directory / name).read_text("utf-8"), name) for name in RULE_FILES]
    return RuleBook((rule for one in files for rule in one.rule), ()).with_more(
        [RuleFile([], one.row) for one in files]
    )
