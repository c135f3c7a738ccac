"""`bursar whatif`: what a period's real calls would have cost otherwise."""

from decimal import Decimal
from typing import Annotated

import msgspec
import typer

from bursar.cli import client
from bursar.cli.options import (
    ConfigOption,
    DataOption,
    FilterOption,
    FormatOption,
    PeriodOption,
    TimezoneOption,
    resolve_site,
)
from bursar.cli.render import Format, count_column, money_column, out_bytes, print_table, text_column


class StaysTold(msgspec.Struct):
    why: str
    attempts: int
    cost: str


class ModelTold(msgspec.Struct):
    provider: str
    model: str
    attempts: int
    attempts_moved: int
    was: str
    would: str
    saved: str


class WhatIfTold(msgspec.Struct):
    """`/api/whatif`."""

    currency: str
    was: str
    would: str
    saved: str
    attempts: int
    attempts_moved: int
    unpriced_count: int
    stays: list[StaysTold]
    models: list[ModelTold]
    assumed_tokens: list[tuple[str, str]]


def whatif(
    model: Annotated[str | None, typer.Option("--model", help="Another model, as provider/model.")] = None,
    of: Annotated[list[str], typer.Option("--of", help="Only calls of this model. May be repeated.")] = [],  # noqa: B006
    tier: Annotated[str | None, typer.Option("--tier", help="standard, flex, priority or batch.")] = None,
    batch: Annotated[float | None, typer.Option("--batch", help="Percent of the calls in batches.")] = None,
    cached: Annotated[float | None, typer.Option("--cached", help="Percent of input read from a cache.")] = None,
    written: Annotated[float | None, typer.Option("--written", help="Percent of input written to it.")] = None,
    output: Annotated[float | None, typer.Option("--output", help="Percent of the output tokens.")] = None,
    prices: Annotated[str | None, typer.Option("--prices", help="Prices of that day; default: today's.")] = None,
    period: PeriodOption = "last-month",
    filters: FilterOption = [],  # noqa: B006
    timezone: TimezoneOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """What calls would have cost otherwise: another model, tier, batches, a cache.

    Example: `bursar whatif --model openai/gpt-4o-mini --of gpt-4o`. What can't move stays at its cost, and is counted.
    """
    site = resolve_site(config, data)
    percents = {"batch": batch, "cached": cached, "written": written, "output": output}
    asked = [
        ("period", period), ("tz", timezone), *(("filter", one) for one in filters), ("model", model),
        ("of", ",".join(of) or None), ("tier", tier), ("prices", prices),
        *((name, None if value is None else f"{value:g}") for name, value in percents.items()),
    ]  # fmt: skip
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target("/api/whatif", [*asked, ("format", fmt.value)])))
        return
    told = client.ask(site, "/api/whatif", asked, WhatIfTold)
    rows = [msgspec.structs.asdict(one) | {"called": f"{one.provider}/{one.model}"} for one in told.models]
    print_table(
        [
            text_column("called", "called", grow=True),
            count_column("attempts", "attempts"),
            count_column("attempts_moved", "otherwise"),
            money_column("was", "it cost", told.currency),
            money_column("would", "it would have"),
            money_column("saved", "saved"),
        ],
        rows,
        totals={"called": "all", **msgspec.structs.asdict(told)},
        notes=_notes(told),
    )


def register(app: typer.Typer) -> None:
    app.command("whatif")(whatif)


def _notes(told: WhatIfTold) -> list[str]:
    notes = [
        f"{one.attempts:,} attempts of {Decimal(one.cost):,.2f} {told.currency} stay as they were: {one.why}"
        for one in told.stays
    ]
    if told.unpriced_count:
        notes.append(f"{told.unpriced_count:,} attempts are unpriced, and in neither sum")
    if told.assumed_tokens:
        notes.append(f"as many tokens are assumed for {len(told.assumed_tokens)} models that couldn't be compared here")
    return notes
