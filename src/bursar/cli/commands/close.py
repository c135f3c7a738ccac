"""`bursar close`: the books by month, what to look at before one is closed, its files, and the general journal."""

from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from bursar.cli import client
from bursar.cli.commands.close_flat import flat
from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing
from bursar.cli.render import (
    Column,
    Format,
    count_column,
    money_column,
    out_bytes,
    print_json,
    print_table,
    say,
    text_column,
)
from bursar.domain.errors import BadControl
from bursar.site import actor
from bursar.supervise import find_running

MonthArgument = Annotated[str, typer.Argument(help="As 2026-10.")]


class MonthTold(msgspec.Struct):
    """A month, as the console's API tells it."""

    month: str
    state: str
    list_cost: str
    billed_cost: str
    prior_billed: str
    unpriced_count: int
    closed_by: str


class CheckTold(msgspec.Struct):
    title: str
    state: str
    text: str


class BalanceTold(msgspec.Struct):
    account: str
    currency: str
    debit: str
    credit: str
    balance: str


class OneTold(msgspec.Struct):
    """`/api/close/MONTH`."""

    month: str
    state: str
    closed_by: str
    note: str
    prior_items: int
    checks: list[CheckTold]
    trial_balance: list[BalanceTold]
    files: dict[str, str]


class ProofTold(msgspec.Struct):
    name: str
    is_same: bool


def list_months(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Months of the books, open and closed: `bursar close list`."""
    site = resolve_existing(config, data)
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target("/api/close", [("format", fmt.value)])))
        return
    found = client.ask(site, "/api/close", [], list[MonthTold])
    if not found:
        say("nothing is booked yet.")
        return
    columns = [
        text_column("month", "month"), text_column("state", ""), money_column("list_cost", "list cost"),
        money_column("billed_cost", "to be billed"), money_column("prior_billed", "of earlier months"),
        count_column("unpriced_count", "unpriced"), text_column("closed_by", "closed by", grow=True),
    ]  # fmt: skip
    print_table(columns, [msgspec.structs.asdict(one) | {"closed_by": one.closed_by or "–"} for one in found])


def show(
    month: MonthArgument, data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE
) -> None:
    """A month's checklist and trial balance: `bursar close show 2026-10`."""
    site = resolve_existing(config, data)
    if fmt is Format.CSV:
        out_bytes(client.fetch(site, client.path_of("api", "close", month, "files", "trial-balance.csv")))
        return
    path = client.path_of("api", "close", month)
    if fmt is Format.JSON:
        out_bytes(client.fetch(site, path))
        return
    one = client.ask(site, path, [], OneTold)
    state = f"closed by {one.closed_by}" if one.state == "closed" else "open"
    rows = [{"state": check.state, "title": check.title, "text": check.text or "–"} for check in one.checks]
    print_table(
        [text_column("state", ""), text_column("title", "to look at"), text_column("text", "", grow=True)], rows,
        title=f"{month}, {state}",
    )  # fmt: skip
    _balances(one)


def month(
    month: MonthArgument,
    by: Annotated[str, typer.Option("--by", help="The name of the person who closes it.")],
    note: Annotated[str, typer.Option("--note", help="Why what the checklist shows is fine.")] = "",
    accept: Annotated[bool, typer.Option("--accept", help="I looked at what the checklist shows.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Close a month, for good: `bursar close month 2026-10 --by "Ada Lovelace" --accept --note "looked at"`."""
    site = resolve_existing(config, data)
    running = find_running(site.paths.data)
    if running is not None:
        body = msgspec.json.encode({"by": by, "note": note, "accepted": accept})
        client.send(running, "POST", client.path_of("api", "close", month), body)
    else:
        from bursar.cli.ledgers import opened_books  # start-up: DuckDB takes its time

        with opened_books(site) as books:
            books.close.close(month, by=by, note=note, accepted=accept)
    say(f"{month} is closed. What is posted for it from now on is booked in the open month.")


def export(
    month: MonthArgument,
    name: Annotated[str, typer.Argument(help="journal.beancount, journal.csv, trial-balance.csv, usage.csv, "
                                        "books.json or books.xlsx.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write it here (default: stdout).")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """A file of a month: `bursar close export 2026-10 journal.beancount --out 2026-10.beancount`."""
    content = client.fetch(resolve_existing(config, data), client.path_of("api", "close", month, "files", name))
    if out is None:
        typer.get_binary_stream("stdout").write(content)
        return
    out.write_bytes(content)
    say(f"{out}: {len(content):,} bytes.")


def prove(
    month: MonthArgument, data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE
) -> None:
    """Whether a closed month's files, made again from the ledger, are the same: `bursar close prove 2026-10`; exit 1
    where one isn't."""
    site = resolve_existing(config, data)
    found = client.ask(site, client.path_of("api", "close", month, "proof"), [], list[ProofTold])
    if fmt is Format.JSON:
        print_json([msgspec.structs.asdict(one) for one in found])
    else:
        rows = [{"name": one.name, "same": "the same" if one.is_same else "not the same"} for one in found]
        print_table([text_column("name", "file"), text_column("same", "made again")], rows)
    if not all(one.is_same for one in found):
        raise typer.Exit(1)


def post(
    day: Annotated[str, typer.Argument(help="The day it belongs to, as 2026-10-20.")],
    text: Annotated[str, typer.Argument(help="What it is.")],
    lines: Annotated[list[str], typer.Argument(help="Postings that add up to nothing: Assets:Bank -100 USD.")],
    key: Annotated[str, typer.Option("--key", help="What it is, once and for all: posted twice it is posted once.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Post an entry that isn't a charge: `bursar close post 2026-10-20 Credits "Assets:Prepaid 100" "Assets:Bank -100"
    --key credits-7`."""
    # start-up: it pulls in SQLAlchemy
    from bursar.finance.books.journal import JournalBook, NewEntry, read_postings
    from bursar.governance.store import ControlStore

    site = resolve_existing(config, data)
    entry = NewEntry(key, _day(day), text, read_postings(lines))
    book = JournalBook(ControlStore(site.control_location), site.secret(), site.clock)
    say("posted." if book.post([entry], actor=actor()) else "it is there already, and nothing was posted.")


def paid(
    vendor: Annotated[str, typer.Argument(help="Whom: openai.")],
    amount: Annotated[str, typer.Argument(help="Of the invoice, in its currency: 10000.")],
    booked: Annotated[str, typer.Option("--booked", help="The rate it was booked at: 88.90.")],
    at: Annotated[str, typer.Option("--paid", help="The rate it was paid at: 89.60.")],
    on: Annotated[str, typer.Option("--on", help="The day it was paid, as 2026-11-12.")],
    key: Annotated[str, typer.Option("--key", help="What it is, once and for all: posted twice it is posted once.")],
    currency: Annotated[str, typer.Option("--currency", help="Of the invoice.")] = "USD",
    into: Annotated[str, typer.Option("--into", help="Of the books.")] = "INR",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Post a payment, its exchange difference a line of its own: `bursar close paid openai 10000 --booked 88.90 --paid
    89.60 --on 2026-11-12 --key inv-7`."""
    # start-up: it pulls in SQLAlchemy
    from bursar.finance.books.close import newest_chart
    from bursar.finance.books.journal import JournalBook
    from bursar.finance.books.paying import payment
    from bursar.governance.store import ControlStore

    site = resolve_existing(config, data)
    store = ControlStore(site.control_location)
    entry, found = payment(
        key, _day(on), vendor, _number("amount", amount), currency.upper(), into.upper(), _number("booked", booked),
        _number("paid", at), newest_chart(store),
    )  # fmt: skip
    posted = JournalBook(store, site.secret(), site.clock).post([entry], actor=actor())
    told = f"booked {found.booked:,.2f}, paid {found.paid:,.2f} {into.upper()}: "
    told += "no difference" if found.kind == "none" else f"exchange {found.kind} {abs(found.loss):,.2f}"
    say(told + ("." if posted else "; it is there already, and nothing was posted."))


def entries(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Entries of the general journal, oldest first: `bursar close entries`."""
    site = resolve_existing(config, data)
    found: list[dict[str, Any]] = client.ask(site, "/api/journal", [], list[dict[str, Any]])
    if fmt is Format.JSON:
        print_json(found)
        return
    rows = [
        {"day": one["day"], "key": one["key"], "text": one["text"], **line} for one in found for line in one["postings"]
    ]
    columns = [
        text_column("day", "day"), text_column("text", "what", grow=True), text_column("account", "account", grow=True),
        text_column("amount", "amount"), text_column("currency", ""), text_column("key", "key", style="dim"),
    ]  # fmt: skip
    print_table(columns, rows)


def chart(
    use: Annotated[Path | None, typer.Option("--use", help="A JSON file: use that chart for open months.")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """The chart of accounts as JSON, or use another: `bursar close chart --use chart.json`."""
    # start-up: it pulls in SQLAlchemy
    from bursar.finance.books.chart import Chart, check_chart
    from bursar.governance.checks import read_terms

    site = resolve_existing(config, data)
    if use is None:
        out_bytes(client.fetch(site, "/api/chart"))
        return
    try:
        given = msgspec.json.decode(use.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise BadControl(f"use: {str(use)[:200]!r} can't be read: {error}", field="use") from error
    wanted = check_chart(read_terms(given, Chart))
    running = find_running(site.paths.data)
    if running is not None:
        client.send(running, "PUT", "/api/chart", msgspec.json.encode(wanted))
    else:
        from bursar.cli.ledgers import opened_books  # start-up: DuckDB takes its time

        with opened_books(site) as books:
            books.close.set_chart(wanted, actor=actor())
    say("open months use it from now on; closed ones keep theirs.")


def register(app: typer.Typer) -> None:
    told = "Months of the books: list, show, flat, month, export, prove, post, paid, entries, chart."
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=told)
    for name, command in (
        ("list", list_months), ("show", show), ("flat", flat), ("month", month), ("export", export), ("prove", prove),
        ("post", post), ("paid", paid), ("entries", entries), ("chart", chart),
    ):  # fmt: skip
        group.command(name)(command)
    app.add_typer(group, name="close")


def _balances(one: OneTold) -> None:
    if not one.trial_balance:
        say("nothing is booked in it.")
        return
    rows = [msgspec.structs.asdict(balance) for balance in one.trial_balance]
    columns = [
        text_column("account", "account", grow=True),
        *(Column(name, name, _amount, right=True) for name in ("debit", "credit", "balance")),
        text_column("currency", ""),
    ]  # fmt: skip
    notes = [f"{one.prior_items} items of months that were closed before"] if one.prior_items else []
    print_table(columns, rows, title="trial balance", notes=notes)


def _amount(text: str) -> str:
    """For people; `--format json` and the file `trial-balance.csv` have every digit."""
    amount = Decimal(text)
    return f"{amount:,.2f}" if amount else "–"


def _number(field: str, text: str) -> Decimal:
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation as error:
        raise BadControl(f"{field}: {text[:40]!r} is no number", field=field) from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadControl(f"day: {text[:40]!r} is no day; write 2026-10-20", field="day") from error
