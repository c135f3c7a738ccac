"""`bursar advice`: what would save money, by how much, how sure that is, and its change as a draft."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec
import typer

from bursar.cli import client
from bursar.cli.controls import changed
from bursar.cli.options import (
    ConfigOption,
    DataOption,
    FilterOption,
    FormatOption,
    PeriodOption,
    TimezoneOption,
    resolve_site,
)
from bursar.cli.render import Column, Format, out_bytes, print_json, print_table, say, text_column
from bursar.domain import display
from bursar.domain.errors import BadRequest, UnknownAdvice
from bursar.governance.drafts import KeptDraft, keep_draft
from bursar.site import Site, actor

PERIOD = "30d"
COMMANDS = {"policy": "policies on", "route": "routes on", "cache": "caches on"}
DRY_RUN = "is kept, as a dry run: it refuses nothing, and says when a day costs more; its page gives it another mode."


class SavingTold(msgspec.Struct):
    expected: str
    low: str
    high: str


class ChangeTold(msgspec.Struct):
    kind: str
    name: str
    terms: dict[str, Any]
    before: list[str]
    after: list[str]
    steps: list[str]
    is_on: bool = False


class AdviceTold(msgspec.Struct):
    """An advice as the console's API tells it; the fields that are shown."""

    id: str
    kind_name: str
    title: str
    why: str
    scope: list[str]
    attempts: int
    spent: str
    saving: SavingTold | None
    net: str | None
    confidence: str
    effort: str
    risk: str
    is_proven: bool
    change: ChangeTold
    doubts: list[str]
    evidence: list[str]


class ReviewTold(msgspec.Struct):
    """`/api/advice`."""

    currency: str
    spent_monthly: str
    total: str
    too_short: bool
    advice: list[AdviceTold]


AdviceArgument = Annotated[str, typer.Argument(metavar="ADVICE_ID", help="The id that `bursar advice` shows.")]


def top(
    ctx: typer.Context,
    period: PeriodOption = PERIOD,
    filters: FilterOption = [],  # noqa: B006
    timezone: TimezoneOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """What would save money, largest first: `bursar advice --period last-month --format csv`."""
    if ctx.invoked_subcommand is None:
        list_advice(period, filters, timezone, data, config, fmt)


def list_advice(
    period: PeriodOption = PERIOD,
    filters: FilterOption = [],  # noqa: B006
    timezone: TimezoneOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """The same as `bursar advice` alone: `bursar advice list --filter team=core`."""
    site = resolve_site(config, data)
    asked = _asked(period, timezone, filters)
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target("/api/advice", [*asked, ("format", fmt.value)])))
        return
    told = client.ask(site, "/api/advice", asked, ReviewTold)
    if told.too_short:
        say("calls of three days at least are needed to say anything of a month; choose a longer --period")
    elif not told.advice:
        say("nothing that was looked for would save enough on these calls to be worth an hour")
    else:
        _show_all(told)


def show(
    advice_id: AdviceArgument,
    period: PeriodOption = PERIOD,
    filters: FilterOption = [],  # noqa: B006
    timezone: TimezoneOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """One advice with its evidence, its change, and why it may be wrong: `bursar advice show ad_05eebac565`."""
    one = _one(resolve_site(config, data), advice_id, _asked(period, timezone, filters))
    if fmt is Format.JSON:
        print_json(msgspec.to_builtins(one))
        return
    if fmt is Format.CSV:
        raise BadRequest("one advice is told as table or json; `bursar advice --format csv` has all", field="format")
    saving = "no figure" if one.saving is None else f"{_usd(one.saving.low)} to {_usd(one.saving.high)} a month"
    lines = [
        ("advice", one.title), ("why", one.why), *(("seen", line) for line in one.evidence),
        ("saves", _expected(one)), ("between", saving),
        ("sure", f"{one.confidence}; effort {one.effort}, risk {one.risk}"), ("calls", " ".join(one.scope)),
        *(("before", line) for line in one.change.before), *(("after", line) for line in one.change.after),
        *(("do", line) for line in one.change.steps), *(("doubt", line) for line in one.doubts),
    ]  # fmt: skip
    print_table([text_column("what", ""), text_column("says", "", grow=True)],
                [{"what": what, "says": says} for what, says in lines])  # fmt: skip


def apply(
    advice_id: AdviceArgument,
    draft: Annotated[bool, typer.Option("--draft", help="Keep the change, switched off.")] = False,
    period: PeriodOption = PERIOD,
    filters: FilterOption = [],  # noqa: B006
    timezone: TimezoneOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Keep an advice's change as a control that is off: `bursar advice apply ad_217a9ad369 --draft`.

    It is a policy, a route, a cache rule, or a budget that refuses nothing, and nothing changes until somebody switches
    it on. What the caller does, beside it or alone, is printed.
    """
    site = resolve_site(config, data)
    one = _one(site, advice_id, _asked(period, timezone, filters))
    change = one.change
    if change.kind == "client":
        if fmt is Format.TABLE:
            for step in change.steps:
                say(step)
            return
        print_json(msgspec.to_builtins(change))
        return
    if not draft:
        raise BadRequest("it is kept as a draft only, which somebody then switches on: say --draft", field="draft")
    budgets = site.budgets() if change.kind == "budget" else None
    kept: KeptDraft = changed(
        site, lambda controls: keep_draft(controls, budgets, change.kind, change.name, change.terms, actor=actor())
    )
    if budgets is not None:
        site.publish_budgets(budgets)
    if fmt is Format.JSON:
        print_json(msgspec.to_builtins(kept))
        return
    named = f"{kept.kind} {kept.name} ({kept.id})"
    if kept.kind == "budget":
        say(f"{named} {DRY_RUN}")
    else:
        say(f"{named} is kept, and off; `bursar {COMMANDS[kept.kind]} {kept.id}` switches it on.")
    for step in change.steps:
        say(f"to do beside it: {step}")


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        invoke_without_command=True, callback=top, rich_markup_mode=None,
        help="What would save money, by how much, and the change itself.",
    )  # fmt: skip
    group.command("list")(list_advice)
    group.command("show")(show)
    group.command("apply")(apply)
    app.add_typer(group, name="advice")


def _asked(period: str, timezone: str | None, filters: list[str]) -> list[tuple[str, str | int | None]]:
    return [("period", period), ("tz", timezone), *(("filter", one) for one in filters)]


def _one(site: Site, advice_id: str, asked: list[tuple[str, str | int | None]]) -> AdviceTold:
    told = client.ask(site, "/api/advice", asked, ReviewTold)
    found = next((one for one in told.advice if one.id == advice_id), None)
    if found is None:
        raise UnknownAdvice(f"there is no advice {advice_id!r} on this period; `bursar advice` lists what there is")
    return found


def _show_all(told: ReviewTold) -> None:
    rows = [
        {
            "id": one.id, "title": one.title, "expected": one.saving.expected if one.saving else None,
            "between": f"{_usd(one.saving.low)} – {_usd(one.saving.high)}" if one.saving else "no figure",
            "net": one.net, "sure": _sure(one),
            "effort": one.effort, "risk": one.risk,
        }
        for one in told.advice
    ]  # fmt: skip
    columns = [
        text_column("title", "change", grow=True),
        Column("expected", "saves a month", lambda value: "" if value is None else _usd(value), right=True),
        text_column("between", "between", from_width=110),
        Column("net", "adds", lambda value: "" if value is None else _usd(value), right=True),
        text_column("sure", "sure", from_width=90),
        text_column("effort", "effort", from_width=120),
        text_column("risk", "risk", from_width=120),
        text_column("id", "id", style="dim"),
    ]
    spent = Decimal(told.spent_monthly)
    share = display.percent(Decimal(told.total), spent)
    print_table(
        columns, rows, totals={"title": "together, each charge once", "net": told.total},
        notes=[f"{share} of {_usd(told.spent_monthly)} a month; `bursar advice show ID` has evidence and change"],
    )  # fmt: skip


def _sure(one: AdviceTold) -> str:
    return f"{one.confidence}, {'is on' if one.change.is_on else 'try first'}" if one.net is None else one.confidence


def _expected(one: AdviceTold) -> str:
    return "no figure" if one.saving is None else f"{_usd(one.saving.expected)} a month"


def _usd(amount: str) -> str:
    return str(display.money(Decimal(amount), "USD"))
