"""A settlement without a dispatch in flight: news about an attempt that was given up, or a fault.

It doesn't happen while journal files are left alone; it does when one is restored from a backup.
"""

from collections.abc import Sequence

from bursar.ledger.columns import staged_columns, staged_select, text_column
from bursar.ledger.journal import entry_id, post_entries, reversals_of
from bursar.ledger.pairing import WORKER_LOST
from bursar.ledger.schema import CHARGE_COLUMNS
from bursar.ledger.store import Session
from bursar.spool.records import Settled

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
        _post_news(session, news, now_us)
    return faults


def _post_news(session: Session, news: dict[str, Settled], now_us: int) -> None:
    staged = staged_columns(_NEWS, {"settled": list(news.values()), "usage": [r.usage for r in news.values()]})
    staged["late_id"] = text_column(news)
    staged["late_entry"] = text_column(entry_id(attempt_id, "late") for attempt_id in news)
    staged["late_reversal"] = text_column(entry_id(attempt_id, "late reversal") for attempt_id in news)
    replaced = [f"news.{column.name} AS {column.name}" for column in _NEWS]
    own = [
        "'correction' AS entry",
        "news.late_entry::UUID AS entry_id",
        "NULL::UUID AS reverses",
        "'settled late' AS reason",
    ]
    with session.stage("staged_news", staged):
        select = f"SELECT late_id::UUID AS late_id, late_entry, {staged_select(_NEWS)} FROM staged_news"
        ids = "SELECT late_id AS attempt_id, late_reversal AS entry_id, 'settled late' AS reason FROM staged_news"
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
