"""Forms of the pages that change something and lead back to their page. `pages/edit.py` has those with many fields."""

import asyncio
from typing import Any
from urllib.parse import quote

from litestar import Response, post
from litestar.response import Redirect

from bursar.console.budget_rates import take_rate
from bursar.console.budgeting import approve_budget, end_raises, known_budget, raise_budget
from bursar.console.context import NO_CONTROL_STORE, ConsoleContext
from bursar.console.forms.fields import Fields
from bursar.console.pages.advice import PAGES_OF_DRAFTS, apply_from_page
from bursar.console.pages.budgets import budget_page
from bursar.console.pages.caches import change_caches
from bursar.console.pages.controls import change_controls
from bursar.console.pages.serving import Asked, fields_of, html
from bursar.domain.errors import BadBudget, BadRequest, Unavailable


@post("/controls/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Redirect:
    """A form of the page of limits and policies."""
    fields = await fields_of(request)
    await asyncio.to_thread(change_controls, request.app.state.context, fields)
    return Redirect("/controls", status_code=303)


@post("/caches/change", include_in_schema=False, status_code=303)
async def change_cache(request: Asked) -> Redirect:
    """A button of the page of caches."""
    fields = await fields_of(request)
    await asyncio.to_thread(change_caches, request.app.state.context, fields)
    return Redirect("/caches", status_code=303)


@post("/advice/apply", include_in_schema=False, status_code=303)
async def apply(request: Asked) -> Redirect:
    """The button of an advice: its change is kept as a draft, and the page of drafts of its kind is shown."""
    context: ConsoleContext = request.app.state.context
    fields = await fields_of(request)
    context.check_form(fields)
    kept = await asyncio.to_thread(apply_from_page, context, fields)
    return Redirect(PAGES_OF_DRAFTS[kept.kind], status_code=303)


@post("/budgets/approve", include_in_schema=False, status_code=303)
async def approve(request: Asked) -> Redirect:
    """The form of a budget's page that lets calls go on: of one value of its `each`, or of all.

    Raises BadBudget where it has values and none was said: all of them is a choice too.
    """
    context: ConsoleContext = request.app.state.context
    fields = await fields_of(request)
    context.check_form(fields)
    await asyncio.to_thread(_approve, context, fields)
    return Redirect(_page_of(fields), status_code=303)


@post("/budgets/rate", include_in_schema=False, status_code=303)
async def rate(request: Asked) -> Redirect:
    """The button of a budget's page that takes the rate proposed. Raises ChangedMeanwhile where it is another now."""
    context: ConsoleContext = request.app.state.context
    fields = await fields_of(request)
    context.check_form(fields)
    await asyncio.to_thread(take_rate, context, fields.get("id", ""), fields.get("usd", ""))
    return Redirect(_page_of(fields), status_code=303)


@post("/budgets/raise", include_in_schema=False, status_code=303)
async def raise_limit(request: Asked) -> Response[Any]:
    """The form of a budget's page for another limit; with a mistake at its field it comes back on that page."""
    context: ConsoleContext = request.app.state.context
    fields = await fields_of(request)
    context.check_form(fields)
    return await asyncio.to_thread(_raise, request, context, fields)


@post("/loops/lift", include_in_schema=False, status_code=303)
async def lift(request: Asked) -> Redirect:
    """The button beside a cut. Raises UnknownLoop."""
    context: ConsoleContext = request.app.state.context
    fields = await fields_of(request)
    context.check_form(fields)
    if context.lift_loop is None:
        raise Unavailable(NO_CONTROL_STORE)
    await asyncio.to_thread(context.lift_loop, fields.get("id", ""))
    return Redirect("/loops", status_code=303)


def _approve(context: ConsoleContext, fields: dict[str, str]) -> None:
    name, value = fields.get("id", ""), fields.get("value")
    if known_budget(context, name).budget.each and value is None:
        raise BadBudget("whose calls may go on? Choose one of its values, or all of them", field="value")
    approve_budget(context, name, None, value or "", None, fields.get("reason", ""))


def _raise(request: Asked, context: ConsoleContext, fields: dict[str, str]) -> Response[Any]:
    name, form = fields.get("id", ""), Fields(fields)
    try:
        if fields.get("act") == "end":
            end_raises(context, name)
        else:
            raise_budget(context, name, form.text("limit"), form.text("until"), form.text("reason"))
    except BadRequest as error:
        form.wrong(error.field or "limit", error.message)
        view = context.view(f"/budgets/{quote(name, safe='')}", {})
        return html(
            request, view, "budget.html", "budgets", "Budget", lambda f: budget_page(context, view, f, name, form),
            status=400,
        )  # fmt: skip
    return Redirect(_page_of(fields), status_code=303)


def _page_of(fields: dict[str, str]) -> str:
    return f"/budgets/{quote(fields.get('id', ''), safe='')}"


CHANGE_HANDLERS = [change, change_cache, apply, approve, rate, raise_limit, lift]
