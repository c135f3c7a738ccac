"""`bursar forecast`: what will be spent, how sure that is, and how good forecasts were; `bursar plans`: what the past
can't tell."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from bursar.cli import client
from bursar.cli.options import (
    ConfigOption,
    DataOption,
    FilterOption,
    FormatOption,
    TimezoneOption,
    resolve_existing,
    resolve_site,
)
from bursar.cli.render import (
    Format,
    money_column,
    out_bytes,
    print_csv,
    print_json,
    print_table,
    say,
    text_column,
)
from bursar.domain import display
from bursar.domain.plans import PlanTerms
from bursar.governance.checks import read_terms
from bursar.site import Site, actor

if TYPE_CHECKING:  # start-up: it pulls in SQLAlchemy, which only a command that changes something needs
    from bursar.governance.plans import PlanBook

HEADS = {"month": "this month", "7": "7 days", "30": "30 days", "90": "90 days"}
PLAN_HEADS = ("plan_id", "name", "start", "end", "percent", "kind", "scope")
BANDED = "30"  # days whose band is a column of the table; all are in JSON and CSV


class AmountTold(msgspec.Struct):
    expected: str
    low: str | None
    high: str | None


class FigureTold(msgspec.Struct):
    key: str
    last: str
    spent: str
    amount: AmountTold
    unplanned: str
    scenario: str | None


class PartTold(msgspec.Struct):
    name: str
    lately: str
    figures: dict[str, AmountTold] | None


class AccuracyTold(msgspec.Struct):
    days: int
    error: float | None
    naive_error: float | None
    tries: int
    held: int
    bands: int


class ForecastTold(msgspec.Struct):
    """`/api/forecast`."""

    currency: str
    by: str
    growth: str | None
    too_young: bool
    age_days: int
    said_by: str
    figures: list[FigureTold]
    parts: list[PartTold]
    accuracy: list[AccuracyTold]
    unpriced_count: int


class PlanTold(msgspec.Struct):
    """`/api/plans`."""

    plan_id: str
    name: str
    terms: PlanTerms


def forecast(
    by: Annotated[
        str, typer.Option("--by", help="feature, team, customer, model … or a tag as tag:NAME: the parts.")
    ] = "feature",
    growth: Annotated[
        str | None, typer.Option("--growth", help="Also what it would be if it grew by so many percent a month.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="Parts told one by one; the rest is one row.")] = 12,
    filters: FilterOption = [],  # noqa: B006
    timezone: TimezoneOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """What will be spent by the end of the month and in 7, 30 and 90 days, and how sure that is.

    Example: `bursar forecast --by team --growth 10`. The parts add up to the whole.
    """
    site = resolve_site(config, data)
    asked = [
        ("by", by), ("growth", growth), ("limit", limit), *(("filter", one) for one in filters), ("tz", timezone),
    ]  # fmt: skip
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target("/api/forecast", [*asked, ("format", fmt.value)])))
        return
    told = client.ask(site, "/api/forecast", asked, ForecastTold)
    if told.too_young:
        say("too young to say: a forecast needs two whole days with calls.")
        return
    keys = [one.key for one in told.figures]
    columns = [
        text_column("part", told.by, grow=True),
        money_column("lately", "last 30 days", told.currency),
        *(money_column(key, HEADS[key], told.currency) for key in keys),
        text_column("band", f"{BANDED} days, 4 in 5", from_width=110),
    ]
    print_table(columns, [_row(one, told.currency) for one in told.parts], totals=_totals(told), notes=_notes(told))


def add(
    name: Annotated[str, typer.Argument(help="A name people will know it by.")],
    start: Annotated[str, typer.Option("--from", help="Its first day, as 2026-12-01.")],
    percent: Annotated[str, typer.Option("--percent", help="How much more is spent; less than 0: how much less.")],
    end: Annotated[str, typer.Option("--until", help="Its last day (default: it stays).")] = "",
    kind: Annotated[str, typer.Option("--kind", help="volume: other calls; price: the same ones, at another price.")]
    = "volume",
    scope: Annotated[str, typer.Option("--scope", help="Whose cost: feature=checkout (default: everything's).")] = "",
    note: Annotated[str, typer.Option("--note", help="Why, for whoever reads it later.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Plan an event that forecasts take into account: `bursar plans add launch --from 2026-12-01 --percent 30 --scope
    feature=search`."""
    given: dict[str, Any] = {"start": start, "percent": percent, "kind": kind, "scope": scope, "note": note}
    terms = read_terms(given | ({"end": end} if end else {}), PlanTerms)
    made = _book(resolve_site(config, data)).add(name, terms, actor=actor())
    say(f"planned event {made.name} ({made.plan_id}): {terms.percent:+f} % of {terms.scope or 'everything'}, "
        f"{_days(terms)}.")  # fmt: skip


def list_plans(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Planned events, by their first day: `bursar plans list`."""
    found = client.ask(resolve_existing(config, data), "/api/plans", [], list[PlanTold])
    rows = [
        {"plan_id": one.plan_id, "name": one.name, "start": str(one.terms.start), "end": str(one.terms.end or ""),
         "percent": f"{one.terms.percent:f}", "kind": one.terms.kind, "scope": one.terms.scope}
        for one in found
    ]  # fmt: skip
    if fmt is Format.JSON:
        print_json([msgspec.to_builtins(one) for one in found])
    elif fmt is Format.CSV:
        print_csv(PLAN_HEADS, [list(row.values()) for row in rows])
    elif not rows:
        say("nothing is planned; `bursar plans add NAME --from … --percent …` plans something.")
    else:
        shown = [row | {"scope": row["scope"] or "everything", "end": row["end"] or "it stays"} for row in rows]
        print_table(
            [
                text_column("name", "planned", grow=True), text_column("start", "from"), text_column("end", "until"),
                text_column("percent", "percent"), text_column("kind", "what"), text_column("scope", "of", grow=True),
                text_column("plan_id", "id", style="dim"),
            ],
            shown,
        )  # fmt: skip


def remove(
    name: Annotated[str, typer.Argument(help="The event's name or id.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Take a planned event out of every forecast: `bursar plans remove launch`."""
    gone = _book(resolve_existing(config, data)).remove(name, actor=actor())
    say(f"planned event {gone.name} ({gone.plan_id}) is removed.")


def register(app: typer.Typer) -> None:
    app.command("forecast")(forecast)
    plans = typer.Typer(
        no_args_is_help=True, help="Events to come that forecasts take into account: add, list, remove."
    )
    plans.command("add")(add)
    plans.command("list")(list_plans)
    plans.command("remove")(remove)
    app.add_typer(plans, name="plans")


def _row(one: PartTold, currency: str) -> dict[str, Any]:
    row: dict[str, Any] = {"part": one.name, "lately": one.lately}
    if one.figures is None:
        return row | dict.fromkeys(HEADS, "0") | {"band": "too young to say"}
    row |= {key: amount.expected for key, amount in one.figures.items()}
    return row | {"band": _band(one.figures[BANDED], currency)}


def _totals(told: ForecastTold) -> dict[str, Any]:
    banded = next(one.amount for one in told.figures if one.key == BANDED)
    lately = sum(Decimal(one.lately) for one in told.parts)
    sums = {one.key: one.amount.expected for one in told.figures}
    return {"part": "all", "lately": str(lately), **sums, "band": _band(banded, told.currency)}


def _band(amount: AmountTold, currency: str) -> str:
    if amount.low is None or amount.high is None:
        return "too little history"
    low, high = (display.money(Decimal(edge), currency) for edge in (amount.low, amount.high))
    return f"{low} to {high}"


def _notes(told: ForecastTold) -> list[str]:
    notes = [f"from {told.age_days} days of calls, by {told.said_by}"]
    for one in told.figures:
        if one.key == "month":
            sure = ", four times in five" if one.amount.low is not None else " for a band"
            notes.append(f"this month until {one.last}: {_band(one.amount, told.currency)}{sure}")
        if one.unplanned != one.amount.expected:
            unplanned = display.money(Decimal(one.unplanned), told.currency)
            notes.append(f"{HEADS[one.key]} without planned events: {unplanned}")
        if one.scenario is not None:
            grown = display.money(Decimal(one.scenario), told.currency)
            notes.append(f"{HEADS[one.key]} at {told.growth} % a month: {grown}")
    for tried in told.accuracy:
        if tried.error is not None and tried.naive_error is not None:
            held = f"; the band held {tried.held} of {tried.bands} times" if tried.bands else ""
            span = "day" if tried.days == 1 else f"{tried.days} days"
            notes.append(
                f"the next {span}: off by {tried.error:.0%} in {tried.tries} tries, repeating last week by "
                f"{tried.naive_error:.0%}{held}"
            )
    if told.unpriced_count:
        notes.append(f"{told.unpriced_count:,} attempts of the last 30 days have no price, and are in no figure")
    return notes


def _days(terms: PlanTerms) -> str:
    return f"from {terms.start} " + (f"until {terms.end}" if terms.end else "on")


def _book(site: Site) -> "PlanBook":
    # start-up: SQLAlchemy and SQLGlot take their time, and `--help` needs neither
    from bursar.forecast.factors import check_scope
    from bursar.governance.plans import PlanBook
    from bursar.governance.store import ControlStore

    site.prepare()
    return PlanBook(ControlStore(site.control_location), site.secret(), site.clock, check_scope)
