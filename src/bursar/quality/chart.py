"""The curve as a picture: one Vega-Lite specification, in colours for light or for dark paper."""

from collections.abc import Iterator
from typing import Any, Literal

from bursar.quality.judge import Verdict

Theme = Literal["light", "dark"]

_COLOURS = {
    "light": {"paper": "#ffffff", "ink": "#24292f", "dim": "#57606a", "line": "#d8dee4",
              "gate": "#0b62c4", "oracle": "#1a7f4b", "length": "#a2560b", "random": "#6e7781"},
    "dark": {"paper": "#0d1117", "ink": "#e6edf3", "dim": "#9da7b3", "line": "#30363d",
             "gate": "#6cb0ff", "oracle": "#4fc38a", "length": "#e3a35c", "random": "#9da7b3"},
}  # fmt: skip
_NAMES = ("gate", "oracle", "length", "random")
_DASHES = {"gate": [1, 0], "oracle": [6, 3], "length": [2, 2], "random": [8, 4, 2, 4]}
WIDTH, HEIGHT = 620, 340


def curve_chart(verdict: Verdict, title: str, theme: Theme) -> dict[str, Any]:
    """Cost saved against accuracy kept; points with their interval are `accuracy_kept`s."""
    colours = _COLOURS[theme]
    colour = {
        "field": "how", "type": "nominal", "title": None,
        "scale": {"domain": list(_NAMES), "range": [colours[name] for name in _NAMES]},
        "legend": {
            "orient": "bottom", "symbolStrokeWidth": 3, "symbolType": "stroke", "labelFontSize": 13, "symbolSize": 300,
        },
    }  # fmt: skip
    x = {
        "field": "saved", "type": "quantitative", "title": "cost saved, where calls cost alike",
        "axis": {"format": ".0%"}, "scale": {"domain": [0, 1]},
    }  # fmt: skip
    low = min(kept for curve in verdict.curves for kept in curve.kept)
    y = {
        "type": "quantitative", "title": "accuracy, of the dear model's", "axis": {"format": ".0%"},
        "scale": {"zero": False, "domain": [round(low - 0.02, 2), 1.07], "clamp": True},
    }  # fmt: skip
    points = [
        {"saved": one.cost_saved, "kept": one.kept.value, "low": one.kept.low, "high": one.kept.high, "how": "gate"}
        for one in verdict.at
        if one.threshold is not None
    ]
    lines: dict[str, Any] = {
        "data": {"values": list(_lines(verdict))},
        "mark": {"type": "line", "strokeWidth": 2.5, "clip": True},
        "encoding": {
            "x": x,
            "y": {"field": "kept", **y},
            "color": colour,
            "strokeDash": {
                "field": "how", "type": "nominal", "legend": None,
                "scale": {"domain": list(_NAMES), "range": [_DASHES[name] for name in _NAMES]},
            },
        },
    }  # fmt: skip
    bars = {
        "data": {"values": points},
        "mark": {"type": "rule", "strokeWidth": 2},
        "encoding": {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}, "color": colour},
    }
    dots = {
        "data": {"values": points},
        "mark": {"type": "point", "filled": True, "size": 70},
        "encoding": {"x": x, "y": {"field": "kept", **y}, "color": colour},
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {"text": title, "anchor": "start", "color": colours["ink"], "fontSize": 15},
        "width": WIDTH, "height": HEIGHT, "background": colours["paper"], "padding": 14,
        "layer": [lines, bars, dots],
        "config": {
            "font": "sans-serif",
            "view": {"stroke": colours["line"]},
            "axis": {
                "labelColor": colours["dim"], "titleColor": colours["dim"], "gridColor": colours["line"],
                "domainColor": colours["line"], "tickColor": colours["line"], "labelFontSize": 12,
                "titleFontSize": 13, "titleFontWeight": "normal",
            },
            "legend": {"labelColor": colours["ink"]},
        },
    }  # fmt: skip


def _lines(verdict: Verdict) -> Iterator[dict[str, object]]:
    for curve in verdict.curves:
        for share, kept in zip(curve.share, curve.kept, strict=True):
            yield {"how": curve.name, "saved": share * (1 - verdict.cost_ratio), "kept": kept}
    for share in (0.0, 1.0):
        kept = 1 - share * (1 - verdict.cheap_accuracy / verdict.dear_accuracy)
        yield {"how": "random", "saved": share * (1 - verdict.cost_ratio), "kept": kept}
