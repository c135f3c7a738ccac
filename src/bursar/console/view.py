"""The address is the whole state: period, comparison, time zone, filters and grouping, kept through every click.

`View.url("/calls", filters=…)` is the only way a page makes a link: a copied address shows a colleague the same page.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from bursar.domain import display
from bursar.domain.errors import BadRequest
from bursar.domain.periods import Period, is_cut, parse_period, previous, zone
from bursar.explore.filters import Filter, Operator, as_filters, parse_filter
from bursar.explore.vocabulary import is_grain

DEFAULT_PERIOD = "30d"
FILTERS_MAX = 20
TEXT_CHARS_MAX = 512
COMPARISONS = {"previous": "the period before", "none": "nothing"}
SLOT_S = 900  # of the rollups: a period that ends now is asked up to the end of this slot, where nothing is yet
DEFAULT_OPERATOR: Operator = "is"
SIGNS: dict[Operator, str] = {"is": "=", "not": "!=", "contains": "~=", "starts": "^="}
PRESET_NAMES = {
    "today": "Today",
    "yesterday": "Yesterday",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "mtd": "This month",
    "last-month": "Last month",
    "90d": "Last 90 days",
    "quarter": "This quarter",
    "last-quarter": "Last quarter",
    "ytd": "This year",
    "last-year": "Last year",
    "all": "All time",
}


class View(msgspec.Struct, frozen=True):
    """One page's state as read from its address.

    path:     the page without its format suffix, "/explore".
    default_timezone: what the console is set to; an address leaves it out.
    before:   the comparable earlier period; None when nothing is compared.
    extra:    what only this page knows (`and`, `show`, `sort`, `cursor` …), single-valued, already text.
    """

    path: str
    now: datetime
    period_name: str
    period: Period
    before: Period | None
    compare: str
    timezone: str
    default_timezone: str
    filters: tuple[Filter, ...]
    by: str
    default_by: str = "feature"
    extra: Mapping[str, str] = {}

    def get(self, name: str, default: str = "") -> str:
        """A page's own parameter, or its default."""
        return self.extra.get(name, default)

    def url(self, path: str | None = None, **changes: Any) -> str:
        """The address of a page in this state, with some of it changed; what is a default is left out.

        changes: `period`, `compare`, `tz`, `by`, `filters` (a tuple of pairs), or a page's own names; None drops one.
        A page's own parameters are carried only within the same page, and never its cursor.
        """
        same_page = path is None or path == self.path
        query: dict[str, str | None] = {
            "period": self.period_name,
            "compare": self.compare,
            "tz": self.timezone,
            "by": self.by if same_page or not is_grain(self.by) else None,  # few pages have a row per month
        }
        if same_page:
            query |= {key: value for key, value in self.extra.items() if key != "cursor"}
        filters: Sequence[Filter] = changes.pop("filters", self.filters)
        query |= {name.rstrip("_"): value for name, value in changes.items()}
        defaults = {
            "period": DEFAULT_PERIOD, "compare": "previous", "tz": self.default_timezone, "by": self.default_by,
        }  # fmt: skip
        pairs = [(key, value) for key, value in query.items() if value and value != defaults.get(key)]
        pairs += [("filter", filter_text(one)) for one in filters]
        target = self.path if path is None else path
        return f"{target}?{urlencode(pairs, quote_via=quote, safe=':,')}" if pairs else target

    def with_filter(self, field: str, value: str, path: str | None = None, **changes: Any) -> str:
        """The address with one more filter; what was asked of the same field is replaced."""
        return self.url(path, filters=self.with_one(field, value), **changes)

    def with_one(self, field: str, value: str) -> tuple[Filter, ...]:
        """The filters and one more, in place of those on the same field."""
        return (*(one for one in self.filters if one.field != field), Filter(field, (value,)))

    def extra_if(self, path: str) -> Mapping[str, str]:
        """This page's own parameters, if `path` is the same page."""
        return {key: value for key, value in self.extra.items() if key != "cursor"} if path == self.path else {}

    def without_filter(self, at: int) -> str:
        """The address without the filter at that place."""
        return self.url(filters=self.filters[:at] + self.filters[at + 1 :])

    def twin(self, suffix: str) -> str:
        """The same page as `.json` or `.csv`: the same query, the same numbers; a CSV has all rows, not a page's."""
        extra = {name: value for name, value in self.extra.items() if (suffix, name) != ("csv", "limit")}
        return self.url(f"{'/overview' if self.path == '/' else self.path}.{suffix}", **extra)

    def hidden(self, *left_out: str) -> list[tuple[str, str]]:
        """Every part of the state but some, for the hidden fields of a form that sets those."""
        pairs = [("period", self.period_name), ("compare", self.compare), ("tz", self.timezone), ("by", self.by)]
        pairs += [(key, value) for key, value in self.extra.items() if key != "cursor"]
        pairs += [("filter", filter_text(one)) for one in self.filters]
        return [(key, value) for key, value in pairs if key not in left_out]

    @property
    def first_day(self) -> date:
        return self.period.start.astimezone(zone(self.timezone)).date()

    @property
    def last_day(self) -> date:
        """The last day that the period touches, in the chosen zone."""
        end = max(self.period.end - timedelta(microseconds=1), self.period.start)
        return end.astimezone(zone(self.timezone)).date()

    @property
    def days_label(self) -> str:
        """`1–31 Oct 2026`; `all` starts before any call, so it says only until when."""
        if self.period_name == "all":
            return f"until {display.day(self.last_day, year=True)}"
        return display.days(self.first_day, self.last_day)

    @property
    def period_label(self) -> str:
        """What the picker shows: the preset's name, or the days themselves."""
        return PRESET_NAMES.get(self.period_name, "") or self.days_label

    def is_before_cut(self, first_call: datetime | None) -> bool:
        """Whether the books begin within the period before, or after it: what wasn't booked isn't what wasn't spent."""
        return self.before is not None and is_cut(self.before.start, first_call)

    @property
    def before_label(self) -> str:
        """What a change is measured against, in words: "September", "the 30 days before", "1–14 Oct"."""
        if self.before is None:
            return ""
        first = self.before.start.astimezone(zone(self.timezone)).date()
        if self.period_name == "last-month":
            return display.month(first).split(" ")[0]
        if self.period_name == "today":
            return "yesterday until this time"
        if self.period_name.endswith("d") and self.period_name[:-1].isdigit():
            return f"the {self.period_name[:-1]} days before"
        last = (self.before.end - timedelta(microseconds=1)).astimezone(zone(self.timezone)).date()
        return display.days(first, max(first, last))

    @property
    def includes_now(self) -> bool:
        """Whether new calls still fall into this period, so that the page may refresh itself."""
        return self.period.end >= self.now - timedelta(seconds=5)


def read_view(
    path: str,
    query: Mapping[str, list[str]],
    now: datetime,
    default_timezone: str,
    default_by: str = "feature",
) -> View:
    """Read an address. Raises BadRequest (BadPeriod) that names the parameter and says what can be written."""
    single = {key: values[-1] for key, values in query.items() if values and key not in ("filter", *FORM_FIELDS)}
    for key, value in single.items():
        if len(value) > TEXT_CHARS_MAX:
            raise BadRequest(f"{key} is {len(value)} characters long; at most {TEXT_CHARS_MAX} are read", field=key)
    timezone = single.pop("tz", "") or default_timezone
    name = single.pop("period", "") or DEFAULT_PERIOD
    compare = single.pop("compare", "") or "previous"
    if compare not in COMPARISONS:
        raise BadRequest(f"compare is {compare!r}; it can be {' or '.join(COMPARISONS)}", field="compare")
    zone(timezone)
    period = whole_slot(parse_period(name, now, timezone), now)
    by = single.pop("by", "") or default_by
    comparable = compare == "previous" and name != "all"
    return View(
        path=path, now=now.astimezone(UTC), period_name=period.name, period=period,
        before=previous(period) if comparable else None, compare=compare,
        timezone=timezone, default_timezone=default_timezone, filters=read_filters(query.get("filter", [])), by=by,
        default_by=default_by, extra={key: value for key, value in single.items() if value},
    )  # fmt: skip


def read_filters(texts: Sequence[str]) -> tuple[Filter, ...]:
    """`["feature=checkout", "tag:plan!=pro"]` as conditions, each of one value. Raises BadQuery."""
    if len(texts) > FILTERS_MAX:
        raise BadRequest(f"{len(texts)} filters; at most {FILTERS_MAX} can be combined", field="filter")
    too_long = next((text for text in texts if len(text) > TEXT_CHARS_MAX), None)
    if too_long is not None:
        raise BadRequest(
            f"a filter is {len(too_long)} characters long; at most {TEXT_CHARS_MAX} are read", field="filter"
        )
    found = tuple(dict.fromkeys(map(parse_filter, texts)))
    as_filters(found)
    return found


def filter_text(one: Filter) -> str:
    """A condition as an address writes it."""
    return f"{one.field}{SIGNS[one.op]}{one.values[0]}"


def whole_slot(period: Period, now: datetime) -> Period:
    """A period that ends now, extended to the end of this quarter of an hour: there is nothing in the future to count,
    and the rollups, which know no finer time, can answer."""
    if period.end != now.astimezone(UTC):
        return period
    seconds = period.end.timestamp()
    return msgspec.structs.replace(period, end=datetime.fromtimestamp(-(-seconds // SLOT_S) * SLOT_S, UTC))


FORM_FIELDS = ("add_field", "add_tag", "add_op", "add_value", "from", "to")
"""What plain forms send; `canonical` folds it into the address proper."""


def canonical(view: View, query: Mapping[str, list[str]]) -> str | None:
    """Where a plain form's answer should lead: the same state in its one spelling. None if no form was sent."""
    form = {name: query[name][-1].strip() for name in FORM_FIELDS if query.get(name)}
    if not form:
        return None
    if form.get("from") or form.get("to"):
        first, last = form.get("from", ""), form.get("to", "")
        period = f"{first or last}..{last}" if first != last else first
        parse_period(period, view.now, view.timezone)
        return view.url(period=period)
    field = form.get("add_field", "")
    if field == "tag":
        field = f"tag:{form.get('add_tag', '')}"
    if not field or field == "tag:":
        return view.url()
    op = next((op for op in SIGNS if op == form.get("add_op")), DEFAULT_OPERATOR)
    one = Filter(field, (form.get("add_value", ""),), op)
    as_filters((one,))
    kept = tuple(other for other in view.filters if op != "is" or other.field != field)
    return view.url(filters=tuple(dict.fromkeys((*kept, one))))
