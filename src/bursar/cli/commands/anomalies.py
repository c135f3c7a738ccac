"""`bursar anomalies`: what is out of the ordinary, what it costs and why; and what people say of it."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from bursar.cli import client
from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing
from bursar.cli.render import Column, Format, money_column, out_bytes, print_table, say, text_column
from bursar.domain.errors import BadControl
from bursar.domain.watching import Label
from bursar.site import Site, actor

if TYPE_CHECKING:
    from bursar.governance.findings import FindingBook

IdArgument = Annotated[str, typer.Argument(help="The anomaly's id or the end of it.")]


class Told(msgspec.Struct):
    """An anomaly as the console's API tells it; what the table shows of it."""

    id: str
    title: str
    status: str
    began_at: datetime
    expected: str
    actual: str
    excess: str
    excess_per_hour: str
    per_month: str
    why: str
    where: str
    label: str | None
    unpriced_count: int


class PrecisionTold(msgspec.Struct):
    signal: str
    true: int
    false: int
    expected: int
    precision: float | None
    threshold_shift: float


class ListTold(msgspec.Struct):
    """`/api/anomalies`."""

    open_count: int
    per_month: str
    anomalies: list[Told]
    precision: list[PrecisionTold]


class PartTold(msgspec.Struct):
    words: str
    amount: str


class ValueTold(msgspec.Struct):
    value: str
    is_rest: bool
    expected: str
    actual: str
    excess: str


class MovementTold(msgspec.Struct):
    dimension: str
    within: list[dict[str, str]]
    values: list[ValueTold]


class MarkerTold(msgspec.Struct):
    at: datetime
    title: str
    kind: str


class OfferTold(msgspec.Struct):
    name: str
    text: str


class DetailTold(Told):
    """`/api/anomalies/{id}`."""

    parts: list[PartTold]
    movements: list[MovementTold]
    calls_before: list[str]
    calls_after: list[str]
    first_bad: str
    markers: list[MarkerTold]
    offers: list[OfferTold]


def list_anomalies(
    open_: Annotated[bool, typer.Option("--open", help="Only what goes on.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """What is out of the ordinary, the dearest first: `bursar anomalies list --open`. Exit code 1 if any goes on."""
    site = resolve_existing(config, data)
    asked = [("open", "true" if open_ else None), ("format", None if fmt is Format.TABLE else fmt.value)]
    body = client.fetch(site, client.target("/api/anomalies", asked))
    if fmt is not Format.TABLE:
        out_bytes(body)
        return
    found = client.decode(body, ListTold)
    if not found.anomalies:
        say("nothing out of the ordinary in the last 30 days.")
        return
    columns = [
        text_column("title", "what", grow=True), Column("status", ""), text_column("why", "why", grow=True),
        money_column("excess", "excess"), money_column("per_month", "a month"), Column("began", "began (UTC)"),
        Column("label", "label"), text_column("id", "id", style="dim"),
    ]  # fmt: skip
    rows = [
        msgspec.structs.asdict(one) | {"began": f"{one.began_at:%m-%d %H:%M}", "label": one.label or ""}
        for one in found.anomalies
    ]
    notes = [
        f"{one.signal}: {one.precision:.0%} of {one.true + one.false + one.expected} labelled ones were right"
        for one in found.precision
        if one.precision is not None
    ]
    print_table(columns, rows, totals={"title": "goes on", "per_month": found.per_month}, notes=notes)
    if found.open_count:
        raise typer.Exit(1)


def show(
    anomaly: IdArgument, data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE
) -> None:
    """One of them, and why: `bursar anomalies show an_0123456789ab`."""
    body = client.fetch(resolve_existing(config, data), client.path_of("api", "anomalies", anomaly))
    if fmt is not Format.TABLE:
        out_bytes(body)
        return
    one = client.decode(body, DetailTold)
    say(f"{one.title}. {_usd(one.actual)} since {one.began_at:%Y-%m-%d %H:%M} UTC, {_usd(one.expected)} expected.")
    parts = [{"words": part.words, "amount": part.amount} for part in one.parts]
    columns = [text_column("words", "why", grow=True), money_column("amount", "of the excess")]
    print_table(columns, parts, totals={"words": "excess", "amount": one.excess})
    for movement in one.movements:
        inside = ", ".join(f"{each['dimension']} {each['value']}" for each in movement.within)
        rows = [
            {"value": "(others)" if value.is_rest else value.value, "expected": value.expected, "actual": value.actual,
             "excess": value.excess}
            for value in movement.values
        ]  # fmt: skip
        print_table(
            [text_column("value", movement.dimension, grow=True), money_column("expected", "expected"),
             money_column("actual", "was"), money_column("excess", "excess")],
            rows, title=f"inside {inside}" if inside else "",
        )  # fmt: skip
    for marker in one.markers:
        say(f"{marker.at:%Y-%m-%d %H:%M} UTC: {marker.title} ({marker.kind})")
    if one.first_bad:
        say(f"first call out of the ordinary: bursar call {one.first_bad}")
    for offer in one.offers:
        say(f"{offer.name}: {offer.text}")


def label_(
    anomaly: IdArgument,
    label: Annotated[str, typer.Argument(help="true, false, expected (a launch), or none to take it back.")],
    note: Annotated[str, typer.Option(help="Why, for whoever comes later.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say what it was: `bursar anomalies label an_0123456789ab expected`. False ones make a detector need more."""
    if label not in (*Label, "none"):
        raise BadControl(f"label: one of {', '.join(Label)}, or none; not {label[:40]!r}", field="label")
    book = _book(resolve_existing(config, data))
    one = book.label(anomaly, None if label == "none" else Label(label), actor=actor(), note=note)
    say(f"{one.finding_id} is labelled {label}.")
    for each in book.precisions():
        if one.signals and each.signal is one.signals[0]:
            right = each.true + each.expected
            say(f"{each.signal.value}: {right} of {each.labelled} labelled ones were right.")


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None,
        help="What is out of the ordinary, what it costs and why: list, show, label.",
    )  # fmt: skip
    for name, command in (("list", list_anomalies), ("show", show), ("label", label_)):
        group.command(name)(command)
    app.add_typer(group, name="anomalies")


def _book(site: Site) -> "FindingBook":
    # start-up: SQLAlchemy takes a fifth of a second; `bursar --help` needs none of it
    from bursar.governance.findings import FindingBook
    from bursar.governance.store import ControlStore

    site.prepare()
    return FindingBook(ControlStore(site.control_location), site.secret(), site.clock)


def _usd(text: str) -> str:
    return f"${Decimal(text):,.2f}"
