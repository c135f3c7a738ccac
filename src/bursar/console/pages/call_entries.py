"""How a corrected call got into the books: each entry, with the call that caused it."""

import re
from datetime import datetime
from decimal import Decimal

import msgspec

from bursar.console.format import Format
from bursar.explore.detail import AttemptDetail, CallDetail
from bursar.ledger.adjusting import ENTRY

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


def adjusted(attempt: AttemptDetail, f: Format) -> list[str]:
    """What contracts, bills and the close made of its list cost."""
    reasons = dict.fromkeys(entry.reason for entry in attempt.entries if entry.entry == ENTRY)
    if not reasons or attempt.effective_cost is None:
        return []
    costs = (
        ("contracted", attempt.contracted_cost), ("effective", attempt.effective_cost), ("billed", attempt.billed_cost)
    )  # fmt: skip
    told = ", ".join(f"{name} {f.plain_money(cost)}" for name, cost in costs)
    return [f"By {'; '.join(reasons)}: {told}."]
