"""One call, down to the lines of its receipt: its attempts in order, what each used, and at which prices."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import UnknownCall
from bursar.domain.savings import COLUMNS
from bursar.domain.usage import COUNTED, Unit
from bursar.explore.calls import CallSummary, aware, summary_of
from bursar.ledger.adjusting import COSTS, ENTRY
from bursar.ledger.pairing import InFlight
from bursar.ledger.state import in_flight_of
from bursar.ledger.store import Session


class Line(msgspec.Struct, frozen=True):
    """One line of a receipt, exact: `amount` = quantity × unit_price in USD, before the charge's one rounding."""

    unit: str
    quantity: int
    unit_price: Decimal
    amount: Decimal


class Entry(msgspec.Struct, frozen=True):
    """A row of the books about an attempt: its usage, a reversal of that, a correction, an adjustment."""

    entry: str
    posted_at: datetime
    reason: str
    quality: str
    list_cost: Decimal | None
    effective_cost: Decimal | None
    sku_price_id: str


class AttemptDetail(msgspec.Struct, kw_only=True):
    """One try at one upstream, as it stands after corrections. Times UTC; costs USD, None: unpriced.

    usage:   disjoint counts by unit, only what was used; reasoning tokens are part of `output`.
    kept_…:  of a cached content: its tokens, the microseconds that this attempt bears of its life, and their end.
    entries: how it got into the books, oldest first; more than one if it was corrected.
    saved:   lever → USD, in the order of the steps; with list_cost they are the counterfactual.
    """

    attempt_id: str
    attempt_number: int
    state: str  # "settled", or "in_flight"
    dispatched_at: datetime
    first_byte_at: datetime | None
    ended_at: datetime | None
    provider: str
    upstream: str
    model_sent: str
    model_served: str
    region: str
    tier_asked: str
    tier_served: str
    retry_cause: str
    routing: str  # why it went there, JSON; "": no route was about the call
    outcome: str
    quality: str
    error_code: str
    finish_reason: str
    http_status: int
    upstream_id: str
    is_final: bool
    usage: dict[str, int]
    reasoning_tokens: int
    kept_tokens: int
    kept_us: int
    kept_until: datetime | None
    lines: list[Line]
    list_cost: Decimal | None
    contracted_cost: Decimal | None
    effective_cost: Decimal | None
    billed_cost: Decimal | None
    counterfactual_cost: Decimal | None
    bound_cost: Decimal | None
    provider_cost: Decimal | None
    currency: str
    lever: str
    saved: dict[str, Decimal]
    sku_id: str
    sku_price_id: str
    request_bytes: int
    response_bytes: int
    first_byte_ms: int | None
    duration_ms: int | None
    seq: int
    entries: list[Entry]


class CallDetail(msgspec.Struct):
    """A call and its attempts in order. `call` is None while it is in flight."""

    call_id: str
    call: CallSummary | None
    attempts: list[AttemptDetail]

    @property
    def in_flight(self) -> bool:
        return self.call is None


_USAGE = {unit: COUNTED.get(unit, f"{unit}_tokens") for unit in Unit}


def call_detail(session: Session, call_id: str) -> CallDetail:
    """Everything the books know of a call. Raises UnknownCall."""
    try:
        wanted = str(UUID(call_id))
    except ValueError as error:
        raise UnknownCall(f"{call_id[:80]!r} is not a call id", field="call_id") from error
    call = summary_of(session, wanted)
    where, params = "call_id = $id::UUID", {"id": wanted}
    if call is not None:  # zone maps: only the rows of that moment are looked at
        where += " AND received_at = $received"
        params["received"] = call.received_at.replace(tzinfo=None)  # type: ignore[assignment]  # values of any type
    rows = session.query(f"SELECT * FROM charges WHERE {where}", params).dicts()
    attempts = [_attempt(entries) for entries in _by_attempt(rows)]
    attempts += [_in_flight(flight) for flight in in_flight_of(session, wanted)]
    if call is None and not attempts:
        raise UnknownCall(f"no call {wanted} is in the books", field="call_id")
    attempts.sort(key=lambda attempt: (attempt.attempt_number, attempt.dispatched_at))
    return CallDetail(wanted, call, attempts)


def _by_attempt(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Entries of each attempt; within one, as they were posted, a reversal before the correction that follows it."""
    found: dict[Any, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: (row["posted_at"], _ENTRY_ORDER.get(row["entry"], 9))):
        found.setdefault(row["attempt_id"], []).append(row)
    return list(found.values())


_ENTRY_ORDER = {"usage": 0, "reversal": 1, "correction": 2, "adjustment": 3}


def _attempt(entries: list[dict[str, Any]]) -> AttemptDetail:
    row = next(entry for entry in reversed(entries) if entry["weight"] == 1)
    lines = [
        Line(line["unit"], line["quantity"], line["unit_price"], line["quantity"] * line["unit_price"])
        for line in row["lines"] or []
    ]
    copied = {name: row[name] for name in AttemptDetail.__struct_fields__ if name in row}
    copied |= {
        "attempt_id": str(row["attempt_id"]),
        "dispatched_at": aware(row["dispatched_at"]),
        "first_byte_at": aware(row["first_byte_at"]) if row["first_byte_at"] else None,
        "ended_at": aware(row["ended_at"]) if row["ended_at"] else None,
        **{name: _adjusted(name, row, entries) for name in COSTS},
        "kept_until": aware(row["kept_until"]) if row["kept_until"] else None,
        "lines": lines,
    }
    return AttemptDetail(
        **copied,
        state="settled",
        usage={str(unit): row[column] for unit, column in _USAGE.items() if row[column]},
        saved={lever: row[column] for lever, column in COLUMNS.items() if row[column]},
        entries=[_entry(entry) for entry in entries],
    )


def _adjusted(name: str, standing: dict[str, Any], entries: list[dict[str, Any]]) -> Decimal | None:
    """What an attempt costs as it stands, with what contracts and invoices changed; None: unpriced."""
    cost: Decimal | None = standing[name]
    if cost is None:
        return None
    return cost + sum((entry[name] for entry in entries if entry["entry"] == ENTRY), Decimal(0))


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(
        entry=row["entry"],
        posted_at=aware(row["posted_at"]),
        reason=row["reason"],
        quality=row["quality"],
        list_cost=row["list_cost"],
        effective_cost=row["effective_cost"],
        sku_price_id=row["sku_price_id"],
    )


def _in_flight(flight: InFlight) -> AttemptDetail:
    record = flight.dispatched
    bound = None if record.bound_pico is None else Decimal(record.bound_pico).scaleb(-12)
    return AttemptDetail(
        attempt_id=record.attempt_id,
        attempt_number=record.attempt_number,
        state="in_flight",
        dispatched_at=datetime_from_us(record.dispatched_us),
        first_byte_at=None,
        ended_at=None,
        provider=record.provider,
        upstream=record.upstream,
        model_sent=record.model_sent,
        model_served="",
        region=record.region,
        tier_asked=record.tier_asked,
        tier_served="",
        retry_cause=record.retry_cause,
        routing=record.routing,
        outcome="",
        quality="",
        error_code="",
        finish_reason="",
        http_status=0,
        upstream_id="",
        is_final=False,
        usage={},
        reasoning_tokens=0,
        kept_tokens=0,
        kept_us=0,
        kept_until=None,
        lines=[],
        list_cost=None,
        contracted_cost=None,
        effective_cost=None,
        billed_cost=None,
        counterfactual_cost=None,
        bound_cost=bound,
        provider_cost=None,
        currency="USD",
        lever="",
        saved={},
        sku_id="",
        sku_price_id=record.sku_price_id,
        request_bytes=record.call.request_bytes,
        response_bytes=0,
        first_byte_ms=None,
        duration_ms=None,
        seq=record.seq,
        entries=[],
    )
