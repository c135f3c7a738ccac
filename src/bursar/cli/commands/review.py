"""`bursar review`: the week in ten minutes, the month in thirty, as the books have it."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bursar.cli import client
from bursar.cli.options import (
    ConfigOption,
    DataOption,
    FilterOption,
    FormatOption,
    TimezoneOption,
    resolve_site,
)
from bursar.cli.render import Format, out, out_bytes, say
from bursar.domain.errors import BadRequest

MARKS = {"bad": ("▸", "red"), "good": ("▸", "green"), "plain": ("–", "dim")}


class SaidTold(msgspec.Struct):
    text: str
    tone: str
    url: str


class SectionTold(msgspec.Struct):
    title: str
    minutes: int
    nothing: str
    said: list[SaidTold]


class ReviewTold(msgspec.Struct):
    """`/api/reviews/PERIOD`."""

    period: str
    title: str
    said_of: str
    minutes: int
    lead: str
    sections: list[SectionTold]


def review(
    weekly: Annotated[bool, typer.Option("--weekly", help="The last week that is over; ten minutes.")] = False,
    monthly: Annotated[bool, typer.Option("--monthly", help="The last month that is over; thirty minutes.")] = False,
    period: Annotated[
        str | None, typer.Option("--period", help="Another one: 2026-W47 for a week, 2026-10 for a month.")
    ] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write it to this file as a PDF.")] = None,
    links: Annotated[bool, typer.Option("--links", help="Under each line the address that opens its number.")] = False,
    filters: FilterOption = [],  # noqa: B006
    timezone: TimezoneOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """What was spent, what changed and what to do, ranked by money: `bursar review --weekly`.

    Examples: `bursar review --monthly --pdf october.pdf`, `bursar review --period 2026-W47 --filter team=core`.
    """
    if weekly + monthly + (period is not None) > 1:
        raise BadRequest("say one of --weekly, --monthly and --period", field="period")
    name = period or ("monthly" if monthly else "weekly")
    site = resolve_site(config, data)
    asked: list[tuple[str, str | int | None]] = [("tz", timezone), *(("filter", one) for one in filters)]
    path = client.path_of("api", "reviews", name)
    if pdf is not None:
        content = client.fetch(site, client.target(f"{path}/print.pdf", asked))
        pdf.write_bytes(content)
        say(f"wrote {pdf}, {len(content):,} bytes")
    elif fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target(path, [*asked, ("format", fmt.value)])))
    else:
        _show(client.ask(site, path, asked, ReviewTold), links=links)


def register(app: typer.Typer) -> None:
    app.command("review")(review)


def _show(told: ReviewTold, *, links: bool) -> None:
    console = out()
    console.print(
        Text.assemble((told.title, "bold"), f"  {told.said_of}" + (f", {told.minutes} minutes" if told.minutes else ""))
    )
    console.print(Text(f"\n{told.lead}\n"))
    for section in told.sections:
        console.print(Text.assemble((section.title, "bold"), (f"  {section.minutes} min", "dim")))
        if not section.said:
            console.print(Padding(Text(section.nothing, "dim"), (0, 0, 1, 2)))
            continue
        lines = Table.grid(padding=(0, 1))
        for one in section.said:
            mark, style = MARKS.get(one.tone, MARKS["plain"])
            text = Text(one.text)
            if links:
                text.append(f"\n{one.url}", "dim")
            lines.add_row(Text(f" {mark}", style), text)
        console.print(Padding(lines, (0, 0, 1, 0)))
