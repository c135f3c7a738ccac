"""What a budget's windows are, as a value and as short text: `month`, `fy:04@Asia/Kolkata`, `rolling:24h`.

    hour  day  week  month  quarter  year      of the calendar; weeks are ISO weeks
    fy:04  fq:04                               fiscal years and quarters, by the month the year begins in
    4-4-5:2026-02-01                           periods of whole weeks, by the first day of any one fiscal year; also
                                               4-5-4 and 5-4-4. `:quarter` or `:year` for those, `:last` for years that
                                               end on the last such weekday of a month instead of nearest to a date
    rolling:24h  rolling:30d                   the time just gone by; a day is 24 hours
    lifetime                                   one window without end
    2026-01-01..2026-03-31                     dates, both included; several with commas between

The zone follows after `@`; without one it is the reader's default.
"""

import re
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal, get_args

import msgspec

from bursar.budgets.calendars import (
    Always,
    Calendar,
    Days,
    FiscalMonths,
    IsoWeeks,
    Months,
    Ranges,
    RetailGrain,
    RetailWeeks,
    YearRule,
)
from bursar.domain.calendar import zone
from bursar.domain.errors import BadPeriod, BadWindow

Kind = Literal[
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "fiscal-year",
    "fiscal-quarter",
    "4-4-5",
    "4-5-4",
    "5-4-4",
    "rolling",
    "lifetime",
    "custom",
]
ROLLING_HOURS_MAX = 24 * 366
RANGES_MAX = 100
TEXT_CHARS_MAX = 4_096

_RETAIL: dict[str, tuple[int, int, int]] = {"4-4-5": (4, 4, 5), "4-5-4": (4, 5, 4), "5-4-4": (5, 4, 4)}
_FISCAL: dict[str, Kind] = {"fy": "fiscal-year", "fq": "fiscal-quarter"}
_PLAIN = ("hour", "day", "week", "month", "quarter", "year", "lifetime")
_OWNERS: dict[str, frozenset[str]] = {
    "start_month": frozenset(_FISCAL.values()),
    "anchor": frozenset(_RETAIL),
    "grain": frozenset(_RETAIL),
    "rule": frozenset(_RETAIL),
    "hours": frozenset({"rolling"}),
    "ranges": frozenset({"custom"}),
}


class DateRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Local dates, both included."""

    first: date
    last: date


class WindowSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How time is cut into a budget's windows. Only the fields of its kind may be set, so equal specs are equal values.

    timezone:     IANA name; whose midnights. For `rolling` and `lifetime` only what the texts are written in.
    start_month:  1–12, of a fiscal year.
    anchor, grain, rule:  of 4-4-5 and its kin (`calendars.RetailWeeks`).
    hours:        of a rolling window, elapsed hours whatever the clocks do.
    ranges:       of `custom`, ascending, none overlapping.
    Raises BadWindow that names the field.
    """

    kind: Kind
    timezone: str = "UTC"
    start_month: int = 0
    anchor: date | None = None
    grain: RetailGrain = "period"
    rule: YearRule = "nearest"
    hours: int = 0
    ranges: tuple[DateRange, ...] = ()

    def __post_init__(self) -> None:
        _choice("kind", self.kind, get_args(Kind))
        _choice("grain", self.grain, get_args(RetailGrain))
        _choice("rule", self.rule, get_args(YearRule))
        try:
            zone(self.timezone)
        except BadPeriod as error:
            raise BadWindow(error.message, field="timezone") from error
        for name, owners in _OWNERS.items():
            if self.kind not in owners and getattr(self, name) != _DEFAULTS[name]:
                raise BadWindow(f"{name} says nothing about a window of kind {self.kind!r}: leave it out", field=name)
        if self.kind in _FISCAL.values() and not 1 <= self.start_month <= 12:
            raise BadWindow("a fiscal year begins in month 1 to 12: say fy:04 for April", field="start_month")
        if self.kind in _RETAIL:
            self._check_anchor()
        if self.kind == "rolling" and not 1 <= self.hours <= ROLLING_HOURS_MAX:
            raise BadWindow("a rolling window is 1 hour to 366 days long: say rolling:24h", field="hours")
        if self.kind == "custom":
            self._check_ranges()

    def _check_anchor(self) -> None:
        calendar = _weeks(self)
        if self.anchor is None or not 1970 <= self.anchor.year <= 2200:
            raise BadWindow("the first day of a fiscal year of our time, please", field="anchor")
        if self.rule == "nearest" and (self.anchor.month, self.anchor.day) == (2, 29):
            raise BadWindow(
                "most years have no 29 February: give another year's first day, or end it with :last", field="anchor"
            )
        if self.rule == "last" and calendar.year_start((self.anchor - timedelta(days=1)).year) != self.anchor:
            raise BadWindow(
                f"the day before {self.anchor} is not the last such weekday of its month: leave out :last",
                field="anchor",
            )

    def _check_ranges(self) -> None:
        if not 1 <= len(self.ranges) <= RANGES_MAX:
            raise BadWindow(f"1 to {RANGES_MAX} ranges of dates, such as 2026-01-01..2026-03-31", field="ranges")
        before: date | None = None
        for one in self.ranges:
            if one.last < one.first:
                raise BadWindow(f"{one.first}..{one.last} ends before it starts", field="ranges")
            if before is not None and one.first <= before:
                raise BadWindow(f"{one.first}..{one.last} overlaps the range before, or lies before it", field="ranges")
            before = one.last


_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(WindowSpec)}
"""Once, not for each of a hundred thousand budgets that a worker reads at its start: 25 µs each."""


@lru_cache(maxsize=1024)
def calendar_of(spec: WindowSpec) -> Calendar:
    """The calendar of a spec that follows dates: all but `hour` and `rolling`, which follow the clock."""
    match spec.kind:
        case "day":
            return Days()
        case "week":
            return IsoWeeks()
        case "month":
            return Months(1)
        case "quarter":
            return Months(3)
        case "year":
            return Months(12)
        case "fiscal-year":
            return FiscalMonths(12, spec.start_month)
        case "fiscal-quarter":
            return FiscalMonths(3, spec.start_month)
        case "4-4-5" | "4-5-4" | "5-4-4":
            return _weeks(spec)
        case "custom":
            return Ranges(tuple((one.first, one.last) for one in spec.ranges))
        case "lifetime":
            return Always()
        case _:
            raise BadWindow(f"a window of kind {spec.kind!r} doesn't follow dates", field="kind")


def _weeks(spec: WindowSpec) -> RetailWeeks:
    if spec.anchor is None:
        raise BadWindow(f"say the first day of a fiscal year: {spec.kind}:2026-02-01", field="anchor")
    return RetailWeeks(spec.anchor, _RETAIL[spec.kind], spec.grain, spec.rule)


def parse_spec(text: str, timezone: str = "UTC") -> WindowSpec:
    """The spec that a text (top of this module) names. timezone: where the text names none.

    Raises BadWindow that says what can be written.
    """
    if len(text) > TEXT_CHARS_MAX:
        raise BadWindow(f"a window's text has at most {TEXT_CHARS_MAX} characters", field="window")
    body, at, place = text.strip().partition("@")
    place = place.strip() if at else timezone
    name = body.strip().lower()
    if name in _PLAIN:
        return WindowSpec(_kind(name), place)
    head, _, rest = name.partition(":")
    if head in _FISCAL and re.fullmatch(r"\d{1,2}", rest):
        return WindowSpec(_FISCAL[head], place, start_month=int(rest))
    if head in _RETAIL and rest:
        return _parse_retail(head, rest.split(":"), place)
    if found := re.fullmatch(r"rolling:(\d{1,5})([hd])", name):
        return WindowSpec("rolling", place, hours=int(found[1]) * (24 if found[2] == "d" else 1))
    if ".." in name:
        ranges = tuple(_parse_range(part) for part in name.split(","))
        return WindowSpec("custom", place, ranges=ranges)
    raise BadWindow(
        f"{text!r} is not a window; say one of {', '.join(_PLAIN)}, or fy:04, 4-4-5:2026-02-01, rolling:24h, "
        "2026-01-01..2026-03-31, with @Asia/Kolkata behind it for a time zone",
        field="window",
    )


def format_spec(spec: WindowSpec, timezone: str = "UTC") -> str:
    """The shortest text that `parse_spec(text, timezone)` reads back as the same spec."""
    body = _format_body(spec)
    return body if spec.timezone == timezone else f"{body}@{spec.timezone}"


def _format_body(spec: WindowSpec) -> str:
    if spec.kind in _FISCAL.values():
        return f"{'fy' if spec.kind == 'fiscal-year' else 'fq'}:{spec.start_month:02}"
    if spec.kind in _RETAIL:
        grain = "" if spec.grain == "period" else f":{spec.grain}"
        return f"{spec.kind}:{spec.anchor}{grain}" + (":last" if spec.rule == "last" else "")
    if spec.kind == "rolling":
        whole_days = spec.hours > 48 and spec.hours % 24 == 0  # 24h and 48h are how people say those
        return f"rolling:{spec.hours // 24}d" if whole_days else f"rolling:{spec.hours}h"
    if spec.kind == "custom":
        return ",".join(f"{one.first}..{one.last}" for one in spec.ranges)
    return spec.kind


def _parse_retail(kind: str, parts: list[str], timezone: str) -> WindowSpec:
    anchor, options = _parse_date(parts[0], "anchor"), parts[1:]
    grain: RetailGrain = "period"
    rule: YearRule = "nearest"
    for option in options:
        if option in ("quarter", "year"):
            grain = "quarter" if option == "quarter" else "year"
        elif option == "last":
            rule = "last"
        else:
            raise BadWindow(f"{option!r} is no part of a {kind} window: say :quarter, :year or :last", field="window")
    return WindowSpec(_kind(kind), timezone, anchor=anchor, grain=grain, rule=rule)


def _parse_range(text: str) -> DateRange:
    first, _, last = text.strip().partition("..")
    return DateRange(_parse_date(first, "ranges"), _parse_date(last, "ranges"))


def _parse_date(text: str, field: str) -> date:
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip()):
            return date.fromisoformat(text.strip())
    except ValueError as error:
        raise BadWindow(f"{text!r} is no date of the calendar", field=field) from error
    raise BadWindow(f"{text!r} is not a date: write it as 2026-03-31", field=field)


def _kind(name: str) -> Kind:
    found: Kind = msgspec.convert(name, Kind)
    return found


def _choice(field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise BadWindow(f"{field} is one of {', '.join(choices)}, not {value!r}", field=field)
