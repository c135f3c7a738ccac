"""The loader's statements: each writes one part of a batch, inside the loader's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
import numpy as np

from bursar.domain.clock import datetime_from_us
from bursar.ledger import caches, calls, late
from bursar.ledger.columns import Columns, Pair, charge_columns, count_calls, int_column, staged_select, text_column
from bursar.ledger.floor import posting_us
from bursar.ledger.lines import take_lines
from bursar.ledger.pairing import Batch, InFlight
from bursar.ledger.reading import Moved
from bursar.ledger.rollups import add_charges
from bursar.ledger.schema import CHARGE_COLUMNS, ENTRY_COLUMNS
from bursar.ledger.store import Session
from bursar.spool.records import Compared, Resembled, Scored, Settled

BATCH = "fresh_charges"
_ENCODER = msgspec.msgpack.Encoder()
_CHARGES = ", ".join(column.name for column in CHARGE_COLUMNS)
_ENTRY = ", ".join(ENTRY_COLUMNS)


def post_batch(
    session: Session, batch: Batch, open_calls: Mapping[str, str], now_us: int
) -> tuple[int, list[tuple[str, str]]]:
    """Write charges, calls, rollups and what is in flight. Returns (calls that ended, faults)."""
    pairs = batch.pairs
    if batch.lines:
        pairs = [*pairs, *take_lines(session, batch.lines, now_us)]
    columns = charge_columns(pairs)
    finals, whole_calls = count_calls(columns)
    ended = finals + len(batch.ended)
    with_call_rows = ended > whole_calls
    if with_call_rows:
        calls.make_fresh(session)
    if pairs:
        _post_charges(session, columns, now_us, with_call_rows=with_call_rows)
    if batch.ended:
        calls.add_ended(session, batch.ended)
    if with_call_rows:
        _recount_long_calls(session, batch, open_calls)
        calls.publish(session)
    if open_calls or finals < len(pairs):
        _keep_open_calls(session, batch, open_calls)
    if batch.settled:
        session.run("DELETE FROM pending WHERE attempt_id IN (SELECT unnest($ids)::UUID)", {"ids": batch.settled})
    if batch.left:
        _post_in_flight(session, batch.left)
    if batch.scored:
        _post_feedback(session, batch.scored)
    if batch.compared:
        _post_comparisons(session, batch.compared)
    if batch.resembled:
        _post_resemblances(session, batch.resembled)
    faults = late.settle_late(session, batch.orphans, now_us) if batch.orphans else []
    if batch.late:
        late.keep_waiting(session, batch.late)
    if batch.late or (batch and late.is_waiting(session)):
        late.settle_waiting(session, now_us)
    _take_caches(session, pairs, batch.orphans, now_us)
    return ended, faults


def _take_caches(session: Session, pairs: Sequence[Pair], orphans: Sequence[tuple[str, Settled]], now_us: int) -> None:
    """What this batch says of cached contents."""
    about = [pair for pair in pairs if pair.settled.kept_until_us]
    ids = [pair.settled.attempt_id for pair in about]
    late_ids = [record.attempt_id for _, record in orphans if record.kept_until_us]
    if ids or late_ids:
        since = min((pair.dispatched.call.received_us for pair in about), default=0)
        caches.take_facts(session, [*ids, *late_ids], _naive(0 if late_ids else since), now_us)


def _post_feedback(session: Session, scored: Sequence[Scored]) -> None:
    columns: Columns = {
        "call_id": text_column(one.call_id for one in scored),
        "credential_id": text_column(one.credential_id for one in scored),
        "scored_us": int_column(one.scored_us for one in scored),
        "score": np.array([one.score for one in scored], dtype=np.float64),
    }
    with session.stage("staged_feedback", columns):
        session.run(
            "INSERT INTO feedback SELECT call_id::UUID, credential_id, make_timestamp(scored_us), score "
            "FROM staged_feedback"
        )


def _post_comparisons(session: Session, compared: Sequence[Compared]) -> None:
    for one in compared:  # few: a sample of a sample
        session.run(
            "INSERT INTO comparisons VALUES ($call_id::UUID, $shadow_of::UUID, make_timestamp($compared_us), $finish, "
            "$tool_names, $tool_calls, $json, $text, $words, $agreement)",
            msgspec.structs.asdict(one),
        )


def _post_resemblances(session: Session, resembled: Sequence[Resembled]) -> None:
    """Money goes through int64 columns of pico, -1 for unknown, and is a decimal from there on."""
    columns: Columns = {
        "call_id": text_column(one.call_id for one in resembled),
        "rule_id": text_column(one.rule_id for one in resembled),
        "mark": text_column(one.mark for one in resembled),
        "looked_us": int_column(one.looked_us for one in resembled),
        "similarity": np.array([_known(one.similarity) for one in resembled], dtype=np.float64),
        "agreement": np.array([_known(one.agreement) for one in resembled], dtype=np.float64),
        "cost_pico": int_column(-1 if one.cost_pico is None else one.cost_pico for one in resembled),
        "embed_pico": int_column(-1 if one.embed_pico is None else one.embed_pico for one in resembled),
        "is_live": int_column(int(one.is_live) for one in resembled),
    }
    with session.stage("staged_resemblances", columns):
        session.run(
            "INSERT INTO resemblances SELECT call_id::UUID, rule_id, mark, make_timestamp(looked_us), "
            "CASE WHEN similarity >= 0 THEN similarity END, CASE WHEN agreement >= 0 THEN agreement END, "
            "CASE WHEN cost_pico >= 0 THEN cost_pico END, CASE WHEN embed_pico >= 0 THEN embed_pico END, is_live = 1 "
            "FROM staged_resemblances"
        )


def _known(figure: float | None) -> float:
    return -1.0 if figure is None else figure


def end_lost_calls(session: Session, call_ids: Sequence[str]) -> int:
    """Rows for calls whose worker died between two attempts."""
    if not call_ids:
        return 0
    calls.make_fresh(session)
    calls.add_lost(session, call_ids)
    since = session.query(f"SELECT min(received_at) FROM {calls.FRESH}").only()
    if since is not None:
        calls.recount(session, calls.FRESH, call_ids, since)
    calls.publish(session)
    session.run("DELETE FROM open_calls WHERE call_id IN (SELECT unnest($ids)::UUID)", {"ids": list(call_ids)})
    return len(call_ids)


def note_segments(session: Session, moved: Sequence[Moved], now_us: int) -> None:
    """The watermark: the same transaction as the charges."""
    for segment in moved:
        session.run(
            """
            INSERT INTO segments VALUES
              ($name, $writer, $number, $offset, $is_done, $dispatched, $settled, $ended, make_timestamp($now), $lines)
            ON CONFLICT (name) DO UPDATE SET
              loaded_bytes = excluded.loaded_bytes, is_done = excluded.is_done, loaded_at = excluded.loaded_at,
              dispatched = segments.dispatched + excluded.dispatched,
              settled = segments.settled + excluded.settled, ended = segments.ended + excluded.ended,
              lines = segments.lines + excluded.lines
            """,
            {
                "name": segment.path.name,
                "writer": segment.writer,
                "number": segment.number,
                "offset": segment.offset,
                "is_done": segment.is_done,
                "dispatched": segment.dispatched,
                "settled": segment.settled,
                "ended": segment.ended,
                "now": now_us,
                "lines": segment.lines,
            },
        )


def note_faults(session: Session, faults: Sequence[tuple[str, str]], now_us: int) -> None:
    for code, detail in faults:
        session.run(
            "INSERT INTO loader_faults VALUES (make_timestamp($now), $code, $detail)",
            {"now": now_us, "code": code, "detail": detail},
        )


def note_writer(session: Session, writer: str, assumed: int, now_us: int) -> None:
    session.run(
        "INSERT INTO writers VALUES ($writer, make_timestamp($now), $assumed) ON CONFLICT DO NOTHING",
        {"writer": writer, "now": now_us, "assumed": assumed},
    )


def _post_charges(session: Session, columns: Columns, now_us: int, *, with_call_rows: bool) -> None:
    """Charges and rollups, and the rows of calls that have one of their own and end in this batch.

    All straight from the staged columns: a table between would be written and read for one more µs an attempt.
    """
    posted_us = posting_us(session, now_us)
    with session.stage("staged_charges", columns):
        session.run(
            f"CREATE OR REPLACE TEMP VIEW {BATCH} AS SELECT {staged_select(CHARGE_COLUMNS)}, 'USD' AS currency, "
            "'usage' AS entry, 1 AS weight, NULL::UUID AS entry_id, NULL::UUID AS reverses, '' AS reason, "
            f"make_timestamp({posted_us:d}) AS posted_at FROM staged_charges"
        )
        session.run(f"INSERT INTO charges ({_CHARGES}, {_ENTRY}) SELECT {_CHARGES}, {_ENTRY} FROM {BATCH}")
        add_charges(session, BATCH)
        if with_call_rows:
            calls.add_finals(session, BATCH)


def _recount_long_calls(session: Session, batch: Batch, open_calls: Mapping[str, str]) -> None:
    """Calls of several attempts get the sum of all, whichever batch those came in."""
    long = {
        pair.dispatched.call.call_id: pair.dispatched.call.received_us
        for pair in batch.pairs
        if pair.settled.final and (pair.dispatched.attempt_number > 1 or pair.dispatched.call.call_id in open_calls)
    }
    waiting = {pair.dispatched.call.call_id for pair in batch.pairs if not pair.settled.final}
    for _, record in batch.ended:
        if record.call.call_id in open_calls or record.call.call_id in waiting:
            long[record.call.call_id] = record.call.received_us
    if long:
        calls.recount(session, calls.FRESH, list(long), _naive(min(long.values())))


def _keep_open_calls(session: Session, batch: Batch, open_calls: Mapping[str, str]) -> None:
    over = {pair.dispatched.call.call_id for pair in batch.pairs if pair.settled.final}
    over |= {record.call.call_id for _, record in batch.ended}
    waiting = {
        pair.dispatched.call.call_id: pair.writer
        for pair in batch.pairs
        if not pair.settled.final and pair.dispatched.call.call_id not in over
    }
    closed = [call_id for call_id in open_calls if call_id in over]
    if closed:
        session.run("DELETE FROM open_calls WHERE call_id IN (SELECT unnest($ids)::UUID)", {"ids": closed})
    fresh = {call_id: writer for call_id, writer in waiting.items() if call_id not in open_calls}
    if fresh:
        with session.stage("staged_open", {"id": text_column(fresh), "writer": text_column(fresh.values())}):
            session.run("INSERT INTO open_calls SELECT id::UUID, writer FROM staged_open")


def _post_in_flight(session: Session, flights: Sequence[InFlight]) -> None:
    records = [flight.dispatched for flight in flights]
    staged = {
        "attempt_id": text_column(record.attempt_id for record in records),
        "call_id": text_column(record.call.call_id for record in records),
        "writer": text_column(flight.writer for flight in flights),
        "seq": int_column(record.seq for record in records),
        "dispatched_us": int_column(record.dispatched_us for record in records),
        "record": text_column(_ENCODER.encode(record).hex() for record in records),  # bytes aren't taken from arrays
    }
    with session.stage("staged_pending", staged):
        session.run(
            "INSERT INTO pending SELECT attempt_id::UUID, call_id::UUID, writer, seq, make_timestamp(dispatched_us), "
            "unhex(record) FROM staged_pending"
        )


def _naive(at_us: int) -> datetime:
    return datetime_from_us(at_us).replace(tzinfo=None)
