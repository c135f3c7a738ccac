"""`bursar customers`: what each earns and costs, one of them, and bringing in who they are."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bursar.cli import client
from bursar.cli.commands.customers_told import MonthOption, MonthsOption, SumsTold, cohorts, plans
from bursar.cli.options import ConfigOption, DataOption, FormatOption, TimezoneOption, resolve_existing, resolve_site
from bursar.cli.pairs import read_pairs
from bursar.cli.render import Format, count_column, money_column, out_bytes, print_json, print_table, say, text_column
from bursar.cli.sending import send
from bursar.site import Site, actor
from bursar.supervise import find_running

EXIT_FINDING = 1
CSV, XLSX, JSON = (
    "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/json",
)  # fmt: skip


class Told(msgspec.Struct):
    """A customer of `/api/customers`."""

    customer: str
    name: str
    plan: str
    revenue: str | None
    ai_cost: str
    margin: str | None
    calls: int


class AllTold(msgspec.Struct):
    """`/api/customers`."""

    currency: str
    total: SumsTold
    unattributed: SumsTold
    without_record: SumsTold
    missing_rates: list[str]
    customers: list[Told]
    found: int


class KeptTold(msgspec.Struct):
    kind: str
    added: int
    replaced: int
    same: int


class FaultTold(msgspec.Struct):
    line: int
    column: str
    message: str


class BroughtTold(msgspec.Struct):
    """`/api/business/imports`."""

    is_trial: bool
    rows: int
    kept: list[KeptTold] | None
    faults: list[FaultTold]
    fault_count: int
    notes: list[str] = []


def list_customers(
    month: MonthOption = None,
    months: MonthsOption = None,
    who: Annotated[str | None, typer.Option("--who", help="losing, free, unknown, no_rate, estimated or all.")] = None,
    sort: Annotated[str, typer.Option("--sort", help="ai, revenue, margin, share, calls, tokens, name, plan; -: up.")]
    = "ai",
    limit: Annotated[int, typer.Option("--limit", help="At most so many customers.")] = 20,
    timezone: TimezoneOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:  # fmt: skip
    """Revenue, AI cost and margin of customers: `bursar customers list --who losing --month 2026-10`."""
    asked: list[tuple[str, str | int | None]] = [
        ("month", month), ("months", months), ("who", who), ("sort", sort), ("limit", limit), ("tz", timezone),
    ]  # fmt: skip
    site = resolve_existing(config, data)
    if fmt is not Format.TABLE:
        shape = "csv" if fmt is Format.CSV else None
        out_bytes(client.fetch(site, client.target("/api/customers", [*asked, ("format", shape)])))
        return
    told = client.ask(site, "/api/customers", asked, AllTold)
    rows = [
        {"name": one.name or one.customer or "(none)", "plan": one.plan, "revenue": one.revenue,
         "ai": one.ai_cost, "margin": one.margin, "calls": one.calls}
        for one in told.customers
    ]  # fmt: skip
    heads = [
        text_column("name", "customer", grow=True), text_column("plan", "plan"),
        money_column("revenue", "revenue", told.currency, unknown="unknown"),
        money_column("ai", "AI cost", told.currency),
        money_column("margin", "margin", told.currency, unknown="unknown"), count_column("calls", "calls"),
    ]  # fmt: skip
    print_table(heads, rows, notes=_notes(told))


def show(
    customer: Annotated[str, typer.Argument(help="Its id: the customer tag of its calls.")],
    month: MonthOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """One customer: its months, what moved its cost, what helps, as JSON: `bursar customers show acme`."""
    path = client.path_of("api", "customers", customer)
    out_bytes(client.fetch(resolve_existing(config, data), client.target(path, [("month", month)])))


def bring_in(
    file: Annotated[Path, typer.Argument(help="CSV, XLSX, or Stripe's JSON.", exists=True, dir_okay=False)],
    kind: Annotated[str, typer.Option("--kind", help="customers, plans, revenue, seats, events or stripe.")],
    mapping: Annotated[str, typer.Option("--mapping", help="A saved mapping, by its name.")] = "",
    columns: Annotated[list[str], typer.Option("--column", help="field=HEAD, again for each.")] = [],  # noqa: B006
    constants: Annotated[list[str], typer.Option("--set", help="What every row says: currency=EUR.")] = [],  # noqa: B006
    customer_key: Annotated[
        str, typer.Option("--customer-key", help="Of Stripe's customers, what calls are tagged with.")
    ] = "id",
    trial: Annotated[bool, typer.Option("--try", help="Say what would be kept, and keep nothing.")] = False,
    skip_faults: Annotated[bool, typer.Option("--skip-faults", help="Leave faulty rows out.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Bring in customers, plans, revenue, seats or events: `bursar customers import crm.csv --kind customers --try`.

    All rows are kept, or none: exit code 1 where a row has a fault.
    """
    site, content = resolve_site(config, data), file.read_bytes()
    pairs = {
        "columns": read_pairs("--column", columns) if columns else {},
        "constants": read_pairs("--set", constants) if constants else {},
    }
    asked: list[tuple[str, str | int | None]] = [
        ("kind", kind), ("source", file.name), ("mapping", mapping), ("customer_key", customer_key),
        ("trial", "1" if trial else None), ("skip_faults", "1" if skip_faults else None),
        *((name, "\n".join(f"{field}={value}" for field, value in given.items())) for name, given in pairs.items()),
    ]  # fmt: skip
    running = find_running(site.paths.data)
    answer = (
        send(running, "/api/business/imports", asked, content, _type_of(content))
        if running is not None
        else _by_ourselves(site, content, asked)
    )
    told = client.decode(answer, BroughtTold)
    if fmt is Format.JSON:
        print_json(msgspec.to_builtins(told))
    else:
        _say(told, file.name)
    if told.kept is None:
        raise typer.Exit(EXIT_FINDING)


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Who earns and who costs: list, show, plans, cohorts, import."
    )
    for name, command in (
        ("list", list_customers), ("show", show), ("plans", plans), ("cohorts", cohorts), ("import", bring_in),
    ):  # fmt: skip
        group.command(name)(command)
    app.add_typer(group, name="customers")


def _by_ourselves(site: Site, content: bytes, asked: list[tuple[str, str | int | None]]) -> bytes:
    # start-up: SQLAlchemy and DuckDB take their time, and `--help` needs neither
    from bursar.finance.business.book import BusinessBook
    from bursar.finance.business.bringing import bring
    from bursar.finance.business.mappings import MappingBook
    from bursar.finance.business.wishes import wish_of
    from bursar.governance.store import ControlStore

    site.prepare()
    given = {name: str(value or "") for name, value in asked}
    store = ControlStore(site.control_location)
    ledger = site.open_ledger()
    try:
        wish = wish_of(MappingBook(store, site.secret(), site.clock), given)
        return msgspec.json.encode(
            bring(BusinessBook(ledger, store, site.secret(), site.clock), content, wish, actor=actor())
        )
    finally:
        ledger.close()


def _type_of(content: bytes) -> str:
    if content.startswith(b"PK\x03\x04"):
        return XLSX
    return JSON if content.lstrip()[:1] in (b"{", b"[") else CSV


def _say(told: BroughtTold, name: str) -> None:
    for fault in told.faults:
        where = f"line {fault.line}" + (f", {fault.column}" if fault.column else "")
        say(f"{name}, {where}: {fault.message}")
    if told.fault_count > len(told.faults):
        say(f"and {told.fault_count - len(told.faults):,} more faults")
    if told.kept is None:
        rows = "1 row has a fault" if told.fault_count == 1 else f"{told.fault_count:,} rows have faults"
        say(f"nothing was kept: {rows}. Mend that in the file, or --skip-faults leaves it out.")
        return
    for note in told.notes:
        say(note)
    would = "would be " if told.is_trial else ""
    for one in told.kept:
        say(f"{one.kind}: {one.added:,} {would}added, {one.replaced:,} {would}replaced, {one.same:,} there already")


def _notes(told: AllTold) -> list[str]:
    notes = [f"all {told.total.customers:,} rows: AI cost {Decimal(told.total.ai_cost):,.2f} {told.currency}"]
    if told.unattributed.calls or Decimal(told.unattributed.ai_cost):
        notes.append(f"{told.unattributed.calls:,} calls say no customer: {Decimal(told.unattributed.ai_cost):,.2f}")
    if told.without_record.customers:
        notes.append(
            f"{told.without_record.customers:,} customers have no record; `bursar customers import` brings it in"
        )
    if told.total.unpriced_count:
        notes.append(f"{told.total.unpriced_count:,} attempts have no price, and are in no cost")
    if told.missing_rates:
        notes.append(f"no exchange rate for {', '.join(told.missing_rates)}: that revenue is in no figure")
    return notes
