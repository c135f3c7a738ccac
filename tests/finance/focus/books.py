"""Ledgers for tests of FOCUS: charges as plain rows, of every kind that the books know."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from bursar.domain.periods import Period
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.rollups import rebuild
from bursar.ledger.schema import CHARGE_COLUMNS, COST_COLUMNS, ENTRY_COLUMNS
from bursar.ledger.store import Ledger, Session

START = datetime(2026, 10, 30, tzinfo=UTC)
PICO = Decimal("1e-12")
FOUR = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
Charge = dict[str, Any]

_EMPTY = {"text": "", "int": 0, "bool": False, "uuid": None, "time": None, "pico": None, "json": {}, "lines": []}
_TYPES = {column.name: column.type for column in CHARGE_COLUMNS} | ENTRY_COLUMNS


def charge(at: datetime, lines: Sequence[tuple[str, int, Decimal]] = (), **changes: Any) -> Charge:
    """A charge as the loader posts one; its cost is that of its lines, rounded once."""
    cost = sum((quantity * price for _, quantity, price in lines), Decimal(0)).quantize(PICO, ROUND_HALF_EVEN)
    found = {column.name: _EMPTY.get(column.kind, "") for column in CHARGE_COLUMNS}
    found |= {
        "attempt_id": uuid.uuid4(), "call_id": uuid.uuid4(), "attempt_number": 1, "received_at": at,
        "dispatched_at": at, "ended_at": at + timedelta(seconds=2), "provider": "openai", "model": "gpt-5",
        "organization": "acme", "scope_team": "core", "project": "shop", "credential_id": "vk_1", "feature": "search",
        "team": "core", "environment": "production", "customer": "acme", "sku_id": "openai/gpt-5", "is_final": True,
        "sku_price_id": "genai-prices:openai/gpt-5@origin#default", "is_whole_call": True, "outcome": "ok",
        "quality": "reported", "first_byte_ms": 10, "duration_ms": 20, "traffic": "live", "client_gone_percent": -1,
        "lines": [{"unit": unit, "quantity": quantity, "unit_price": price} for unit, quantity, price in lines],
        **dict.fromkeys((column.name for column in COST_COLUMNS if column.name.startswith("saved_")), Decimal(0)),
        **dict.fromkeys(FOUR, cost), "counterfactual_cost": cost,
        "currency": "USD", "entry": "usage", "weight": 1, "entry_id": None, "reverses": None, "reason": "",
        "posted_at": at,
    }  # fmt: skip
    return found | changes


def reversal(of: Charge, posted_at: datetime) -> Charge:
    """Its exact opposite."""
    lines = [line | {"quantity": -line["quantity"]} for line in of["lines"]]
    negated = {name: None if of[name] is None else -of[name] for name in FOUR}
    return of | negated | {
        "lines": lines, "entry": "reversal", "weight": -1, "reverses": of["attempt_id"], "entry_id": uuid.uuid4(),
        "posted_at": posted_at, "reason": "priced anew", "is_whole_call": False,
    }  # fmt: skip


def correction(of: Charge, lines: Sequence[tuple[str, int, Decimal]], posted_at: datetime) -> Charge:
    """What is true instead."""
    own = {"entry": "correction", "entry_id": uuid.uuid4(), "reason": "priced anew", "is_whole_call": False}
    return charge(of["received_at"], lines, **own, posted_at=posted_at, attempt_id=of["attempt_id"])


def adjustment(of: Charge, posted_at: datetime, **costs: Decimal) -> Charge:
    """What a contract changes of three of the costs."""
    own = dict.fromkeys(FOUR, Decimal(0)) | costs
    return of | own | {
        "lines": [], "entry": "adjustment", "weight": 0, "entry_id": uuid.uuid4(), "reason": "contract of October",
        "posted_at": posted_at, "is_whole_call": False,
    }  # fmt: skip


def unpriced(at: datetime, **changes: Any) -> Charge:
    """One whose cost isn't known."""
    return charge(at, **({"quality": "unpriced", "counterfactual_cost": None, **dict.fromkeys(FOUR)} | changes))


def post(session: Session, charges: Sequence[Charge]) -> None:
    """Append them as they are."""
    if not charges:
        return
    names = list(_TYPES)
    values = ", ".join(f"${name}::{_TYPES[name]}" for name in names)
    for row in charges:
        ready = {
            name: value.astimezone(UTC).replace(tzinfo=None) if isinstance(value := row[name], datetime) else value
            for name in names
        }
        session.run(f"INSERT INTO charges ({', '.join(names)}) VALUES ({values})", ready)


@contextmanager
def books(directory: Path, charges: Sequence[Charge]) -> Iterator[Ledger]:
    """A ledger that holds them, sums and all."""
    ledger = open_ledger(directory / f"{uuid.uuid4().hex}.duckdb", threads=1)
    try:
        yield refilled(ledger, charges)
    finally:
        ledger.close()


def refilled(ledger: Ledger, charges: Sequence[Charge]) -> Ledger:
    """The same ledger with these charges and no others: opening one anew takes ten times as long."""
    with ledger.writing() as session:
        session.run("DELETE FROM charges")
        post(session, charges)
        rebuild(session)
    return ledger


prices = st.integers(0, 10**10).map(lambda femto: Decimal(femto).scaleb(-15))
units = st.sampled_from(
    ["input", "cache_read", "cache_write_5m", "output", "web_search", "cache_storage_part", "novel"]
)
some_lines = st.lists(st.tuples(units, st.integers(0, 5_000), prices), max_size=3)
moments = st.integers(0, 4 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))


@st.composite
def histories(draw: st.DrawFn) -> list[Charge]:
    """Charges with lines and without, unpriced ones, corrections soon and a month later, a contract's adjustments."""
    found: list[Charge] = []
    for at in draw(st.lists(moments, max_size=6)):
        own = {"feature": draw(st.sampled_from(["search", "", 'a "quoted", one\n'])),
               "model": draw(st.sampled_from(["gpt-5", "claude-opus-5"])),
               "customer": draw(st.sampled_from(["acme", "globex"]))}  # fmt: skip
        one = charge(at, draw(some_lines), **own)
        kind = draw(st.sampled_from(["plain", "assumed", "unpriced", "corrected", "adjusted", "priced later"]))
        late = at + timedelta(days=draw(st.sampled_from([0, 40])))
        if kind == "assumed":
            bound = draw(prices).quantize(PICO)
            one |= dict.fromkeys(FOUR, bound) | {"lines": [], "quality": "assumed", "sku_id": ""}
        if kind in ("unpriced", "priced later"):
            one = unpriced(at, **own)
        found.append(one)
        if kind in ("corrected", "priced later"):
            found += [reversal(one, late), correction(one, draw(some_lines), late)]
        if kind == "adjusted":
            found.append(adjustment(one, late, contracted_cost=-draw(prices).quantize(PICO),
                                    effective_cost=draw(prices).quantize(PICO)))  # fmt: skip
    return found


def days(first: int, last: int) -> Period:
    """From midnight of one day after START to that of another."""
    return Period(START + timedelta(days=first), START + timedelta(days=last))
