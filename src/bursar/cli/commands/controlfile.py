"""`bursar apply` and `bursar export`: the whole control state as one file."""

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing, resolve_site
from bursar.cli.render import Format, print_csv, print_json, say
from bursar.controlfile.document import FILE_BYTES_MAX
from bursar.controlfile.state import Change
from bursar.domain import display
from bursar.domain.errors import BadControlFile
from bursar.governance.budgets import Spent
from bursar.site import Site, actor

DIFFERENT = 1
SIGNS = {"create": "+", "change": "~", "remove": "−"}
COLUMNS = ("section", "name", "change", "field", "before", "after")


def apply(
    file: Annotated[Path, typer.Option("--file", "-f", help="The control file; - reads stdin.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing: print the difference, and exit 1 if there is one.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also remove what the file's sections lack (a section left out stays).")
    ] = False,
    opening: Annotated[
        bool, typer.Option("--opening/--no-opening", help="Count what new budgets' running windows spent already.")
    ] = True,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Make the control state what a file says, all or nothing: `bursar apply -f bursar.yaml --dry-run`.

    Budgets, policies, limits, kills, routes, caches, initiatives, plans, alert channels and rules, by name
    (docs/control-file.md).
    """
    site = resolve_site(config, data)
    text = _read(file)
    if dry_run:
        changes = site.control_state().compare(text, prune=prune)
        _tell(changes, fmt)
        if changes:
            raise typer.Exit(DIFFERENT)
        return
    _tell(apply_text(site, text, prune=prune, opening=opening), fmt)


def export(data: DataOption = None, config: ConfigOption = None) -> None:
    """The control state as a file that `bursar apply` reads: `bursar export > bursar.yaml`.

    Keys are never in it.
    """
    text = resolve_existing(config, data).control_state().export()
    sys.stdout.write(text)
    if len(text.encode()) > FILE_BYTES_MAX:
        say(
            f"this is more than {FILE_BYTES_MAX} bytes, which `bursar apply` reads at a time; split it by its sections."
        )


def apply_text(site: Site, text: bytes, *, prune: bool, opening: bool) -> list[Change]:
    """Make the control state what a file says, and tell the workers. Raises BadControlFile, Unavailable.

    opening: count what the running windows of new budgets have spent, by the books.
    """
    state = site.control_state()
    openings = _ask_openings(site, state.compare(text, prune=prune)) if opening else {}
    done = state.apply(text, prune=prune, actor=actor(), openings=openings)
    if done:
        site.publish_all()
    return done


def register(app: typer.Typer) -> None:
    app.command("apply")(apply)
    app.command("export")(export)


def _read(file: Path) -> bytes:
    """One byte more than may be read, so that too long is seen."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        with file.open("rb") as stream:
            return stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadControlFile(f"can't read {file}: {error.strerror}", field="file") from error


def _ask_openings(site: Site, changes: list[Change]) -> dict[str, list[Spent]]:
    begun = [change.begins for change in changes if change.begins is not None]
    if not begun:
        return {}
    # start-up: only new budgets need what asks the books
    from bursar.cli.opening import ask_opening

    now_us = site.clock.now_us()
    return {budget.name: ask_opening(site, budget, now_us).spent for budget in begun}


def _tell(changes: list[Change], fmt: Format) -> None:
    if fmt is Format.JSON:
        print_json([_exported(change) for change in changes])
    elif fmt is Format.CSV:
        print_csv(COLUMNS, [
            [change.section, change.name, change.kind, field.name, _flat(field.before), _flat(field.after)]
            for change in changes for field in change.fields
        ])  # fmt: skip
    else:
        for change in changes:
            sys.stdout.write(_lines(change))
        counts = {kind: sum(change.kind == kind for change in changes) for kind in SIGNS}
        say(
            ", ".join(f"{display.count(count)} to {kind}" for kind, count in counts.items() if count)
            or "no difference."
        )


def _lines(change: Change) -> str:
    lines = [f"{SIGNS[change.kind]} {change.section}: {change.name}"]
    for field in change.fields if change.kind != "remove" else []:
        before = f"{_flat(field.before) or '(none)'} → " if change.kind == "change" else ""
        lines.append(f"    {field.name}: {before}{_flat(field.after) or '(none)'}")
    return "\n".join(lines) + "\n"


def _exported(change: Change) -> dict[str, Any]:
    return {
        "section": change.section, "name": change.name, "change": change.kind,
        "fields": {field.name: {"before": field.before, "after": field.after} for field in change.fields},
    }  # fmt: skip


def _flat(value: Any) -> str:
    """A value on one line; what is not plain text as JSON, so that nothing in it can pass for a line of its own."""
    if value is None:
        return ""
    if isinstance(value, str) and value.isprintable():
        return str(value)
    text = msgspec.json.encode(value, enc_hook=str).decode()
    return text if text.isprintable() else ascii(text)
