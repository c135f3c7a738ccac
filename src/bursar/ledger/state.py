"""What the loader remembers between batches; all of it can be read back from the books."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from bursar.ledger.caches import next_end
from bursar.ledger.pairing import Batch, InFlight
from bursar.ledger.reading import Reading
from bursar.ledger.store import Ledger, Session
from bursar.spool.reader import unread_bytes
from bursar.spool.records import Dispatched

_DISPATCHED = msgspec.msgpack.Decoder(Dispatched)


class LoaderState(msgspec.Struct):
    """offsets: bytes in the books by segment name. done: segments finished. writers: open ones and their segments.

    pending: dispatches in flight by attempt id. open_calls: calls waiting for another attempt, and whose they are.
    cache_end_us: not after the next end of a cached content's time; None: none is kept.
    """

    offsets: dict[str, int]
    done: set[str]
    writers: dict[str, set[str]]
    pending: dict[str, InFlight]
    open_calls: dict[str, str]
    faults: set[tuple[str, str]]
    cache_end_us: int | None = None

    def hear_of_end(self, at_us: int | None) -> None:
        """A cached content's time ends then."""
        if at_us is not None:
            self.cache_end_us = at_us if self.cache_end_us is None else min(at_us, self.cache_end_us)

    def apply(self, batch: Batch, reading: Reading) -> None:
        """Remember what a committed batch changed."""
        for moved in reading.moved:
            name = moved.path.name
            self.offsets[name] = moved.offset
            self.writers.setdefault(moved.writer, set()).add(name)
            if moved.is_done:
                self.done.add(name)
        self._settle(batch)
        for flight in batch.left:
            self.pending[flight.dispatched.attempt_id] = flight

    def new_faults(self, faults: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those that aren't in the books yet: a damaged frame is met again at each look."""
        fresh = [fault for fault in dict.fromkeys(faults) if fault not in self.faults]
        self.faults.update(fresh)
        return fresh

    def writers_done(self) -> list[str]:
        """Writers all of whose known segments are finished."""
        return sorted(writer for writer, names in self.writers.items() if names <= self.done)

    def close_writer(self, writer: str, batch: Batch) -> None:
        self._settle(batch)
        self.writers.pop(writer, None)
        for call_id in [call_id for call_id, owner in self.open_calls.items() if owner == writer]:
            del self.open_calls[call_id]

    def unread_bytes(self, directory: Path) -> int:
        """Journal bytes that aren't in the books yet."""
        total = 0
        for path in directory.glob("*.journal"):
            try:
                total += unread_bytes(path, self.offsets.get(path.name, 0))
            except FileNotFoundError:  # finished and deleted meanwhile
                continue
        return total

    def _settle(self, batch: Batch) -> None:
        for attempt_id in batch.settled:
            self.pending.pop(attempt_id, None)
        for pair in batch.pairs:
            call_id = pair.dispatched.call.call_id
            if pair.settled.final:
                self.open_calls.pop(call_id, None)
            else:
                self.open_calls[call_id] = pair.writer
        for _, record in batch.ended:
            self.open_calls.pop(record.call.call_id, None)


def in_flight_of(session: Session, call_id: str) -> list[InFlight]:
    """The attempts of a call that were dispatched and haven't settled."""
    rows = session.query("SELECT writer, record FROM pending WHERE call_id = $id::UUID", {"id": call_id}).rows
    return [InFlight(writer, _DISPATCHED.decode(record)) for writer, record in rows]


def load_state(ledger: Ledger) -> LoaderState:
    """Read back where the books stand."""
    with ledger.reading() as session:
        found = session.query("SELECT name, writer, loaded_bytes, is_done FROM segments").rows
        closed = {writer for (writer,) in session.query("SELECT writer FROM writers").rows}
        pending = session.query("SELECT attempt_id, writer, record FROM pending").rows
        open_calls = session.query("SELECT call_id, writer FROM open_calls").rows
        faults = session.query("SELECT code, detail FROM loader_faults").rows
        cache_end_us = next_end(session)
    writers: dict[str, set[str]] = {}
    for name, writer, _, _ in found:
        if writer not in closed:
            writers.setdefault(writer, set()).add(name)
    return LoaderState(
        offsets={name: loaded for name, _, loaded, _ in found},
        done={name for name, _, _, is_done in found if is_done},
        writers=writers,
        pending={str(attempt): InFlight(writer, _DISPATCHED.decode(record)) for attempt, writer, record in pending},
        open_calls={str(call_id): writer for call_id, writer in open_calls},
        faults={(code, detail) for code, detail in faults},
        cache_end_us=cache_end_us,
    )
