"""The charts of reports: pure functions from figures to a Vega-Lite specification, drawn on white paper."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bursar.reports.blocks import Chart

BLUE, GREY, LIGHT, RED, GREEN = "#2f6db5", "#8a919c", "#c9d6e8", "#b3372f", "#2b7a4b"
WIDTH = 560
PLAIN = "datum.value == 0 ? '0' : format(datum.value, '~s')"
FIGURE = "isValid(FIELD) ? format(FIELD, abs(FIELD) < 1000 ? ',.2f' : ',.0f') : ''"
CONFIG = {
    "font": "Libertinus Serif",
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 11, "titleFontSize": 11, "domainColor": "#b8bdc6", "tickColor": "#b8bdc6",
        "gridColor": "#eceef1", "labelColor": "#3b414b", "titleColor": "#5f6670", "titleFontWeight": "normal",
        "labelLimit": 170,
    },
}  # fmt: skip


def svg_of(chart: Chart) -> str:
    """The drawing, the same bytes for the same chart."""
    # start-up: it brings a whole JavaScript engine, which only who prints a chart needs
    import vl_convert

    return str(vl_convert.vegalite_to_svg({**chart.spec, "config": CONFIG}, vl_version="5.20"))


def months(values: Sequence[tuple[str, Decimal | None]], running: tuple[Decimal, Decimal, Decimal] | None) -> Chart:
    """Cost by month, USD. running: how the last month will end, (low, expected, high), if it isn't over."""
    names = [name for name, _ in values]  # a layer with data of its own would be sorted by its letters
    rows: list[dict[str, Any]] = [{"month": name, "cost": _number(cost)} for name, cost in values]
    layers: list[Mapping[str, Any]] = [
        {
            "mark": {"type": "bar", "color": BLUE, "size": 26},
            "encoding": {"y": {"field": "cost", "type": "quantitative"}},
        }
    ]
    if running is not None and rows:
        low, expected, high = running
        rows[-1] |= {"low": _number(low), "expected": _number(expected), "high": _number(high)}
        layers = [
            {
                "mark": {"type": "bar", "color": LIGHT, "size": 26},
                "encoding": {"y": {"field": "expected", "type": "quantitative"}},
            },
            *layers,
            {
                "mark": {"type": "rule", "color": GREY, "strokeWidth": 2, "xOffset": 18},
                "encoding": {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}},
            },
        ]
    layers.append(_labels("cost", dy=-7))
    spec = {
        "width": WIDTH, "height": 150, "data": {"values": rows},
        "encoding": {
            "x": {"field": "month", "type": "ordinal", "sort": names,
                  "axis": {"title": None, "labelAngle": 0, "grid": False}},
            "y": {"axis": {"title": "USD", "tickCount": 4, "labelExpr": PLAIN}},
        },
        "layer": layers,
    }  # fmt: skip
    told = "; ".join(f"{name} {'unknown' if cost is None else f'{cost:.2f}'}" for name, cost in values)
    ahead = "" if running is None else f"; the last one will end near {running[1]:.2f} USD"
    title = "Cost by month" if running is None else "Cost by month, and how this one will likely end"
    return Chart(title, spec, f"USD by month: {told}{ahead}")


def bars(title: str, values: Sequence[tuple[str, Decimal, Decimal]]) -> Chart:
    """The largest groups as bars, USD: (name, now, before); what was before is a mark in each."""
    rows = [{"name": name, "now": _number(now), "before": _number(before)} for name, now, before in values]
    order = [name for name, *_ in values]
    y = {"field": "name", "type": "nominal", "sort": order, "axis": {"title": None, "grid": False}}
    axis = {"title": "USD; the mark is the month before", "tickCount": 4, "labelExpr": PLAIN}
    layers = [
        {
            "mark": {"type": "bar", "color": BLUE, "size": 11},
            "encoding": {"y": y, "x": {"field": "now", "type": "quantitative", "axis": axis}},
        },
        {
            "mark": {"type": "tick", "color": "#1c2430", "thickness": 2, "size": 14},
            "encoding": {"y": y, "x": {"field": "before", "type": "quantitative"}},
        },
    ]
    layers.append(_labels("now", dx=5, y=y))
    spec = {"width": WIDTH - 120, "height": {"step": 17}, "data": {"values": rows}, "layer": layers}
    return Chart(title, spec, "; ".join(f"{name} {now:.2f} USD, {before:.2f} before" for name, now, before in values))


def margins(values: Sequence[tuple[str, Decimal]]) -> Chart:
    """Gross margin by plan, USD; what is lost is red."""
    names = [name for name, _ in values]
    rows = [{"name": name, "margin": _number(margin)} for name, margin in values]
    spec = {
        "width": WIDTH - 120, "height": {"step": 17}, "data": {"values": rows},
        "mark": {"type": "bar", "size": 11},
        "encoding": {
            "y": {"field": "name", "type": "nominal", "sort": names, "axis": {"title": None, "grid": False}},
            "x": {"field": "margin", "type": "quantitative", "axis": {"title": "USD a month", "tickCount": 4,
                                                                      "labelExpr": PLAIN}},
            "color": {"condition": {"test": "datum.margin < 0", "value": RED}, "value": GREEN},
        },
    }  # fmt: skip
    return Chart("Gross margin by plan", spec, "; ".join(f"{name} {margin:.2f} USD" for name, margin in values))


def _labels(field: str, *, dx: int = 0, dy: int = 0, y: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """The figure at the end of each bar: what a reader would else look for in the grid."""
    amount = {"field": field, "type": "quantitative"}
    place = {"y": amount} if y is None else {"y": y, "x": amount}
    align = {"align": "center"} if y is None else {"align": "left", "baseline": "middle"}
    mark = {"type": "text", "dx": dx, "dy": dy, "fontSize": 10.5, "color": "#3b414b", **align}
    said = {"calculate": FIGURE.replace("FIELD", f"datum.{field}"), "as": "said"}
    return {"transform": [said], "mark": mark, "encoding": {**place, "text": {"field": "said", "type": "nominal"}}}


def _number(amount: Decimal | None) -> float | None:
    """Pixels are no money: a drawing needs no more than a float holds."""
    return None if amount is None else float(amount)
