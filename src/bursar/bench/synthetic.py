"""A large ledger, made in SQL: charges of 90 days in the real tables, with the skew that real traffic has.

Seeded by row number, so every run and every machine has the same rows. Kept between runs: making it takes minutes.
"""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bursar.ledger.duckdb import open_ledger
from bursar.ledger.rollups import rebuild
from bursar.ledger.schema import CHARGE_COLUMNS, ENTRY_COLUMNS, SCHEMA_VERSION
from bursar.ledger.store import Ledger, Session

DAYS = 90
END = datetime(2026, 11, 30, tzinfo=UTC)  # "now" of the questions: last month is October
CHUNK = 500_000
FEATURES, CUSTOMERS, MODELS, KEYS = 200, 20_000, 40, 500


def synthetic_ledger(charges: int) -> Ledger:
    """The ledger with that many charges, from the temporary directory if it was made before."""
    directory = Path(tempfile.gettempdir()) / "bursar-bench"
    path = directory / f"charges-{charges}-schema-{SCHEMA_VERSION}.duckdb"
    if path.exists():
        ledger = open_ledger(path)
        with ledger.reading() as session:
            if session.query("SELECT count(*) FROM ledger_facts WHERE name = 'synthetic'").only():
                return ledger
        ledger.close()
        path.unlink()  # left half made
    ledger = open_ledger(path)
    for first in range(0, charges, CHUNK):
        with ledger.writing() as session:
            _make(session, first, min(first + CHUNK, charges), charges)
    with ledger.writing() as session:
        rebuild(session)
        session.run("INSERT INTO ledger_facts VALUES ('synthetic', 'done')")
    return ledger


def _make(session: Session, first: int, last: int, charges: int) -> None:
    """Charges number `first` to `last`, in the order of time. `u(k)`: the k-th random number of a row, in [0, 1)."""
    session.run("CREATE OR REPLACE TEMP MACRO u(i, k) AS (hash(i * 64 + k) % 1000003) / 1000003.0")
    columns = [column.name for column in CHARGE_COLUMNS] + list(ENTRY_COLUMNS)
    made = ", ".join(f"{_EXPRESSIONS.get(name, _default(name))} AS {name}" for name in columns)
    start_us = int(END.timestamp() * 1e6) - DAYS * 86_400_000_000
    session.run(
        f"INSERT INTO charges ({', '.join(columns)}) SELECT {made} FROM ({_BASE}) ORDER BY i",
        {"first": first, "last": last, "start": start_us, "step": DAYS * 86_400_000_000 // charges},
    )


def _default(name: str) -> str:
    kinds = {column.name: column.kind for column in CHARGE_COLUMNS}
    return {"int": "0", "count": "NULL", "bool": "false", "pico": "NULL", "text": "''"}.get(
        kinds.get(name, "text"), "NULL"
    )


_BASE = f"""
SELECT i, make_timestamp($start + i * $step) AS moment, $start + i * $step AS at_us,
  floor(pow(u(i, 1), 2.2) * {FEATURES})::INTEGER AS f, floor(pow(u(i, 2), 3) * {CUSTOMERS})::INTEGER AS c,
  u(i, 3) AS m, (200 + floor(pow(u(i, 4), 3) * 20000))::BIGINT AS tokens_in,
  floor(pow(u(i, 5), 2) * 1500)::BIGINT AS tokens_out, u(i, 6) AS luck, u(i, 7) AS speed, (hash(i * 64 + 8)) AS id_high
FROM range($first, $last) AS numbers(i)
"""
_COST = "((tokens_in * 1250 + tokens_out * 10000) * 0.000000001::DECIMAL(13,12))::DECIMAL(18,12)"
_QUALITY = "CASE WHEN luck < 0.002 THEN 'unpriced' WHEN luck < 0.012 THEN 'estimated' ELSE 'reported' END"
_ID = (
    "format('{:012x}7{:03x}8{:015x}', (at_us // 1000)::BIGINT, (id_high % 4096)::BIGINT, "
    "(hash(i * 64 + {K}) % 1152921504606846976)::BIGINT)::UUID"
)
_KNOWN_COST = f"CASE WHEN luck >= 0.002 THEN {_COST} END"
_MODEL = f"'model-' || ((f * 7 + CASE WHEN m < 0.7 THEN 0 WHEN m < 0.95 THEN 1 ELSE 2 END) % {MODELS})::VARCHAR"
_OUTCOME = "CASE WHEN luck > 0.99 THEN 'provider_error' WHEN luck > 0.985 THEN 'truncated' ELSE 'ok' END"
_EXPRESSIONS = {
    "attempt_id": _ID.replace("{K}", "9"),
    "call_id": _ID.replace("{K}", "10"),
    "attempt_number": "1",
    "writer": "'w0-synthetic'",
    "seq": "i + 1",
    "is_final": "true",
    "is_whole_call": "true",
    "received_at": "moment",
    "dispatched_at": "moment + INTERVAL 200 MICROSECOND",
    "first_byte_at": "moment + to_milliseconds((speed * 900)::BIGINT)",
    "ended_at": "moment + to_milliseconds((900 + speed * 9000)::BIGINT)",
    "provider": f"'provider-' || (((f * 7) % {MODELS}) % 8)::VARCHAR",
    "upstream": f"'provider-' || (((f * 7) % {MODELS}) % 8)::VARCHAR",
    "dialect": "'openai-chat'",
    "operation": "CASE WHEN f % 10 = 0 THEN 'embeddings' ELSE 'chat' END",
    "model": _MODEL,
    "model_asked": _MODEL,
    "model_sent": _MODEL,
    "model_served": _MODEL,
    "is_stream": "luck > 0.5",
    "organization": "'acme'",
    "scope_team": "'team-' || (f % 20)::VARCHAR",
    "project": "'project-' || (f % 50)::VARCHAR",
    "credential_id": f"'vk_' || ((f * 5 + (c % 3)) % {KEYS})::VARCHAR",
    "credential_kind": "'virtual'",
    "feature": "'feature-' || f::VARCHAR",
    "team": "'team-' || (f % 20)::VARCHAR",
    "customer": "'customer-' || c::VARCHAR",
    "environment": "CASE WHEN c % 10 = 0 THEN 'staging' ELSE 'production' END",
    "request_type": "CASE WHEN f % 3 = 0 THEN 'agent' ELSE 'chat' END",
    "session": "'session-' || (i // 12)::VARCHAR",
    "consumer_id": "'user-' || (c * 13 + i % 13)::VARCHAR",
    "tags": "MAP {'plan': CASE WHEN c % 4 = 0 THEN 'pro' ELSE 'free' END, 'release': 'r' || (i // 200000)::VARCHAR, "
    "'experiment': 'e' || (c % 30)::VARCHAR}",
    "input_tokens": "tokens_in",
    "cache_read_tokens": "CASE WHEN f % 2 = 0 THEN tokens_in * 3 ELSE 0 END",
    "output_tokens": "tokens_out",
    **dict.fromkeys(("list_cost", "contracted_cost", "effective_cost", "billed_cost"), _KNOWN_COST),
    "bound_cost": "0.5",
    "lines": "CASE WHEN luck >= 0.002 THEN [{'unit': 'input', 'quantity': tokens_in, 'unit_price': 0.00000125}, "
    "{'unit': 'output', 'quantity': tokens_out, 'unit_price': 0.00001}] ELSE [] END",
    "sku_id": "'model-' || (f % 40)::VARCHAR",
    "sku_price_id": "'model-' || (f % 40)::VARCHAR || '@2026-01-01'",
    "outcome": _OUTCOME,
    "call_outcome": _OUTCOME,
    "client_status": "200",
    "quality": _QUALITY,
    "error_code": "CASE WHEN luck > 0.99 THEN 'overloaded_error' ELSE '' END",
    "http_status": "CASE WHEN luck > 0.99 THEN 529 ELSE 200 END",
    "request_fingerprint": "format('{:016x}', (hash(i // 3) % 9223372036854775807)::BIGINT)",
    "request_bytes": "tokens_in * 4",
    "response_bytes": "tokens_out * 5",
    "first_byte_ms": "(speed * 900)::INTEGER",
    "duration_ms": "(900 + speed * 9000)::INTEGER",
    "client": "'openai-python/2.7'",
    "traffic": "'live'",
    "currency": "'USD'",
    "entry": "'usage'",
    "entry_id": "NULL",
    "reverses": "NULL",
    "weight": "1",
    "reason": "''",
    "posted_at": "moment",
}
