"""The addresses of the pages and of their `.json` and `.csv` twins."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from bursar.console.api.answers import (
    calls_answer,
    calls_csv,
    costs_answer,
    costs_csv,
    csv_bytes,
)
from bursar.console.api.loops import loops_answer, waste_answer, waste_csv
from bursar.console.budgeting import approve_budget, budget_answer, budgets_answer
from bursar.console.context import ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.budgets import budget_csv, budget_page, budgets_csv, budgets_page
from bursar.console.pages.call import call_page
from bursar.console.pages.calls import calls_page, calls_page_of
from bursar.console.pages.controls import change_controls, controls_answer, controls_csv, controls_page
from bursar.console.pages.explore import ROWS_DEFAULT, explore_page, explore_table
from bursar.console.pages.loops import loops_page
from bursar.console.pages.overview import TOP_ROWS, overview_page, overview_table
from bursar.console.pages.prices import prices_answer, prices_page
from bursar.console.pages.search import looks_like_call, read_query, search_page
from bursar.console.render import Renderer
from bursar.console.view import View, canonical
from bursar.domain.errors import Unavailable

GROUPS_MAX = 10_000  # of a CSV; more are one last row, "(others)"
CSV = "text/csv"  # Litestar adds the charset
NO_STORE = {"cache-control": "no-store"}
Asked = Request[Any, Any, Any]


def answer(request: Asked, path: str, suffix: str, build: Callable[[View], Response[Any]]) -> Response[Any]:
    """Read the address, lead a plain form's answer to its one spelling, else build."""
    context: ConsoleContext = request.app.state.context
    query = request.query_params.dict()
    lists = {
        name: [str(v) for v in value] if isinstance(value, list) else [str(value)] for name, value in query.items()
    }
    view = context.view(path, lists)
    if not suffix and (target := canonical(view, lists)) is not None:
        return Redirect(target, status_code=303)
    return build(view)


def html(
    request: Asked,
    view: View,
    template: str,
    page: str,
    title: str,
    build: Callable[[Format], dict[str, Any]],
    **more: Any,
) -> Response[Any]:
    """A page, never kept by caches: the figures move."""
    renderer: Renderer = request.app.state.renderer
    parts = build(renderer.format(view))
    text = renderer.page(template, view, page=page, title=title, **more, **parts)
    return Response(text, media_type=MediaType.HTML, headers=NO_STORE)


def as_json(value: Any) -> Response[Any]:
    return Response(msgspec.json.encode(value), media_type=MediaType.JSON, headers=NO_STORE)


def as_csv(content: bytes) -> Response[Any]:
    return Response(content, media_type=CSV, headers=NO_STORE)


def suffix_of(request: Asked) -> str:
    path = request.url.path
    return next((suffix for suffix in ("json", "csv") if path.endswith(f".{suffix}")), "")


def overview(request: Asked) -> Response[Any]:
    context: ConsoleContext = request.app.state.context
    suffix = suffix_of(request)

    def build(view: View) -> Response[Any]:
        if suffix:
            rows = GROUPS_MAX if suffix == "csv" else TOP_ROWS
            figures = costs_answer(view, overview_table(context, view, rows), context.config.console.currency)
            return as_json(figures) if suffix == "json" else as_csv(costs_csv(figures))
        return html(request, view, "overview.html", "overview", "Overview", lambda f: overview_page(context, view, f))

    return answer(request, "/", suffix, build)


def explore(request: Asked) -> Response[Any]:
    context: ConsoleContext = request.app.state.context
    suffix = suffix_of(request)

    def build(view: View) -> Response[Any]:
        if suffix:
            rows = GROUPS_MAX if suffix == "csv" else ROWS_DEFAULT
            figures = costs_answer(view, explore_table(context, view, rows_max=rows), context.config.console.currency)
            return as_json(figures) if suffix == "json" else as_csv(costs_csv(figures))
        return html(request, view, "explore.html", "explore", "Explore", lambda f: explore_page(context, view, f))

    return answer(request, "/explore", suffix, build)


def calls(request: Asked) -> Response[Any]:
    context: ConsoleContext = request.app.state.context
    suffix = suffix_of(request)

    def build(view: View) -> Response[Any]:
        if suffix:
            figures = calls_answer(view, calls_page_of(context, view), context.config.console.currency)
            return as_json(figures) if suffix == "json" else as_csv(calls_csv(figures))
        return html(request, view, "calls.html", "calls", "Calls", lambda f: calls_page(context, view, f))

    return answer(request, "/calls", suffix, build)


def call(request: Asked, name: FromPath[str]) -> Response[Any]:
    context: ConsoleContext = request.app.state.context
    suffix = suffix_of(request)
    call_id = name.removesuffix(f".{suffix}") if suffix else name

    def build(view: View) -> Response[Any]:
        if suffix:
            return call_twin(context, call_id, suffix)
        return html(request, view, "call.html", "calls", "Call", lambda f: call_page(context, view, f, call_id))

    return answer(request, f"/calls/{call_id}", suffix, build)


def call_twin(context: ConsoleContext, call_id: str, suffix: str) -> Response[Any]:
    """A call as data: everything as JSON, or its receipt's lines as CSV."""
    detail = context.explorer.call(call_id)
    if suffix == "json":
        return as_json(detail)
    heads = ["call_id", "attempt_id", "attempt_number", "unit", "quantity", "unit_price", "amount", "currency"]
    return as_csv(
        csv_bytes(
            heads,
            [
                [
                    detail.call_id,
                    one.attempt_id,
                    one.attempt_number,
                    line.unit,
                    line.quantity,
                    line.unit_price,
                    line.amount,
                    one.currency,
                ]
                for one in detail.attempts
                for line in one.lines
            ],
        )
    )


def prices(request: Asked) -> Response[Any]:
    context: ConsoleContext = request.app.state.context
    suffix = suffix_of(request)

    def build(view: View) -> Response[Any]:
        if suffix:
            figures = prices_answer(context, view)
            if suffix == "json":
                return as_json(figures)
            heads = ["provider", "model", "tier", "unit", "unit_price", "valid_from", "source", "sku_price_id"]
            lines = [
                [p.provider, p.model, p.tier, unit, price, p.valid_from, p.source, p.sku_price_id]
                for p in (*figures.used, *figures.found)
                for unit, price in (p.unit_prices or _NO_PRICE).items()
            ]
            return as_csv(csv_bytes(heads, lines))
        return html(
            request, view, "prices.html", "prices", "Models and prices", lambda f: prices_page(context, view, f)
        )

    return answer(request, "/prices", suffix, build)


def loops(request: Asked) -> Response[Any]:
    context: ConsoleContext = request.app.state.context
    suffix = suffix_of(request)

    def build(view: View) -> Response[Any]:
        if suffix == "json":
            return as_json({"loops": loops_answer(context), "waste": waste_answer(context, view)})
        if suffix == "csv":
            return as_csv(waste_csv(waste_answer(context, view), view.by))
        return html(request, view, "loops.html", "loops", "Loops and waste", lambda f: loops_page(context, view, f))

    return answer(request, "/loops", suffix, build)


def budgets(request: Asked) -> Response[Any]:
    context: ConsoleContext = request.app.state.context
    suffix = suffix_of(request)

    def build(view: View) -> Response[Any]:
        if suffix:
            figures = budgets_answer(context)
            return as_json(figures) if suffix == "json" else as_csv(budgets_csv(figures))
        return html(request, view, "budgets.html", "budgets", "Budgets", lambda f: budgets_page(context, view, f))

    return answer(request, "/budgets", suffix, build)


def budget(request: Asked, name: FromPath[str]) -> Response[Any]:
    context: ConsoleContext = request.app.state.context
    suffix = suffix_of(request)
    budget_id = name.removesuffix(f".{suffix}") if suffix else name

    def build(view: View) -> Response[Any]:
        if suffix:
            figures = budget_answer(context, budget_id)
            return as_json(figures) if suffix == "json" else as_csv(budget_csv(figures))
        return html(
            request, view, "budget.html", "budgets", "Budget", lambda f: budget_page(context, view, f, budget_id)
        )

    return answer(request, f"/budgets/{budget_id}", suffix, build)


def search(request: Asked) -> Response[Any]:
    context: ConsoleContext = request.app.state.context

    def build(view: View) -> Response[Any]:
        text = read_query(view)
        if looks_like_call(text):
            return Redirect(view.url(f"/calls/{text}"), status_code=303)
        return html(request, view, "search.html", "search", "Search", lambda f: search_page(context, view), twins=False)

    return answer(request, "/search", "", build)


def controls(request: Asked) -> Response[Any]:
    context: ConsoleContext = request.app.state.context
    suffix = suffix_of(request)

    def build(view: View) -> Response[Any]:
        if suffix:
            figures = controls_answer(context, view)
            return as_json(figures) if suffix == "json" else as_csv(controls_csv(figures))
        return html(
            request, view, "controls.html", "controls", "Limits and policies", lambda f: controls_page(context, view, f)
        )

    return answer(request, "/controls", suffix, build)


async def fields_of(request: Asked) -> dict[str, str]:
    """What a form says. `guard.py` has looked where it comes from; its token is looked at by whoever acts on it."""
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}


@post("/controls/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Redirect:
    """A form of that page."""
    fields = await fields_of(request)
    await asyncio.to_thread(change_controls, request.app.state.context, fields)
    return Redirect("/controls", status_code=303)


@post("/budgets/approve", include_in_schema=False, status_code=303)
async def approve(request: Asked) -> Redirect:
    """The form of a budget's page that lets calls go on."""
    context: ConsoleContext = request.app.state.context
    fields = await fields_of(request)
    context.check_form(fields)
    name, reason = fields.get("id", ""), fields.get("reason", "")
    await asyncio.to_thread(approve_budget, context, name, None, "", None, reason)
    return Redirect(f"/budgets/{quote(name, safe='')}", status_code=303)


@post("/loops/lift", include_in_schema=False, status_code=303)
async def lift(request: Asked) -> Redirect:
    """The button beside a cut. Raises UnknownLoop."""
    context: ConsoleContext = request.app.state.context
    fields = await fields_of(request)
    context.check_form(fields)
    if context.lift_loop is None:
        raise Unavailable("this console was started without a control store; `bursar up` starts one with it")
    await asyncio.to_thread(context.lift_loop, fields.get("id", ""))
    return Redirect("/loops", status_code=303)


_NO_PRICE: dict[str, str | None] = {"": None}  # a model without a price keeps its row
PAGE_HANDLERS = [
    get(path, include_in_schema=False, sync_to_thread=True)(page)
    for page, paths in (
        (overview, ("/", "/overview", "/overview.json", "/overview.csv")),
        (explore, ("/explore", "/explore.json", "/explore.csv")),
        (calls, ("/calls", "/calls.json", "/calls.csv")),
        (call, ("/calls/{name:str}",)),
        (budgets, ("/budgets", "/budgets.json", "/budgets.csv")),
        (budget, ("/budgets/{name:str}",)),
        (prices, ("/prices", "/prices.json", "/prices.csv")),
        (loops, ("/loops", "/loops.json", "/loops.csv")),
        (controls, ("/controls", "/controls.json", "/controls.csv")),
        (search, ("/search",)),
    )
    for path in paths
]
CHANGE_HANDLERS = [change, approve, lift]
"""A handler per path: Litestar 2.25 wraps a threaded handler again for each further path of a list, and breaks it."""
