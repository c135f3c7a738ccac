"""Controls are kept, ended and published; each change is in the audit log, and history stays."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from bursar.domain.caching import CacheTerms, ExactCaching, PromptCaching, SemanticCaching
from bursar.domain.clock import FixedClock
from bursar.domain.controls import KillTerms, LimitTerms, PolicyTerms
from bursar.domain.errors import BadControl, NameTaken, UnknownControl, UnknownKey
from bursar.domain.scope import Scope
from bursar.domain.snapshot import read_snapshot
from bursar.domain.tags import Attribution
from bursar.governance import register
from bursar.governance.audit import audit_entries, first_broken_entry
from bursar.governance.caches import CacheBook
from bursar.governance.checks import ends_at
from bursar.governance.controls import Controls
from bursar.governance.keys import Keys
from bursar.governance.kills import Kills
from bursar.governance.limits import Limits
from bursar.governance.policies import Policies
from bursar.governance.publish import publish_snapshot
from bursar.governance.routes import RouteBook
from bursar.governance.store import ControlStore

SECRET = bytes(range(32))
NOON_US = 1_760_000_000_000_000
DENY = PolicyTerms(deny_models=("gpt-4o",))


@pytest.fixture
def keys(store: ControlStore) -> Keys:
    return Keys(store, SECRET, FixedClock(NOON_US))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON_US)


@pytest.fixture
def controls(store: ControlStore, keys: Keys, clock: FixedClock, tmp_path: Path) -> Controls:
    parts = (store, SECRET, clock)
    return Controls(
        Policies(*parts), Limits(*parts), Kills(*parts), RouteBook(*parts), CacheBook(*parts), keys,
        lambda: publish_snapshot(tmp_path / "snapshot.msgpack", keys),
    )  # fmt: skip


def test_the_snapshot_carries_what_is_in_force_and_nothing_else(controls, tmp_path):
    on = controls.policies.create("on", DENY, is_on=True, actor="ada")
    controls.policies.create("off", DENY, is_on=False, actor="ada")
    controls.policies.remove(controls.policies.create("gone", DENY, is_on=True, actor="ada").policy_id, actor="ada")
    limit = controls.limits.create("slow", LimitTerms(concurrent=3), actor="ada")
    kill = controls.kills.create(KillTerms(match={"agent": "a"}, reason="loops"), actor="ada")
    controls.kills.create(KillTerms(match={"agent": "b"}, reason="loops"), actor="ada")
    controls.kills.lift("agent=b", actor="bob")
    controls.publish()
    published = read_snapshot(tmp_path / "snapshot.msgpack")
    assert published.policies == [on]
    assert published.limits == [limit]
    assert published.kills == [kill]


def test_a_lapsed_kill_is_in_no_list_and_its_like_can_be_made_again(store, tmp_path):
    later = (store, SECRET, FixedClock(NOON_US + 7_200_000_000))
    terms = KillTerms(match={"agent": "a"}, reason="loops", until=ends_at("2h", "", NOON_US))
    first = Kills(store, SECRET, FixedClock(NOON_US))
    made = first.create(terms, actor="ada")
    assert first.all() == [made]
    after = Kills(*later)
    assert after.all() == []
    again = after.create(KillTerms(match={"agent": "a"}, reason="again"), actor="bob")
    assert after.all() == [again]
    with store.reading() as connection:
        entries = audit_entries(connection)
    assert [(one.actor, one.action) for one in entries] == [
        ("ada", "kill.create"), ("expiry", "kill.lift"), ("bob", "kill.create"),
    ]  # fmt: skip


def test_an_end_must_be_a_time_to_come_with_its_zone(controls):
    for until, word in ((datetime(2020, 1, 1, tzinfo=UTC), "has passed"), (datetime(2099, 1, 1), "zone")):  # noqa: DTZ001
        with pytest.raises(BadControl, match=word):
            controls.kills.create(KillTerms(reason="x", until=until), actor="ada")


@pytest.mark.parametrize(
    ("span", "until"), [("2", ""), ("0h", ""), ("x", ""), ("9999d", ""), ("", "soon"), ("1h", "2099-01-01T00:00:00Z")]
)
def test_an_end_that_cannot_be_read_is_said(span, until):
    with pytest.raises(BadControl):
        ends_at(span, until, NOON_US)


def test_every_change_is_in_the_audit_log_with_its_terms(controls, store):
    policy = controls.policies.create("small", DENY, is_on=False, actor="ada")
    controls.policies.switch("small", True, actor="bob")
    controls.policies.switch("small", True, actor="bob")  # it is on already: nothing changes
    controls.policies.switch("small", False, actor="bob")
    controls.policies.remove(policy.policy_id, actor="cyd")
    limit = controls.limits.create("slow", LimitTerms(concurrent=3), actor="ada")
    controls.limits.remove("slow", actor="bob")
    kill = controls.kills.create(KillTerms(reason="audit"), actor="ada")
    controls.kills.lift("everything", actor="bob")
    with store.reading() as connection:
        entries = audit_entries(connection)
    assert [(entry.actor, entry.action, entry.subject) for entry in entries] == [
        ("ada", "policy.create", policy.policy_id), ("bob", "policy.on", policy.policy_id),
        ("bob", "policy.off", policy.policy_id), ("cyd", "policy.remove", policy.policy_id),
        ("ada", "limit.create", limit.limit_id), ("bob", "limit.remove", limit.limit_id),
        ("ada", "kill.create", kill.kill_id), ("bob", "kill.lift", kill.kill_id),
    ]  # fmt: skip
    assert "gpt-4o" in entries[0].detail
    assert first_broken_entry(entries, SECRET) is None


def test_what_was_ended_stays_as_history_and_its_name_is_free(controls, store):
    first = controls.policies.create("small", DENY, is_on=True, actor="ada")
    with pytest.raises(NameTaken):
        controls.policies.create(" small ", DENY, is_on=True, actor="ada")
    controls.policies.remove("small", actor="bob")
    assert controls.policies.create("small", DENY, is_on=True, actor="ada").policy_id != first.policy_id
    with pytest.raises(UnknownControl):
        controls.policies.remove(first.policy_id, actor="bob")
    with store.reading() as connection:
        rows = connection.execute(text("SELECT id, ended_us, ended_by FROM policies")).all()
    ended = {row.id: (row.ended_us, row.ended_by) for row in rows}
    assert len(ended) == 2
    assert ended[first.policy_id] == (NOON_US, "bob")
    assert (None, None) in ended.values()


def test_a_refused_change_leaves_no_trace(controls, store):
    for change in (
        lambda: controls.policies.create("empty", PolicyTerms(), is_on=True, actor="ada"),
        lambda: controls.limits.create("empty", LimitTerms(), actor="ada"),
        lambda: controls.kills.create(KillTerms(), actor="ada"),
    ):
        with pytest.raises(BadControl):
            change()
    with pytest.raises(UnknownKey):
        controls.kills.create(KillTerms(match={"credential": "nobody"}, reason="x"), actor="ada")
    with store.reading() as connection:
        assert audit_entries(connection) == []


def test_a_key_is_matched_by_its_id_however_it_was_named(controls, keys):
    made = keys.create("checkout", Scope("acme"), Attribution(), actor="ada").key
    policy = controls.policies.create(
        "by name", PolicyTerms(match={"credential": "checkout"}, deny_models=("x",)), is_on=True, actor="ada"
    )
    assert policy.terms.match == {"credential": made.credential_id}
    assert controls.key_names() == {made.credential_id: "checkout"}
    kill = controls.kills.create(KillTerms(match={"credential": "pt_abc"}, reason="x"), actor="ada")
    assert kill.terms.match == {"credential": "pt_abc"}


def test_there_is_a_bound_on_what_a_worker_must_hold(controls, monkeypatch):
    monkeypatch.setattr(register, "CONTROLS_MAX", 2)
    for number in range(2):
        controls.limits.create(f"limit {number}", LimitTerms(concurrent=1), actor="ada")
    with pytest.raises(BadControl, match="at most 2"):
        controls.limits.create("one more", LimitTerms(concurrent=1), actor="ada")
    controls.limits.remove("limit 0", actor="ada")
    controls.limits.create("one more", LimitTerms(concurrent=1), actor="ada")


def test_tags_may_be_named_with_or_without_their_prefix(controls):
    terms = PolicyTerms(require_tags=("tag:plan", "feature"), tag_values={"tag:plan": ("free",)})
    kept = controls.policies.create("tags", terms, is_on=True, actor="ada").terms
    assert (kept.require_tags, kept.tag_values) == (("plan", "feature"), {"plan": ("free",)})


EXACT = CacheTerms(match={"feature": "support"}, exact=ExactCaching(share="team"))


def test_the_snapshot_carries_cache_rules_that_are_on_in_the_order_in_which_they_decide(controls, clock, tmp_path):
    def make(name: str, position: int, *, is_on: bool = True) -> None:
        terms = CacheTerms(position=position, exact=ExactCaching())
        controls.caches.create(name, terms, is_on=is_on, actor="ada")

    for name, position in (("late", 5), ("older", 0), ("gone", 0), ("younger", 0), ("first", -3)):
        clock.at_us += 1
        make(name, position)
    make("off", -9, is_on=False)
    controls.caches.remove("gone", actor="ada")
    controls.publish()
    published = read_snapshot(tmp_path / "snapshot.msgpack").cache_rules
    assert [one.name for one in published] == ["first", "older", "younger", "late"]
    assert [one.name for one in controls.caches.all()] == ["off", "first", "older", "younger", "late"]


def test_a_changed_cache_rule_keeps_its_id_and_its_place_and_its_name_is_taken(controls, clock):
    first = controls.caches.set("support", EXACT, is_on=True, actor="ada")
    clock.at_us += 1
    second = controls.caches.create("everything", CacheTerms(), is_on=True, actor="ada")
    assert controls.caches.set(" support ", CacheTerms(prompt=PromptCaching()), is_on=False, actor="bob") == (
        msgspec.structs.replace(first, terms=CacheTerms(prompt=PromptCaching()), is_on=False)
    )
    assert [one.rule_id for one in controls.caches.all()] == [first.rule_id, second.rule_id]
    assert first.rule_id.startswith("ca_")
    with pytest.raises(NameTaken, match="bursar caches list"):
        controls.caches.create("support", EXACT, is_on=True, actor="ada")
    with pytest.raises(UnknownControl):
        controls.caches.change("nobody", EXACT, actor="ada")


def test_prompt_caching_is_stopped_with_its_reason_until_somebody_resumes_it(controls, store, tmp_path):
    rule = controls.caches.create("prompts", CacheTerms(prompt=PromptCaching()), is_on=True, actor="ada")
    stopped = controls.caches.stop("prompts", " writes cost $4.10, reads saved $1.20 ", actor="watch")
    assert (stopped.stopped, stopped.is_on) == ("writes cost $4.10, reads saved $1.20", True)
    controls.caches.stop(rule.rule_id, "writes cost $4.10, reads saved $1.20", actor="watch")  # it is so already
    again = CacheTerms(prompt=PromptCaching(ttl="1h"))
    assert controls.caches.set("prompts", again, is_on=True, actor="bob").stopped, "a change isn't a resumption"
    controls.publish()
    assert read_snapshot(tmp_path / "snapshot.msgpack").cache_rules[0].stopped == stopped.stopped
    assert controls.caches.resume("prompts", actor="bob").stopped == ""
    controls.caches.resume("prompts", actor="bob")
    with store.reading() as connection:
        entries = audit_entries(connection)
    assert [(one.actor, one.action) for one in entries] == [
        ("ada", "cache.create"), ("watch", "cache.stop"), ("bob", "cache.change"), ("bob", "cache.resume"),
    ]  # fmt: skip
    assert "$4.10" in entries[1].detail
    assert first_broken_entry(entries, SECRET) is None


def test_what_rules_kept_is_cleared_one_or_all_each_time_with_another_mark(controls, store, tmp_path):
    one, two = (controls.caches.create(name, EXACT, is_on=name == "one", actor="ada") for name in ("one", "two"))
    controls.caches.create("marks", CacheTerms(prompt=PromptCaching()), is_on=True, actor="ada")

    def spaces() -> dict[str, int] | None:
        controls.publish()
        return read_snapshot(tmp_path / "snapshot.msgpack").kept_spaces

    assert spaces() == {one.rule_id: 0, two.rule_id: 0}  # the one that is off keeps what it has, marks keep nothing
    [cleared] = controls.caches.clear("one", actor="bob")
    assert (cleared.rule_id, cleared.cleared_us) == (one.rule_id, NOON_US)
    assert [rule.cleared_us for rule in controls.caches.clear(one.rule_id, actor="bob")] == [
        NOON_US + 1
    ]  # a clock stands
    assert len(controls.caches.clear(actor="eve")) == 3
    assert spaces() == {one.rule_id: NOON_US + 2, two.rule_id: NOON_US}
    assert controls.caches.set("one", EXACT, is_on=True, actor="bob").cleared_us == NOON_US + 2
    with pytest.raises(UnknownControl):
        controls.caches.clear("", actor="bob")  # an empty name isn't all of them
    controls.caches.remove("one", actor="ada")
    assert spaces() == {two.rule_id: NOON_US}
    with store.reading() as connection:
        entries = [one for one in audit_entries(connection) if one.action == "cache.clear"]
    assert [(one.actor, one.subject, one.detail) for one in entries] == [
        ("bob", one.rule_id, '{"name":"one"}'), ("bob", one.rule_id, '{"name":"one"}'), ("eve", "all", '{"count":"3"}'),
    ]  # fmt: skip


def test_only_what_can_be_stopped_is(controls):
    controls.caches.create("exact", EXACT, is_on=True, actor="ada")
    with pytest.raises(BadControl, match="no prompt caching"):
        controls.caches.stop("exact", "it costs", actor="watch")
    with pytest.raises(BadControl, match="say why"):
        controls.caches.stop("exact", " ", actor="watch")
    for act in (controls.caches.resume, controls.caches.remove):
        with pytest.raises(UnknownControl):
            act("nobody", actor="ada")


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (CacheTerms(match={"colour": "red"}), "match.colour"),
        (CacheTerms(match={"feature": ""}), "match.feature"),
        (CacheTerms(position=1_000_001), "position"),
        (CacheTerms(exact=ExactCaching(ttl_s=0)), "exact.ttl_s"),
        (CacheTerms(exact=ExactCaching(entry_bytes_max=17 * 1024 * 1024)), "exact.entry_bytes_max"),
        (CacheTerms(semantic=SemanticCaching(ttl_s=30 * 86_400 + 1)), "semantic.ttl_s"),
        (CacheTerms(semantic=SemanticCaching(similarity_min=0.4)), "semantic.similarity_min"),
        (CacheTerms(semantic=SemanticCaching(similarity_min=float("nan"))), "semantic.similarity_min"),
        (CacheTerms(semantic=SemanticCaching(sample_percent=0)), "semantic.sample_percent"),
        (CacheTerms(semantic=SemanticCaching(embedder="ada")), "semantic.embedder"),
    ],
)
def test_a_cache_rule_that_cannot_be_is_refused_with_its_field_and_leaves_no_trace(tmp_path, terms, field):
    store = ControlStore(tmp_path / "control.sqlite")
    book = CacheBook(store, SECRET, FixedClock(NOON_US))
    for act in (book.create, book.set):
        with pytest.raises(BadControl) as refused:
            act("rule", terms, is_on=True, actor="ada")
        assert refused.value.field == field
    with store.reading() as connection:
        assert audit_entries(connection) == []


def test_a_key_in_a_cache_rule_is_matched_by_its_id(controls, keys):
    made = keys.create("checkout", Scope("acme"), Attribution(), actor="ada").key
    terms = CacheTerms(match={"credential": "checkout"}, exact=ExactCaching())
    assert controls.caches.create("one", terms, is_on=True, actor="ada").terms.match == {
        "credential": made.credential_id
    }
    with pytest.raises(UnknownKey):
        controls.caches.change("one", CacheTerms(match={"credential": "nobody"}), actor="ada")
