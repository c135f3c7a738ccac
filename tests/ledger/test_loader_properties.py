"""Whatever the order, the batches and the moments of death: the same ledger."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ledger.records import T0, call_facts, dispatched, ended, failed, settled, unpriced, with_savings

from bursar.domain.clock import FixedClock
from bursar.domain.money import usd_from_pico
from bursar.domain.savings import Saved
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.rollups import DAY_ROLLUPS, MEASURES, NEW, ROLLUPS
from bursar.ledger.store import Ledger, Session
from bursar.ledger.verify import verify
from bursar.spool.journal import Journal
from bursar.spool.records import CallFacts, Dispatched, Record, Settled

TABLES = ("charges", "call_rows", "pending", "open_calls", "segments", "writers", "loader_faults")
LATER = T0 + 2 * 86_400_000_000  # the calls' day is over: it may be rolled up while some are still coming
FEATURES = ("checkout", "search", "")
SAVINGS = st.one_of(st.just(Saved()), st.builds(Saved, *[st.integers(-(10**15), 10**15)] * 5))


class Died(Exception):
    """The process was killed here."""


class Mortal:
    """A ledger whose process dies at the n-th statement of a transaction: the store rolls it back, as after kill -9."""

    def __init__(self, ledger: Ledger, statements: int) -> None:
        self._ledger, self.left = ledger, statements

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def writing(self) -> Any:
        @contextmanager
        def transaction() -> Iterator[Session]:
            with self._ledger.writing() as session:
                yield _MortalSession(session, self)  # type: ignore[misc]

        return transaction()


class _MortalSession:
    def __init__(self, session: Session, life: Mortal) -> None:
        self._session, self._life = session, life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def query(self, *args: Any) -> Any:
        self._life.left -= 1
        if self._life.left < 0:
            raise Died
        return self._session.query(*args)

    run = query


class Scenario(msgspec.Struct):
    """A worker's life: its records in order, and whether it was killed at the end (attempts may be open then)."""

    records: list[Record]
    killed: bool


@st.composite
def workers(draw: st.DrawFn) -> Scenario:
    """Calls that overlap, are retried, refused, unpriced, or never heard of again."""
    killed = draw(st.booleans())
    seq = 0
    lives: list[list[Record]] = []
    for number in range(draw(st.integers(1, 5))):
        feature = draw(st.sampled_from(FEATURES))
        base = call_facts(T0 + number * 400_000_000)
        call = msgspec.structs.replace(base, attribution=msgspec.structs.replace(base.attribution, feature=feature))
        lives.append(draw(_call_life(call, killed)))
    merged: list[Record] = []
    while any(lives):
        life = draw(st.sampled_from([life for life in lives if life]))
        record = life.pop(0)
        if isinstance(record, Dispatched):
            seq += 1
            record = msgspec.structs.replace(record, seq=seq)
        merged.append(record)
    return Scenario(merged, killed)


@st.composite
def _call_life(draw: st.DrawFn, call: CallFacts, killed: bool) -> list[Record]:
    if draw(st.integers(0, 9)) == 0:
        return [ended(call)]
    life: list[Record] = []
    attempts = draw(st.integers(1, 3))
    for number in range(1, attempts + 1):
        one = dispatched(0, call, attempt_number=number, dispatched_us=call.received_us + number * 1_000)
        life.append(one)
        if killed and draw(st.integers(0, 3)) == 0:
            return life
        last = number == attempts
        tokens = draw(st.integers(0, 10_000))
        kind = draw(st.sampled_from(("ok", "failed", "unpriced")))
        make: Any = {"ok": settled, "unpriced": unpriced}.get(kind)
        end = make(one, tokens, tokens % 17, final=last) if make else failed(one, final=last)
        life.append(with_savings(end, draw(SAVINGS)) if kind == "ok" else end)
    return life


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, Path]]:
    directory = tmp_path_factory.mktemp("properties")
    ledger = open_ledger(directory / "ledger.duckdb", threads=1)
    yield ledger, directory / "spool"
    ledger.close()


def empty(ledger: Ledger, spool: Path) -> None:
    shutil.rmtree(spool, ignore_errors=True)
    with ledger.writing() as session:
        for table in (*TABLES, NEW, "rollup_days", *(rollup.name for rollup in (*ROLLUPS, *DAY_ROLLUPS))):
            session.run(f"DELETE FROM {table}")


def contents(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    """All that the books say, but for when they learned it and how the batches fell."""
    with ledger.reading() as session:
        found = {
            "charges": session.query("SELECT * EXCLUDE (posted_at) FROM charges ORDER BY attempt_id, weight").rows,
            "calls": session.query("SELECT * FROM calls ORDER BY call_id").rows,
            "faults": session.query("SELECT code, detail FROM loader_faults").rows,
        }
        for rollup in ROLLUPS:
            both = rollup.added_up(f"({rollup.whole})")
            found[rollup.name] = session.query(f"SELECT * FROM ({both}) ORDER BY ALL").rows
    return found


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=st.lists(workers(), min_size=1, max_size=3), data=st.data())
def test_any_batches_and_any_deaths_give_the_same_ledger(
    home: tuple[Ledger, Path], lives: list[Scenario], data: st.DataObject
) -> None:
    ledger, spool = home
    empty(ledger, spool)
    _write_in_turns(spool, lives, data, ledger)
    loader = Loader(ledger, spool, FixedClock(LATER))
    while loader.load_once().more:
        pass
    torn_up = contents(ledger)
    assert [finding for finding in verify(ledger, spool) if not finding.ok] == []
    _as_expected(torn_up, lives)

    empty(ledger, spool)
    for number, life in enumerate(lives):
        journal = Journal(spool, f"w{number}", sync=False)
        for record in life.records:
            journal.append(record)
        journal.close()
    Loader(ledger, spool, FixedClock(LATER)).load_all()
    assert contents(ledger) == torn_up


def _write_in_turns(spool: Path, lives: list[Scenario], data: st.DataObject, ledger: Ledger) -> None:
    """Write records of all workers a few at a time; in between load, die in mid-transaction, start over, compact."""
    journals = [Journal(spool, f"w{number}", sync=False) for number in range(len(lives))]
    left = [list(life.records) for life in lives]
    loader = Loader(ledger, spool, FixedClock(LATER), records_max=data.draw(st.sampled_from((1, 3, 40_000))))
    while any(left):
        turn = data.draw(st.sampled_from([index for index, records in enumerate(left) if records]))
        for _ in range(data.draw(st.integers(1, 4))):
            if left[turn]:
                journals[turn].append(left[turn].pop(0))
        event = data.draw(st.sampled_from(("nothing", "load", "die", "restart", "compact")))
        if event == "load":
            loader.load_once()
        elif event == "restart":
            loader = Loader(ledger, spool, FixedClock(LATER), records_max=2)
        elif event == "compact":
            loader.compact()
        elif event == "die":
            mortal: Any = Mortal(ledger, data.draw(st.integers(0, 30)))
            with suppress(Died):
                Loader(mortal, spool, FixedClock(LATER)).load_once()
            loader = Loader(ledger, spool, FixedClock(LATER))
    for journal in journals:
        journal.close()


def _as_expected(found: dict[str, list[tuple[Any, ...]]], lives: list[Scenario]) -> None:
    """The sums by hand: what the journal says, and the bound where nothing more was heard."""
    bounds: dict[str, int | None] = {}
    costs: dict[str, int | None] = {}
    calls: set[str] = set()
    for life in lives:
        for record in life.records:
            if isinstance(record, Dispatched):
                bounds[record.attempt_id] = record.bound_pico
                calls.add(record.call.call_id)
            elif isinstance(record, Settled):
                costs[record.attempt_id] = record.list_pico
            else:
                calls.add(record.call.call_id)
    expected = sum((usd_from_pico(cost) for cost in (bounds | costs).values() if cost is not None), Decimal(0))
    core = found[ROLLUPS[0].name]
    assert len(found["charges"]) == len(bounds)
    assert {str(row[0]) for row in found["calls"]} == calls
    assert len(found["calls"]) == len(calls)
    at = 1 + len(ROLLUPS[0].dimensions) + _measure("list_cost")
    assert sum((row[at] for row in core if row[at] is not None), Decimal(0)) == expected
    assert found["faults"] == []


def _measure(name: str) -> int:
    return list(MEASURES).index(name)
