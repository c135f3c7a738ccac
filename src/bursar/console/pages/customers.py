"""Customers: who makes money, who costs it, what moved them and what helps; by plan, feature, event and cohort."""

from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from bursar.console.context import ConsoleContext
from bursar.console.customers import LIMIT_MAX, WHO, chosen, draft_name, losers, span_of, usd
from bursar.console.economics_charts import cost_histogram, lorenz
from bursar.console.format import Format
from bursar.console.pages.cohorts import grid_parts
from bursar.console.pages.costs import gateway_address, share_of
from bursar.console.pages.customers_parts import plan_table, shares_told
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.calendar import month_on
from bursar.domain.errors import BadQuery
from bursar.explore.filters import Filter
from bursar.finance.economics.figures import Bin, Usual, concentration, histogram, quantiles
from bursar.finance.economics.free import cohorts, free_tier_of
from bursar.finance.economics.moved import Moved
from bursar.finance.economics.report import Economics
from bursar.finance.economics.rows import Row
from bursar.finance.economics.spans import MonthSpan
from bursar.governance.drafts import kept_drafts

LOSERS_SHOWN = 8
SHOWS = {
    "customers": "Customers", "plans": "Plans", "features": "Features", "events": "Business events",
    "free": "Free tier", "cohorts": "Cohorts",
}  # fmt: skip
SPAN_CHOICES = (("1", "Month"), ("3", "3 months"), ("12", "12 months"))
FACTOR_WORDS = {"calls": "more calls", "tokens": "longer calls", "price": "dearer tokens", "": "nothing new"}
LEVER_WORDS = {"reprice": "re-price", "gate": "gate", "limit": "limit", "route": "cheaper route"}
BASIS_WORDS = {
    "price": "no revenue was brought in: the plan's price stands in for it",
    "unknown": "no revenue is known", "no_rate": "there is no exchange rate for its currency",
}  # fmt: skip


class ShownCustomer(msgspec.Struct, frozen=True):
    """A row. share: per cent of the dearest one's cost; times: cost beside the median customer's."""

    id: str
    label: str
    href: str
    calls_href: str
    row: Row
    share: float
    revenue: Decimal | None
    ai: Decimal
    margin: Decimal | None
    times: float | None
    doubt: str


class ShownLoser(msgspec.Struct, frozen=True):
    """moved: what their cost did; levers: (name, text); draft: a budget can be kept; kept_href: it was."""

    shown: ShownCustomer
    moved: Moved
    moved_word: str
    levers: list[tuple[str, str]]
    can_draft: bool
    kept_href: str


def customers_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads. Raises BadPeriod, BadQuery, Unavailable."""
    finance = context.finance()
    found = finance.economics.economics(span_of(view))
    show = view.get("show", "customers")
    if show not in SHOWS:
        raise BadQuery(f"show is {show[:40]!r}; it can be {', '.join(SHOWS)}", field="show")
    is_compared = not finance.economics.is_before_cut(found.span)
    return {
        "data": {
            **_head(view, f, found),
            **(_figures(view, f, found) if found.rows else {}),
            "losers": _losers(context, view, found, is_compared=is_compared),
            "is_compared": is_compared,
            "losing": found.total.losing,
            "lost": usd(-sum(row.margin_pico or 0 for row in losers(found))),
            "show": show,
            "usd": usd,
            "lever_words": LEVER_WORDS,
            "tabs": [
                (name, view.url(show=key, sort=None, limit=None, signed=None, cells=None), key == show)
                for key, name in SHOWS.items()
            ],
            "has_business": finance.business.has_any(),
            **_table(context, view, f, found, show),
        },
        "csrf": context.csrf,
        "has_any": bool(found.rows) or context.explorer.first_call_at() is not None,
        "gateway": gateway_address(context),
        "has_pickers": False,
    }


def _head(view: View, f: Format, found: Economics) -> dict[str, Any]:
    span = found.span
    last = month_on(span.until, -1)
    after = month_on(last, 1)
    return {
        "span": span,
        "span_label": span_label(span),
        "lead": f"{f.count(found.total.customers - found.unattributed.customers)} customers",
        "before_href": view.url(month=f"{month_on(last, -1):%Y-%m}"),
        "after_href": view.url(month=f"{after:%Y-%m}") if after <= span.today else "",
        "span_links": [(name, view.url(months=None if key == "1" else key), str(span.months) == key)
                       for key, name in SPAN_CHOICES],
        "day_of": (span.today - last).days + 1 if not span.is_over else 0,
        "days": (span.until - last).days,
    }  # fmt: skip


def _figures(view: View, f: Format, found: Economics) -> dict[str, Any]:
    callers = [row for row in found.rows if row.customer and row.calls > 0]
    spread, costs = concentration(callers), quantiles(row.ai_pico for row in callers)
    total = found.total
    whole = total.revenue_pico - total.other_pico - total.ai_pico if total.with_revenue else None
    return {
        "total": total,
        "margin": usd(whole),
        "revenue": usd(total.revenue_pico) if total.with_revenue else None,
        "ai": usd(total.ai_pico),
        "margin_share": f.percent(whole, total.revenue_pico) if total.revenue_pico > 0 else "",
        "without_share": f.percent(total.without_ai_pico, total.revenue_pico) if total.revenue_pico > 0 else "",
        "ai_share": f.percent(total.ai_pico, total.revenue_pico) if total.revenue_pico > 0 else "",
        "quantiles": [("median", usd(costs.p50)), ("p95", usd(costs.p95)), ("p99", usd(costs.p99))],
        "callers": costs.count,
        "histogram": cost_histogram(
            histogram([row.ai_pico for row in callers]), costs, tell_money=f.plain_money, tell=f.compact,
            tell_tick=f.compact_tick, href=lambda one: _bin_href(view, one),
        ),
        "lorenz": lorenz(spread),
        "tops": [(percent, f.count(count), shares_told(calls), shares_told(cost), cost / calls if calls else None)
                 for percent, count, calls, cost in spread.tops],
        "doubts": _doubts(view, found),
    }  # fmt: skip


def _bin_href(view: View, one: Bin) -> str:
    return f"{view.url(show=None)}#table"


def _doubts(view: View, found: Economics) -> list[tuple[str, str, Decimal | None, str]]:
    """(what, how many, AI cost of it, where it leads): all that is in no margin, or only as an estimate."""
    period = found.span.name
    told = []
    if found.unattributed.calls or found.unattributed.ai_pico:
        href = view.url("/calls", period=period, filters=(Filter("customer", ("",)),), order="dearest")
        told.append(
            ("calls without a customer", f"{found.unattributed.calls:,}", usd(found.unattributed.ai_pico), href)
        )
    if found.unknown.customers:
        cost = usd(found.unknown.ai_pico)
        told.append(("customers without a record", f"{found.unknown.customers:,}", cost, _who(view, "unknown")))
    if found.total.unpriced:
        href = view.url("/calls", period=period, filters=(Filter("quality", ("unpriced",)),))
        told.append(("attempts without a price", f"{found.total.unpriced:,}", None, href))
    rateless = [row for row in found.rows if row.missing]
    if rateless:
        words = f"customers paying in {', '.join(found.missing_rates)}, without a rate"
        cost = usd(sum(row.ai_pico for row in rateless))
        told.append((words, f"{len(rateless):,}", cost, _who(view, "no_rate")))
    if found.total.estimated:
        cost = usd(sum(row.ai_pico for row in found.rows if row.basis == "price"))
        told.append(
            ("customers told by their plan's price", f"{found.total.estimated:,}", cost, _who(view, "estimated"))
        )
    return told


def _who(view: View, who: str) -> str:
    return f"{view.url(who=who, show=None, plan=None)}#table"


UNMOVED = Moved(0, 0, 0, 0)


def _losers(context: ConsoleContext, view: View, found: Economics, *, is_compared: bool) -> list[ShownLoser]:
    """is_compared: the months before are whole in the books, so what moved since can be told."""
    rows = losers(found)[:LOSERS_SHOWN]
    if not rows:
        return []
    change = context.finance().economics.moved(found.span, rows) if is_compared else {}
    drafts = (
        kept_drafts(context.controls(), context.budget_store()) if context.budgets and context.open_controls else {}
    )
    shown = []
    for row in rows:
        levers = found.levers(row)
        kept = drafts.get(("budget", draft_name(row.customer)))
        one = change.get(row.customer, UNMOVED)
        word = "new" if one.is_new else FACTOR_WORDS[one.most] if one.change_pico > 0 else ""
        shown.append(
            ShownLoser(
                show_customer(view, found, row, rows[0].ai_pico), one, word,
                [(lever.name, lever.text) for lever in levers], any(lever.draft for lever in levers) and kept is None,
                f"/budgets/{kept.id}" if kept else "",
            )
        )  # fmt: skip
    return shown


def show_customer(view: View, found: Economics, row: Row, largest: int) -> ShownCustomer:
    beside = found.usual.beside(row) if isinstance(found.usual, Usual) else None
    period = found.span.name
    own = (Filter("customer", (row.customer,)),)
    return ShownCustomer(
        id=row.customer,
        label=row.name or row.customer or "(none)",
        href=customer_href(view, row.customer) if row.customer else view.url("/calls", period=period, filters=own),
        calls_href=view.url("/calls", period=period, filters=own, order="dearest"),
        row=row,
        share=share_of(Decimal(row.ai_pico), Decimal(largest)),
        revenue=usd(row.revenue_pico),
        ai=usd(row.ai_pico) or Decimal(0),
        margin=usd(row.margin_pico),
        times=beside.cost if beside else None,
        doubt=BASIS_WORDS.get(row.basis, "") if row.customer else "calls that say no customer",
    )


def customer_href(view: View, customer: str) -> str:
    kept = {name: view.get(name) or None for name in ("month", "months")}
    return view.url(f"/customers/{quote(customer, safe='')}", **kept)


def _table(context: ConsoleContext, view: View, f: Format, found: Economics, show: str) -> dict[str, Any]:
    match show:
        case "plans":
            return {"plans": plan_table(view, f, found)}
        case "features":
            return {"features": context.finance().economics.features(found),
                    "feature_href": lambda name: view.url("/explore", period=found.span.name, by="customer",
                                                          filters=(Filter("feature", (name,)),))}  # fmt: skip
        case "events":
            return {"kinds": context.finance().economics.events(found)}
        case "free":
            return {"tier": free_tier_of(found.rows, found.span), "free_href": _who(view, "free")}
        case "cohorts":
            return {"cohorts": cohorts(found.rows, found.span), "month": display.month,
                    "grid": grid_parts(context, view, f)}  # fmt: skip
    picked = chosen(view, found)
    largest = max((row.ai_pico for row in picked.rows), default=0)
    more = view.url(limit=str(min(picked.limit * 4, LIMIT_MAX))) if len(picked.rows) > picked.limit else ""
    return {
        "rows": [show_customer(view, found, row, largest) for row in picked.shown],
        "picked": picked,
        "picked_sum": _sum(picked.rows),
        "more_href": more,
        "who": view.get("who", "all"),
        "who_word": WHO[view.get("who", "all")],
        "all_href": view.url(who=None, plan=None, segment=None, named=None, signed=None),
        "signed": view.get("signed"),
        "plan": view.extra.get("plan", "").removeprefix("=") if "plan" in view.extra else None,
        "sort": view.get("sort", "ai"),
    }


def _sum(rows: list[Row]) -> dict[str, Any]:
    known = [row for row in rows if row.revenue_pico is not None]
    return {
        "revenue": usd(sum(row.revenue_pico or 0 for row in known)) if known else None,
        "ai": usd(sum(row.ai_pico for row in rows)),
        "margin": usd(sum(row.margin_pico or 0 for row in known)) if known else None,
        "calls": sum(row.calls for row in rows),
    }


def span_label(span: MonthSpan) -> str:
    if span.months == 1:
        return display.month(span.first)
    return f"{display.month(span.first)} to {display.month(month_on(span.until, -1))}"
