"""The course of one anomaly as a chart: what was paid in bars, what was to be expected as a line in its band.

Pure geometry, as in `charts`: positions across are per cent, heights are pixels; paths lie in a box of 1000 × height.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

import msgspec

from bursar.console.charts import LABELS_MAX, Bar, Chart, Column, Series, Tell, TellTick, scale, stacked_bars
from bursar.console.marking import marked
from bursar.domain import display
from bursar.domain.clock import datetime_from_us
from bursar.domain.findings import HOUR_US, Finding
from bursar.domain.money import usd_from_pico
from bursar.domain.watching import Marker
from bursar.watch.course import Course, Step
from bursar.watch.windows import DAY_US

USUAL, WITHIN, BEYOND = "before and after", "within the expected", "beyond it"
GREY, BLUE, RED = 0, 1, 9
EXPECTED = "expected"
HEIGHT = 220


class Shade(msgspec.Struct, frozen=True):
    """A stretch of time behind the bars: the anomaly's own ("own"), or one it is compared with ("compared")."""

    x: float
    width: float
    kind: str
    title: str


class TimelineRow(msgspec.Struct, frozen=True):
    """A step as the table has it; USD. expected, low, high: None where nothing is known of before."""

    column: Column
    is_inside: bool
    actual: Decimal
    expected: Decimal | None
    low: Decimal | None
    high: Decimal | None
    happened: list[str]


class Timeline(msgspec.Struct, frozen=True):
    """band: a path, "" where there is none."""

    chart: Chart
    band: str
    shades: list[Shade]
    rows: list[TimelineRow]


def timeline(
    finding: Finding,
    course: Course,
    markers: Sequence[Marker],
    place: tzinfo,
    *,
    now_us: int,
    href: Callable[[int, int], str],
    tell: Tell,
    tell_tick: TellTick,
) -> Timeline:
    """href: where a step's calls are, by its start and end in microseconds."""
    steps = course.steps
    columns = _columns(course, place, now_us, href)
    largest = max((usd_from_pico(_highest(step)) for step in steps), default=Decimal(0))
    chart = stacked_bars(
        columns, _series(steps), tell=tell, tell_tick=tell_tick,
        before=[_usd(step.expected_pico) for step in steps], before_label=EXPECTED, room=largest, height=HEIGHT,
        label="What it cost over time, and what was to be expected",
    )  # fmt: skip
    hover = [
        {**fact, "rows": _told(step, tell), "note": _note(step, tell)}
        for fact, step in zip(chart.hover, steps, strict=True)
    ]
    _, top = scale(largest)

    def height(pico: int) -> float:
        return chart.height * (1 - float(usd_from_pico(pico) / top))

    line, band = _line(chart, steps, height), _band(chart, steps, height)
    chart = marked(
        msgspec.structs.replace(chart, hover=hover, before=line),
        [(step.start_us, step.end_us) for step in steps],
        markers,
    )
    titles = {mark.at: mark.titles for mark in chart.marks}
    rows = [
        TimelineRow(
            column, step.is_inside, usd_from_pico(step.actual_pico), _usd(step.expected_pico), _usd(step.low_pico),
            _usd(step.high_pico), titles.get(at, []),
        )
        for at, (column, step) in enumerate(zip(columns, steps, strict=True))
    ]  # fmt: skip
    return Timeline(chart, band, _shades(finding, course), rows)


def _series(steps: Sequence[Step]) -> list[Series]:
    """What is beyond the expected stands on what is within it, and apart from the time before and after."""
    usual, within, beyond = [], [], []
    for step in steps:
        expected = step.actual_pico if step.expected_pico is None else max(step.expected_pico, 0)
        inner = min(step.actual_pico, expected) if step.is_inside else 0
        usual.append(Decimal(0) if step.is_inside else usd_from_pico(step.actual_pico))
        within.append(usd_from_pico(inner))
        beyond.append(usd_from_pico(step.actual_pico - inner) if step.is_inside else Decimal(0))
    return [Series(USUAL, GREY, usual), Series(WITHIN, BLUE, within), Series(BEYOND, RED, beyond)]


def _columns(course: Course, place: tzinfo, now_us: int, href: Callable[[int, int], str]) -> list[Column]:
    every = -(-len(course.steps) // LABELS_MAX)
    columns, last = [], None
    for at, step in enumerate(course.steps):
        start = datetime_from_us(step.start_us).astimezone(place)
        end = datetime_from_us(step.end_us).astimezone(place)
        label = f"{start:%H:%M}"
        if course.step_us >= DAY_US or (at % every == 0 and start.date() != last):
            label = display.day(start)
        if at % every == 0:
            last = start.date()
        columns.append(
            Column(label, _title(start, end), href(step.start_us, step.end_us), partial=step.end_us > now_us)
        )
    return columns


def _title(start: datetime, end: datetime) -> str:
    if f"{start:%H:%M}{end:%H:%M}" == "00:0000:00" and end - start == timedelta(days=1):
        return display.day(start)
    same = start.date() == (end - timedelta(microseconds=1)).date()
    return f"{display.day(start)}, {start:%H:%M} – {'' if same else f'{display.day(end)}, '}{end:%H:%M}"


def _told(step: Step, tell: Tell) -> list[list[object]]:
    if not step.is_inside or step.expected_pico is None:
        return []
    beyond = step.actual_pico - step.expected_pico
    words = "more than expected" if beyond >= 0 else "less than expected"
    return [[RED if beyond > 0 else GREY, words, tell(usd_from_pico(abs(beyond))), ""]] if beyond else []


def _note(step: Step, tell: Tell) -> str:
    if step.expected_pico is None:
        return "nothing is known of before"
    text = f"≈ {tell(usd_from_pico(step.expected_pico))} expected"
    if step.low_pico is None or step.high_pico is None or step.low_pico == step.high_pico:
        return text
    return f"{text}, {tell(usd_from_pico(step.low_pico))} to {tell(usd_from_pico(step.high_pico))}"


def _line(chart: Chart, steps: Sequence[Step], height: Callable[[int], float]) -> str:
    """The expected, level over each bar; where nothing is known, it has a gap."""
    parts, pen_down = [], False
    for bar, step in zip(chart.bars, steps, strict=True):
        if step.expected_pico is None:
            pen_down = False
            continue
        left, right = _edges(bar)
        parts.append(f"{'L' if pen_down else 'M'}{left:.1f} {height(step.expected_pico):.1f}H{right:.1f}")
        pen_down = True
    return "".join(parts)


def _band(chart: Chart, steps: Sequence[Step], height: Callable[[int], float]) -> str:
    """From the least to the most of the earlier times, a box over each bar."""
    parts = []
    for bar, step in zip(chart.bars, steps, strict=True):
        if step.low_pico is None or step.high_pico is None or step.low_pico == step.high_pico:
            continue
        left, right = _edges(bar)
        parts.append(f"M{left:.1f} {height(step.high_pico):.1f}H{right:.1f}V{height(step.low_pico):.1f}H{left:.1f}Z")
    return "".join(parts)


def _edges(bar: Bar) -> tuple[float, float]:
    return bar.hit_x * 10, (bar.hit_x + bar.hit_width) * 10


def _shades(finding: Finding, course: Course) -> list[Shade]:
    start_us, end_us = course.steps[0].start_us, course.steps[-1].end_us
    found = [(finding.began_us, finding.until_us, "own", "the anomaly")]
    found += [(start, end, "compared", "compared with") for start, end in course.windows_us]
    shades = []
    for start, end, kind, title in found:
        low, high = max(start, start_us), min(end, end_us)
        if low < high:
            x, width = ((at / (end_us - start_us)) * 100 for at in (low - start_us, high - low))
            shades.append(Shade(round(x, 3), round(width, 3), kind, title))
    return shades


def _highest(step: Step) -> int:
    return max(step.actual_pico, step.expected_pico or 0, step.high_pico or 0)


def _usd(pico: int | None) -> Decimal | None:
    return None if pico is None else usd_from_pico(pico)


def step_words(step_us: int) -> str:
    """How long a bar is: "5 minutes", "3 hours", "a day"."""
    if step_us >= DAY_US:
        return "a day"
    hours = step_us // HOUR_US
    return ("an hour" if hours == 1 else f"{hours} hours") if hours else f"{step_us // 60_000_000} minutes"
