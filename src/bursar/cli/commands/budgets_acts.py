"""`bursar budgets thresholds` and `approve`: what happens near a limit, and letting calls go on."""

from typing import Annotated

import typer

from bursar.budgets.thresholds import threshold_text, thresholds_from
from bursar.budgets.told import spec_at, usd_text
from bursar.budgets.windows import local_instant
from bursar.cli.options import ConfigOption, DataOption, resolve_existing
from bursar.cli.render import say
from bursar.domain import display
from bursar.domain.calendar import zone
from bursar.domain.clock import datetime_from_us
from bursar.site import actor


def set_thresholds(
    name: Annotated[str, typer.Argument(help="The budget's name or id.")],
    threshold: Annotated[
        list[str], typer.Argument(help="All of them: 50, 80:throttle=30, 80:route=MODEL, 90:approve.")
    ],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Other thresholds in the place of those it has: `bursar budgets thresholds engineering 50 80:throttle=30 100`."""
    site = resolve_existing(config, data)
    budgets = site.budgets()
    changed = budgets.set_thresholds(name, thresholds_from(threshold), actor=actor())
    site.publish_budgets(budgets)
    say(f"{changed.name} acts at {', '.join(threshold_text(one) for one in changed.thresholds)}.")


def approve(
    name: Annotated[str, typer.Argument(help="The budget's name or id.")],
    at: Annotated[int, typer.Option(help="Only past the thresholds up to this percent (default: all).")] = 0,
    value: Annotated[str, typer.Option(help="Of a budget with `each`: only for this value.")] = "",
    until: Annotated[
        str, typer.Option(help="Only until then, in the budget's time zone: 2026-12-01 or 2026-12-01T00:00.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why; kept with the approval.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Let calls past its `approve` thresholds in the running window: `bursar budgets approve engineering`."""
    site = resolve_existing(config, data)
    budgets = site.budgets()
    timezone = spec_at(budgets.find(name), site.clock.now_us()).timezone
    until_us = local_instant(until, timezone) if until else None
    changed = budgets.approve(name, percent=at or None, value=value, until_us=until_us, reason=reason, actor=actor())
    site.publish_budgets(budgets)
    given = changed.approvals[-1]
    end = display.moment(datetime_from_us(given.until_us), zone(timezone), seconds=False)
    say(f"{changed.name}{f' ({value})' if value else ''} may be spent past {given.percent} % until {end}.")


def take_rate(
    name: Annotated[str, typer.Argument(help="The budget's name or id.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Count a budget in another currency by today's rate for reports and budgets: `bursar budgets rate europe`. It
    holds for the running window too."""
    from bursar.finance.fx.book import RateBook  # start-up: only a budget in another currency needs it
    from bursar.finance.fx.budget_rates import newer_rate

    site = resolve_existing(config, data)
    budgets = site.budgets()
    budget = budgets.find(name)
    book = RateBook(budgets.store, site.secret(), site.clock)
    found = newer_rate(budget, book.rates(), datetime_from_us(site.clock.now_us()).date())
    if found is None:
        say(f"{budget.name} keeps its rate: no newer one is known (`bursar rates list`).")
        return
    budgets.set_rate(budget.budget_id, found, actor=actor())
    site.publish_budgets(budgets)
    worth = f"1 {budget.currency} = {usd_text(found.usd_pico)} USD"
    say(f"{budget.name}: {worth} from now on, {found.source}, {found.as_of}.")
