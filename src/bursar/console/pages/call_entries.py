"""How a corrected call got into the books: each entry, with the call that caused it."""

import re
from datetime import datetime
from decimal import Decimal

import msgspec

from bursar.explore.detail import CallDetail

_CAUSE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class BookEntry(msgspec.Struct, frozen=True):
    """A row of the books about the call. why, cause, rest: the reason, around the call that it names ("" for none)."""

    attempt: str
    word: str
    posted_at: datetime
    why: str
    cause: str
    rest: str
    quality: str
    amount: Decimal | None


def book_entries(detail: CallDetail) -> list[BookEntry]:
    """How the call got into the books, where it was corrected; nothing where each attempt is one row."""
    found = []
    for attempt in detail.attempts:
        if len(attempt.entries) < 2:
            continue
        name = f"Attempt {attempt.attempt_number}" if len(detail.attempts) > 1 else ""
        for entry in attempt.entries:
            named = _CAUSE.search(entry.reason)
            cause = named[0] if named else ""
            why, _, rest = entry.reason.partition(cause) if cause else (entry.reason, "", "")
            found.append(
                BookEntry(name, entry.entry, entry.posted_at, why, cause, rest, entry.quality, entry.effective_cost)
            )
    return found
