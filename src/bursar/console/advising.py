"""Advice for the console: asked of the ledger once in a while, told as an answer, kept as a draft when somebody asks.

A review looks at every charge of its period several times, so one that is at most REVIEW_LIVES_US old is told again.
"""

import threading
from datetime import timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from bursar.advisor.advice import KINDS, Advice, Draft, Estimate
from bursar.advisor.look import MONTH_DAYS, SEGMENT_COLUMNS, Look
from bursar.advisor.prompt_breaks import PromptBreak
from bursar.advisor.review import Ranked, Review, review
from bursar.console.api.answers import PeriodAnswer, csv_bytes, period_answer
from bursar.console.context import ACTOR, REVIEW_LIVES_US, ConsoleContext
from bursar.console.prompt_breaks import prompt_breaks
from bursar.console.view import View, filter_text
from bursar.domain.errors import ChangedMeanwhile, UnknownAdvice
from bursar.domain.money import plain
from bursar.governance.drafts import KeptDraft, keep_draft, kept_drafts

REVIEWS_REMEMBERED = 16
BREAKS_LIVE = timedelta(days=2)  # what workers tell of is today and yesterday
_ONE_AT_A_TIME = threading.Lock()


class SavingAnswer(msgspec.Struct, frozen=True):
    """USD a month as decimal text: what is expected, between `low` and `high` in nineteen of twenty months."""

    expected: str
    low: str
    high: str


class ChangeAnswer(msgspec.Struct, frozen=True):
    """The exact change. kind: policy, route, cache or budget, which can be kept as a draft; `client`: the caller's.

    mark: what tells whether it is still this one; `apply` takes it as `seen`. is_on: its draft is there and on.
    terms: of the control, as its own address takes them. before, after: in words. steps: what the caller does, beside
    what is kept or alone.
    """

    kind: str
    name: str
    terms: dict[str, Any]
    before: list[str]
    after: list[str]
    steps: list[str]
    mark: str
    is_on: bool


class AdviceAnswer(msgspec.Struct, frozen=True):
    """One advice. saving: null: unknown. net: what it adds to those before it, in no total if null.

    scope: filters that open to its calls; examples: ids of calls that show it. attempts, spent: of the period.
    confidence: measured, sampled or estimated. effort, risk: low, medium or high. is_proven: false: try it first.
    evidence: which part of a prompt breaks its cache, and what that costs, where the workers saw it.
    """

    id: str
    kind: str
    kind_name: str
    title: str
    why: str
    scope: list[str]
    examples: list[str]
    attempts: int
    spent: str
    saving: SavingAnswer | None
    net: str | None
    confidence: str
    effort: str
    risk: str
    is_proven: bool
    change: ChangeAnswer
    doubts: list[str]
    evidence: list[str]


class ReviewAnswer(msgspec.Struct, frozen=True):
    """All advice on a period, by what it saves. total: USD a month, each charge counted once.

    spent_monthly: what the charges that were looked at cost, as a month's. too_short: fewer than three days of calls.
    """

    period: PeriodAnswer
    filters: list[str]
    currency: str
    days: str
    spent_monthly: str
    total: str
    too_short: bool
    advice: list[AdviceAnswer]


CSV_FIELDS = (
    "id", "kind", "title", "expected", "low", "high", "net", "confidence", "effort", "risk", "is_proven", "attempts",
    "spent", "change", "name", "scope", "why",
)  # fmt: skip


def reviewed(context: ConsoleContext, view: View) -> Review:
    """The advice on a view's period and filters, at most ten minutes old; whose draft is on is in no total any more."""
    key = (view.period_name, view.timezone, view.filters)
    now_us = context.clock.now_us()
    with _ONE_AT_A_TIME:
        made_us, found = context.reviews.get(key, (0, None))
        if found is None or not 0 <= now_us - made_us < REVIEW_LIVES_US:
            breaks = _breaks(context, view)
            with context.ledger.reading() as session:
                look = Look(
                    session, context.ledger.dialect, view.period, context.prices(), now_us, view.filters, breaks
                )
                found = review(look)
            while len(context.reviews) >= REVIEWS_REMEMBERED:
                del context.reviews[next(iter(context.reviews))]
            context.reviews[key] = (now_us, found)
    return _without_what_is_on(found, switched_on(context))


def _breaks(context: ConsoleContext, view: View) -> list[PromptBreak]:
    """What breaks prompt caches now, where the view is about now and about whole segments: the workers tell neither of
    last month nor of one customer."""
    ended = context.now() - view.period.end
    if ended > BREAKS_LIVE or any(one.field not in SEGMENT_COLUMNS for one in view.filters):
        return []
    return prompt_breaks(context)


def known_review(context: ConsoleContext, view: View) -> Review | None:
    """The advice on a view as somebody asked for it lately; None: nobody did, and a page shouldn't wait for it."""
    made_us, found = context.reviews.get((view.period_name, view.timezone, view.filters), (0, None))
    if found is None or not 0 <= context.clock.now_us() - made_us < REVIEW_LIVES_US:
        return None
    return _without_what_is_on(found, switched_on(context))


def switched_on(context: ConsoleContext) -> frozenset[tuple[str, str]]:
    """(kind, name) of policies, routes and cache rules that are on."""
    if context.open_controls is None:
        return frozenset()
    return frozenset(
        about
        for about, kept in kept_drafts(context.controls(), context.budgets and context.budgets()).items()
        if kept.is_on
    )


def _without_what_is_on(found: Review, on: frozenset[tuple[str, str]]) -> Review:
    """What an advice saves since it was taken isn't promised again, though most of its period lies before."""
    ranked = [
        msgspec.structs.replace(row, net=None) if (row.advice.change.kind, row.advice.change.name) in on else row
        for row in found.ranked
    ]
    together = sum((row.net for row in ranked if row.net is not None), Decimal(0))
    return msgspec.structs.replace(found, ranked=ranked, total=together)


def mark_of_change(change: Draft) -> str:
    """What tells whether a change is still the one that somebody saw."""
    told = msgspec.json.encode((change.kind, change.name, change.terms), order="deterministic")
    return blake2b(told, digest_size=8).hexdigest()


def advised(context: ConsoleContext, view: View, advice_id: str) -> Advice:
    """The advice of that id. Raises UnknownAdvice."""
    found = reviewed(context, view).one(advice_id)
    if found is None:
        raise UnknownAdvice(
            f"there is no advice {advice_id[:40]!r} on this period; `bursar advice` lists what there is"
        )
    return found


def apply_advice(context: ConsoleContext, view: View, advice_id: str, seen: str | None = None) -> KeptDraft:
    """Keep an advice's change as a draft that is off.

    seen: the mark of the change that somebody has looked at; None: whatever it is now.
    Raises UnknownAdvice, ChangedMeanwhile, BadControl, NameTaken, Unavailable.
    """
    change = advised(context, view, advice_id).change
    if seen is not None and seen != mark_of_change(change):
        raise ChangedMeanwhile(
            "the advice says another change by now, since newer calls are in it: look at it again, then keep it",
            field="seen",
        )
    controls, budgets = context.controls(), context.budgets and context.budgets()
    kept = keep_draft(controls, budgets, change.kind, change.name, change.terms, actor=ACTOR)
    if kept.kind == "budget":
        context.tell_budgets()
    else:
        controls.publish()
    return kept


def review_answer(context: ConsoleContext, view: View) -> ReviewAnswer:
    found, on = reviewed(context, view), switched_on(context)
    return ReviewAnswer(
        period_answer(view.period), [filter_text(one) for one in view.filters], context.config.console.currency,
        plain(round(found.days, 2)), plain(monthly_spend(found)), plain(found.total), found.too_short,
        [_advice(row, on) for row in found.ranked],
    )  # fmt: skip


def monthly_spend(found: Review) -> Decimal:
    """What was spent, as a month's."""
    return round(found.spent * MONTH_DAYS / found.days, 4)


def review_csv(answer: ReviewAnswer) -> bytes:
    """A row for each advice."""

    def row(one: AdviceAnswer) -> list[Any]:
        saving = one.saving or SavingAnswer("", "", "")
        more = {
            "expected": saving.expected, "low": saving.low, "high": saving.high, "change": one.change.kind,
            "name": one.change.name, "scope": " ".join(one.scope),
        }  # fmt: skip
        return [more[name] if name in more else getattr(one, name) for name in CSV_FIELDS]

    return csv_bytes(CSV_FIELDS, map(row, answer.advice))


def _advice(row: Ranked, on: frozenset[tuple[str, str]]) -> AdviceAnswer:
    one = row.advice
    return AdviceAnswer(
        one.id, one.kind, KINDS[one.kind], one.title, one.why, [filter_text(part) for part in one.scope],
        list(one.examples), one.attempts, plain(one.spent), _saving(one.saving),
        None if row.net is None else plain(row.net), one.confidence, one.effort, one.risk, one.is_proven,
        _change(one.change, on), list(one.doubts), list(one.evidence),
    )  # fmt: skip


def _saving(saving: Estimate | None) -> SavingAnswer | None:
    return None if saving is None else SavingAnswer(plain(saving.expected), plain(saving.low), plain(saving.high))


def _change(change: Draft, on: frozenset[tuple[str, str]]) -> ChangeAnswer:
    return ChangeAnswer(
        change.kind, change.name, change.terms, list(change.before), list(change.after), list(change.steps),
        mark_of_change(change), (change.kind, change.name) in on,
    )  # fmt: skip
