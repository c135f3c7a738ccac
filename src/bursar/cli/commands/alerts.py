"""`bursar alerts`: what is watched, who is told, what was raised, and how delivery went."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing
from bursar.cli.render import Column, Format, print_csv, print_json, print_table, say, text_column
from bursar.domain.errors import BadAlert, DeliveryFailed, UnknownAlert
from bursar.site import actor
from bursar.supervise import find_running

if TYPE_CHECKING:
    from bursar.alerts.desk import AlertDesk
    from bursar.governance.alert_rows import Delivery

TEST_WAIT_S = 60.0
TEST_LOOK_EVERY_S = 0.1

Off = Annotated[bool | None, typer.Option("--on/--off", help="Switch it on or off.", show_default=False)]
Remove = Annotated[bool, typer.Option("--remove", help="Forget it.")]


def rules(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """What is watched: `bursar alerts rules`."""
    # start-up: SQLAlchemy takes a fifth of a second; `bursar --help` needs none of it
    from bursar.alerts.answers import rule_answer

    found = [rule_answer(rule) for rule in resolve_existing(config, data).alerts().rules()]
    rows = [
        {
            "name": rule.name,
            "kind": rule.kind,
            "on": "on" if rule.is_on else "off",
            "parameters": " ".join(f"{name}={value}" for name, value in rule.parameters.items()),
            "filters": " ".join(rule.filters),
            "severity": rule.severity or "",
            "channels": " ".join(rule.channels),
        }
        for rule in found
    ]
    _show(found, rows, fmt, [
        text_column("name", "rule"), text_column("kind", "kind"), Column("on", ""),
        Column("parameters", "tells you above", grow=True), Column("filters", "only", grow=True),
        Column("severity", "severity"), Column("channels", "channels"),
    ])  # fmt: skip


def rule(
    name: Annotated[str, typer.Argument(help="Its name; one that isn't there is made.")],
    kind: Annotated[str, typer.Option(help="daily_spend, period_spend, unpriced, estimated … (docs/alerts.md)")] = "",
    parameter: Annotated[list[str], typer.Option("--set", help="factor=3, amount_usd=500 … May be repeated.")] = [],  # noqa: B006
    filter_: Annotated[list[str], typer.Option("--filter", help="Only these calls: team=core. May be repeated.")] = [],  # noqa: B006
    channel: Annotated[
        list[str], typer.Option(help="Only to this channel. May be repeated; `all`: to all again.")
    ] = [],  # noqa: B006
    severity: Annotated[str, typer.Option(help="info, warning or critical; `own`: each finding's own.")] = "",
    on: Off = None,
    remove: Remove = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Make or change a rule: `bursar alerts rule big-month --kind period_spend --set amount_usd=500`."""
    # start-up: as above
    from bursar.alerts.rules import Rule, parameters_of
    from bursar.domain.alerts import Severity

    desk = resolve_existing(config, data).alerts()
    if remove:
        desk.settings.remove_rule(name, actor=actor())
        say(f"{name} is gone; what it raised stays.")
        return
    before = next((one for one in desk.rules() if one.name == name), None)
    if before is None and not kind:
        raise UnknownAlert(f"there is no alert rule {name!r}; say its --kind to make one", field="kind")
    given = dict(_pair(text) for text in parameter)
    found = before or Rule(name, parameters_of(kind, given, tuple(filter_)))
    if before is not None and (kind or given or filter_):
        same_kind = not kind or kind == before.kind
        told = msgspec.to_builtins(before.what, enc_hook=str) if same_kind else {}
        kept = {key: _written(value) for key, value in told.items() if key not in ("kind", "filters")}
        filters = tuple(filter_) or tuple(told.get("filters", ()))
        what = parameters_of(kind or before.kind, kept | given, filters)
        found = msgspec.structs.replace(before, what=what)
    if channel:
        found = msgspec.structs.replace(found, channels=() if channel == ["all"] else tuple(channel))
    if severity:
        if severity not in ("own", *Severity):
            raise BadAlert(f"a severity is one of {', '.join(Severity)}, or own", field="severity")
        found = msgspec.structs.replace(found, severity=None if severity == "own" else Severity(severity))
    if on is not None:
        found = msgspec.structs.replace(found, is_on=on)
    desk.put_rule(found, actor=actor())
    say(f"{name} is {'on' if found.is_on else 'off'}.")


def channels(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Who is told, and what waits for them: `bursar alerts channels`."""
    # start-up: as above
    from bursar.alerts.answers import channel_answers

    found = channel_answers(resolve_existing(config, data).alerts())
    rows = [
        msgspec.structs.asdict(one)
        | {
            "on": "on" if one.is_on else "off",
            "takes": "all rules" if one.takes_all else "what names it",
            "escalates": f"{one.escalate_to} after {one.escalate_after_min} min" if one.escalate_to else "",
        }
        for one in found
    ]
    if not rows and fmt is Format.TABLE:
        say("no channels yet: alerts show on the console. `bursar alerts channel NAME --to env:VARIABLE` makes one.")
        return
    _show(found, rows, fmt, [
        text_column("name", "channel"), text_column("kind", "kind"), Column("on", ""),
        text_column("target", "address", grow=True), Column("takes", "takes"),
        Column("quiet", "quiet hours", grow=True),
        Column("escalates", "then"), Column("waiting", "waiting", right=True), Column("error", "because", grow=True),
    ])  # fmt: skip


def channel(
    name: Annotated[str, typer.Argument(help="Its name; one that isn't there is made.")],
    to: Annotated[
        str, typer.Option(help="env:VARIABLE with its address; a webhook's own address may stand here.")
    ] = "",
    webhook: Annotated[
        bool | None, typer.Option("--webhook/--apprise", help="Our signed webhook, or apprise.", show_default=False)
    ] = None,
    secret_env: Annotated[str, typer.Option(help="The variable with a webhook's signing secret.")] = "",
    quiet: Annotated[str, typer.Option(help='"22:00-07:00 mon-fri Europe/Berlin"; `none`: never quiet.')] = "",
    escalate_to: Annotated[str, typer.Option(help="Whom to tell when nobody acknowledges; `none`: nobody.")] = "",
    escalate_after: Annotated[int, typer.Option(help="After so many minutes.")] = 0,
    takes_all: Annotated[
        bool | None,
        typer.Option(
            "--takes-all/--takes-named", help="Whether it gets rules that name no channel.", show_default=False
        ),
    ] = None,
    on: Off = None,
    remove: Remove = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Make or change a channel: `bursar alerts channel ops --to env:BURSAR_ALERT_SLACK --quiet 22:00-07:00`."""
    # start-up: as above
    from bursar.governance.alerts import Channel

    desk = resolve_existing(config, data).alerts()
    if remove:
        desk.settings.remove_channel(name, actor=actor())
        say(f"{name} is gone; what waited for it is given up.")
        return
    before = next((one for one in desk.settings.channels() if one.name == name), None)
    if before is None and not to:
        raise UnknownAlert(f"there is no alert channel {name!r}; say where --to to make one", field="to")
    is_webhook = to.startswith("http") or bool(secret_env)
    found = before or Channel(name, "webhook" if is_webhook else "apprise", to)
    changes: dict[str, object] = {
        "kind": None if webhook is None else "webhook" if webhook else "apprise",
        "target": to or None,
        "secret_env": secret_env or None,
        "quiet": {"": None, "none": ""}.get(quiet, quiet),
        "escalate_to": {"": None, "none": ""}.get(escalate_to, escalate_to),
        "escalate_after_min": escalate_after or None,
        "takes_all": takes_all,
        "is_on": on,
    }
    found = msgspec.structs.replace(found, **{key: value for key, value in changes.items() if value is not None})
    desk.put_channel(found, actor=actor())
    say(f"{name} is {'on' if found.is_on else 'off'}; `bursar alerts test {name}` tries it out.")


def list_alerts(
    every: Annotated[bool, typer.Option("--all", help="The acknowledged ones too.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Alerts that wait for somebody, newest first: `bursar alerts list --all`."""
    # start-up: as above
    from bursar.alerts.answers import alert_answers

    found = alert_answers(resolve_existing(config, data).alerts(), every=every)
    if not found and fmt is Format.TABLE:
        say("nothing waits." if not every else "no alert was ever raised here.")
        return
    rows = [
        msgspec.structs.asdict(one)
        | {
            "short_id": one.id[-12:],
            "at": f"{one.raised_at:%Y-%m-%d %H:%M}",
            "seen_to": one.acknowledged_by or "open",
            "told": " ".join(f"{told.channel}:{told.state}" for told in one.deliveries),
        }
        for one in found
    ]
    _show(found, rows, fmt, [
        Column("at", "raised (UTC)"), text_column("severity", "severity"), text_column("rule", "rule"),
        text_column("title", "what", grow=True), Column("told", "told", grow=True),
        *([Column("seen_to", "by")] if every else []),
        text_column("short_id", "id", style="dim"),
    ])  # fmt: skip


def acknowledge(
    alert: Annotated[str, typer.Argument(help="An alert's id or the end of it, or `all`.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say that you have seen to an alert; it escalates no further: `bursar alerts ack 0d3f21c4a6b0`."""
    done = resolve_existing(config, data).alerts().acknowledge(alert, actor=actor())
    for one in done:
        say(f"acknowledged: {one.title}")
    if not done:
        say("nothing was open.")


def try_channel(
    channel: Annotated[str, typer.Argument(help="The channel's name.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Send a test message now, quiet hours or not: `bursar alerts test ops`."""
    site = resolve_existing(config, data)
    desk = site.alerts()
    sent = desk.test(channel, actor=actor())
    if find_running(site.paths.data) is None:  # nobody else delivers
        site.deliverer(desk).deliver(sent.alert_id)
    outcome = _wait(desk, sent.alert_id)
    if outcome is None:
        raise DeliveryFailed(f"the console hasn't sent it within {TEST_WAIT_S:.0f} s; is alerts.enabled off?")
    if outcome.state != "delivered":
        raise DeliveryFailed(f"{channel} didn't take it: {outcome.error}")
    say(f"{channel} took it.")


def log(
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=10_000)] = 50,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Each try at a channel, newest first: `bursar alerts log --limit 20`."""
    # start-up: as above
    from bursar.alerts.answers import log_answer

    found = [log_answer(entry) for entry in resolve_existing(config, data).alerts().book.log(limit)]
    if not found and fmt is Format.TABLE:
        say("nothing was sent yet.")
        return
    rows = [msgspec.structs.asdict(one) | {"when": f"{one.at:%Y-%m-%d %H:%M:%S}"} for one in found]
    _show(found, rows, fmt, [
        Column("when", "when (UTC)"), text_column("channel", "channel"), text_column("result", "result"),
        Column("detail", "what it said", grow=True), text_column("message_id", "message", style="dim"),
    ])  # fmt: skip


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, help="What is watched, who is told, and what was raised.", rich_markup_mode=None
    )
    group.command("rules")(rules)
    group.command("rule")(rule)
    group.command("channels")(channels)
    group.command("channel")(channel)
    group.command("list")(list_alerts)
    group.command("ack")(acknowledge)
    group.command("test")(try_channel)
    group.command("log")(log)
    app.add_typer(group, name="alerts")


def _show(found: Sequence[object], rows: Sequence[Mapping[str, object]], fmt: Format, columns: list[Column]) -> None:
    if fmt is Format.JSON:
        print_json([msgspec.to_builtins(one) for one in found])
    elif fmt is Format.CSV:
        names = [column.key for column in columns]
        print_csv(names, [[row[name] for name in names] for row in rows])
    else:
        print_table(columns, rows)


def _wait(desk: "AlertDesk", alert_id: str) -> "Delivery | None":
    deadline = time.monotonic() + TEST_WAIT_S
    while (outcome := desk.outcome(alert_id)) is None and time.monotonic() < deadline:
        time.sleep(TEST_LOOK_EVERY_S)
    return outcome


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise BadAlert(f"--set {text!r}: write it as name=value", field="set")
    return name, value


def _written(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
