"""One customer: twelve months of margin, what moved it, what helps, and all that is known of them."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from litestar import post
from litestar.response import Redirect

from bursar.console.charts import Chart, Column, Series, stacked_bars
from bursar.console.context import ConsoleContext
from bursar.console.customers import draft_budget, draft_name, month_spans, span_of, usd
from bursar.console.format import Format
from bursar.console.pages.customers import FACTOR_WORDS, LEVER_WORDS, show_customer, span_label
from bursar.console.pages.serving import Asked, fields_of
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.calendar import month_on
from bursar.domain.errors import BadControl
from bursar.domain.findings import Factor
from bursar.domain.money import usd_from_pico
from bursar.explore.filters import Filter
from bursar.finance.economics.report import Economics
from bursar.finance.economics.rows import Row
from bursar.finance.economics.spans import MonthSpan
from bursar.governance.drafts import kept_drafts

EVENTS_SHOWN = 12
FEATURES_SHOWN = 8
PARTS = {
    Factor.CALLS: "more or fewer calls",
    Factor.INPUT: "longer or shorter input",
    Factor.OUTPUT: "longer or shorter answers",
    Factor.CACHE: "what comes from the prompt cache",
    Factor.RETRIES: "retries",
    Factor.PRICE: "prices",
    Factor.MODELS: "other models",
    Factor.MIX: "other features",
    Factor.OTHER: "what isn't tokens",
}


def customer_page(context: ConsoleContext, view: View, f: Format, name: str) -> dict[str, Any]:
    """Everything the template reads. Raises UnknownCustomer, BadPeriod, Unavailable."""
    finance, span = context.finance(), span_of(view)
    months = month_spans(span)
    course = finance.economics.course(name, months)
    found = finance.economics.economics(span)
    row = found.row(name)
    record = finance.business.customer(name)
    own = (Filter("customer", (name,)),)
    return {
        "data": {
            "id": name,
            "label": (record.name if record else "") or name,
            "record": record,
            "row": row,
            "shown": show_customer(view, found, row, row.ai_pico) if row else None,
            "span": span,
            "span_label": span_label(span),
            "back": view.url("/customers", month=view.get("month") or None, months=view.get("months") or None),
            "before_href": view.url(month=f"{month_on(span.until, -2):%Y-%m}"),
            "after_href": view.url(month=f"{span.until:%Y-%m}") if span.until <= span.today else "",
            "chart": _chart(view, f, months, course),
            "course": list(zip(months, course, strict=True))[::-1],
            "causes": _causes(context, span, row, name),
            "change": _change(context, span, row),
            "levers": _levers(found, row),
            "kept_href": _kept_href(context, name),
            "features": _features(context, view, span, own),
            "revenue": finance.business.revenue(name, months[0].first),
            "events": finance.business.events(name, EVENTS_SHOWN),
            "facts": _facts(found, row),
            "usd": usd,
            "paid": lambda line: str(display.money(line.amount, line.currency)),
            "month": display.month,
            "day": lambda day: display.day(day, year=True),
            "explore_href": view.url("/explore", period=span.name, filters=own),
            "calls_href": view.url("/calls", period=span.name, filters=own, order="dearest"),
        },
        "csrf": context.csrf,
        "has_pickers": False,
    }  # fmt: skip


def _chart(view: View, f: Format, months: list[MonthSpan], course: list[Row | None]) -> Chart:
    """AI cost as bars, what they paid as a line over it."""
    columns = [
        Column(
            display.month(one.first)[:3], display.month(one.first), view.url(month=f"{one.first:%Y-%m}"),
            partial=not one.is_over,
        )
        for one in months
    ]  # fmt: skip
    costs = [usd_from_pico(row.ai_pico) if row else Decimal(0) for row in course]
    paid = [usd(row.revenue_pico) if row else None for row in course]
    return stacked_bars(
        columns, [Series("AI cost", 1, costs)], tell=f.plain_money, tell_tick=f.money_tick,
        before=paid if any(value is not None for value in paid) else (), before_label="revenue",
        label="AI cost by month, beside revenue",
    )  # fmt: skip


def _causes(context: ConsoleContext, span: MonthSpan, row: Row | None, name: str) -> list[tuple[str, Decimal]]:
    if row is None:
        return []
    return [(PARTS[part.factor], usd_from_pico(part.pico)) for part in context.finance().economics.causes(span, name)]


def _change(context: ConsoleContext, span: MonthSpan, row: Row | None) -> tuple[Decimal, str] | None:
    if row is None:
        return None
    one = context.finance().economics.moved(span, [row])[row.customer]
    word = "new" if one.is_new else FACTOR_WORDS[one.most] if one.change_pico > 0 else ""
    return usd_from_pico(one.change_pico), word


def _levers(found: Economics, row: Row | None) -> list[tuple[str, str, bool]]:
    levers = found.levers(row) if row else []
    return [(LEVER_WORDS[one.name], one.text, one.draft is not None) for one in levers]


def _kept_href(context: ConsoleContext, name: str) -> str:
    if context.budgets is None or context.open_controls is None:
        return ""
    kept = kept_drafts(context.controls(), context.budget_store()).get(("budget", draft_name(name)))
    return f"/budgets/{kept.id}" if kept else ""


def _features(context: ConsoleContext, view: View, span: MonthSpan, own: tuple[Filter, ...]) -> list[dict[str, Any]]:
    table = context.explorer.cost_by("feature", span.period, filters=own, limit=FEATURES_SHOWN)
    costs = [row[1] or Decimal(0) for row in table.rows]
    largest = max(costs, default=Decimal(0))
    at = table.measures.index("calls") + 1
    shown = [
        {
            "label": row[0] or "(none)", "cost": row[1], "calls": row[at],
            "share": round(float(100 * cost / largest), 1) if largest > 0 else 0.0,
            "href": view.url("/explore", period=span.name, filters=(*own, Filter("feature", (row[0],))), by="model"),
        }
        for row, cost in zip(table.rows, costs, strict=True)
    ]  # fmt: skip
    if table.other and table.other["calls"]:
        shown.append({"label": f"{table.other_groups} others", "cost": table.other["effective_cost"],
                      "calls": table.other["calls"], "share": 0.0, "href": ""})  # fmt: skip
    return shown


def _facts(found: Economics, row: Row | None) -> list[tuple[str, str]]:
    """How they stand beside others."""
    if row is None or not row.calls:
        return []
    told = []
    beside = found.usual.beside(row)
    if beside:
        told.append(("Beside the median customer", f"{_times(beside.calls)} the calls, {_times(beside.cost)} the cost"))
        told.append(("A call of theirs costs", f"{_times(beside.factor)} a usual one"))
    plan = found.facts.get(row.plan)
    if plan and plan.usual.beside(row) and row.plan:
        within = plan.usual.beside(row)
        if within:
            told.append(
                (
                    f"Beside the median on {row.plan}",
                    f"{_times(within.calls)} the calls, {_times(within.cost)} the cost",
                )
            )
    callers = sorted((one.ai_pico for one in found.rows if one.customer and one.calls), reverse=True)
    told.append(("Place by AI cost", f"{callers.index(row.ai_pico) + 1:,} of {len(callers):,}"))
    return told


def _times(value: float) -> str:
    return f"{value:,.0f} times" if value >= 10 else f"{value:.1f} times"


def change_customers(context: ConsoleContext, form: Mapping[str, str]) -> str:
    """Keep the draft that a button asks for; where it leads. Raises Forbidden, BadControl, and as `draft_budget`."""
    context.check_form(form)
    if form.get("act") != "draft":
        raise BadControl(f"act is {form.get('act', '')[:40]!r}; it is draft", field="act")
    query = {name: [form[name]] for name in ("month", "months", "tz") if form.get(name)}
    kept = draft_budget(context, context.view("/customers", query), form.get("customer", ""))
    return f"/budgets/{kept.id}"


@post("/customers/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Redirect:
    """The button beside a customer who loses money."""
    fields = await fields_of(request)
    target = await asyncio.to_thread(change_customers, request.app.state.context, fields)
    return Redirect(target, status_code=303)


CUSTOMER_PAGES = [change]
