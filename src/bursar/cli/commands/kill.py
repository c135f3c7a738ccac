"""`bursar kill`: stop what runs away, and let it go on."""

from typing import Annotated

import typer

from bursar.cli.commands.limits import MatchOption
from bursar.cli.controls import changed, changed_existing, print_rows
from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing, resolve_site
from bursar.cli.pairs import read_pairs
from bursar.cli.render import Format, say, text_column
from bursar.domain.clock import datetime_from_us
from bursar.domain.controls import Kill, KillTerms
from bursar.domain.errors import BadControl
from bursar.governance.checks import ends_at
from bursar.site import actor

EXPORTED = ("id", "stopped", "reason", "stopped_at", "stopped_by", "until")


def add(
    reason: Annotated[str, typer.Option(help="Why; whoever is refused reads it.")],
    key: Annotated[str, typer.Option(help="A virtual key's name or id, or pt_… of a client's own key.")] = "",
    agent: Annotated[str, typer.Option(help="An agent.")] = "",
    session: Annotated[str, typer.Option(help="A session.")] = "",
    feature: Annotated[str, typer.Option(help="A feature.")] = "",
    match: MatchOption = [],  # noqa: B006
    everything: Annotated[bool, typer.Option("--everything", help="Every call.")] = False,
    span: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 7d. It lapses by itself then.")] = "",
    until: Annotated[str, typer.Option("--until", help="Until when, with its zone: 2026-11-26T18:00:00Z.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Refuse calls within a second, on all workers: `bursar kill add --agent crawler --reason "loops since 14:05"`.

    Calls under way may finish. More than one condition: all must hold.
    """
    said = {"credential": key, "agent": agent, "session": session, "feature": feature}
    conditions = read_pairs("--match", match) | {name: value for name, value in said.items() if value}
    if bool(conditions) == everything:
        raise BadControl("say what to stop: --key, --agent, --session, --feature, --match, or --everything alone",
                         field="match")  # fmt: skip
    site = resolve_site(config, data)
    terms = KillTerms(match=conditions, reason=reason, until=ends_at(span, until, site.clock.now_us()))
    made = changed(site, lambda controls: controls.kills.create(terms, actor=actor()))
    _told([made], fmt)
    if fmt is Format.TABLE:
        say(f"{made.name} is stopped; `bursar kill lift {made.kill_id}` lets it go on.")


def list_kills(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """What is stopped now: `bursar kill list`."""
    kills = resolve_existing(config, data).controls().kills.all()
    if fmt is Format.TABLE and not kills:
        say("nothing is stopped; `bursar kill add --agent NAME --reason WHY` stops an agent.")
        return
    _told(kills, fmt)


def lift(
    name: Annotated[str, typer.Argument(help="The kill's id, or what is stopped: agent=crawler.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Let it go on: `bursar kill lift agent=crawler`."""
    gone = changed_existing(data, config, lambda controls: controls.kills.lift(name, actor=actor()))
    say(f"{gone.name} may call again ({gone.kill_id} is lifted).")


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True,
        help="Stop a key, agent, session, feature or everything within a second; lift it again.",
        rich_markup_mode=None,
    )
    group.command("add")(add)
    group.command("list")(list_kills)
    group.command("lift")(lift)
    app.add_typer(group, name="kill")


def exported(kill: Kill) -> dict[str, str]:
    """One kill as machines read it."""
    return {
        "id": kill.kill_id, "stopped": kill.name, "reason": kill.terms.reason,
        "stopped_at": datetime_from_us(kill.created_us).isoformat(timespec="seconds"), "stopped_by": kill.created_by,
        "until": kill.terms.until.isoformat(timespec="seconds") if kill.terms.until else "",
    }  # fmt: skip


def _told(kills: list[Kill], fmt: Format) -> None:
    columns = [
        text_column("stopped", "stopped", grow=True),
        text_column("reason", "why", grow=True),
        text_column("stopped_at", "since"),
        text_column("stopped_by", "by"),
        text_column("until", "until"),
        text_column("id", "id", style="dim"),
    ]
    print_rows(fmt, EXPORTED, [exported(kill) for kill in kills], columns)
