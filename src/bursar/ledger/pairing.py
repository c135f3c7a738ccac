"""Dispatches and settlements find each other: pure, on values, for any order of batches."""

from collections.abc import Mapping, Sequence

import msgspec

from bursar.domain.charge import Outcome, Quality
from bursar.domain.usage import Usage
from bursar.ledger.columns import Pair
from bursar.spool.records import Compared, Dispatched, Ended, Late, Line, Record, Resembled, Scored, Settled

WORKER_LOST = "worker_lost"


class InFlight(msgspec.Struct, frozen=True, gc=False):
    """A dispatch that nobody has settled yet."""

    writer: str
    dispatched: Dispatched


class Batch(msgspec.Struct):
    """What a stretch of journal means for the books.

    pairs:    attempts that are complete now.
    left:     dispatches still in flight after this batch that weren't before.
    settled:  attempt ids that were in flight before this batch and no longer are.
    ended:    calls that ended without (another) attempt.
    scored:   feedback on answers.
    compared: shadows' answers beside those that clients got.
    resembled: what the semantic cache compared.
    orphans:  settlements without a dispatch: corrections of an `assumed` charge, or a fault.
    lines:    of batches' results, some of which may be in the books already.
    late:     ends of attempts that weren't known when their calls were over; again, maybe known.
    """

    pairs: list[Pair] = []
    left: list[InFlight] = []
    settled: list[str] = []
    ended: list[tuple[str, Ended]] = []
    orphans: list[tuple[str, Settled]] = []
    scored: list[Scored] = []
    compared: list[Compared] = []
    resembled: list[Resembled] = []
    lines: list[Pair] = []
    late: list[tuple[str, Settled]] = []

    def __bool__(self) -> bool:
        known = (self.pairs, self.left, self.ended, self.orphans, self.lines, self.late)
        return any((*known, self.scored, self.compared, self.resembled))


def pair_records(runs: Sequence[tuple[str, Sequence[Record]]], pending: Mapping[str, InFlight]) -> Batch:
    """Match settlements with dispatches of the same batch, or of earlier ones.

    runs:    (writer, records), each writer's in the order it wrote them.
    pending: what is in flight before, by attempt id; not changed.
    """
    batch = Batch()
    fresh: dict[str, InFlight] = {}
    gone: set[str] = set()
    for writer, records in runs:
        for record in records:
            if isinstance(record, Dispatched):
                fresh[record.attempt_id] = InFlight(writer, record)
            elif isinstance(record, Settled):
                attempt_id = record.attempt_id
                flight = fresh.pop(attempt_id, None)
                if flight is None and attempt_id not in gone:
                    flight = pending.get(attempt_id)
                    if flight is not None:
                        gone.add(attempt_id)
                if flight is None:
                    batch.orphans.append((writer, record))
                else:
                    batch.pairs.append(Pair(flight.writer, flight.dispatched, record))
            elif isinstance(record, Scored):
                batch.scored.append(record)
            elif isinstance(record, Line):
                batch.lines.append(Pair(writer, record.dispatched, record.settled))
            elif isinstance(record, Late):
                batch.late.append((writer, record.settled))
            elif isinstance(record, Compared):
                batch.compared.append(record)
            elif isinstance(record, Resembled):
                batch.resembled.append(record)
            else:
                batch.ended.append((writer, record))
    batch.left = list(fresh.values())
    batch.settled = list(gone)
    return batch


def assume_lost(flights: Sequence[InFlight]) -> list[Pair]:
    """Attempts whose worker died become charges at their bound: we never heard back, and the provider may have billed.

    A worker's death is no fault of the provider: the outcome is `aborted`. When it ended is unknown; the books say the
    moment of dispatch. Of a call's several open attempts, the last one ends the call.
    """
    last: dict[str, int] = {}
    for flight in flights:
        call_id = flight.dispatched.call.call_id
        last[call_id] = max(last.get(call_id, 0), flight.dispatched.attempt_number)
    return [
        Pair(flight.writer, flight.dispatched, _lost(flight.dispatched, last[flight.dispatched.call.call_id]))
        for flight in flights
    ]


def _lost(dispatched: Dispatched, last: int) -> Settled:
    bound = dispatched.bound_pico
    return Settled(
        attempt_id=dispatched.attempt_id,
        first_byte_us=0,
        ended_us=dispatched.dispatched_us,
        http_status=0,
        outcome=Outcome.ABORTED,
        quality=Quality.UNPRICED if bound is None else Quality.ASSUMED,
        error_code=WORKER_LOST,
        finish_reason="",
        model_served="",
        tier_served="",
        upstream_id="",
        usage=Usage(),
        lines=[],
        list_pico=bound,
        counterfactual_pico=None,
        lever="",
        sku_id="",
        sku_price_id=dispatched.sku_price_id,
        provider_cost_pico=None,
        response_bytes=0,
        final=dispatched.attempt_number == last,
        call_outcome=Outcome.ABORTED,
        client_status=0,
    )
