"""Adjusting entries: what contracts, credits, invoices and the close change in what a charge costs.

An adjusting entry has `entry` 'adjustment' and `weight` 0: it counts no attempt and no token, only money. It stands for
one attempt, whose attribution and moment it takes over, so that any question is answered right by any dimension; or for
none (the idle part of reserved capacity, a shortfall, a line of an invoice that no call explains), and then says itself
what it is about. `writer` holds the key that it was posted by, `reason` says why in words for people.

Why one for each attempt, not for a group of them: of a month of 966,666 charges of 20,000 customers, the groups by day,
customer and the low dimensions are 94 of 100 as many, by hour 99, so groups save little where it matters, and a call
would not add up any more. An entry's row takes 106 bytes where its charge's takes 133, and its sums as much again
(docs/benchmarks.md, Rating contracts). Calls get no row of their own because of one, see `explore/calls.py`.
"""

import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from hashlib import md5

import msgspec

from bursar.domain.charge import Quality
from bursar.domain.money import PICO_MAX
from bursar.ledger.columns import STAGED_SQL, Columns, int_column, tags_json, text_column
from bursar.ledger.floor import posting_us
from bursar.ledger.rollups import add_charges
from bursar.ledger.schema import CHARGE_COLUMNS, ENTRY_COLUMNS, Column
from bursar.ledger.store import Session

ENTRY = "adjustment"
CONTRACT_SKU = "contract"  # begins the sku of a contract's entry that stands for no attempt: contract/idle/NAME
IDLE_SKU = f"{CONTRACT_SKU}/idle/"
"""Begins that of what reserved capacity cost while it was idle: each day anew, so no one-off."""
COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
FRESH = "fresh_adjustments"
ENTRIES = "adjustment_entries"
ROW_PICO_MAX = PICO_MAX // 2  # a larger amount becomes several entries

_ABOUT = (
    "provider upstream dialect operation model model_asked model_sent model_served region tier_asked tier_served "
    "organization scope_team project credential_id credential_kind feature team customer environment request_type "
    "session agent consumer_id tags lever sku_id sku_price_id outcome quality error_code finish_reason retry_cause "
    "route request_fingerprint client traffic http_status client_retry is_stream attempt_number"
)
ABOUT: tuple[str, ...] = tuple(_ABOUT.split())
"""Columns of a charge that its adjusting entry takes over: all that can be grouped or filtered by."""

_COLUMNS: dict[str, Column] = {column.name: column for column in CHARGE_COLUMNS}
_TEXTS = frozenset(name for name in ABOUT if _COLUMNS[name].type == "VARCHAR")
_CARRIED = ("entry_id", "attempt_id", "call_id", "received_at", *ABOUT, *COSTS)


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """What is added to the four costs, in pico-USD; negative takes off.

    attempt_id: the attempt it stands for; "": none.
    part:       tells it from the others of the same key; may be "" where `attempt_id` does.
    at_us:      when, for one that stands for no attempt: microseconds since the epoch.
    about:      columns of `ABOUT` that are text, by name, for one that stands for no attempt: {"provider": "openai"}.
    """

    attempt_id: str = ""
    part: str = ""
    at_us: int = 0
    about: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}
    list_pico: int = 0
    contracted_pico: int = 0
    effective_pico: int = 0
    billed_pico: int = 0

    @property
    def costs(self) -> tuple[int, int, int, int]:
        return self.list_pico, self.contracted_pico, self.effective_pico, self.billed_pico


class Adjusted(msgspec.Struct, frozen=True):
    """What came of it: entries posted, parts that the books had by that key already, attempts that aren't there.

    The costs: sums of what was posted now, in USD.
    """

    posted: int = 0
    already: int = 0
    unknown: int = 0
    list_cost: Decimal = Decimal(0)
    contracted_cost: Decimal = Decimal(0)
    effective_cost: Decimal = Decimal(0)
    billed_cost: Decimal = Decimal(0)


def post_adjustments(
    session: Session, rows: Sequence[Adjustment] | str, key: str, reason: str, now_us: int
) -> Adjusted:
    """Append adjusting entries to the charges and the rollups, inside the caller's transaction.

    rows: adjustments; or, for many, a query that answers with the columns
          part (VARCHAR, or attempt_id where it stands for attempts), received_at, any of `ABOUT`, and any of `COSTS` in
          USD that fit DECIMAL(18,12). `attempt_id` and `call_id` where it stands for attempts: `adjusting.about(…)`
          selects these and all of `ABOUT` from charges. What it leaves out is "" and 0.
    key:  why, once and for all: "contract:acme-openai@3:17". What was posted by the same key and part is not posted
          again, whatever it says now: another figure needs another key, and is a difference.
    Entries that change none of the costs are not posted. An entry of an unpriced attempt is `reconciled`: it is known.
    Raises UnfitData for a figure of a query that no column can hold; nothing of the transaction is kept then.
    """
    if isinstance(rows, str):
        return _post_query(session, rows, key, reason, now_us, unknown=0)
    if not rows:
        return Adjusted()
    pieces = [piece for row in rows for piece in _pieces(row)]
    named = [piece for piece in pieces if piece[1].attempt_id]
    alone = [piece for piece in pieces if not piece[1].attempt_id]
    with ExitStack() as staged:
        staged.enter_context(session.stage("staged_alone", _staged_alone(alone)))
        staged.enter_context(session.stage("staged_adjustments", _staged(named)))
        names = len({row.attempt_id for _, row in named})
        found = session.query(f"SELECT count(DISTINCT attempt_id) FROM ({_OF_ATTEMPTS})").only() if names else 0
        queries = [query for query, some in ((_STAGED_QUERY, named), (_ALONE_QUERY, alone)) if some]
        return _post_query(session, " UNION ALL ".join(queries), key, reason, now_us, unknown=names - found)


def about(table: str) -> str:
    """The select list of what an entry takes over from rows shaped like `charges`, with their ids and moment."""
    names = ("attempt_id", "call_id", "received_at", *ABOUT)
    return ", ".join(f"{table}.{name}" for name in names)


def entry_id(key: str, part: str) -> str:
    """The id of an entry: the same for the same key and part."""
    return str(uuid.UUID(bytes=md5(f"{key}:{part}".encode(), usedforsecurity=False).digest()))


def _post_query(session: Session, query: str, key: str, reason: str, now_us: int, *, unknown: int) -> Adjusted:
    now_us = posting_us(session, now_us)
    columns = session.query(f"SELECT * FROM ({query}) LIMIT 0").columns
    params = {"key": key}
    given = f"SELECT {_carried(columns)} FROM ({query}) AS given ORDER BY received_at"
    session.run(f"CREATE OR REPLACE TEMP TABLE {FRESH} AS {given}", params)
    session.run(f"DELETE FROM {FRESH} WHERE {' AND '.join(f'{name} = 0' for name in COSTS)}")
    asked = session.query(f"SELECT count(*) FROM {FRESH}").only()
    if not asked:
        return Adjusted(unknown=unknown)
    session.run(
        f"DELETE FROM {FRESH} WHERE entry_id IN "
        "(SELECT entry_id FROM charges WHERE entry = 'adjustment' AND writer = $key)",
        params,
    )
    sums = ", ".join(f"coalesce(SUM({name}), 0)" for name in COSTS)
    posted, *costs = session.query(f"SELECT count(*), {sums} FROM {FRESH}").rows[0]
    if posted:
        names = ", ".join([*_COLUMNS, *ENTRY_COLUMNS])
        own = {"key": key, "reason": reason}
        session.run(f"INSERT INTO charges ({names}) {_entries(now_us, '$key', '$reason')}", own)
        session.run(f"CREATE OR REPLACE TEMP VIEW {ENTRIES} AS {_entries(now_us, chr(39) * 2, chr(39) * 2)}")
        add_charges(session, ENTRIES)
        session.run(f"DROP VIEW {ENTRIES}")
    session.run(f"DROP TABLE {FRESH}")
    return Adjusted(posted, asked - posted, unknown, *costs)


def _carried(columns: Sequence[str]) -> str:
    """The select list of FRESH: what the query gives, and what stands for the rest."""
    given = set(columns)
    part = "part" if "part" in given else "attempt_id::VARCHAR"
    own = {
        "entry_id": f"md5($key || ':' || {part})::UUID",
        "attempt_id": "NULL::UUID",
        "call_id": "NULL::UUID",
        "tags": "MAP {}::MAP(VARCHAR, VARCHAR)",
        "traffic": "'live'",
        "outcome": "'ok'",
        "attempt_number": "1",
        **dict.fromkeys(COSTS, "0::DECIMAL(18,12)"),
    }
    chosen = []
    for name in _CARRIED:
        text = name if name in given else own.get(name, _nothing(name) if name in _COLUMNS else name)
        if name == "quality":
            text = f"CASE WHEN {text} IN ('', 'unpriced') THEN '{Quality.RECONCILED.value}' ELSE {text} END"
        kind = "UUID" if name == "entry_id" else _COLUMNS[name].type
        chosen.append(f"({text})::{kind} AS {name}")
    return ", ".join(chosen)


def _entries(now_us: int, key: str, reason: str) -> str:
    """Rows of FRESH in the shape of `charges`, in its order of columns."""
    own = {
        "writer": key,
        "counterfactual_cost": "CASE WHEN lever = '' THEN NULL ELSE list_cost END",
        "dispatched_at": "received_at",  # the moment is the call's: times of the attempt would only take room
        "ended_at": "received_at",
        "call_outcome": "outcome",
        "client_gone_percent": "-1",
        "currency": "'USD'",
        "entry": f"'{ENTRY}'",
        "weight": "0",
        "reverses": "NULL::UUID",
        "reason": reason,
        "posted_at": f"make_timestamp({now_us:d})",
    }
    names = [*_COLUMNS, *ENTRY_COLUMNS]
    texts = [own[name] if name in own else name if name in _CARRIED else _nothing(name) for name in names]
    return f"SELECT {', '.join(f'{text} AS {name}' for text, name in zip(texts, names, strict=True))} FROM {FRESH}"


def _nothing(name: str) -> str:
    """What an entry says where it has nothing to say: no usage, no saving, no size, no time."""
    column = _COLUMNS[name]
    match column.kind:
        case "text":
            return "''"
        case "int":
            return "0"
        case "bool":
            return "false"
        case "lines":
            return "[]"
        case "pico" if name.startswith("saved_"):
            return "0"
        case "sql" if column.type == "VARCHAR":
            return "''"
        case "sql" if column.type == "BOOLEAN":
            return "false"
        case "sql" if name == "duration_ms":
            return "0"
        case _:
            return "NULL"


def _pieces(row: Adjustment) -> list[tuple[str, Adjustment]]:
    """(part, adjustment): several where an amount is larger than one entry holds; their sum is the whole."""
    part = row.part or row.attempt_id
    most = max(map(abs, row.costs))
    count = -(-most // ROW_PICO_MAX)
    if count <= 1:
        return [(part, row)]
    split = [_split(pico, count) for pico in row.costs]
    return [
        (
            part if number == 0 else f"{part}#{number + 1}",
            msgspec.structs.replace(
                row,
                list_pico=split[0][number],
                contracted_pico=split[1][number],
                effective_pico=split[2][number],
                billed_pico=split[3][number],
            ),
        )
        for number in range(count)
    ]


def _split(pico: int, count: int) -> list[int]:
    """Integer parts as even as can be, whose sum is the whole."""
    return [pico * (number + 1) // count - pico * number // count for number in range(count)]


def _staged(parts: Sequence[tuple[str, Adjustment]]) -> Columns:
    """Of those that stand for an attempt: it says the rest."""
    return {
        "part": text_column(part for part, _ in parts),
        "attempt": text_column(row.attempt_id for _, row in parts),
        **_staged_costs(parts),
    }


def _staged_costs(parts: Sequence[tuple[str, Adjustment]]) -> Columns:
    return {name: int_column(row.costs[at] for _, row in parts) for at, name in enumerate(COSTS)}


def _staged_alone(parts: Sequence[tuple[str, Adjustment]]) -> Columns:
    rows = [row for _, row in parts]
    return {
        "part": text_column(part for part, _ in parts),
        "at_us": int_column(row.at_us for row in rows),
        "tags": text_column(tags_json(dict(row.tags)) for row in rows),
        **{name: text_column(row.about.get(name, "") for row in rows) for name in sorted(_TEXTS)},
        **_staged_costs(parts),
    }


_STAGED_COSTS = ", ".join(f"{STAGED_SQL['pico'].format(c=f'staged.{name}')} AS {name}" for name in COSTS)
_STANDING_FIRST = (
    "row_number() OVER (PARTITION BY attempt_id ORDER BY weight DESC, posted_at DESC, entry = 'correction' DESC)"
)
_OF_ATTEMPTS = f"""
  SELECT {about("charges")} FROM charges
  WHERE attempt_id IN (SELECT attempt::UUID FROM staged_adjustments) AND entry <> 'adjustment'
  QUALIFY {_STANDING_FIRST} = 1"""
"""Of each attempt that is named: what stands of it last."""

_ALONE = {
    "attempt_id": "NULL::UUID",
    "call_id": "NULL::UUID",
    "received_at": "make_timestamp(at_us)",
    "tags": "tags::JSON::MAP(VARCHAR, VARCHAR)",
    "traffic": "CASE WHEN traffic = '' THEN 'live' ELSE traffic END",
    "outcome": "CASE WHEN outcome = '' THEN 'ok' ELSE outcome END",
    "attempt_number": "1",
}
_ALONE_SELECT = ", ".join(
    f"{_ALONE.get(name, name if name in _TEXTS else _nothing(name))} AS {name}"
    for name in ("attempt_id", "call_id", "received_at", *ABOUT)
)
_STAGED_QUERY = f"""
  SELECT staged.part, whole.*, {_STAGED_COSTS}
  FROM staged_adjustments AS staged JOIN ({_OF_ATTEMPTS}) AS whole ON whole.attempt_id = staged.attempt::UUID"""
_ALONE_QUERY = f"SELECT staged.part, {_ALONE_SELECT}, {_STAGED_COSTS} FROM staged_alone AS staged"
