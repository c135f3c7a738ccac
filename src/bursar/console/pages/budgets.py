"""Budgets: what is spent, held and left of each, when it will be exhausted, and who spends it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from bursar.budgets.lease import Standing
from bursar.budgets.outlook import tell_outlook
from bursar.budgets.thresholds import approved
from bursar.budgets.told import BudgetTold, RateTold, in_currency, left_pico, tell_detail
from bursar.budgets.windows import NEVER_US
from bursar.console.api.answers import csv_bytes
from bursar.console.budget_rates import rate_offer
from bursar.console.budgeting import (
    BudgetAnswer,
    BudgetsAnswer,
    Foreseen,
    Known,
    filters_of,
    foresee,
    known_budget,
    known_budgets,
    period_of,
    told_whole,
)
from bursar.console.burndown import Burndown, Course, burndown
from bursar.console.charts import Mark
from bursar.console.context import ConsoleContext
from bursar.console.figures import cost_table
from bursar.console.format import Format
from bursar.console.forms.fields import Fields
from bursar.console.marking import about, marks_along
from bursar.console.pages.costs import Shown, show_row
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.calendar import zone
from bursar.domain.clock import datetime_from_us
from bursar.domain.periods import Period

DRAWN_MAX = 24  # budgets with a chart and a forecast, a question to the books each; the rest are lines of a table
LIST_HEIGHT, PAGE_HEIGHT = 72, 196
VALUES_SHOWN = 50
WHO = ("feature", "customer", "credential")
WHO_ROWS = 5
LINES_MAX = 500  # of that table; all are in the .csv
NEARLY = Decimal("0.8")


class Amount(msgspec.Struct, frozen=True):
    """An amount in the budget's currency, and the calls it opens to, if it has any."""

    value: Decimal | None
    href: str = ""


class Card(msgspec.Struct, frozen=True):
    """One budget as a page shows it; amounts in its own currency.

    of_all: of a budget with `each`, what all values spent; the other figures are of `about`, the nearest to its limit.
    level: "danger" when nothing is left, "doubt" from four fifths on.
    """

    told: BudgetTold
    f: Format
    href: str
    about: str
    spent: Amount
    held: Amount
    left: Amount
    limit: Amount
    overrun: Amount
    assumed: Amount
    overshoot: Decimal | None
    of_all: Amount | None
    used: str
    level: str
    chart: Burndown | None = None
    chart_label: str = ""
    first: str = ""
    last: str = ""
    said: str = ""
    basis: str = ""
    marks: Sequence[Mark] = ()


def budgets_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads."""
    known = known_budgets(context)
    drawn = [_drawn(view, f, one, foresee(context, one), LIST_HEIGHT) for one in known[:DRAWN_MAX]]
    others = [_card(view, f, one) for one in known[DRAWN_MAX : DRAWN_MAX + LINES_MAX]]
    full = sum(one.used >= 1 for one in known)
    lead = f"{len(known)} in force" + (f", {full} exhausted" if full else "") if known else ""
    more = max(len(known) - DRAWN_MAX, 0)
    return {"data": {"lead": lead, "cards": drawn, "others": others, "more": more}}


def budget_page(
    context: ConsoleContext, view: View, f: Format, name_or_id: str, raising: Fields | None = None
) -> dict[str, Any]:
    """One budget. raising: what was typed into its form for another limit, if that comes back. Raises UnknownBudget."""
    known = known_budget(context, name_or_id)
    foreseen = foresee(context, known)
    answer = told_whole(context, known, foreseen)
    card = _drawn(view, f, known, foreseen, PAGE_HEIGHT)
    card = msgspec.structs.replace(card, marks=_marks(context, known, _course(known, foreseen)))
    inside = _inside(view, known)
    money = _converter(answer.rate)
    asks = any(one.action == "approve" for one in known.budget.thresholds)
    return {
        "data": {
            "card": card,
            "detail": answer,
            "books": Amount(money(answer.books_usd), inside.url("/calls", order="dearest")),
            "explore_href": inside.url("/explore"),
            "who": [_who(context, inside, f, name) for name in WHO if name not in known.budget.match],
            "rows": [
                {
                    "value": one.value,
                    "href": _inside(view, known, one.value).url("/calls", order="dearest"),
                    "limit": money(one.limit_usd),
                    "spent": money(one.spent_usd),
                    "held": money(one.held_usd),
                    "left": money(one.left_usd),
                    "overrun": money(one.overrun_usd),
                }
                for one in (answer.balances[:VALUES_SHOWN] if known.budget.each else ())
            ],
            "thresholds": [(one, money(one.at_usd)) for one in answer.thresholds],
            "first_limit": Decimal(answer.first_limit),
            "changes": [(one, Decimal(one.limit)) for one in answer.changes],
            "cap": None if answer.carry_cap is None else Decimal(answer.carry_cap),
            "end": money(answer.forecast.end_usd),
            "end_low": money(answer.forecast.end_low_usd),
            "end_high": money(answer.forecast.end_high_usd),
            "per_day": money(answer.forecast.per_day_usd),
            "waiting": _waiting(known) if asks else [],
            "approvable": asks and (known.budget.each or _waits(answer)),
            "timezone": known.window.timezone,
            "offer": rate_offer(context, known.budget),
            "raising": raising or Fields({}),
            "ends": any(one.until and one.in_force for one in answer.changes),
            "edit_href": f"/edit/budget?of={quote(known.budget.name, safe='')}",
        },
        "csrf": context.csrf,
    }


def _waits(answer: BudgetAnswer) -> bool:
    """Whether an `approve` threshold has nobody's word yet."""
    return any(one.action == "approve" and not one.approved_by for one in answer.thresholds)


def _waiting(known: Known) -> list[str]:
    """Values (or "" for the whole) past an `approve` threshold that nobody let past it, the fullest first."""
    budget = known.budget
    asking = [one.percent for one in budget.thresholds if one.action == "approve"]

    def is_waiting(one: Standing) -> bool:
        used = one.posted + one.held
        return one.limit is not None and any(
            used * 100 >= one.limit * percent
            and approved(budget.approvals, percent, one.key.value, known.now_us) is None
            for percent in asking
        )

    found = [one for one in known.standings if is_waiting(one)]
    return [one.key.value for one in sorted(found, key=lambda one: left_pico(one) or 0)][:VALUES_SHOWN]


def budgets_csv(answer: BudgetsAnswer) -> bytes:
    """A row per budget, the columns of the JSON; lists with spaces between."""
    names = list(BudgetTold.__struct_fields__)
    return csv_bytes(names, ([_flat(getattr(one, name)) for name in names] for one in answer.budgets))


def budget_csv(answer: BudgetAnswer) -> bytes:
    """A row per value of its `each`, or one."""
    names = ["limit_usd", "spent_usd", "held_usd", "left_usd", "overrun_usd", "assumed_usd"]
    rows = ([answer.budget.name, one.value, *(getattr(one, name) for name in names)] for one in answer.balances)
    return csv_bytes(["budget", "value", *names], rows)


def _drawn(view: View, f: Format, known: Known, foreseen: Foreseen, height: int) -> Card:
    card = _card(view, f, known)
    course = _course(known, foreseen)
    place = zone(known.window.timezone)
    outlook = tell_outlook(known.budget, foreseen.forecast, card.about, known.now_us)
    spent = card.f.plain_money(card.spent.value)
    return msgspec.structs.replace(
        card,
        chart=burndown(course, foreseen.forecast, height),
        chart_label=f"{known.budget.name}: {spent} of {card.f.plain_money(card.limit.value)}, {outlook.said}",
        first=_short(datetime_from_us(course.start_us).astimezone(place), course),
        last=_short(datetime_from_us(course.end_us).astimezone(place), course),
        said=outlook.said,
        basis=outlook.basis,
    )


def _card(view: View, f: Format, known: Known) -> Card:
    told, nearest = known.told, known.nearest
    detail = tell_detail(known.budget, [nearest] if nearest is not None else [], known.now_us)
    money = _converter(detail.rate)
    about = told.nearest
    calls = _inside(view, known, about).url("/calls", order="dearest")
    balance = detail.balances[0] if detail.balances else None
    limit, left = money(told.limit_usd), money(told.left_usd)
    used = Decimal(0) if limit is None or left is None else Decimal(1) if not limit else 1 - left / limit
    assumed_href = _inside(view, known, about).with_filter("quality", "assumed", "/calls")
    return Card(
        told=told,
        f=Format(f.locale, told.currency, f.zone, f.now),
        href=view.url(f"/budgets/{told.id}"),
        about=about,
        spent=Amount(money(balance.spent_usd) if balance else Decimal(0), calls),
        held=Amount(money(balance.held_usd) if balance else Decimal(0)),
        left=Amount(left),
        limit=Amount(limit),
        overrun=Amount(money(balance.overrun_usd) if balance else Decimal(0), calls),
        assumed=Amount(money(balance.assumed_usd) if balance else Decimal(0), assumed_href),
        overshoot=money(told.overshoot_usd),
        of_all=Amount(money(told.spent_usd), _inside(view, known).url("/calls", order="dearest"))
        if told.each
        else None,
        used="" if limit is None else display.percent(used, Decimal(1), 0),
        level="danger" if limit is not None and used >= 1 else "doubt" if used >= NEARLY else "",
    )


def _course(known: Known, foreseen: Foreseen) -> Course:
    """From the window's start to its end; where it has none, as far ahead as there is behind."""
    window, now_us, nearest = known.window, known.now_us, known.nearest
    first_us = min((at for at, pico in foreseen.hours if pico), default=now_us - 86_400_000_000)
    start_us = max(window.counted_from_us, first_us) if window.end_us == NEVER_US else window.counted_from_us
    end_us = foreseen.forecast.end_us
    if window.end_us == NEVER_US:
        end_us = min(end_us, now_us + max(now_us - start_us, 86_400_000_000))
    held, spent, limit = (nearest.held, nearest.posted, nearest.limit) if nearest is not None else (0, 0, None)
    return Course(start_us, now_us, end_us, foreseen.hours, spent, held, limit)


def _marks(context: ConsoleContext, known: Known, course: Course) -> list[Mark]:
    """What happened in the window so far, as far as it is about the budget's calls."""
    start, now = datetime_from_us(course.start_us), datetime_from_us(max(course.now_us, course.start_us))
    found = about(context.markers(Period(start, now)), filters_of(known))
    return marks_along(found, course.start_us, course.end_us)


def _short(at: datetime, course: Course) -> str:
    if course.end_us - course.start_us <= 3 * 86_400_000_000:
        return f"{display.day(at)}, {at:%H:%M}"
    return display.day(at)


def _inside(view: View, known: Known, value: str = "") -> View:
    """The state of a page about just the budget's calls in its window."""
    period = period_of(known)
    return msgspec.structs.replace(
        view,
        path="/budgets",
        period_name=period.name,
        period=period,
        before=None,
        compare="none",
        filters=filters_of(known, value),
        extra={},
    )


def _who(context: ConsoleContext, inside: View, f: Format, dimension: str) -> dict[str, Any]:
    table = cost_table(context.explorer, inside, (dimension,), WHO_ROWS)
    largest = max((row.now.cost for row in table.rows), default=Decimal(0))
    slots = context.colours(dimension, [row.keys[0] for row in table.rows])
    rows: Sequence[Shown] = [
        show_row(inside, dimension, row, slot, largest) for row, slot in zip(table.rows, slots, strict=True)
    ]
    if dimension == "credential":
        key_name = context.key_namer()
        rows = [msgspec.structs.replace(row, label=key_name(row.label)) for row in rows]
    return {
        "dimension": dimension,
        "title": f.field(dimension),
        "rows": rows,
        "more": table.others_count,
        "total": table.totals.now,
        "href": inside.url("/explore", by=dimension),
    }


def _converter(rate: RateTold | None) -> Callable[[str | None], Decimal | None]:
    return lambda usd: in_currency(usd, rate)


def _flat(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value
