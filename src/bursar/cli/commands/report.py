"""`bursar report`: the board report and the finance pack of a month, as PDF and workbook."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bursar.cli import client
from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_site
from bursar.cli.render import Format, count_column, print_csv, print_json, print_table, say, text_column
from bursar.governance.store import ControlStore
from bursar.reports.kept import TITLES, Files, ReportBook, report_kind, report_month
from bursar.site import actor

app = typer.Typer(no_args_is_help=True)
HEADS = ("month", "kind", "version", "made_at", "made_by", "state")

Kind = Annotated[str, typer.Argument(help="board or pack.", metavar="KIND")]
Month = Annotated[str, typer.Argument(help="The month, as 2026-10.", metavar="MONTH")]


class ReportTold(msgspec.Struct):
    kind: str
    month: str
    version: int
    made_at: str
    made_by: str
    state: str


@app.command("list")
def list_reports(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Each month's reports, and which are kept: `bursar report list`."""
    told = client.ask(resolve_site(config, data), "/api/reports", [], list[ReportTold])
    rows = [msgspec.structs.asdict(one) for one in told]
    if fmt is Format.JSON:
        print_json(rows)
    elif fmt is Format.CSV:
        print_csv(HEADS, [[row[name] for name in HEADS] for row in rows])
    else:
        columns = [text_column("month", "Month"), text_column("kind", "Report"), count_column("version", "Version"),
                   text_column("made_by", "Kept by"), text_column("state", "Figures", grow=True)]  # fmt: skip
        print_table(columns, rows)


@app.command("make")
def make(kind: Kind, month: Month, data: DataOption = None, config: ConfigOption = None) -> None:
    """Make a report and keep it, as it will be sent: `bursar report make board 2026-10`."""
    site = resolve_site(config, data)
    known, period = report_kind(kind), report_month(month)
    files = client.ask(site, client.path_of("api", "reports", known, period, "draft"), [], Files)
    book = ReportBook(ControlStore(site.control_location), site.secret(), site.clock)
    kept = book.keep(known, period, files, actor=actor())
    say(f"version {kept.version} of the {TITLES[known].lower()} of {period} is kept. {kept.state}")
    say(f"SHA-256 {kept.digest}")


@app.command("save")
def save(
    kind: Kind,
    month: Month,
    to: Annotated[Path, typer.Option("--to", "-o", help="The file; .xlsx for the pack's workbook, else .pdf.")],
    version: Annotated[int | None, typer.Option("--version", help="A kept version; the newest, or a draft.")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Write a report to a file: `bursar report save pack 2026-10 --to october.xlsx`."""
    ending = "xlsx" if to.suffix.lower() == ".xlsx" else "pdf"
    path = client.path_of("api", "reports", report_kind(kind), f"{report_month(month)}.{ending}")
    content = client.fetch(resolve_site(config, data), client.target(path, [("version", version)]))
    to.write_bytes(content)
    say(f"wrote {to}, {len(content):,} bytes")


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="report", help="Each month's board report and finance pack: list, make, save.")
