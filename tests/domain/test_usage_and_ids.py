"""Usage is disjoint; ids are UUIDv7 and never repeat."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.ids import Ids
from bursar.domain.usage import COUNTED, UNITS, Unit, Usage


@given(st.lists(st.integers(0, 10**9), min_size=len(UNITS), max_size=len(UNITS)))
def test_what_was_used_is_listed_once_in_order(counts: list[int]) -> None:
    usage = Usage(**{unit.value: count for unit, count in zip(UNITS, counts, strict=True)})
    assert dict(usage.nonzero()) == {unit: n for unit, n in zip(UNITS, counts, strict=True) if n}
    others = sum(getattr(usage, unit) for unit in COUNTED)
    assert usage.total_input + usage.total_output + others == sum(counts)


def test_reasoning_is_part_of_output_and_no_unit_of_its_own() -> None:
    usage = Usage(output=100, reasoning=80)
    assert list(usage.nonzero()) == [(Unit.OUTPUT, 100)]


def test_ids_are_uuid7_sorted_by_time_and_unique() -> None:
    ids = Ids()
    made = [ids.new(1_700_000_000_000_000 + n * 1_000) for n in range(5_000)]
    assert len(set(made)) == len(made)
    assert made == sorted(made)
    parsed = uuid.UUID(made[7])
    assert (parsed.version, parsed.variant, str(parsed)) == (7, uuid.RFC_4122, made[7])
    assert parsed.int >> 80 == 1_700_000_000_007
