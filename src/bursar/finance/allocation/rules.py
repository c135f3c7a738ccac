"""Rules of allocation: what is split, among whom and by what; flat costs; tags given afterwards. Dated and versioned.

A change of a rule is a version of its own, from a day on: earlier days keep the earlier version.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal

import msgspec

from bursar.domain.errors import BadControl
from bursar.explore.filters import Filter, as_filters, parse_filter
from bursar.finance.fx.rates import is_currency

Kind = Literal["split", "flat", "tag"]
Method = Literal["even", "proportional", "fixed", "driver"]
KINDS: tuple[Kind, ...] = ("split", "flat", "tag")
METHODS: tuple[Method, ...] = ("even", "proportional", "fixed", "driver")
BY = ("team", "customer", "feature")
DRIVERS = {
    "attempts": "weight",
    "calls": "CASE WHEN is_final THEN weight ELSE 0 END",
    "input_tokens": "input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens",
    "output_tokens": "output_tokens",
    "duration_ms": "duration_ms",
}
"""Measures that a split can go by: what one charge adds."""
GIVEN = "given"
"""A driver of numbers that are written in the rule: heads, seats, square metres."""
NAMES_MAX = 5_000
AMOUNT_MAX = Decimal(10) ** 9


class RuleTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule says from a day on.

    split: charges that `where` fits, split. flat: `amount` of `currency` a month, split. tag: charges that `where` fits
    and that don't say it get what `tags` say.
    by: among teams, customers or features. method: even; proportional to direct cost; fixed `shares` in per cent that
    add up to 100; driver: by a measure, or `given` by the numbers in `shares`. among: these alone; none: all that have
    direct cost in the month.
    """

    kind: Kind
    start: date
    end: date | None = None
    where: list[str] = []
    by: str = "team"
    method: Method = "proportional"
    among: list[str] = []
    shares: dict[str, str] = {}
    driver: str = ""
    amount: str = ""
    currency: str = "USD"
    tags: dict[str, str] = {}
    note: str = ""

    @property
    def filters(self) -> tuple[Filter, ...]:
        return as_filters(parse_filter(text) for text in self.where)

    def weights(self) -> dict[str, Decimal]:
        return {name: Decimal(text) for name, text in self.shares.items()}


class RuleVersion(msgspec.Struct, frozen=True):
    """A rule as it was written once. terms: None: it ended with this version. number: grows with each that is kept."""

    number: int
    name: str
    version: int
    terms: RuleTerms | None
    start: date
    created_us: int
    created_by: str


class InForce(msgspec.Struct, frozen=True):
    """A version with the days of a month that it holds on, `first` to `last`, both included."""

    version: RuleVersion
    terms: RuleTerms
    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def name(self) -> str:
        return self.version.name


def in_force(versions: Iterable[RuleVersion], first: date, until: date) -> list[InForce]:
    """Which versions hold on which days of `[first, until)`, in the order in which rules were first made.

    On a day the last version that had begun by then holds, if it hasn't ended.
    """
    by_name: dict[str, list[RuleVersion]] = {}
    for version in sorted(versions, key=lambda one: one.number):
        by_name.setdefault(version.name, []).append(version)
    found: list[InForce] = []
    for rows in by_name.values():
        day = first
        while day < until:
            holds = _holding(rows, day)
            last = day
            while last + timedelta(days=1) < until and _holding(rows, last + timedelta(days=1)) is holds:
                last += timedelta(days=1)
            if holds is not None and holds.terms is not None:
                found.append(InForce(holds, holds.terms, day, last))
            day = last + timedelta(days=1)
    return found


def on_first_day(rules: Sequence[InForce], first: date) -> list[InForce]:
    """Splits hold for whole months: those that are in force on its first day."""
    return [rule for rule in rules if rule.terms.kind == "split" and rule.first == first]


def check_terms(terms: RuleTerms) -> RuleTerms:
    """The terms as they may be kept. Raises BadControl that names the field, BadQuery for a filter."""
    if terms.end is not None and terms.end < terms.start:
        raise BadControl(f"end: {terms.end} is before start", field="end")
    _ = terms.filters
    if terms.kind != "flat" and not terms.where:
        raise BadControl("where: whose charges, as team= (those that don't say it) or feature=search", field="where")
    if terms.kind == "tag":
        return _check_tags(terms)
    if terms.by not in BY:
        raise BadControl(f"by: {terms.by[:40]!r}; it is one of {', '.join(BY)}", field="by")
    if len(terms.among) > NAMES_MAX or len(terms.shares) > NAMES_MAX:
        raise BadControl(f"among: at most {NAMES_MAX} names", field="among")
    _check_method(terms)
    if terms.kind == "flat":
        _number("amount", terms.amount, Decimal(0), AMOUNT_MAX)
        if not is_currency(terms.currency):
            raise BadControl(f"currency: {terms.currency[:20]!r}; write USD", field="currency")
    elif terms.amount:
        raise BadControl("amount: only a flat cost has one", field="amount")
    return terms


def _holding(rows: Sequence[RuleVersion], day: date) -> RuleVersion | None:
    begun = [row for row in rows if row.start <= day]
    if not begun:
        return None
    last = begun[-1]
    ended = last.terms is None or (last.terms.end is not None and last.terms.end < day)
    return None if ended else last


def _check_method(terms: RuleTerms) -> None:
    numbers = {name: _number("shares", text, Decimal(0), AMOUNT_MAX) for name, text in terms.shares.items()}
    if terms.method == "fixed":
        if sum(numbers.values()) != 100:
            raise BadControl(
                f"shares: they are per cent and add up to 100, not to {sum(numbers.values()):f}", field="shares"
            )
    elif terms.method == "driver":
        if terms.driver not in (*DRIVERS, GIVEN):
            raise BadControl(
                f"driver: {terms.driver[:40]!r}; it is one of {', '.join((*DRIVERS, GIVEN))}", field="driver"
            )
        if (terms.driver == GIVEN) is not bool(numbers):
            raise BadControl("shares: the numbers of a driver that is given, and of no other", field="shares")
    elif numbers:
        raise BadControl(f"shares: {terms.method} has none", field="shares")
    if "" in terms.among or "" in terms.shares:
        raise BadControl("among: a name is empty", field="among")


def _check_tags(terms: RuleTerms) -> RuleTerms:
    if not terms.tags or not set(terms.tags) <= set(BY) or not all(terms.tags.values()):
        raise BadControl(f"tags: what charges get, of {', '.join(BY)}: team=web", field="tags")
    return terms


def _number(field: str, text: str, low: Decimal, high: Decimal) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise BadControl(f"{field}: {text[:40]!r} is no number", field=field) from error
    if not value.is_finite() or not low <= value <= high or -int(value.as_tuple().exponent) > 12:
        raise BadControl(f"{field}: {text[:40]!r}; from {low:f} to {high:,f}, at most 12 decimals", field=field)
    return value
