"""Explore: cost by any one or two dimensions, charted and listed; every figure opens."""

from decimal import Decimal
from typing import Any, get_args

import msgspec

from bursar.console.charts import SERIES_MAX, Chart
from bursar.console.context import ConsoleContext
from bursar.console.figures import (
    SORTS,
    CostRow,
    CostTable,
    chart_names,
    cost_series,
    cost_table,
    grain_for,
    minus,
    most_changed,
    plus,
    shortened,
)
from bursar.console.format import Format
from bursar.console.pages.costs import (
    NONE,
    SHOWS,
    Shown,
    amounts_chart,
    finding,
    gateway_address,
    measure,
    share_of,
    show_row,
    uncovered,
)
from bursar.console.view import View
from bursar.domain.errors import BadRequest
from bursar.domain.periods import Grain
from bursar.explore.vocabulary import dimension

FIRST_DIMENSIONS = ("feature", "customer", "model", "team", "credential_id")
MORE_DIMENSIONS = (
    "provider", "environment", "request_type", "agent", "user", "session", "project", "operation", "outcome", "quality",
    "error_code", "upstream", "client",
)  # fmt: skip
ROWS_DEFAULT = 50
ROWS_MAX = 500
GROUPS_MAX = 200
PAIRS_MAX = 2_000
CHILDREN_SHOWN = 8
MOVERS = 2  # for the sentence over the chart
GRAINS = get_args(Grain)
EXTRAS = ("and", "show", "sort", "limit")


class Explored(msgspec.Struct, frozen=True):
    """All that the page's template reads; `rows` and the totals add up."""

    rows: list[Shown]
    totals: Shown
    title: str
    heading: str
    sort: str
    grain: str
    finding: str
    chart: Chart
    count: str
    more_href: str


def explore_table(context: ConsoleContext, view: View, *, rows_max: int = ROWS_DEFAULT) -> CostTable:
    """The figures of the page, which its `.json` and `.csv` and /api/explore give too."""
    limit, sort = read_limit(view, rows_max, 10_000), read_choice(view, "sort", SORTS, "cost")
    return cost_table(context.explorer, view, dimensions_of(view), limit, sort)


def dimensions_of(view: View) -> tuple[str, ...]:
    """What the address groups by. Raises BadRequest for the same one twice, BadQuery for one that isn't there."""
    second = view.get("and")
    for name in (view.by, second):
        if name in GRAINS:
            raise BadRequest(
                f"{name} is a stretch of time: ask /api/explore?grain={name} (on the page, the chart shows it)",
                field="by",
            )
        if name:
            dimension(name)
    if second == view.by:
        raise BadRequest(f"by and and are both {second!r}; group by two different dimensions", field="and")
    return (view.by, second) if second else (view.by,)


def read_choice(view: View, name: str, choices: Any, default: str) -> str:
    """A parameter that is one of a few words, a leading "-" allowed where they are orders."""
    value = view.get(name, default)
    bare = value.removeprefix("-") if name == "sort" else value
    if bare not in choices:
        raise BadRequest(f"{name} is {value[:40]!r}; it can be {', '.join(choices)}", field=name)
    return value


def read_limit(view: View, default: int, most: int) -> int:
    """How many rows. Raises BadRequest outside 1 to `most`."""
    text = view.get("limit")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 7 and 1 <= int(text) <= most):
        raise BadRequest(f"limit is {text[:20]!r}; it can be a whole number from 1 to {most}", field="limit")
    return int(text)


def explore_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything around and in the template."""
    dimensions = dimensions_of(view)
    sort = read_choice(view, "sort", SORTS, "cost")
    show = read_choice(view, "show", SHOWS, "cost")
    limit = read_limit(view, ROWS_DEFAULT, ROWS_MAX)
    whole = cost_table(context.explorer, view, dimensions[:1], max(limit, GROUPS_MAX), sort, movers=MOVERS)
    table = shortened(whole, limit)
    grain = grain_for(view.period)
    names = [row.keys[0] for row in table.rows]
    series = cost_series(context.explorer, view, view.by, names, grain, show)
    colored = chart_names(series, SERIES_MAX)
    largest = max((row.now.cost for row in table.rows), default=Decimal(0))
    slot_of = dict(zip(colored, context.colours(view.by, colored), strict=True))
    children = _children(context, view, dimensions, table) if len(dimensions) > 1 else {}
    rows: list[Shown] = []
    for row in table.rows:
        name = row.keys[0]
        trend = tuple(measure(series.cells[name, at], show) if (name, at) in series.cells else Decimal(0)
                      for at in range(len(series.buckets)))  # fmt: skip
        parts = children.get(name, [])
        level = "group" if len(dimensions) > 1 else ""
        rows.append(show_row(view, view.by, row, slot_of.get(name, 0), largest, trend=trend, level=level))
        rows += _child_rows(view, f, row, parts, slot_of.get(name, 0), largest, dimensions)
    if table.others:
        label = f"{f.count(table.others_count)} others"
        rows.append(_sum_row(view, table.others, label, 0.0))
    more = view.url(limit=str(min(limit * 4, ROWS_MAX))) if table.others and limit < ROWS_MAX else ""
    moved = most_changed(whole, MOVERS)
    first_call = context.explorer.first_call_at()
    data = Explored(
        rows=rows,
        totals=_sum_row(view, table.totals, "All", 0.0),
        title=f"{SHOWS[show]} by {grain}",
        heading=" › ".join(f.field(name) for name in dimensions),
        sort=sort,
        grain=grain,
        finding="" if show != "cost" else finding(view, f, table.totals, moved, view.by, first_call),
        chart=amounts_chart(
            context, view, f, msgspec.structs.replace(series, names=colored), view.by, show, first_call=first_call
        ),
        count=f.count(len(table.rows) + table.others_count),
        more_href=more,
    )
    return {
        "data": data,
        "uncovered": uncovered(view, f, first_call),
        "has_any": bool(rows) or first_call is not None,
        "gateway": gateway_address(context),
        **_links(context, view, f, show),
    }


def _children(
    context: ConsoleContext, view: View, dimensions: tuple[str, ...], table: CostTable
) -> dict[str, list[CostRow]]:
    """The parts of each group shown, largest first."""
    parts: dict[str, list[CostRow]] = {row.keys[0]: [] for row in table.rows}
    for row in cost_table(context.explorer, view, dimensions, PAIRS_MAX).rows:
        if row.keys[0] in parts:
            parts[row.keys[0]].append(row)
    return parts


def _child_rows(
    view: View,
    f: Format,
    group: CostRow,
    parts: list[CostRow],
    slot: int,
    largest: Decimal,
    dimensions: tuple[str, ...],
) -> list[Shown]:
    """A group's largest parts, and one row for what they leave of it, so that the parts add up to the group."""
    within = (dimensions[0], group.keys[0])
    shown = parts[:CHILDREN_SHOWN]
    rows = [show_row(view, dimensions[1], part, slot, largest, level="child", within=within) for part in shown]
    left = minus(group.now, plus(part.now for part in shown))
    if shown and (left.attempts or left.cost):
        before = minus(group.before, plus(p.before for p in shown if p.before)) if group.before else None
        hidden = max(len(parts) - len(shown), 1)
        row = _sum_row(
            view, CostRow((), left, before), f"{f.count(hidden)} more", share_of(left.cost, largest), "child"
        )
        rows.append(
            msgspec.structs.replace(row, href=view.with_filter(*within, "/explore", by=dimensions[1], **{"and": None}))
        )
    return rows


def _sum_row(view: View, row: CostRow, label: str, share: float, level: str = "rest") -> Shown:
    delta = row.now.cost - (row.before.cost if row.before else Decimal(0))
    return Shown(label, "", view.url("/calls", order="dearest"), 0, share, row.now, row.before, delta, level=level)


def _links(context: ConsoleContext, view: View, f: Format, show: str) -> dict[str, Any]:
    """The switches above the chart."""
    tags = context.tag_names(view)
    others = [*MORE_DIMENSIONS, *(f"tag:{name}" for name in tags)]
    second = view.get("and")
    listed = {*FIRST_DIMENSIONS, *others}
    more_on = f.field(view.by) if view.by not in FIRST_DIMENSIONS else ""

    def by(name: str) -> str:
        return view.url(by=name, sort=None, **{"and": None if second == name else second})

    return {
        "group_links": [(f.field(name), by(name), name == view.by) for name in FIRST_DIMENSIONS],
        "more_links": [(f.field(name), by(name), name == view.by) for name in MORE_DIMENSIONS],
        "tag_links": [(name, by(f"tag:{name}"), view.by == f"tag:{name}") for name in tags],
        "more_on": more_on,
        "then_by": f.field(second).lower() if second else "nothing",
        "then_links": [("Nothing", view.url(**{"and": None}), not second)]
        + [
            (f.field(name), view.url(**{"and": name}), name == second)
            for name in (*FIRST_DIMENSIONS, *MORE_DIMENSIONS, *sorted(listed - {*FIRST_DIMENSIONS, *MORE_DIMENSIONS}))
            if name != view.by
        ],
        "show_links": [
            (label, view.url(show=None if name == "cost" else name), name == show) for name, label in SHOWS.items()
        ],
        "tag_names": tags,
        "none": NONE,
    }
