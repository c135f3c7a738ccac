"""`bursar scenarios`: what margin would be if usage, prices or models were otherwise, and scenarios that are kept."""

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from bursar.cli import client
from bursar.cli.options import (
    ConfigOption,
    DataOption,
    FormatOption,
    TimezoneOption,
    resolve_existing,
    resolve_site,
)
from bursar.cli.render import (
    Format,
    count_column,
    money_column,
    out_bytes,
    print_csv,
    print_json,
    print_table,
    say,
    text_column,
)
from bursar.domain import display
from bursar.domain.errors import BadScenario, UnknownScenario
from bursar.site import Site, actor

if TYPE_CHECKING:  # start-up: it pulls in SQLAlchemy, which only a command that changes something needs
    from bursar.finance.scenarios.book import ScenarioBook

PLACES = ("a", "b", "c", "d")
SAVED_HEADS = ("scenario_id", "name", "steps", "note", "created_by")


class BandTold(msgspec.Struct):
    low: str
    high: str


class ShareTold(msgspec.Struct):
    value: str


class AmountsTold(msgspec.Struct):
    revenue: str
    ai_cost: str
    margin: str
    band: BandTold
    share: ShareTold | None


class MonthTold(msgspec.Struct):
    month: str
    amounts: AmountsTold
    change: str


class TippingTold(msgspec.Struct):
    usage: str | None
    why: str


class RunTold(msgspec.Struct):
    name: str
    months: list[MonthTold]
    tipping: TippingTold
    turned_count: int
    losing: int
    notes: list[str]


class ComparisonTold(msgspec.Struct):
    """`/api/scenarios`."""

    currency: str
    customers: int
    worlds: int
    as_is: RunTold
    scenarios: list[RunTold]
    notes: list[str]


class SavedTold(msgspec.Struct):
    """`/api/scenarios/saved`."""

    scenario_id: str
    name: str
    steps: str
    note: str
    created_by: str


def run(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(help='Up to four, each as its steps: "usage 2 plan=pro; price +10%". None: as it is.'),
    ] = None,
    saved: Annotated[list[str], typer.Option("--saved", help="One that is kept, by its name. May be repeated.")] = [],  # noqa: B006
    months: Annotated[int, typer.Option("--months", help="Months shown, 1 to 24, this one the first.")] = 6,
    base: Annotated[int, typer.Option("--base", help="Complete months that customers are the mean of, 1 to 12.")] = 3,
    seed: Annotated[int, typer.Option("--seed", help="Of the worlds: the same seed gives the same answer.")] = 1,
    timezone: TimezoneOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """What margin would be in the last month shown, beside as it is: `bursar scenarios run "usage 2" "price +10%"`.

    Steps: usage, price, overage, freelimit, model, pricelist, viral, churn (docs/scenarios.md).
    """
    site = resolve_site(config, data)
    given = [("", text) for text in scenarios or []]
    if saved:
        kept = {one.name: one for one in client.ask(site, "/api/scenarios/saved", [], list[SavedTold])}
        for name in saved:
            if name not in kept:
                raise UnknownScenario(
                    f"no scenario is saved as {name[:200]!r} (`bursar scenarios list`)", field="saved"
                )
            given.append((name, kept[name].steps))
    if len(given) > len(PLACES):
        raise BadScenario(f"{len(given)} scenarios; at most {len(PLACES)} stand beside each other", field="scenarios")
    asked: list[tuple[str, str | int | None]] = [("months", months), ("base", base), ("seed", seed), ("tz", timezone)]
    for place, (name, text) in zip(PLACES, given, strict=False):
        asked += [(place, text), (f"{place}_name", name)]
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target("/api/scenarios", [*asked, ("format", fmt.value)])))
        return
    told = client.ask(site, "/api/scenarios", asked, ComparisonTold)
    runs = [told.as_is, *told.scenarios]
    names = ["as it is", *(name or text for name, text in given)]
    columns = [
        text_column("name", "scenario", grow=True),
        money_column("revenue", "revenue", told.currency),
        money_column("ai", "AI", told.currency),
        money_column("margin", "margin", told.currency),
        text_column("share", "of revenue"),
        text_column("band", "4 worlds in 5", from_width=110),
        money_column("change", "change", told.currency),
        text_column("usage", "zero at usage"),
        count_column("losing", "lose"),
        count_column("turned", "turn to loss", from_width=110),
    ]
    rows = [_row(name, one, told.currency) for name, one in zip(names, runs, strict=True)]
    print_table(columns, rows, title=f"margin in {runs[0].months[-1].month[:7]}", notes=_notes(told, names))


def list_saved(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Scenarios that are kept, oldest first: `bursar scenarios list`."""
    found = client.ask(resolve_existing(config, data), "/api/scenarios/saved", [], list[SavedTold])
    if fmt is Format.JSON:
        print_json([msgspec.to_builtins(one) for one in found])
    elif fmt is Format.CSV:
        print_csv(SAVED_HEADS, [[getattr(one, name) for name in SAVED_HEADS] for one in found])
    elif not found:
        say('none is kept; `bursar scenarios save NAME "usage 2"` keeps one.')
    else:
        columns = [
            text_column("name", "scenario"), text_column("steps", "steps", grow=True),
            text_column("created_by", "by"), text_column("scenario_id", "id", style="dim"),
        ]  # fmt: skip
        print_table(columns, [msgspec.to_builtins(one) for one in found])


def save(
    name: Annotated[str, typer.Argument(help="A name people will know it by.")],
    steps: Annotated[str, typer.Argument(help='Its steps: "usage 2 plan=pro; price +10%".')],
    note: Annotated[str, typer.Option("--note", help="Why, for whoever reads it later.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Keep a scenario under a name: `bursar scenarios save spring "price +10% plan=pro; churn 0.5"`."""
    made = _book(resolve_site(config, data)).save(name, steps, note, actor=actor())
    say(f"scenario {made.name} ({made.scenario_id}): {made.text}")


def remove(
    name: Annotated[str, typer.Argument(help="The scenario's name or id.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Remove a kept scenario: `bursar scenarios remove spring`."""
    gone = _book(resolve_existing(config, data)).remove(name, actor=actor())
    say(f"scenario {gone.name} ({gone.scenario_id}) is removed.")


def register(app: typer.Typer) -> None:
    scenarios = typer.Typer(
        no_args_is_help=True, help="What margin would be if usage, prices or models were otherwise: run, list, save, "
        "remove.",
    )  # fmt: skip
    scenarios.command("run")(run)
    scenarios.command("list")(list_saved)
    scenarios.command("save")(save)
    scenarios.command("remove")(remove)
    app.add_typer(scenarios, name="scenarios")


def _row(name: str, one: RunTold, currency: str) -> dict[str, Any]:
    last = one.months[-1]
    low, high = (display.money(Decimal(edge), currency) for edge in (last.amounts.band.low, last.amounts.band.high))
    return {
        "name": name,
        "revenue": last.amounts.revenue,
        "ai": last.amounts.ai_cost,
        "margin": last.amounts.margin,
        "share": f"{last.amounts.share.value} %" if last.amounts.share else "–",
        "band": f"{low} to {high}",
        "change": last.change,
        "usage": _usage(one.tipping),
        "losing": one.losing,
        "turned": one.turned_count,
    }  # fmt: skip


def _usage(one: TippingTold) -> str:
    """`× 1.72`; never rounded up, so that what it says is still no loss."""
    if one.usage is None:
        return one.why
    return f"× {Decimal(one.usage).quantize(Decimal('0.01'), ROUND_DOWN):f}"


def _notes(told: ComparisonTold, names: list[str]) -> list[str]:
    notes = [f"{told.customers:,} customers; bands from {told.worlds:,} worlds drawn from them", *told.notes]
    for name, one in zip(names, (told.as_is, *told.scenarios), strict=True):
        notes += [f"{name}: {note}" for note in one.notes]
    return notes


def _book(site: Site) -> "ScenarioBook":
    # start-up: SQLAlchemy takes its time, and `--help` doesn't need it
    from bursar.finance.scenarios.book import ScenarioBook
    from bursar.governance.store import ControlStore

    site.prepare()
    return ScenarioBook(ControlStore(site.control_location), site.secret(), site.clock)
