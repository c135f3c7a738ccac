"""`bursar savings`: from what calls would have cost, lever by lever, to what they did."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import typer

from bursar.cli import client
from bursar.cli.commands.costs import PeriodTold, doubts, span
from bursar.cli.nothing import no_calls
from bursar.cli.options import (
    ConfigOption,
    DataOption,
    FilterOption,
    FormatOption,
    PeriodOption,
    TimezoneOption,
    resolve_site,
)
from bursar.cli.render import Column, Format, money_column, out_bytes, print_table, say, share_column, text_column
from bursar.domain import display
from bursar.domain.savings import COLUMNS, LEVERS, WORDS
from bursar.site import command_name

BY_LEVER = "lever"
GROUPS_SHOWN = 20
LOSSES_SHOWN = 5


class StepsTold(msgspec.Struct):
    """Costs and savings of a group, in USD as text; None where nothing has a price."""

    counterfactual_cost: str | None
    saved_routing: str | None
    saved_batch: str | None
    saved_prompt_cache: str | None
    saved_response_cache: str | None
    saved_semantic_cache: str | None
    saved_cost: str | None
    list_cost: str | None
    discount_cost: str | None
    effective_cost: str | None
    attempts: int
    unpriced_count: int
    estimated_count: int
    assumed_count: int
    keys: list[str] = []


class LossTold(msgspec.Struct):
    lever: str
    feature: str
    model: str
    saved_cost: str


class SavingsTold(msgspec.Struct):
    """`/api/savings`."""

    by: list[str]
    period: PeriodTold
    currency: str
    rows: list[StepsTold]
    totals: StepsTold
    losses: list[LossTold]
    losses_count: int
    others: StepsTold | None = None
    others_count: int = 0


def savings(
    by: Annotated[
        str, typer.Option("--by", help="lever, feature, team, customer, model, tag:NAME …, or day, week, month.")
    ] = BY_LEVER,
    and_by: Annotated[str | None, typer.Option("--and", help="A second dimension: --by month --and team.")] = None,
    period: PeriodOption = "last-month",
    filters: FilterOption = [],  # noqa: B006
    timezone: TimezoneOption = None,
    limit: Annotated[
        int | None, typer.Option(help="Groups to show one by one; the rest is one row (default 20).", min=1)
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """What each lever saved of what calls would have cost, by anything.

    Examples: `bursar savings`, `bursar savings --by feature --period 2026-03`, `bursar savings --by month --and team`.
    """
    site = resolve_site(config, data)
    parameters: list[tuple[str, str | int | None]] = [
        ("by", by), ("and", and_by), ("period", period), ("tz", timezone), ("limit", limit or GROUPS_SHOWN),
        *(("filter", one) for one in filters),
    ]  # fmt: skip
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target("/api/savings", [*parameters, ("format", fmt.value)])))
        return
    told = client.ask(site, "/api/savings", parameters, SavingsTold)
    if not told.totals.attempts:
        say(no_calls(site, span(told.period), f"{command_name()} savings --period all"))
    elif told.by:
        _show_groups(told)
    else:
        _show_steps(told)


def register(app: typer.Typer) -> None:
    app.command("savings")(savings)


def _show_steps(told: SavingsTold) -> None:
    """The waterfall as rows: what it would have cost, less each step, is what it did cost."""
    totals = told.totals
    steps = [(f"− {WORDS[lever].lower()}", _saved(totals, lever)) for lever in _levers(told, [totals])]
    rows = [
        ("without any lever", totals.counterfactual_cost), *steps, ("= list cost", totals.list_cost),
        ("− negotiated discounts", totals.discount_cost), ("= effective cost", totals.effective_cost),
    ]  # fmt: skip
    whole = Decimal(totals.counterfactual_cost or 0)
    print_table(
        [
            text_column("step", "step", grow=True),
            money_column("amount", "amount", told.currency),
            share_column("share", "of what it would have cost", whole, whole),
        ],
        [{"step": step, "amount": amount, "share": amount} for step, amount in rows],
        title=f"Savings by lever, {span(told.period)}",
        notes=_notes(told),
    )


def _show_groups(told: SavingsTold) -> None:
    rows = [_row(told.by, row.keys, row) for row in told.rows]
    if told.others:
        rows.append(_row(told.by, [f"({told.others_count} others)"], told.others))
    columns: list[Column] = [
        *(text_column(name, name, grow=True) for name in told.by),
        money_column("counterfactual_cost", "without", told.currency),
        *(
            money_column(COLUMNS[lever], WORDS[lever].lower(), told.currency)
            for lever in _levers(told, [told.totals, *told.rows])
        ),
        money_column("saved_cost", "saved", told.currency),
        Column("share", "share", str, right=True),
    ]
    if Decimal(told.totals.discount_cost or 0):
        columns.append(money_column("discount_cost", "discount", told.currency))
    columns.append(money_column("effective_cost", "cost", told.currency))
    print_table(
        columns,
        rows,
        title=f"Savings by {' and '.join(told.by)}, {span(told.period)}",
        totals={name: value for name, value in _row(told.by, ["total"], told.totals).items() if value != " "},
        notes=_notes(told),
    )


def _row(by: Sequence[str], keys: Sequence[str], row: StepsTold) -> dict[str, Any]:
    named = dict(zip(by, [*keys, *[" "] * (len(by) - len(keys))], strict=True))  # "" would read as (none)
    whole = Decimal(row.counterfactual_cost or 0)
    share = display.percent(Decimal(row.saved_cost or 0), whole)
    return named | msgspec.structs.asdict(row) | {"share": share}


def _levers(told: SavingsTold, seen: Sequence[StepsTold]) -> list[str]:
    """Those that made a difference somewhere: the others have no column."""
    lossy = {loss.lever for loss in told.losses}
    return [lever for lever in LEVERS if lever in lossy or any(Decimal(_saved(one, lever) or 0) for one in seen)]


def _saved(steps: StepsTold, lever: str) -> str | None:
    amount: str | None = getattr(steps, COLUMNS[lever])
    return amount


def _notes(told: SavingsTold) -> list[str]:
    """Where a lever costs more than it saves, and what is in no sum."""
    notes = [
        f"{WORDS[loss.lever].lower()} costs more than it saves: {loss.feature or '(none)'} on {loss.model}, "
        f"{display.money(Decimal(loss.saved_cost), told.currency)}"
        for loss in told.losses[:LOSSES_SHOWN]
    ]
    if told.losses_count > LOSSES_SHOWN:
        more = display.count(told.losses_count - LOSSES_SHOWN)
        notes.append(f"and {more} more such: `{command_name()} savings --format json` has them")
    return [*notes, *doubts(told.totals)]
