"""What an advice proposes is kept switched off; a budget has no switch, so it is a dry run."""

from pathlib import Path

import pytest

from bursar.domain.clock import FixedClock
from bursar.domain.errors import BadBudget, BadControl, BadWindow, BursarError, NameTaken, Unavailable
from bursar.governance.budgets import Budgets
from bursar.governance.caches import CacheBook
from bursar.governance.controls import Controls
from bursar.governance.drafts import KeptDraft, keep_draft, kept_drafts
from bursar.governance.keys import Keys
from bursar.governance.kills import Kills
from bursar.governance.limits import Limits
from bursar.governance.policies import Policies
from bursar.governance.routes import RouteBook
from bursar.governance.store import ControlStore

SECRET = bytes(range(32))
TERMS = {"limit": "12.5", "match": {"feature": "export"}}


def test_a_budget_is_kept_as_a_dry_run_and_never_changed(desk: tuple[Controls, Budgets]):
    controls, budgets = desk
    kept = keep_draft(controls, budgets, "budget", "advice-retries", TERMS, actor="ada")
    [made] = budgets.all()
    assert (made.mode, made.match, made.limit.limit_pico) == ("warn", {"feature": "export"}, 12_500_000_000_000)
    assert made.window.spec.kind == "day"
    assert kept == KeptDraft("budget", made.budget_id, "advice-retries", is_on=False)
    assert kept_drafts(controls, budgets)[("budget", "advice-retries")] == kept
    assert kept_drafts(controls, None) == {}
    with pytest.raises(NameTaken):
        keep_draft(controls, budgets, "budget", "advice-retries", TERMS, actor="ada")


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        (TERMS | {"limit": "much"}, BadControl),
        (TERMS | {"limit": "NaN"}, BadControl),
        (TERMS | {"limit": "-1"}, BursarError),
        (TERMS | {"window": "fortnight"}, BadWindow),
        (TERMS | {"mode": "strict"}, BadControl),
        (TERMS | {"match": {"colour": "red"}}, BadBudget),
    ],
)
def test_a_budget_that_cannot_be_is_refused_by_name(desk: tuple[Controls, Budgets], terms, error):
    with pytest.raises(error):
        keep_draft(*desk, "budget", "one", terms, actor="ada")
    assert desk[1].all() == []


def test_without_a_store_of_budgets_it_says_so(desk: tuple[Controls, Budgets]):
    with pytest.raises(Unavailable):
        keep_draft(desk[0], None, "budget", "one", TERMS, actor="ada")
    with pytest.raises(BadControl):
        keep_draft(*desk, "client", "one", {}, actor="ada")


def test_the_others_are_kept_off(desk: tuple[Controls, Budgets]):
    controls, budgets = desk
    policy = keep_draft(*desk, "policy", "tier", {"service_tier": "standard", "match": {"feature": "x"}}, actor="ada")
    cache = keep_draft(*desk, "cache", "job", {"exact": {"ttl_s": 604_800}, "match": {"feature": "x"}}, actor="ada")
    assert not policy.is_on
    assert not cache.is_on
    assert set(kept_drafts(controls, budgets)) == {("policy", "tier"), ("cache", "job")}


@pytest.fixture
def desk(tmp_path: Path) -> tuple[Controls, Budgets]:
    store, clock = ControlStore(tmp_path / "control.sqlite"), FixedClock(1_775_044_800_000_000)
    books = (one(store, SECRET, clock) for one in (Policies, Limits, Kills, RouteBook, CacheBook))
    controls = Controls(*books, publish=lambda: None, keys=Keys(store, SECRET, clock))
    return controls, Budgets(store, SECRET, clock)
