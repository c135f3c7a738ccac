"""What a review says of spend: groups beside the period before, waste by cause, requests sent again, months."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import msgspec

from bursar.console import waste
from bursar.console.figures import Amounts, ask, cost_table
from bursar.console.view import View
from bursar.domain.calendar import day_start
from bursar.domain.periods import is_cut, parse_period
from bursar.explore.filters import Filter
from bursar.explore.query import Explorer, Query
from bursar.reviews.facts import Group, MonthSpend, Repeated, Spend, Wasted
from bursar.reviews.spending import MONTHS_SHOWN

GROUPS_MAX = 500  # by cost, and as many by how far they moved: a value beyond both can't be among the first five
REPEATED_CALLS = 20  # of one request: more than anybody asks for by hand
REPEATED_SHARE = Decimal("0.005")  # of what the period cost
REPEATED_LISTED = 3


def spend_of(amounts: Amounts | None) -> Spend:
    """What a review looks at."""
    if amounts is None:
        return Spend()
    return Spend(
        cost=amounts.cost,
        calls=amounts.calls,
        attempts=amounts.attempts,
        input_tokens=amounts.total_input_tokens,
        output_tokens=amounts.total_output_tokens,
        cache_read_tokens=amounts.cache_read_tokens,
        unpriced=amounts.unpriced_count,
        estimated=amounts.estimated_count,
        assumed=amounts.assumed_count,
        errors=amounts.errors,
        saved=amounts.saved_cost or Decimal(0),
    )


def groups_of(explorer: Explorer, view: View, *dimensions: str) -> list[Group]:
    """Values of one dimension, or pairs of two, with both periods."""
    table = cost_table(explorer, view, dimensions, GROUPS_MAX, movers=GROUPS_MAX if len(dimensions) == 1 else 0)
    return [Group(dimensions, row.keys, spend_of(row.now), spend_of(row.before)) for row in table.rows]


def wasted_in(explorer: Explorer, view: View) -> list[Wasted]:
    """Each cause of waste, with what it was in the period before."""
    found = waste.waste_of(explorer, view)
    earlier = None if view.before is None else waste.waste_of(explorer, before_view(view))
    return [
        Wasted(
            cause,
            waste.CAUSES[cause],
            part.effective_cost,
            earlier.by_cause[cause].effective_cost if earlier else Decimal(0),
            part.attempts,
            (*view.filters, *waste.filters_of(cause)),
            *_most(found.by_feature, cause),
        )
        for cause, part in found.by_cause.items()
        if part.attempts
    ]


def repeated_in(explorer: Explorer, view: View) -> list[Repeated]:
    """Requests that were paid for again and again, by fingerprint: the dearest."""
    paid = (*view.filters, Filter("lever", ("response_cache",), "not"))
    table = explorer.run(
        Query(
            view.period, ("effective_cost", "calls"), ("fingerprint", "feature"), paid, order="effective_cost",
            limit=REPEATED_LISTED * 4,
        )
    )  # fmt: skip
    total = table.totals.get("effective_cost") or Decimal(0)
    rows = [
        Repeated(row["fingerprint"], str(row["feature"] or ""), row["calls"], row["effective_cost"] or Decimal(0))
        for row in table.dicts()
        if row["fingerprint"] and row["calls"] >= REPEATED_CALLS
    ]
    return [one for one in rows if one.cost and one.cost >= REPEATED_SHARE * total][:REPEATED_LISTED]


def months_until(explorer: Explorer, view: View) -> list[MonthSpend]:
    """The months up to the view's own, each with its sums."""
    last = view.first_day.replace(day=1)
    first = _months_back(last, MONTHS_SHOWN - 1)
    end = (view.last_day - view.first_day).days
    period = parse_period(f"{first}..{last.replace(day=1 + min(end, 27))}", view.now, view.timezone)
    whole = msgspec.structs.replace(period, end=view.period.end)
    found, first_call = ask(explorer, whole, view, ("month",)), explorer.first_call_at()
    return [
        MonthSpend(
            (first_day := _first_day(label)),
            spend_of(amounts),
            is_cut(day_start(first_day, view.timezone), first_call),
            view.includes_now and first_day == last,
        )
        for (label,), amounts in sorted(found.items())
    ]


def before_view(view: View) -> View:
    """The same questions of the period before."""
    return view if view.before is None else msgspec.structs.replace(view, period=view.before, before=None)


def _most(groups: Sequence[waste.Group], cause: str) -> tuple[str, Decimal]:
    parts = [(group.by_cause[cause].effective_cost, group.value) for group in groups if cause in group.by_cause]
    cost, feature = max(parts, default=(Decimal(0), ""))
    return feature, cost


def _months_back(first: date, months: int) -> date:
    at = first.year * 12 + first.month - 1 - months
    return date(at // 12, at % 12 + 1, 1)


def _first_day(label: str) -> date:
    return date.fromisoformat(label if len(label) > 7 else f"{label}-01")
