"""The JSON API's answers about budgets."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath, JSONBody

from bursar.budgets.thresholds import thresholds_from
from bursar.console.api.parameters import PROBLEMS, Shape
from bursar.console.budgeting import BudgetAnswer, BudgetsAnswer, approve_budget, budget_answer, budgets_answer
from bursar.console.context import ConsoleContext
from bursar.console.pages.budgets import budgets_csv
from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import Unavailable

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


class NewApproval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """percent: past thresholds up to it, null: all. value: of the budget's `each`. until: null: the window's end."""

    percent: int | None = None
    value: str = ""
    until: datetime | None = None
    reason: str = ""


@post("/api/budgets/{budget_id:str}/approve", sync_to_thread=True, status_code=200, responses=PROBLEMS,
      summary="Let calls past a budget's approve thresholds")  # fmt: skip
def approve(request: Asked, budget_id: FromPath[str], data: JSONBody[NewApproval]) -> BudgetAnswer:
    """For the running window at most, on all workers within about a second. 400 `bad_budget`, 404 `unknown_budget`."""
    context: ConsoleContext = request.app.state.context
    until_us = None if data.until is None else us_from_datetime(data.until)
    approve_budget(context, budget_id, data.percent, data.value, until_us, data.reason)
    return budget_answer(context, budget_id)


class NewThresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In the place of those it has, as `80`, `80:throttle=30`, `80:route=gpt-4o-mini`, `90:approve` or `95:block`."""

    thresholds: list[str]


@post("/api/budgets/{budget_id:str}/thresholds", sync_to_thread=True, status_code=200, responses=PROBLEMS,
      summary="Say what happens at shares of a budget's limit")  # fmt: skip
def thresholds(request: Asked, budget_id: FromPath[str], data: JSONBody[NewThresholds]) -> BudgetAnswer:
    """On all workers within about a second. 400 `bad_budget`, 404 `unknown_budget`."""
    context: ConsoleContext = request.app.state.context
    if context.budgets is None or context.publish_budgets is None:
        raise Unavailable("this console was started without a control store; `bursar up` starts one with it")
    store = context.budgets()
    store.set_thresholds(budget_id, thresholds_from(data.thresholds), actor="console")
    context.publish_budgets(store)
    return budget_answer(context, budget_id)


BUDGET_HANDLERS = [budgets, budget, approve, thresholds]
