"""Charts as geometry: parts add up to their bar, nothing leaves the plot, ticks are round."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.console.charts import (
    LABELS_MAX,
    SEGMENT_GAP_PX,
    Column,
    Series,
    label_class,
    lines,
    places,
    scale,
    sparkline,
    stacked_bars,
)
from bursar.console.format import Format
from bursar.console.palette import SLOTS, Palette

AMOUNTS = st.decimals(min_value=0, max_value=10**6, places=6)


def draw(values: list[list[Decimal]]):
    columns = [Column(str(at), str(at), "/") for at in range(len(values[0]))]
    series = [Series(f"s{at}", at + 1, row) for at, row in enumerate(values)]
    return stacked_bars(columns, series, tell=str, tell_tick=lambda value, step: str(value))


@settings(max_examples=40)
@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(AMOUNTS, min_size=n, max_size=n), min_size=1, max_size=4)))
def test_a_bar_is_as_high_as_its_parts_and_stays_inside(values):
    chart = draw(values)
    totals = [sum(column) for column in zip(*values, strict=True)]
    for bar, total in zip(chart.bars, totals, strict=True):
        assert all(rect.y >= 0 and rect.y + rect.height <= chart.height for rect in bar.rects)
        assert bool(bar.rects) is (total > 0)
    highest = max(range(len(totals)), key=lambda at: totals[at])
    drawn = sum(rect.height + SEGMENT_GAP_PX for rect in chart.bars[highest].rects)
    if totals[highest]:
        assert drawn >= chart.height * 0.7


@given(st.decimals(min_value=Decimal("1e-9"), max_value=10**9, places=9).filter(bool))
def test_ticks_are_round_start_at_zero_and_reach_the_largest_value(largest):
    ticks, top = scale(largest)
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= 6
    assert top >= largest
    assert len((ticks[1] - ticks[0]).normalize().as_tuple().digits) <= 2


@given(st.integers(1, 800))
def test_bars_never_overlap_and_labels_stay_few(count):
    found = places(count)
    assert all(x + width <= found[at + 1][0] + 0.01 for at, (x, width, *_) in enumerate(found[:-1]))
    assert sum(label_class(at, count) is not None for at in range(count)) <= LABELS_MAX


def test_what_was_spent_shows_however_little_it_was():
    chart = draw([[Decimal("0.000001"), Decimal(1000)]])
    assert chart.bars[0].rects


def test_a_rate_without_calls_is_a_gap_not_a_zero():
    columns = [Column(str(at), str(at), "/") for at in range(4)]
    chart = lines(
        columns, [Series("a", 1, [Decimal(1), None, Decimal(3), Decimal(2)])], tell=str, tell_tick=lambda v, s: str(v)
    )
    assert chart.lines[0].path.count("M") == 2


def test_a_sparkline_of_nothing_is_none():
    assert sparkline([Decimal(0), Decimal(0)]) is None
    assert sparkline([Decimal(1)]) is None
    assert sparkline([Decimal(1), Decimal(2)]) is not None


def test_a_sparkline_of_reversals_alone_hangs_from_zero():
    line, _ = sparkline([Decimal(0), Decimal(-2), Decimal(0)]) or ("", "")
    assert line == "M0.0 1.0L50.0 19.0L100.0 1.0"


def test_a_bar_stays_in_its_chart_where_a_reversal_takes_most_of_it_off():
    chart = draw([[Decimal(3)], [Decimal(-2)]])
    assert all(rect.y >= 0 for bar in chart.bars for rect in bar.rects)


@given(
    st.lists(st.text(max_size=5), unique=True, max_size=SLOTS),
    st.lists(st.text(max_size=5), unique=True, max_size=SLOTS),
)
def test_colours_of_one_chart_differ_and_the_first_told_keep_theirs(first, second):
    palette = Palette()
    told = dict(zip(first, palette.slots("feature", first), strict=True))
    assert len(set(told.values())) == len(first)
    again = palette.slots("feature", second)
    assert len(set(again)) == len(second)
    assert palette.slots("feature", first) == list(told.values())


@pytest.mark.parametrize(
    ("value", "step", "label"),
    [("7.5", "2.5", "$7.50"), ("5", "2.5", "$5.00"), ("150", "50", "$150"), ("0.5", "0.25", "$0.50"), ("0", "5", "0")],
)
def test_a_label_of_an_axis_has_the_decimals_that_its_step_needs(value: str, step: str, label: str):
    f = Format("en_US", "USD", UTC, datetime(2026, 11, 27, tzinfo=UTC))
    assert f.money_tick(Decimal(value), Decimal(step)) == label
