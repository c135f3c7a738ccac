"""Long forms, read without a page: what a control file can say, a form can say alike."""

from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bursar.budgets.budget import Budget, Rate
from bursar.budgets.limits import CarryOver, LimitChange, LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.budgets.thresholds import parse_threshold
from bursar.console.forms import budget as budget_form
from bursar.console.forms import caches as cache_form
from bursar.console.forms import controls as control_forms
from bursar.console.forms.fields import Fields
from bursar.console.forms.window import fill_window, read_window
from bursar.controlfile.budgets import BudgetEntry, budget_from_entry, tell_entry
from bursar.controlfile.sections import CacheSection, LimitSection, PolicySection, convert
from bursar.controlfile.state import ControlState, mark_of
from bursar.domain.caching import ENTRY_BYTES_MAX, TTL_S_MAX, ExactCaching, PromptCaching, SemanticCaching
from bursar.domain.clock import FixedClock
from bursar.domain.errors import BadBudget, BadControl, ChangedMeanwhile, NameTaken
from bursar.governance.caches import CacheBook
from bursar.governance.limits import Limits
from bursar.governance.policies import Policies
from bursar.governance.store import ControlStore

NOW_US = 1_795_000_000_000_000
NOW = "2026-11-18T10:26:40+00:00"
WINDOWS = (
    "hour", "day@Asia/Kolkata", "week", "month", "quarter", "year", "fy:04@Asia/Kolkata", "fq:10", "rolling:24h",
    "rolling:30d", "rolling:36h", "4-4-5:2026-02-01", "5-4-4:2026-02-01:quarter", "4-5-4:2026-02-01:year", "lifetime",
    "4-4-5:2026-02-01:quarter:last", "2026-01-01..2026-03-31", "2027-01-01..2027-02-28,2027-06-01..2027-06-30",
)  # fmt: skip
NAMES = st.sampled_from(["feature", "team", "customer", "credential", "model", "tag:plan", "tag:cost-centre"])
VALUES = st.text(st.characters(categories=["L", "N"], include_characters=" =:/*"), min_size=1, max_size=12).filter(
    lambda text: text.strip() == text
)
WORDS = st.lists(st.sampled_from(["gpt-4o", "*mini*", "claude-?", "openai/o3", "eu-*"]), unique=True, max_size=3)
FIGURES = st.none() | st.integers(1, 10**9)
THRESHOLDS = st.lists(
    st.sampled_from(["50", "80:throttle=30", "80:route=gpt-4o-mini,o4-mini", "90:approve", "95:block", "120"]),
    unique=True, max_size=6,
)  # fmt: skip
MATCHES = st.dictionaries(NAMES, VALUES, max_size=8)
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ControlStore:
    return ControlStore(tmp_path_factory.mktemp("control") / "control.sqlite")


@pytest.mark.parametrize("text", WINDOWS)
def test_every_kind_of_window_is_shown_and_read_back_as_the_same(text: str):
    form = Fields(fill_window(text))
    assert parse_spec(read_window(form, "UTC")) == parse_spec(text)
    assert form.errors == {}


@QUICK
@given(
    limit=st.integers(0, 10**20), window=st.sampled_from(WINDOWS), match=MATCHES, each=st.just("") | NAMES,
    mode=st.sampled_from(["strict", "expected", "clamp", "warn"]), thresholds=THRESHOLDS, foreign=st.booleans(),
    carry=st.none() | st.builds(CarryOver, st.none() | st.integers(0, 10**15), st.booleans()), raised=st.booleans(),
    overshoot=st.none() | st.integers(0, 10**15), contact=st.just("") | VALUES, prorated=st.booleans(),
)  # fmt: skip
def test_a_budget_that_was_made_anywhere_is_unchanged_by_its_form(
    limit, window, match, each, mode, thresholds, foreign, carry, raised, overshoot, contact, prorated
):
    changes = (LimitChange(NOW_US - 5, 7 * 10**12, NOW_US + 10**9, "launch"),) if raised else ()
    budget = Budget(
        budget_id="", name="one", limit=LimitPlan(limit, changes), window=Schedule(parse_spec(window)),
        match={name: value for name, value in match.items() if name != each}, each=each, mode=mode,
        overshoot_pico=overshoot if mode == "expected" else None, currency="EUR" if foreign else "USD",
        rate=Rate(1_080_000_000_000, "ECB", date(2026, 11, 1)) if foreign else None, carry=carry, contact=contact,
        thresholds=tuple(parse_threshold(text) for text in thresholds),
        prorate_from_us=NOW_US - 9 if prorated else None,
    )  # fmt: skip
    told = tell_entry(budget, NOW_US)
    form = Fields(budget_form.fill_budget(told, {}))
    entry = budget_form.read_budget(form, told, "Europe/Rome", NOW)
    assert form.errors == {}
    assert tell_entry(budget_from_entry("one", convert(entry, BudgetEntry), "UTC"), NOW_US) == told


@QUICK
@given(
    match=st.dictionaries(NAMES.filter(lambda name: name != "credential"), VALUES, max_size=3),
    allow=WORDS, deny=WORDS, regions=WORDS, most=FIGURES, size=FIGURES, refuse=st.booleans(), is_on=st.booleans(),
    force=st.dictionaries(st.sampled_from(["classify", "*", "chat"]), st.just("gpt-4o-mini"), max_size=2),
    required=st.sampled_from([{}, {"require_tags": ["team", "plan"]},
                              {"require_tags": ["team"], "on_missing": "default", "tag_defaults": {"team": "a=b"}}]),
    values=st.dictionaries(st.sampled_from(["plan", "team"]), WORDS.filter(bool), max_size=2),
    counted=st.dictionaries(st.sampled_from(["session", "user"]), st.integers(1, 10_000), max_size=2),
    tier=st.sampled_from([None, "standard", "flex"]), warn=st.booleans(),
)  # fmt: skip
def test_a_policy_that_was_made_anywhere_is_unchanged_by_its_form(
    store, match, allow, deny, regions, most, size, refuse, is_on, force, required, values, counted, tier, warn
):
    section = PolicySection(Policies(store, b"secret", FixedClock(NOW_US)), store)
    given_: dict[str, Any] = {
        "match": match, "allow_models": allow, "deny_models": deny or ["nothing"], "deny_regions": regions,
        "output_tokens_max": most, "input_bytes_max": size, "on_output_excess": "refuse" if refuse else "lower",
        "force_models": force, "tag_values": values, "tag_values_max": counted, "enabled": is_on, **required,
        "service_tier": tier, "on_input_excess": "warn" if warn and size else "refuse",
    }  # fmt: skip
    told = section.read("one", {name: value for name, value in given_.items() if value is not None}).told
    form = Fields(control_forms.fill_policy(told, {}))
    assert section.read("one", control_forms.read_policy(form)).told == told
    assert form.errors == {}


@QUICK
@given(
    match=st.dictionaries(NAMES.filter(lambda name: name != "credential"), VALUES, max_size=3),
    each=st.just("") | NAMES,
    requests=FIGURES, tokens=FIGURES, at_once=st.integers(1, 9),
)  # fmt: skip
def test_a_limit_that_was_made_anywhere_is_unchanged_by_its_form(store, match, each, requests, tokens, at_once):
    section = LimitSection(Limits(store, b"secret", FixedClock(NOW_US)), store)
    given_ = {"match": {name: value for name, value in match.items() if name != each}, "each": each,
              "requests_per_minute": requests, "tokens_per_minute": tokens, "concurrent": at_once}  # fmt: skip
    told = section.read("one", {name: value for name, value in given_.items() if value is not None}).told
    form = Fields(control_forms.fill_limit(told, {}))
    assert section.read("one", control_forms.read_limit(form)).told == told
    assert form.errors == {}


SHARES = st.sampled_from(sorted(cache_form.SHARES))
TTLS = st.integers(1, TTL_S_MAX) | st.sampled_from([60, 3_600, 86_400])


@QUICK
@given(
    match=st.dictionaries(NAMES.filter(lambda name: name != "credential"), VALUES, max_size=3),
    position=st.integers(-9, 9), is_on=st.booleans(),
    prompt=st.none() | st.builds(PromptCaching, st.sampled_from(["auto", "5m", "1h"]), st.booleans()),
    exact=st.none() | st.builds(ExactCaching, TTLS, SHARES, st.booleans(), st.integers(1, ENTRY_BYTES_MAX)),
    semantic=st.none() | st.builds(
        SemanticCaching, st.sampled_from(["shadow", "on"]), st.just("local"), st.floats(0.5, 1), TTLS, SHARES,
        st.floats(0, 100, exclude_min=True), st.floats(0, 1, exclude_min=True), st.floats(0, 0.2, exclude_min=True),
    ),
)  # fmt: skip
def test_a_cache_rule_that_was_made_anywhere_is_unchanged_by_its_form(
    store, match, position, is_on, prompt, exact, semantic
):
    section = CacheSection(CacheBook(store, b"secret", FixedClock(NOW_US)), store)
    caches = {"prompt": prompt, "exact": exact, "semantic": semantic}
    told = section.read("one", {
        "match": match, "position": str(position), "enabled": "true" if is_on else "false",
        **{name: msgspec.to_builtins(cache) for name, cache in caches.items() if cache is not None},
    }).told  # fmt: skip
    form = Fields(cache_form.fill_cache(told, {}))
    assert section.read("one", cache_form.read_cache(form)).told == told
    assert form.errors == {}


@pytest.mark.parametrize(
    ("typed", "field", "word"),
    [
        ({"exact": "kept", "exact_ttl": "soon"}, "exact_ttl", "30m"),
        ({"exact": "kept", "exact_bytes": "-1"}, "exact_bytes", "whole number"),
        ({"semantic": "on", "semantic_ttl": "1w"}, "semantic_ttl", "7d"),
        ({"semantic": "on", "similarity_min": "much"}, "similarity_min", "0.95"),
        ({"semantic": "on", "sample_percent": "nan"}, "sample_percent", "write 10"),
        ({"position": "first"}, "position", "-1"),
    ],
)
def test_a_cache_rules_mistake_is_told_at_its_field(typed, field, word):
    form = Fields(typed)
    cache_form.read_cache(form)
    assert word in form.errors[field]


def test_fields_of_a_cache_that_is_not_chosen_are_left_unread():
    form = Fields({"exact_ttl": "rubbish", "similarity_min": "x", "prompt_agents": "yes"})
    assert cache_form.read_cache(form) == {"match": {}, "enabled": "true"}
    assert form.errors == {}


NEW = budget_form.new_budget("UTC") | {"limit": "5"}


@pytest.mark.parametrize(
    ("typed", "field", "word"),
    [
        ({"limit": " "}, "limit", "500"),
        ({"limit": "5,000"}, "limit", "no amount"),
        ({"carry": "yes", "carry_cap": "much"}, "carry_cap", "no amount"),
        ({"window": "custom"}, "first_day", "2026-03-31"),
        ({"window": "custom", "first_day": "2026-03-31", "last_day": "2026-03-01"}, "first_day", "ends before"),
        ({"window": "custom", "first_day": "1", "last_day": "2026-03-01"}, "first_day", "is no date"),
        ({"window": "4-4-5"}, "anchor", "first day"),
        ({"window": "rolling", "rolling": "9999", "unit": "d"}, "rolling", "366 days"),
        ({"window": "rolling", "rolling": "a day"}, "rolling", "whole number"),
        ({"timezone": "Mars"}, "timezone", "Asia/Kolkata"),
        ({"where_1": "feature"}, "where_value_1", "which one"),
        ({"where_0": "", "where_value_0": "checkout"}, "where_0", "whose calls"),
        ({"where_0": "tag", "where_value_0": "pro"}, "where_tag_0", "plan"),
        ({"where_0": "team", "where_value_0": "a", "where_1": "team", "where_value_1": "b"}, "where_1", "twice"),
        ({"each": "tag"}, "each_tag", "which tag"),
        ({"currency": "EUR"}, "rate_usd", "1.08"),
        ({"currency": "EUR"}, "rate_source", "ECB"),
        ({"currency": "EUR", "rate_as_of": "soon"}, "rate_as_of", "2026-11-01"),
        ({"at_1": "eighty"}, "at_1", "whole number"),
        ({"at_1": "100", "do_1": "approve"}, "at_1", "below the limit"),
        ({"at_1": "80", "do_1": "route"}, "models_1", "which model"),
        ({"at_1": "80", "do_1": "throttle", "per_minute_1": "-3"}, "per_minute_1", "whole number"),
        ({"at_1": "80", "do_1": "dance"}, "at_1", "no threshold"),
    ],
)
def test_a_budgets_mistake_is_told_at_its_field_with_what_can_be_written(typed, field, word):
    form = Fields(NEW | typed)
    budget_form.read_budget(form, None, "UTC", NOW)
    assert word in form.errors[field]


@pytest.mark.parametrize(
    ("typed", "field", "word"),
    [
        ({"output_tokens_max": "many"}, "output_tokens_max", "whole number"),
        ({"output_tokens_max": "4,096"}, "output_tokens_max", "without dots or commas"),
        ({"force_models": "gpt-4o-mini"}, "force_models", "tagging="),
        ({"force_models": "a=b\na=c"}, "force_models", "twice"),
        ({"tag_values_max": "session=lots"}, "tag_values_max", "whole number"),
    ],
)
def test_a_policys_mistake_is_told_at_its_field(typed, field, word):
    form = Fields(typed)
    control_forms.read_policy(form)
    assert word in form.errors[field]


def test_an_error_of_the_control_state_finds_its_field():
    form = Fields({"where_0": "team", "where_value_0": "a", "where_1": "credential", "where_value_1": "nobody"})
    place = budget_form.place_of_error
    assert place(form, BadBudget("", field="match.credential")) == "where_value_1"
    assert place(form, BadBudget("", field="rate.usd")) == "rate_usd"
    assert place(form, BadBudget("", field="limit")) == "limit"
    assert place(form, BadBudget("")) == ""
    assert control_forms.place_of_error(form, BadControl("", field="match")) == "where_0"
    assert control_forms.place_of_error(form, BadControl("", field="terms")) == ""
    assert control_forms.place_of_error(form, BadControl("", field="tag_defaults")) == "tag_defaults"
    place = cache_form.place_of_error
    assert place(form, BadControl("", field="match.credential")) == "where_value_1"
    for field in ("exact.ttl_s", "exact.entry_bytes_max", "semantic.similarity_min", "semantic.embedder", "position"):
        assert place(form, BadControl("", field=field)) in cache_form.FIELDS
    assert place(form, BadControl("", field="name")) == "name"
    assert place(form, BadControl("")) == ""


def test_what_is_of_another_choice_is_left_unread():
    typed = NEW | {"window": "day", "anchor": "rubbish", "rolling": "x", "overshoot": "9", "rate_usd": "y"}
    form = Fields(typed)
    entry = budget_form.read_budget(form, None, "UTC", NOW)
    assert form.errors == {}
    assert entry["window"] == "day@UTC"
    assert entry["overshoot"] == ""
    assert "rate" not in entry


def test_a_budget_keeps_its_decisions_and_their_reasons_when_its_form_is_saved(tmp_path: Path):
    clock = FixedClock(NOW_US)
    state = ControlState(ControlStore(tmp_path / "control.sqlite"), b"secret", clock, "UTC")
    state.put("budgets", "one", {"limit": "5"}, seen=None, actor="test", reason="", openings={})
    clock.at_us += 10
    old = state.find("budgets", "one")
    assert old is not None
    form = Fields(budget_form.fill_budget(old.told, {}) | {"limit": "7.50"})
    entry = budget_form.read_budget(form, old.told, "UTC", NOW)
    item = state.put("budgets", "one", entry, seen=mark_of(old), actor="ada", reason="growth", openings={})
    (decision,) = item.value.limit.changes
    assert (decision.limit_pico, decision.reason, decision.by) == (7_500_000_000_000, "growth", "ada")
    assert item.value.budget_id == old.value.budget_id


def test_what_somebody_else_changed_or_removed_meanwhile_is_not_overwritten(store: ControlStore):
    state = ControlState(store, b"secret", FixedClock(NOW_US), "UTC")

    def put(limit: str, seen: str | None) -> str:
        entry = {"requests_per_minute": limit}
        return mark_of(state.put("limits", "fair", entry, seen=seen, actor="a", reason="", openings={}))

    first = put("5", None)
    with pytest.raises(NameTaken):
        put("6", None)
    second = put("6", first)
    with pytest.raises(ChangedMeanwhile, match="somebody changed"):
        put("7", first)
    Limits(store, b"secret", FixedClock(NOW_US)).remove("fair", actor="b")
    with pytest.raises(ChangedMeanwhile, match="was removed"):
        put("7", second)
