"""The ledger's tables, each column named once.

A charge is one attempt (`entry` = usage), or an entry that corrects one. Facts are appended: nothing here is updated
but `call_rows` and the rollups, which are computed from charges and can be computed again.

`calls` is a view with a row per call. Of nearly every call the one attempt is all there is to know: its charge is the
row. Calls of several attempts, of none, and corrected ones have a row of their own in `call_rows`.
"""

from typing import NamedTuple

from bursar.domain.savings import COLUMNS as SAVED_COLUMNS

MONEY = "DECIMAL(18,12)"
LINES = "STRUCT(unit VARCHAR, quantity BIGINT, unit_price DECIMAL(28,15))[]"
TAGS = "MAP(VARCHAR, VARCHAR)"
SCHEMA_VERSION = 2
BURSAR = "bursar"
"""The `source` of every charge; rows of imported bills have another one, and are no charges (`imported.py`)."""


class Column(NamedTuple):
    """name and SQL type; `source`: where the loader finds it, `record.field` (see `columns.py`).

    kind: how it is staged: text, int, bool, uuid, time (µs, 0 when unknown), pico (money, None when unknown), json,
    lines. Or not staged: `sql`, computed by the store, `source` is the expression over staged columns; `same`, the
    money of the column that `source` names.
    """

    name: str
    type: str
    kind: str
    source: str


def _texts(source: str, *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "VARCHAR", "text", f"{source}.{name}") for name in names)


def _counts(source: str, **names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "BIGINT", "int", f"{source}.{field}") for name, field in names.items())


def _ms_until(moment: str) -> str:
    return f"greatest({moment} - dispatched_at, 0) // 1000"  # staged: microseconds


SCOPE_COLUMNS = (
    Column("organization", "VARCHAR", "text", "scope.organization"),
    Column("scope_team", "VARCHAR", "text", "scope.team"),
    Column("project", "VARCHAR", "text", "scope.project"),
    *_texts("call", "credential_id", "credential_kind"),
)
TAG_COLUMNS = (
    *_texts("attribution", "feature", "team", "customer", "environment", "request_type", "session", "agent"),
    Column("consumer_id", "VARCHAR", "text", "attribution.user"),
    Column("tags", TAGS, "json", "attribution.tags"),
    Column("tags_dropped", "BIGINT", "int", "call.tags_dropped"),
)
TOKEN_COLUMNS = _counts(
    "usage",
    input_tokens="input",
    cache_read_tokens="cache_read",
    cache_write_5m_tokens="cache_write_5m",
    cache_write_1h_tokens="cache_write_1h",
    input_audio_tokens="input_audio",
    cache_read_audio_tokens="cache_read_audio",
    input_image_tokens="input_image",
    output_tokens="output",
    output_audio_tokens="output_audio",
    output_image_tokens="output_image",
    reasoning_tokens="reasoning",
    web_searches="web_search",
    requests_billed="request",
    characters="characters",
    audio_seconds="audio_seconds",
    images="images",
    cache_storage_token_hours="cache_storage",  # noqa: S106  # no password
)
KEPT_COLUMNS = _counts("usage", kept_tokens="kept_tokens", kept_us="kept_us")
"""What `cache_storage_token_hours` rounds: tokens of a cached content, and microseconds that are charged for. They are
no measures: a sum of them over several rows of one cache says nothing."""

COST_COLUMNS = (
    Column("list_cost", MONEY, "pico", "settled.list_pico"),
    *(Column(name, MONEY, "same", "list_cost") for name in ("contracted_cost", "effective_cost", "billed_cost")),
    Column("counterfactual_cost", MONEY, "pico", "settled.counterfactual_pico"),
    *(Column(column, MONEY, "pico", f"saved.{lever}") for lever, column in SAVED_COLUMNS.items()),
    Column("bound_cost", MONEY, "pico", "dispatched.bound_pico"),
    Column("provider_cost", MONEY, "pico", "settled.provider_cost_pico"),
)
"""Without a contract the four costs are one; `finance` posts what contracts, commitments and invoices change."""

CHARGE_COLUMNS: tuple[Column, ...] = (
    Column("attempt_id", "UUID", "uuid", "dispatched.attempt_id"),
    Column("call_id", "UUID", "uuid", "call.call_id"),
    Column("attempt_number", "BIGINT", "int", "dispatched.attempt_number"),
    Column("writer", "VARCHAR", "text", "pair.writer"),
    Column("seq", "BIGINT", "int", "dispatched.seq"),
    Column("is_final", "BOOLEAN", "bool", "settled.final"),
    Column("received_at", "TIMESTAMP", "time", "call.received_us"),
    Column("dispatched_at", "TIMESTAMP", "time", "dispatched.dispatched_us"),
    Column("first_byte_at", "TIMESTAMP", "time", "settled.first_byte_us"),
    Column("ended_at", "TIMESTAMP", "time", "settled.ended_us"),
    *_texts("dispatched", "provider", "upstream"),
    *_texts("call", "dialect", "operation"),
    Column("model", "VARCHAR", "sql", "coalesce(nullif(model_served, ''), nullif(model_sent, ''), model_asked)"),
    *_texts("call", "model_asked"),
    *_texts("dispatched", "model_sent"),
    *_texts("settled", "model_served"),
    *_texts("dispatched", "region", "tier_asked"),
    *_texts("settled", "tier_served"),
    Column("is_stream", "BOOLEAN", "bool", "call.stream"),
    *SCOPE_COLUMNS,
    *TAG_COLUMNS,
    *TOKEN_COLUMNS,
    *KEPT_COLUMNS,
    Column("kept_from", "TIMESTAMP", "time", "settled.kept_from_us"),
    Column("kept_until", "TIMESTAMP", "time", "settled.kept_until_us"),
    Column("price_is_guess", "BOOLEAN", "bool", "settled.price_is_guess"),
    *COST_COLUMNS,
    *_texts("settled", "lever", "sku_id", "sku_price_id"),
    Column("lines", LINES, "lines", "settled.lines"),
    *_texts("settled", "outcome", "quality", "error_code", "finish_reason"),
    Column("http_status", "BIGINT", "int", "settled.http_status"),
    *_texts("dispatched", "retry_cause", "routing"),
    Column("route", "VARCHAR", "sql", "coalesce(json_extract_string(nullif(routing, ''), '$.route'), '')"),
    *_texts("settled", "upstream_id"),
    Column("request_fingerprint", "VARCHAR", "text", "call.fingerprint"),
    Column("request_bytes", "BIGINT", "int", "call.request_bytes"),
    Column("response_bytes", "BIGINT", "int", "settled.response_bytes"),
    Column("first_byte_ms", "BIGINT", "sql", f"CASE WHEN first_byte_at > 0 THEN {_ms_until('first_byte_at')} END"),
    Column("duration_ms", "BIGINT", "sql", _ms_until("ended_at")),
    *_texts("call", "client", "traffic"),
    Column("client_retry", "BIGINT", "int", "call.client_retry"),
    Column("client_gone_percent", "BIGINT", "int", "settled.client_gone_percent"),
    Column("call_outcome", "VARCHAR", "text", "settled.call_outcome"),  # of the call; meaningful on its last attempt
    Column("client_status", "BIGINT", "int", "settled.client_status"),
    Column("is_whole_call", "BOOLEAN", "sql", "is_final AND attempt_number = 1"),  # this row is the call: see `calls`
)

ENTRY_COLUMNS = {
    "currency": "VARCHAR",
    "entry": "VARCHAR",  # usage | reversal | correction | adjustment
    "weight": "INTEGER",  # how many attempts this row counts: usage 1, reversal -1, correction 1, adjustment 0
    "entry_id": "UUID",  # of a correcting entry; NULL: the attempt's own id is enough
    "reverses": "UUID",  # the entry (or attempt) that a reversal undoes
    "reason": "VARCHAR",
    "posted_at": "TIMESTAMP",  # when it entered the books; `dispatched_at` stays that of the attempt
}

CALL_COLUMNS = {
    "call_id": "UUID",
    "received_at": "TIMESTAMP",
    "ended_at": "TIMESTAMP",
    "outcome": "VARCHAR",
    "quality": "VARCHAR",  # the worst of its attempts; '' without any
    "error_code": "VARCHAR",
    "client_status": "BIGINT",
    "client_gone_percent": "BIGINT",
    "attempts": "BIGINT",
    "unpriced_count": "BIGINT",
    "list_cost": "DECIMAL(20,12)",
    "effective_cost": "DECIMAL(20,12)",
    "counterfactual_cost": "DECIMAL(20,12)",
    "total_input_tokens": "BIGINT",
    "total_output_tokens": "BIGINT",
    "cache_read_tokens": "BIGINT",
    "provider": "VARCHAR",
    "upstream": "VARCHAR",
    "dialect": "VARCHAR",
    "operation": "VARCHAR",
    "model": "VARCHAR",
    "model_asked": "VARCHAR",
    "is_stream": "BOOLEAN",
    **{column.name: column.type for column in (*SCOPE_COLUMNS, *TAG_COLUMNS)},
    "lever": "VARCHAR",
    "http_status": "BIGINT",
    "request_fingerprint": "VARCHAR",
    "request_bytes": "BIGINT",
    "response_bytes": "BIGINT",
    "first_byte_ms": "BIGINT",
    "duration_ms": "BIGINT",
    "client": "VARCHAR",
    "client_retry": "BIGINT",
    "writer": "VARCHAR",
    "traffic": "VARCHAR",  # live | shadow; the last one, as in ledgers to which it was added
}

QUALITY_ORDER = ("reported", "reconciled", "estimated", "assumed", "unpriced")
"""From sure to unknown: a call is as sure as its worst attempt."""


def _table(name: str, columns: dict[str, str]) -> str:
    inside = ",\n  ".join(f'"{column}" {kind}' for column, kind in columns.items())
    return f"CREATE TABLE IF NOT EXISTS {name} (\n  {inside}\n)"


ADDED_COUNTS = ("characters", "audio_seconds", "images", "cache_storage_token_hours")
ADDED_COLUMNS = (
    f"ALTER TABLE charges ADD COLUMN IF NOT EXISTS source VARCHAR DEFAULT '{BURSAR}'",
    "ALTER TABLE charges ADD COLUMN IF NOT EXISTS routing VARCHAR DEFAULT ''",
    *(f"ALTER TABLE charges ADD COLUMN IF NOT EXISTS {name} BIGINT DEFAULT 0" for name in ADDED_COUNTS),
    "ALTER TABLE segments ADD COLUMN IF NOT EXISTS lines BIGINT DEFAULT 0",
    "ALTER TABLE charges ADD COLUMN IF NOT EXISTS route VARCHAR DEFAULT ''",
    "UPDATE charges SET route = json_extract_string(routing, '$.route') WHERE route = '' AND routing <> ''",
    "ALTER TABLE charges ADD COLUMN IF NOT EXISTS traffic VARCHAR DEFAULT 'live'",
    "ALTER TABLE call_rows ADD COLUMN IF NOT EXISTS traffic VARCHAR DEFAULT 'live'",
    *(f"ALTER TABLE charges ADD COLUMN IF NOT EXISTS {name} {MONEY} DEFAULT 0" for name in SAVED_COLUMNS.values()),
    *(f"ALTER TABLE charges ADD COLUMN IF NOT EXISTS {column.name} BIGINT DEFAULT 0" for column in KEPT_COLUMNS),
    "ALTER TABLE charges ADD COLUMN IF NOT EXISTS kept_from TIMESTAMP",
    "ALTER TABLE charges ADD COLUMN IF NOT EXISTS kept_until TIMESTAMP",
    "ALTER TABLE charges ADD COLUMN IF NOT EXISTS price_is_guess BOOLEAN DEFAULT false",
)
"""Columns that a ledger of an earlier Bursar may not have yet."""

SPLIT_SAVINGS = tuple(
    f"UPDATE charges SET {column} = counterfactual_cost - list_cost "
    f"WHERE lever = '{lever}' AND counterfactual_cost IS NOT NULL AND list_cost IS NOT NULL"
    for lever, column in SAVED_COLUMNS.items()
)
"""Once, from schema 1 to 2: a charge had one lever then, which saved all that was saved."""

BOOK_TABLES = (
    _table("charges", {**{c.name: c.type for c in CHARGE_COLUMNS}, **ENTRY_COLUMNS}),
    _table("call_rows", CALL_COLUMNS),
    _table(
        "pending",  # dispatched, not settled: in flight, or lost with their worker
        {
            "attempt_id": "UUID",
            "call_id": "UUID",
            "writer": "VARCHAR",
            "seq": "BIGINT",
            "dispatched_at": "TIMESTAMP",
            "record": "BLOB",
        },
    ),
    _table("open_calls", {"call_id": "UUID", "writer": "VARCHAR"}),  # an attempt settled, another one to come
    _table(
        "segments",  # the watermark: how far each journal file is in the books, and what was in it
        {
            "name": "VARCHAR PRIMARY KEY",
            "writer": "VARCHAR",
            "number": "INTEGER",
            "loaded_bytes": "BIGINT",
            "is_done": "BOOLEAN",
            "dispatched": "BIGINT",
            "settled": "BIGINT",
            "ended": "BIGINT",
            "loaded_at": "TIMESTAMP",
            "lines": "BIGINT DEFAULT 0",  # of batches' results, copies among them
        },
    ),
    _table("line_copies", {"seen_at": "TIMESTAMP", "copies": "BIGINT"}),  # lines that were in the books already
    _table(  # ends of attempts that aren't in the books yet: another worker's file is read later
        "late_waiting", {"attempt_id": "UUID", "writer": "VARCHAR", "record": "BLOB"}
    ),
    _table(
        "writers",  # workers known to be gone; what they left in flight is settled as `assumed`
        {"writer": "VARCHAR PRIMARY KEY", "closed_at": "TIMESTAMP", "assumed": "BIGINT"},
    ),
    _table(  # of users on answers; the last one of a call by the key that made it counts
        "feedback", {"call_id": "UUID", "credential_id": "VARCHAR", "scored_at": "TIMESTAMP", "score": "DOUBLE"}
    ),
    _table(  # of a shadow's answer with the client's; NULL: it doesn't apply (gateway/agreement.py)
        "comparisons",
        {
            "call_id": "UUID",
            "shadow_of": "UUID",
            "compared_at": "TIMESTAMP",
            "finish": "BOOLEAN",
            "tool_names": "BOOLEAN",
            "tool_calls": "BOOLEAN",
            "json": "BOOLEAN",
            "text": "BOOLEAN",
            "words": "DOUBLE",
            "agreement": "DOUBLE",
        },
    ),
    _table(  # what was said of cached contents: made, changed, deleted (ledger/caches.py)
        "cache_facts",
        {
            "provider": "VARCHAR",
            "cache_id": "VARCHAR",
            "attempt_id": "UUID",
            "call_id": "UUID",
            "received_at": "TIMESTAMP",
            "operation": "VARCHAR",
            "from_us": "BIGINT",
            "until_us": "BIGINT",
            "tokens": "BIGINT",
            "share_from_us": "BIGINT",  # what it was found to bear when it was looked at last; NULL: never yet
            "share_until_us": "BIGINT",
            "share_is_final": "BOOLEAN",
        },
    ),
    _table("cache_ends", {"provider": "VARCHAR", "cache_id": "VARCHAR", "until_us": "BIGINT"}),  # that lie ahead
    _table(  # corrected costs that the budgets haven't heard of; cost_pico NULL: unpriced
        "cache_news",
        {
            "attempt_id": "UUID",
            "call_id": "UUID",
            "cost_pico": "BIGINT",
            "is_final": "BOOLEAN",
            "noted_us": "BIGINT",
        },
    ),
    _table(  # calls that the semantic cache compared; NULL similarity: nothing meant the same (spool/records.py)
        "resemblances",
        {
            "call_id": "UUID",
            "rule_id": "VARCHAR",
            "mark": "VARCHAR",
            "looked_at": "TIMESTAMP",
            "similarity": "DOUBLE",
            "agreement": "DOUBLE",
            "cost_pico": "BIGINT",
            "embed_pico": "BIGINT",
            "is_live": "BOOLEAN",
        },
    ),
    _table("loader_faults", {"seen_at": "TIMESTAMP", "code": "VARCHAR", "detail": "VARCHAR"}),
    _table("ledger_facts", {"name": "VARCHAR PRIMARY KEY", "value": "VARCHAR"}),
)
