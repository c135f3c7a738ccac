"""Lines of batches and ends that come late: posted once, however often and in whatever order they are written."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ledger.records import T0, call_facts, dispatched, settled

from bursar.domain.clock import FixedClock
from bursar.domain.ids import attempt_id, derived_id
from bursar.domain.money import usd_from_pico
from bursar.domain.usage import Usage
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.ledger.verify import verify
from bursar.spool.journal import Journal
from bursar.spool.records import Dispatched, Late, Line, Settled


def line_of(number: int) -> Line:
    call = call_facts(T0, call_id=derived_id(T0, "openai", "batch_1", f"line-{number}"), operation="chat")
    of = dispatched(0, call, attempt_id=attempt_id(call.call_id, 1), dispatched_us=T0)
    return Line(of, settled(of, 100 + number, number))


def pending_end(of: Dispatched) -> Settled:
    """As a queued answer is written: its bound, assumed."""
    return settled(
        of,
        quality="assumed",
        usage=Usage(),
        lines=[],
        list_pico=of.bound_pico,
        finish_reason="queued",
        sku_id="",
    )


def ask(ledger: Ledger, sql: str) -> list[tuple[object, ...]]:
    with ledger.reading() as session:
        return session.query(sql).rows


def all_laws_hold(ledger: Ledger, spool: Path) -> bool:
    return [finding for finding in verify(ledger, spool) if not finding.ok] == []


def test_a_late_end_takes_the_place_of_the_assumed_bound(ledger: Ledger, loader: Loader, spool: Path) -> None:
    journal = Journal(spool, "w0", sync=False)
    of = dispatched(1)
    done = settled(of, 1_000, 20, finish_reason="completed")
    for record in (of, pending_end(of), Late(done), Late(done)):
        journal.append(record)
    loader.load_all()
    journal.append(Late(done))
    loader.load_all()
    assert ask(ledger, "SELECT SUM(list_cost), SUM(weight), SUM(output_tokens) FROM charges") == [
        (usd_from_pico(done.list_pico or 0), 1, 20)
    ]
    assert ask(ledger, "SELECT quality, outcome, attempts FROM calls") == [("reported", "ok", 1)]
    assert ask(ledger, "SELECT count(*) FROM late_waiting") == [(0,)]
    assert all_laws_hold(ledger, spool)
    journal.close()


def test_a_late_end_waits_for_its_attempt(ledger: Ledger, loader: Loader, spool: Path) -> None:
    first, second = Journal(spool, "w0", sync=False), Journal(spool, "w1", sync=False)
    of = dispatched(1)
    second.append(Late(settled(of)))
    loader.load_all()
    first.append(of)
    loader.load_all()
    assert ask(ledger, "SELECT count(*) FROM charges") == [(0,)]
    first.append(pending_end(of))
    loader.load_all()
    assert ask(ledger, "SELECT quality FROM calls") == [("reported",)]
    assert all_laws_hold(ledger, spool)
    first.close()
    second.close()


def test_the_late_end_of_a_lost_worker_s_attempt_is_taken_too(ledger: Ledger, loader: Loader, spool: Path) -> None:
    first, second = Journal(spool, "w0", sync=False), Journal(spool, "w1", sync=False)
    of = dispatched(1)
    first.append(of)
    second.append(Late(settled(of)))
    loader.load_all()
    first.close()  # the worker is gone: its attempt is assumed
    loader.load_all()
    second.append(Late(settled(of)))
    loader.load_all()
    assert ask(ledger, "SELECT quality, attempts FROM calls") == [("reported", 1)]
    second.close()
    loader.load_all()
    assert all_laws_hold(ledger, spool)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with TemporaryDirectory() as made:
        yield Path(made)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(
    reads=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(1, 6)), min_size=1, max_size=8),
    loads=st.sets(st.integers(0, 7)),
    restarts=st.sets(st.integers(0, 7)),
)
def test_every_line_is_posted_once_whoever_reads_it_and_wherever_they_die(
    place: Path, reads: list[tuple[int, int, int]], loads: set[int], restarts: set[int]
) -> None:
    """reads: (who, from line, how many before it dies). loads: after which of them the loader runs; restarts: anew."""
    with TemporaryDirectory(dir=place) as made:
        spool, books = Path(made) / "spool", Path(made) / "ledger.duckdb"
        clock = FixedClock(T0 + 3_600_000_000)
        ledger = open_ledger(books, threads=1)
        loader = Loader(ledger, spool, clock)
        seen: set[int] = set()
        for number, (who, start, count) in enumerate(reads):
            journal = Journal(spool, f"w{who}-{number}", sync=False)
            for one in range(start, start + count):
                journal.append(line_of(one))
                seen.add(one)
            journal.close()
            if number in loads:
                loader.load_all()
            if number in restarts:
                loader = Loader(ledger, spool, clock)
        loader.load_all()
        expected = sum((usd_from_pico(line_of(one).settled.list_pico or 0) for one in seen), Decimal(0))
        assert ask(ledger, "SELECT count(*), SUM(list_cost) FROM charges") == [(len(seen), expected)]
        assert ask(ledger, "SELECT count(*) FROM calls") == [(len(seen),)]
        assert all_laws_hold(ledger, spool)
        ledger.close()


def test_results_read_days_later_reach_the_day_of_their_batch(ledger: Ledger, spool: Path) -> None:
    clock = FixedClock(T0 + 3 * 86_400_000_000)
    loader, journal = Loader(ledger, spool, clock), Journal(spool, "w0", sync=False)
    of = dispatched(1)
    for record in (of, pending_end(of)):
        journal.append(record)
    loader.load_all()
    loader.compact()  # its day is over and added up
    for record in (line_of(1), line_of(2), Late(settled(of, 0, 0, lines=[], list_pico=0))):
        journal.append(record)
    loader.load_all()
    assert all_laws_hold(ledger, spool)
    loader.compact()
    assert all_laws_hold(ledger, spool)
    assert ask(ledger, "SELECT count(*) FROM calls") == [(3,)]
    journal.close()
