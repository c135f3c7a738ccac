"""The explorer: every question about cost that a page, the API or a command asks."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from bursar.domain.periods import Grain, Period
from bursar.explore import about
from bursar.explore.alike import GROUPS_MAX, Alike, calls_alike, refused_by_code
from bursar.explore.apart import ONE_OFFS, cost_apart
from bursar.explore.calls import CallOrder, CallsPage, CallSummary, calls_by_id, list_calls
from bursar.explore.detail import AttemptDetail, CallDetail, Line, call_detail
from bursar.explore.filters import Filter, as_filters, parse_filter
from bursar.explore.pace import Ceilings, Paces, paces
from bursar.explore.series import OTHER, TOP, Series, series_of
from bursar.explore.table import Query, Table, run_query
from bursar.explore.vocabulary import COST_MEASURES, DIMENSIONS, MEASURES, SOURCE
from bursar.ledger.store import Ledger

__all__ = [
    "COST_MEASURES",
    "DIMENSIONS",
    "MEASURES",
    "OTHER",
    "AttemptDetail",
    "CallDetail",
    "CallSummary",
    "CallsPage",
    "Explorer",
    "Filter",
    "Line",
    "Overview",
    "Query",
    "Series",
    "Table",
    "parse_filter",
]

Filters = Sequence[Filter | tuple[str, str]]
OVERVIEW_MEASURES = ("effective_cost", "calls", "attempts", "total_input_tokens", "total_output_tokens")


class Overview(msgspec.Struct):
    """What the first page shows: totals with the period before, the course of it, what cost and what changed most."""

    totals: Table
    by_feature: Table
    by_customer: Table
    by_model: Table
    changed: Table
    series: Series


class Explorer:
    """Questions to one ledger. Safe for threads: each question has a snapshot of its own, all of its parts the same."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def run(self, query: Query, *, rows_only: bool = False) -> Table:
        """Answer a `Query`; rows_only: without totals, for a caller who has no use for them, which saves a question.

        Raises BadQuery or BadPeriod, whose messages say what can be asked.
        """
        with self.ledger.reading() as session:
            return run_query(session, self.ledger.dialect, query, rows_only=rows_only)

    def cost_by(
        self,
        dimension: str | Sequence[str],
        period: Period,
        *,
        filters: Filters = (),
        timezone: str = "",
        limit: int | None = 20,
        compare: bool = False,
        order: str = "effective_cost",
        measures: Sequence[str] = COST_MEASURES,
    ) -> Table:
        """Cost by one dimension or two, largest first: "what cost the most last month?"."""
        names = (dimension,) if isinstance(dimension, str) else tuple(dimension)
        return self.run(
            Query(
                period=period,
                measures=tuple(measures),
                dimensions=names,
                filters=tuple(filters),
                timezone=timezone,
                order=order,
                limit=limit,
                compare=compare,
            )
        )

    def totals(self, period: Period, *, filters: Filters = (), compare: bool = True) -> Table:
        """One row of sums, beside those of the period before."""
        return self.run(Query(period=period, filters=tuple(filters), compare=compare))

    def timeseries(
        self,
        period: Period,
        *,
        grain: Grain = "day",
        dimension: str = "",
        measure: str = "effective_cost",
        filters: Filters = (),
        top: int = TOP,
        names: Sequence[str] | None = None,
    ) -> Series:
        """A measure over time, split by the `top` largest values of a dimension (or by the `names` given).

        Buckets are local to the period's time zone; empty ones are there, with 0.
        """
        asked = Query(period, (measure,), (), tuple(filters))
        with self.ledger.reading() as session:
            return series_of(session, self.ledger.dialect, asked, grain, dimension, top, names)

    def overview(self, period: Period, *, filters: Filters = (), grain: Grain = "day", top: int = 5) -> Overview:
        """The first page in one go: six questions."""
        asked = Query(period=period, filters=tuple(filters))
        with self.ledger.reading() as session:
            dialect = self.ledger.dialect
            totals = run_query(session, dialect, msgspec.structs.replace(asked, compare=True))

            def most(dimension: str, order: str = "effective_cost", *, compare: bool = False) -> Table:
                query = Query(period, OVERVIEW_MEASURES, (dimension,), tuple(filters), "", order, False, top, compare)
                return run_query(session, dialect, query, totals)

            by_feature = most("feature")
            names = [row[0] for row in by_feature.rows]
            return Overview(
                totals=totals,
                by_feature=by_feature,
                by_customer=most("customer"),
                by_model=most("model"),
                changed=most("feature", "change:effective_cost", compare=True),
                series=series_of(session, dialect, asked, grain, "feature", top, names, totals),
            )

    def calls(
        self,
        period: Period,
        *,
        filters: Filters = (),
        order: CallOrder = "newest",
        cursor: str | None = None,
        limit: int = 50,
    ) -> CallsPage:
        """A page of the calls received in a period. Raises BadQuery for a cursor, order or field that isn't one."""
        with self.ledger.reading() as session:
            return list_calls(
                session, self.ledger.dialect, period, tuple(filters), order=order, cursor=cursor, limit=limit
            )

    def calls_by_id(self, call_ids: Sequence[str]) -> list[CallSummary]:
        """Those of these calls that are in the books, in any order."""
        with self.ledger.reading() as session:
            return calls_by_id(session, call_ids)

    def cost_apart(self, period: Period, *, filters: Filters = ()) -> Decimal:
        """What entries that stand for no call cost, USD. Raises BadFilter, BadQuery."""
        with self.ledger.reading() as session:
            return cost_apart(session, self.ledger.dialect, period, as_filters(filters))

    def one_offs(
        self, period: Period, dimensions: Sequence[str], *, measure: str = "effective_cost", filters: Filters = ()
    ) -> dict[tuple[str, ...], Decimal]:
        """What of a sum says nothing of what is next, USD by dimensions (grains among them, labelled as in a `Table`):
        a commitment's shortfall, a bill's credit, a line of a bill that no call explains. What re-rates a call isn't
        in it. Raises BadQuery."""
        asked = Query(period, (measure,), tuple(dimensions), tuple(filters))
        if any(name == SOURCE for name in (*dimensions, *(one.field for one in as_filters(filters)))):
            return {}  # imported rows are bills, not entries of ours
        with self.ledger.reading() as session:
            table = run_query(session, self.ledger.dialect, asked, rows_only=bool(dimensions), only=ONE_OFFS)
        if not dimensions:
            return {(): table.totals[measure] or Decimal(0)}
        width = len(table.dimensions)
        return {tuple(row[:width]): row[width] for row in table.rows if row[width]}

    def call(self, call_id: str) -> CallDetail:
        """One call down to its lines. Raises UnknownCall."""
        with self.ledger.reading() as session:
            return call_detail(session, call_id)

    def calls_alike(
        self,
        period: Period,
        dimensions: Sequence[str],
        *,
        filters: Sequence[Filter] = (),
        body_bytes_max: int | None = None,
        output_tokens_max: int | None = None,
        limit: int = GROUPS_MAX,
    ) -> tuple[list[Alike], int]:
        """Calls by all that a policy can tell them apart by, and how many such groups there are."""
        with self.ledger.reading() as session:
            return calls_alike(
                session,
                self.ledger.dialect,
                period,
                dimensions,
                filters,
                body_bytes_max=body_bytes_max,
                output_tokens_max=output_tokens_max,
                limit=limit,
            )

    def paces(self, period: Period, each: str, filters: Sequence[Filter], ceilings: Ceilings) -> Paces:
        """How many calls came in a minute and ran at a time, and how many of them some ceilings would have met."""
        with self.ledger.reading() as session:
            return paces(session, self.ledger.dialect, period, each, filters, ceilings)

    def refused_by_code(self, period: Period) -> dict[str, int]:
        """Calls that Bursar refused before anything was sent, by error code."""
        with self.ledger.reading() as session:
            return refused_by_code(session, period)

    def dimension_values(
        self, name: str, period: Period, *, prefix: str = "", filters: Filters = (), limit: int = 50
    ) -> list[about.Value]:
        """Values of a dimension that begin with `prefix`, those with most attempts first, for menus."""
        with self.ledger.reading() as session:
            return about.dimension_values(session, self.ledger.dialect, name, period, prefix, tuple(filters), limit)

    def tag_keys(self, period: Period) -> list[about.Value]:
        """Names of free tags in use."""
        with self.ledger.reading() as session:
            return about.tag_keys(session, period)

    def prices_used(self, period: Period) -> list[about.PriceUse]:
        """Models, and the dated price rows they were charged at."""
        with self.ledger.reading() as session:
            return about.prices_used(session, period)

    models_used = prices_used

    def freshness(self) -> about.Freshness:
        """How old the newest call in the books is, and what is still on its way."""
        with self.ledger.reading() as session:
            return about.freshness(session)

    def first_call_at(self) -> datetime | None:
        """When the oldest call was received: where a chart of "all" begins."""
        with self.ledger.reading() as session:
            return about.first_call(session)
