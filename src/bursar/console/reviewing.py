"""Reviews for the console: their facts from the books, the budgets and the advice, and the answer for programs."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import msgspec

from bursar.alerts.facts import ReviewTold
from bursar.console.advising import reviewed, switched_on
from bursar.console.context import ConsoleContext
from bursar.console.figures import totals_of
from bursar.console.reviewing_controls import anomalies_in, budgets_now, initiatives_in, outlook_now, waiting_now
from bursar.console.reviewing_spend import groups_of, months_until, repeated_in, spend_of, wasted_in
from bursar.console.view import View, whole_slot
from bursar.domain.errors import BadRequest
from bursar.domain.periods import Period, previous, zone
from bursar.reviews.compose import compose
from bursar.reviews.facts import Advised, Facts, Kind, Opens
from bursar.reviews.printed import to_pdf
from bursar.reviews.said import Review
from bursar.reviews.text import to_text
from bursar.reviews.words import Words

KINDS: tuple[Kind, ...] = get_args(Kind)
ADVICE_PERIOD = "30d"
ADVISED_MOST = 5


class SaidAnswer(msgspec.Struct, frozen=True):
    """A sentence. money: USD it is ranked by, decimal text. tone: bad, good or plain. url: where its number opens."""

    text: str
    money: Decimal | None
    tone: str
    url: str


class SectionAnswer(msgspec.Struct, frozen=True):
    """nothing: what is said where there is nothing to say, "" elsewhere."""

    title: str
    minutes: int
    nothing: str
    said: list[SaidAnswer]


class ReviewAnswer(msgspec.Struct, frozen=True):
    """A review for programs. period: "2026-W47" or "2026-10", as an address has it."""

    kind: str
    period: str
    title: str
    said_of: str
    against: str
    minutes: int
    lead: str
    sections: list[SectionAnswer]


class MadeReview(msgspec.Struct, frozen=True):
    """A review and the view that its numbers open in."""

    review: Review
    view: View

    def address(self, opens: Opens) -> str:
        """The page behind a sentence, in the review's own period and time zone."""
        extra: dict[str, Any] = dict(opens.extra)
        anchor = extra.pop("#", "")
        if not opens.has_period:
            extra = {"period": None, **extra}
        # pages hold a period that runs against the whole one before it, a review against as many days of it
        compare = "none" if self.view.includes_now and opens.has_period else None
        url = self.view.url(opens.path, filters=opens.filters, compare=compare, **extra)
        return f"{url}#{anchor}" if anchor else url


def kind_named(name: str) -> Kind:
    """`2026-W47` is a week, `2026-10` a month. Raises BadRequest."""
    if re.fullmatch(r"\d{4}-W\d\d", name):
        return "weekly"
    if re.fullmatch(r"\d{4}-\d\d", name):
        return "monthly"
    raise BadRequest(f"{name[:40]!r} is no review; write 2026-W47 for a week, 2026-10 for a month", field="period")


def last_complete(kind: Kind, now: datetime, timezone: str) -> str:
    """The name of the last week or month that is over: "2026-W47", "2026-10"."""
    today = now.astimezone(zone(timezone)).date()
    if kind == "weekly":
        year, week, _ = (today - timedelta(days=today.isoweekday())).isocalendar()
        return f"{year}-W{week:02d}"
    last = today.replace(day=1) - timedelta(days=1)
    return f"{last:%Y-%m}"


def make_review(context: ConsoleContext, kind: Kind, view: View) -> MadeReview:
    """The review of the view's period, whole calls of all kinds but those that its filters leave out.

    Raises BadRequest for one that hasn't begun.
    """
    if view.period.start > view.now:
        raise BadRequest(f"{view.period_name} hasn't begun yet: there is nothing to review", field="period")
    words = Words(context.config.console.locale, context.config.console.currency)
    return MadeReview(compose(facts_of(context, kind, view), words), view)


def review_named(context: ConsoleContext, period: str) -> MadeReview:
    """A week's or month's review by its name, in the console's own time zone. Raises BadRequest, BadPeriod."""
    return make_review(context, kind_named(period), context.view(f"/reviews/{period}", {"period": [period]}))


def review_told(context: ConsoleContext, period: str) -> ReviewTold:
    """A week's or month's review as it is sent to people, with the addresses of this console."""
    page = f"/reviews/{period}"
    made = review_named(context, period)
    text = to_text(made.review, lambda opens: f"{context.config.console_url}{made.address(opens)}")
    return ReviewTold(f"{made.review.title}, {made.review.period}: {made.review.lead}", text, page)


def pdf_of(context: ConsoleContext, made: MadeReview) -> bytes:
    """A review as a PDF, whose lines link to this console."""
    host = context.config.console_url
    return to_pdf(made.review, context.config.organization, lambda opens: f"{host}{made.address(opens)}")


def facts_of(context: ConsoleContext, kind: Kind, view: View) -> Facts:
    """Everything that the rules look at."""
    explorer, label, is_running = context.explorer, view.days_label, view.includes_now
    view = so_far(view)
    before = previous(view.period)
    first_call = explorer.first_call_at()
    is_before_cut = view.is_before_cut(first_call) and first_call is not None and first_call < before.end
    if is_before_cut:  # nothing is held against it, as on pages
        view = msgspec.structs.replace(view, before=None)
    totals = totals_of(explorer, view)
    is_monthly = kind == "monthly"
    return Facts(
        kind=kind,
        period=label,
        before=before_words(kind, before, is_running=is_running),
        now=spend_of(totals.now),
        then=spend_of(totals.before),
        is_before_cut=is_before_cut,
        features=groups_of(explorer, view, "feature"),
        models=groups_of(explorer, view, "model") if is_monthly else (),
        customers=groups_of(explorer, view, "customer") if is_monthly else (),
        prompts=groups_of(explorer, view, "feature", "model"),
        wasted=wasted_in(explorer, view),
        repeated=repeated_in(explorer, view),
        advised=advised_now(context, view),
        budgets=budgets_now(context),
        initiatives=initiatives_in(context, f"{view.first_day:%Y-%m}") if is_monthly else (),
        anomalies=anomalies_in(context, view),
        waiting=waiting_now(context, view),
        months=months_until(explorer, view) if is_monthly else (),
        outlook=outlook_now(context, view) if is_monthly else None,
    )


def so_far(view: View) -> View:
    """With what it is compared with; a period that still runs ends now, so that it is compared with as many days."""
    period = view.period
    if view.includes_now:
        period = whole_slot(msgspec.structs.replace(period, end=view.now), view.now)
    return msgspec.structs.replace(view, period=period, before=previous(period))


def before_words(kind: Kind, before: Period, *, is_running: bool) -> str:
    """The period before, as a sentence names it."""
    name = "the week before" if kind == "weekly" else f"{before.start.astimezone(zone(before.timezone)):%B}"
    return f"the same days of {name}" if is_running else name


def advised_now(context: ConsoleContext, view: View) -> list[Advised]:
    """What advice says of the last thirty days, largest first; each with what it adds to those before it, then what is
    to be tried first."""
    found = reviewed(context, context.view("/advice", {"period": [ADVICE_PERIOD], "tz": [view.timezone]}))
    on = switched_on(context)
    sure = [row for row in found.ranked if row.net is not None]
    to_try = [
        row
        for row in found.ranked
        if row.net is None
        and row.advice.saving is not None
        and not row.advice.is_proven
        and (row.advice.change.kind, row.advice.change.name) not in on
    ]
    return [
        Advised(
            row.advice.id,
            row.advice.title,
            f"effort {row.advice.effort}",
            row.advice.confidence,
            row.net,
            None if row.advice.saving is None else row.advice.saving.low,
            None if row.advice.saving is None else row.advice.saving.high,
        )
        for row in (*sure, *to_try)
    ][:ADVISED_MOST]


def review_answer(made: MadeReview) -> ReviewAnswer:
    """The same for programs."""
    review = made.review
    return ReviewAnswer(
        kind=review.kind,
        period=made.view.period_name,
        title=review.title,
        said_of=review.period,
        against=review.before,
        minutes=review.minutes,
        lead=review.lead,
        sections=[
            SectionAnswer(
                section.title,
                section.minutes,
                "" if section.said else section.nothing,
                [SaidAnswer(one.text, one.money, one.tone, made.address(one.opens)) for one in section.said],
            )
            for section in review.sections
        ],
    )
