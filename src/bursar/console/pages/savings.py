"""Savings: what each lever took off what calls would have cost, by anything; where one costs more than it saves."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, get_args

import msgspec

from bursar.console.advising import known_review
from bursar.console.api.savings import LIMIT_MAX, ROWS_DEFAULT, asked_table
from bursar.console.charts import Chart, Series
from bursar.console.context import ConsoleContext
from bursar.console.figures import grain_for
from bursar.console.format import Format
from bursar.console.pages.costs import NONE, bucket_column, gateway_address, marked_in, uncovered
from bursar.console.pages.explore import FIRST_DIMENSIONS, MORE_DIMENSIONS, read_choice, read_limit
from bursar.console.pages.savings_rows import (
    ShownGroup,
    ShownLever,
    ShownStep,
    calls_behind,
    doubts_text,
    shown_groups,
    shown_steps,
    sum_row,
)
from bursar.console.savings import Loss, SavingsTable, Steps, Trend, losses_of, saved_filters, trend_of
from bursar.console.signed_charts import signed_bars
from bursar.console.view import View
from bursar.domain.periods import Grain
from bursar.domain.savings import LEVERS, WORDS
from bursar.explore.vocabulary import is_grain

LOSSES_SHOWN = 12
MONTH_DAYS = 30
GRAINS: tuple[Grain, ...] = get_args(Grain)


class ShownLoss(msgspec.Struct, frozen=True):
    """A lever that cost more than it saved on the calls of a feature to a model, and their address."""

    lever: str
    feature: str
    model: str
    saved_cost: Decimal
    href: str


class SavingsPage(msgspec.Struct, frozen=True):
    """All that the template reads.

    levers: those that made a difference anywhere on the page, if only one that another made up for.
    groups: None when the address asks by lever alone. losses_rest: how many more there are, and their sum.
    potential: USD a month that advice expects beyond what is saved; None: nobody has asked for it lately, and the page
    doesn't wait. realised_a_month: what is saved, at the same thirty days.
    """

    lead: str
    totals: Steps
    before: Steps | None
    saved_href: str
    doubts: str
    doubt_href: str
    levers: list[ShownLever]
    steps: list[ShownStep]
    zero: float
    grain: str
    chart: Chart
    heading: str
    sort: str
    is_sortable: bool
    groups: list[ShownGroup] | None
    others: ShownGroup | None
    all: ShownGroup
    more_href: str
    losses: list[ShownLoss]
    losses_rest: tuple[int, Decimal] | None
    lost: Decimal
    potential: Decimal | None
    realised_a_month: Decimal | None


def savings_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything around and in the template."""
    grain = next(name for name in GRAINS if name == read_choice(view, "grain", GRAINS, grain_for(view.period)))
    table = asked_table(context, view)
    trend = trend_of(context.explorer, view, grain)
    losses = losses_of(context.explorer, view)
    slots = dict(zip(LEVERS, context.colours("lever", LEVERS), strict=True))
    levers = [ShownLever(lever, WORDS[lever], slots[lever]) for lever in _made_a_difference(table, trend, losses)]
    steps, zero = shown_steps(view, table, levers)
    totals, rest = table.totals, losses[LOSSES_SHOWN:]
    limit = read_limit(view, ROWS_DEFAULT, LIMIT_MAX)
    others = f"{f.count(table.others_count)} others"
    first_call = context.explorer.first_call_at()
    review = known_review(context, view)
    data = SavingsPage(
        lead=_lead(f, totals),
        totals=totals,
        before=table.before,
        saved_href=calls_behind(view, saved_filters("")),
        doubts=doubts_text(totals),
        doubt_href=view.with_filter("quality", _worst_doubt(totals), "/calls"),
        levers=levers,
        steps=steps,
        zero=zero,
        grain=grain,
        chart=marked_in(context, view, _chart(view, f, trend, levers), trend.buckets),
        heading=" › ".join(f.field(name) for name in table.dimensions),
        sort=view.get("sort", "saved"),
        is_sortable=not any(map(is_grain, table.dimensions)),
        groups=shown_groups(view, f, table, levers) if table.dimensions else None,
        others=None if table.others is None else sum_row(view, others, table.others, levers, opens=False),
        all=sum_row(view, "All", totals, levers, opens=True),
        more_href=view.url(limit=str(min(limit * 4, LIMIT_MAX))) if table.others and limit < LIMIT_MAX else "",
        losses=[_loss(view, loss) for loss in losses[:LOSSES_SHOWN]],
        losses_rest=(len(rest), _sum(rest)) if rest else None,
        lost=_sum(losses),
        potential=None if review is None or review.too_short else review.total,
        realised_a_month=None if review is None or not review.days else _a_month(totals.saved_cost, review.days),
    )
    return {
        "data": data,
        "uncovered": uncovered(view, f, first_call),
        "has_any": bool(totals.attempts or totals.calls) or first_call is not None,
        "gateway": gateway_address(context),
        "unsaid": NONE,
        **_links(context, view, f, grain),
    }


def _made_a_difference(table: SavingsTable, trend: Trend, losses: Sequence[Loss]) -> list[str]:
    seen = [table.totals, *(group.steps for group in table.groups), *trend.steps]
    lossy = {loss.lever for loss in losses}
    return [lever for lever in LEVERS if lever in lossy or any(steps.by(lever) for steps in seen)]


def _lead(f: Format, totals: Steps) -> str:
    if not totals.saved_cost or totals.counterfactual_cost is None:
        return ""
    if totals.saved_cost < 0:
        return f"together the levers cost {f.plain_money(-totals.saved_cost)} more than they saved"
    share = f.percent(totals.saved_cost, totals.counterfactual_cost)
    return f"{share} of the {f.plain_money(totals.counterfactual_cost)} that these calls would have cost"


def _worst_doubt(totals: Steps) -> str:
    for word, number in (("unpriced", totals.unpriced_count), ("assumed", totals.assumed_count)):
        if number:
            return word
    return "estimated" if totals.estimated_count else "reported"


def _a_month(saved: Decimal | None, days: Decimal) -> Decimal:
    return (saved or Decimal(0)) * MONTH_DAYS / days


def _chart(view: View, f: Format, trend: Trend, levers: Sequence[ShownLever]) -> Chart:
    columns = [bucket_column(view, f, bucket, trend.grain, view.path) for bucket in trend.buckets]
    series = [
        Series(one.name, one.slot, [steps.by(one.lever) or Decimal(0) for steps in trend.steps]) for one in levers
    ]
    label = f"Saved by {trend.grain}, by lever, {view.days_label}"
    return signed_bars(columns, series, tell=f.plain_money, tell_tick=f.money_tick, label=label)


def _loss(view: View, loss: Loss) -> ShownLoss:
    inside = msgspec.structs.replace(view, filters=view.with_one("feature", loss.feature))
    inside = msgspec.structs.replace(inside, filters=inside.with_one("model", loss.model))
    href = calls_behind(inside, saved_filters(loss.lever))
    return ShownLoss(WORDS[loss.lever], loss.feature, loss.model, loss.saved_cost, href)


def _sum(losses: Sequence[Loss]) -> Decimal:
    return sum((loss.saved_cost for loss in losses), Decimal(0))


def _links(context: ConsoleContext, view: View, f: Format, grain: Grain) -> dict[str, Any]:
    """The switches: what the table groups by, and how long a bar of the chart is."""

    def by(name: str) -> tuple[str, str, bool]:
        return f.field(name), view.url(by=name, sort=None, limit=None, **{"and": None}), name == view.by

    first = (*FIRST_DIMENSIONS, "month")
    more = [*MORE_DIMENSIONS, *(f"tag:{name}" for name in context.tag_names(view))]
    usual = grain_for(view.period)
    return {
        "group_links": [by(name) for name in first],
        "more_links": [by(name) for name in more],
        "more_on": f.field(view.by) if view.by not in first else "",
        "grain_links": [
            (f.field(name), view.url(grain=None if name == usual else name), name == grain)
            for name in GRAINS
            if name != "hour" or usual == "hour"
        ],
    }
