"""`bursar rates`: what one currency was worth in another on a day, for which purpose, and who said so."""

from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing, resolve_site
from bursar.cli.render import Column, Format, print_csv, print_json, print_table, say, text_column
from bursar.domain.errors import BadControl
from bursar.domain.money import plain
from bursar.site import Site, actor

if TYPE_CHECKING:  # start-up: it pulls in SQLAlchemy, and `--help` needs none
    from bursar.finance.fx.book import RateBook

LIST_HEADS = ("day", "currency", "into", "rate", "purpose", "source", "added_by")
PurposeOption = Annotated[
    list[str], typer.Option("--purpose", help="books, gst, tds (tax withheld) or report; may be repeated.")
]
SourceOption = Annotated[
    str, typer.Option("--source", help="Who said so: FBIL, ECB, SBI TT buying, the bank's letter.")
]


def add(
    currency: Annotated[str, typer.Argument(help="One of this: USD.")],
    into: Annotated[str, typer.Argument(help="… was worth in this: INR.")],
    rate: Annotated[str, typer.Argument(help="So much: 89.1250.")],
    on: Annotated[str, typer.Option("--on", help="The day it is of, as 2026-11-12.")],
    source: SourceOption,
    purpose: PurposeOption,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Add a rate by hand: `bursar rates add USD INR 89.1250 --on 2026-11-12 --purpose gst --source FBIL`."""
    # start-up: it pulls in SQLAlchemy
    from bursar.finance.fx.rates import RateRow

    day, value = _day(on), _rate(rate)
    rows = [RateRow(day, currency.upper(), into.upper(), value, one, source) for one in purpose]
    added = _book(resolve_site(config, data)).add(rows, actor=actor())
    say(f"{added.added} added, {added.already} there already.")


def import_(
    file: Annotated[Path, typer.Argument(help="A CSV: date,currency,rate, or a column for each currency.")],
    purpose: PurposeOption = [],  # noqa: B006
    source: SourceOption = "",
    into: Annotated[str, typer.Option("--into", help="What its rates are in, where it doesn't say: INR.")] = "",
    base: Annotated[str, typer.Option("--base", help="Its rates are of one of this, as the ECB's: EUR.")] = "",
    on: Annotated[str, typer.Option("--on", help="The day, for a file without dates.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Add the rates of a file, all or none: `bursar rates import ecb.csv --base EUR --purpose report --source ECB`."""
    # start-up: it pulls in SQLAlchemy
    from bursar.finance.fx.reading import Told

    try:
        content = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadControl(f"file: {str(file)[:200]!r} can't be read: {error}", field="file") from error
    told = Told(source, tuple(purpose), into.upper(), base.upper(), _day(on) if on else None)
    added = _book(resolve_site(config, data)).import_csv(content, told, actor=actor())
    say(f"{added.added} added, {added.already} there already.")


def list_rates(
    currency: Annotated[str, typer.Option("--currency", help="Only pairs with this one.")] = "",
    purpose: Annotated[str, typer.Option("--purpose", help="Only those for this.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Rates as they were brought in, the latest day first: `bursar rates list --currency INR`."""
    found = _book(resolve_existing(config, data)).listed(currency=currency.upper(), purpose=purpose)
    rows = [
        {"day": str(one.row.day), "currency": one.row.currency, "into": one.row.into, "rate": plain(one.row.rate),
         "purpose": one.row.purpose, "source": one.row.source, "added_by": one.added_by}
        for one in found
    ]  # fmt: skip
    if fmt is Format.JSON:
        print_json(rows)
    elif fmt is Format.CSV:
        print_csv(LIST_HEADS, [list(row.values()) for row in rows])
    elif not rows:
        say("no exchange rates; `bursar rates add` or `bursar rates import` brings some in.")
    else:
        columns = [
            text_column("day", "day"), text_column("currency", "one"), text_column("into", "in"),
            Column("rate", "rate", right=True), text_column("purpose", "for"),
            text_column("source", "source", grow=True), text_column("added_by", "added by", style="dim"),
        ]  # fmt: skip
        print_table(columns, rows)


def show(
    currency: Annotated[str, typer.Argument(help="One of this: USD.")],
    into: Annotated[str, typer.Argument(help="… in this: INR.")],
    on: Annotated[str, typer.Option("--on", help="The day (default: today, UTC).")] = "",
    purpose: Annotated[str, typer.Option("--purpose", help="books, gst, tds or report.")] = "report",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """The rate of a day: `bursar rates show USD INR --on 2026-11-12 --purpose gst`; exit 1 where none is known."""
    # start-up: it pulls in nothing but the clock's words
    from bursar.domain.clock import datetime_from_us

    site = resolve_existing(config, data)
    day = _day(on) if on else datetime_from_us(site.clock.now_us()).date()
    found = _book(site).rates().rate(currency.upper(), into.upper(), day, purpose)
    told = {"state": "unknown" if found is None else "known", "currency": currency.upper(), "into": into.upper(),
            "purpose": purpose, "asked": str(day), "rate": None if found is None else plain(found.rate),
            "day": None if found is None else str(found.day),
            "source": "" if found is None else found.source}  # fmt: skip
    if fmt is Format.JSON:
        print_json(told)
    elif fmt is Format.CSV:
        print_csv(tuple(told), [list(told.values())])
    else:
        say(
            found.told()
            if found
            else f"no rate of {currency.upper()} in {into.upper()} is known for {day} ({purpose})."
        )
    if found is None:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None,
                        help="Exchange rates by day, purpose and source: add, import, list, show.")  # fmt: skip
    for name, command in (("add", add), ("import", import_), ("list", list_rates), ("show", show)):
        group.command(name)(command)
    app.add_typer(group, name="rates")


def _book(site: Site) -> "RateBook":
    # start-up: SQLAlchemy takes its time
    from bursar.finance.fx.book import RateBook
    from bursar.governance.store import ControlStore

    site.prepare()
    return RateBook(ControlStore(site.control_location), site.secret(), site.clock)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadControl(f"on: {text[:40]!r} is no day; write 2026-11-12", field="on") from error


def _rate(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise BadControl(f"rate: {text[:40]!r} is no number", field="rate") from error
