"""`bursar invoices`: providers' bills beside what was metered here; what differs, why, and what is posted of it."""

from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from bursar.cli import client
from bursar.cli.commands.invoices_shown import BillTold, ComparedTold, show_bills, show_compared
from bursar.cli.commands.invoices_tax import tax
from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing, resolve_site
from bursar.cli.render import (
    Format,
    count_column,
    out_bytes,
    print_csv,
    print_json,
    print_table,
    say,
    text_column,
)
from bursar.domain.errors import BadControl
from bursar.site import Site, actor

if TYPE_CHECKING:  # start-up: it pulls in SQLAlchemy, and `--help` needs none
    from bursar.finance.reconcile.book import Imported, InvoiceBook
    from bursar.finance.reconcile.naming import BillNames
    from bursar.finance.reconcile.readers.mapped import BillMapping

BillArgument = Annotated[str, typer.Argument(help="The bill's id.")]
VarianceArgument = Annotated[str, typer.Argument(help="The variance's id, as `show` tells it.")]
FOUND = 1
IMPORT_HEADS = ("invoices", "format", "fresh", "replaced", "known", "again", "faults")


def import_(
    file: Annotated[Path, typer.Argument(help="A page or export of a provider, or a CSV with a saved mapping.")],
    kind: Annotated[
        str, typer.Option("--as", help="openai, anthropic, openrouter, aws-cur, azure, gcp, or a mapping's name.")
    ] = "",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Take in a bill's file: `bursar invoices import costs.json`. The same lines again change nothing."""
    # start-up: it pulls in SQLAlchemy
    from bursar.finance.reconcile.desk import read_file

    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadControl(f"file: can't read {file}: {error.strerror}", field="file") from error
    book, names = _books(resolve_site(config, data))
    found_kind, read = read_file(names, content, kind)
    _told(book.add(content, file.name, found_kind, read.lines, read.faults, actor=actor()), fmt)


def total(
    provider: Annotated[str, typer.Argument(help="Whose bill it is, as the ledger names providers.")],
    amount: Annotated[str, typer.Argument(help="The total before tax.")],
    first: Annotated[str, typer.Option("--first", help="Its first day, as 2026-10-01.")],
    last: Annotated[str, typer.Option("--last", help="Its last day, as 2026-10-31.")],
    tax: Annotated[str, typer.Option("--tax", help="The tax on it.")] = "0",
    currency: Annotated[str, typer.Option("--currency", help="What it is in.")] = "USD",
    rate: Annotated[str, typer.Option("--rate", help="Units of the currency for one USD in your books.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Take in a total that a PDF says: `bursar invoices total acme 1204.50 --first 2026-10-01 --last 2026-10-31`."""
    # start-up: it pulls in SQLAlchemy
    from bursar.finance.reconcile.desk import typed_lines

    lines = typed_lines(
        provider, _day(first, "first"), _day(last, "last"), _figure(amount, "amount"), _figure(tax, "tax"), currency,
        _figure(rate, "rate") if rate else None,
    )  # fmt: skip
    book, _ = _books(resolve_site(config, data))
    _told(
        book.add(msgspec.json.encode(lines), f"typed total of {provider}", "typed", lines, [], actor=actor()), fmt
    )  # fmt: skip


def list_invoices(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Bills, as they were compared last, the latest month first: `bursar invoices list`."""
    site = resolve_site(config, data)
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target("/api/invoices", [("format", fmt.value)])))
        return
    bills = client.ask(site, "/api/invoices", [], list[BillTold])
    if not bills:
        say("no bills; bring one in with `bursar invoices import FILE`.")
        return
    show_bills(bills)


def show(
    bill: BillArgument, data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE
) -> None:
    """One bill beside what was metered, difference by difference: `bursar invoices show bill_x --format csv`."""
    site = resolve_site(config, data)
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target(client.path_of("api", "invoices", bill), [("format", fmt.value)])))
        return
    show_compared(client.ask(site, client.path_of("api", "invoices", bill), [], ComparedTold))


def reconcile(
    bill: BillArgument, data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE
) -> None:
    """Compare a bill as `show` does, and exit 1 while a difference waits: `bursar invoices reconcile bill_x`."""
    site = resolve_site(config, data)
    path = client.path_of("api", "invoices", bill)
    told = client.ask(site, path, [], ComparedTold)
    if fmt is Format.TABLE:
        show_compared(told)
    else:
        out_bytes(client.fetch(site, client.target(path, [("format", fmt.value)])))
    if told.bill.fault or any(one.state == "open" for one in told.variances):
        raise typer.Exit(FOUND)


def accept(
    bill: BillArgument,
    variance: VarianceArgument,
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Accept a difference, which posts it to the books: `bursar invoices accept bill_x va_y`."""
    site = _decided(bill, variance, "accepted", note, data, config)
    told = client.ask(site, client.path_of("api", "invoices", bill), [], ComparedTold)  # whoever answers posts it
    state = next((one.state for one in told.variances if one.variance_id == variance), "posted")
    say(f"{variance} is {state}.")


def ignore(
    bill: BillArgument,
    variance: VarianceArgument,
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Leave a difference as it is: `bursar invoices ignore bill_x va_y --note "too small"`."""
    _decided(bill, variance, "ignored", note, data, config)
    say(f"{variance} is ignored.")


def withdraw(
    bill: BillArgument,
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Take a bill out; what was posted from it stays: `bursar invoices withdraw bill_x --note "another's"`."""
    book, _ = _books(resolve_existing(config, data))
    gone = book.withdraw(bill, note, actor=actor())
    say(f"{bill} is withdrawn: {gone} lines stand no more. Its file brought in again brings it back.")


def rate(
    bill: BillArgument,
    units: Annotated[str, typer.Argument(help="Units of the bill's currency for one USD; - for the books' own.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say at which rate a bill is compared: `bursar invoices rate bill_x 84.5`."""
    book, _ = _books(resolve_existing(config, data))
    book.set_rate(bill, None if units == "-" else _figure(units, "rate"), actor=actor())
    say(f"{bill} is compared at {'the rate for the books' if units == '-' else units}.")


def key(
    provider: Annotated[str, typer.Argument(help="Whose bills.")],
    name: Annotated[str, typer.Argument(help="A key, project or account as the bill has it.")],
    targets: Annotated[
        list[str], typer.Option("--is", help="A key, project or upstream here, or outside. May be repeated.")
    ] = [],  # noqa: B006
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say whose a bill's key is: `bursar invoices key openai key_abc --is vk_demo_core`. Without --is: forget it."""
    _, names = _books(resolve_site(config, data))
    names.set_key(provider, name, targets, actor=actor())
    say(f"{name} of {provider}: {', '.join(targets) or 'nothing is said'}.")


def mapping(
    name: Annotated[str, typer.Argument(help="A name, for --as.")],
    provider: Annotated[str, typer.Option("--provider", help="Whose bills, as the ledger names providers.")],
    columns: Annotated[
        list[str],
        typer.Option("--column", help="FIELD=COLUMN: date, amount, model, key, line, quantity, currency … Repeated."),
    ],
    lines: Annotated[
        list[str], typer.Option("--line", help="WORD=CLASS where the file's words don't tell: \"In tok=input\".")
    ] = [],  # noqa: B006
    per: Annotated[int, typer.Option("--per", help="Units that one of `quantity` is: 1000 for thousands.")] = 1,
    cents: Annotated[bool, typer.Option("--cents", help="Amounts are in hundredths.")] = False,
    currency: Annotated[str, typer.Option("--currency", help="Where no column says it.")] = "USD",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Save which column of a CSV is what: `bursar invoices mapping acme --provider acme --column date=Day
    --column amount=Cost`."""
    # start-up: it pulls in SQLAlchemy
    from bursar.finance.reconcile.readers.mapped import BillMapping

    made = BillMapping(
        columns=_pairs(columns, "column"), provider=provider, per=per, cents=cents, currency=currency.upper(),
        lines=_pairs(lines, "line"),
    )  # fmt: skip
    _, names = _books(resolve_site(config, data))
    names.set_mapping(name, made, actor=actor())
    say(f"mapping {name} is kept: `bursar invoices import FILE --as {name}`.")


def mappings(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Saved mappings of CSV columns: `bursar invoices mappings`."""
    _, names = _books(resolve_site(config, data))
    found: dict[str, BillMapping] = names.mappings()
    rows = [
        {"name": name, "provider": one.provider, "columns": ", ".join(f"{k}={v}" for k, v in one.columns.items()),
         "per": one.per, "currency": one.currency}
        for name, one in found.items()
    ]  # fmt: skip
    heads = ("name", "provider", "columns", "per", "currency")
    if fmt is Format.JSON:
        print_json(rows)
    elif fmt is Format.CSV:
        print_csv(heads, [[row[head] for head in heads] for row in rows])
    elif not rows:
        say("no mappings.")
    else:
        columns = [text_column(head, head, grow=head == "columns") for head in heads if head != "per"]
        print_table([*columns, count_column("per", "per")], rows, title="mappings")


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None,
        help="Providers' bills beside what was metered: import, list, show, reconcile, accept, ignore.",
    )  # fmt: skip
    for name, command in (
        ("import", import_), ("total", total), ("list", list_invoices), ("show", show), ("reconcile", reconcile),
        ("accept", accept), ("ignore", ignore), ("withdraw", withdraw), ("rate", rate), ("key", key),
        ("mapping", mapping), ("mappings", mappings), ("tax", tax),
    ):  # fmt: skip
        group.command(name)(command)
    app.add_typer(group, name="invoices")


def _books(site: Site) -> "tuple[InvoiceBook, BillNames]":
    # start-up: SQLAlchemy takes its time, and `--help` doesn't need it
    from bursar.finance.reconcile.book import InvoiceBook
    from bursar.finance.reconcile.naming import BillNames
    from bursar.governance.store import ControlStore

    site.prepare()
    store, secret = ControlStore(site.control_location), site.secret()
    return InvoiceBook(store, secret, site.clock), BillNames(store, secret, site.clock)


def _decided(bill: str, variance: str, act: str, note: str, data: Path | None, config: Path | None) -> Site:
    """The variance as the console tells it now, and the decision about that."""
    # start-up: it pulls in SQLAlchemy
    from bursar.finance.reconcile.desk import check_decision
    from bursar.finance.reconcile.result import Variance

    site = resolve_existing(config, data)
    found = client.ask(site, client.path_of("api", "invoices", bill, "variances", variance), [], Variance)
    check_decision(found, act)
    book, _ = _books(site)
    book.decide(bill, found, act, note, actor=actor())
    return site


def _told(done: "Imported", fmt: Format) -> None:
    values = {head: getattr(done, head) for head in IMPORT_HEADS}
    if fmt is Format.JSON:
        print_json(values)
        return
    if fmt is Format.CSV:
        told = [" ".join(value) if isinstance(value, list) else value for value in values.values()]
        print_csv(IMPORT_HEADS, [told])
        return
    for fault in done.faults[:10]:
        say(f"left out: {fault}")
    what = "the same file came in before: " if done.again else ""
    say(
        f"{what}{done.fresh} lines are new, {done.replaced} took another's place, {done.known} were there. "
        f"Compare with `bursar invoices show {done.invoices[0]}`."
    )


def _pairs(given: list[str], field: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for one in given:
        left, equals, right = one.partition("=")
        if not equals or not left.strip() or not right.strip():
            raise BadControl(f"{field}: {one[:60]!r}; write NAME=VALUE", field=field)
        pairs[left.strip()] = right.strip()
    return pairs


def _figure(text: str, field: str) -> Decimal:
    try:
        found = Decimal(text.replace(",", ""))
    except InvalidOperation as error:
        raise BadControl(f"{field}: {text[:40]!r} isn't a number", field=field) from error
    if not found.is_finite():
        raise BadControl(f"{field}: {text[:40]!r} isn't a number", field=field)
    return found


def _day(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadControl(f"{field}: {text[:40]!r} is no day; write 2026-10-31", field=field) from error
