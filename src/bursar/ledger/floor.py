"""Up to when the books are closed: whatever is posted later carries a later time, whatever the clock says.

A batch reads the clock before its turn to write comes. Without this floor, one that waited while a month was being
closed would be posted with a time before the close, and change what was closed.
"""

from bursar.ledger.store import Session

_FLOOR = "books_closed_us"


def posting_us(session: Session, now_us: int) -> int:
    """When what is posted in this transaction enters the books: now, and always after the last close."""
    return max(now_us, closed_until_us(session) + 1)


def closed_until_us(session: Session) -> int:
    """The last close, in microseconds; 0: there was none."""
    found = session.query("SELECT value FROM ledger_facts WHERE name = $name", {"name": _FLOOR}).rows
    return int(found[0][0]) if found else 0


def close_until(session: Session, at_us: int) -> int:
    """Nothing enters the books at or before this time any more; when that is: later than all that is in them."""
    last = session.query("SELECT epoch_us(max(posted_at)) FROM charges").only()
    until_us = max(at_us, int(last or 0), closed_until_us(session))
    session.run("DELETE FROM ledger_facts WHERE name = $name", {"name": _FLOOR})
    session.run("INSERT INTO ledger_facts VALUES ($name, $value)", {"name": _FLOOR, "value": str(until_us)})
    return until_us
