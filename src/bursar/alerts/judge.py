"""Judges what is known by the rules: (rule, facts, episodes, now) → findings. Reads no clock and no store.

A finding says its numbers and where to look. What goes on is found again each time under the same key: of a day, a
month, a budget's window, or an episode, which lasts until the thing wasn't seen for a while.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from urllib.parse import quote, urlencode

import msgspec

from bursar.alerts import rules
from bursar.alerts.dear_enough import tells_of
from bursar.alerts.facts import BudgetStanding, DayFacts, Facts, PeriodFacts
from bursar.alerts.promises import judge_promises, usd
from bursar.alerts.rules import Rule
from bursar.alerts.steps import judge_steps
from bursar.domain import display
from bursar.domain.alerts import TITLE_CHARS_MAX, VALUE_CHARS_MAX, Finding, Severity
from bursar.domain.clock import datetime_from_us
from bursar.domain.money import plain, usd_from_pico
from bursar.watch.telling import per_day_pico, title_of, where_of, why_of

USUAL_DAYS = 14
USUAL_DAYS_MIN = 5  # fewer complete days are no habit yet
STORM_MINUTES = 10
STORM_OVER = timedelta(minutes=30)  # without errors above the limit, until the next storm is news
APPROVALS_OVER = timedelta(hours=2)  # without a call that waits for one: each hour's first call is a while in coming
UNPRICED_OVER = timedelta(days=7)  # without a call of that model, likewise
FINDINGS_MAX = 50  # of one rule at once
GRAVE_TIMES = 10  # the amount that an anomaly is told from: then it is told once more, and wakes people


class Episode(msgspec.Struct, frozen=True):
    """Something that was found before: under which window, and when it was last so."""

    window: str
    seen_at: datetime


Episodes = Mapping[tuple[str, str], Episode]


def judge(rule: Rule, facts: Facts, episodes: Episodes, now: datetime) -> list[Finding]:
    """What this rule finds now, in the order of what is gravest to tell; FINDINGS_MAX at most."""
    found = list(_found(rule, facts, episodes, now))[:FINDINGS_MAX]
    if rule.severity is None:
        return found
    return [msgspec.structs.replace(one, severity=rule.severity) for one in found]


def _found(rule: Rule, facts: Facts, episodes: Episodes, now: datetime) -> Iterator[Finding]:
    match rule.what:
        case rules.DailySpend():
            return _daily_spend(rule, rule.what, facts)
        case rules.PeriodSpend():
            return _period_spend(rule, rule.what, facts)
        case rules.UnpricedCharges():
            return _unpriced(rule, facts, episodes, now)
        case rules.EstimatedShare():
            return _estimated(rule, rule.what, facts)
        case rules.ErrorStorm():
            return _error_storm(rule, rule.what, facts, episodes, now)
        case rules.TagCoverage():
            return _tag_coverage(rule, rule.what, facts)
        case rules.Budgets():
            return _budgets(rule, rule.what, facts, now)
        case rules.Loops():
            return _loops(rule, facts)
        case rules.RetryCap():
            return _retries(rule, facts)
        case rules.Approvals():
            return _approvals(rule, facts, episodes, now)
        case rules.SentReports() | rules.SentStatements() | rules.Reviews():
            return _sent(rule, rule.what, facts, episodes)
        case rules.Commitments() | rules.LostSteps():
            return _noted(rule, rule.what, facts, now)
        case rules.Anomaly():
            return _anomalies(rule, rule.what, facts)


def _noted(rule: Rule, what: rules.Commitments | rules.LostSteps, facts: Facts, now: datetime) -> Iterator[Finding]:
    """What other parts of the console work out and keep."""
    if isinstance(what, rules.LostSteps):
        return judge_steps(rule, facts.steps_lost())
    return judge_promises(rule, what, facts.commitments(), now)


def usual_day(earlier: Sequence[Decimal | None]) -> Decimal | None:
    """The median of the last fourteen complete days, those without a known cost left out; None: too few to say."""
    known = [cost for cost in earlier[-USUAL_DAYS:] if cost is not None]
    return median(known) if len(known) >= USUAL_DAYS_MIN else None


def _daily_spend(rule: Rule, what: rules.DailySpend, facts: Facts) -> Iterator[Finding]:
    for day in facts.days(rule.filters):
        yield from _one_day(rule, what, day)


def _one_day(rule: Rule, what: rules.DailySpend, day: DayFacts) -> Iterator[Finding]:
    usual = usual_day(day.earlier)
    if usual is None or usual <= 0 or day.spent is None:
        return
    limit = usual * what.factor
    if day.spent <= limit or day.spent < what.least_usd:
        return
    times = (day.spent / usual).quantize(Decimal("0.1"))
    title = f"Spend on {day.day} was" if day.is_over else "Spend today is"
    yield _finding(
        rule, f"{plain(what.factor)}x {_scope(what.filters)}", day.day, Severity.CRITICAL,
        f"{title} {times}× the usual: {usd(day.spent)}",
        f"{usd(day.spent)} was spent on {day.day}{'' if day.is_over else ' so far'}{_only(what.filters)}. A usual day "
        f"costs {usd(usual)} (the median of the last {min(len(day.earlier), USUAL_DAYS)} complete days); this rule "
        f"tells you above {plain(what.factor)}×, {usd(limit)}.{_missing(day.unpriced)}",
        _explore(day.day if day.is_over else "today", what.filters),
    )  # fmt: skip


def _period_spend(rule: Rule, what: rules.PeriodSpend, facts: Facts) -> Iterator[Finding]:
    for period in facts.periods(rule.filters, what.period):
        yield from _one_period(rule, what, period)


def _one_period(rule: Rule, what: rules.PeriodSpend, period: PeriodFacts) -> Iterator[Finding]:
    if period.spent is None or period.spent <= what.amount_usd:
        return
    word = {"day": "today", "week": "this week", "month": "this month"}[what.period]
    if period.is_over:
        word = {"day": "yesterday", "week": "last week", "month": "last month"}[what.period]
    yield _finding(
        rule, f"{plain(what.amount_usd)} a {what.period} {_scope(what.filters)}", period.window, Severity.WARNING,
        f"Spend {word} is above {usd(what.amount_usd)}: {usd(period.spent)}",
        f"{usd(period.spent)} was spent {word}, from {period.window} on{_only(what.filters)}; this rule tells you "
        f"above {usd(what.amount_usd)}.{_missing(period.unpriced)}",
        _explore(period.name, what.filters),
    )  # fmt: skip


def _unpriced(rule: Rule, facts: Facts, episodes: Episodes, now: datetime) -> Iterator[Finding]:
    for one in facts.unpriced(rule.filters):
        value, model = f"{one.provider}/{one.model}", one.model or "(no model)"
        yield _finding(
            rule, value, _window(rule, value, episodes, now, UNPRICED_OVER), Severity.WARNING,
            f"{model} has no price",
            f"{_many(one.attempts, 'attempt')} of {model} at {one.provider or 'an unknown provider'} in the last "
            f"day {'has' if one.attempts == 1 else 'have'} no price: the cost is unknown, and in no sum. Price it by "
            f"`bursar prices set {one.provider or 'PROVIDER'}/{one.model or 'MODEL'} --input USD --output USD`; within "
            "seconds these calls are priced too.",
            "/prices",
        )  # fmt: skip


def _estimated(rule: Rule, what: rules.EstimatedShare, facts: Facts) -> Iterator[Finding]:
    day = facts.doubts(rule.filters)
    unsure = day.estimated + day.assumed
    if day.attempts < what.attempts or unsure * 100 <= what.percent * day.attempts:
        return
    yield _finding(
        rule, f"{plain(what.percent)}% {_scope(what.filters)}", day.day, Severity.WARNING,
        f"{display.percent(unsure, day.attempts)} of today's charges aren't sure",
        f"Of {_many(day.attempts, 'attempt')} on {day.day}{_only(what.filters)}, {day.estimated} came without usage "
        f"and are counted from their bytes, {day.assumed} never answered and are booked at the most they can cost. "
        f"This rule tells you above {plain(what.percent)} %.",
        _explore("today", what.filters, by="quality"),
    )  # fmt: skip


def _error_storm(
    rule: Rule, what: rules.ErrorStorm, facts: Facts, episodes: Episodes, now: datetime
) -> Iterator[Finding]:
    for one in facts.providers():
        if one.attempts < what.attempts or one.failed * 100 <= what.percent * one.attempts:
            continue
        yield _finding(
            rule, one.provider, _window(rule, one.provider, episodes, now, STORM_OVER), Severity.CRITICAL,
            f"{one.provider or 'A provider'} fails {display.percent(one.failed, one.attempts)} of attempts",
            f"Within {STORM_MINUTES} minutes {one.failed} of {_many(one.attempts, 'attempt')} at "
            f"{one.provider or 'an unknown provider'} ended in an error of the provider or timed out. This rule tells "
            f"you above {plain(what.percent)} % of at least {what.attempts}.",
            _explore("today", [f"provider={one.provider}"], by="error_code"),
        )  # fmt: skip


def _tag_coverage(rule: Rule, what: rules.TagCoverage, facts: Facts) -> Iterator[Finding]:
    week = facts.coverage(rule.filters, what.dimension)
    said = week.total - week.untagged
    if week.total <= 0 or said * 100 >= what.percent * week.total:
        return
    named = what.dimension.removeprefix("tag:")
    yield _finding(
        rule, f"{what.dimension} {plain(what.percent)}% {_scope(what.filters)}", week.window, Severity.INFO,
        f"Only {display.percent(said, week.total) if said else '0 %'} of spend says its {named}",
        f"{usd(week.untagged)} of the {usd(week.total)} of the last seven days{_only(what.filters)} has no {named}; "
        f"this rule tells you below {plain(what.percent)} %. Send X-Bursar-Tags with those calls, or give their keys "
        "a default.",
        _explore("7d", [f"{what.dimension}=", *what.filters], by="credential_id"),
    )  # fmt: skip


def _budgets(rule: Rule, what: rules.Budgets, facts: Facts, now: datetime) -> Iterator[Finding]:
    for one in facts.budgets():
        yield from _thresholds(rule, what, one)
        if what.forecast and one.exhausts_us is not None and one.spent_pico < one.limit_pico:
            at = datetime_from_us(one.exhausts_us)
            if at > now:
                yield _finding(
                    rule, f"{one.budget_id}={one.value} forecast", one.window_key, Severity.WARNING,
                    f"Budget {_named(one)} will be used up on {display.day(at, year=True)}",
                    f"{_spent(one)} At this pace nothing is left from {at:%Y-%m-%d %H:%M} UTC on, before its window "
                    f"{one.window_key} ends.",
                    "/budgets",
                )  # fmt: skip


def _thresholds(rule: Rule, what: rules.Budgets, one: BudgetStanding) -> Iterator[Finding]:
    """Only the highest one that is reached: who crosses 80 and 100 at once is told of 100."""
    if one.limit_pico <= 0:
        return
    reached = [percent for percent in what.percents if one.spent_pico * 100 >= percent * one.limit_pico]
    if not reached:
        return
    percent = max(reached)
    severity = Severity.CRITICAL if percent >= 100 else Severity.WARNING if percent >= 80 else Severity.INFO
    title = f"Budget {_named(one)} is used up" if percent >= 100 else f"Budget {_named(one)} is at {percent} %"
    yield _finding(
        rule, f"{one.budget_id}={one.value} {percent}%", one.window_key, severity, title,
        f"{_spent(one)} That is {display.percent(one.spent_pico, one.limit_pico)}; this rule tells you at {percent} %.",
        "/budgets",
    )  # fmt: skip


def _loops(rule: Rule, facts: Facts) -> Iterator[Finding]:
    for cut in facts.loops():
        at = datetime_from_us(cut.at_us)
        yield _finding(
            rule, cut.id, "", Severity.WARNING, "A loop was cut",
            f"{cut.text} Cut at {at:%Y-%m-%d %H:%M:%S} UTC; the command bursar loops shows it, and lifts it.",
            "/loops",
        )  # fmt: skip


def _retries(rule: Rule, facts: Facts) -> Iterator[Finding]:
    for one in facts.retries():
        if not one.refused and one.spent_pico < one.limit_pico:
            continue
        spent, limit = usd_from_pico(one.spent_pico + one.held_pico), usd_from_pico(one.limit_pico)
        yield _finding(
            rule, f"{one.scope}={one.value}", one.hour, Severity.WARNING,
            f"Retries of {one.scope} {one.value or '(none)'} have reached their cap",
            f"In the hour from {one.hour} on retries of {one.scope} {one.value or '(none)'} came to {usd(spent)} of "
            f"{usd(limit)} (gateway.retry_usd_per_hour_max), and {_many(one.refused, 'retry', 'retries')} "
            f"{'was' if one.refused == 1 else 'were'} not made: those clients get the first failure as it came. Look "
            "why attempts fail, or raise the cap.",
            "/loops",
        )  # fmt: skip


def _approvals(rule: Rule, facts: Facts, episodes: Episodes, now: datetime) -> Iterator[Finding]:
    for one in facts.approvals():
        value = f"{one.budget_id}={one.value} {one.percent}%"
        of_one = f" --value {shlex.quote(one.value)}" if one.value else ""
        named = f"{one.name} ({one.value})" if one.value else one.name
        yield _finding(
            rule, value, _window(rule, value, episodes, now, APPROVALS_OVER), Severity.CRITICAL,
            f"Budget {named} waits for an approval at {one.percent} %",
            f"{_many(one.calls, 'call')} {'was' if one.calls == 1 else 'were'} refused this hour, and more will be "
            f"until somebody lets calls go on: `bursar budgets approve {one.budget_id}{of_one}`, or its page.",
            f"/budgets/{quote(one.budget_id)}",
        )  # fmt: skip


def _sent(
    rule: Rule, what: rules.SentReports | rules.SentStatements | rules.Reviews, facts: Facts, episodes: Episodes
) -> Iterator[Finding]:
    """What is sent on its day, whatever it says."""
    match what:
        case rules.SentReports():
            return _report(rule, what, facts, episodes)
        case rules.SentStatements():
            return _statements(rule, what, facts)
        case rules.Reviews():
            return _review(rule, what, facts, episodes)


def _review(rule: Rule, what: rules.Reviews, facts: Facts, episodes: Episodes) -> Iterator[Finding]:
    period = facts.review_due(what.every, what.day, what.hour)
    known = episodes.get((rule.name, what.every))
    if not period or (known is not None and known.window == period):  # writing one takes a second
        return
    told = facts.review(period)
    yield _finding(rule, what.every, period, Severity.INFO, told.title, told.text, told.address)


def _report(rule: Rule, what: rules.SentReports, facts: Facts, episodes: Episodes) -> Iterator[Finding]:
    month = facts.review_due("monthly", what.day, what.hour)
    known = episodes.get((rule.name, what.report))
    if not month or (known is not None and known.window == month):  # making one takes seconds
        return
    told = facts.report(what.report, month)
    yield _finding(rule, what.report, month, Severity.INFO, told.title, told.text, told.address)


def _statements(rule: Rule, what: rules.SentStatements, facts: Facts) -> Iterator[Finding]:
    month = facts.review_due("monthly", what.day, what.hour)
    if not month:
        return
    for recipient, told in facts.statements(what.by, what.of, month, closed_only=what.closed_only):
        value = f"{what.by} {recipient}"
        yield _finding(rule, value, month, Severity.INFO, told.title, told.text, told.address)


def _anomalies(rule: Rule, what: rules.Anomaly, facts: Facts) -> Iterator[Finding]:
    for one in facts.anomalies():
        if not tells_of(what, one):
            continue
        why, where = why_of(one), where_of(one)
        monthly = f", {usd(usd_from_pico(one.per_month_pico))} a month if it goes on" if one.is_open else ""
        is_grave = usd_from_pico(per_day_pico(one)) >= GRAVE_TIMES * what.excess_usd_per_day and one.is_open
        yield _finding(
            rule, one.finding_id, "grave" if is_grave else "", Severity.CRITICAL if is_grave else Severity.WARNING,
            display.sentence(title_of(one)),
            f"Since {datetime_from_us(one.began_us):%Y-%m-%d %H:%M} UTC it cost "
            f"{usd(usd_from_pico(one.actual_pico))}, where {usd(usd_from_pico(one.expected_pico))} was to be "
            f"expected{monthly}."
            + (f" Why: {why}." if why else "") + (f" Where: {where}." if where else "")
            + f"{_missing(one.unpriced)} This rule tells you from {usd(what.excess_usd_per_day)} a day on; "
            f"`bursar anomalies show {one.finding_id}` has the calls.",
            f"/anomalies/{quote(one.finding_id)}",
        )  # fmt: skip


def _finding(rule: Rule, value: str, window: str, severity: Severity, title: str, text: str, address: str) -> Finding:
    return Finding(rule.name, value.strip()[:VALUE_CHARS_MAX], window, severity, title[:TITLE_CHARS_MAX], text, address)


def _window(rule: Rule, value: str, episodes: Episodes, now: datetime, over: timedelta) -> str:
    """The episode's that is still going on, or the start of a new one."""
    known = episodes.get((rule.name, value.strip()[:VALUE_CHARS_MAX]))
    if known is not None and known.window and now - known.seen_at < over:
        return known.window
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _named(one: BudgetStanding) -> str:
    return f"{one.name} ({one.value})" if one.value else one.name


def _spent(one: BudgetStanding) -> str:
    spent, limit, held = (usd_from_pico(pico) for pico in (one.spent_pico, one.limit_pico, one.held_pico))
    waits = f", and {usd(held)} is held for calls under way" if one.held_pico else ""
    return f"{usd(spent)} of {usd(limit)} is spent in {one.window_key}{waits}."


def _many(number: int, what: str, more: str = "") -> str:
    return f"{display.count(number)} {what if number == 1 else more or what + 's'}"


def _missing(unpriced: int) -> str:
    return (
        f" {_many(unpriced, 'attempt')} without a price {'is' if unpriced == 1 else 'are'} not in it."
        if unpriced
        else ""
    )


def _scope(filters: Sequence[str]) -> str:
    return " ".join(filters)


def _only(filters: Sequence[str]) -> str:
    return f" (only {', '.join(filters)})" if filters else ""


def _explore(period: str, filters: Sequence[str], by: str = "feature") -> str:
    return f"/explore?{urlencode([('period', period), ('by', by), *(('filter', text) for text in filters)])}"
