"""`bursar costs`: what cost the most, by anything."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Protocol
from zoneinfo import ZoneInfo

import msgspec
import typer

from bursar.cli import client
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
from bursar.cli.render import (
    Column,
    Format,
    count_column,
    money_column,
    out_bytes,
    print_table,
    say,
    share_column,
    text_column,
)
from bursar.domain import display
from bursar.domain.errors import BadRequest
from bursar.site import command_name

GRAINS = ("hour", "day", "week", "month")  # a row each, in order of time
GROUPS_SHOWN = 20
UNPRICED = (
    "have no known price and are not in these sums: `{bursar} calls --filter quality=unpriced` names the models, "
    "`{bursar} prices show MODEL` prints the lines that price one"
)
SUMS = ("effective_cost", "calls", "attempts", "total_input_tokens", "total_output_tokens")


class CostRow(msgspec.Struct):
    """One group, as the console's API tells it; the fields that the table shows."""

    keys: list[str]
    effective_cost: str | None
    calls: int
    attempts: int
    total_input_tokens: int
    total_output_tokens: int
    unpriced_count: int = 0
    estimated_count: int = 0
    assumed_count: int = 0


class PeriodTold(msgspec.Struct):
    name: str
    start: str
    end: str
    timezone: str


class CostsTold(msgspec.Struct):
    """`/api/costs`."""

    by: list[str]
    period: PeriodTold
    currency: str
    rows: list[CostRow]
    totals: CostRow
    others: CostRow | None = None
    others_count: int = 0


def costs(
    by: Annotated[
        str, typer.Option("--by", help="feature, team, customer, model, tag:NAME …, or hour, day, week, month.")
    ] = "feature",
    and_by: Annotated[str | None, typer.Option("--and", help="A second dimension: --by feature --and model.")] = None,
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
    """Cost by feature, customer, model or any tag, largest first.

    Examples: `bursar costs --by customer --period 2026-03`, `bursar costs --by feature --and model --filter team=core`.
    """
    site = resolve_site(config, data)
    over_time = by in GRAINS
    if over_time and limit is not None:
        raise BadRequest(f"--limit is for groups, largest first; by {by} every {by} has its row", field="limit")
    grouped: list[tuple[str, str | int | None]] = (
        [("grain", by), ("by", and_by)] if over_time else [("by", by), ("and", and_by)]
    )
    parameters = [
        *grouped, ("period", period), ("tz", timezone), ("limit", None if over_time else limit or GROUPS_SHOWN),
        *(("filter", one) for one in filters),
    ]  # fmt: skip
    path = "/api/explore" if over_time else "/api/costs"
    if fmt is Format.TABLE:
        answer = client.ask(site, path, parameters, CostsTold)
        if not answer.rows or not (answer.totals.attempts or answer.totals.calls):
            say(no_calls(site, span(answer.period), f"{command_name()} costs --period all"))
            return
        _show(answer)
    else:
        out_bytes(client.fetch(site, client.target(path, [*parameters, ("format", fmt.value)])))


def register(app: typer.Typer) -> None:
    app.command("costs")(costs)


def _show(answer: CostsTold) -> None:
    rows = [_row(answer.by, row.keys, row) for row in answer.rows]
    if answer.others:
        rows.append(_row(answer.by, [f"({answer.others_count} others)"], answer.others))
    total = Decimal(answer.totals.effective_cost or 0)
    largest = max(Decimal(row.effective_cost or 0) for row in answer.rows)
    columns: list[Column] = [
        *(text_column(name, name, grow=True) for name in answer.by),
        money_column("effective_cost", "cost", answer.currency),
        share_column("share", "share", total, largest),
        count_column("calls", "calls"),
        Column("total_input_tokens", "tokens in", display.compact, right=True),
        Column("total_output_tokens", "out", display.compact, right=True),
    ]
    totals = _row(answer.by, ["total"], answer.totals)
    print_table(
        columns,
        rows,
        title=f"Cost by {' and '.join(answer.by)}, {span(answer.period)}",
        totals={name: value for name, value in totals.items() if name != "share" and value != " "},
        notes=doubts(answer.totals),
    )


def _row(by: list[str], keys: list[str], row: CostRow) -> dict[str, Any]:
    named = dict(zip(by, [*keys, *[" "] * (len(by) - len(keys))], strict=True))  # "" would read as (none)
    return named | {name: getattr(row, name) for name in SUMS} | {"share": row.effective_cost}


class Counted(Protocol):
    """What any answer with costs says of how sure they are."""

    attempts: int
    unpriced_count: int
    estimated_count: int
    assumed_count: int


def doubts(totals: Counted) -> list[str]:
    """What the total doesn't hold, or holds by guess. Unknown is never zero, so it is said."""
    counts = (
        (totals.unpriced_count, UNPRICED.format(bursar=command_name())),
        (totals.estimated_count, "came without usage: estimated from their bytes"),
        (totals.assumed_count, "were never heard of again: assumed at their bound until reconciled"),
    )
    return [
        f"{display.count(number)} of {display.count(totals.attempts)} attempts {what}"
        for number, what in counts
        if number
    ]


def span(period: PeriodTold) -> str:
    """`last-month, 1–31 Oct 2026, UTC`: days as people count them, both ends included."""
    zone = ZoneInfo(period.timezone)
    first = datetime.fromisoformat(period.start).astimezone(zone)
    last = datetime.fromisoformat(period.end).astimezone(zone) - timedelta(microseconds=1)
    return f"{period.name}, {display.days(first.date(), last.date())}, {period.timezone}"
