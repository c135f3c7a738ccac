"""The figures of a page: one question each to `explore`, asked once for HTML, JSON and CSV alike.

A table's rows, its "others" and its totals always add up: what a limit cuts off is one row of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from bursar.console.view import View
from bursar.domain.periods import Bucket, Grain, Period, buckets
from bursar.explore.filters import Filter
from bursar.explore.query import Explorer, Query
from bursar.explore.vocabulary import COST_MEASURES

HOURS_SPAN_S = 2 * 86_400 + 7_200  # two days and a clock change
DAYS_SPAN_S = 95 * 86_400
WEEKS_SPAN_S = 400 * 86_400
ROWS_MAX = 20_000
SPIKE_SHARE = Decimal("0.2")  # of a day

SERIES_MEASURES = {
    "cost": ("effective_cost",),
    "calls": ("calls",),
    "tokens": ("total_input_tokens", "total_output_tokens"),
    "rate": ("effective_cost", "calls"),
}


class Amounts(msgspec.Struct, frozen=True):
    """What a group of charges adds up to.

    effective_cost: USD; None where every charge of the group is unpriced. `unpriced_count` of them aren't in it.
    saved_cost: what all levers saved (docs/savings.md); negative where they cost more than that.
    Tokens in are all tokens in, cached or not; `cache_read_tokens` of them were read from a provider's cache.
    """

    effective_cost: Decimal | None = None
    list_cost: Decimal | None = None
    saved_cost: Decimal | None = None
    retry_cost: Decimal | None = None
    calls: int = 0
    attempts: int = 0
    total_input_tokens: int = 0
    cache_read_tokens: int = 0
    total_output_tokens: int = 0
    unpriced_count: int = 0
    estimated_count: int = 0
    assumed_count: int = 0
    errors: int = 0
    retries: int = 0

    @property
    def tokens(self) -> int:
        return self.total_input_tokens + self.total_output_tokens

    @property
    def cost(self) -> Decimal:
        """For sums and bars only: what is known of the cost."""
        return self.effective_cost or Decimal(0)

    @property
    def unsaved_cost(self) -> Decimal:
        """What it would have cost, at list prices, without what any lever saved."""
        return (self.list_cost or Decimal(0)) + (self.saved_cost or Decimal(0))

    @property
    def cost_per_call(self) -> Decimal | None:
        return None if self.effective_cost is None or not self.calls else self.effective_cost / self.calls

    @property
    def cost_per_1000(self) -> Decimal | None:
        """USD per 1,000 calls; None where there were none or nothing is priced."""
        return None if self.effective_cost is None or not self.calls else self.effective_cost * 1000 / self.calls


class CostRow(msgspec.Struct, frozen=True):
    """One group: the values of the dimensions asked for, its amounts, and those of the period before."""

    keys: tuple[str, ...]
    now: Amounts
    before: Amounts | None = None


class CostTable(msgspec.Struct, frozen=True):
    """Groups, largest first; `others` adds up the `others_count` groups that the limit left out."""

    dimensions: tuple[str, ...]
    rows: list[CostRow]
    others: CostRow | None
    others_count: int
    totals: CostRow


class SeriesTable(msgspec.Struct, frozen=True):
    """Amounts per bucket of time and value of one dimension; a missing pair is nothing spent."""

    grain: Grain
    buckets: list[Bucket]
    names: list[str]
    cells: dict[tuple[str, int], Amounts]
    totals: list[Amounts]
    before: list[Amounts] | None


def cost_table(
    explorer: Explorer,
    view: View,
    dimensions: Sequence[str],
    limit: int,
    sort: str = "cost",
    measures: Sequence[str] = COST_MEASURES,
    *,
    movers: int = 0,
    totals: CostRow | None = None,
) -> CostTable:
    """Cost by one or two dimensions over the view's period, with the period before beside it.

    sort: one of SORTS; a leading "-" turns it round. measures: what isn't asked for reads as nothing.
    movers: so many rows whose cost moved most are there whatever the limit, behind the others.
    totals: those of the same view if they are known; it saves a question.
    """
    order = SORTS[sort.lstrip("-")]
    if order.startswith("change:") and view.before is None:
        order = SORTS["cost"]
    found = explorer.run(
        Query(
            period=view.period,
            measures=tuple(measures),
            dimensions=tuple(dimensions),
            filters=tuple(view.filters),
            order=order if dimensions else "",
            ascending=sort.startswith("-"),
            limit=limit,
            compare=view.before is not None,
            movers=movers if view.before is not None else 0,
        ),
        rows_only=totals is not None,
    )
    width = len(dimensions)
    befores = found.before if found.before is not None else [None] * len(found.rows)
    compared = view.before is not None
    rows = [
        CostRow(
            tuple("" if key is None else str(key) for key in row[:width]),
            amounts_of(dict(zip(found.measures, row[width:], strict=True))),
            amounts_of(before or {}) if compared else None,
        )
        for row, before in zip(found.rows, befores, strict=True)
    ]
    others = None
    if found.other is not None:
        others = CostRow((), amounts_of(found.other), amounts_of(found.before_other or {}) if compared else None)
    if totals is None:
        totals = CostRow((), amounts_of(found.totals), amounts_of(found.before_totals or {}) if compared else None)
    return CostTable(tuple(dimensions), rows, others, found.other_groups, totals)


def totals_of(explorer: Explorer, view: View) -> CostRow:
    """All measures of the whole period: cheap, since nothing is grouped."""
    return cost_table(explorer, view, (), 0).totals


def most_changed(table: CostTable, count: int) -> list[CostRow]:
    """The groups whose cost moved most, rises and falls alike; empty if nothing is compared.

    table: one dimension, asked with as many `movers`.
    """
    moved = [row for row in table.rows if change_of(row)]
    return sorted(moved, key=lambda row: (-abs(change_of(row)), row.keys))[:count]


def shortened(table: CostTable, count: int) -> CostTable:
    """The first rows of a table; the rest of them join its "others", exactly."""
    rest = table.rows[count:]
    if not rest:
        return table
    parts = [*rest, *([table.others] if table.others else [])]
    before = plus(row.before for row in parts if row.before) if table.totals.before else None
    others = CostRow((), plus(row.now for row in parts), before)
    return CostTable(table.dimensions, table.rows[:count], others, table.others_count + len(rest), table.totals)


def cost_series(
    explorer: Explorer, view: View, dimension: str, names: Sequence[str], grain: Grain, show: str = "cost"
) -> SeriesTable:
    """Amounts per hour, day, week or month for some values of a dimension, and in all; only what `show` needs."""
    columns = buckets(view.period, grain)
    at = {bucket.label: index for index, bucket in enumerate(columns)}
    measures = SERIES_MEASURES[show]
    cells: dict[tuple[str, int], Amounts] = {}
    if names:
        only = (*view.filters, Filter(dimension, tuple(names)))
        found = ask(explorer, view.period, view, (grain, dimension), filters=only, measures=measures)
        cells = {(name, at[label]): amounts for (label, name), amounts in found.items() if label in at}
    totals = _by_bucket(explorer, view, view.period, columns, grain, measures)
    before = None
    if view.before:
        earlier = buckets(view.before, grain)
        before = _by_bucket(explorer, view, view.before, earlier, grain, measures)[: len(columns)]
    return SeriesTable(grain, columns, list(names), cells, totals, before)


def chart_names(series: SeriesTable, count: int) -> list[str]:
    """Which values a chart gives a colour of their own: the largest, and in the last place the one that towers highest
    over a single bucket, so that a spike never hides in "Other"."""
    if len(series.names) <= count:
        return series.names
    spikes = [
        (amounts.cost, name)
        for (name, at), amounts in series.cells.items()
        if name in series.names[count - 1 :] and amounts.cost > SPIKE_SHARE * series.totals[at].cost
    ]
    last = max(spikes)[1] if spikes else series.names[count - 1]
    return [*series.names[: count - 1], last]


def _by_bucket(
    explorer: Explorer, view: View, period: Period, columns: Sequence[Bucket], grain: Grain, measures: Sequence[str]
) -> list[Amounts]:
    found = ask(explorer, period, view, (grain,), measures=measures)
    return [found.get((bucket.label,), Amounts()) for bucket in columns]


def ask(
    explorer: Explorer,
    period: Period,
    view: View,
    dimensions: Sequence[str],
    *,
    filters: Sequence[Filter] | None = None,
    measures: Sequence[str] = COST_MEASURES,
) -> dict[tuple[str, ...], Amounts]:
    """Groups with their amounts, without comparison. No dimension: one group, the total, under ()."""
    found = explorer.run(
        Query(
            period=period,
            measures=tuple(measures),
            dimensions=tuple(dimensions),
            filters=tuple(view.filters if filters is None else filters),
            limit=ROWS_MAX if dimensions else None,
        ),
        rows_only=bool(dimensions),
    )
    if not dimensions:
        return {(): amounts_of(found.totals)}
    width = len(dimensions)
    return {
        tuple("" if key is None else str(key) for key in row[:width]): amounts_of(
            dict(zip(found.measures, row[width:], strict=True))
        )
        for row in found.rows
    }


def grain_for(period: Period, first: datetime | None = None) -> Grain:
    """The coarsest grain that still shows the shape: hours for two days, days for three months, then weeks, months."""
    start = max(period.start, first) if first else period.start
    seconds = (period.end - start).total_seconds()
    if seconds <= HOURS_SPAN_S:
        return "hour"
    if seconds <= DAYS_SPAN_S:
        return "day"
    return "week" if seconds <= WEEKS_SPAN_S else "month"


def plus(parts: Iterable[Amounts]) -> Amounts:
    """The exact sum. A cost stays unknown only if none of the parts is known."""
    parts = list(parts)
    added: dict[str, Any] = {}
    for name in COSTS:
        known = [value for part in parts if (value := getattr(part, name)) is not None]
        added[name] = sum(known, Decimal(0)) if known else None
    for name in COUNTS:
        added[name] = sum(getattr(part, name) for part in parts)
    return Amounts(**added)


def minus(whole: Amounts, part: Amounts) -> Amounts:
    """What is left of a total, exactly."""
    left: dict[str, Any] = {}
    for name in COSTS:
        of_whole, of_part = getattr(whole, name), getattr(part, name)
        left[name] = None if of_whole is None else of_whole - (of_part or 0)
    for name in COUNTS:
        left[name] = getattr(whole, name) - getattr(part, name)
    return Amounts(**left)


def amounts_of(row: Mapping[str, Any]) -> Amounts:
    """A row of `explore` as amounts: a count that is missing is none, a cost that is missing is unknown."""
    values: dict[str, Any] = {name: row.get(name) for name in COSTS}
    values |= {name: int(row.get(name) or 0) for name in COUNTS}
    return Amounts(**values)


def change_of(row: CostRow) -> Decimal:
    """By how much the cost moved; zero if nothing is compared."""
    return row.now.cost - row.before.cost if row.before else Decimal(0)


SORTS = {
    "cost": "effective_cost", "change": "change:effective_cost", "calls": "calls", "tokens": "total_input_tokens",
    "saved": "saved_cost", "name": "", "unpriced": "unpriced_count",
}  # fmt: skip
"""How a table can be sorted, and `explore`'s order for it."""

COSTS = tuple(name for name in Amounts.__struct_fields__ if name.endswith("cost"))
COUNTS = tuple(name for name in Amounts.__struct_fields__ if not name.endswith("cost"))
