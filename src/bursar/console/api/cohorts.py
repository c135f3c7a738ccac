"""The API of cohorts: customers by the month they signed up in, over the months since."""

from collections.abc import Iterable
from typing import Any

from litestar import Request, Response, get

from bursar.budgets.told import usd_text
from bursar.console.api.answers import csv_bytes
from bursar.console.api.customers_told import AgeAnswer, CellAnswer, CohortLineAnswer, GridAnswer
from bursar.console.api.parameters import PROBLEMS, Month, Shape, Zone
from bursar.console.context import ConsoleContext
from bursar.console.customers import span_of
from bursar.console.pages.serving import as_csv
from bursar.console.view import View
from bursar.finance.economics.cohorts import Age, Cell

COLUMNS = (
    "signed_up", "customers", "months_since_sign_up", "month", "called", "known", "paying", "estimated", "revenue",
    "ai_cost", "margin", "unpriced_count",
)  # fmt: skip


def grid_answer(context: ConsoleContext, view: View) -> GridAnswer:
    """Raises BadPeriod."""
    span = span_of(view)
    grid = context.finance().economics.cohorts(span)
    return GridAnswer(
        first=grid.months[0], until=span.until, currency=context.config.console.currency, is_over=span.is_over,
        cohorts=[CohortLineAnswer(one.month, one.size, [_cell(cell) for cell in one.cells]) for one in grid.lines],
        ages=[_age(one) for one in grid.ages],
        earlier=grid.earlier, earlier_ai_cost=usd_text(grid.earlier_pico), undated=grid.undated,
        undated_ai_cost=usd_text(grid.undated_pico), unattributed_ai_cost=usd_text(grid.nameless_pico),
        ai_cost=usd_text(grid.ai_pico),
    )  # fmt: skip


def grid_csv(answer: GridAnswer) -> bytes:
    """A row for each cohort and month."""

    def rows() -> Iterable[list[object]]:
        for line in answer.cohorts:
            for age, cell in enumerate(line.months):
                if not cell.is_counted:
                    continue
                yield [
                    str(line.month), line.customers, age, str(cell.month), cell.called, cell.known, cell.paying,
                    cell.estimated, cell.revenue, cell.ai_cost, cell.margin, cell.unpriced_count,
                ]  # fmt: skip

    return csv_bytes(COLUMNS, rows())


def _cell(one: Cell) -> CellAnswer:
    margin = usd_text(one.margin_pico) if one.known and one.is_counted else None
    return CellAnswer(
        one.month, one.is_counted, one.called, one.known, one.paying, one.estimated,
        usd_text(one.revenue_pico) if one.known else None, usd_text(one.ai_pico), margin, one.unpriced,
    )  # fmt: skip


def _age(one: Age) -> AgeAnswer:
    return AgeAnswer(
        one.age, one.size, one.called, one.known, usd_text(one.revenue_pico) if one.known else None,
        usd_text(one.ai_pico), usd_text(one.margin_pico) if one.known else None,
    )  # fmt: skip


@get("/api/cohorts", sync_to_thread=True, responses=PROBLEMS, summary="Cohorts over the months since sign-up")
def cohorts(
    request: Request[Any, Any, Any], month: Month = None, tz: Zone = None, format: Shape = None
) -> GridAnswer | Response[Any]:
    """Twelve months up to one: who signed up in each, who of them still called in the months since, and what they
    earned and cost."""
    context: ConsoleContext = request.app.state.context
    asked = {name: [value] for name, value in (("month", month), ("tz", tz)) if value}
    answer = grid_answer(context, context.view("/customers", asked))
    return as_csv(grid_csv(answer)) if format == "csv" else answer


COHORT_HANDLERS = [cohorts]
