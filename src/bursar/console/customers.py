"""What the pages of customers, the API and its twins share: which months, which customers, in which order."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.view import View
from bursar.domain.calendar import month_on
from bursar.domain.errors import BadQuery, UnknownControl
from bursar.domain.money import usd_from_pico
from bursar.finance.economics.report import Economics
from bursar.finance.economics.rows import Row
from bursar.finance.economics.spans import MonthSpan, read_span
from bursar.governance.drafts import KeptDraft, keep_draft

ROWS_DEFAULT = 50
LIMIT_MAX = 10_000
LOWEST = -(10**40)
MONTHS_DRAWN = 12

SORTS: dict[str, Callable[[Row], int | float | str]] = {
    "ai": lambda row: row.ai_pico,
    "revenue": lambda row: LOWEST if row.revenue_pico is None else row.revenue_pico,
    "margin": lambda row: LOWEST if row.margin_pico is None else row.margin_pico,
    "share": lambda row: LOWEST if not row.revenue_pico else row.ai_pico / row.revenue_pico,
    "calls": lambda row: row.calls,
    "tokens": lambda row: row.tokens,
    "name": lambda row: (row.name or row.customer).casefold(),
    "plan": lambda row: row.plan.casefold(),
}
UPWARD = ("name", "plan")
WHO = {
    "losing": "lose money", "free": "pay nothing", "unknown": "have no record", "no_rate": "have no exchange rate",
    "estimated": "are told by their plan's price", "all": "all",
}  # fmt: skip
"""Parts of all customers, by an address's `who`."""


class Chosen(NamedTuple):
    """Rows that the address asks for, in its order. shown: as many of them as its limit says."""

    rows: list[Row]
    limit: int

    @property
    def shown(self) -> list[Row]:
        return self.rows[: self.limit]


def span_of(view: View) -> MonthSpan:
    """Raises BadPeriod."""
    return read_span(view.get("month"), view.get("months"), view.now, view.timezone)


def month_spans(span: MonthSpan) -> list[MonthSpan]:
    """The last twelve months, up to the last one that is looked at."""
    last = month_on(span.until, -1)
    return [
        MonthSpan(month_on(last, at - MONTHS_DRAWN + 1), 1, span.timezone, span.today) for at in range(MONTHS_DRAWN)
    ]


def economics_of(context: ConsoleContext, view: View) -> Economics:
    """Raises BadPeriod, Unavailable."""
    return context.finance().economics.economics(span_of(view))


def chosen(view: View, found: Economics) -> Chosen:
    """Raises BadQuery for a sort, part or limit that isn't one."""
    who, sort, limit = view.get("who", "all"), view.get("sort", "ai"), view.get("limit", str(ROWS_DEFAULT))
    if who not in WHO:
        raise BadQuery(f"who is {who[:40]!r}; it can be {', '.join(WHO)}", field="who")
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise BadQuery(f"sort is {sort[:40]!r}; it can be {', '.join(SORTS)}", field="sort")
    if not (limit.isascii() and limit.isdigit() and 0 < int(limit) <= LIMIT_MAX):
        raise BadQuery(f"limit is {limit[:40]!r}; from 1 to {LIMIT_MAX}", field="limit")
    rows = [row for row in found.rows if _is_asked(row, view, who)]
    rows.sort(key=lambda row: row.customer)
    rows.sort(key=SORTS[name], reverse=(name not in UPWARD) != sort.startswith("-"))
    return Chosen(rows, int(limit))


def _is_asked(row: Row, view: View, who: str) -> bool:
    plan, segment, text, signed = (view.extra.get(name) for name in ("plan", "segment", "named", "signed"))
    if not row.customer and (who != "all" or plan is not None or segment is not None or text or signed):
        return False
    if signed and (row.signed_up is None or f"{row.signed_up:%Y-%m}" != signed):
        return False
    if plan is not None and row.plan != plan.removeprefix("="):
        return False
    if segment is not None and row.segment != segment.removeprefix("="):
        return False
    if text and text.casefold() not in f"{row.name}\0{row.customer}".casefold():
        return False
    return {
        "losing": (row.margin_pico or 0) < 0, "free": row.is_free, "unknown": not row.is_known,
        "no_rate": bool(row.missing), "estimated": row.basis == "price",
    }.get(who, True)  # fmt: skip


def losers(found: Economics) -> list[Row]:
    """Customers who lose money, most first."""
    losing = [row for row in found.rows if row.customer and (row.margin_pico or 0) < 0]
    return sorted(losing, key=lambda row: (row.margin_pico or 0, row.customer))


def draft_budget(context: ConsoleContext, view: View, customer: str) -> KeptDraft:
    """Keep the budget that the customer's lever proposes, as a dry run: a person gives it a mode that refuses.

    Raises UnknownControl where nothing is proposed, NameTaken where it was kept before, BadPeriod, Unavailable.
    """
    found = economics_of(context, view)
    row = found.row(customer)
    lever = next((one for one in found.levers(row) if one.draft), None) if row else None
    if lever is None or lever.draft is None:
        raise UnknownControl(f"no budget is proposed for {customer[:200]!r} in {found.span.name}", field="customer")
    kept = keep_draft(
        context.controls(), context.budget_store(), "budget", draft_name(customer), lever.draft, actor=ACTOR
    )
    context.tell_budgets()
    return kept


def draft_name(customer: str) -> str:
    return f"margin of {customer}"[:120]


def usd(pico: int | Fraction | None) -> Decimal | None:
    """None stays unknown; what was divided is rounded to the pico."""
    return None if pico is None else usd_from_pico(round(pico))
