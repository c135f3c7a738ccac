"""Charts of amounts that may be negative: bars on both sides of zero, and the steps from one sum down to another.

Pure geometry, as in `charts`: positions across are per cent, heights are pixels.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from bursar.console.charts import (
    PLOT_HEIGHT,
    SEGMENT_GAP_PX,
    SEGMENT_PX_MIN,
    Bar,
    Chart,
    Column,
    Rect,
    Series,
    Tell,
    TellTick,
    Tick,
    label_class,
    places,
    scale,
    told,
)

BESIDE = Decimal("1.08")  # of the smaller side: a little room beyond its longest bar
BESIDE_MIN = Decimal("0.02")  # of the larger side: what is there can be seen
STEP_WIDTH_MIN = 0.35  # per cent: a step that is there can be seen


class Span(msgspec.Struct, frozen=True):
    """Where a step lies on a waterfall's axis, in per cent of its width."""

    x: float
    width: float


class Waterfall(msgspec.Struct, frozen=True):
    """A span for each step and for each sum, and where zero is."""

    spans: list[Span]
    zero: float


def waterfall(levels: Sequence[tuple[Decimal, Decimal]]) -> Waterfall:
    """levels: (from, to) of each row, in order; a sum goes from zero to what it is, a step from level to level."""
    edges = [Decimal(0), *(edge for level in levels for edge in level)]
    low, high = min(edges), max(edges)
    if high == low:
        return Waterfall([Span(0, 0) for _ in levels], 0)

    def across(value: Decimal) -> float:
        return float((value - low) / (high - low)) * 100

    spans = []
    for start, end in levels:
        left, right = sorted((across(start), across(end)))
        width = max(right - left, STEP_WIDTH_MIN) if start != end else 0
        spans.append(Span(round(min(left, 100 - width), 2), round(width, 2)))
    return Waterfall(spans, round(across(Decimal(0)), 2))


def signed_bars(
    columns: Sequence[Column],
    series: Sequence[Series],
    *,
    tell: Tell,
    tell_tick: TellTick,
    label: str = "",
    height: int = PLOT_HEIGHT,
) -> Chart:
    """Amounts over time, what is positive stacked up from zero and what is negative down from it."""
    ups = [_sum(series, at, 1) for at in range(len(columns))]
    downs = [_sum(series, at, -1) for at in range(len(columns))]
    ticks, top, bottom = _signed_scale(max(ups, default=Decimal(0)), max(downs, default=Decimal(0)))
    per_px = Decimal(height) / (top + bottom)
    zero_y = top * per_px
    step = ticks[1] - ticks[0]
    bars, hover = [], []
    for at, (column, place) in enumerate(zip(columns, places(len(columns)), strict=True)):
        total = tell(ups[at] - downs[at])
        rects = [*_stack(series, at, per_px, zero_y, 1), *_stack(series, at, per_px, zero_y, -1)]
        bars.append(Bar(*place, rects, column, label_class(at, len(columns)), None, f"{column.title}: {total}"))
        hover.append(_hover(column, series, at, tell, total))
    shown = [value for value in ticks if value <= top] + [-value for value in ticks[1:] if value <= bottom]
    marks = [Tick(round(float(zero_y - value * per_px), 1), tell_tick(value, step)) for value in shown]
    return Chart(height, marks, bars, [], list(series), hover, told(series, len(columns), tell), "", label)


def _sum(series: Sequence[Series], at: int, sign: int) -> Decimal:
    """How far the bar of a column reaches on one side of zero."""
    return sum((abs(value) for s in series if (value := s.values[at] or Decimal(0)) * sign > 0), Decimal(0))


def _signed_scale(up: Decimal, down: Decimal) -> tuple[list[Decimal], Decimal, Decimal]:
    """Ticks of the larger side, and how far the axis goes up and down."""
    ticks, most = scale(max(up, down))
    less = min(up, down)
    room = max(less * BESIDE, most * BESIDE_MIN) if less else Decimal(0)
    return (ticks, most, room) if up >= down else (ticks, room, most)


def _stack(series: Sequence[Series], at: int, per_px: Decimal, zero_y: Decimal, sign: int) -> list[Rect]:
    rects, base = [], Decimal(0)
    for one in series:
        value = (one.values[at] or Decimal(0)) * sign
        if value <= 0:
            continue
        thick = max(float(value * per_px) - SEGMENT_GAP_PX, 0.0)
        end = base + value
        if thick >= SEGMENT_PX_MIN:
            y = zero_y - end * per_px if sign > 0 else zero_y + base * per_px
            rects.append(Rect(round(float(y), 2), round(thick, 2), one.slot))
        elif not base:
            rects.append(Rect(round(float(zero_y) - (1 if sign > 0 else 0), 2), 1, one.slot))  # it is there: it shows
        base = end
    return rects


def _hover(column: Column, series: Sequence[Series], at: int, tell: Tell, total: str) -> dict[str, object]:
    """No shares: parts of both signs are no parts of a whole."""
    ranked = sorted(((value, s) for s in series if (value := s.values[at])), key=lambda pair: -pair[0])
    return {
        "title": column.title,
        "total": total,
        "rows": [[s.slot, s.name, tell(value), ""] for value, s in ranked],
        "note": "",
        "partial": column.partial,
        "first": column.first,
        "last": column.last,
    }
