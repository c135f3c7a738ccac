"""What a case comes to: every figure with its rules, its rate and how sure it is."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from bursar.finance.tax.exact import half_up, trimmed
from bursar.finance.tax.rules import Row, RuleBook, weakest

CONFIRM = "confirm with a professional"


class Figure(msgspec.Struct, frozen=True):
    """key: as in the answer, groups before a point. rate: a fraction as text; from, to: the days its row holds."""

    key: str
    value: Any
    rules: list[str]
    rate: str = ""
    rate_from: str = ""
    rate_to: str = ""
    confidence: str = "high"
    note: str = ""

    @property
    def confirm(self) -> str:
        return "" if self.confidence == "high" else CONFIRM


class NotComputed(msgspec.Struct, frozen=True):
    """A rule that would have answered, and why it didn't."""

    rule: str
    why: str


class Working:
    """Collects figures while rules are evaluated."""

    def __init__(self, book: RuleBook) -> None:
        self.book = book
        self.figures: dict[str, Figure] = {}
        self.results: dict[str, Any] = {}
        self.rules: dict[str, None] = {}
        self.notes: list[str] = []
        self.confirm: list[str] = []
        self.not_computed: list[NotComputed] = []
        self._group = ""

    def put(self, key: str, value: Any, *rules: str, row: Row | None = None, note: str = "") -> Any:
        """A figure: a Decimal is money and is rounded half-up to two places here, once. Returns what is told."""
        if isinstance(value, Decimal):
            value = half_up(value)
        confidence = weakest(
            [*(self.book.confidence_of(one) for one in rules), *([self.book.confidence(row)] if row else [])]
        )
        rate = str(row.values.get("rate", "")) if row else ""
        told = self._told(value)
        full = f"{self._group}.{key}" if self._group else key
        self.figures[full] = Figure(
            full,
            told,
            list(dict.fromkeys(rules)),
            rate,
            row.starts if row else "",
            row.ends if row else "",
            confidence,
            note,
        )
        self._place()[key] = told
        self.rules |= dict.fromkeys(rules)
        return value

    def say(self, key: str, value: Any, *rules: str, row: Row | None = None) -> None:
        """A rate or a word: told as it is, not as money."""
        self.put(key, trimmed(value) if isinstance(value, Decimal) else value, *rules, row=row)

    def apply(self, *rules: str) -> None:
        """Rules that held without a figure of their own."""
        self.rules |= dict.fromkeys(rules)

    def ask(self, why: str) -> None:
        """Something that a professional must confirm."""
        if why not in self.confirm:
            self.confirm.append(why)

    def tell(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def refuse(self, rule: str, why: str) -> None:
        """A rule that computes nothing, and says so."""
        self.rules |= {rule: None}
        self.not_computed.append(NotComputed(rule, why))

    def is_low(self, row: Row) -> bool:
        """Whether a row computes nothing; it is noted then."""
        if self.book.confidence(row) != "low":
            return False
        rule = self.book.rules[row.rule]
        self.refuse(row.rule, f"confidence is low, so nothing is computed: {rule.condition}")
        return True

    def group(self, name: str) -> "_Group":
        return _Group(self, name)

    def decimal(self, key: str) -> Decimal | None:
        found = self.results.get(key)
        return Decimal(found) if isinstance(found, str) else None

    @property
    def confidence(self) -> str:
        """The least of every rule and row; low where something was left uncomputed."""
        left = ["low"] if self.not_computed else []
        figures = [one.confidence for one in self.figures.values()]
        return weakest([*left, *figures, *(self.book.confidence_of(one) for one in self.rules)])

    def _place(self) -> dict[str, Any]:
        if not self._group:
            return self.results
        place: dict[str, Any] = self.results.setdefault(self._group, {})
        return place

    def _told(self, value: Any) -> Any:
        if isinstance(value, Decimal):
            return format(value, "f")
        return value.isoformat() if isinstance(value, date) else value


class _Group:
    """`with working.group("option_none"):` what is put stands in an object of that name."""

    def __init__(self, working: Working, name: str) -> None:
        self.working = working
        self.name = name
        self.before = ""

    def __enter__(self) -> None:
        self.before, self.working._group = self.working._group, self.name

    def __exit__(self, *_: object) -> None:
        self.working._group = self.before


def merge_rules(workings: Iterable[Working], into: Working) -> None:
    """What several found of rules, notes and refusals, in one."""
    for one in workings:
        into.rules |= one.rules
        into.not_computed.extend(one.not_computed)
        for note in one.notes:
            into.tell(note)
        for why in one.confirm:
            into.ask(why)


def as_mapping(figure: Figure) -> Mapping[str, Any]:
    return {**msgspec.structs.asdict(figure), "confirm": figure.confirm}
