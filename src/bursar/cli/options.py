"""Options that mean the same in every command, spelled once."""

from pathlib import Path
from typing import Annotated

import typer

from bursar.cli.render import Format
from bursar.config import Config, load_config
from bursar.domain.errors import ConfigError
from bursar.site import Site, command_name

DataOption = Annotated[
    Path | None, typer.Option("--data", help="The data directory (default: bursar-data here).", show_default=False)
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="BURSAR_CONFIG", help="A settings file (default: bursar.toml here).")
]
FormatOption = Annotated[Format, typer.Option("--format", help="table for people, json or csv for machines.")]
PeriodOption = Annotated[
    str,
    typer.Option("--period", help="today, 7d, mtd, last-month, 2026-03, 2026-03-01..2026-03-07 … (docs/cli.md)"),
]
TimezoneOption = Annotated[
    str | None, typer.Option("--tz", help="Whose midnights cut the days, e.g. Asia/Kolkata (default: the console's).")
]
FilterOption = Annotated[
    list[str],
    typer.Option(
        "--filter", help="Only these: team=core, customer!=acme, model~=haiku, tag:plan=pro. May be repeated."
    ),
]

DEFAULT_CONFIG = Path("bursar.toml")


def resolve_config(config: Path | None, data: Path | None, **dotted: object) -> Config:
    """Settings as this command sees them: defaults < bursar.toml (here, if there) < environment < options.

    dotted: settings from options, dots written as two underscores: `gateway__port=9000`; None is left out.
    """
    path = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    overrides = {name.replace("__", "."): value for name, value in dotted.items()}
    return load_config(path, overrides={"data": str(data) if data else None, **overrides})


def resolve_existing(config: Path | None, data: Path | None) -> Site:
    """The installation that a command talks about, which must be there. Raises ConfigError if it isn't."""
    site = resolve_site(config, data)
    if not site.exists():
        raise ConfigError(
            f"{site.paths.data} is no Bursar data directory; name one with --data, or begin with `{command_name()} up`",
            field="data",
        )
    return site


def resolve_site(config: Path | None, data: Path | None, **dotted: object) -> Site:
    """The installation that a command talks about."""
    return Site(resolve_config(config, data, **dotted))
