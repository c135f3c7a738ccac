"""`bursar close flat`: a month's flat costs, what of them is booked, and the entries that book the rest."""

from typing import Annotated

import msgspec
import typer

from bursar.cli import client
from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing
from bursar.cli.render import Format, money_column, out_bytes, print_table, say, text_column
from bursar.domain.errors import BadControl
from bursar.supervise import find_running


class FlatTold(msgspec.Struct):
    """A flat cost, as the console's API tells it."""

    rule: str
    by: str
    amount: str | None
    booked: str
    open: str | None
    state: str
    told: str
    twin: str


def flat(
    month: Annotated[str, typer.Argument(help="As 2026-10.")],
    rules: Annotated[list[str] | None, typer.Argument(help="Rules to post (default: all whose amount is known).")]
    = None,
    post: Annotated[bool, typer.Option("--post", help="Post what isn't booked yet; again, it posts the difference.")]
    = False,
    by: Annotated[str, typer.Option("--by", help="The name of the person who says so.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:  # fmt: skip
    """A month's flat costs, and whether they are booked: `bursar close flat 2026-10`; with `--post --by "Ada Lovelace"`
    what is missing is booked."""
    site = resolve_existing(config, data)
    path = client.path_of("api", "close", month, "flat")
    if not post:
        if fmt is Format.TABLE:
            _show(month, client.ask(site, path, [], list[FlatTold]))
        else:
            out_bytes(client.fetch(site, client.target(path, [("format", fmt.value)])))
        return
    if not by.strip():
        raise BadControl("by: whoever says that it is to be booked: --by NAME", field="by")
    running = find_running(site.paths.data)
    if running is not None:
        body = msgspec.json.encode({"by": by, "rules": rules or []})
        posted: int = len(msgspec.json.decode(client.send(running, "POST", path, body)))
    else:
        from bursar.cli.ledgers import opened_books  # start-up: DuckDB takes its time

        with opened_books(site) as books:
            posted = len(books.flats.post(month, rules or [], by=by))
    entries = "1 entry" if posted == 1 else f"{posted} entries"
    say(f"{month}: {entries} posted." if posted else f"{month}: its flat costs are booked already, as they stand.")


def _show(month: str, found: list[FlatTold]) -> None:
    if not found:
        say(f"{month} has no flat costs (`bursar allocation set NAME --kind flat`).")
        return
    columns = [
        text_column("rule", "flat cost"), text_column("by", "among"), money_column("amount", "amount"),
        money_column("booked", "booked"), money_column("open", "to be booked"), text_column("state", ""),
        text_column("told", "", grow=True),
    ]  # fmt: skip
    twins = [f"{one.rule}: {one.twin} has the same amount: book one of them" for one in found if one.twin]
    print_table(columns, [msgspec.structs.asdict(one) for one in found], title=month, notes=twins)
