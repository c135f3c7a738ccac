"""How budgets look on a terminal: amounts in each budget's own currency, exact ones in json and csv."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.text import Text

from bursar.budgets.outlook import Outlook
from bursar.budgets.told import BudgetDetail, BudgetTold, RateTold, in_currency
from bursar.cli.render import Column, out, print_table, share_bar, text_column
from bursar.domain import display
from bursar.domain.calendar import zone

NO_LIMIT = "no limit now"  # outside the ranges of a custom window


def show_budgets(told: Sequence[BudgetTold], locale: str, rates: Sequence[RateTold | None]) -> None:
    """A line each; under the table what of them can't be seen in a column."""
    rows = [_row(one, rate, locale) for one, rate in zip(told, rates, strict=True)]
    each = any(one.each for one in told)
    print_table(
        [
            text_column("name", "budget", grow=True),
            Column("limit", "limit", right=True),
            Column("spent", "spent", right=True),
            Column("held", "held", right=True),
            Column("left", "left", _left, right=True),
            *([Column("nearest", "of", grow=True)] if each else []),
            Column("used", "", _used),
            Column("mode", "mode"),
            *([Column("overrun", "overrun", _doubtful, right=True)] if any(row["overrun"] for row in rows) else []),
            *([Column("assumed", "assumed", _doubtful, right=True)] if any(row["assumed"] for row in rows) else []),
            text_column("window", "window", grow=True),
        ],
        rows,
        notes=_notes(told),
    )


def show_budget(detail: BudgetDetail, locale: str, outlook: Outlook | None) -> None:
    """One budget, with everything that is known of it."""
    told, rate = detail.budget, detail.rate
    money = _teller(told.currency, rate, locale)
    show_budgets([told], locale, [rate])
    if told.each:
        print_table(
            [
                text_column("value", told.each, grow=True),
                *(Column(name, name, right=True) for name in ("limit", "spent", "held", "left", "overrun", "assumed")),
            ],
            [
                {
                    "value": one.value,
                    "limit": _limit(one.limit_usd, money),
                    "spent": money(one.spent_usd),
                    "held": money(one.held_usd),
                    "left": money(one.left_usd),
                    "overrun": money(one.overrun_usd),
                    "assumed": money(one.assumed_usd),
                }
                for one in detail.balances
            ],
        )
    lines = budget_lines(detail, locale)
    if outlook is not None:
        lines.insert(0, _forecast_line(outlook, money))
    for line in lines:
        out().print(Text(line), soft_wrap=True)


def budget_lines(detail: BudgetDetail, locale: str) -> list[str]:
    """What no table holds, a sentence each."""
    told, rate = detail.budget, detail.rate
    money = _teller(told.currency, rate, locale)
    place = zone(told.window.partition("@")[2] or "UTC")
    own = _teller(told.currency, None, locale)

    def day(at: datetime) -> str:
        return display.moment(at, place, seconds=False)

    lines = [f"calls: {', '.join(told.where) or 'all'}" + (f", each {told.each} by itself" if told.each else "")]
    lines.append(f"window: {told.window}, {told.window_label}; {told.resets}")
    marks = [
        f"{one.percent} %{f' {one.says}' if one.says else ''} ({money(one.at_usd)}"
        f"{', reached' if one.reached else ''}{f', approved by {one.approved_by}' if one.approved_by else ''})"
        for one in detail.thresholds
    ]
    lines.append(f"thresholds: {', '.join(marks)}")
    if rate is not None:
        lines.append(f"rate: 1 {told.currency} = {rate.usd} USD, {rate.source}, {rate.as_of}")
    if detail.carries:
        cap = f", {own(detail.carry_cap)} at most" if detail.carry_cap is not None else ""
        lines.append(f"carries over what is left{cap}{'; overruns too' if detail.carries_overruns else ''}")
    if detail.prorated_from is not None:
        lines.append(f"prorated from {day(detail.prorated_from)}")
    if detail.changes:
        lines.append(f"limit at first: {own(detail.first_limit)}")
    for change in detail.changes:
        until = f" until {day(change.until)}" if change.until else ""
        why = f": {change.reason}" if change.reason else ""
        now = " (in force)" if change.in_force else ""
        lines.append(f"limit {own(change.limit)} from {day(change.since)}{until} by {change.by}{why}{now}")
    if told.contact:
        lines.append(f"ask {told.contact}")
    return lines


def _limit(limit_usd: str | None, money: Callable[[str | None], str]) -> str:
    """A limit of 0 refuses everything: a dash would hide it."""
    return money(limit_usd) if limit_usd is None or Decimal(limit_usd) else "0"


def _forecast_line(outlook: Outlook, money: Callable[[str | None], str]) -> str:
    about = f" ({outlook.about})" if outlook.about else ""
    line = f"forecast{about}: {outlook.said}"
    if outlook.basis:
        line += f"; {money(outlook.per_day_usd)} a day, {outlook.basis}"
    if outlook.end_low_usd is not None and outlook.end_high_usd is not None:
        line += f"; {money(outlook.end_low_usd)} to {money(outlook.end_high_usd)} by the end, four times in five"
    return line


def _row(told: BudgetTold, rate: RateTold | None, locale: str) -> dict[str, Any]:
    money = _teller(told.currency, rate, locale)
    limit, left = told.limit_usd, told.left_usd
    used = None
    if limit is not None and left is not None and Decimal(limit):
        used = 1 - Decimal(left) / Decimal(limit)
    return {
        "name": told.name,
        "limit": (_limit(limit, money) if limit is not None else NO_LIMIT) + (" each" if told.each else ""),
        "spent": money(told.spent_usd),
        "held": money(told.held_usd),
        "left": (money(left), used),
        "nearest": told.nearest,
        "used": used,
        "mode": told.mode,
        "overrun": money(told.overrun_usd) if Decimal(told.overrun_usd) else "",
        "assumed": money(told.assumed_usd) if Decimal(told.assumed_usd) else "",
        "window": f"{told.window_label}, {told.resets}",
    }


def _notes(told: Sequence[BudgetTold]) -> list[str]:
    notes = [
        f"{one.name} is in mode expected: over its limit by {display.money(Decimal(one.overshoot_usd))} at most."
        for one in told
        if one.overshoot_usd is not None
    ]
    if any(Decimal(one.held_usd) for one in told):
        notes.append("Held: for calls under way. It becomes what they cost, or is free again.")
    return notes


def _teller(currency: str, rate: RateTold | None, locale: str) -> Callable[[str | None], str]:
    def tell(usd: str | None) -> str:
        amount = in_currency(usd, rate)
        return "" if amount is None else str(display.money(amount, currency, locale, estimated=False))

    return tell


def _left(cell: tuple[str, Decimal | None]) -> Text:
    text, used = cell
    style = "" if used is None or used < Decimal("0.8") else "yellow" if used < 1 else "bold red"
    return Text(text, style=style)


def _used(share: Decimal | None) -> Text:
    if share is None:
        return Text("")
    return Text(share_bar(float(share)), style="cyan").append(
        f" {display.percent(share, Decimal(1)):>7}", style="default"
    )


def _doubtful(text: str) -> Text:
    return Text(text, style="yellow")
