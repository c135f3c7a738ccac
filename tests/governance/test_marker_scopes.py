"""What a change of settings is about, told from the audit log: the one value that it names."""

from pathlib import Path

import pytest
from tests.governance.test_budgets import made as budget

from bursar.domain.clock import FixedClock
from bursar.domain.controls import KillTerms, LimitTerms, PolicyTerms
from bursar.domain.routes import RouteRule, StoppedTrial, Target
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.domain.watching import SeriesKey
from bursar.governance.budgets import Budgets
from bursar.governance.keys import Keys
from bursar.governance.kills import Kills
from bursar.governance.limits import Limits
from bursar.governance.marker_scopes import scope_of_match
from bursar.governance.markers import MarkerBook
from bursar.governance.policies import Policies
from bursar.governance.routes import RouteBook
from bursar.governance.store import ControlStore

SECRET = b"secret" * 8
T0 = 1_793_000_000_000_000
WHO = {"actor": "ada"}


def test_each_change_is_about_what_it_names_also_when_it_ends(tmp_path: Path):
    store, clock = ControlStore(tmp_path / "control.sqlite"), FixedClock(T0)
    of = (store, SECRET, clock)
    key = Keys(*of).create("ci", Scope("acme"), Attribution(), **WHO).key
    Policies(*of).create(
        "one", PolicyTerms(match={"team": "web", "feature": "search"}, output_tokens_max=9), is_on=True, **WHO
    )
    Policies(*of).switch("one", False, **WHO)
    Policies(*of).remove("one", **WHO)
    Limits(*of).create("two", LimitTerms(match={"credential": "ci"}, requests_per_minute=5), **WHO)
    Kills(*of).create(KillTerms(reason="a test"), **WHO)
    Budgets(*of).create(budget("month"), **WHO)
    routes = RouteBook(*of)
    target = (Target(model="gpt-5"),)
    routes.create(RouteRule(name="exact", targets=target, match={"customer": "acme", "feature": "s*"}), **WHO)
    routes.create(RouteRule(name="pattern", targets=target, match={"model": "gpt-*"}), **WHO)
    routes.stop_in_file(StoppedTrial("exact", "trial", "it was dear"), **WHO)
    Keys(*of).revoke("ci", **WHO)
    found = [(one.title.partition(" by ")[0], one.scope) for one in MarkerBook(*of).between(T0, T0 + 1)]
    search, everything, own = SeriesKey("feature", "search"), SeriesKey(), SeriesKey("credential_id", key.credential_id)
    assert sorted(found) == sorted([
        ("key ci: create", own),
        ("policy one: create", search),
        ("policy one: off", search),
        ("policy one: remove", search),
        ("limit two: create", own),
        ("kill everything: create", everything),
        ("budget ci: created", everything),
        ("route exact: create", SeriesKey("customer", "acme")),
        ("route pattern: create", everything),
        ("stopped_experiment exact / trial: create", everything),
        ("key ci: revoke", own),
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("match", "scope"),
    [
        ({}, SeriesKey()),
        ({"customer": ""}, SeriesKey()),  # calls that say none: no series is called so
        ({"tag:plan": "free", "environment": "ci"}, SeriesKey("tag:plan", "free")),
        ({"model": "gpt-5", "agent": "crawler", "tag:plan": "free"}, SeriesKey("agent", "crawler")),
    ],
)
def test_of_several_conditions_the_narrowest_word_counts(match: dict[str, str], scope: SeriesKey):
    assert scope_of_match(match) == scope
