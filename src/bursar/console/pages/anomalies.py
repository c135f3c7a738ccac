"""Anomalies: what goes on beyond the expected and what is over, by money; how often each detector was right."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from bursar.console.anomalies import AnomaliesTold, AnomalyTold, PrecisionTold, anomalies_told
from bursar.console.context import ConsoleContext
from bursar.console.format import Format
from bursar.console.marking import about
from bursar.console.pages.costs import gateway_address
from bursar.console.pages.explore import read_choice
from bursar.console.view import View
from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.watching import Marker, SeriesKey, Signal
from bursar.governance.findings import LISTED_MAX
from bursar.reviews.doing import OVER_LEAST
from bursar.watch.buckets import WATCHED
from bursar.watch.following import FORGOTTEN_US
from bursar.watch.telling import SIGNALS

STATES = {"all": "All", "open": "Going on", "ended": "Over"}
WHOLE = "none"  # how an address says: of no dimension, but all calls
MARKERS_SHOWN = 12
YOUNG = (timedelta(days=1), timedelta(days=14), timedelta(days=28))
"""Of books: from when on days are compared with days, weeks with weeks, and with four of them."""


class ShownAnomaly(msgspec.Struct, frozen=True):
    """A row. amounts in USD; whose_href: what it costs, in Explore; lasted: how long it went on, in words."""

    told: AnomalyTold
    href: str
    dimension: str
    whose: str
    whose_href: str
    excess: Decimal
    per_hour: Decimal
    per_month: Decimal
    lasted: str


class Sums(msgspec.Struct, frozen=True):
    """Of rows, USD; they add up."""

    excess: Decimal
    per_hour: Decimal
    per_month: Decimal


class ShownMarker(msgspec.Struct, frozen=True):
    """Something that happened, and about whom: the name of a dimension, and its value as people call it."""

    marker: Marker
    at: datetime
    dimension: str
    value: str


class Watched(msgspec.Struct, frozen=True):
    """What is watched, since when, and what can't be known yet."""

    is_on: bool
    dimensions: list[str]
    since: datetime | None
    young: str
    holidays: list[str] = []


def anomalies_figures(context: ConsoleContext, view: View) -> AnomaliesTold:
    """What went on in the view's period: by its state, the dimension of its series, and its filters.

    Each condition lets through what an anomaly is of or is nested in. Raises BadRequest for an unknown state.
    """
    return _asked(view, _in_period(context, view)[0])


def anomalies_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads."""
    whole, is_cut = _in_period(context, view)
    told = _asked(view, whole)
    names = Names(context)
    rows = [_shown(view, f, one, names) for one in told.anomalies]
    going_on = [row for row in rows if row.told.status == "open"]
    over = [row for row in rows if row.told.status != "open"]
    dear = [row for row in over if abs(row.excess) >= OVER_LEAST]
    small = [row for row in over if abs(row.excess) < OVER_LEAST] if dear else []
    state = view.get("state", "all")
    labelled = sum(one.true + one.false + one.expected for one in told.precision)
    markers = about(context.markers(view.period), view.filters)
    return {
        "data": {
            "lead": _lead(f, told, going_on),
            "cut_at": LISTED_MAX if is_cut else 0,
            "open": going_on,
            "open_sums": sums_of(going_on),
            "over": over,
            "over_dear": dear or over,
            "over_small": small,
            "small_sums": sums_of(small),
            "small_under": OVER_LEAST,
            "over_sums": sums_of(over),
            "has_any": bool(whole.anomalies),
            "precision": [(SIGNALS[Signal(one.signal)], one, rarer(one)) for one in told.precision],
            "labelled": labelled,
            "right": labelled - sum(one.false for one in told.precision),
            "markers": [shown_marker(one, names) for one in markers[:MARKERS_SHOWN]],
            "marker_count": len(markers),
            "watched": watched(context, f),
        },
        "state_links": [
            (words, view.url(state=None if name == "all" else name), name == state) for name, words in STATES.items()
        ],
        "dimension_links": _dimension_links(view, f, whole),
        "gateway": gateway_address(context),
        "csrf": context.csrf,
    }  # fmt: skip


def _dimension_links(view: View, f: Format, whole: AnomaliesTold) -> list[tuple[str, str, bool]]:
    """Only dimensions that some anomaly is of."""
    asked = view.get("dimension")
    names = sorted({one.series.dimension for one in whole.anomalies}, key=_place)
    links = [("Any", view.url(dimension=None), not asked)]
    for name in names:
        said = name or WHOLE
        links.append((f.field(name) if name else "All calls", view.url(dimension=said), said == asked))
    return links


class Names:
    """What people call the values of a dimension: keys have names, read at first use; others are what they are."""

    def __init__(self, context: ConsoleContext) -> None:
        self._context = context
        self._of_keys: Callable[[str], str] | None = None

    def __call__(self, series: SeriesKey) -> str:
        if series.dimension != "credential_id":
            return series.value
        if self._of_keys is None:
            self._of_keys = self._context.key_namer()
        return self._of_keys(series.value)


def watched(context: ConsoleContext, f: Format) -> Watched:
    """What is watched, and what books as young as these can't tell."""
    watch = context.config.watch
    dimensions = [f.field(name).lower() for name in (*WATCHED, *(f"tag:{name}" for name in watch.tags))]
    since = context.explorer.first_call_at()
    return Watched(watch.enabled, dimensions, since, "" if since is None else _young(f, since), watch.holidays)


def rarer(one: PrecisionTold) -> str:
    """How much rarer something must be than without labels: "3×"; "" where labels ask for no more."""
    times = Decimal(10) ** Decimal(str(one.threshold_shift))
    return "" if one.threshold_shift < _SHIFT_SEEN else f"{times:.1f}×" if times < _TENFOLD else f"{times:,.0f}×"


def sums_of(rows: Sequence[ShownAnomaly]) -> Sums:
    zero = Decimal(0)
    return Sums(
        sum((row.excess for row in rows), zero), sum((row.per_hour for row in rows), zero),
        sum((row.per_month for row in rows), zero),
    )  # fmt: skip


def shown_marker(one: Marker, names: Names) -> ShownMarker:
    return ShownMarker(one, datetime_from_us(one.at_us), one.scope.dimension, names(one.scope))


def length(f: Format, start: datetime, end: datetime) -> str:
    """How long something lasts, in the two largest units: "3 h 20 min", "2 d 4 h"."""
    minutes = max(int((end - start).total_seconds() // 60), 1)
    days, hours = divmod(minutes // 60, 24)
    parts = [(days, "d"), (hours, "h"), (minutes % 60, "min")]
    first = next(at for at, (number, _) in enumerate(parts) if number)
    return " ".join(f"{f.count(number)} {unit}" for number, unit in parts[first : first + 2] if number)


def _in_period(context: ConsoleContext, view: View) -> tuple[AnomaliesTold, bool]:
    """Those that went on at any time of the period, and whether there are more than are looked at."""
    found = anomalies_told(context.anomalies(), since_us=us_from_datetime(view.period.start) - FORGOTTEN_US)
    within = [
        one
        for one in found.anomalies
        if one.began_at < view.period.end and (one.ended_at is None or one.ended_at > view.period.start)
    ]
    return msgspec.structs.replace(found, anomalies=within), len(found.anomalies) >= LISTED_MAX


def _asked(view: View, found: AnomaliesTold) -> AnomaliesTold:
    state, dimension = read_choice(view, "state", STATES, "all"), view.get("dimension")
    wanted = {"open", "ended"} if state == "all" else {state}
    shown = [
        one
        for one in found.anomalies
        if one.status in wanted
        and (not dimension or one.series.dimension == ("" if dimension == WHOLE else dimension))
        and all(_is_let_through(one, each.field, each.op, each.values) for each in view.filters)
    ]
    going_on = [one for one in shown if one.status == "open"]
    return AnomaliesTold(
        len(going_on),
        str(sum((Decimal(one.excess_per_hour) for one in going_on), Decimal(0))),
        str(sum((Decimal(one.per_month) for one in going_on), Decimal(0))),
        shown,
        found.precision,
    )


def _is_let_through(one: AnomalyTold, field: str, op: str, values: Sequence[str]) -> bool:
    """By the values of its own series and of those it showed on; where it says nothing of a field, all it has is in."""
    own = [each.value for each in (one.series, *one.nested) if each.dimension == field]
    found = {
        "is": any(value in values for value in own),
        "not": not any(value in values for value in own),
        "contains": any(each.lower() in value.lower() for value in own for each in values),
        "starts": any(value.lower().startswith(each.lower()) for value in own for each in values),
    }
    return found[op]


def _shown(view: View, f: Format, one: AnomalyTold, names: Names) -> ShownAnomaly:
    series = one.series
    return ShownAnomaly(
        told=one,
        href=view.url(one.address),
        dimension=f.field(series.dimension) if series.dimension else "",
        whose=names(series) or ("all calls" if not series.dimension else ""),
        whose_href=one.explore,
        excess=Decimal(one.excess),
        per_hour=Decimal(one.excess_per_hour),
        per_month=Decimal(one.per_month),
        lasted=length(f, one.began_at, one.ended_at or one.counted_until),
    )


def _lead(f: Format, told: AnomaliesTold, going_on: Sequence[ShownAnomaly]) -> str:
    if not told.anomalies:
        return ""
    known = sum(row.told.label == "expected" for row in going_on)
    over = len(told.anomalies) - told.open_count
    parts = [f"{f.count(told.open_count)} {'goes' if told.open_count == 1 else 'go'} on"] if told.open_count else []
    parts += [f"{f.count(known)} of them expected"] if known else []
    parts += [f"{f.count(over)} {'is' if over == 1 else 'are'} over"] if over else []
    return ", ".join(parts)


def _place(dimension: str) -> tuple[int, str]:
    return (WATCHED.index(dimension) if dimension in WATCHED else len(WATCHED), dimension)


def _young(f: Format, since: datetime) -> str:
    """What isn't known yet while the books are young."""
    age = f.now - since
    days, weeks, month = YOUNG
    if age < days:
        return (
            "The books are younger than a day: what a usual hour is isn't known yet, so only what stands out of the "
            f"last hours is seen. From {f.moment(since + days)} on, days are compared with days."
        )
    if age < weeks:
        return (
            "Days are compared with days: a weekend, or a job that runs once a week, may still look like news. From "
            f"{f.day(since + weeks)} on, weeks are compared with weeks."
        )
    if age < month:
        return f"Weeks are compared with weeks; from {f.day(since + month)} on, with four of them."
    return ""


_SHIFT_SEEN = 0.005
_TENFOLD = Decimal(10)
