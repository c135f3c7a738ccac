"""What a control file says becomes the state, all or nothing; and what is exported is read back as no difference."""

import re
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.budgets.specs import specs
from tests.postgres import postgresql

from bursar.alerts.rules import KINDS
from bursar.budgets.budget import DIMENSIONS, Budget, Rate, Threshold
from bursar.budgets.limits import CarryOver, LimitChange, LimitPlan, limit_at
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.controlfile.document import FILE_BYTES_MAX
from bursar.controlfile.state import ControlState
from bursar.domain.caching import TTL_S_MAX, CacheTerms, ExactCaching, PromptCaching, SemanticCaching
from bursar.domain.clock import FixedClock
from bursar.domain.controls import KillTerms, LimitTerms, PolicyTerms
from bursar.domain.errors import BadControlFile
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.governance.audit import audit_entries, first_broken_entry
from bursar.governance.budgets import Budgets, Spent
from bursar.governance.caches import CacheBook
from bursar.governance.keys import Keys
from bursar.governance.kills import Kills
from bursar.governance.limits import Limits
from bursar.governance.policies import Policies
from bursar.governance.store import ControlStore

SECRET = bytes(range(32))
NOON_US = 1_760_000_000_000_000
DAY_US = 86_400 * 10**6
EVERYTHING = b"""
version: 1
budgets:
  engineering:
    limit: 5000.000000000001
    window: fy:04@Asia/Kolkata
    where: {team: core, "tag:plan": no}
    thresholds: [50, 100 block]
    carry: {}
  fair-use: {limit: 5, window: day, each: customer, mode: clamp}
policies:
  small: {match: {feature: tagging}, deny_models: [gpt-4*], output_tokens_max: 500, enabled: false}
limits:
  each-customer: {each: customer, requests_per_minute: 60}
kills:
  - {match: {agent: runaway}, reason: it loops}
routes:
  checkout:
    match: {feature: checkout, model: gpt-4o*}
    strategy: weighted
    targets: [{upstream: openai, weight: 3}, {upstream: groq, model: llama-3.3-70b-versatile}]
    after_timeout: true
    position: 2
  at-night: {hours: "22:00-06:00", targets: [{upstream: openai}], enabled: false}
caches:
  support: {match: {feature: support}, exact: {ttl_s: 60, share: team}, prompt: {}, semantic: {similarity_min: 0.97}}
  never: {match: {feature: payments}, position: -1, enabled: false}
initiatives:
  planned: {owner: ada, target: 500, baseline_from: 2026-08-01, baseline_to: 2026-08-31}
plans:
  launch: {start: 2026-12-01, percent: 12.50, scope: feature=search}
alert_channels:
  on-call: {kind: apprise, target: "env:ON_CALL"}
  team: {kind: apprise, target: "env:TEAM", escalate_to: on-call, escalate_after_min: 15}
alert_rules:
  expensive-month: {kind: period_spend, amount_usd: 1000.10, channels: [team]}
"""


class Desk:
    """A site's control state with what its parts say."""

    def __init__(self, location: Path | str) -> None:
        self.clock = FixedClock(NOON_US)
        self.store = ControlStore(location)
        parts = (self.store, SECRET, self.clock)
        self.budgets, self.policies, self.limits = Budgets(*parts), Policies(*parts), Limits(*parts)
        self.kills, self.keys, self.caches = Kills(*parts), Keys(*parts), CacheBook(*parts)
        self.state = ControlState(*parts, "UTC")

    def apply(self, text: str | bytes, *, prune: bool = False, openings=None):
        data = text.encode() if isinstance(text, str) else text
        return self.state.apply(data, prune=prune, actor="test", openings=openings or {})

    def compare(self, text: str | bytes, *, prune: bool = True):
        return self.state.compare(text.encode() if isinstance(text, str) else text, prune=prune)

    def actions(self) -> list[str]:
        with self.store.reading() as connection:
            entries = audit_entries(connection)
        assert first_broken_entry(entries, SECRET) is None
        return [entry.action for entry in entries]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "control.sqlite")


def test_a_file_with_every_section_becomes_the_state_with_an_audit_entry_for_each_thing(desk):
    assert {change.kind for change in desk.apply(EVERYTHING)} == {"create"}
    engineering, fair_use = desk.budgets.all()
    assert engineering.limit.limit_pico == 5_000_000_000_000_001
    assert engineering.match == {"team": "core", "tag:plan": "no"}
    assert engineering.thresholds == (Threshold(50), Threshold(100, "block"))
    assert (fair_use.each, fair_use.mode) == ("customer", "clamp")
    (policy,) = desk.policies.all()
    assert (policy.is_on, policy.terms.output_tokens_max) == (False, 500)
    assert desk.limits.all()[0].terms == LimitTerms(each="customer", requests_per_minute=60)
    assert desk.kills.all()[0].terms == KillTerms(match={"agent": "runaway"}, reason="it loops")
    never, support = desk.caches.all()
    assert (never.is_on, never.terms) == (False, CacheTerms(match={"feature": "payments"}, position=-1))
    assert support.terms.exact == ExactCaching(ttl_s=60, share="team")
    assert support.terms.prompt == PromptCaching()
    assert support.terms.semantic == SemanticCaching(similarity_min=0.97)
    assert len(desk.actions()) == 14
    assert desk.apply(EVERYTHING) == []
    assert desk.compare(desk.state.export()) == []
    assert len(desk.actions()) == 14, "what is so already is not written again"


def test_a_dry_run_tells_the_difference_and_changes_nothing(desk):
    desk.apply(EVERYTHING)
    before = desk.actions()
    text = "budgets: {engineering: {limit: 8000, window: fy:04@Asia/Kolkata, where: {team: core, 'tag:plan': no}, "
    text += "thresholds: [50, 100 block], carry: {}}}\nlimits: {all: {concurrent: 9}}"
    changes = desk.compare(text)
    assert [(change.kind, change.section, change.name) for change in changes] == [
        ("remove", "budgets", "fair-use"),
        ("change", "budgets", "engineering"),
        ("remove", "limits", "each-customer"),
        ("create", "limits", "all"),
    ]
    assert changes[1].fields == [("limit", "5000.000000000001", "8000")]
    assert desk.actions() == before
    assert [change.kind for change in desk.compare(text, prune=False)] == ["change", "create"]


def test_a_section_that_the_file_leaves_out_is_never_pruned(desk):
    desk.apply(EVERYTHING)
    desk.apply("limits: {}\nkills: []", prune=True)
    assert (desk.limits.all(), desk.kills.all()) == ([], [])
    assert len(desk.budgets.all()) == 2
    assert len(desk.policies.all()) == 1
    assert desk.actions()[-2:] == ["kill.lift", "limit.remove"]


def test_another_limit_is_a_decision_appended_to_the_budget_which_keeps_its_id_and_its_count(desk):
    desk.apply("budgets: {all: {limit: 10}}")
    (before,) = desk.budgets.all()
    desk.clock.at_us += 5 * 10**6
    desk.apply("budgets: {all: {limit: 20, window: week, contact: ann}}")
    (after,) = desk.budgets.all()
    assert after.budget_id == before.budget_id
    assert after.limit.limit_pico == before.limit.limit_pico
    assert limit_at(after.limit, desk.clock.now_us()).limit_pico == 20 * 10**12
    assert [change.by for change in after.limit.changes] == ["test"]
    assert [change.spec.kind for change in after.window.changes] == ["week"]
    assert desk.compare(desk.state.export()) == []


def test_a_raise_for_a_while_is_exported_kept_and_taken_back_by_leaving_it_out(desk):
    made = desk.budgets.create(
        Budget(budget_id="", name="all", limit=LimitPlan(10), window=Schedule(parse_spec("month"))), actor="ann"
    )
    desk.budgets.raise_limit(made.budget_id, 50, until_us=NOON_US + DAY_US, reason="launch", actor="ann")
    text = desk.state.export()
    assert "launch" in text
    assert desk.apply(text) == []
    desk.apply("budgets: {all: {limit: 0.00000000001}}")
    (after,) = desk.budgets.all()
    assert limit_at(after.limit, NOON_US).limit_pico == 10
    assert desk.apply(text)[0].fields[0].name == "raises"
    assert limit_at(desk.budgets.all()[0].limit, NOON_US).limit_pico == 50
    desk.clock.at_us += 2 * DAY_US
    assert desk.compare(text) == [], "a raise that is over says nothing any more"


@pytest.mark.parametrize("change", ["mode: warn", "each: customer", "where: {team: core}", "window: 'rolling:24h'"])
def test_a_budget_that_would_count_other_calls_is_made_anew_with_what_was_spent(desk, change):
    desk.apply("budgets: {all: {limit: 10}}")
    (before,) = desk.budgets.all()
    (told,) = desk.compare(f"budgets: {{all: {{limit: 10, {change}}}}}")
    assert told.begins is not None
    spent = [Spent("acme" if "each" in change else "", NOON_US, 7)]
    desk.apply(f"budgets: {{all: {{limit: 10, {change}}}}}", openings={"all": spent})
    (after,) = desk.budgets.all()
    assert after.budget_id != before.budget_id
    assert [one.posted for one in desk.budgets.standings([after])[0]] == [7]
    assert desk.actions()[-2:] == ["budget.remove", "budget.create"]


def test_a_key_may_be_named_and_the_file_still_differs_in_nothing(desk):
    desk.keys.create("ci", Scope(), Attribution(), actor="ann")
    text = (
        "budgets: {ci: {limit: 5, where: {credential: ci}}}\n"
        "limits: {ci: {match: {credential: ci}, concurrent: 2}}\nkills: [{match: {credential: ci}, reason: leaked}]"
    )
    assert len(desk.apply(text)) == 3
    assert desk.compare(text) == []
    assert desk.compare(desk.state.export()) == []


def test_rules_of_every_kind_are_exported_and_read_back(desk):
    needs = {"period_spend": ", amount_usd: 10.50", "budgets": ", percents: [10, 20], forecast: false"}
    lines = [f"  {kind}: {{kind: {kind}{needs.get(kind, '')}, severity: critical}}" for kind in KINDS]
    desk.apply("alert_rules:\n" + "\n".join(lines), prune=True)
    text = desk.state.export()
    assert all(f"kind: {kind}" in text for kind in KINDS)
    assert "amount_usd: 10.5" in text
    assert desk.compare(text) == []


def test_a_policy_is_switched_where_only_that_differs(desk):
    desk.apply("policies: {small: {deny_models: [a]}}")
    (before,) = desk.policies.all()
    assert desk.apply("policies: {small: {deny_models: [a], enabled: false}}")[0].fields == [("enabled", None, False)]
    (after,) = desk.policies.all()
    assert (after.policy_id, after.is_on) == (before.policy_id, False)


def test_a_changed_cache_rule_keeps_its_id_and_its_stop_which_no_file_says(desk):
    desk.apply("caches: {prompts: {prompt: {}}}")
    desk.caches.stop("prompts", "it costs more than it saves", actor="watch")
    text = desk.state.export()
    assert "it costs more" not in text
    assert desk.apply(text) == []
    (before,) = desk.caches.all()
    (change,) = desk.apply("caches: {prompts: {prompt: {ttl: 1h}, enabled: false}}")
    assert change.fields == [("prompt", {}, {"ttl": "1h"}), ("enabled", None, False)]
    (after,) = desk.caches.all()
    assert (after.rule_id, after.is_on, after.stopped) == (before.rule_id, False, "it costs more than it saves")
    assert desk.apply("caches: {said: {exact: {ttl_s: 3600, share: credential}, semantic: {similarity_min: 0.95}}}")
    assert desk.apply("caches: {said: {exact: {}, semantic: {}}}") == [], "a default is the same said and unsaid"
    assert desk.state.export().count("exact: {}") == 1
    desk.apply("caches: {}", prune=True)
    assert desk.caches.all() == []


def test_nothing_is_changed_where_anything_is_refused(desk):
    with pytest.raises(BadControlFile, match=r"line 3: alert_rules.x.channels?: |line 3: alert_rules.x.channel: "):
        desk.apply("budgets: {all: {limit: 10}}\nalert_rules:\n  x: {kind: loops, channels: [nobody]}")
    assert desk.budgets.all() == []
    assert desk.actions() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("a: [", "no YAML"),
        ("- 1", "sections"),
        ("version: 2", "version 1"),
        ("keys: {}", "no such section"),
        ("budgets:", "budgets: is empty"),
        ("budgets: []", "mapping of names"),
        ("kills: {}", "a list"),
        ("budgets: {a: 5}", "budgets.a: fields"),
        ("budgets:\n  a: {limit: 1}\n  a: {limit: 2}", "line 2: budgets.a: stands here twice, again in line 3"),
        ("budgets:\n  a:\n    limit: 1\n    limti: 2", "line 4: budgets.a.limti: .*unknown field"),
        ("budgets:\n  a:\n    each: team", "missing required field"),
        ("budgets:\n  a:\n    limit: 1e3", "line 3: budgets.a.limit: .*no amount"),
        ("budgets: {a: {limit: 0.0000000000001}}", "no amount"),
        ("budgets: {a: {limit: 999999999999999}}", "no amount"),
        ("budgets: {a: {limit: 1, mode: lax}}", "budgets.a.mode"),
        ("budgets: {a: {limit: 1, window: moon}}", "budgets.a.window"),
        ("budgets: {a: {limit: 1, thresholds: [many]}}", "no threshold"),
        ("budgets: {a: {limit: 1, where: {credential: nobody}}}", "budgets.a.where.credential: no key"),
        ("budgets: {a: {limit: 1, where: {planet: mars}}}", "budgets.a.where: there is no dimension"),
        ("budgets: {a: {limit: 1, prorate_from: '2026-01-01'}}", "no instant"),
        ("budgets: {a: {limit: 1, where: {colour: red}}}", "no dimension"),
        ("limits: {a: {requests_per_minute: many}}", "limits.a.requests_per_minute"),
        ("limits: {a: {}}", "limits nothing"),
        ("caches:\n  a:\n    exact:\n      ttl_s: 0", "line 4: caches.a.exact.ttl_s: .*1 to"),
        ("caches: {a: {exact: {ttl: 60}}}", "caches.a.exact.ttl: .*unknown field"),
        ("caches: {a: {prompt: {ttl: 2h}}}", "caches.a.prompt.ttl"),
        ("caches: {a: {semantic: {similarity_min: nan}}}", "caches.a.semantic.similarity_min: .*0.5 to 1"),
        ("caches: {a: {match: {planet: mars}}}", "caches.a.match.planet: .*there is no"),
        ("limits: {a: {concurrent: 1}, 'a ': {concurrent: 2}}", "there twice"),
        ("policies: {a: {deny_models: [x], enabled: perhaps}}", "policies.a.enabled"),
        (
            "kills: [{match: {agent: a}, reason: x}, {match: {agent: a}, reason: y}]",
            "kills.1: 'agent=a' is there twice",
        ),
        ("alert_rules: {a: {kind: loops, least: {x: 1}}}", "alert_rules.a.least"),
        ("a: &x {b: 1}\nc: *x", "anchors"),
        ("budgets: !!python/object:os.system {}", "tags"),
        ("{}\n---\n{}", "second document"),
        ("a: " + "[" * 100_000, "nested deeper"),
        ("? [a, b]\n: 1", "must be a text"),
    ],
)
def test_a_mistake_is_named_with_its_line_or_its_place(desk, text, said):
    with pytest.raises(BadControlFile, match=said):
        desk.compare(text)


def test_the_file_shown_in_the_docs_can_be_used(desk):
    page = (Path(__file__).parents[2] / "docs" / "control-file.md").read_text("utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(desk.apply(shown)) == 12
    assert desk.compare(shown, prune=False) == []


def test_on_postgresql_too_it_is_all_or_nothing():
    with postgresql() as address:
        desk = Desk(address)
        desk.apply(EVERYTHING)
        assert desk.compare(desk.state.export()) == []
        actions = desk.actions()
        with pytest.raises(BadControlFile):
            desk.apply("budgets: {}\nalert_rules: {x: {kind: loops, channels: [nobody]}}", prune=True)
        assert desk.actions() == actions
        assert len(desk.budgets.all()) == 2


def test_a_file_past_the_bound_is_not_read(desk):
    with pytest.raises(BadControlFile, match="at most"):
        desk.compare(b" " * (FILE_BYTES_MAX + 1))


amounts = st.integers(0, 2**63 - 1)
names = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Cf", "Cn", "Co", "Zl", "Zp"]), min_size=1, max_size=20
)
values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
printable = names | st.sampled_from(
    ["no", "null", "~", "1e3", "2026-01-01", "a: b", "- x", "#", "&a", "*", "yes", "0x1F", "="]
)
dimensions = st.sampled_from(DIMENSIONS) | names.map(lambda name: f"tag:{name}")
raises = st.builds(
    LimitChange,
    st.integers(NOON_US - DAY_US, NOON_US),
    amounts,
    st.none() | st.integers(NOON_US + 1, NOON_US + DAY_US),
    st.just("why: so"),
)


@st.composite
def budgets(draw: st.DrawFn) -> Budget:
    match = draw(st.dictionaries(dimensions, values, max_size=3))
    if "credential" in match:
        match["credential"] = "pt_" + match["credential"]  # a name would have to be a key's
    each = draw(st.just("") | dimensions)
    mode = draw(st.sampled_from(["strict", "expected", "clamp", "warn"]))
    foreign = draw(st.booleans())
    return Budget(
        budget_id="",
        name=draw(printable),
        limit=LimitPlan(draw(amounts), tuple(draw(st.lists(raises, max_size=3)))),
        window=Schedule(draw(specs)),
        match=match,
        each="" if each in match else each,
        mode=mode,
        overshoot_pico=draw(st.none() | amounts) if mode == "expected" else None,
        currency="EUR" if foreign else "USD",
        rate=Rate(draw(st.integers(1, 10**12)), draw(printable), date(2026, 11, 1)) if foreign else None,
        carry=draw(st.none() | st.builds(CarryOver, st.none() | amounts, st.booleans())),
        prorate_from_us=draw(st.none() | st.integers(NOON_US - DAY_US, NOON_US)),
        thresholds=tuple(
            draw(
                st.lists(
                    st.builds(Threshold, st.integers(1, 1_000))
                    | st.builds(Threshold, st.integers(1, 100), st.just("block")),
                    max_size=4,
                )
            )
        ),
        contact=draw(st.just("") | values),
    )


matches = st.dictionaries(st.sampled_from(["feature", "agent", "tag:plan"]), printable, max_size=3)
figures = st.integers(1, 10**12)
policies = st.builds(
    PolicyTerms,
    match=matches,
    deny_models=st.lists(printable, min_size=1, max_size=3).map(tuple),
    output_tokens_max=st.none() | figures,
    on_output_excess=st.sampled_from(["lower", "refuse"]),
    force_models=st.dictionaries(printable, printable, max_size=2),
    tag_values=st.dictionaries(st.sampled_from(["plan", "customer"]), st.lists(printable, max_size=2).map(tuple)),
    tag_values_max=st.dictionaries(st.sampled_from(["plan", "customer"]), st.integers(1, 10_000)),
)
limits = st.builds(LimitTerms, match=matches, requests_per_minute=figures, concurrent=st.none() | figures)

ttls, shares = st.integers(1, TTL_S_MAX), st.sampled_from(["credential", "project", "team", "organization"])
percents = st.floats(0, 100, exclude_min=True)
caches = st.builds(
    CacheTerms,
    match=matches,
    position=st.integers(-9, 9),
    prompt=st.none() | st.builds(PromptCaching, st.sampled_from(["auto", "5m", "1h"]), st.booleans()),
    exact=st.none() | st.builds(ExactCaching, ttls, shares, st.booleans(), st.integers(1, 10**6)),
    semantic=st.none()
    | st.builds(
        SemanticCaching, st.just("shadow"), st.just("local"), st.floats(0.5, 1), ttls, shares, percents,
    ),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    st.lists(budgets(), max_size=3, unique_by=lambda one: one.name),
    st.dictionaries(names, st.tuples(policies, st.booleans()), max_size=2),
    st.dictionaries(names, limits, max_size=2),
    st.dictionaries(names, st.tuples(caches, st.booleans()), max_size=1),
)
def test_what_is_exported_is_read_back_as_no_difference_here_and_makes_the_same_elsewhere(made, ruled, limited, cached):
    with TemporaryDirectory() as here, TemporaryDirectory() as elsewhere:
        first, second = Desk(Path(here, "control.sqlite")), Desk(Path(elsewhere, "control.sqlite"))
        for budget in made:
            first.budgets.create(budget, actor="ann")
        for name, (terms, is_on) in ruled.items():
            first.policies.create(name, terms, is_on=is_on, actor="ann")
        for name, terms in limited.items():
            first.limits.create(name, terms, actor="ann")
        for name, (terms, is_on) in cached.items():
            first.caches.create(name, terms, is_on=is_on, actor="ann")
        text = first.state.export()
        assert first.compare(text) == []
        second.apply(text, prune=True)
        assert second.compare(text) == []
        assert first.compare(second.state.export()) == []
