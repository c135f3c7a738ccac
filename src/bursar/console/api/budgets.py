"""The JSON API's answers about budgets."""

from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from bursar.console.api.parameters import PROBLEMS, Shape
from bursar.console.budgeting import BudgetAnswer, BudgetsAnswer, budget_answer, budgets_answer
from bursar.console.context import ConsoleContext
from bursar.console.pages.budgets import budgets_csv

Asked = Request[Any, Any, Any]


@get("/api/budgets", sync_to_thread=True, responses=PROBLEMS, summary="Budgets: limit, spent, held and left")
def budgets(request: Asked, format_: Shape = None) -> Response[BudgetsAnswer]:
    """Every budget in force in its running window, the fullest first. `held` is for calls under way, and not spent."""
    context: ConsoleContext = request.app.state.context
    figures = budgets_answer(context)
    if format_ == "csv":
        return Response(budgets_csv(figures), media_type="text/csv")  # type: ignore[arg-type]  # described in app.py
    return Response(figures)


@get("/api/budgets/{budget_id:str}", sync_to_thread=True, responses=PROBLEMS, summary="One budget, with its forecast")
def budget(request: Asked, budget_id: FromPath[str]) -> BudgetAnswer:
    """By id or name: each value's balance, thresholds, decisions on the limit, rate, and when it will be exhausted.

    404 `unknown_budget` if there is none of that name in force.
    """
    context: ConsoleContext = request.app.state.context
    return budget_answer(context, budget_id)


BUDGET_HANDLERS = [budgets, budget]
