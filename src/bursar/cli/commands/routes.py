"""`bursar routes`: where calls go, tried on a request and against the past before it is so."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bursar.cli import client
from bursar.cli.commands.limits import MatchOption
from bursar.cli.commands.routes_train import train_gate
from bursar.cli.options import (
    ConfigOption,
    DataOption,
    FormatOption,
    PeriodOption,
    TimezoneOption,
    resolve_existing,
    resolve_site,
)
from bursar.cli.pairs import read_pairs
from bursar.cli.render import Format, out_bytes, print_csv, print_json, print_table, say, text_column
from bursar.cli.route_given import read_experiment, read_gate, read_shadow, read_target
from bursar.cli.route_trial import show_experiments, show_rehearsal, show_replay, show_shadows, told_rehearsal
from bursar.controlfile.document import FILE_BYTES_MAX
from bursar.controlfile.routes import read_one_route, read_routes
from bursar.domain.clock import datetime_from_us
from bursar.domain.controls import written
from bursar.domain.errors import BadControl, BadControlFile, BadRequest, UnknownKey
from bursar.domain.routes import KeptRoute, RouteRule, Target
from bursar.domain.snapshot import KeyFacts, Snapshot, read_snapshot
from bursar.gateway.rehearse import dry_worker, envelope_of, rehearse
from bursar.gateway.settings import WorkerSettings
from bursar.governance.checks import read_terms
from bursar.quality.weights import read_weights
from bursar.site import actor

EXPORTED = ("id", "name", "on", "position", "match", "strategy", "targets", "created_at", "created_by")
Texts = list[str]
TableOption = Annotated[
    Path | None,
    typer.Option("--file", "-f", help="A control file: its routes take the place of those in the control store."),
]


def set_(
    name: Annotated[str, typer.Argument(help="A name people will know it by; one that is there is changed.")],
    target: Annotated[
        Texts, typer.Option(help="UPSTREAM, UPSTREAM/MODEL or UPSTREAM/MODEL=WEIGHT, in order. May be repeated.")
    ] = [],  # noqa: B006
    match: MatchOption = [],  # noqa: B006
    strategy: Annotated[str, typer.Option(help="ordered, weighted, sticky, lowest-latency or cheapest.")] = "ordered",
    hours: Annotated[str, typer.Option(help="22:00-06:00, in UTC.")] = "",
    input_bytes_min: Annotated[int | None, typer.Option(help="Only requests of at least so many bytes.")] = None,
    input_bytes_max: Annotated[int | None, typer.Option(help="Only requests of at most so many bytes.")] = None,
    first_byte_timeout_s: Annotated[float | None, typer.Option(help="How long one attempt waits.")] = None,
    after_timeout: Annotated[
        bool, typer.Option("--after-timeout", help="Try the next after a time-out too, though both may be billed.")
    ] = False,
    region: Annotated[Texts, typer.Option(help="Only upstreams of such a region, as in eu-*. May be repeated.")] = [],  # noqa: B006
    hedge_after_ms: Annotated[
        int | None, typer.Option(help="A second attempt, if no first byte came in so long; both may be billed.")
    ] = None,
    experiment: Annotated[
        str, typer.Option(help="UPSTREAM/MODEL=PERCENT: so many calls go there first, and are compared.")
    ] = "",
    experiment_name: Annotated[str, typer.Option(help="Another begins another count; the place, if not said.")] = "",
    alpha: Annotated[
        float, typer.Option(help="The chance that a candidate that differs in nothing is ever called different.")
    ] = 0.05,
    shadow: Annotated[
        str, typer.Option(help="UPSTREAM/MODEL=PERCENT: so many calls go there as well, shown to nobody.")
    ] = "",
    shadow_name: Annotated[str, typer.Option(help="As --experiment-name.")] = "",
    position: Annotated[int, typer.Option(help="The lower is asked first.")] = 0,
    gate: Annotated[
        str, typer.Option(help="Weights of `bursar routes train`: the first target takes what they let through.")
    ] = "",
    accuracy_kept: Annotated[float | None, typer.Option(help="Of the second target's accuracy, such as 0.98.")] = None,
    threshold: Annotated[float | None, typer.Option(help="In its place: the highest chance of a miss.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="All of it as YAML, as under its name in a control file.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Keep it switched off.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Make or change a route: `bursar routes set checkout --match feature=checkout --target openai --target azure`."""
    if file is not None:
        if target or match or region or experiment or shadow:
            raise BadControl("--file says it all: leave out what it can say", field="file")
        rule = read_one_route(name, _read(file))
    else:
        given = {
            "name": name, "targets": [read_target(text) for text in target], "match": read_pairs("--match", match),
            "strategy": strategy, "hours": hours, "input_bytes_min": input_bytes_min,
            "input_bytes_max": input_bytes_max, "first_byte_timeout_s": first_byte_timeout_s,
            "after_timeout": after_timeout, "position": position, "regions": region,
            "hedge_after_ms": hedge_after_ms, "experiment": read_experiment(experiment, experiment_name, alpha),
            "shadow": read_shadow(shadow, shadow_name), "quality_gate": read_gate(gate, accuracy_kept, threshold),
        }  # fmt: skip
        rule = read_terms(given, RouteRule)
    site = resolve_site(config, data)
    if rule.quality_gate is not None:  # told now: later only the log of a worker would say it
        read_weights(site.paths.gates / f"{rule.quality_gate.weights}.json")
    controls = site.controls()
    made = controls.routes.set(rule, is_on=not off, actor=actor())
    controls.publish()
    _told([made], fmt)


def list_routes(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Routes of the control store, as they are asked: `bursar routes list --format json`.

    Those of the settings file come after them.
    """
    site = resolve_existing(config, data)
    kept = site.controls().routes.all()
    if fmt is Format.TABLE and not kept:
        say("no routes in the control store; `bursar routes set NAME --target UPSTREAM` makes one.")
    else:
        _told(kept, fmt)
    if fmt is Format.TABLE and site.config.routes:
        say(f"then those of the settings file: {', '.join(rule.name for rule in site.config.routes)}.")


def remove(
    name: Annotated[str, typer.Argument(help="The route's name or id.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Remove a route: `bursar routes remove checkout`. Its calls go where the next one, or no route, sends them."""
    controls = resolve_existing(config, data).controls()
    gone = controls.routes.remove(name, actor=actor())
    controls.publish()
    say(f"route {gone.rule.name} ({gone.route_id}) is removed.")


def try_request(
    request: Annotated[Path, typer.Argument(help="A request's body, JSON; - is stdin.")],
    path: Annotated[str, typer.Option(help="Where it would be sent.")] = "/v1/chat/completions",
    tag: Annotated[Texts, typer.Option(help="feature=checkout, plan=pro. May be repeated.")] = [],  # noqa: B006
    header: Annotated[Texts, typer.Option(help="NAME=VALUE: any other header.")] = [],  # noqa: B006
    key: Annotated[str, typer.Option(help="Whose call: a Bursar key's name or id.")] = "",
    own_key: Annotated[bool, typer.Option("--own-key", help="The caller brings its provider's own key.")] = False,
    file: TableOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Which way a request would go, and what it can cost there: `bursar routes test request.json --tag feature=chat`.

    Nothing is sent and nothing changes. How upstreams are doing only the running gateway knows: all count as healthy.
    """
    site = resolve_site(config, data)
    site.prepare()
    site.ensure_price_book(keep_if_faulty=True)
    rules = None if file is None else read_routes(_read(file), site.controls().routes)
    snapshot = read_snapshot(site.paths.snapshot) if site.paths.snapshot.exists() else Snapshot(0)
    headers = [(name.lower().encode(), value.encode()) for name, value in read_pairs("--header", header).items()]
    if tag:
        headers.append((b"x-bursar-tags", ",".join(tag).encode()))
    settings = msgspec.convert(site.told_to_workers(), WorkerSettings)
    with dry_worker(settings, snapshot, site.clock, rules) as worker:
        envelope = envelope_of(worker, headers, _key(snapshot, key) if key else None, own_key=own_key)
        told = rehearse(worker, path, _read(request), envelope)
    if fmt is Format.TABLE:
        show_rehearsal(told)
    elif fmt is Format.JSON:
        print_json(told_rehearsal(told))
    else:
        rows = told_rehearsal(told)["options"]
        print_csv(tuple(rows[0]) if rows else ("upstream",), [list(row.values()) for row in rows])


def replay(
    file: TableOption = None,
    period: PeriodOption = "last-month",
    timezone: TimezoneOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Calls of the past through a route table, at their recorded usage: `bursar routes replay -f routes.yaml`.

    How many would go elsewhere, and what they cost then and would cost there. Without a file: the table in force.
    """
    site = resolve_existing(config, data)
    table = None
    if file is not None:
        rules = read_routes(_read(file), site.controls().routes)
        table = msgspec.json.encode(rules).decode()
    parameters = [("period", period), ("tz", timezone), ("routes", table)]
    if fmt is Format.TABLE:
        show_replay(client.fetch(site, client.target("/api/route-replay", parameters)))
    else:
        asked = client.target("/api/route-replay", [*parameters, ("format", fmt.value)])
        out_bytes(client.fetch(site, asked))


def experiments(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Experiments of routes, so far: what each arm showed, and whether the candidate is worse.

    `bursar routes experiments --format json`. Looking often costs nothing: the error rate holds over all looks.
    """
    show_experiments(client.fetch(resolve_existing(config, data), "/api/experiments"), fmt)


def shadows(
    name: Annotated[str, typer.Argument(help="Of this route alone.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Shadows of routes, so far: what the candidate costs, how fast it is, and how far it agrees with what clients got.

    `bursar routes shadow chat`. No text is kept: agreement is counted as the answers pass (docs/routing.md).
    """
    show_shadows(client.fetch(resolve_existing(config, data), "/api/shadows"), name, fmt)


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, help="Where calls go: list, set, remove, test a request, replay the past.",
        rich_markup_mode=None,
    )  # fmt: skip
    for name, command in (("list", list_routes), ("set", set_), ("remove", remove), ("test", try_request),
                          ("replay", replay), ("experiments", experiments), ("shadow", shadows),
                          ("train", train_gate)):  # fmt: skip
        group.command(name)(command)
    app.add_typer(group, name="routes")


def _key(snapshot: Snapshot, name_or_id: str) -> KeyFacts:
    for facts in snapshot.keys.values():
        if name_or_id in (facts.name, facts.credential_id):
            return facts
    raise UnknownKey(f"no key is named {name_or_id[:200]!r} (`bursar keys list`)", field="key")


def _read(file: Path) -> bytes:
    try:
        data = sys.stdin.buffer.read(FILE_BYTES_MAX + 1) if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise BadControlFile(f"can't read {file}: {error.strerror}", field="file") from error
    if len(data) > FILE_BYTES_MAX:
        raise BadRequest(f"{file} has more than {FILE_BYTES_MAX} bytes", field="file")
    return data


def _told(kept: list[KeptRoute], fmt: Format) -> None:
    rows: list[dict[str, object]] = []
    for one in kept:
        rule = one.rule
        rows.append({
            "id": one.route_id, "name": rule.name, "on": one.is_on, "position": rule.position,
            "match": written(rule.match), "strategy": rule.strategy,
            "targets": ", ".join(_told_target(target) for target in rule.targets),
            "created_at": datetime_from_us(one.created_us).isoformat(), "created_by": one.created_by,
        })  # fmt: skip
    if fmt is Format.JSON:
        print_json([{**row, "route": msgspec.to_builtins(one.rule)} for row, one in zip(rows, kept, strict=True)])
    elif fmt is Format.CSV:
        print_csv(EXPORTED, [list(row.values()) for row in rows])
    else:
        print_table(
            [
                text_column("name", "name", grow=True),
                text_column("on", ""),
                text_column("match", "for", grow=True),
                text_column("strategy", "strategy"),
                text_column("targets", "to", grow=True),
                text_column("id", "id", style="dim"),
            ],
            [{**row, "on": "on" if row["on"] else "off"} for row in rows],
        )


def _told_target(target: Target) -> str:
    text = f"{target.upstream}/{target.model}" if target.model else target.upstream
    return text if target.weight == 1 else f"{text}={target.weight}"
