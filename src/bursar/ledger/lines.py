"""Lines of batches' results: each is in the books once, whoever read the results and however often.

A line's ids are made from what it is (`domain.ids.derived_id`), so a copy is known by its attempt id. Journal files may
hold copies: a file of results is read again after a crash, by another worker, by the poller.
"""

from collections.abc import Sequence

from bursar.domain.clock import datetime_from_us
from bursar.ledger.columns import Pair
from bursar.ledger.store import Session


def take_lines(session: Session, lines: Sequence[Pair], now_us: int) -> list[Pair]:
    """Those that aren't in the books yet, each once; how many were copies is noted."""
    first: dict[str, Pair] = {}
    for line in lines:
        first.setdefault(line.dispatched.attempt_id, line)
    since = datetime_from_us(min(line.dispatched.call.received_us for line in lines)).replace(tzinfo=None)
    found = session.query(  # charges are laid down by time: what is older than the oldest batch isn't looked at
        "SELECT attempt_id FROM charges WHERE received_at >= $since AND attempt_id IN (SELECT unnest($ids)::UUID)",
        {"ids": list(first), "since": since},
    )
    known = {str(attempt_id) for (attempt_id,) in found.rows}
    fresh = [line for attempt_id, line in first.items() if attempt_id not in known]
    if len(fresh) < len(lines):
        session.run(
            "INSERT INTO line_copies VALUES (make_timestamp($now), $copies)",
            {"now": now_us, "copies": len(lines) - len(fresh)},
        )
    return fresh
