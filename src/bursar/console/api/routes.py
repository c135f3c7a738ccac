"""The JSON API's addresses. Each parameter means what it means in a page's address."""

from datetime import UTC, timedelta
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from bursar import __version__
from bursar.console.api.answers import (
    CallsAnswer,
    CostsAnswer,
    FindingAnswer,
    Live,
    StatusAnswer,
    VerifyAnswer,
    calls_answer,
    calls_csv,
    costs_answer,
    costs_csv,
)
from bursar.console.api.loops import LoopsAnswer, WasteAnswer, loops_answer, loops_csv, waste_answer, waste_csv
from bursar.console.api.parameters import (
    LIMIT_MAX,
    PROBLEMS,
    And,
    By,
    ByTime,
    Compare,
    Cursor,
    Filters,
    Find,
    Limit,
    Order,
    OutputPercent,
    PageSize,
    Percent,
    Period,
    PricesOf,
    Replaced,
    SavingsBy,
    SavingsSort,
    Shape,
    Sort,
    Target,
    Tier,
    WasteBy,
    Zone,
)
from bursar.console.api.savings import SavingsAnswer, savings_answer, savings_csv
from bursar.console.api.whatif import WhatIfAnswer, whatif_answer, whatif_csv
from bursar.console.context import ConsoleContext
from bursar.console.figures import SORTS, ask, cost_table
from bursar.console.pages.calls import calls_page_of
from bursar.console.pages.explore import dimensions_of, explore_table, read_choice, read_limit
from bursar.console.pages.prices import PricesAnswer, prices_answer
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.errors import BadRequest
from bursar.domain.money import plain
from bursar.domain.periods import parse_period
from bursar.explore.detail import CallDetail
from bursar.ledger.verify import verify

Asked = Request[Any, Any, Any]
LATE_S = 30.0
IDLE_S = 120.0


def _view(request: Asked, path: str, **given: Any) -> View:
    """The parameters as a page's state, so that page and API can't read them differently."""
    context: ConsoleContext = request.app.state.context
    query: dict[str, list[str]] = {}
    for name, value in given.items():
        if isinstance(value, list):
            query[name.rstrip("_")] = value
        elif value is not None:
            query[name.rstrip("_")] = [str(value)]
    if "compare" in query:
        query["compare"] = ["previous" if given["compare"] else "none"]
    return context.view(path, query)


def _csv(content: bytes) -> Response[Any]:
    return Response(content, media_type="text/csv")


@get("/api/costs", sync_to_thread=True, responses=PROBLEMS, summary="Cost by one or two dimensions")
def costs(
    request: Asked, by: By = None, and_: And = None, period: Period = None, filter_: Filters = None, tz: Zone = None,
    limit: Limit = None, compare: Compare = None, sort: Sort = None, format_: Shape = None,
) -> Response[CostsAnswer]:  # fmt: skip
    """What cost the most. `rows` and `others` add up to `totals`."""
    context: ConsoleContext = request.app.state.context
    view = _view(request, "/explore", by=by, and_=and_, period=period, filter_=filter_, tz=tz, limit=limit,
                 compare=compare, sort=sort)  # fmt: skip
    figures = costs_answer(view, explore_table(context, view), context.config.console.currency)
    return _csv(costs_csv(figures)) if format_ == "csv" else Response(figures)


@get("/api/explore", sync_to_thread=True, responses=PROBLEMS, summary="Cost over time, by up to two dimensions")
def explore(
    request: Asked, grain: ByTime = None, by: By = None, and_: And = None, period: Period = None,
    filter_: Filters = None, tz: Zone = None, limit: Limit = None, compare: Compare = None,
    sort: Sort = None, format_: Shape = None,
) -> Response[CostsAnswer]:  # fmt: skip
    """As /api/costs; with `grain` each row's first key is the start of its hour, day, week or month.

    `grain` without `by`: one row for each, of all that was spent in it.
    """
    context: ConsoleContext = request.app.state.context
    view = _view(request, "/explore", by=by, and_=and_, period=period, filter_=filter_, tz=tz, limit=limit,
                 compare=False if grain else compare, sort=sort)  # fmt: skip
    if grain:
        names = (grain, *dimensions_of(view)) if by else (grain,)
        table = cost_table(
            context.explorer,
            view,
            names,
            read_limit(view, LIMIT_MAX, LIMIT_MAX),
            read_choice(view, "sort", SORTS, "name"),
        )
    else:
        table = explore_table(context, view)
    figures = costs_answer(view, table, context.config.console.currency)
    return _csv(costs_csv(figures)) if format_ == "csv" else Response(figures)


@get("/api/calls", sync_to_thread=True, responses=PROBLEMS, summary="The calls behind a figure")
def calls(
    request: Asked, period: Period = None, filter_: Filters = None, tz: Zone = None,
    order: Order = None,
    cursor: Cursor = None, limit: PageSize = None,
    format_: Shape = None,
) -> Response[CallsAnswer]:  # fmt: skip
    """Calls received in a period, a page at a time."""
    context: ConsoleContext = request.app.state.context
    view = _view(request, "/calls", period=period, filter_=filter_, tz=tz, order=order, cursor=cursor, limit=limit)
    figures = calls_answer(view, calls_page_of(context, view), context.config.console.currency)
    return _csv(calls_csv(figures)) if format_ == "csv" else Response(figures)


@get(
    "/api/calls/{call_id:str}",
    sync_to_thread=True,
    responses=PROBLEMS,
    summary="One call, down to the lines of its receipt",
)
def call(request: Asked, call_id: FromPath[str]) -> CallDetail:
    """A call with its attempts, usage, lines and ids. 404 `unknown_call` if no such call is in the books (yet)."""
    context: ConsoleContext = request.app.state.context
    return context.explorer.call(call_id)


@get("/api/prices", sync_to_thread=True, responses=PROBLEMS, summary="Prices in use, and prices found by name")
def prices(
    request: Asked, period: Period = None, filter_: Filters = None, tz: Zone = None,
    find: Find = None,
) -> PricesAnswer:  # fmt: skip
    """The price of each model called in the period, in force at its end; and of those that `find` names, now."""
    context: ConsoleContext = request.app.state.context
    return prices_answer(context, _view(request, "/prices", period=period, filter_=filter_, tz=tz, find=find))


@get("/api/loops", sync_to_thread=True, responses=PROBLEMS, summary="Loops that are cut, and those of the last day")
def loops(request: Asked, format_: Shape = None) -> Response[LoopsAnswer]:
    """What the loop breaker refuses now, and what it refused within a day: what was seen, and what that had cost."""
    found = loops_answer(request.app.state.context)
    return _csv(loops_csv(found)) if format_ == "csv" else Response(found)


@get("/api/waste", sync_to_thread=True, responses=PROBLEMS, summary="What calls cost that brought nothing")
def waste(
    request: Asked, period: Period = None, filter_: Filters = None, tz: Zone = None, by: WasteBy = None,
    format_: Shape = None,
) -> Response[WasteAnswer]:  # fmt: skip
    """By cause, by feature and by key. As CSV: a row per feature and cause, or per key with `by=credential_id`."""
    context: ConsoleContext = request.app.state.context
    if by not in (None, "feature", "credential_id"):
        raise BadRequest(f"by is {by!r}; waste is told by feature or by credential_id", field="by")
    view = _view(request, "/loops", period=period, filter_=filter_, tz=tz, by=by)
    found = waste_answer(context, view)
    return _csv(waste_csv(found, view.by)) if format_ == "csv" else Response(found)


@get("/api/savings", sync_to_thread=True, responses=PROBLEMS, summary="What each lever saved, by anything")
def savings(
    request: Asked, by: SavingsBy = None, and_: And = None, period: Period = None, filter_: Filters = None,
    tz: Zone = None, limit: Limit = None, compare: Compare = None, sort: SavingsSort = None, format_: Shape = None,
) -> Response[SavingsAnswer]:  # fmt: skip
    """From what calls would have cost, lever by lever, to what they did. `rows` and `others` add up to `totals`.

    As CSV: a row per group, or per lever with `by=lever`.
    """
    context: ConsoleContext = request.app.state.context
    view = _view(request, "/savings", by=by, and_=and_, period=period, filter_=filter_, tz=tz, limit=limit,
                 compare=compare, sort=sort)  # fmt: skip
    found = savings_answer(context, view)
    return _csv(savings_csv(found)) if format_ == "csv" else Response(found)


@get("/api/verify", sync_to_thread=True, responses=PROBLEMS, summary="Do the books hold?")
def verify_books(request: Asked) -> VerifyAnswer:
    """Prove the laws on the ledger as it is now. Reads all of it: seconds on a large one."""
    context: ConsoleContext = request.app.state.context
    findings = [
        FindingAnswer(str(f.law), f.name, f.ok, str(f.expected), str(f.actual), f.detail)
        for f in verify(context.ledger, context.spool_dir)
    ]
    return VerifyAnswer(all(f.ok for f in findings), context.now(), findings)


@get("/api/status", sync_to_thread=True, responses=PROBLEMS, summary="What this installation is and how it does")
def status(request: Asked) -> StatusAnswer:
    """Version, settings, how fresh the books are, and what the process knows of itself."""
    context: ConsoleContext = request.app.state.context
    fresh = context.explorer.freshness()
    return StatusAnswer(
        version=__version__, organization=context.config.organization, timezone=context.config.console.timezone,
        currency=context.config.console.currency, now=context.now(), first_call=fresh.first_call,
        last_call=fresh.last_call, loaded_at=fresh.loaded_at, charges=fresh.charges, in_flight=fresh.in_flight,
        lost_workers=fresh.lost_workers, journal_faults=fresh.faults, prices=context.prices().catalogue,
        process=dict(context.status()),
    )  # fmt: skip


@get(
    "/api/live",
    sync_to_thread=True,
    responses=PROBLEMS,
    summary="How fresh the books are; cheap enough to ask every few seconds",
)
def live(request: Asked, tz: Zone = None) -> Live:
    """The newest call, and what today has cost so far."""
    context: ConsoleContext = request.app.state.context
    view = _view(request, "/", period="today", tz=tz)
    now, fresh = context.now(), context.explorer.freshness()
    today = ask(
        context.explorer, parse_period("today", view.now, view.timezone), msgspec.structs.replace(view, filters=()), ()
    )[()]
    age = (now - fresh.last_call).total_seconds() if fresh.last_call else None
    state, text = "idle", "no calls yet"
    if age is not None and fresh.last_call is not None:
        state = "on" if age < IDLE_S else "idle"
        text = f"last call {display.when(fresh.last_call, now, UTC)}"
    if fresh.in_flight and fresh.loaded_at and now - fresh.loaded_at > timedelta(seconds=LATE_S):
        state, text = "late", f"books {display.when(fresh.loaded_at, now, UTC)}"
    return Live(
        version=context.ledger.version, state=state, text=text, last_call=fresh.last_call, loaded_at=fresh.loaded_at,
        in_flight=fresh.in_flight, calls_today=today.calls,
        spent_today=None if today.effective_cost is None else plain(today.effective_cost),
        currency=context.config.console.currency,
    )  # fmt: skip


@get("/api/whatif", sync_to_thread=True, responses=PROBLEMS, summary="What a period's calls would have cost otherwise")
def whatif(
    request: Asked, model: Target = None, of: Replaced = None, tier: Tier = None, batch: Percent = None,
    cached: Percent = None, written: Percent = None, output: OutputPercent = None, prices: PricesOf = None,
    period: Period = None, filter_: Filters = None, tz: Zone = None, format_: Shape = None,
) -> Response[WhatIfAnswer]:  # fmt: skip
    """Each call re-priced; what can't move stays at its cost and is counted with its reason."""
    context: ConsoleContext = request.app.state.context
    view = _view(
        request, "/whatif", model=model, of=of, tier=tier, batch=batch, cached=cached, written=written, output=output,
        prices=prices, period=period, filter_=filter_, tz=tz,
    )  # fmt: skip
    found = whatif_answer(context, view)
    return _csv(whatif_csv(found)) if format_ == "csv" else Response(found)


API_HANDLERS = [costs, explore, calls, call, prices, loops, waste, savings, whatif, verify_books, status, live]
