"""Which table answers: the smallest that knows every dimension, measure and edge of the question."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bursar.domain.periods import Period
from bursar.explore.vocabulary import MEASURES, SOURCE, Dimension
from bursar.ledger.imported import EVERYTHING
from bursar.ledger.rollups import DAY_ROLLUPS, NEW, ROLLUPS, SLOT_MINUTES, of_each_charge


class Source(NamedTuple):
    """Where to ask: its name for people, its time column, and what is added up.

    sums: tables of partial sums; charges: charges that stand beside them, one by one. Both may have a WHERE behind.
    where: which rows count, for a table of charges; "": all.
    """

    name: str
    time: str
    sums: tuple[str, ...] = ()
    charges: tuple[str, ...] = ()
    where: str = ""

    @property
    def is_rollup(self) -> bool:
        return bool(self.sums)

    def rows(self, columns: Iterable[str]) -> str:
        """The rows of a rollup as a query, with these columns and no more: binding forty of them takes milliseconds."""
        names = list(columns)
        pieces = [f"SELECT {', '.join(names)} FROM {table}" for table in self.sums]
        return " UNION ALL ".join([*pieces, *(of_each_charge(names, charges) for charges in self.charges)])


CHARGES = Source("charges", "received_at")
WITH_IMPORTS = Source(EVERYTHING, "received_at")
"""Charges and rows of imported bills, for a question that says `source`; no other one ever sees those."""
_SOURCES = tuple((frozenset(rollup.dimensions), Source(rollup.name, "slot", (rollup.name, NEW))) for rollup in ROLLUPS)


def choose_source(measures: Iterable[str], dimensions: Iterable[Dimension], periods: Sequence[Period]) -> Source:
    """A period that begins or ends inside a slot needs the charges themselves."""
    columns = {dimension.column for dimension in dimensions}
    if SOURCE in columns:
        return WITH_IMPORTS
    edges = [edge for period in periods for edge in (period.start, period.end)]
    if any(not MEASURES[name].is_additive for name in measures) or not all(map(_on_slot, edges)):
        return CHARGES
    return next((source for known, source in _SOURCES if columns <= known), CHARGES)


def knows_days(measures: Iterable[str], dimensions: Iterable[Dimension]) -> bool:
    """Whether a rollup of whole days could answer."""
    columns = {dimension.column for dimension in dimensions}
    additive = all(MEASURES[name].is_additive for name in measures)
    return additive and any(columns <= set(rollup.dimensions) for rollup in DAY_ROLLUPS)


def day_source(
    dimensions: Iterable[Dimension], periods: Sequence[Period], until: datetime
) -> tuple[Source, dict[str, datetime]] | None:
    """The days inside the periods from a rollup, the rest at both ends from the charges; None: no whole day is inside.

    until: naive UTC, the end of the last day that is rolled up. The second part: values for the source's SQL.
    """
    columns = {dimension.column for dimension in dimensions}
    rollup = next(rollup for rollup in DAY_ROLLUPS if columns <= set(rollup.dimensions))
    sums: list[str] = []
    charges: list[str] = []
    values: dict[str, datetime] = {}
    for index, period in enumerate(periods):
        start, end = _naive(period.start), _naive(period.end)
        first, last = _midnight(start + _DAY - timedelta.resolution), min(_midnight(end), until)
        if first >= last:
            first = last = end  # all of it from the charges
        values |= {f"from{index}": start, f"first{index}": first, f"last{index}": last, f"to{index}": end}
        sums.append(f"{rollup.name} WHERE slot >= $first{index} AND slot < $last{index}")
        for begin, stop in ((f"$from{index}", f"$first{index}"), (f"$last{index}", f"$to{index}")):
            charges.append(f"charges WHERE received_at >= {begin} AND received_at < {stop}")
    if all(values[f"first{index}"] == values[f"last{index}"] for index in range(len(periods))):
        return None
    return Source(rollup.name, "slot", tuple(sums), tuple(charges)), values


_DAY = timedelta(days=1)


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)


def _on_slot(at: datetime) -> bool:
    return at.minute % SLOT_MINUTES == 0 and at.second == 0 and at.microsecond == 0
