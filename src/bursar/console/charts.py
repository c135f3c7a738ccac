"""Charts as geometry: pure functions from rows to positions, which one template draws as SVG.

Why our own SVG and not Vega in the page: it is in the first paint, needs no script, takes its colours from the sheet's
variables and obeys a policy without `unsafe-eval`; vega-embed would be 0.9 MB of JavaScript (0.3 MB compressed) before
the first bar. Horizontal positions are per cent, so a chart fits any width without scaling its letters; vertical ones
are pixels.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

PLOT_HEIGHT = 196
LABELS_MAX = 11
SERIES_MAX = 8
SEGMENT_GAP_PX = 0.75
SEGMENT_PX_MIN = 0.4  # thinner ones aren't drawn; the table below has them


class Column(msgspec.Struct, frozen=True):
    """One bar's place on the time axis. `partial`: the bucket isn't over yet, so its bar will still grow."""

    label: str
    title: str
    href: str
    first: str = ""  # its first and last local day, for a brush to make a period of; hours have none
    last: str = ""
    partial: bool = False


class Series(msgspec.Struct, frozen=True):
    """One colour of a chart. `slot`: 1–8, a colour of the palette; 0 is "other". `values`: one per column."""

    name: str
    slot: int
    values: Sequence[Decimal | None]
    href: str = ""
    muted: bool = False  # drawn in grey letters: "(none)", "41 others"


class Rect(msgspec.Struct, frozen=True):
    y: float
    height: float
    slot: int


class Bar(msgspec.Struct, frozen=True):
    """One column as drawn; `x`, `width`, `centre` in per cent, `before_y` in pixels where the earlier period stood."""

    x: float
    width: float
    hit_x: float
    hit_width: float
    centre: float
    rects: list[Rect]
    column: Column
    label_class: str | None
    before_y: float | None
    summary: str


class Line(msgspec.Struct, frozen=True):
    """One series as a line: `path` in a box of 1000 × PLOT_HEIGHT."""

    path: str
    slot: int


class Mark(msgspec.Struct, frozen=True):
    """Something that happened: a line at `x` per cent, in the column `at`; `titles` says what, the first first."""

    x: float
    at: int
    titles: list[str]


class Tick(msgspec.Struct, frozen=True):
    y: float
    label: str


class Chart(msgspec.Struct, frozen=True):
    """Everything the template needs to draw; `hover` is what the pointer shows, per column, largest first.

    before: the period before, as a line through the columns' middles; a path in a box of 1000 × height.
    told:   per column, each series' value in words, in the order of `series`: the table under the chart.
    marks:  what happened when (`marking.py`).
    """

    height: int
    ticks: list[Tick]
    bars: list[Bar]
    lines: list[Line]
    series: list[Series]
    hover: list[dict[str, object]]
    told: list[list[str]]
    before_label: str
    label: str
    before: str = ""
    marks: Sequence[Mark] = ()


Tell = Callable[[Decimal], str]
TellTick = Callable[[Decimal, Decimal], str]


def stacked_bars(
    columns: Sequence[Column],
    series: Sequence[Series],
    *,
    tell: Tell,
    tell_tick: TellTick,
    before: Sequence[Decimal | None] = (),
    before_label: str = "",
    label: str = "",
    height: int = PLOT_HEIGHT,
    room: Decimal = Decimal(0),
) -> Chart:
    """Amounts over time, each bar the sum of its parts; the axis starts at zero.

    before: the total of the same column one period earlier, drawn as a dashed line. room: the axis reaches so high at
    least.
    Parts below zero (reversals) have no bar, and what they take off the total makes no room for the others.
    """
    totals = [sum((s.values[i] or Decimal(0) for s in series), Decimal(0)) for i in range(len(columns))]
    drawn = [sum((max(s.values[i] or Decimal(0), Decimal(0)) for s in series), Decimal(0)) for i in range(len(columns))]
    ticks, top = scale(max([*drawn, room, *(b for b in before if b is not None)]))
    per_px = Decimal(height) / top
    bars, hover = [], []
    for at, (column, place) in enumerate(zip(columns, places(len(columns)), strict=True)):
        earlier = before[at] if at < len(before) else None
        bars.append(
            Bar(
                *place,
                rects=_stack([(s.values[at], s.slot) for s in series], per_px, height),
                column=column,
                label_class=label_class(at, len(columns)),
                before_y=None if earlier is None else round(float(height - earlier * per_px), 1),
                summary=f"{column.title}: {tell(totals[at])}",
            )
        )
        hover.append(_hover(column, [(s, s.values[at]) for s in series], tell, totals[at], earlier, before_label))
    marks = [Tick(round(float(height - value * per_px), 1), tell_tick(value, ticks[1] - ticks[0])) for value in ticks]
    earlier_line = _path([None if bar.before_y is None else (bar.centre * 10, bar.before_y) for bar in bars])
    return Chart(
        height, marks, bars, [], list(series), hover, told(series, len(columns), tell),
        before_label if earlier_line else "", label, earlier_line,
    )  # fmt: skip


def lines(
    columns: Sequence[Column],
    series: Sequence[Series],
    *,
    tell: Tell,
    tell_tick: TellTick,
    label: str = "",
    height: int = PLOT_HEIGHT,
) -> Chart:
    """Rates over time, a line each; a column without a value leaves a gap. They aren't parts of a whole: no total."""
    known = [value for s in series for value in s.values if value is not None]
    ticks, top = scale(max(known, default=Decimal(0)))
    per_px = Decimal(height) / top
    bars, hover = [], []
    for at, (column, place) in enumerate(zip(columns, places(len(columns)), strict=True)):
        bars.append(Bar(*place, [], column, label_class(at, len(columns)), None, column.title))
        hover.append(_hover(column, [(s, s.values[at]) for s in series], tell, None, None, ""))
    drawn = []
    for s in series:
        points = [
            None if value is None else (bars[at].centre * 10, float(height - value * per_px))
            for at, value in enumerate(s.values)
        ]
        drawn.append(Line(_path(points), s.slot))
    marks = [Tick(round(float(height - value * per_px), 1), tell_tick(value, ticks[1] - ticks[0])) for value in ticks]
    return Chart(height, marks, bars, drawn, list(series), hover, told(series, len(columns), tell), "", label)


def sparkline(values: Sequence[Decimal | None]) -> tuple[str, str] | None:
    """(line, area) paths in a box of 100 × 20; None if there's nothing to see. Reversals alone are below zero."""
    known = [value for value in values if value is not None]
    if len(values) < 2 or not any(known):
        return None
    low = min(Decimal(0), *known)
    height = max(Decimal(0), *known) - low
    step = 100 / (len(values) - 1)
    points = [
        (round(at * step, 1), round(float(19 - ((value or Decimal(0)) - low) / height * 18), 1))
        for at, value in enumerate(values)
    ]
    line = _path(list(points))
    return line, f"{line}L100 20L0 20Z"


def scale(largest: Decimal) -> tuple[list[Decimal], Decimal]:
    """Round ticks from zero up, four or five of them, and the top of the axis, a little above the largest value."""
    if largest <= 0:
        return [Decimal(0), Decimal(1)], Decimal(1)
    rough = largest / 4
    power = Decimal(1).scaleb(rough.adjusted())
    step = next(
        power * m for m in (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10)) if power * m >= rough
    )
    ticks = [Decimal(0)]
    while ticks[-1] + step <= largest * Decimal("1.02"):
        ticks.append(ticks[-1] + step)
    if len(ticks) == 1:
        ticks.append(step)
    return ticks, max(largest * Decimal("1.04"), ticks[-1])


def places(count: int) -> list[tuple[float, float, float, float, float]]:
    """(x, width, hit x, hit width, centre) of each of `count` bars, in per cent; few bars don't become walls."""
    if not count:
        return []
    step = 100 / count
    width = min(step * (0.86 if count <= 62 else 0.78), 7)
    return [
        (round(at * step + (step - width) / 2, 3), round(width, 3), round(at * step, 3), round(step, 3),
         round((at + 0.5) * step, 3))
        for at in range(count)
    ]  # fmt: skip


def label_class(at: int, count: int) -> str | None:
    """Which columns are labelled: at most LABELS_MAX, and of those every third ("") on a phone. None: no label."""
    every = -(-count // LABELS_MAX)
    if at % every:
        return None
    return "" if count <= 4 or (at // every) % 3 == 0 else "mid"


def _stack(values: list[tuple[Decimal | None, int]], per_px: Decimal, height: int) -> list[Rect]:
    rects, base = [], Decimal(0)
    for value, slot in values:
        if not value or value < 0:
            continue
        top = base + value * per_px
        thick = float(top - base) - SEGMENT_GAP_PX
        if thick >= SEGMENT_PX_MIN:
            rects.append(Rect(round(float(height - top), 2), round(thick, 2), slot))
        elif not base:
            rects.append(Rect(height - 1, 1, slot))  # something was spent that day: it shows
        base = top
    return rects


def _hover(
    column: Column,
    values: list[tuple[Series, Decimal | None]],
    tell: Tell,
    total: Decimal | None,
    earlier: Decimal | None,
    before_label: str,
) -> dict[str, object]:
    ranked = sorted(((v, s) for s, v in values if v), key=lambda pair: -pair[0])
    return {
        "title": column.title,
        "total": "" if total is None else tell(total),
        "rows": [[s.slot, s.name, tell(v), f"{v / total * 100:.0f} %" if total else ""] for v, s in ranked],
        "note": f"{tell(earlier)} in {before_label}" if earlier is not None and before_label else "",
        "partial": column.partial,
        "first": column.first,
        "last": column.last,
    }


def told(series: Sequence[Series], columns: int, tell: Tell) -> list[list[str]]:
    """Each column's values in words, for the table under a chart."""
    return [["" if (value := s.values[at]) is None else tell(value) for s in series] for at in range(columns)]


def _path(points: Sequence[tuple[float, float] | None]) -> str:
    """An SVG path through the points; None lifts the pen. A lone point becomes a short dash, so that it shows."""
    parts, pen_down = [], False
    for at, point in enumerate(points):
        if point is None:
            pen_down = False
            continue
        lone = not pen_down and (at + 1 == len(points) or points[at + 1] is None)
        parts.append(f"{'L' if pen_down else 'M'}{point[0]:.1f} {point[1]:.1f}" + ("h4" if lone else ""))
        pen_down = True
    return "".join(parts)
