"""Window specs as text: read back as written, and refused with the name of what is wrong."""

import msgspec
import pytest
from hypothesis import given, settings
from tests.budgets.specs import specs, zones

from bursar.budgets.spec import RANGES_MAX, WindowSpec, format_spec, parse_spec
from bursar.domain.errors import BadWindow


@settings(max_examples=200, deadline=None)
@given(spec=specs, default=zones)
def test_a_spec_reads_back_as_it_was_written(spec: WindowSpec, default: str) -> None:
    assert parse_spec(format_spec(spec, default), default) == spec
    assert parse_spec(format_spec(spec)) == spec
    assert msgspec.json.decode(msgspec.json.encode(spec), type=WindowSpec) == spec


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" Month ", "month"),
        ("FY:4@Asia/Kolkata", "fy:04@Asia/Kolkata"),
        ("rolling:72h", "rolling:3d"),
        ("rolling:1d", "rolling:24h"),
        ("4-4-5:2026-01-26:last", "4-4-5:2026-01-26:last"),
        ("4-4-5:2025-09-28:last:year", "4-4-5:2025-09-28:year:last"),
        ("2026-01-01..2026-01-31, 2026-02-01..2026-02-28 @ UTC", "2026-01-01..2026-01-31,2026-02-01..2026-02-28"),
    ],
)
def test_spelling_is_forgiven_and_made_one(text: str, canonical: str) -> None:
    assert format_spec(parse_spec(text)) == canonical


def test_the_readers_zone_is_the_default() -> None:
    assert parse_spec("month", "Asia/Kolkata").timezone == "Asia/Kolkata"
    assert format_spec(parse_spec("month@UTC", "Asia/Kolkata"), "Asia/Kolkata") == "month@UTC"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "window"),
        ("fortnight", "window"),
        ("fy", "window"),
        ("fy:april", "window"),
        ("fy:13", "start_month"),
        ("fy:00", "start_month"),
        ("month:3", "window"),
        ("month@Mars/Olympus", "timezone"),
        ("month@", "timezone"),
        ("month@../../etc/passwd", "timezone"),
        ("4-4-5", "window"),
        ("4-4-5:soon", "anchor"),
        ("4-4-5:2026-02-30", "anchor"),
        ("4-4-5:2024-02-29", "anchor"),
        ("4-4-5:1066-10-14", "anchor"),
        ("4-4-5:2026-02-01:month", "window"),
        ("4-4-5:2026-02-02:last", "anchor"),
        ("rolling:0h", "hours"),
        ("rolling:367d", "hours"),
        ("rolling:90m", "window"),
        ("2026-03-31..2026-01-01", "ranges"),
        ("2026-01-01..", "ranges"),
        ("2026-01-01..2026-01-31,2026-01-31..2026-02-28", "ranges"),
        ("2026-02-01..2026-02-28,2026-01-01..2026-01-31", "ranges"),
        ("x" * 5_000, "window"),
        ("٢٠٢٦-01-01..2026-01-02", "ranges"),
    ],
)
def test_what_is_no_window_is_refused_by_the_name_of_its_field(text: str, field: str) -> None:
    with pytest.raises(BadWindow) as raised:
        parse_spec(text)
    assert raised.value.field == field
    assert len(raised.value.message) < 6_000


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "month", "hours": 3}, "hours"),
        ({"kind": "month", "start_month": 4}, "start_month"),
        ({"kind": "month", "rule": "last"}, "rule"),
        ({"kind": "month", "anchor": "2026-02-01"}, "anchor"),
        ({"kind": "rolling"}, "hours"),
        ({"kind": "custom"}, "ranges"),
        ({"kind": "custom", "ranges": [{"first": "2026-01-01", "last": "2026-01-01"}] * (RANGES_MAX + 1)}, "ranges"),
        ({"kind": "4-4-5"}, "anchor"),
        ({"kind": "fiscal-year"}, "start_month"),
    ],
)
def test_a_spec_that_contradicts_itself_is_refused_wherever_it_comes_from(fields: dict, field: str) -> None:
    with pytest.raises(BadWindow) as raised:
        msgspec.convert(fields, WindowSpec)
    assert raised.value.field == field


def test_a_kind_nobody_knows_is_refused_in_python_too() -> None:
    with pytest.raises(BadWindow) as raised:
        WindowSpec("fortnight")
    assert raised.value.field == "kind"
