"""`bursar budgets`: how much may be spent on what, and how much of it is."""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from bursar.budgets.budget import Budget, Mode, Rate, pico_of
from bursar.budgets.limits import CarryOver, LimitPlan
from bursar.budgets.outlook import Outlook
from bursar.budgets.schedule import Schedule, scheduled_window
from bursar.budgets.spec import parse_spec
from bursar.budgets.thresholds import thresholds_from
from bursar.budgets.told import Balance, BudgetTold, spec_at, tell_budget, tell_detail, usd_text
from bursar.budgets.windows import NEVER_US, local_instant
from bursar.cli import client
from bursar.cli.commands.budgets_acts import approve, set_thresholds, take_rate
from bursar.cli.commands.budgets_shown import show_budget, show_budgets
from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing, resolve_site
from bursar.cli.render import Format, print_csv, print_json, say
from bursar.domain import display
from bursar.domain.calendar import zone
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadBudget, BadWindow, BursarError
from bursar.domain.money import pico_from_usd
from bursar.site import Site, actor, command_name

if TYPE_CHECKING:
    from bursar.controlfile.opening import Opening

BUDGET_COLUMNS = BudgetTold.__struct_fields__
BALANCE_COLUMNS = Balance.__struct_fields__

Amount = Annotated[str, typer.Option("--limit", help="How much, in the budget's currency: 500 or 0.25.")]


def create(
    name: Annotated[str, typer.Argument(help="A name people will know it by.")],
    limit: Amount,
    window: Annotated[
        str,
        typer.Option(
            help="hour, day, week, month, quarter, year, fy:04, fq:04, rolling:24h, lifetime, 4-4-5:2026-02-01, "
            "2026-01-01..2026-03-31; @Asia/Kolkata behind it for a time zone."
        ),
    ] = "month",
    where: Annotated[
        list[str],
        typer.Option(help="Only these calls: feature=checkout, model=gpt-4o, tag:plan=pro. May be repeated; all hold."),
    ] = [],  # noqa: B006
    each: Annotated[
        str, typer.Option(help="Each value of this has the whole limit for itself: customer, tag:plan …")
    ] = "",
    mode: Annotated[str, typer.Option(help="strict, expected, clamp or warn (docs/budgets.md).")] = "strict",
    overshoot: Annotated[
        str, typer.Option(help="Of mode expected: over the limit by this at most (default: a tenth of it).")
    ] = "",
    currency: Annotated[str, typer.Option(help="Of the limit; calls are billed in USD.")] = "USD",
    rate: Annotated[str, typer.Option(help="USD that one unit of the currency buys: 1.08.")] = "",
    rate_source: Annotated[str, typer.Option(help="Who says so: ECB.")] = "",
    rate_date: Annotated[str, typer.Option(help="As of when: 2026-11-01 (default: today).")] = "",
    carry: Annotated[bool, typer.Option("--carry", help="What a window leaves is added to the next.")] = False,
    carry_cap: Annotated[str, typer.Option(help="The same, but this much at most.")] = "",
    carry_overruns: Annotated[
        bool, typer.Option("--carry-overruns", help="The same, and what was over is taken off.")
    ] = False,
    prorate: Annotated[
        bool, typer.Option("--prorate", help="Begin with the share of the limit for what is left of the window.")
    ] = False,
    threshold: Annotated[
        list[str],
        typer.Option(
            help="At this percent of the limit say so, or act: 80:throttle=30, 80:route=MODEL, 90:approve, 95:block. "
            "May be repeated (default: 50, 80, 100)."
        ),
    ] = [],  # noqa: B006
    contact: Annotated[str, typer.Option(help="Whom to ask for more; told in refusals.")] = "",
    opening: Annotated[
        bool, typer.Option("--opening/--no-opening", help="Count what was spent in the running window already.")
    ] = True,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Make a budget. What was spent in its running window already counts, and is said.

    Examples: `bursar budgets create engineering --limit 5000 --where team=core`,
    `bursar budgets create fair-use --limit 5 --window day --each customer --mode clamp`.
    """
    site = resolve_site(config, data)
    now_us = site.clock.now_us()
    budget = Budget(
        budget_id="",
        name=name,
        limit=LimitPlan(_pico(limit, "limit")),
        window=Schedule(parse_spec(window, site.config.console.timezone)),
        match=_conditions(where),
        each=each,
        mode=_mode(mode),
        overshoot_pico=_pico(overshoot, "overshoot") if overshoot else None,
        currency=currency.upper(),
        rate=_rate(site, rate, rate_source, rate_date, now_us) or _known_rate(site, currency.upper(), now_us),
        carry=_carry(carry, carry_cap, overruns=carry_overruns),
        prorate_from_us=now_us if prorate else None,
        thresholds=thresholds_from(threshold or ["50", "80", "100"]),
        contact=contact,
    )
    running = scheduled_window(budget.window, now_us)
    if not running.in_force and running.end_us == NEVER_US:
        raise BadWindow(
            f"window {window} is over: it would limit nothing; give dates that are still to come", field="window"
        )
    if site.exists():  # a site that isn't there has no keys either
        budget = site.budgets().with_key_id(budget)
    counted = _ask_opening(site, budget, now_us) if opening else None
    budgets = site.budgets()
    made = budgets.create(budget, actor=actor(), opening=counted.spent if counted else ())
    site.publish_budgets(budgets)
    told = tell_budget(made, budgets.standings([made])[0], site.clock.now_us())
    if fmt is Format.TABLE:
        show_budgets([told], site.config.console.locale, [tell_detail(made, [], now_us).rate])
        say(_opening_text(made, counted) + _spent_text(told))
    else:
        _export([told], fmt)


def list_budgets(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Budgets with what is spent, held for calls under way, and left: `bursar budgets list`."""
    site = resolve_existing(config, data)
    budgets = site.budgets()
    found = budgets.all()
    now_us = site.clock.now_us()
    told = [tell_budget(one, rows, now_us) for one, rows in zip(found, budgets.standings(found), strict=True)]
    if fmt is not Format.TABLE:
        _export(told, fmt)
    elif not told:
        say(f"no budgets yet; `{command_name()} budgets create NAME --limit 500` makes one for each month.")
    else:
        show_budgets(told, site.config.console.locale, [tell_detail(one, [], now_us).rate for one in found])


def show(
    name: Annotated[str, typer.Argument(help="The budget's name or id.")],
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """One budget: balances, forecast, thresholds, rate, changes of its limit: `bursar budgets show engineering`."""
    site = resolve_existing(config, data)
    budgets = site.budgets()
    budget = budgets.find(name)
    detail = tell_detail(budget, budgets.standings([budget])[0], site.clock.now_us())
    if fmt is Format.JSON:
        print_json(msgspec.to_builtins(detail) | {"forecast": _ask_forecast(site, budget)})
    elif fmt is Format.CSV:
        print_csv(("name", *BALANCE_COLUMNS), [[budget.name, *msgspec.structs.astuple(one)] for one in detail.balances])
    else:
        show_budget(detail, site.config.console.locale, _ask_forecast(site, budget))


def raise_limit(
    name: Annotated[str, typer.Argument(help="The budget's name or id.")],
    limit: Amount,
    until: Annotated[
        str, typer.Option(help="Only until then, in the budget's time zone: 2026-12-01 or 2026-12-01T00:00.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why; a limit for a while must say.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Another limit from now on, up or down: `bursar budgets raise engineering --limit 8000 --reason launch`."""
    site = resolve_existing(config, data)
    budgets = site.budgets()
    budget = budgets.find(name)
    until_us = local_instant(until, spec_at(budget, site.clock.now_us()).timezone) if until else None
    changed = budgets.raise_limit(
        budget.budget_id, _pico(limit, "limit"), until_us=until_us, reason=reason, actor=actor()
    )
    site.publish_budgets(budgets)
    told = tell_budget(changed, budgets.standings([changed])[0], site.clock.now_us())
    while_ = f" until {until}" if until else ""
    say(f"{changed.name} has {told.limit} {told.currency}{while_}; {told.resets}.")


def remove(
    name: Annotated[str, typer.Argument(help="The budget's name or id.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Limit nothing by it any more; what was spent stays in the books: `bursar budgets remove engineering`."""
    site = resolve_existing(config, data)
    budgets = site.budgets()
    removed = budgets.remove(name, actor=actor())
    site.publish_budgets(budgets)
    say(f"{removed.name} ({removed.budget_id}) limits nothing any more.")


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, help="Limits that can't be overspent, and how they stand.", rich_markup_mode=None
    )
    group.command("create")(create)
    group.command("list")(list_budgets)
    group.command("show")(show)
    group.command("raise")(raise_limit)
    group.command("thresholds")(set_thresholds)
    group.command("approve")(approve)
    group.command("rate")(take_rate)
    group.command("remove")(remove)
    app.add_typer(group, name="budgets")


def _ask_opening(site: Site, budget: Budget, now_us: int) -> "Opening":
    # start-up: it pulls in SQLAlchemy by the way of governance, which only `create` needs this early
    from bursar.cli.opening import ask_opening

    return ask_opening(site, budget, now_us)


class _Foreseen(msgspec.Struct):
    """Of `/api/budgets/ID`, what only the books can tell."""

    forecast: Outlook


def _ask_forecast(site: Site, budget: Budget) -> Outlook | None:
    """None, and a line of news, where the console can't be asked: the rest of the answer doesn't need it."""
    try:
        return client.ask(site, client.path_of("api", "budgets", budget.budget_id), [], _Foreseen).forecast
    except BursarError as error:
        say(f"no forecast: {error.message}")
        return None


def _opening_text(budget: Budget, counted: "Opening | None") -> str:
    if counted is None:
        return f"{budget.name} begins at zero: what was spent before isn't counted."
    if budget.prorate_from_us is not None:
        return f"{budget.name} begins at zero, with the share of its limit for what is left of the window."
    amount = display.money(Decimal(usd_text(counted.pico)))
    values = len({one.value for one in counted.spent})
    who = f" of {display.count(values)} values of {budget.each}" if budget.each and values else ""
    text = (
        f"{budget.name}: {amount}{who} was spent in this window already, and counts."
        if counted.pico
        else f"{budget.name}: nothing was spent in this window yet."
    )
    if counted.unpriced:
        text += f" {display.count(counted.unpriced)} attempts have no known price and aren't in it."
    if counted.left_out:
        text += f" {display.count(counted.left_out)} more values begin at zero."
    return text


def _spent_text(told: BudgetTold) -> str:
    """What it means that nothing is left of a new budget."""
    if told.left_usd is None or Decimal(told.left_usd):
        return ""
    whose = f" Of {told.nearest} nothing is left" if told.each else " Nothing is left"
    return f"{whose}: such calls are {'let through all the same' if told.mode == 'warn' else 'refused from now on'}."


def _conditions(pairs: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise BadBudget(f"--where {pair!r}: write it as feature=checkout or tag:plan=pro", field="where")
        if name in found:
            raise BadBudget(f"--where {name} is given twice; a call has one value of it", field="where")
        found[name] = value
    return found


def _mode(text: str) -> Mode:
    try:
        found: Mode = msgspec.convert(text, Mode)
    except msgspec.ValidationError as error:
        raise BadBudget(f"--mode is strict, expected, clamp or warn, not {text!r}", field="mode") from error
    return found


def _rate(site: Site, rate: str, source: str, as_of: str, now_us: int) -> Rate | None:
    if not rate:
        if source or as_of:
            raise BadBudget("--rate-source and --rate-date are about a --rate", field="rate")
        return None
    today = datetime_from_us(now_us).astimezone(zone(site.config.console.timezone)).date()
    return Rate(_pico(rate, "rate"), source, _date(as_of) if as_of else today)


def _known_rate(site: Site, currency: str, now_us: int) -> Rate | None:
    """What the exchange rates of this installation say today, for reports and budgets; None: nothing."""
    if currency == "USD" or not site.exists():
        return None
    from bursar.finance.fx.book import RateBook  # start-up: only a budget in another currency needs it
    from bursar.governance.store import ControlStore

    today = datetime_from_us(now_us).date()
    book = RateBook(ControlStore(site.control_location), site.secret(), site.clock)
    found = book.rates().rate(currency, "USD", today, "report")
    return None if found is None else Rate(pico_from_usd(found.rate), found.source, found.day)


def _carry(carry: bool, cap: str, *, overruns: bool) -> CarryOver | None:
    if not (carry or cap or overruns):
        return None
    return CarryOver(_pico(cap, "carry_cap") if cap else None, overruns)


def _pico(text: str, field: str) -> int:
    try:
        return pico_of(Decimal(text.strip()), field)
    except InvalidOperation as error:
        raise BadBudget(
            f"--{field.replace('_', '-')} {text!r} is not an amount: write 500 or 0.25", field=field
        ) from error


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadBudget(f"--rate-date {text!r} is no date; write it as 2026-11-01", field="rate_date") from error


def _export(told: list[BudgetTold], fmt: Format) -> None:
    rows = [msgspec.to_builtins(one) for one in told]
    if fmt is Format.JSON:
        print_json(rows)
    else:
        print_csv(BUDGET_COLUMNS, [[_flat(value) for value in row.values()] for row in rows])


def _flat(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value
