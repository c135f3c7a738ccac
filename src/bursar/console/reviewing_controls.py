"""What a review says of budgets, initiatives, and decisions that wait for a person."""

from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

from bursar.console.budgeting import foresee, known_budgets
from bursar.console.context import ConsoleContext
from bursar.console.forecasting import forecast_of
from bursar.console.refused import approvals_asked
from bursar.console.view import View, filter_text
from bursar.domain import display
from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.errors import Unavailable
from bursar.domain.money import usd_from_pico
from bursar.domain.periods import zone
from bursar.explore.filters import Filter
from bursar.governance.drafts import kept_drafts
from bursar.reviews.facts import AnomalyFact, BudgetFact, InitiativeFact, Opens, Outlook, Waiting
from bursar.watch.telling import title_of, why_of

FORESEEN_MAX = 10
MODELS_LISTED = 3
OUTLOOK_LASTS = timedelta(days=31)  # after the end of what is reviewed
OUTLOOK_ERROR_DAYS = 7
PLACES = {"policy": "/controls", "route": "/routes", "cache": "/caches"}


def budgets_now(context: ConsoleContext) -> list[BudgetFact]:
    """The fullest first, each by the value that has least left; the first ones with a forecast."""
    facts = []
    for number, known in enumerate(known_budgets(context)):
        nearest = known.nearest
        if nearest is None or nearest.limit is None:
            continue
        exhausted = None
        if number < FORESEEN_MAX:
            ahead = foresee(context, known).forecast
            at_us = ahead.at_us if ahead.state == "exhausts" else None
            exhausted = None if at_us is None else _day(context, datetime_from_us(at_us))
        facts.append(
            BudgetFact(
                known.budget.name,
                nearest.key.value,
                usd_from_pico(nearest.posted + nearest.held),
                usd_from_pico(nearest.limit),
                Decimal(nearest.posted + nearest.held) / nearest.limit if nearest.limit else Decimal(0),
                usd_from_pico(nearest.overrun),
                None if exhausted is None else exhausted.date(),
            )
        )
    return facts


def outlook_now(context: ConsoleContext, view: View) -> Outlook | None:
    """How the running month will end, as the page Forecast has it; None long after what is reviewed, or if unknown."""
    if context.now() - view.period.end > OUTLOOK_LASTS:
        return None
    asked = {"tz": [view.timezone], "filter": [filter_text(one) for one in view.filters]}
    found = forecast_of(context, context.view("/forecast", asked))
    if found.too_young:
        return None
    month = found.figures[0].amount
    error = next((one.error for one in found.accuracy if one.days == OUTLOOK_ERROR_DAYS), None)
    has_band = found.has_band(found.figures[0].last)
    return Outlook(
        usd_from_pico(month.expected),
        usd_from_pico(month.low) if has_band else None,
        usd_from_pico(month.high) if has_band else None,
        None if error is None else Decimal(str(error)),
    )


def anomalies_in(context: ConsoleContext, view: View) -> list[AnomalyFact]:
    """What the watch found that went on in the period, with the whole of its excess; one that cost less is as large."""
    if context.open_anomalies is None:
        return []
    start_us, end_us = us_from_datetime(view.period.start), us_from_datetime(view.period.end)
    found = context.anomalies().findings.all(since_us=start_us)
    return [
        AnomalyFact(
            one.finding_id,
            display.sentence(title_of(one)),
            f"{display.sentence(why)}." if (why := why_of(one)) else "",
            _day(context, datetime_from_us(one.began_us)).date(),
            one.is_open,
            usd_from_pico(one.excess_pico),
            usd_from_pico(one.per_month_pico) if one.is_open else None,
            "" if one.label is None else one.label.value,
        )
        for one in found
        if one.began_us < end_us
    ]


def initiatives_in(context: ConsoleContext, month: str) -> list[InitiativeFact]:
    """All that are not over, with what the books say they saved in that month."""
    try:
        standings = context.initiatives().standings()
    except Unavailable:
        return []
    facts = []
    for one in standings:
        mine = next((saving for saving in one.months if saving.month == month), None)
        if mine is None and one.initiative.status == "done":
            continue
        facts.append(
            InitiativeFact(
                one.initiative.initiative_id,
                one.initiative.name,
                one.initiative.terms.owner,
                one.initiative.status,
                None if mine is None else mine.realised,
                None if mine is None else mine.target,
                tuple(flag.text for flag in one.flags),
            )
        )
    return facts


def waiting_now(context: ConsoleContext, view: View) -> list[Waiting]:
    """Approvals, models without a price, loops that are cut, drafts that nobody switched on."""
    waits = [
        Waiting(
            f"{one.calls} call{'s' if one.calls != 1 else ''} of budget {one.name} wait for an approval past "
            f"{one.percent} %.",
            Opens(f"/budgets/{quote(one.name, safe='')}", has_period=False),
        )
        for one in approvals_asked(context)
    ]
    loops = context.loops_in_force()
    if loops:
        waits.append(Waiting(f"{loops} loop{'s are' if loops != 1 else ' is'} cut now.", Opens("/loops")))
    waits += _unpriced(context, view)
    if context.open_controls is not None:
        off = [one for one in kept_drafts(context.controls(), None).values() if not one.is_on]  # a dry run may stay one
        waits += [
            Waiting(f"The {one.kind} {one.name} is kept and off: switch it on, or drop it.",
                    Opens(PLACES[one.kind], has_period=False))
            for one in off
        ]  # fmt: skip
    return waits


def _unpriced(context: ConsoleContext, view: View) -> list[Waiting]:
    only = (*view.filters, Filter("quality", ("unpriced",)))
    table = context.explorer.cost_by(
        "model", view.period, filters=only, measures=("attempts",), order="attempts", limit=MODELS_LISTED
    )
    return [
        Waiting(
            f"{row['model'] or 'A model without a name'} has no price; {_attempts(row['attempts'])} in no sum.",
            Opens("/calls", (Filter("model", (str(row["model"] or ""),)), Filter("quality", ("unpriced",)))),
        )
        for row in table.dicts()
    ]


def _attempts(number: int) -> str:
    return "1 attempt is" if number == 1 else f"{number} attempts are"


def _day(context: ConsoleContext, at: datetime) -> datetime:
    return at.astimezone(zone(context.config.console.timezone))
