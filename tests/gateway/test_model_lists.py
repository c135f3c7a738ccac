"""`GET /v1/models`: made once for keys alike, and anew when rules or prices change."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.clock import SystemClock
from bursar.domain.controls import Policy, PolicyTerms
from bursar.domain.snapshot import Snapshot
from bursar.gateway import model_list
from bursar.gateway.call import Worker
from bursar.gateway.envelope import Envelope
from bursar.gateway.model_list import list_models
from bursar.gateway.model_lists import KEPT_BYTES_MAX, KEPT_US, ModelLists
from bursar.gateway.rehearse import dry_worker, envelope_of
from bursar.gateway.settings import UpstreamSettings, WorkerSettings
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows

BOOK = PriceBook(compile_rows(None)[0])


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    (tmp_path / "secret").write_bytes(bytes(32))
    upstreams = [UpstreamSettings("openai", "https://x.test", "openai", "openai", models=["gpt-4o*"])]
    site = str(tmp_path)
    settings = WorkerSettings("127.0.0.1", 0, site, site, "", "", str(tmp_path / "secret"), "acme", upstreams)
    with dry_worker(settings, Snapshot(0), SystemClock(), [], BOOK) as worker:
        yield worker


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    families: list[str] = []
    written = model_list.written_list

    def counted(worker, envelope, family):
        families.append(family)
        return written(worker, envelope, family)

    monkeypatch.setattr(model_list, "written_list", counted)
    return families


def opened(worker: Worker, snapshot: Snapshot, *users: bytes) -> list[Envelope]:
    """What clients say for whom they are, read by one snapshot."""
    heads = [envelope_of(worker, [(b"x-bursar-user", user)], None) for user in users]
    return [msgspec.structs.replace(envelope, snapshot=snapshot) for envelope in heads]


def test_a_list_is_made_once_for_all_keys_where_no_rule_tells_them_apart(worker: Worker, made: list[str]):
    one, other = opened(worker, Snapshot(0), b"ada", b"bob")
    lists = {list_models(worker, envelope, "openai") for envelope in (one, other, one)}
    assert len(lists) == 1
    assert b"openai/gpt-4o-mini" in lists.pop()
    assert list_models(worker, one, "anthropic") != list_models(worker, one, "openai")
    assert made == ["openai", "anthropic"]
    worker.meter.book = PriceBook(compile_rows(None)[0])
    list_models(worker, one, "openai")
    assert made == ["openai", "anthropic", "openai"]


def test_rules_make_a_list_for_each_whom_they_may_be_about(worker: Worker, made: list[str]):
    terms = PolicyTerms(match={"user": "bob"}, deny_models=("gpt-4o-mini",))
    snapshot = Snapshot(1, policies=[Policy("pl_1", "no mini", terms, True, 0, "test")])
    list_models(worker, *opened(worker, Snapshot(0), b"bob"), "openai")
    worker.decider.use(snapshot)
    ada, bob = opened(worker, snapshot, b"ada", b"bob")
    for _ in range(2):
        assert b'"openai/gpt-4o-mini"' in list_models(worker, ada, "openai")
        assert b'"openai/gpt-4o-mini"' not in list_models(worker, bob, "openai")
    assert made == ["openai"] * 3


def test_a_list_is_kept_for_some_seconds():
    lists, made_of = ModelLists(), (object(),)
    assert lists.find("a", made_of, 0) is None
    lists.keep("a", b"x", 0)
    assert lists.find("a", made_of, KEPT_US - 1) == b"x"
    assert lists.find("a", made_of, KEPT_US) is None
    assert lists.find("a", (object(),), 1) is None
    assert lists.find("a", made_of, 1) is None  # the other's coming let it go


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, KEPT_BYTES_MAX + 9)), max_size=12))
def test_what_is_kept_has_a_bound(asked: list[tuple[str, int]]):
    lists, made_of = ModelLists(), (object(),)
    lists.find("", made_of, 0)
    for key, size in asked:
        lists.keep(key, bytes(size), 0)
        found = [lists.find(one, made_of, 0) or b"" for one in "abc"]
        assert sum(map(len, found)) <= KEPT_BYTES_MAX
        if size <= KEPT_BYTES_MAX:
            assert lists.find(key, made_of, 0) == bytes(size)
