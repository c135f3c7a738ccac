"""The demo's history and proof, against the real price book, journal, loader and ledger."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest

from bursar.controlfile.state import ControlState
from bursar.demo import (
    HistoryTotals,
    adopt_keys,
    at_a_rate,
    at_its_own_pace,
    bad_release,
    check,
    demo_controls,
    fill_history,
    has_history,
    key_id,
    traffic,
)
from bursar.demo.check import Proof
from bursar.demo.incident import CALLS_A_MINUTE, FEATURE, LASTS_S
from bursar.domain.clock import FixedClock
from bursar.domain.hashing import keyed_hash
from bursar.domain.usage import Usage
from bursar.governance.keys import Keys
from bursar.governance.store import ControlStore
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.ledger.verify import verify
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_book
from bursar.simulate.billing import LogEntry
from bursar.simulate.generate import DAY_US, Event, events
from bursar.simulate.launch import Running
from bursar.spool.reader import read_slice, segments
from bursar.spool.records import Dispatched, Record, Settled

NOW_US = 1_795_000_000_000_000  # 2026-11-18


class Filled(NamedTuple):
    spool: Path
    records: list[Record]  # as they were before the loader took them
    totals: HistoryTotals
    ledger: Ledger


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    path = tmp_path_factory.mktemp("prices") / "book"
    compile_book(path, None)
    return PriceBook.load(path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[Filled]:
    root = tmp_path_factory.mktemp("demo")
    spool = root / "spool"
    totals = fill_history(spool, book, now_us=NOW_US, days=30, calls_per_day=150, seed=2)
    assert has_history(spool)
    records = [
        record for segment in segments(spool) for record in read_slice(segment.path, 0, records_max=10**6).records
    ]
    ledger = open_ledger(root / "ledger.duckdb")
    Loader(ledger, spool).load_all()
    yield Filled(spool, records, totals, ledger)
    ledger.close()


def failed(proofs: list[Proof]) -> list[Proof]:
    return [proof for proof in proofs if not proof.ok]


def test_history_is_written_as_a_worker_would(filled):
    dispatched = [record for record in filled.records if isinstance(record, Dispatched)]
    settled = {record.attempt_id: record for record in filled.records if isinstance(record, Settled)}
    assert [record.seq for record in dispatched] == list(range(1, len(dispatched) + 1))
    assert set(settled) == {record.attempt_id for record in dispatched}
    assert len(settled) == len(dispatched) == filled.totals.attempts
    finals = Counter(record.call.call_id for record in dispatched if settled[record.attempt_id].final)
    assert set(finals.values()) == {1}
    assert len(finals) == filled.totals.calls
    assert all(
        record.dispatched_us <= settled[record.attempt_id].ended_us <= NOW_US + 60_000_000 for record in dispatched
    )


def test_what_was_reported_never_costs_more_than_its_bound(filled):
    with filled.ledger.reading() as session:
        over = session.query("SELECT count(*) FROM charges WHERE billed_cost > bound_cost").only()
    assert over == 0


def test_the_books_hold_every_law_and_show_the_incidents(filled):
    assert [finding for finding in verify(filled.ledger, filled.spool) if not finding.ok] == []
    proofs = check(filled.ledger, filled.totals, [], live_from_us=NOW_US)
    assert failed(proofs) == []
    assert sum(proof.name.startswith("incident") for proof in proofs) == 3
    assert filled.totals.unpriced == 3


def test_the_proof_notices_what_is_wrong(filled):
    with filled.ledger.reading() as session:
        before = session.query("SELECT count(*) FROM charges").only()
    short = HistoryTotals(**{name: getattr(filled.totals, name) for name in filled.totals.__struct_fields__})
    short.list_pico += 1
    short.attempts += 1
    names = [proof.name for proof in failed(check(filled.ledger, short, [], live_from_us=NOW_US))]
    assert names == ["history: one charge per attempt", "history: cost, to the last pico"]
    assert before == filled.totals.attempts


def test_the_proof_misses_a_charge_that_the_provider_billed(filled):
    entry = LogEntry(
        1, "req_1", "chatcmpl-1", NOW_US, NOW_US, "/v1/chat/completions", "openai-chat", False, "gpt-4o",
        "gpt-4o-2024-08-06", "default", 200, Usage(input=10, output=1), 35_000_000, billed=True, completed=True,
    )  # fmt: skip
    assert [proof.name for proof in failed(check(filled.ledger, None, [entry], live_from_us=NOW_US))] == [
        "live: one charge for each request the provider saw",
        "live: the provider's bill equals the ledger",
        "live: each answer was charged as it was billed",
    ]


def wait_for_requests(provider: Running, count: int) -> None:
    while provider.bill()["requests"] < count:
        time.sleep(0.05)


def test_the_companys_control_file_is_one_that_can_be_applied_and_says_something_of_each_kind(tmp_path: Path):
    clock = FixedClock(NOW_US)
    state = ControlState(ControlStore(tmp_path / "control.sqlite"), b"secret", clock, "UTC")
    text = demo_controls(date(2026, 11, 18))
    made = state.apply(text, prune=False, actor="demo", openings={})
    assert {change.section for change in made} == {"budgets", "limits", "policies"}
    assert state.apply(text, prune=True, actor="demo", openings={}) == []


def test_live_traffic_calls_until_it_is_told_to_stop(provider: Running):
    async def run() -> None:
        until = asyncio.Event()
        calling = asyncio.create_task(traffic(provider.url, at_a_rate(1, 60), until=until, label="live-test"))
        async with asyncio.timeout(60):
            await asyncio.to_thread(wait_for_requests, provider, 30)
        until.set()
        totals = await calling
        assert totals.calls == totals.answered > 10

    asyncio.run(run())
    entries = [entry for entry in provider.log() if entry.label == "live-test"]
    assert len({entry.dialect for entry in entries}) >= 2
    assert {entry.stream for entry in entries} == {True, False}
    assert "x-bursar-tags" in entries[0].header_names


def test_live_calls_go_on_at_the_historys_pace_and_sizes():
    day = list(itertools.takewhile(lambda event: event.at_us < NOW_US + DAY_US, at_its_own_pace(2, 400)(NOW_US)))
    assert 200 < len(day) < 800
    assert all(before.at_us <= after.at_us for before, after in itertools.pairwise(day))
    assert day[0].at_us >= NOW_US
    assert {event.feature for event in day} > {"support-bot", "doc-extract"}


def test_a_release_goes_wrong_for_a_while_with_longer_prompts_that_no_cache_knows():
    usual = [event for event in events(2, NOW_US - DAY_US, NOW_US, 400) if event.feature == FEATURE]
    wrong = list(bad_release(2, NOW_US, 400))
    assert 0.5 < len(wrong) / (CALLS_A_MINUTE * LASTS_S / 60) < 1.5
    assert NOW_US < wrong[0].at_us <= wrong[-1].at_us < NOW_US + LASTS_S * 1_000_000
    assert {event.feature for event in wrong} == {FEATURE}
    assert all(event.usage.cache_read == 0 for event in wrong)

    def mean(these: list[Event]) -> float:
        return sum(event.usage.total_input for event in these) / len(these)

    assert mean(wrong) > 2 * mean(usual)


def test_the_teams_keys_are_the_same_in_a_second_run_and_cost_what_the_history_was_charged_to(tmp_path: Path):
    keys = Keys(ControlStore(tmp_path / "control.sqlite"), bytes(32), FixedClock(NOW_US))
    texts = adopt_keys(keys, bytes(32), "acme")
    assert adopt_keys(keys, bytes(32), "acme") == texts
    assert {key.credential_id for key in keys.all()} == {key_id(team) for team in texts}
    assert len(set(texts.values())) == len(texts)
    known = keys.snapshot().keys
    assert known[keyed_hash(bytes(32), texts["support"].encode())].credential_id == "vk_demo_support"
    assert (
        adopt_keys(Keys(ControlStore(tmp_path / "other.sqlite"), b"1" * 32, FixedClock(NOW_US)), b"1" * 32, "acme")
        != texts
    )
