"""Attempts become charges, exactly once.

One batch is one DuckDB transaction: charges, calls, rollups, what is still in flight, and how far each journal file has
been read. Whatever kills the process, the file is read on from where the books say; so nothing is lost and nothing is
counted twice. A journal file is deleted only after the transaction that finished it is durable.
"""

import gc
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import structlog

from bursar.domain.clock import Clock, SystemClock, datetime_from_us
from bursar.ledger import caches, posting
from bursar.ledger.fitting import make_fit
from bursar.ledger.pairing import Batch, assume_lost, pair_records
from bursar.ledger.reading import RECORDS_MAX, Reading, read_spool, segment_is_successor
from bursar.ledger.rollups import COMPACT_ROWS, compact, days_until, new_rows, roll_days
from bursar.ledger.state import LoaderState, load_state
from bursar.ledger.store import Ledger, UnfitData

IDLE_WAIT_S = 0.05
BUSY_WAIT_S = 0.25  # gather a batch: a transaction has a fixed price of 50 ms
BUSY_WAIT_MAX_S = 0.5
BUSY_SHARE = 4  # wait this many times as long as the batch took: steady traffic costs a fifth of a core at most
FAILED_WAIT_S = 2.0
COMPACT_EVERY = 40  # batches between two looks at the size of the partial sums

_log = structlog.get_logger(__name__)


class Loaded(msgspec.Struct, frozen=True):
    """What one batch brought.

    lag_us: from the end of the batch's oldest attempt until it was in the books; 0 without attempts.
    more:   the batch was full, so more is waiting.
    """

    records: int = 0
    attempts: int = 0
    calls: int = 0
    assumed: int = 0
    faults: int = 0
    lag_us: int = 0
    more: bool = False


class LoaderStatus(msgspec.Struct, frozen=True):
    """How the loader is doing, for the console's pages and `/api/status`. `error`: why the last batch failed, or ""."""

    running: bool
    loaded_us: int
    attempts: int
    lag_us: int
    in_flight: int
    unread_bytes: int
    faults: int
    error: str


class Loader:
    """Fills a ledger from a spool. One at a time per ledger; not for several threads, but `status` is.

    ledger:    the open ledger.
    spool_dir: the node's journal files; need not exist yet.
    """

    def __init__(
        self, ledger: Ledger, spool_dir: Path, clock: Clock | None = None, *, records_max: int = RECORDS_MAX
    ) -> None:
        self.ledger = ledger
        self.spool_dir = spool_dir
        self._clock = clock or SystemClock()
        self._records_max = records_max
        self._state: LoaderState | None = None
        self._attempts = 0
        self._faults = 0
        self._last = Loaded()
        self._loaded_us = 0
        self._error = ""
        self._running = False

    def load_once(self) -> Loaded:
        """Load one batch: everything that is waiting, up to `records_max` records.

        Raises what the store raises; nothing of the batch is in the books then, and the next call starts over.
        """
        try:
            with _collector_paused():
                loaded = self._load(self._state or load_state(self.ledger))
        except BaseException:
            self._state = None  # what we remember may be ahead of the books
            raise
        self._attempts += loaded.attempts
        self._faults += loaded.faults
        self._last = loaded
        self._loaded_us = self._clock.now_us()
        self._error = ""
        return loaded

    def load_all(self) -> Loaded:
        """Load until nothing is left to read; the sum of the batches."""
        total = self.load_once()
        while self._last.more:
            total = _sum(total, self.load_once())
        return total

    def run(self, stop: threading.Event, between: Callable[[], None] = lambda: None) -> None:
        """Load until `stop` is set: the console's background thread.

        between: what else writes to the ledger, called after each batch; it deals with its own errors.
        """
        self._running = True
        batches = 0
        try:
            while not stop.is_set():
                wait_s = self._one_round()
                between()
                batches += 1
                if batches % COMPACT_EVERY == 0:
                    self._compact_if_large()
                if wait_s:
                    stop.wait(wait_s)
        finally:
            self._running = False

    def status(self) -> LoaderStatus:
        state = self._state
        return LoaderStatus(
            running=self._running,
            loaded_us=self._loaded_us,
            attempts=self._attempts,
            lag_us=self._last.lag_us,
            in_flight=len(state.pending) if state else 0,
            unread_bytes=state.unread_bytes(self.spool_dir) if state else 0,
            faults=self._faults,
            error=self._error,
        )

    def compact(self) -> int:
        """Add up the rollups' partial sums, and the days that are over; how many partial sums there were."""
        today = datetime_from_us(self._clock.now_us()).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
        with self.ledger.writing() as session:
            roll_days(session, today)
            return compact(session)

    def _one_round(self) -> float:
        """One batch, and how long to wait then. A fault of the store is logged and tried again; calls go on."""
        started = time.perf_counter()
        try:
            loaded = self.load_once()
        except Exception as error:  # the background supervisor's broad except (STYLE.md)
            self._error = f"{type(error).__name__}: {error}"
            _log.error("loader_failed", error=self._error)
            return FAILED_WAIT_S
        if loaded.more:
            return 0.0
        if not loaded.records:
            return IDLE_WAIT_S
        return min(max(BUSY_SHARE * (time.perf_counter() - started), BUSY_WAIT_S), BUSY_WAIT_MAX_S)

    def _compact_if_large(self) -> None:
        try:
            with self.ledger.reading() as session:
                rows, until = new_rows(session), days_until(session)
            yesterday = datetime_from_us(self._clock.now_us() - 86_400_000_000).replace(tzinfo=None)
            if rows > COMPACT_ROWS or until is None or until < yesterday:
                started = time.perf_counter()
                moved = self.compact()
                _log.info("rollups_compacted", rows=moved, seconds=round(time.perf_counter() - started, 3))
        except Exception as error:  # as in `_one_round`: partial sums stay, answers stay right
            _log.error("compaction_failed", error=str(error))

    def _load(self, state: LoaderState) -> Loaded:
        reading = read_spool(self.spool_dir, state.offsets, state.done, self._records_max)
        batch = pair_records(reading.runs, state.pending)
        faults = state.new_faults(reading.faults)
        loaded = Loaded()
        if batch or reading.moved or faults:
            try:
                loaded = self._commit(batch, reading, faults, state)
            except (UnfitData, OverflowError):
                loaded = self._commit(batch, reading, [*faults, *make_fit(batch)], state)
        state.apply(batch, reading)
        self._state = state
        self._settle_ended_caches(state)
        lost = self._close_writers(state)
        self._delete(reading.leftovers)
        return _sum(loaded, lost) if lost else loaded

    def _commit(self, batch: Batch, reading: Reading, faults: list[tuple[str, str]], state: LoaderState) -> Loaded:
        now_us = self._clock.now_us()
        with self.ledger.writing() as session:
            calls, orphan_faults = posting.post_batch(session, batch, state.open_calls, now_us)
            posting.note_faults(session, [*faults, *orphan_faults], now_us)
            posting.note_segments(session, reading.moved, now_us)
            cache_end_us = caches.next_end(session) if any(p.settled.kept_until_us for p in batch.pairs) else None
        state.hear_of_end(cache_end_us)
        self._delete(moved.path for moved in reading.moved if moved.is_done)
        ends = [pair.settled.ended_us for pair in batch.pairs]
        return Loaded(
            records=sum(len(records) for _, records in reading.runs),
            attempts=len(batch.pairs),
            calls=calls,
            faults=len(faults) + len(orphan_faults),
            lag_us=max(self._clock.now_us() - min(ends), 0) if ends else 0,
            more=reading.more,
        )

    def _settle_ended_caches(self, state: LoaderState) -> None:
        """Make the storage of cached contents final that have lived as long as was expected."""
        now_us = self._clock.now_us()
        if state.cache_end_us is None or now_us < state.cache_end_us:
            return
        with self.ledger.writing() as session:
            caches.settle_ended(session, now_us)
            state.cache_end_us = caches.next_end(session)

    def _close_writers(self, state: LoaderState) -> Loaded | None:
        """Settle what dead workers left in flight, as `assumed`.

        A worker is dead when its last segment is consumed and unlocked. It opens the next segment before it lets go of
        the last, so a look at the directory *after* the lock was seen free can't miss a successor.
        """
        total: Loaded | None = None
        for writer in state.writers_done():
            if segment_is_successor(self.spool_dir, writer, state.done):
                continue
            flights = [flight for flight in state.pending.values() if flight.writer == writer]
            waiting = [call_id for call_id, owner in state.open_calls.items() if owner == writer]
            pairs = assume_lost(flights)
            batch = Batch(pairs=pairs, settled=[pair.dispatched.attempt_id for pair in pairs])
            now_us = self._clock.now_us()
            with self.ledger.writing() as session:
                calls, _ = posting.post_batch(session, batch, state.open_calls, now_us)
                ended = {pair.dispatched.call.call_id for pair in pairs}
                calls += posting.end_lost_calls(session, [call_id for call_id in waiting if call_id not in ended])
                posting.note_writer(session, writer, len(pairs), now_us)
            state.close_writer(writer, batch)
            if pairs:
                _log.warning("worker_lost", writer=writer, assumed=len(pairs), at=datetime_from_us(now_us).isoformat())
            lost = Loaded(attempts=len(pairs), calls=calls, assumed=len(pairs))
            total = _sum(total, lost) if total else lost
        return total

    def _delete(self, paths: Iterable[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A batch makes a million objects without one cycle; looking for cycles among them doubles its price."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _sum(one: Loaded, other: Loaded) -> Loaded:
    return Loaded(
        records=one.records + other.records,
        attempts=one.attempts + other.attempts,
        calls=one.calls + other.calls,
        assumed=one.assumed + other.assumed,
        faults=one.faults + other.faults,
        lag_us=max(one.lag_us, other.lag_us),
        more=one.more or other.more,
    )
