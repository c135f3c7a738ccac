"""Parts of the page of customers: the table of plans."""

from decimal import Decimal
from typing import Any

import msgspec

from bursar.console.customers import usd
from bursar.console.format import Format
from bursar.console.view import View
from bursar.explore.filters import Filter
from bursar.finance.economics.figures import Quantiles, quantiles, sum_of
from bursar.finance.economics.levers import TARGET_SHARE, needed_price
from bursar.finance.economics.report import Economics


class ShownPlan(msgspec.Struct, frozen=True):
    """A plan. needs: the price at which its 95th customer of 100 leaves the target share; None: nobody called."""

    name: str
    href: str
    customers: int
    losing: int
    revenue: Decimal | None
    ai: Decimal
    margin: Decimal | None
    margin_share: str
    without_share: str
    costs: Quantiles
    p50: Decimal | None
    p95: Decimal | None
    p99: Decimal | None
    needs: Decimal | None
    share: float


def plan_table(view: View, f: Format, found: Economics) -> dict[str, Any]:
    shown = []
    largest = max((sum(row.ai_pico for row in rows) for rows in found.plans.values()), default=0)
    for name, rows in found.plans.items():
        total = sum_of(rows)
        costs = quantiles(row.ai_pico for row in rows if row.calls > 0)
        other = total.other_pico // (total.with_revenue or 1) // found.span.months
        needs = None if costs.p95 is None else needed_price(costs.p95 // found.span.months, other)
        shown.append(
            ShownPlan(
                name=name or "(no plan)",
                href=f"{view.url(plan=f'={name}', show=None, who=None)}#table",
                customers=total.customers,
                losing=total.losing,
                revenue=usd(total.revenue_pico) if total.with_revenue else None,
                ai=usd(total.ai_pico) or Decimal(0),
                margin=usd(total.margin_pico),
                margin_share=f.percent(total.margin_pico, total.revenue_pico) if total.revenue_pico > 0 else "",
                without_share=f.percent(total.without_ai_pico, total.revenue_pico) if total.revenue_pico > 0 else "",
                costs=costs,
                p50=usd(costs.p50),
                p95=usd(costs.p95),
                p99=usd(costs.p99),
                needs=needs,
                share=round(100 * total.ai_pico / largest, 1) if largest > 0 else 0.0,
            )
        )
    shown.sort(key=lambda one: (-one.ai, one.name))
    nameless = found.unattributed
    own = (Filter("customer", ("",)),)
    return {
        "rows": shown,
        "target": f"{TARGET_SHARE:.0%}".replace("%", " %"),
        "nameless": usd(nameless.ai_pico) if nameless.calls or nameless.ai_pico else None,
        "nameless_unpriced": nameless.unpriced,
        "nameless_href": view.url("/calls", period=found.span.name, filters=own, order="dearest"),
        "total": usd(found.total.ai_pico),
    }


def shares_told(share: float) -> str:
    """0.216 as `21.6 %`."""
    return f"{100 * share:.1f} %"
