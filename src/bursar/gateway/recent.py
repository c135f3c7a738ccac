"""`GET /bursar/calls/{id}` at the gateway: what a call cost, for the key that made it, a moment after it ended.

The answer comes from this worker's memory, or from the node's journal when another worker served the call. Older calls
are the console's to answer: its ledger has them all.
"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from bursar.domain.ids import ATTEMPT_NUMBER_MAX, attempt_id
from bursar.domain.money import plain, usd_from_femto, usd_from_pico
from bursar.spool.reader import read_slice, segments
from bursar.spool.records import DECODER, CallFacts, Dispatched, Ended, Settled

RECENT_MAX = 1024
SCAN_RECORDS_MAX = 1_000_000


Known = tuple[CallFacts, list[Settled], Ended | None]
"""a call, its attempts' ends, or its own end if it had no attempt"""


class Recent:
    """The last RECENT_MAX ends of one worker, by the id of the attempt, or of the call that ended without any.

    Kept as written to the journal. The records themselves are sixty objects a call, which would come back to be freed
    when the processor's cache has long let go of them: with 4,096 kept that was 6 % of a call's CPU.
    """

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._newer: dict[str, tuple[bytes, ...]] = {}
        self._older: dict[str, tuple[bytes, ...]] = {}

    def add(self, key: str, *written: bytes) -> None:
        """Remember an end: a `Dispatched` and its `Settled`, or an `Ended`. The older half goes if there is no room."""
        self._newer[key] = written
        if len(self._newer) > RECENT_MAX // 2:
            self._older, self._newer = self._newer, {}

    async def find(self, call_id: str, credential_id: str) -> dict[str, Any] | None:
        """The call as JSON-ready values, or None: not known here, or another key's."""
        known = self._remembered(call_id) or await asyncio.to_thread(_scan, self._spool, call_id)
        if known is None or known[0].credential_id != credential_id:
            return None
        return _describe(*known)

    def _remembered(self, call_id: str) -> Known | None:
        keys = [call_id, *(attempt_id(call_id, number) for number in range(1, ATTEMPT_NUMBER_MAX + 1))]
        ends = [end for key in keys if (end := self._newer.get(key) or self._older.get(key))]
        records = [DECODER.decode(written) for end in ends for written in end]
        settled = [record for record in records if isinstance(record, Settled)]
        for record in records:
            if isinstance(record, Ended):
                return record.call, settled, record
            if isinstance(record, Dispatched):
                return record.call, settled, None
        return None


def _scan(spool: Path, call_id: str) -> Known | None:
    """Look through the node's journal. A search for the id's bytes picks the segment before anything is decoded."""
    needle = call_id.encode("ascii", "replace")
    for segment in reversed(segments(spool)):
        try:
            if needle in segment.path.read_bytes():
                records = read_slice(segment.path, 0, records_max=SCAN_RECORDS_MAX, bytes_max=1 << 30).records
            else:
                continue
        except OSError:
            continue  # the loader has just taken the segment away
        attempts: dict[str, Dispatched] = {}
        settled: list[Settled] = []
        for record in records:
            if isinstance(record, Dispatched) and record.call.call_id == call_id:
                attempts[record.attempt_id] = record
            elif isinstance(record, Settled) and record.attempt_id in attempts:
                settled.append(record)
            elif isinstance(record, Ended) and record.call.call_id == call_id:
                return record.call, [], record
        if attempts:
            return next(iter(attempts.values())).call, settled, None
    return None


def _describe(call: CallFacts, attempts: list[Settled], ended: Ended | None) -> dict[str, Any]:
    final = next((attempt for attempt in attempts if attempt.final), None)
    known = [attempt.list_pico for attempt in attempts if attempt.list_pico is not None]
    is_unpriced = len(known) < len(attempts) or not attempts
    return {
        "call_id": call.call_id,
        "state": "ended" if final or ended else "in_flight",
        "outcome": final.call_outcome if final else ended.outcome if ended else None,
        "error_code": ended.error_code if ended else final.error_code if final else None,
        "model": call.model_asked,
        "cost": {"usd": None if is_unpriced else plain(usd_from_pico(sum(known))), "currency": "USD"},
        "quality": final.quality if final else None,
        "attribution": msgspec.structs.asdict(call.attribution),
        "attempts": [_attempt(attempt) for attempt in attempts],
    }


def _attempt(attempt: Settled) -> dict[str, Any]:
    return {
        "attempt_id": attempt.attempt_id,
        "outcome": attempt.outcome,
        "quality": attempt.quality,
        "http_status": attempt.http_status,
        "model_served": attempt.model_served,
        "service_tier": attempt.tier_served,
        "usage": {unit: quantity for unit, quantity in msgspec.structs.asdict(attempt.usage).items() if quantity},
        "lines": [
            {"unit": unit, "quantity": quantity, "unit_price_usd": plain(usd_from_femto(price))}
            for unit, quantity, price in attempt.lines
        ],
        "cost_usd": None if attempt.list_pico is None else plain(usd_from_pico(attempt.list_pico)),
        "sku_price_id": attempt.sku_price_id,
    }
