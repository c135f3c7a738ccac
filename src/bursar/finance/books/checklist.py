"""What to look at before a month is closed: what is still on its way, what isn't known, what nobody has compared."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from bursar.finance.books.bills import Bill, unlike_bills
from bursar.finance.books.booked import Closings, booked_where, month_span, month_sums
from bursar.finance.books.flats import OpenFlat, unbooked_flats
from bursar.ledger.store import Session

State = Literal["ok", "look", "blocks"]


class Check(msgspec.Struct, frozen=True):
    """One thing to look at. blocks: the month can't be closed; look: it can, by somebody who says that they looked.

    opens: the page that shows what is behind it, "" where there is none.
    """

    code: str
    title: str
    state: State
    text: str
    opens: str = ""


def checklist(
    session: Session,
    month: str,
    closings: Closings,
    now: datetime,
    unread_bytes: int = 0,
    bills: Sequence[Bill] = (),
    flats: Sequence[OpenFlat] = (),
) -> list[Check]:
    """All checks of a month, in the order in which they are looked at.

    unread_bytes: of the gateway's journal, not loaded yet. bills: of the month, from its providers. flats: its flat
    costs that aren't booked.
    """
    start, end = month_span(month)
    days = f"?period={month}&tz=UTC"
    found = {one.month: one for one in month_sums(session, closings)}
    mine = found.get(month)
    counts = {name: getattr(mine, f"{name}_count") if mine else 0 for name in ("unpriced", "assumed", "estimated")}
    earlier = [name for name in found if name < month and name not in closings]
    spent, untagged = _spent(session, month, closings)
    unlike = unlike_bills(spent, bills)
    is_over = now.astimezone(UTC).replace(tzinfo=None) >= end
    return [
        _check("over", "The month is over", is_over, "it ends at midnight UTC of its last day", blocks=True),
        _check(
            "loaded", "Everything is in the books", not unread_bytes,
            f"{unread_bytes:,} bytes of the gateway's journal aren't loaded yet: they would be items of a later month",
        ),
        _in_flight(session, end),
        _check(
            "earlier", "Earlier months are closed", not earlier,
            f"open: {', '.join(earlier)}; what comes late for them stays with them until they are closed",
        ),
        _count("unpriced", "Every attempt has a price", counts["unpriced"],
               "without a price: in no amount; a price that comes later is posted in the open month", "/prices"),
        _count("assumed", "Nothing is assumed", counts["assumed"],
               "booked at the bound, since the end was never seen", f"/calls{days}&filter=quality%3Dassumed"),
        _count("estimated", "Nothing is estimated", counts["estimated"],
               "estimated, since the provider told no usage", f"/calls{days}&filter=quality%3Destimated"),
        _check("reconciled", "It is compared with the bills of its providers", not unlike,
               f"not compared: {unlike}", "/invoices"),
        _check("flat", "Flat costs are booked", not flats,
               f"not booked: {unbooked_flats(flats)}; book them here, or leave those that were booked by hand",
               f"/close?month={month}#flat"),
        _days(session, month, start, end),
        _check("untagged", "Every cost has a team or a feature", untagged == 0,
               f"{untagged:,.2f} USD say neither; rules of allocation split it", "/allocation"),
    ]  # fmt: skip


def can_close(checks: Sequence[Check]) -> bool:
    return all(one.state != "blocks" for one in checks)


def to_look_at(checks: Sequence[Check]) -> list[Check]:
    return [one for one in checks if one.state == "look"]


def _check(code: str, title: str, is_fine: bool, otherwise: str, opens: str = "", *, blocks: bool = False) -> Check:
    if is_fine:
        return Check(code, title, "ok", "")
    return Check(code, title, "blocks" if blocks else "look", otherwise, opens)


def _count(code: str, title: str, count: int, what: str, opens: str) -> Check:
    noun = "attempt is" if count == 1 else "attempts are"
    return _check(code, title, count == 0, f"{count:,} {noun} {what}", opens)


def _in_flight(session: Session, end: datetime) -> Check:
    count = int(session.query("SELECT count(*) FROM pending WHERE dispatched_at < $end", {"end": end}).only())
    sent = "1 attempt was sent and hasn't ended" if count == 1 else f"{count:,} attempts were sent and haven't ended"
    told = f"{sent}; what comes of it will be an item of a later month"
    return _check("in_flight", "No call of it is under way", count == 0, told)


def _days(session: Session, month: str, start: datetime, end: datetime) -> Check:
    seen = int(
        session.query(
            "SELECT count(DISTINCT date_trunc('day', dispatched_at)) FROM charges "
            "WHERE dispatched_at >= $start AND dispatched_at < $end",
            {"start": start, "end": end},
        ).only()
    )
    missing = (end - start).days - seen
    return _check("days", "Every day has calls", missing == 0,
                  f"{missing} of {(end - start).days} days have none: true, or calls that went past Bursar?",
                  f"/explore?period={month}&tz=UTC&grain=day")  # fmt: skip


def _spent(session: Session, month: str, closings: Closings) -> tuple[dict[str, Decimal], Decimal]:
    """Billed cost by provider, and what of it says neither team nor feature."""
    start, end = month_span(month)
    rows = session.query(
        f"""
        SELECT coalesce(provider, ''), coalesce(SUM(billed_cost), 0)::DECIMAL(38,12),
          coalesce(SUM(CASE WHEN team = '' AND feature = '' THEN billed_cost END), 0)::DECIMAL(38,12)
        FROM charges WHERE {booked_where(closings)} GROUP BY 1""",
        {"start": start, "end": end},
    ).rows
    return {provider: cost for provider, cost, _ in rows}, sum((part for _, _, part in rows), Decimal(0))
