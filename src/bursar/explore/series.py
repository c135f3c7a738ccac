"""A measure over time, split by the largest values of a dimension: what a chart draws."""

from collections.abc import Sequence

import msgspec

from bursar.domain.periods import Bucket, Grain, buckets
from bursar.explore.filters import Filter
from bursar.explore.table import Query, Table, run_query
from bursar.ledger.store import Session

OTHER = "(other)"
TOP = 7


class Series(msgspec.Struct):
    """A measure per bucket of time, for the largest values of a dimension and the rest of them.

    names:  the values, largest first over the whole period; `OTHER` last if there is a rest; [""] without a dimension.
    values: one list per name, one element per bucket: exact, nothing spent is 0, None: all unpriced.
    totals: over all names, from a query of its own.
    """

    measure: str
    grain: Grain
    buckets: list[Bucket]
    names: list[str]
    values: list[list[object]]
    totals: list[object]


def series_of(
    session: Session,
    dialect: str,
    asked: Query,
    grain: Grain,
    dimension: str,
    top: int,
    names: Sequence[str] | None,
    totals: Table | None = None,
) -> Series:
    """asked: the period, the filters and one measure; totals: as in `run_query`."""
    measure = asked.measures[0]
    replace = msgspec.structs.replace
    asked = replace(asked, measures=(measure,))
    columns = buckets(asked.period, grain)
    whole = run_query(session, dialect, replace(asked, dimensions=(grain,)), totals)
    sums = _laid_out(columns, {row[0]: row[1] for row in whole.rows})
    if not dimension:
        return Series(measure, grain, columns, [""], [sums], sums)
    if names is None:
        largest = replace(asked, dimensions=(dimension,), order=measure, limit=top)
        names = [row[0] for row in run_query(session, dialect, largest, whole).rows]
    shown = list(names)
    values: list[list[object]] = []
    if shown:
        only = (*asked.filters, Filter(dimension, tuple(shown)))
        parts = run_query(session, dialect, replace(asked, dimensions=(grain, dimension), filters=only), rows_only=True)
        found: dict[str, dict[str, object]] = {name: {} for name in shown}
        for label, name, value, *_ in parts.rows:
            found[name][label] = value
        values = [_laid_out(columns, found[name]) for name in shown]
    rest = [_rest(total, [part[at] for part in values]) for at, total in enumerate(sums)]
    if any(rest):
        return Series(measure, grain, columns, [*shown, OTHER], [*values, rest], sums)
    return Series(measure, grain, columns, shown, values, sums)


def _laid_out(columns: Sequence[Bucket], values: dict[str, object]) -> list[object]:
    return [values.get(bucket.label, 0) for bucket in columns]


def _rest(total: object, parts: Sequence[object]) -> object:
    """What the named values leave of a total: exact, for both are sums of the same charges."""
    if total is None:
        return None
    return total - sum(part for part in parts if part is not None)  # type: ignore[operator, misc]  # int or Decimal
