"""Overview: what was spent, on what, what changed, and what waits for somebody."""

from decimal import Decimal
from typing import Any

import msgspec

from bursar.console.charts import SERIES_MAX, Chart
from bursar.console.context import ConsoleContext
from bursar.console.figures import (
    Amounts,
    CostRow,
    CostTable,
    ask,
    chart_names,
    cost_series,
    cost_table,
    grain_for,
    most_changed,
    shortened,
    totals_of,
)
from bursar.console.forecast_tile import ForecastTile, forecast_tile
from bursar.console.format import Format
from bursar.console.invoicing import Covered, coverage_of
from bursar.console.pages.costs import Shown, amounts_chart, finding, gateway_address, show_row, uncovered
from bursar.console.pages.needs import Need, needs_of
from bursar.console.view import View
from bursar.console.waste import Part, waste_total
from bursar.domain import display
from bursar.explore.filters import Filter

DIMENSIONS = ("feature", "team", "customer", "model")
QUICK_PERIODS = {"today": "Today", "7d": "7 days", "30d": "30 days", "mtd": "This month", "last-month": "Last month"}
TOP_ROWS = 8
CANDIDATES = 20  # values that may get a colour: the dearest, and those that moved most
ROW_MEASURES = ("effective_cost", "calls")
GROUPS_MAX = 200  # groups asked for at once: with all of them, one question answers several parts of the page
CHANGED_ROWS = 6


class Overview(msgspec.Struct, frozen=True):
    """All that the page's template reads."""

    has_any: bool
    totals: CostRow
    trend: list[Decimal]
    tagged_share: str
    untagged_cost: Decimal | None
    sure_share: str
    doubts: str
    doubts_exact: str
    doubt_href: str
    grain: str
    finding: str
    chart: Chart
    top: list[Shown]
    rest: Shown | None
    changed: list[Shown]
    delta: Decimal
    needs: list[Need]
    waste: Part
    covered: Covered | None = None
    ahead: ForecastTile | None = None


def overview_table(context: ConsoleContext, view: View, rows: int) -> CostTable:
    """The figures of the page, which its `.json` and `.csv` give too."""
    return cost_table(context.explorer, view, (view.by,), rows)


def overview_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything around and in the template."""
    explorer = context.explorer
    totals = totals_of(explorer, view)
    whole = cost_table(
        explorer, view, (view.by,), GROUPS_MAX, measures=ROW_MEASURES, movers=CHANGED_ROWS, totals=totals
    )
    table = shortened(whole, TOP_ROWS)
    top = [row for row in table.rows if row.now.attempts or row.now.calls]
    moved = most_changed(whole, CHANGED_ROWS)
    candidates = [row.keys[0] for row in (*whole.rows[:CANDIDATES], *moved) if row.now.cost]
    grain = grain_for(view.period)
    series = cost_series(explorer, view, view.by, list(dict.fromkeys(candidates)), grain)
    names = chart_names(series, SERIES_MAX)
    if view.by == "feature" and whole.others is None:
        untagged = next((row.now for row in whole.rows if row.keys == ("",)), Amounts())
    else:
        untagged = ask(explorer, view.period, view, (), filters=(*view.filters, Filter("feature", ("",))))[()]
    first_call = context.explorer.first_call_at()
    total = totals.now.cost
    # entries that stand for no call have no tags: nobody left them out
    apart = explorer.cost_apart(view.period, filters=(*view.filters, Filter("feature", ("",))))
    untagged_cost = untagged.cost - apart
    largest = max((row.now.cost for row in top), default=Decimal(0))
    slot_of = dict(zip(names, context.colours(view.by, names), strict=True))
    doubtful = totals.now.unpriced_count + totals.now.estimated_count + totals.now.assumed_count
    data = Overview(
        has_any=bool(totals.now.attempts or totals.now.calls) or first_call is not None,
        totals=totals,
        trend=[amounts.cost for amounts in series.totals],
        tagged_share=display.percent(total - untagged.cost, total - apart) if total != apart else display.ZERO,
        untagged_cost=untagged_cost or None,
        sure_share=display.percent(totals.now.attempts - doubtful, totals.now.attempts),
        doubts=doubts_text(totals.now),
        doubts_exact=f"{totals.now.unpriced_count} unpriced, {totals.now.estimated_count} estimated, "
        f"{totals.now.assumed_count} assumed, of {totals.now.attempts} attempts",
        doubt_href=view.with_filter("quality", _worst_doubt(totals.now), "/calls"),
        grain=grain,
        finding=finding(view, f, totals, moved, view.by, first_call),
        chart=amounts_chart(
            context, view, f, msgspec.structs.replace(series, names=names), view.by, first_call=first_call
        ),
        top=[show_row(view, view.by, row, slot_of.get(row.keys[0], 0), largest) for row in top],
        rest=_rest(view, f, table),
        changed=[show_row(view, view.by, row, slot_of.get(row.keys[0], 0), largest) for row in moved],
        delta=total - (totals.before.cost if totals.before else Decimal(0)),
        needs=needs_of(context, view, f, totals, untagged_cost, series if view.by == "feature" else None),
        waste=waste_total(explorer, view),
        covered=coverage_of(context),
        ahead=forecast_tile(context, view) if first_call is not None else None,
    )
    return {
        "data": data,
        "uncovered": uncovered(view, f, first_call),
        "preset_links": [
            (label, view.url(period=name), name == view.period_name) for name, label in QUICK_PERIODS.items()
        ],
        "dimension_links": [(f.field(name), view.url(by=name), name == view.by) for name in DIMENSIONS],
        "gateway": gateway_address(context),
    }


def doubts_text(now: Amounts) -> str:
    """`3 unpriced, 12 estimated`: what isn't sure of a sum, in words. An assumption is an estimate."""
    counts = {"unpriced": now.unpriced_count, "est.": now.estimated_count + now.assumed_count}
    return ", ".join(f"{display.count(number)} {word}" for word, number in counts.items() if number)


def _worst_doubt(now: Amounts) -> str:
    for word, number in (("unpriced", now.unpriced_count), ("assumed", now.assumed_count)):
        if number:
            return word
    return "estimated" if now.estimated_count else "reported"


def _rest(view: View, f: Format, table: CostTable) -> Shown | None:
    if table.others is None:
        return None
    return Shown(
        f"{f.count(table.others_count)} others", view.url("/explore"), view.url("/calls"), 0,
        0.0, table.others.now, table.others.before, Decimal(0), level="rest",
    )  # fmt: skip
