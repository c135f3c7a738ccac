"""The JSON API of budgets: as they stand, made, changed, removed, and let go on.

Handlers that share a path are coroutines, as in `controls.py`.
"""

import asyncio
from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from bursar.budgets.thresholds import thresholds_from
from bursar.console import editing
from bursar.console.api.parameters import PROBLEMS, Shape
from bursar.console.budgeting import BudgetAnswer, BudgetsAnswer, approve_budget, budget_answer, budgets_answer
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.editing import BUDGET
from bursar.console.pages.budgets import budgets_csv
from bursar.controlfile.budgets import BudgetEntry
from bursar.domain.clock import us_from_datetime

Asked = Request[Any, Any, Any]


class NewBudget(BudgetEntry, kw_only=True):
    """A budget as a control file has it, and its name."""

    name: str


class ChangedBudget(BudgetEntry, kw_only=True):
    """All that it shall say from now on, as a control file has it. reason: of another limit, kept with it."""

    reason: str = ""


@get("/api/budgets", responses=PROBLEMS, summary="Budgets: limit, spent, held and left")
async def budgets(request: Asked, format_: Shape = None) -> Response[BudgetsAnswer]:
    """Every budget in force in its running window, the fullest first. `held` is for calls under way, and not spent."""
    context: ConsoleContext = request.app.state.context
    figures = await asyncio.to_thread(budgets_answer, context)
    if format_ == "csv":
        return Response(budgets_csv(figures), media_type="text/csv")  # type: ignore[arg-type]  # described in app.py
    return Response(figures)


@post("/api/budgets", responses=PROBLEMS, summary="Make a budget")
async def make_budget(request: Asked, data: JSONBody[NewBudget]) -> BudgetAnswer:
    """In force on all workers within a second; what its window has cost already counts.

    400 `bad_budget` or `bad_window`, 409 `name_taken`.
    """
    context: ConsoleContext = request.app.state.context

    def make() -> BudgetAnswer:
        item = editing.make(context, BUDGET, data.name, _entry_of(data, "name"))
        return budget_answer(context, item.value.budget_id)

    return await asyncio.to_thread(make)


@get("/api/budgets/{budget_id:str}", responses=PROBLEMS, summary="One budget, with its forecast")
async def budget(request: Asked, budget_id: FromPath[str]) -> BudgetAnswer:
    """By id or name: each value's balance, thresholds, decisions on the limit, rate, and when it will be exhausted.

    404 `unknown_budget` if there is none of that name in force.
    """
    context: ConsoleContext = request.app.state.context
    return await asyncio.to_thread(budget_answer, context, budget_id)


@put("/api/budgets/{budget_id:str}", responses=PROBLEMS, summary="Change a budget")
async def change_budget(request: Asked, budget_id: FromPath[str], data: JSONBody[ChangedBudget]) -> BudgetAnswer:
    """By id or name: what isn't said is at its default. Another scope or mode is another count, which begins anew.

    400 `bad_budget` or `bad_window`, 404 `unknown_budget`.
    """
    context: ConsoleContext = request.app.state.context

    def change() -> BudgetAnswer:
        name = context.budget_store().find(budget_id).name
        item = editing.change(context, BUDGET, name, _entry_of(data, "reason"), data.reason)
        return budget_answer(context, item.value.budget_id)

    return await asyncio.to_thread(change)


@delete("/api/budgets/{budget_id:str}", status_code=200, responses=PROBLEMS, summary="Remove a budget")
async def remove_budget(request: Asked, budget_id: FromPath[str]) -> BudgetsAnswer:
    """By id or name; it holds nothing from then on. The answer is what is still in force. 404 `unknown_budget`."""
    context: ConsoleContext = request.app.state.context

    def remove() -> BudgetsAnswer:
        editing.remove(context, BUDGET, budget_id)
        return budgets_answer(context)

    return await asyncio.to_thread(remove)


def _entry_of(data: BudgetEntry, apart: str) -> dict[str, Any]:
    """What stands under the name in a control file. apart: the field that isn't part of it."""
    told: dict[str, Any] = msgspec.to_builtins(data)
    return {field: value for field, value in told.items() if field != apart and value is not None}


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
    context.budget_store().set_thresholds(budget_id, thresholds_from(data.thresholds), actor=ACTOR)
    context.tell_budgets()
    return budget_answer(context, budget_id)


BUDGET_HANDLERS = [budgets, make_budget, budget, change_budget, remove_budget, approve, thresholds]
