"""What budgets, policies, alerts and channels count for, read from a real control store; and what doesn't count."""

import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text
from tests.maturity.facts_made import NOW

from bursar.alerts.desk import AlertDesk
from bursar.alerts.rules import Budgets as BudgetsRule
from bursar.alerts.rules import DailySpend, PeriodSpend, Rule, TagCoverage
from bursar.budgets.budget import Budget, pico_of
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.domain.alerts import Finding, Severity
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.domain.controls import PolicyTerms
from bursar.governance.alerts import Channel
from bursar.governance.budgets import Budgets
from bursar.governance.policies import Policies
from bursar.governance.reviews import ReviewBook
from bursar.governance.store import ControlStore
from bursar.maturity.controls import DAY_US, Read, read_audit, read_controls
from bursar.maturity.facts import AlertFacts, Settings

SECRET = bytes(range(32))
SPENT = Decimal(100)
ACTOR = "test"


class Site:
    """A control store and what may be decided in it."""

    def __init__(self, path: Path) -> None:
        self.store = ControlStore(path)
        self.clock = FixedClock(us_from_datetime(NOW))
        self.desk = AlertDesk(self.store, SECRET, self.clock, "UTC")
        self.budgets = Budgets(self.store, SECRET, self.clock)
        self.policies = Policies(self.store, SECRET, self.clock)

    def budget(self, limit: str = "50", window: str = "month", **more: Any) -> None:
        schedule = Schedule(parse_spec(window))
        made = Budget(
            budget_id="", name=f"b{limit}", limit=LimitPlan(pico_of(Decimal(limit), "")), window=schedule, **more
        )
        self.budgets.create(made, actor=ACTOR)

    def channel(self, name: str = "ops", **more: Any) -> None:
        self.desk.put_channel(Channel(name, "apprise", "env:OPS", **more), actor=ACTOR)

    def rule(self, what: Any, **more: Any) -> None:
        self.desk.put_rule(Rule(f"r{len(self.desk.rules())}", what, **more), actor=ACTOR)

    def read(self, *, alerts_on: bool = True) -> Read:
        return read_controls(
            self.store, SECRET, self.clock, read_audit(self.store, SECRET), spent=SPENT, loops_cut=True,
            alerts_on=alerts_on,
        )  # fmt: skip

    @property
    def alerts(self) -> AlertFacts:
        return self.read().settings.alerts


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the rules that come with Bursar are off; made once, since migrating takes its time."""
    path = tmp_path_factory.mktemp("store") / "control.sqlite"
    desk = Site(path).desk
    for rule in desk.rules():
        desk.set_on("rule", rule.name, False, actor=ACTOR)
    return path


@pytest.fixture
def site(untouched: Path, tmp_path: Path) -> Site:
    return Site(Path(shutil.copy(untouched, tmp_path / "control.sqlite")))


def test_a_store_that_nobody_touched_holds_nothing(tmp_path: Path):
    store = ControlStore(tmp_path / "control.sqlite")
    found = read_controls(
        store, SECRET, FixedClock(0), read_audit(store, SECRET), spent=SPENT, loops_cut=False, alerts_on=True
    )  # fmt: skip
    assert {one.condition for one in found.parts.values()} == {"false"}
    assert found.settings.alerts.silent == 8  # the rules that come with Bursar are on, and nobody is told
    assert (found.settings.audit.entries, found.settings.audit.broken, found.settings.loops_cut) == (0, None, False)
    assert msgspec.structs.replace(found.settings, alerts=AlertFacts(), opens={}) == Settings(loops_cut=False)


@pytest.mark.parametrize(
    ("terms", "counts"),
    [
        ({}, True),
        ({"mode": "expected"}, True),
        ({"mode": "clamp"}, True),
        ({"mode": "warn"}, False),
        ({"limit": "2000"}, True),  # twenty times what was spent
        ({"limit": "2001"}, False),
        ({"window": "2027-01-01..2027-03-31"}, False),  # not in force yet
        ({"window": "2026-01-01..2026-12-31"}, True),
    ],
)
def test_a_budget_counts_if_it_refuses_now_and_its_limit_is_meant(site: Site, terms: dict[str, Any], counts: bool):
    site.budget(**terms)
    assert site.read().parts["budgeted"].is_whole is counts
    assert site.read().settings.budgets == 1


def test_a_small_limit_is_meant_however_little_was_spent(site: Site):
    site.budget("100")
    found = read_controls(
        site.store, SECRET, site.clock, read_audit(site.store, SECRET), spent=Decimal(0), loops_cut=True, alerts_on=True
    )  # fmt: skip
    assert found.parts["budgeted"].is_whole


def test_owners_are_counted(site: Site):
    site.budget("1", contact="ada")
    site.budget("2", contact=" ")
    assert (site.read().settings.budgets, site.read().settings.owned) == (2, 1)


@pytest.mark.parametrize(
    ("terms", "part"),
    [
        (PolicyTerms(output_tokens_max=131_072), "limited"),
        (PolicyTerms(allow_models=("*", "gpt-*")), "chosen"),
        (PolicyTerms(deny_providers=("x",)), "chosen"),
        (PolicyTerms(require_tags=("feature",)), "required"),
        (PolicyTerms(require_tags=("feature",), on_missing="default", tag_defaults={"feature": "x"}), "required"),
        (PolicyTerms(output_tokens_max=131_073), ""),
        (PolicyTerms(allow_models=("*",)), ""),
        (PolicyTerms(require_tags=("team",)), ""),
        (PolicyTerms(require_tags=("feature",), on_missing="warn"), ""),
    ],
)
def test_a_policy_counts_for_what_it_holds(site: Site, terms: PolicyTerms, part: str):
    site.policies.create("one", terms, is_on=True, actor=ACTOR)
    assert {name for name, one in site.read().parts.items() if one.is_whole} == ({part} if part else set())
    site.policies.switch("one", False, actor=ACTOR)
    assert not any(one.is_whole for one in site.read().parts.values())


@pytest.mark.parametrize(
    ("what", "counts"),
    [
        (DailySpend(), "spend"),
        (DailySpend(factor=Decimal(10)), "spend"),
        (DailySpend(factor=Decimal(11)), ""),
        (DailySpend(filters=("feature=a",)), ""),
        (PeriodSpend(Decimal(2000)), "spend"),
        (PeriodSpend(Decimal(2001)), ""),
        (PeriodSpend(Decimal(20), filters=("feature=a",)), ""),
        (TagCoverage(), "tags"),
        (BudgetsRule(), ""),  # there is no budget
    ],
)
def test_a_rule_counts_if_it_is_about_all_spend_and_can_come_true(site: Site, what: Any, counts: str):
    site.channel()
    site.rule(what)
    found = site.alerts
    assert {name for name in ("spend", "tags", "forecast") if getattr(found, name)} == ({counts} if counts else set())
    assert found.silent == 0


def test_a_rule_on_budgets_watches_the_spend_where_there_are_some(site: Site):
    site.channel()
    site.rule(BudgetsRule(forecast=False))
    site.budget()
    assert (site.alerts.spend, site.alerts.forecast) == (1, 0)
    site.rule(BudgetsRule())
    assert (site.alerts.spend, site.alerts.forecast) == (2, 1)


def _off(site: Site) -> None:
    site.desk.set_on("channel", "ops", False, actor=ACTOR)


def _named(site: Site) -> None:
    site.channel(takes_all=False)


def _failed(site: Site) -> None:
    _deliver(site, "given_up")


@pytest.mark.parametrize("spoil", [_off, _named, _failed])
def test_a_rule_that_no_working_channel_takes_is_silent(site: Site, spoil: Callable[[Site], None]):
    site.channel()
    site.rule(DailySpend())
    assert (site.alerts.spend, site.alerts.silent) == (1, 0)
    spoil(site)
    assert (site.alerts.spend, site.alerts.silent) == (0, 1)


def test_a_channel_that_took_the_next_message_works_again(site: Site):
    site.channel()
    site.rule(DailySpend())
    _deliver(site, "given_up")
    _deliver(site, "waiting")
    assert (site.alerts.spend, site.alerts.silent) == (0, 1)  # it hasn't taken that one yet
    _deliver(site, "delivered")
    assert (site.alerts.spend, site.alerts.silent) == (1, 0)


def test_where_alerts_are_off_in_the_settings_every_rule_is_silent(site: Site):
    site.channel()
    site.rule(DailySpend())
    found = site.read(alerts_on=False).settings.alerts
    assert (found.is_on, found.spend, found.silent) == (False, 0, 1)


def test_alerts_of_the_measured_days_must_be_answered_once_they_are_three_days_old(site: Site):
    now_us = site.clock.now_us()
    for days, value in ((31, "older"), (10, "seen"), (5, "waits"), (2, "new")):
        finding = Finding("r", value, "", Severity.INFO, value, value, "/")
        (raised,) = site.desk.outbox.raise_new([(finding, [])], now_us - days * DAY_US)
        if value == "seen":
            site.desk.acknowledge(raised.alert_id, actor=ACTOR)
    assert (site.alerts.raised, site.alerts.answered) == (2, 1)


def test_the_last_reviews_are_read(site: Site):
    book = ReviewBook(site.store, SECRET, site.clock)
    now_us = site.clock.now_us()
    book.record("weekly", by="Ada", actor=ACTOR, at_us=now_us - DAY_US)
    book.record("monthly", by="Ada", actor=ACTOR)
    found = site.read().settings
    assert (found.weekly_us, found.monthly_us) == (now_us - DAY_US, now_us)


def test_a_log_that_this_secret_did_not_chain_is_broken_from_its_first_entry_on(site: Site):
    site.budget()
    found = read_audit(site.store, SECRET)
    assert (found.entries > 3, found.broken) == (True, None)
    assert read_audit(site.store, b"another" * 4).broken == 1


def _deliver(site: Site, state: str) -> None:
    """A message to the channel, and what became of it."""
    now_us = site.clock.now_us()
    site.clock.at_us += 1
    finding = Finding("r", state, str(now_us), Severity.INFO, state, state, "/")
    site.desk.outbox.raise_new([(finding, ["ops"])], now_us)
    with site.store.writing() as connection:
        connection.execute(text("UPDATE alert_deliveries SET state = :state WHERE state = 'waiting'"), {"state": state})
