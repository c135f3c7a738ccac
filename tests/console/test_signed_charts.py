"""Charts on both sides of zero: nothing leaves the plot or crosses the line, and lengths are in proportion."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.console.charts import Chart, Column, Series
from bursar.console.signed_charts import signed_bars, waterfall

AMOUNTS = st.lists(st.integers(-(10**6), 10**6).map(lambda cents: Decimal(cents) / 100), min_size=3, max_size=3)


@given(days=st.lists(AMOUNTS, min_size=1, max_size=20))
def test_bars_of_both_signs_stand_on_the_line_and_are_as_long_as_their_parts(days: list[list[Decimal]]):
    series = [Series(f"s{at}", at + 1, [day[at] for day in days]) for at in range(3)]
    columns = [Column(str(at), str(at), "/") for at in range(len(days))]
    chart = signed_bars(columns, series, tell=str, tell_tick=lambda value, _: str(value))
    (zero,) = [tick.y for tick in chart.ticks if tick.label == "0"]
    ends = [(rect.y, rect.y + rect.height) for bar in chart.bars for rect in bar.rects]
    assert all(-0.01 <= top <= end <= chart.height + 0.01 for top, end in ends)
    assert all(end <= zero + 0.06 or top >= zero - 0.06 for top, end in ends), "no part reaches over the line"
    assert chart.ticks[0].y == zero, "the first tick is drawn as the base line"
    tallest = max(max(sum(v for v in day if v > 0), -sum(v for v in day if v < 0)) for day in days)
    for bar, day in zip(chart.bars, days, strict=True):
        up = sum(v for v in day if v > 0)
        drawn = zero - min((rect.y for rect in bar.rects if rect.y + rect.height <= zero + 0.06), default=zero)
        if tallest and up > tallest / 50:
            assert drawn == pytest.approx(_px(chart, zero) * float(up), abs=3.2)


def _px(chart: Chart, zero: float) -> float:
    """Pixels per dollar, from two ticks."""
    other = next(tick for tick in chart.ticks if tick.label != "0")
    return abs(zero - other.y) / abs(float(other.label))


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9)), min_size=1, max_size=9))
def test_steps_of_a_waterfall_keep_inside_and_in_proportion(levels: list[tuple[int, int]]):
    drawn = waterfall([(Decimal(start), Decimal(end)) for start, end in levels])
    assert 0 <= drawn.zero <= 100
    edges = [0, *(edge for level in levels for edge in level)]
    whole = (max(edges) - min(edges)) or 1
    for span, (start, end) in zip(drawn.spans, levels, strict=True):
        assert 0 <= span.x <= 100
        assert span.x + span.width <= 100.02
        assert bool(span.width) == (start != end)
        assert span.width == pytest.approx(abs(start - end) / whole * 100, abs=0.36)
