"""`bursar focus`: the books as a FOCUS file, and bills of other vendors beside them."""

import os
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bursar.cli import client
from bursar.cli.options import ConfigOption, DataOption, FormatOption, PeriodOption, TimezoneOption, resolve_existing
from bursar.cli.render import Format, count_column, out_bytes, print_csv, print_table, say, text_column
from bursar.domain.errors import BadRequest
from bursar.site import Site

FAULTS_SHOWN = 20


class FileFormat(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"


class FaultTold(msgspec.Struct):
    line: int
    column: str
    message: str


class UnratedTold(msgspec.Struct):
    currency: str
    first: str
    last: str
    rows: int
    remedy: str


class ImportedTold(msgspec.Struct):
    """`/api/focus/import`."""

    rows: int
    added: int
    withdrawn: int
    foreign: int
    faults: list[FaultTold]
    fault_count: int
    unrated: list[UnratedTold] = []


class NoteTold(msgspec.Struct):
    """`/api/focus/imports`."""

    import_id: str
    file_name: str
    imported_at: str
    rows: int
    added: int
    withdrawn: int


def export(
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write; one that is there is replaced.")],
    period: PeriodOption = "last-month",
    form: Annotated[FileFormat, typer.Option("--format", help="csv or parquet.")] = FileFormat.CSV,
    split: Annotated[
        list[str], typer.Option("--split", help="Rows by this too: customer, agent …, or a tag as tag:NAME.")
    ] = [],  # noqa: B006
    booked: Annotated[
        bool, typer.Option("--booked", help="What the books have in a month: of a closed one always the same.")
    ] = False,
    timezone: TimezoneOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Write a period as a FOCUS 1.2 file: `bursar focus export --period 2026-11 -o focus-2026-11.csv`.

    Charges without a price are in none of its rows; they are listed in FILE.unpriced.csv. Exit 1 if there are any.
    """
    site = resolve_existing(config, data)
    asked: list[tuple[str, str | int | None]] = [
        ("period", period),
        ("tz", timezone),
        ("booked", "true" if booked else None),
    ]
    asked += [("split", one) for one in split]
    size = _save(site, client.target("/api/focus/export", [*asked, ("format", form.value)]), out)
    say(f"wrote {out} ({size:,} bytes): FOCUS 1.2, {period}")
    beside = out.with_name(f"{out.name}.unpriced.csv")
    _save(site, client.target("/api/focus/unpriced", asked), beside)
    if not _has_rows(beside):
        beside.unlink()
        return
    say(f"some charges have no price and are in no row: {beside} lists them by hour, key and model")
    raise typer.Exit(1)


def import_(
    file: Annotated[Path, typer.Argument(help="A FOCUS file of any vendor, CSV or Parquet.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="It tells the whole of its months: what isn't in it is taken back.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Import a bill, beside LLM cost and never in it: `bursar focus import aws-focus-2026-11.parquet`.

    All of its rows that aren't there yet, or none: lines that don't fit are told, and exit 1. Twice is once.
    """
    if not file.is_file():
        raise BadRequest(f"there is no file {file}", field="file")
    with file.open("rb") as opened:
        kind = "application/vnd.apache.parquet" if opened.read(4) == b"PAR1" else "text/csv"
    asked: list[tuple[str, str | int | None]] = [("name", file.name), ("replace", "true" if replace else None)]
    site = resolve_existing(config, data)
    told = client.decode(client.upload(site, client.target("/api/focus/import", asked), file, kind), ImportedTold)
    if told.fault_count:
        for fault in told.faults[:FAULTS_SHOWN]:
            say(f"line {fault.line}: {fault.column} {fault.message}")
        say(f"{told.fault_count:,} of {told.rows:,} rows don't fit; nothing was imported")
        raise typer.Exit(1)
    taken = f", {told.withdrawn:,} taken back" if told.withdrawn else ""
    say(f"{told.rows:,} rows: {told.added:,} added{taken}, {told.rows - told.added:,} were there already")
    for one in told.unrated:
        days = f"{one.first}" if one.first == one.last else f"{one.first} to {one.last}"
        rows = "1 row" if one.rows == 1 else f"{one.rows:,} rows"
        say(f"{rows} in {one.currency} of {days} without a rate, and so without a cost in Explore: `{one.remedy}`")


def list_imports(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Bills that were imported, newest first: `bursar focus imports`."""
    body = client.fetch(resolve_existing(config, data), "/api/focus/imports")
    found = client.decode(body, list[NoteTold])
    if fmt is Format.JSON:
        out_bytes(body)
    elif fmt is Format.CSV:
        print_csv(NoteTold.__struct_fields__, [msgspec.structs.astuple(one) for one in found])
    elif not found:
        say("no bill was imported yet; `bursar focus import FILE` imports one.")
    else:
        print_table(
            [
                text_column("file_name", "file", grow=True), text_column("imported_at", "imported"),
                count_column("rows", "rows"), count_column("added", "added"), count_column("withdrawn", "taken back"),
            ],
            [msgspec.structs.asdict(one) for one in found],
        )  # fmt: skip


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="FOCUS 1.2 files: export the books, import bills of other vendors.")
    group.command("export")(export)
    group.command("import")(import_)
    group.command("imports")(list_imports)
    app.add_typer(group, name="focus")


def _save(site: Site, address: str, out: Path) -> int:
    """Write an answer's body where it belongs, whole or not at all; its bytes."""
    try:
        with tempfile.NamedTemporaryFile(dir=out.resolve().parent, prefix=".focus-", delete=False) as part:
            place = Path(part.name)
            try:
                client.download(site, address, part)
                part.flush()
                size = place.stat().st_size
                place.replace(out)
            except BaseException:
                place.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise BadRequest(f"can't write {out}: {error.strerror}", field="out") from error
    out.chmod(0o644 & ~_umask())
    return size


def _has_rows(file: Path) -> bool:
    with file.open("rb") as opened:
        opened.readline()
        return bool(opened.readline())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
