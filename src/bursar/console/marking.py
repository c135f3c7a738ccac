"""Markers on charts of time: a thin line where something happened, its title under the pointer and in the table.

Pure: a chart without markers is the same as before, to the byte.
"""

from collections.abc import Sequence

import msgspec

from bursar.console.charts import Chart, Mark
from bursar.domain import display
from bursar.domain.clock import us_from_datetime
from bursar.domain.periods import Bucket
from bursar.domain.watching import Marker
from bursar.explore.filters import Filter

TITLES_MAX = 5  # of one bar; more are counted
NEAR = 100  # parts of an axis without columns: of each at most one line

Span = tuple[int, int]
"""[start, end) in microseconds."""


def spans_of(buckets: Sequence[Bucket]) -> list[Span]:
    return [(us_from_datetime(one.start), us_from_datetime(one.end)) for one in buckets]


def marked(chart: Chart, spans: Sequence[Span], markers: Sequence[Marker]) -> Chart:
    """The chart with its markers; spans: the time of each of its columns, in their order.

    One line for each column, where the first of its markers was.
    """
    by_column: dict[int, list[Marker]] = {}
    for marker in sorted(markers, key=lambda one: (one.at_us, one.marker_id)):
        at = next((at for at, (start, end) in enumerate(spans) if start <= marker.at_us < end), None)
        if at is not None:
            by_column.setdefault(at, []).append(marker)
    if not by_column:
        return chart
    marks, hover, bars = [], list(chart.hover), list(chart.bars)
    for at, found in by_column.items():
        start, end = spans[at]
        x = (at + (found[0].at_us - start) / (end - start)) / len(spans) * 100
        titles = titles_of(found)
        marks.append(Mark(round(x, 3), at, titles))
        hover[at] = {**hover[at], "marks": titles}
        bars[at] = msgspec.structs.replace(bars[at], summary=f"{bars[at].summary}; {', '.join(titles)}")
    return msgspec.structs.replace(chart, marks=marks, hover=hover, bars=bars)


def marks_along(markers: Sequence[Marker], start_us: int, end_us: int) -> list[Mark]:
    """Lines on an axis of time without columns, x in per cent; those closer than a hundredth are one line."""
    near: dict[int, list[Marker]] = {}
    for marker in sorted(markers, key=lambda one: (one.at_us, one.marker_id)):
        if start_us <= marker.at_us < end_us:
            near.setdefault((marker.at_us - start_us) * NEAR // (end_us - start_us), []).append(marker)
    return [
        Mark(round((found[0].at_us - start_us) / (end_us - start_us) * 100, 3), at, titles_of(found))
        for at, found in near.items()
    ]


def titles_of(markers: Sequence[Marker]) -> list[str]:
    """What happened, the same said once; the first few, and how many more there are."""
    titles = list(dict.fromkeys(one.title for one in markers))
    more = len(titles) - TITLES_MAX
    return titles if more <= 0 else [*titles[:TITLES_MAX], f"and {display.count(more)} more"]


def about(markers: Sequence[Marker], filters: Sequence[Filter]) -> list[Marker]:
    """Those that concern what the filters let through: one about a value that they leave out isn't shown."""
    values = {one.field: one.values for one in filters if one.op == "is"}
    return [
        one for one in markers if one.scope.dimension not in values or one.scope.value in values[one.scope.dimension]
    ]
