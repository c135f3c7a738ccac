"""Markers on charts: in the column of their time, said under the pointer; without any, nothing is different."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bursar.console.charts import Chart, Column, Series, stacked_bars
from bursar.console.marking import TITLES_MAX, about, marked, marks_along
from bursar.domain.watching import Marker, SeriesKey
from bursar.explore.filters import Filter

SPANS = [(at * 100, at * 100 + 100) for at in range(1, 6)]


def chart() -> Chart:
    columns = [Column(str(at), f"hour {at}", "/") for at in range(len(SPANS))]
    values = [Decimal(at) for at in range(len(SPANS))]
    return stacked_bars(columns, [Series("all", 1, values)], tell=str, tell_tick=lambda value, step: str(value))


def marker(at_us: int, title: str = "out", scope: SeriesKey = SeriesKey()) -> Marker:  # noqa: B008  a frozen value
    return Marker(f"mk_{at_us}", at_us, title, scope=scope)


def test_a_chart_without_markers_is_the_same():
    one = chart()
    assert marked(one, SPANS, []) is one
    assert marked(one, SPANS, [marker(99), marker(600)]) is one, "those of another time aren't shown"


@given(st.lists(st.integers(0, 700), max_size=12))
def test_each_marker_stands_in_the_column_of_its_time(times):
    drawn = marked(chart(), SPANS, [marker(at, f"at {at}") for at in times])
    inside = {at for at in times if 100 <= at < 600}
    assert {mark.at for mark in drawn.marks} == {at // 100 - 1 for at in inside}
    for mark in drawn.marks:
        assert mark.at * 20 <= mark.x < mark.at * 20 + 20
        assert drawn.hover[mark.at]["marks"] == mark.titles
        assert drawn.bars[mark.at].summary.endswith(", ".join(mark.titles))
    assert all(("marks" in fact) is any(mark.at == at for mark in drawn.marks) for at, fact in enumerate(drawn.hover))


def test_many_of_one_column_are_counted_and_the_same_is_said_once():
    (mark,) = marked(chart(), SPANS, [marker(110 + at, f"change {at}") for at in range(8)]).marks
    assert mark.titles == [*(f"change {at}" for at in range(TITLES_MAX)), "and 3 more"]
    (mark,) = marked(chart(), SPANS, [marker(110), marker(120)]).marks
    assert (mark.titles, mark.x) == (["out"], 2.0)


def test_those_about_what_the_filters_leave_out_are_not_shown():
    search, web = SeriesKey("feature", "search"), SeriesKey("team", "web")
    found = [marker(1), marker(2, scope=search), marker(3, scope=web)]
    assert about(found, ()) == found
    assert about(found, (Filter("feature", ("checkout",)),)) == [found[0], found[2]]
    assert about(found, (Filter("feature", ("checkout",), "not"),)) == found


def test_on_an_axis_without_columns_near_ones_are_one_line():
    marks = marks_along([marker(at, f"at {at}") for at in (100, 104, 350, 600)], 100, 600)
    assert [(mark.x, mark.titles) for mark in marks] == [(0.0, ["at 100", "at 104"]), (50.0, ["at 350"])]
