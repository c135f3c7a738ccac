import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.ledger.records import T0, call_facts, dispatched, ended, failed, settled, unpriced

from bursar.domain.clock import FixedClock
from bursar.domain.errors import LedgerBusy
from bursar.domain.money import usd_from_pico
from bursar.domain.periods import parse_period
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage
from bursar.explore.replayed import past_calls
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.ledger.verify import verify
from bursar.spool.journal import FRAME, Journal
from bursar.spool.records import ENCODER, Compared


def rows(ledger: Ledger, sql: str, **params: Any) -> list[tuple[Any, ...]]:
    with ledger.reading() as session:
        return session.query(sql, params).rows


def holds(ledger: Ledger, spool: Path) -> bool:
    broken = [finding for finding in verify(ledger, spool) if not finding.ok]
    assert broken == []
    return True


def test_an_attempt_becomes_one_charge_and_one_call(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    first = dispatched(1)
    journal.append(first)
    bill = settled(first)
    journal.append(bill)

    loaded = loader.load_once()

    assert (loaded.attempts, loaded.calls, loaded.records) == (1, 1, 2)
    cost = usd_from_pico(bill.list_pico or 0)
    assert rows(ledger, "SELECT list_cost, quality, entry, weight FROM charges") == [(cost, "reported", "usage", 1)]
    assert rows(ledger, "SELECT list_cost, outcome, attempts FROM calls") == [(cost, "ok", 1)]
    assert rows(ledger, "SELECT tags['plan'], feature FROM charges") == [("pro", "checkout")]
    assert rows(ledger, "SELECT count(*) FROM pending") == [(0,)]
    assert holds(ledger, spool)
    journal.close()


def test_a_settlement_finds_its_dispatch_of_an_earlier_batch(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    first = dispatched(1)
    journal.append(first)
    loader.load_once()
    assert rows(ledger, "SELECT count(*) FROM pending") == [(1,)]
    assert loader.status().in_flight == 1

    journal.append(settled(first))
    Loader(ledger, spool).load_once()  # another process run: what is in flight is read back from the books

    assert rows(ledger, "SELECT count(*) FROM pending") == [(0,)]
    assert rows(ledger, "SELECT count(*) FROM charges") == [(1,)]
    assert holds(ledger, spool)
    journal.close()


def test_a_retried_call_is_one_row_with_the_cost_of_all_attempts(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    call = call_facts()
    one = dispatched(1, call)
    journal.append(one)
    journal.append(settled(one, final=False, outcome="provider_error", error_code="stream_cut", quality="estimated"))
    loader.load_once()
    assert rows(ledger, "SELECT count(*) FROM open_calls") == [(1,)]
    two = dispatched(2, call, attempt_number=2, retry_cause="stream_cut")
    journal.append(two)
    journal.append(settled(two))
    loader.load_once()

    charges = rows(ledger, "SELECT SUM(list_cost), count(*) FROM charges")[0]
    assert rows(ledger, "SELECT list_cost, attempts, quality, outcome FROM calls") == [(*charges, "estimated", "ok")]
    assert rows(ledger, "SELECT count(*) FROM open_calls") == [(0,)]
    assert holds(ledger, spool)
    journal.close()


def test_a_call_refused_before_any_attempt_has_a_row_and_costs_nothing(
    ledger: Ledger, loader: Loader, spool: Path
) -> None:
    journal = Journal(spool, "w0", sync=False)
    journal.append(ended())
    loader.load_once()
    assert rows(ledger, "SELECT outcome, error_code, client_status, list_cost, attempts, feature FROM calls") == [
        ("client_error", "invalid_json", 400, 0, 0, "checkout")
    ]
    assert holds(ledger, spool)
    journal.close()


def test_a_call_that_gives_up_between_attempts_keeps_what_it_cost(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    call = call_facts()
    one = dispatched(1, call)
    journal.append(one)
    journal.append(settled(one, final=False, outcome="provider_error"))
    journal.append(ended(call, outcome="aborted", error_code="client_gone", client_status=0))
    loader.load_once()
    assert rows(ledger, "SELECT outcome, attempts, list_cost = (SELECT SUM(list_cost) FROM charges) FROM calls") == [
        ("aborted", 1, True)
    ]
    assert holds(ledger, spool)
    journal.close()


def test_a_dead_workers_open_attempts_are_assumed_at_their_bound(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    bounded, boundless = dispatched(1), dispatched(2, bound_pico=None)
    journal.append(bounded)
    journal.append(boundless)
    loader.load_once()
    assert rows(ledger, "SELECT count(*) FROM charges") == [(0,)]

    journal.close()  # the kernel drops the lock of a killed worker just the same
    loaded = loader.load_once()

    assert (loaded.assumed, loaded.calls) == (2, 2)
    found = rows(ledger, "SELECT quality, list_cost, outcome, error_code FROM charges ORDER BY seq")
    assert found == [
        ("assumed", usd_from_pico(bounded.bound_pico or 0), "aborted", "worker_lost"),
        ("unpriced", None, "aborted", "worker_lost"),
    ]
    assert rows(ledger, "SELECT quality, outcome, client_status FROM calls ORDER BY quality") == [
        ("assumed", "aborted", 0),
        ("unpriced", "aborted", 0),
    ]
    assert rows(ledger, "SELECT writer, assumed FROM writers") == [("w0", 2)]
    assert list(spool.iterdir()) == []
    assert holds(ledger, spool)
    assert loader.load_once().attempts == 0


def test_a_worker_that_dies_between_two_attempts_leaves_an_ended_call(
    ledger: Ledger, loader: Loader, spool: Path
) -> None:
    journal = Journal(spool, "w0", sync=False)
    one = dispatched(1)
    journal.append(one)
    journal.append(failed(one))
    journal.close()
    loader.load_once()
    assert rows(ledger, "SELECT outcome, error_code, attempts FROM calls") == [("aborted", "worker_lost", 1)]
    assert rows(ledger, "SELECT count(*) FROM open_calls") == [(0,)]
    assert holds(ledger, spool)


def test_a_dead_workers_call_with_two_open_attempts_ends_once(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    call = call_facts()
    journal.append(dispatched(1, call))
    journal.append(dispatched(2, call, attempt_number=2))
    journal.close()
    loader.load_once()
    assert rows(ledger, "SELECT attempts FROM calls") == [(2,)]
    assert holds(ledger, spool)


def test_a_settlement_that_comes_after_all_reverses_the_assumption(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    one = dispatched(1)
    journal.append(one)
    journal.close()
    loader.load_once()

    restored = Journal(spool, "restored", sync=False)  # as a backup brought back would be
    bill = settled(one)
    restored.append(bill)
    loader.load_once()

    cost = usd_from_pico(bill.list_pico or 0)
    assert rows(ledger, "SELECT SUM(list_cost), SUM(weight), count(*) FROM charges") == [(cost, 1, 3)]
    assert rows(ledger, "SELECT list_cost, quality, outcome, client_status FROM calls") == [
        (cost, "reported", "ok", 200)
    ]
    assert rows(ledger, "SELECT SUM(list_cost), SUM(assumed_count), SUM(attempts) FROM rollup_new") == [(cost, 0, 1)]
    assert holds(ledger, spool)
    restored.append(bill)
    assert loader.load_once().faults == 1  # a second time is a fault, and changes nothing
    assert rows(ledger, "SELECT count(*) FROM charges") == [(3,)]
    restored.close()


def test_a_settlement_nobody_dispatched_is_a_fault_and_no_charge(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    journal.append(settled(dispatched(1)))
    assert loader.load_once().faults == 1
    assert rows(ledger, "SELECT code FROM loader_faults") == [("settled_unknown",)]
    assert rows(ledger, "SELECT count(*) FROM charges") == [(0,)]
    assert [finding.name for finding in verify(ledger, spool) if not finding.ok] == [
        "all of the journal could be read",
        "costs in the journal files = costs in the books",
    ]
    journal.close()


def test_segments_are_deleted_when_they_are_in_the_books(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", segment_bytes=2_000, sync=False)
    attempts = [dispatched(seq) for seq in range(1, 21)]
    for attempt in attempts:
        journal.append(attempt)
    for attempt in attempts:
        journal.append(settled(attempt))
    assert len(list(spool.iterdir())) > 5
    loader.load_all()
    assert len(list(spool.iterdir())) == 1  # the one still being written
    assert rows(ledger, "SELECT count(*), count(DISTINCT attempt_id) FROM charges") == [(20, 20)]
    assert holds(ledger, spool)
    journal.close()
    loader.load_all()
    assert list(spool.iterdir()) == []
    assert holds(ledger, spool)


def test_a_crash_between_commit_and_deletion_loads_nothing_twice(
    ledger: Ledger, loader: Loader, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(spool, "w0", sync=False)
    one = dispatched(1)
    journal.append(one)
    journal.append(settled(one))
    journal.close()

    def die(self: Loader, paths: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Loader, "_delete", die)
        with pytest.raises(KeyboardInterrupt):
            loader.load_once()
    assert len(list(spool.iterdir())) == 1
    Loader(ledger, spool).load_once()
    assert list(spool.iterdir()) == []
    assert rows(ledger, "SELECT count(*) FROM charges") == [(1,)]
    assert holds(ledger, spool)


def test_a_damaged_segment_is_a_fault_that_verify_shows(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    for seq in (1, 2, 3):
        one = dispatched(seq)
        journal.append(one)
        journal.append(settled(one))
    journal.close()
    path = next(spool.iterdir())
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    loader.load_once()
    assert rows(ledger, "SELECT code FROM loader_faults") == [("damaged_record",)]
    assert "all of the journal could be read" in [f.name for f in verify(ledger, spool) if not f.ok]


def test_damage_under_a_living_worker_loses_only_what_is_damaged(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    one, two = dispatched(1), dispatched(2)
    journal.append(one)
    path = next(spool.iterdir())
    with path.open("r+b") as file:
        file.seek(60)
        file.write(b"\xff")
    loader.load_once()
    journal.append(two)
    journal.append(settled(two))
    loader.load_once()
    assert path.exists()
    assert rows(ledger, "SELECT seq FROM charges") == [(2,)]
    broken = {finding.name for finding in verify(ledger, spool) if not finding.ok}
    assert {"all of the journal could be read", "no gap in any worker's sequence"} <= broken
    journal.close()


def test_a_torn_last_frame_of_a_dead_worker_is_no_fault(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    one, two = dispatched(1), dispatched(2)
    journal.append(one)
    journal.append(settled(one))
    journal.append(two)
    journal.close()
    path = next(spool.iterdir())
    data = bytearray(path.read_bytes())
    frame_bytes = len(ENCODER.encode(two)) + FRAME.size
    data[8:16] = (len(data) - frame_bytes).to_bytes(8, sys.byteorder)  # the writer died before it counted the frame
    path.write_bytes(data[:-7])
    loader.load_once()
    assert rows(ledger, "SELECT count(*) FROM charges") == [(1,)]
    assert holds(ledger, spool)


def test_unpriced_stays_unknown_all_the_way(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    one = dispatched(1, bound_pico=None)
    journal.append(one)
    journal.append(unpriced(one))
    loader.load_once()
    assert rows(ledger, "SELECT list_cost, effective_cost, quality FROM charges") == [(None, None, "unpriced")]
    assert rows(ledger, "SELECT list_cost, unpriced_count, quality FROM calls") == [(None, 1, "unpriced")]
    assert rows(ledger, "SELECT list_cost, unpriced_count FROM rollup_new") == [(None, 1)]
    assert holds(ledger, spool)
    journal.close()


def test_the_largest_and_smallest_money_arrives_to_the_last_pico(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    for seq, pico in enumerate((1, 999_999_999_999_999_999, 123_456_789_012_345_678), start=1):
        one = dispatched(seq)
        journal.append(one)
        journal.append(settled(one, list_pico=pico, lines=[]))
    loader.load_once()
    assert rows(ledger, "SELECT list_cost FROM charges ORDER BY seq") == [
        (usd_from_pico(1),),
        (usd_from_pico(999_999_999_999_999_999),),
        (usd_from_pico(123_456_789_012_345_678),),
    ]
    journal.close()


def test_hostile_tags_and_names_arrive_as_they_are(ledger: Ledger, loader: Loader, spool: Path) -> None:
    tags = {
        "a.b": "1",
        'qu"ote': "it's",
        "new\nline": "\u202e",
        "ключ": "🦊",
        "null": "",
        "x'); DROP TABLE charges;--": "y",
    }
    marked = call_facts(attribution=Attribution(feature="'; DROP TABLE calls;--", tags=tags))
    journal = Journal(spool, "w0", sync=False)
    one = dispatched(1, marked)
    journal.append(one)
    journal.append(settled(one))
    loader.load_once()
    assert rows(ledger, "SELECT tags, feature FROM charges") == [(tags, "'; DROP TABLE calls;--")]
    assert rows(ledger, "SELECT tags FROM calls") == [(tags,)]
    journal.close()


def test_a_failed_batch_is_loaded_by_the_next_try(ledger: Ledger, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = Loader(ledger, spool, FixedClock(T0))
    journal = Journal(spool, "w0", sync=False)
    one = dispatched(1)
    journal.append(one)
    journal.append(settled(one))
    with monkeypatch.context() as patched:
        patched.setattr("bursar.ledger.posting.note_segments", _no_disk)
        with pytest.raises(OSError, match="no space"):
            loader.load_once()
    assert rows(ledger, "SELECT count(*) FROM charges") == [(0,)]
    assert loader.load_once().attempts == 1
    assert holds(ledger, spool)
    journal.close()


def _no_disk(*_: object) -> None:
    raise OSError(28, "no space left on device")


def test_the_status_says_what_is_not_loaded_yet(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    journal.append(dispatched(1))
    loader.load_once()
    assert loader.status().unread_bytes == 0
    journal.append(dispatched(2))
    assert loader.status().unread_bytes > 200
    journal.close()


def test_a_second_owner_of_the_file_is_told_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "owned.duckdb"
    script = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    owner = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    try:
        assert owner.stdout is not None
        owner.stdout.readline()
        with pytest.raises(LedgerBusy, match="stop it first"):
            open_ledger(path)
    finally:
        owner.communicate(b"")


def test_a_ledger_opened_again_goes_on_where_it_stood(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    journal = Journal(spool, "w0", sync=False)
    for run in range(3):
        ledger = open_ledger(tmp_path / "ledger.duckdb", threads=1)
        one = dispatched(run + 1)
        journal.append(one)
        journal.append(settled(one))
        Loader(ledger, spool).load_all()
        assert rows(ledger, "SELECT count(*) FROM charges") == [(run + 1,)]
        assert holds(ledger, spool)
        ledger.close()
    journal.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"usage": Usage(input=2**63)},
        {"list_pico": 10**18},
        {"counterfactual_pico": 10**18},
        {"provider_cost_pico": 2**64 - 1},
        {"lines": [("input", 2**64 - 1, 1)]},
        {"lines": [('we"ird', 1, 1)]},
        {"response_bytes": 2**63},
    ],
    ids=str,
)
def test_an_absurd_figure_becomes_unknown_and_keeps_nobody_out(
    ledger: Ledger, loader: Loader, spool: Path, changes: dict[str, Any]
) -> None:
    journal = Journal(spool, "w0", sync=False)
    one, two = dispatched(1), dispatched(2)
    for record in (one, settled(one, **changes), two, settled(two)):
        journal.append(record)
    loader.load_once()
    assert rows(ledger, "SELECT count(*) FROM charges") == [(2,)]
    assert rows(ledger, "SELECT code FROM loader_faults") == [("unfit_value",)]
    assert rows(ledger, "SELECT quality FROM charges WHERE seq = 2") == [("reported",)]
    journal.close()


def test_strange_numbers_of_a_client_are_kept_as_they_are(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    one = dispatched(1, call_facts(client_retry=99_999_999_999))
    journal.append(one)
    journal.append(settled(one))
    journal.append(ended(call_facts(client_retry=99_999_999_999)))
    journal.append(ended(call_facts(client_retry=2**64 - 1)))
    loader.load_once()
    assert rows(ledger, "SELECT client_retry FROM calls ORDER BY ALL") == [(0,), (99_999_999_999,), (99_999_999_999,)]
    journal.close()


def test_books_of_an_earlier_bursar_get_the_columns_that_came_later(tmp_path: Path) -> None:
    ledger, journal = open_ledger(tmp_path / "ledger.duckdb"), Journal(tmp_path / "spool", "w", sync=False)
    sent = dispatched(1)
    journal.append(sent)
    journal.append(settled(sent))
    loader = Loader(ledger, tmp_path / "spool")
    loader.load_all()
    with ledger.writing() as session:
        session.run("DROP VIEW calls")
        for table in ("charges", "call_rows"):
            session.run(f"ALTER TABLE {table} DROP COLUMN traffic")
        session.run("DROP TABLE comparisons")
    ledger.close()
    ledger = open_ledger(tmp_path / "ledger.duckdb")
    twice = [dispatched(2, call := call_facts(traffic="shadow")), dispatched(3, call, attempt_number=2)]
    for number, one in enumerate(twice):
        journal.append(one)
        journal.append(settled(one, final=number == 1))
    journal.append(Compared(1, call.call_id, sent.call.call_id, True, None, None, None, False, 0.5, 0.5))
    journal.close()
    Loader(ledger, tmp_path / "spool").load_all()
    with ledger.reading() as session:
        assert session.query("SELECT traffic, count(*) FROM calls GROUP BY ALL ORDER BY ALL").rows == [
            ("live", 1),
            ("shadow", 1),
        ]
        assert session.query("SELECT tool_calls, words FROM comparisons").rows == [(None, 0.5)]
    assert [one for one in verify(ledger, tmp_path / "spool") if not one.ok] == []
    ledger.close()


def test_calls_to_be_replayed_are_those_of_clients_alone(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "replayed", sync=False)
    sent = [dispatched(1), dispatched(2, call_facts(traffic="shadow")), dispatched(3, tier_asked="batch")]
    for one in sent:
        journal.append(one)
        journal.append(settled(one))
    journal.close()
    loader.load_all()
    with ledger.reading() as session:
        calls, count = past_calls(
            session, parse_period("2026-01-01..2027-01-01", datetime(2026, 11, 1, tzinfo=UTC)), 10
        )
    assert ([call.call_id for call in calls], count) == ([sent[0].call.call_id], 1)
