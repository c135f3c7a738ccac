"""A provider's bill as a file from the browser."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

from bursar.console.api.invoices import FILE_BYTES_MAX, take_in
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.uploads.parts import COLUMNS_SHOWN, ROWS_SHOWN, Ask, Given, Look, clipped
from bursar.console.uploads.shelf import Outcome, Upload
from bursar.domain.errors import BadControl, BursarError
from bursar.finance.reconcile.bill import BillLine
from bursar.finance.reconcile.desk import read_file
from bursar.finance.reconcile.readers.detect import READERS

FAULTS_SHOWN = 100
HEAD_BYTES = 65_536
HEADS = ["Days", "Provider", "Account", "Key", "Model", "Unit", "Quantity", "Amount"]


class BillTarget:
    """What the page Invoices is told."""

    title = "A provider's bill"
    back = "/invoices"
    nav = "invoices"
    limit = FILE_BYTES_MAX

    def look(self, context: ConsoleContext, one: Upload, given: Given) -> Look:
        names = context.finance().invoices.names
        formats = [("", "by its content"), *((name, name) for name in (*READERS, *names.mappings()))]
        content = context.uploads().content(one)
        kind = given.get("format", "")
        asks = [Ask("format", "Format", kind, formats)]
        try:
            kind, found = read_file(names, content, kind)
        except BursarError as error:
            heads, rows = _raw(content)
            return Look(asks=asks, problem=error.message, heads=heads, rows=rows)
        amounts: dict[tuple[str, str], Decimal] = {}
        for line in found.lines:
            key = line.provider, line.currency
            amounts[key] = amounts.get(key, Decimal(0)) + (line.amount or 0)
        said = [f"read as {kind}: {len(found.lines):,} lines"]
        said += [f"{provider}: {amount:,f} {currency}" for (provider, currency), amount in amounts.items()]
        if found.lines:
            first, last = min(line.start for line in found.lines), max(line.end for line in found.lines)
            said.append(f"from {first} to {last - timedelta(days=1)}")
        return Look(
            asks=asks, heads=HEADS, rows=clipped([_cells(line) for line in found.lines[:ROWS_SHOWN]]), said=said,
            faults=[(fault.line, "", fault.what) for fault in found.faults[:FAULTS_SHOWN]],
            fault_count=len(found.faults),
            notes=["Lines that can't be read are left out, and the bill says so."] if found.faults else [],
        )  # fmt: skip

    def keep(self, context: ConsoleContext, one: Upload, given: Given) -> Outcome:
        content = context.uploads().content(one)
        done = take_in(
            context, lambda desk: desk.take_file(content, one.name, given.get("format", ""), actor=ACTOR)
        )  # fmt: skip
        said = [
            f"{done.fresh:,} lines are new, {done.replaced:,} took another's place, {done.known:,} were there already"
        ]
        back = f"/invoices/{done.invoices[0]}" if len(done.invoices) == 1 else self.back
        return Outcome(True, [*said, *done.faults[:FAULTS_SHOWN]], back)

    def save(self, context: ConsoleContext, one: Upload, given: Given, name: str) -> None:
        raise BadControl("name: mappings of bills are saved by `bursar invoices`", field="name")


def _cells(line: BillLine) -> list[str]:
    last = line.end - timedelta(days=1)
    days = str(line.start) if last <= line.start else f"{line.start} to {last}"
    quantity = "" if line.quantity is None else f"{line.quantity:,f}"
    amount = "" if line.amount is None else f"{line.amount:f} {line.currency}"
    return [days, line.provider, line.project, line.key, line.model, line.unit, quantity, amount]


def _raw(content: bytes) -> tuple[list[str], list[list[str]]]:
    """The beginning of a file that nobody could read, if it is text."""
    try:
        text = content[:HEAD_BYTES].decode("utf-8-sig")
    except UnicodeDecodeError:
        return [], []
    lines = list(csv.reader(io.StringIO(text)))[: ROWS_SHOWN + 1]
    return (lines[0][:COLUMNS_SHOWN], clipped(lines[1:])) if lines else ([], [])
