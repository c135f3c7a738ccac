"""Which cache rule decides about a call: the first that matches, by lookup, as if all had been looked at in order."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.caching import CacheRule, CacheTerms, ExactCaching, PromptCaching
from bursar.domain.clock import FixedClock
from bursar.domain.controls import TAG_PREFIX
from bursar.domain.scope import Scope
from bursar.domain.snapshot import Snapshot, encode_snapshot
from bursar.domain.tags import Attribution
from bursar.gateway.cache_rules import CacheTable
from bursar.gateway.case import Case, reader_of
from bursar.gateway.rehearse import dry_worker
from bursar.gateway.settings import WorkerSettings
from bursar.gateway.worker import use_snapshot
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows

MATCHES = {
    "organization": "acme", "scope_team": "core", "project": "apollo", "credential": "vk_core",
    "credential_kind": "virtual", "feature": "checkout", "team": "core", "customer": "c1", "environment": "prod",
    "request_type": "summary", "session": "s1", "agent": "crawler", "user": "u1", "provider": "openai",
    "model": "gpt-4o", "tag:plan": "free",
}  # fmt: skip


def rule(name: str, *, is_on: bool = True, stopped: str = "", **terms: Any) -> CacheRule:
    return CacheRule(f"ca_{name}", name, CacheTerms(**terms), is_on, 1, "ada", stopped)


def case(said: dict[str, str] = MATCHES) -> Case:
    """A call whose dimensions have these values, and no others."""
    tags = {name.removeprefix(TAG_PREFIX): value for name, value in said.items() if name.startswith(TAG_PREFIX)}
    own = ("feature", "team", "customer", "environment", "request_type", "session", "agent", "user")
    return Case(
        Scope(said.get("organization", ""), said.get("scope_team", ""), said.get("project", "")),
        said.get("credential", ""),
        said.get("credential_kind", ""),
        Attribution(**{name: said.get(name, "") for name in own}, tags=tags),
        said.get("model", ""),
        "chat",
        100,
        None,
        provider=said.get("provider", ""),
    )


def found(table: CacheTable, one: Case) -> str:
    """The name of the rule that decides; "" for none."""
    decides = table.find(one)
    return decides.name if decides is not None else ""


@pytest.mark.parametrize("name", MATCHES)
def test_a_rule_is_about_calls_with_the_equal_value_and_no_others(name):
    table = CacheTable([rule("one", match={name: MATCHES[name]})])
    assert found(table, case()) == "one"
    assert found(table, case(MATCHES | {name: "another"})) == ""


def test_without_rules_and_with_those_that_are_off_nothing_is_asked():
    assert not CacheTable().is_active
    assert not CacheTable([rule("off", is_on=False)]).is_active
    assert CacheTable([rule("on")]).is_active


def test_a_rule_that_caches_nothing_decides_too():
    table = CacheTable([rule("never", match={"feature": "checkout"}), rule("all", exact=ExactCaching())])
    decides = table.find(case())
    assert decides is not None
    assert (decides.name, decides.terms.exact) == ("never", None)
    assert found(table, case(MATCHES | {"feature": "support"})) == "all"


def test_stopped_prompt_caching_is_no_more_and_the_rest_of_the_rule_is():
    kept = rule("one", prompt=PromptCaching(), exact=ExactCaching(), stopped="writes cost more than reads saved")
    decides = CacheTable([kept]).find(case())
    assert decides is not None
    assert (decides.terms.prompt, decides.terms.exact) == (None, ExactCaching())
    assert decides.stopped == kept.stopped


names = st.sampled_from(sorted(MATCHES))
values = st.sampled_from(["a", "b"])
calls = st.dictionaries(names, values)


@given(st.lists(st.dictionaries(names, values, max_size=3), max_size=12), st.lists(calls, min_size=1, max_size=5))
def test_what_is_found_is_the_first_of_all_rules_looked_at_one_by_one(matches, said):
    rules = [rule(str(at), match=match) for at, match in enumerate(matches)]
    table = CacheTable(rules)
    for one in map(case, said):
        holds = [kept.name for kept in rules if all(reader_of(name)(one) == v for name, v in kept.terms.match.items())]
        assert found(table, one) == next(iter(holds), "")


def test_a_worker_follows_the_snapshot(tmp_path: Path):
    path, secret = tmp_path / "snapshot.msgpack", tmp_path / "secret"
    secret.write_bytes(bytes(32))
    settings = WorkerSettings("127.0.0.1", 0, str(tmp_path), "", str(path), "", str(secret), "acme", [])
    book = PriceBook(compile_rows(None)[0])
    with dry_worker(settings, Snapshot(0), FixedClock(1), (), book) as worker:
        assert not worker.cache_table.is_active
        path.write_bytes(encode_snapshot(Snapshot(1, cache_rules=[rule("one", exact=ExactCaching(share="team"))])))
        use_snapshot(worker, path)
        assert found(worker.cache_table, case()) == "one"
        path.write_bytes(encode_snapshot(Snapshot(2))[:-9])  # half of a file: the last one stays in force
        use_snapshot(worker, path)
        assert found(worker.cache_table, case()) == "one"
        path.write_bytes(encode_snapshot(Snapshot(3)))
        use_snapshot(worker, path)
        assert not worker.cache_table.is_active
