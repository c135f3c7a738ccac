"""`bursar markers`: say that something happened, and see what did."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from bursar.cli import client
from bursar.cli.options import ConfigOption, DataOption, FormatOption, PeriodOption, resolve_existing, resolve_site
from bursar.cli.pairs import read_pairs
from bursar.cli.render import Column, Format, out_bytes, print_csv, print_table, say, text_column
from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import BadMarker
from bursar.explore.vocabulary import marker_scope
from bursar.site import Site, actor

if TYPE_CHECKING:
    from bursar.governance.markers import MarkerBook

HEADS = ("at", "kind", "title", "scope", "source", "marker_id")


class Told(msgspec.Struct):
    """A marker as the console's API tells it."""

    marker_id: str
    at: datetime
    title: str
    kind: str
    scope: dict[str, str] | None
    source: str


def add(
    title: Annotated[str, typer.Argument(help="What happened: `search 4.2 is out`.")],
    at: Annotated[str, typer.Option(help="When, as 2026-11-01T12:00Z (default: now; without an offset: UTC).")] = "",
    kind: Annotated[str, typer.Option(help="What kind of thing: deploy, launch, config …")] = "deploy",
    scope: Annotated[str, typer.Option(help="Whom it is about, as feature=search (default: everything).")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say that something happened: `bursar markers add "search 4.2" --scope feature=search`."""
    pairs = read_pairs("--scope", [scope]) if scope else {}
    dimension, value = next(iter(pairs.items()), ("", ""))
    made = _book(resolve_site(config, data)).add(
        title, at_us=_at(at), kind=kind, scope=marker_scope(dimension, value), source="cli", actor=actor()
    )
    say(f"marker {made.marker_id}: {made.title}.")


def list_markers(
    period: PeriodOption = "", data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE
) -> None:
    """What happened when, changes of settings among it: `bursar markers list --period 7d`."""
    body = client.fetch(resolve_existing(config, data), client.target("/api/markers", [("period", period)]))
    if fmt is Format.JSON:
        out_bytes(body)
        return
    rows = [
        {"at": f"{one.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}", "kind": one.kind, "title": one.title,
         "scope": f"{one.scope['dimension']}={one.scope['value']}" if one.scope else "", "source": one.source,
         "marker_id": one.marker_id}
        for one in client.decode(body, list[Told])
    ]  # fmt: skip
    if fmt is Format.CSV:
        print_csv(HEADS, [[row[name] for name in HEADS] for row in rows])
    elif not rows:
        say("no markers; `bursar markers add TITLE` makes one.")
    else:
        print_table(
            [Column("at", "at (UTC)"), text_column("kind", "kind"), text_column("title", "what", grow=True),
             Column("scope", "about"), text_column("source", "said by")],
            rows,
        )  # fmt: skip


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What happened when: add, list.")
    for name, command in (("add", add), ("list", list_markers)):
        group.command(name)(command)
    app.add_typer(group, name="markers")


def _book(site: Site) -> "MarkerBook":
    # start-up: SQLAlchemy takes a fifth of a second; `bursar --help` needs none of it
    from bursar.governance.markers import MarkerBook
    from bursar.governance.store import ControlStore

    site.prepare()
    return MarkerBook(ControlStore(site.control_location), site.secret(), site.clock)


def _at(text: str) -> int | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadMarker(f"at: {text[:40]!r} is no time; write 2026-11-01T12:00Z", field="at") from error
    return us_from_datetime(at if at.tzinfo else at.replace(tzinfo=UTC))
