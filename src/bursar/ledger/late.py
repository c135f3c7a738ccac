"""Ends that come late: the true charge takes the place of the assumed one, by a reversal and a correction.

A settlement without a dispatch in flight is news about an attempt that was given up, or a fault: it doesn't happen
while journal files are left alone; it does when one is restored from a backup. An end that was announced (`Late`: of a
batch, of a response in the background) is no fault: it waits here until its attempt is in the books, is posted once,
and a copy of it is dropped.
"""

from collections.abc import Sequence

import msgspec

from bursar.ledger.columns import staged_columns, staged_select, text_column
from bursar.ledger.journal import entry_id, post_entries, reversals_of
from bursar.ledger.pairing import WORKER_LOST
from bursar.ledger.schema import CHARGE_COLUMNS
from bursar.ledger.store import Session
from bursar.spool.records import Settled

LATE, SEEN_DONE = "settled late", "seen done"
_ENCODER = msgspec.msgpack.Encoder()
_SETTLED = msgspec.msgpack.Decoder(Settled)

_NEWS = tuple(
    column
    for column in CHARGE_COLUMNS
    if column.source.split(".")[0] in ("settled", "usage") or column.kind == "same"  # as list_cost, which is news
)
_DERIVED = (
    "coalesce(nullif(news.model_served, ''), nullif(charges.model_sent, ''), charges.model_asked) AS model",
    "greatest(date_sub('millisecond', charges.dispatched_at, news.ended_at), 0) AS duration_ms",
    "greatest(date_sub('millisecond', charges.dispatched_at, news.first_byte_at), 0) AS first_byte_ms",
)


def settle_late(session: Session, orphans: Sequence[tuple[str, Settled]], now_us: int) -> list[tuple[str, str]]:
    """Reverse the assumed charge and post the true one; everything else is a fault for `verify` to show."""
    found = session.query(
        "SELECT attempt_id, max(CASE WHEN error_code = $lost AND weight = 1 THEN 1 ELSE 0 END), sum(weight), count(*) "
        "FROM charges WHERE attempt_id IN (SELECT unnest($ids)::UUID) GROUP BY attempt_id",
        {"ids": [record.attempt_id for _, record in orphans], "lost": WORKER_LOST},
    )
    entries = {str(attempt): (bool(lost), int(count)) for attempt, lost, _, count in found.rows}
    faults = []
    news: dict[str, Settled] = {}
    for writer, record in orphans:
        lost, count = entries.get(record.attempt_id, (False, 0))
        if count == 0:
            faults.append(("settled_unknown", f"{writer}: attempt {record.attempt_id} was never dispatched"))
        elif not lost or count > 1 or record.attempt_id in news:
            faults.append(("settled_twice", f"{writer}: attempt {record.attempt_id} is in the books already"))
        else:
            news[record.attempt_id] = record
    if news:
        _post_news(session, news, now_us, LATE)
    return faults


def is_waiting(session: Session) -> bool:
    """Whether an end waits for its attempt."""
    return bool(session.query("SELECT 1 FROM late_waiting LIMIT 1").rows)


def keep_waiting(session: Session, late: Sequence[tuple[str, Settled]]) -> None:
    """Put announced ends where they wait for their attempts."""
    staged = {
        "attempt_id": text_column(record.attempt_id for _, record in late),
        "writer": text_column(writer for writer, _ in late),
        "record": text_column(_ENCODER.encode(record).hex() for _, record in late),
    }
    with session.stage("staged_waiting", staged):
        session.run("INSERT INTO late_waiting SELECT attempt_id::UUID, writer, unhex(record) FROM staged_waiting")


def settle_waiting(session: Session, now_us: int) -> int:
    """Post the ends whose attempts are in the books by now, each once; how many were news."""
    rows = session.query(
        "SELECT attempt_id, record FROM late_waiting WHERE attempt_id IN (SELECT attempt_id FROM charges)"
    ).rows
    if not rows:
        return 0
    ends: dict[str, Settled] = {}
    for attempt_id, record in rows:
        ends.setdefault(str(attempt_id), _SETTLED.decode(record))
    entries = {entry_id(attempt_id, "late"): attempt_id for attempt_id in ends}
    found = session.query(
        "SELECT entry_id FROM charges WHERE entry_id IN (SELECT unnest($ids)::UUID)", {"ids": list(entries)}
    )
    known = {entries[str(entry)] for (entry,) in found.rows}
    news = {attempt_id: settled for attempt_id, settled in ends.items() if attempt_id not in known}
    if news:
        _post_news(session, news, now_us, SEEN_DONE)
    session.run("DELETE FROM late_waiting WHERE attempt_id IN (SELECT unnest($ids)::UUID)", {"ids": list(ends)})
    return len(news)


def _post_news(session: Session, news: dict[str, Settled], now_us: int, reason: str) -> None:
    staged = staged_columns(_NEWS, {"settled": list(news.values()), "usage": [r.usage for r in news.values()]})
    staged["late_id"] = text_column(news)
    staged["late_entry"] = text_column(entry_id(attempt_id, "late") for attempt_id in news)
    staged["late_reversal"] = text_column(entry_id(attempt_id, "late reversal") for attempt_id in news)
    replaced = [f"news.{column.name} AS {column.name}" for column in _NEWS]
    own = [
        "'correction' AS entry",
        "news.late_entry::UUID AS entry_id",
        "NULL::UUID AS reverses",
        f"'{reason}' AS reason",
    ]
    with session.stage("staged_news", staged):
        select = f"SELECT late_id::UUID AS late_id, late_entry, {staged_select(_NEWS)} FROM staged_news"
        ids = f"SELECT late_id AS attempt_id, late_reversal AS entry_id, '{reason}' AS reason FROM staged_news"
        post_entries(session, reversals_of(ids), now_us)
        post_entries(
            session,
            f"SELECT charges.* REPLACE ({', '.join([*replaced, *_DERIVED, *own])}) FROM charges "
            f"JOIN ({select}) AS news ON charges.attempt_id = news.late_id WHERE charges.entry = 'usage'",
            now_us,
        )
        session.run(
            f"""
            UPDATE call_rows SET outcome = news.call_outcome, ended_at = news.ended_at, error_code = news.error_code,
              client_status = news.client_status, http_status = news.http_status,
              duration_ms = greatest(date_sub('millisecond', call_rows.received_at, news.ended_at), 0)
            FROM (SELECT charges.call_id, news.* FROM charges JOIN ({select}) AS news
                  ON charges.attempt_id = news.late_id WHERE charges.entry = 'usage' AND news.is_final) AS news
            WHERE call_rows.call_id = news.call_id
            """
        )
