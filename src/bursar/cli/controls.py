"""What `bursar policies`, `limits` and `kill` do alike: change something and tell the workers, print what there is."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from bursar.cli import client
from bursar.cli.options import ConfigOption, DataOption, resolve_existing
from bursar.cli.render import Column, Format, out_bytes, print_csv, print_json, print_table
from bursar.site import Site

if TYPE_CHECKING:  # start-up: it pulls in SQLAlchemy, which only a command that changes something needs
    from bursar.governance.controls import Controls

T = TypeVar("T")
Rows = Sequence[Mapping[str, Any]]


def changed(site: Site, act: "Callable[[Controls], T]") -> T:
    """What an act on the controls of a site answers; the workers are told once it is kept."""
    controls = site.controls()
    done = act(controls)
    controls.publish()
    return done


def changed_existing(data: DataOption, config: ConfigOption, act: "Callable[[Controls], T]") -> T:
    """The same on an installation that must be there. Raises ConfigError if it isn't."""
    return changed(resolve_existing(config, data), act)


def show_tried(
    kind: str, name: str, period: str, timezone: str | None, site: Site, fmt: Format, show: Callable[[bytes], None]
) -> None:
    """A policy or a limit (kind: as its address has it) against the past: as a table, or as the console's API tells."""
    path, parameters = client.path_of("api", kind, name, "try"), [("period", period), ("tz", timezone)]
    if fmt is Format.TABLE:
        show(client.fetch(site, client.target(path, parameters)))
    else:
        out_bytes(client.fetch(site, client.target(path, [*parameters, ("format", fmt.value)])))


def print_rows(
    fmt: Format,
    heads: Sequence[str],
    rows: Rows,
    columns: Sequence[Column],
    *,
    as_csv: Rows | None = None,
    as_table: Rows | None = None,
) -> None:
    """Rows in the format that was asked for. as_csv, as_table: where a cell reads otherwise there than in JSON."""
    if fmt is Format.JSON:
        print_json(rows)
    elif fmt is Format.CSV:
        print_csv(heads, [list(row.values()) for row in (rows if as_csv is None else as_csv)])
    else:
        print_table(columns, rows if as_table is None else as_table)
