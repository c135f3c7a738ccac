"""Filters as an address writes them: `feature=checkout`, `tag:plan=pro`, `customer!=acme`, `model~=haiku`."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from bursar.domain.errors import BadQuery
from bursar.explore.vocabulary import SAVED, check_saved, filterable

Operator = Literal["is", "not", "contains", "starts"]
VALUES_MAX = 1_000

_SIGNS: tuple[tuple[str, Operator], ...] = (("!=", "not"), ("~=", "contains"), ("^=", "starts"), ("=", "is"))


class Filter(msgspec.Struct, frozen=True):
    """One condition. `is`: any of the values; `not`: none of them. The empty value means "not said".

    field: a dimension, a tag, or `saved`, whose values are levers: those that made a difference.
    contains, starts: case doesn't matter.
    """

    field: str
    values: tuple[str, ...]
    op: Operator = "is"


def parse_filter(text: str) -> Filter:
    """Read one filter. Raises BadQuery that says how one is written."""
    at, sign, op = min(
        ((at, sign, op) for sign, op in _SIGNS if (at := text.find(sign)) > 0),
        default=(0, "", "is"),
        key=lambda hit: hit[0],
    )
    if not sign:
        raise BadQuery(
            f"{text[:80]!r} is not a filter; write feature=checkout, tag:plan=pro or customer!=acme", field="filter"
        )
    return Filter(text[:at].strip(), (text[at + len(sign) :],), op)


def as_filters(given: Iterable[Filter | tuple[str, str]]) -> tuple[Filter, ...]:
    """Filters, and pairs (field, value) for `is`; conditions alike on one field are one: any of their values.

    Several levers on `saved` are all of them instead: a call has more than one. Raises BadQuery for a field that isn't
    there.
    """
    merged: dict[tuple[str, Operator, str], list[str]] = {}
    for item in given:
        one = item if isinstance(item, Filter) else Filter(item[0], (item[1],))
        filterable(one.field)
        if one.field == SAVED:
            check_saved(one.op, one.values)
        for value in one.values:
            of_its_own = value if one.field == SAVED else ""
            values = merged.setdefault((one.field, one.op, of_its_own), [])
            values += [] if value in values else [value]
            if len(values) > VALUES_MAX:
                raise BadQuery(f"more than {VALUES_MAX} values for {one.field}", field="filter")
    return tuple(Filter(field, tuple(values), op) for (field, op, _), values in merged.items())
