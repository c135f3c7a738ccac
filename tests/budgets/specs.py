"""Any window spec, and instants worth looking at: near clock changes, ends of years, leap days."""

from datetime import UTC, date, datetime

from hypothesis import strategies as st

from bursar.budgets.spec import DateRange, WindowSpec
from bursar.domain.calendar import month_on
from bursar.domain.clock import us_from_datetime

ZONES = (
    "UTC",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Asia/Beirut",
    "America/Havana",
    "America/St_Johns",
    "America/Nuuk",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Pacific/Kiritimati",
)
_RETAIL = ("4-4-5", "4-5-4", "5-4-4")

zones = st.sampled_from(ZONES)
_days = st.dates(date(1995, 1, 1), date(2060, 12, 31))


def _ranges(days: list[date]) -> tuple[DateRange, ...]:
    ordered = sorted(days)
    return tuple(DateRange(first, last) for first, last in zip(ordered[::2], ordered[1::2], strict=True))


def _year_end(end: date) -> date:
    """The day after the last such weekday of its month."""
    after = month_on(end.replace(day=1), 1).toordinal()
    return date.fromordinal(end.toordinal() + (after - 1 - end.toordinal()) // 7 * 7 + 1)


_grains = st.sampled_from(("period", "quarter", "year"))
_kinds = st.sampled_from(("hour", "day", "week", "month", "quarter", "year", "lifetime"))
_anchors = _days.filter(lambda day: (day.month, day.day) != (2, 29))
_date_pairs = st.lists(_days, min_size=1, max_size=4, unique=True).map(
    lambda days: days * 1 + [max(days)] * (len(days) % 2)
)

specs: st.SearchStrategy[WindowSpec] = st.one_of(
    st.builds(WindowSpec, _kinds, zones),
    st.builds(WindowSpec, st.sampled_from(("fiscal-year", "fiscal-quarter")), zones, start_month=st.integers(1, 12)),
    st.builds(WindowSpec, st.sampled_from(_RETAIL), zones, anchor=_anchors, grain=_grains),
    st.builds(
        WindowSpec, st.sampled_from(_RETAIL), zones, anchor=_days.map(_year_end), grain=_grains, rule=st.just("last")
    ),
    st.builds(WindowSpec, st.just("rolling"), zones, hours=st.integers(1, 24 * 366)),
    st.builds(WindowSpec, st.just("custom"), zones, ranges=_date_pairs.map(_ranges)),
)

_EDGES = (  # an hour before or after a clock change or the end of something
    datetime(2024, 2, 29, tzinfo=UTC),
    datetime(2024, 3, 30, 22, tzinfo=UTC),
    datetime(2024, 9, 8, 4, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2027, 1, 1, tzinfo=UTC),
    datetime(2010, 11, 7, 2, 31, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
)
instants_us = st.one_of(
    st.integers(us_from_datetime(datetime(1996, 1, 1, tzinfo=UTC)), us_from_datetime(datetime(2060, 1, 1, tzinfo=UTC))),
    st.builds(
        lambda edge, shift: us_from_datetime(edge) + shift,
        st.sampled_from(_EDGES),
        st.integers(-2 * 3_600 * 10**6, 2 * 3_600 * 10**6),
    ),
)
