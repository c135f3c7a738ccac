"""The address as state: read, written, read again, it is the same."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.console.view import COMPARISONS, View, filter_text, read_view
from bursar.domain.errors import BadRequest
from bursar.explore.filters import Filter

NOW = datetime(2026, 11, 23, 12, 7, tzinfo=UTC)
TEXT = st.text(max_size=30)


def read(address: str) -> View:
    parts = urlsplit(address)
    return read_view(parts.path, parse_qs(parts.query, keep_blank_values=True), NOW, "UTC")


@settings(max_examples=60)
@given(
    period=st.sampled_from(["today", "30d", "last-month", "2026-03", "2026-03-01..2026-03-15", "all"]),
    compare=st.sampled_from(list(COMPARISONS)),
    tz=st.sampled_from(["UTC", "Asia/Kolkata", "America/St_Johns"]),
    filters=st.lists(st.tuples(st.sampled_from(["feature", "customer", "tag:plan"]), TEXT), max_size=3, unique=True),
    tag=TEXT,
)
def test_an_address_read_and_written_again_is_the_same_state(period, compare, tz, filters, tag):
    view = read("/explore")
    chosen = tuple(Filter(field, (value,)) for field, value in filters)
    address = view.url(period=period, compare=compare, tz=tz, filters=chosen, sort="calls", and_=None)
    again = read(address)
    assert (again.period_name, again.compare, again.timezone) == (period, compare, tz)
    assert again.filters == chosen
    assert again.get("sort") == "calls"
    assert read(again.url()) == again


def test_defaults_are_left_out_of_an_address():
    assert read("/explore?period=30d&compare=previous&tz=UTC&by=feature").url() == "/explore"


def test_a_page_of_calls_is_not_carried_to_other_states():
    assert "cursor" not in read("/calls?cursor=abc&order=dearest").url(period="7d")
    assert "order" not in read("/calls?cursor=abc&order=dearest").url("/explore")


def test_one_value_of_a_field_replaces_another():
    view = read("/explore?filter=feature%3Dchat&filter=team%3Dcore")
    assert [filter_text(one) for one in read(view.with_filter("feature", "search")).filters] == [
        "team=core",
        "feature=search",
    ]


def test_a_period_that_ends_now_is_asked_to_the_end_of_its_quarter_hour():
    assert read("/?period=30d").period.end == datetime(2026, 11, 23, 12, 15, tzinfo=UTC)
    assert read("/?period=last-month").period.end == datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "label", "before"),
    [("last-month", "Last month", "September"), ("30d", "Last 30 days", "the 30 days before"),
     ("2026-11-03", "3 Nov 2026", "2 Nov 2026"),
     ("2026-10-05..2026-10-11", "5–11 Oct 2026", "28 Sep – 4 Oct 2026"), ("all", "All time", "")],
)  # fmt: skip
def test_a_period_and_what_it_is_compared_with_have_names(period: str, label: str, before: str):
    view = read(f"/?period={period}")
    assert (view.period_label, view.before_label) == (label, before)


def test_too_many_filters_are_refused_with_the_limit():
    with pytest.raises(BadRequest, match="at most 20"):
        read("/?" + "&".join(f"filter=feature%3D{at}" for at in range(21)))
