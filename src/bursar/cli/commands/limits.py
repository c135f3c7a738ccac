"""`bursar limits`: requests, tokens and concurrency, per scope or per each value of a dimension."""

from typing import Annotated

import typer

from bursar.cli.controls import changed, changed_existing, print_rows, show_tried
from bursar.cli.limit_trial import show_limit_trial
from bursar.cli.options import (
    ConfigOption,
    DataOption,
    FormatOption,
    PeriodOption,
    TimezoneOption,
    resolve_existing,
    resolve_site,
)
from bursar.cli.pairs import read_pairs
from bursar.cli.render import Column, Format, count_column, say, text_column
from bursar.domain.clock import datetime_from_us
from bursar.domain.controls import Limit, LimitTerms, written
from bursar.site import actor

EXPORTED = ("id", "name", "match", "each", "requests_per_minute", "tokens_per_minute", "concurrent", "created_at",
            "created_by")  # fmt: skip
MatchOption = Annotated[
    list[str],
    typer.Option("--match", help="Whose calls: feature=checkout, credential=KEY, tag:plan=free. May be repeated."),
]


def add(
    name: Annotated[str, typer.Argument(help="A name people will know it by.")],
    match: MatchOption = [],  # noqa: B006
    each: Annotated[str, typer.Option(help="Count every value of this by itself: customer, tag:plan …")] = "",
    requests: Annotated[int | None, typer.Option("--requests", help="Requests a minute.")] = None,
    tokens: Annotated[int | None, typer.Option("--tokens", help="Tokens a minute, in and out.")] = None,
    concurrent: Annotated[int | None, typer.Option("--concurrent", help="Calls under way at a time.")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Limit calls from now on: `bursar limits add each-customer --each customer --requests 60 --concurrent 4`."""
    site = resolve_site(config, data)
    terms = LimitTerms(
        match=read_pairs("--match", match), each=each, requests_per_minute=requests, tokens_per_minute=tokens,
        concurrent=concurrent,
    )  # fmt: skip
    made = changed(site, lambda controls: controls.limits.create(name, terms, actor=actor()))
    _told([made], fmt)
    workers = site.config.gateway.workers
    least = min(figure for figure in (requests, tokens, concurrent) if figure is not None)
    if workers > least:
        say(
            f"{workers} workers share this limit and {least} has no share for each: some of them will refuse every "
            "call. Raise the limit, or run fewer workers (gateway.workers)."
        )


def list_limits(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Limits in force: `bursar limits list --format json`."""
    limits = resolve_existing(config, data).controls().limits.all()
    if fmt is Format.TABLE and not limits:
        say("no limits yet; `bursar limits add NAME --requests 60` makes one for everything together.")
        return
    _told(limits, fmt)


def try_limit(
    name: Annotated[str, typer.Argument(help="The limit's name or id.")],
    period: PeriodOption = "last-month",
    timezone: TimezoneOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """How many calls a limit would have refused, whose, and how fast calls came: `bursar limits try each-customer`.

    It changes nothing.
    """
    show_tried("limits", name, period, timezone, resolve_existing(config, data), fmt, show_limit_trial)


def remove(
    name: Annotated[str, typer.Argument(help="The limit's name or id.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Limit no more: `bursar limits remove each-customer`."""
    gone = changed_existing(data, config, lambda controls: controls.limits.remove(name, actor=actor()))
    say(f"limit {gone.name} ({gone.limit_id}) is removed.")


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None,
        help="Requests, tokens and concurrency per minute: list, add, try against the past, remove.",
    )  # fmt: skip
    group.command("add")(add)
    group.command("list")(list_limits)
    group.command("try")(try_limit)
    group.command("remove")(remove)
    app.add_typer(group, name="limits")


def exported(limit: Limit) -> dict[str, str | int | None]:
    """One limit as machines read it."""
    terms = limit.terms
    return {
        "id": limit.limit_id, "name": limit.name, "match": written(terms.match), "each": terms.each,
        "requests_per_minute": terms.requests_per_minute, "tokens_per_minute": terms.tokens_per_minute,
        "concurrent": terms.concurrent, "created_at": datetime_from_us(limit.created_us).isoformat(),
        "created_by": limit.created_by,
    }  # fmt: skip


def _told(limits: list[Limit], fmt: Format) -> None:
    columns = [
        text_column("name", "name", grow=True),
        text_column("match", "for", grow=True),
        Column("each", "each", lambda value: value or ""),
        count_column("requests_per_minute", "requests/min"),
        count_column("tokens_per_minute", "tokens/min"),
        count_column("concurrent", "at a time"),
        text_column("id", "id", style="dim"),
    ]
    rows = [exported(limit) for limit in limits]
    shown = [{**row, **{key: row[key] or 0 for key in EXPORTED[4:7]}} for row in rows]
    print_rows(fmt, EXPORTED, rows, columns, as_table=shown)
