"""The control store's side of the checks: what budgets, policies and alerts say now, and whether that is meant."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Connection, case, func, select

from bursar.alerts.rules import Budgets as BudgetsRule
from bursar.alerts.rules import DailySpend, PeriodSpend, Rule, TagCoverage, read_rule
from bursar.budgets.budget import Budget
from bursar.budgets.limits import limit_at
from bursar.budgets.schedule import scheduled_window
from bursar.domain.clock import Clock
from bursar.domain.controls import Policy, PolicyTerms
from bursar.domain.errors import BadAlert
from bursar.domain.money import usd_from_pico
from bursar.governance.alert_rows import TEST_RULE
from bursar.governance.alerts import AlertSettings, Channel, StoredRule, channels_for
from bursar.governance.audit import audit_entries, first_broken_entry
from bursar.governance.budgets import Budgets
from bursar.governance.register import controls_in_force
from bursar.governance.reviews import ReviewBook
from bursar.governance.schema import ALERT_DELIVERIES, ALERTS
from bursar.governance.store import ControlStore
from bursar.maturity.books import ANSWERED
from bursar.maturity.coverage import Covered, Subject, address, covered
from bursar.maturity.facts import AlertFacts, AuditFacts, Settings
from bursar.maturity.steps import MEASURED_DAYS

LOOSE_TIMES = 20
"""A limit of more than so many times what all calls cost in the measured days would stop nothing: it isn't meant."""

LOOSE_USD = Decimal(100)  # a limit up to here is meant, however little was spent
LOOSE_TOKENS = 131_072  # no model of today answers longer: a cap above it is none
LOOSE_FACTOR = Decimal(10)  # a day that costs ten times a usual one is noticed without an alert
ANSWERED_AFTER_DAYS = 3
DAY_US = 86_400_000_000
ANSWERS = tuple(f"operation={name}" for name in ANSWERED)
DRY_RUN = "warn"


class Read(NamedTuple):
    """parts: by name, what budgets and policies are about, to be asked of the ledger."""

    settings: Settings
    parts: dict[str, Covered]


def read_audit(store: ControlStore, secret: bytes) -> AuditFacts:
    """The whole log, looked through from its first entry on."""
    with store.reading() as connection:
        entries = audit_entries(connection)
    return AuditFacts(len(entries), first_broken_entry(entries, secret))


def read_controls(
    store: ControlStore,
    secret: bytes,
    clock: Clock,
    audit: AuditFacts,
    *,
    spent: Decimal,
    loops_cut: bool,
    alerts_on: bool,
) -> Read:
    """spent: USD over the measured days, which limits are held against. loops_cut, alerts_on: by the settings file."""
    now_us = clock.now_us()
    budgets = Budgets(store, secret, clock).all()
    with store.reading() as connection:
        policies = controls_in_force(connection)["policies"]
        working = _working_channels(connection)
        raised, answered = _answered(connection, now_us)
    alerts, reviews = AlertSettings(store, secret, clock), ReviewBook(store, secret, clock)
    channels = [one for one in alerts.channels() if one.name not in working or working[one.name]]
    weekly, monthly = reviews.last("weekly"), reviews.last("monthly")
    most = max(LOOSE_TIMES * spent, LOOSE_USD)
    parts = {
        "budgeted": covered(_held_by(budgets, most, now_us), "budgeted", "model_asked"),
        "limited": covered(_about(policies, _limits_answers), "limited", "model_sent"),
        "chosen": covered(_about(policies, _chooses_models), "chosen", "model_sent"),
        "required": covered(_about(policies, _requires_feature), "required", "model_sent"),
    }
    settings = Settings(
        budgets=len(budgets),
        owned=sum(bool(one.contact.strip()) for one in budgets),
        loops_cut=loops_cut,
        alerts=_alert_facts(alerts.rules(), channels, most, alerts_on, bool(budgets), raised, answered),
        audit=audit,
        weekly_us=weekly.at_us if weekly else None,
        monthly_us=monthly.at_us if monthly else None,
        opens={name: _opens(one, ANSWERS if name == "limited" else ()) for name, one in parts.items()},
    )
    return Read(settings, parts)


def _held_by(budgets: Iterable[Budget], most: Decimal, now_us: int) -> list[Subject]:
    """Budgets that refuse now, with a limit that isn't out of reach."""
    return [Subject(one.match, one.each) for one in budgets if one.mode != DRY_RUN and _holds(one, most, now_us)]


def _holds(budget: Budget, most: Decimal, now_us: int) -> bool:
    limit_pico = limit_at(budget.limit, now_us).limit_pico
    return scheduled_window(budget.window, now_us).in_force and usd_from_pico(budget.usd_pico(limit_pico)) <= most


def _about(policies: Iterable[Policy], says: Callable[[PolicyTerms], bool]) -> list[Subject]:
    return [Subject(one.terms.match) for one in policies if says(one.terms)]


def _limits_answers(terms: PolicyTerms) -> bool:
    return terms.output_tokens_max is not None and terms.output_tokens_max <= LOOSE_TOKENS


def _chooses_models(terms: PolicyTerms) -> bool:
    allowed = [name for name in (*terms.allow_models, *terms.allow_providers) if name != "*"]
    return bool(allowed or terms.deny_models or terms.deny_providers)


def _requires_feature(terms: PolicyTerms) -> bool:
    return "feature" in terms.require_tags and terms.on_missing != DRY_RUN


def _opens(one: Covered, of: tuple[str, ...]) -> str:
    """Where the calls open that are not covered; "" where no filters say it, or there are none. of: what is looked at
    at all."""
    return "" if one.is_whole or one.others is None else address("/explore", [*of, *one.others])


def _alert_facts(
    stored: Sequence[StoredRule], channels: Sequence[Channel], most: Decimal, is_on: bool, has_budgets: bool,
    raised: int, answered: int,
) -> AlertFacts:  # fmt: skip
    heard, silent = [], 0
    for one in stored:
        if not one.is_on:
            continue
        if not (is_on and channels_for(one, channels)):
            silent += 1
            continue
        try:
            heard.append(read_rule(one))
        except BadAlert:  # of a newer version; the watch tells it
            continue
    return AlertFacts(
        is_on=is_on,
        spend=sum(_is_on_spend(rule, most, has_budgets) for rule in heard),
        forecast=sum(isinstance(rule.what, BudgetsRule) and rule.what.forecast and has_budgets for rule in heard),
        tags=sum(isinstance(rule.what, TagCoverage) for rule in heard),
        silent=silent,
        raised=raised,
        answered=answered,
    )


def _is_on_spend(rule: Rule, most: Decimal, has_budgets: bool) -> bool:
    """Whether the rule is about all spend, and can come true."""
    match rule.what:
        case DailySpend(factor=factor, filters=()):
            return factor <= LOOSE_FACTOR
        case PeriodSpend(amount_usd=amount, filters=()):
            return amount <= most
        case BudgetsRule():
            return has_budgets
    return False


def _working_channels(connection: Connection) -> dict[str, bool]:
    """Whether each channel took its last message; one that never had to isn't in it."""
    table = ALERT_DELIVERIES
    ended = table.c.state.in_(("delivered", "given_up"))
    newest = select(func.max(table.c.number)).where(ended).group_by(table.c.channel)
    asked = select(table.c.channel, table.c.state).where(table.c.number.in_(newest))
    return {row.channel: row.state == "delivered" for row in connection.execute(asked)}


def _answered(connection: Connection, now_us: int) -> tuple[int, int]:
    """Alerts of the measured days that are old enough to be answered, and how many were."""
    first, last = now_us - MEASURED_DAYS * DAY_US, now_us - ANSWERED_AFTER_DAYS * DAY_US
    was_seen = func.sum(case((ALERTS.c.acknowledged_us.is_not(None), 1), else_=0))
    asked = select(func.count(), was_seen).where(
        ALERTS.c.raised_us >= first, ALERTS.c.raised_us < last, ALERTS.c.rule != TEST_RULE
    )
    raised, answered = connection.execute(asked).one()
    return int(raised), int(answered or 0)
