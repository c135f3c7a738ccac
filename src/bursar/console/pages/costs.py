"""What Overview and Explore share: rows ready for a table, columns of a chart, where each figure leads."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from bursar.console import charts
from bursar.console.charts import Chart, Column, Series
from bursar.console.context import ConsoleContext
from bursar.console.figures import Amounts, CostRow, SeriesTable, minus, plus
from bursar.console.format import Format
from bursar.console.marking import about, marked, spans_of
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.periods import Bucket, Grain, buckets, zone

NONE = "(none)"
DRILL = {"feature": "customer", "team": "feature", "customer": "feature", "model": "feature", "provider": "model"}
"""What to look at next once one value of a dimension is chosen."""

SHOWS = {"cost": "Cost", "calls": "Calls", "tokens": "Tokens", "rate": "Cost per 1,000"}


class Shown(msgspec.Struct, frozen=True):
    """A row of a money table: its label, colour, share bar (per cent of the largest) and links."""

    label: str
    href: str
    calls_href: str
    slot: int
    share: float
    now: Amounts
    before: Amounts | None
    delta: Decimal
    muted: bool = False
    level: str = ""  # "group", "child", "rest": how the row sits in the table
    trend: tuple[Decimal | None, ...] = ()


def show_row(
    view: View, dimension: str, row: CostRow, slot: int, largest: Decimal, *, level: str = "",
    trend: tuple[Decimal | None, ...] = (), within: tuple[str, str] | None = None,
) -> Shown:  # fmt: skip
    """One group as a row. Its name opens what is inside it; its amount opens the calls behind it.

    within: the (dimension, value) of the group it is a part of.
    """
    value = row.keys[-1]
    inside = view if within is None else msgspec.structs.replace(view, filters=view.with_one(*within))
    if level == "child" or dimension not in DRILL:
        href = inside.with_filter(dimension, value, "/calls")
    else:
        href = inside.with_filter(
            dimension, value, "/explore", by=next_dimension(view, dimension), **{"and": None, "sort": None}
        )
    return Shown(
        label=value or NONE,
        href=href,
        calls_href=inside.with_filter(dimension, value, "/calls", order="dearest"),
        slot=slot,
        share=share_of(row.now.cost, largest),
        now=row.now,
        before=row.before,
        delta=row.now.cost - (row.before.cost if row.before else Decimal(0)),
        muted=not value,
        level=level,
        trend=trend,
    )


def next_dimension(view: View, dimension: str) -> str:
    """What to group by after choosing a value of `dimension`: the first of its chain that isn't chosen yet."""
    chosen = {one.field for one in view.filters} | {dimension}
    candidates = (DRILL.get(dimension, "model"), "model", "customer", "feature", "team", "session")
    return next(name for name in (*candidates, "outcome") if name not in chosen or name == "outcome")


def share_of(part: Decimal, largest: Decimal) -> float:
    """The length of a share bar in per cent, one decimal; of the largest row, so that it fills its cell."""
    return round(float(part / largest) * 100, 1) if largest > 0 and part > 0 else 0.0


def finding(
    view: View, f: Format, totals: CostRow, rows: Sequence[CostRow], dimension: str, first_call: datetime | None
) -> str:
    """The sentence over a chart: how the total moved, what moved it most, and if the comparison limps, why."""
    if totals.before is None or view.before is None:
        return ""
    if first_call is not None and first_call >= view.before.end:
        return f"the books begin on {f.day(first_call)}: there is nothing to compare with"
    if uncovered(view, f, first_call):
        return f"{view.before_label} isn't whole in the books, so nothing is compared"
    delta = totals.now.cost - totals.before.cost
    moved = max(rows, key=lambda row: abs(row.now.cost - (row.before.cost if row.before else 0)), default=None)
    if not totals.before.cost:
        return f"nothing in {view.before_label}"
    if not delta:
        return f"the same as {view.before_label}"
    if moved is None or moved.before is None:
        return f"{f.difference(totals.now.cost, totals.before.cost)} vs {view.before_label}"
    part = moved.now.cost - moved.before.cost
    words = f"{f.difference(totals.now.cost, totals.before.cost)} vs {view.before_label}"
    if part and len(rows) > 1:
        together = (part > 0) == (delta > 0)
        how = "most of it" if together and part / delta > _HALF else "above all" if together else "in spite of"
        words += f"; {how} {moved.keys[0] or f'cost without {f.field(dimension).lower()}'}, "
        words += display.MINUS if part < 0 else "+"
        words += str(display.money(abs(part), f.currency, f.locale))
    return words


def gateway_address(context: ConsoleContext) -> str:
    """Where clients connect, for the commands that an empty page shows."""
    return f"http://{context.config.gateway.host}:{context.config.gateway.port}"


def uncovered(view: View, f: Format, first_call: datetime | None) -> str:
    """Why a change against the period before would mislead: `books begin 24 Sep`. "" if the books cover that period.

    A page then shows no change at all: what wasn't booked yet isn't what wasn't spent.
    """
    if first_call is None or not view.is_before_cut(first_call):
        return ""
    return f"books begin {f.day(first_call, year=False)}"


def amounts_chart(
    context: ConsoleContext,
    view: View,
    f: Format,
    table: SeriesTable,
    dimension: str,
    show: str = "cost",
    *,
    first_call: datetime | None = None,
) -> Chart:
    """The stacked chart of a series table; "Other" is what the named values don't add up to, exactly.

    first_call: when the books begin; the line of the period before begins there too.
    """
    columns = [bucket_column(view, f, bucket, table.grain) for bucket in table.buckets]
    slots = context.colours(dimension, table.names)
    parts = [
        Series(
            name or NONE,
            slot,
            [measure(table.cells.get((name, at), Amounts()), show) for at in range(len(columns))],
            view.with_filter(dimension, name),
            muted=not name,
        )
        for name, slot in zip(table.names, slots, strict=True)
    ]
    rest = [
        minus(total, plus(table.cells.get((name, at), Amounts()) for name in table.names))
        for at, total in enumerate(table.totals)
    ]
    others = [measure(amounts, show) for amounts in rest]
    if any(others) and show != "rate":
        parts.append(Series("Other" if table.names else "All", 0 if table.names else 1, others))
    tell = f.plain_money if show in ("cost", "rate") else f.compact
    ticks = f.money_tick if show in ("cost", "rate") else f.compact_tick
    heading = f"{SHOWS[show]} by {table.grain}, by {f.field(dimension).lower()}, {view.days_label}"
    if show == "rate":
        parts = parts or [Series("All", 1, [measure(amounts, show) for amounts in table.totals])]
        drawn = charts.lines(columns, parts, tell=tell, tell_tick=ticks, label=heading)
        return marked_in(context, view, drawn, table.buckets)
    before: list[Decimal | None] = []
    if table.before is not None and view.before is not None:
        earlier = buckets(view.before, table.grain)[: len(table.before)]
        before = [
            measure(amounts, show) if first_call is None or bucket.end > first_call else None
            for amounts, bucket in zip(table.before, earlier, strict=False)
        ]
    drawn = charts.stacked_bars(
        columns, parts, tell=tell, tell_tick=ticks, before=before if any(before) else [],
        before_label=view.before_label, label=heading,
    )  # fmt: skip
    return marked_in(context, view, drawn, table.buckets)


def marked_in(context: ConsoleContext, view: View, chart: Chart, columns: Sequence[Bucket]) -> Chart:
    """A chart with what happened in its period, as far as it is about what the filters let through."""
    return marked(chart, spans_of(columns), about(context.markers(view.period), view.filters))


def measure(amounts: Amounts, show: str) -> Decimal | None:
    """The figure that a chart shows of a group. A rate of nothing is unknown, not zero."""
    if show == "rate":
        return amounts.cost_per_1000
    if show == "cost":
        return amounts.cost
    return Decimal(amounts.calls if show == "calls" else amounts.tokens)


def bucket_column(view: View, f: Format, bucket: Bucket, grain: Grain, path: str = "/explore") -> Column:
    """A bar's words and where it leads: a day opens its hours on the page at `path`, an hour its calls."""
    start = bucket.start.astimezone(zone(view.timezone))
    last = (bucket.end - timedelta(microseconds=1)).astimezone(zone(view.timezone)).date()
    partial = bucket.start <= view.now < bucket.end
    period = bucket_period(view, bucket, grain)
    if grain == "hour":
        label = f"{start:%H:%M}" if start.hour else display.day(start)
        title = f"{display.day(start)}, {start:%H:%M}"
        return Column(label, title, view.url("/calls", period=period, order="dearest"), partial=partial)
    if grain == "month":
        label, title = display.month(start)[:3], display.month(start)
    else:
        label = display.day(start)
        title = (
            f"{_WEEKDAYS[start.weekday()]} {display.day(start)}" if grain == "day" else display.days(start.date(), last)
        )
    href = view.url(path, period=period, **view.extra_if(path))
    return Column(label, title, href, start.date().isoformat(), last.isoformat(), partial)


def bucket_period(view: View, bucket: Bucket, grain: Grain) -> str:
    """A bucket as an address says it; of a week or month that the page's period cuts, the part that is in it."""
    start = bucket.start.astimezone(zone(view.timezone)).date()
    last = (bucket.end - timedelta(microseconds=1)).astimezone(zone(view.timezone)).date()
    begins = max(bucket.start, view.period.start)
    ends = bucket.end if view.includes_now else min(bucket.end, view.period.end)
    if grain == "hour" or (begins, ends) != (bucket.start, bucket.end):
        return f"{begins.astimezone(UTC):%Y-%m-%dT%H:%MZ}..{ends.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
    return start.isoformat() if last == start else f"{start}..{last}"


_HALF = Decimal("0.5")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
