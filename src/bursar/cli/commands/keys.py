"""`bursar keys`: virtual keys, each with a scope and with what its calls are for."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing, resolve_site
from bursar.cli.render import Column, Format, out, print_csv, print_json, print_table, say, text_column
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadTags
from bursar.domain.scope import Scope
from bursar.domain.tags import DIMENSIONS, Attribution
from bursar.site import actor

if TYPE_CHECKING:
    from bursar.governance.keys import VirtualKey

EXPORTED = ("id", "name", "last4", "scope", "defaults", "created_at", "revoked_at")


def create(
    name: Annotated[str, typer.Argument(help="A name people will know it by.")],
    team: Annotated[str, typer.Option(help="The team it belongs to.")] = "",
    project: Annotated[str, typer.Option(help="The project of that team.")] = "",
    feature: Annotated[str, typer.Option(help="What its calls are for, where they don't say.")] = "",
    customer: Annotated[str, typer.Option(help="For whom.")] = "",
    environment: Annotated[str, typer.Option(help="prod, staging, dev …")] = "",
    tag: Annotated[list[str], typer.Option("--tag", help="Any other default: release=42. May be repeated.")] = [],  # noqa: B006
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Make a key. Its text is shown this once: `bursar keys create checkout --team growth --feature checkout`."""
    site = resolve_site(config, data)
    dimensions, tags = _defaults(tag)
    for dimension, value in (
        ("team", team),
        ("feature", feature),
        ("customer", customer),
        ("environment", environment),
    ):
        if value:
            dimensions[dimension] = value
    keys = site.keys()
    made = keys.create(
        name, Scope(site.config.organization, team, project), Attribution(**dimensions, tags=tags), actor=actor()
    )
    site.publish(keys)
    if fmt is Format.JSON:
        print_json(_exported(made.key) | {"key": made.text})
    elif fmt is Format.CSV:
        print_csv(("key", *EXPORTED), [[made.text, *_exported(made.key).values()]])
    else:
        out().print(made.text, soft_wrap=True)
        say(f"{made.key.name} ({made.key.credential_id}): keep it now, it can't be shown again.")


def list_keys(
    every: Annotated[bool, typer.Option("--all", help="The revoked ones too.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Keys with their scope and defaults; never their text: `bursar keys list --all`."""
    keys = [key for key in resolve_existing(config, data).keys().all() if every or not key.is_revoked]
    rows = [_exported(key) for key in keys]
    if fmt is Format.JSON:
        print_json(rows)
    elif fmt is Format.CSV:
        print_csv(EXPORTED, [list(row.values()) for row in rows])
    elif not rows:
        say("no keys yet; `bursar keys create NAME` makes one. Clients may use their own provider key meanwhile.")
    else:
        print_table(
            [
                text_column("name", "name", grow=True),
                Column("last4", "key", lambda value: f"sk-bursar-…{value}"),
                text_column("scope", "scope"),
                text_column("defaults", "defaults", grow=True),
                Column("created_at", "created", _day),
                *([Column("revoked_at", "revoked", _day)] if every else []),
                text_column("id", "id", style="dim"),
            ],
            rows,
        )


def revoke(
    name: Annotated[str, typer.Argument(help="The key's name or id.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Refuse a key from now on; workers know within a quarter of a second: `bursar keys revoke checkout`."""
    site = resolve_existing(config, data)
    keys = site.keys()
    key = keys.revoke(name, actor=actor())
    site.publish(keys)
    say(f"{key.name} (…{key.last4}) is revoked.")


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Make, list and revoke virtual keys.", rich_markup_mode=None)
    group.command("create")(create)
    group.command("list")(list_keys)
    group.command("revoke")(revoke)
    app.add_typer(group, name="keys")


def _defaults(pairs: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """`["agent=bot", "release=42"]` as dimensions and free tags. Raises BadTags for a pair without `=`."""
    dimensions: dict[str, str] = {}
    tags: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise BadTags(f"--tag {pair!r}: write it as key=value", field="tag")
        (dimensions if key in DIMENSIONS else tags)[key] = value
    return dimensions, tags


def _exported(key: "VirtualKey") -> dict[str, str | None]:
    said = {name: getattr(key.defaults, name) for name in DIMENSIONS if getattr(key.defaults, name)} | key.defaults.tags
    return {
        "id": key.credential_id,
        "name": key.name,
        "last4": key.last4,
        "scope": str(key.scope),
        "defaults": " ".join(f"{name}={value}" for name, value in said.items()),
        "created_at": datetime_from_us(key.created_us).isoformat(),
        "revoked_at": None if key.revoked_us is None else datetime_from_us(key.revoked_us).isoformat(),
    }


def _day(value: str | None) -> str:
    return datetime.fromisoformat(value).strftime("%Y-%m-%d") if value else ""
