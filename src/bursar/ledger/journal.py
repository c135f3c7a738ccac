"""Corrections: what was posted wrong is undone by its opposite, and posted again. Nothing is changed in place.

A correction keeps the times of the attempt it corrects (`dispatched_at` says when the money was spent) and carries its
own `posted_at` (when the books learned of it) and `reason`. Posting the same correction twice is posting it once.
"""

import uuid
from collections.abc import Sequence

import msgspec

from bursar.domain.charge import Quality
from bursar.domain.savings import COLUMNS, NOTHING, Saved
from bursar.ledger import calls
from bursar.ledger.columns import STAGED_SQL, UNKNOWN, Columns, int_column, lines_json, text_column
from bursar.ledger.floor import posting_us
from bursar.ledger.rollups import add_charges
from bursar.ledger.schema import CHARGE_COLUMNS, COST_COLUMNS, ENTRY_COLUMNS, KEPT_COLUMNS, TOKEN_COLUMNS
from bursar.ledger.store import Ledger, Session
from bursar.spool.records import CostLineRow

FRESH = "fresh_entries"
_NAMESPACE = uuid.UUID("6f1f0f6e-8f0a-5d5e-9a53-0b5b8e2f7c11")  # of entry ids: made from what they correct and why

_NEGATED = (
    *(column.name for column in (*TOKEN_COLUMNS, *KEPT_COLUMNS)),
    *(column.name for column in COST_COLUMNS if column.name != "bound_cost"),
    "request_bytes",
    "response_bytes",
    "first_byte_ms",
    "duration_ms",
    "weight",
)
_NEGATED_LINES = (
    "list_transform(lines, lambda line: "
    "struct_pack(unit := line.unit, quantity := -line.quantity, unit_price := line.unit_price))"
)
_ALL = ", ".join([*(column.name for column in CHARGE_COLUMNS), *ENTRY_COLUMNS])


class KeptTime(msgspec.Struct, frozen=True):
    """The part of a cached content's life that an attempt bears: microseconds since the epoch. token_hours: rounded."""

    from_us: int
    until_us: int
    token_hours: int

    @property
    def us(self) -> int:
        return self.until_us - self.from_us


class Correction(msgspec.Struct, frozen=True):
    """What an attempt truly cost. `key` says why, once and for all: "price:openai/gpt-7@2026-11-01".

    Money in pico-USD; lines as in the journal of attempts. None: unknown still. kept: where its usage was another one
    too; None: the usage that stands. price_is_guess: None: as it stands.
    """

    attempt_id: str
    key: str
    reason: str
    list_pico: int | None
    quality: Quality = Quality.REPORTED
    lines: list[CostLineRow] = []
    saved: Saved = NOTHING
    sku_id: str = ""
    sku_price_id: str = ""
    kept: KeptTime | None = None
    price_is_guess: bool | None = None


class Posted(msgspec.Struct, frozen=True):
    """How many corrections were posted, were in the books already, and named an attempt that isn't there."""

    posted: int
    already: int
    unknown: list[str]


def entry_id(attempt_id: str, key: str) -> str:
    """The id of a correcting entry: the same for the same correction, so it can't be posted twice."""
    return str(uuid.uuid5(_NAMESPACE, f"{attempt_id}:{key}"))


def post(ledger: Ledger, corrections: Sequence[Correction], now_us: int) -> Posted:
    """Reverse what stands for each attempt and post the correction, all in one transaction."""
    with ledger.writing() as session:
        return post_within(session, corrections, now_us)


def post_within(session: Session, corrections: Sequence[Correction], now_us: int) -> Posted:
    """The same inside the caller's transaction."""
    wanted = {entry_id(correction.attempt_id, correction.key): correction for correction in corrections}
    present = _known_entries(session, list(wanted))
    wanted = {key: correction for key, correction in wanted.items() if key not in present}
    standing = standing_entries(session, [correction.attempt_id for correction in wanted.values()])
    fresh = {key: correction for key, correction in wanted.items() if correction.attempt_id in standing}
    if fresh:
        with session.stage("staged_corrections", _staged(fresh, standing)):
            post_entries(session, _reversals("staged_corrections"), now_us)
            post_entries(session, _corrections("staged_corrections"), now_us)
    unknown = [c.attempt_id for c in wanted.values() if c.attempt_id not in standing]
    return Posted(posted=len(fresh), already=len(present), unknown=unknown)


def reverse(ledger: Ledger, attempt_id: str, reason: str, now_us: int) -> bool:
    """Undo what stands for an attempt by its opposite; False where nothing stands (any more)."""
    with ledger.writing() as session:
        standing = standing_entries(session, [attempt_id])
        if not standing:
            return False
        staged = {
            "attempt_id": text_column([attempt_id]),
            "entry_id": text_column([entry_id(standing[attempt_id], "reversal")]),
            "reason": text_column([reason]),
        }
        with session.stage("staged_corrections", staged):
            post_entries(session, _reversals("staged_corrections"), now_us)
    return True


def standing_entries(session: Session, attempt_ids: Sequence[str]) -> dict[str, str]:
    """For each attempt, the entry that counts: not undone by a reversal."""
    found = session.query(f"SELECT attempt_id, id FROM ({_STANDING})", {"ids": list(attempt_ids)})
    return {str(attempt_id): str(entry) for attempt_id, entry in found.rows}


def post_entries(session: Session, select: str, now_us: int) -> None:
    """Append entries to charges and rollups, and count their calls again.

    select: a query for rows shaped like `charges`; `posted_at` is filled in here.
    """
    posted_us = posting_us(session, now_us)
    session.run(
        f"CREATE OR REPLACE TEMP TABLE {FRESH} AS "
        f"SELECT * REPLACE (make_timestamp({posted_us:d}) AS posted_at, false AS is_whole_call) FROM ({select})"
    )
    touched = session.query(f"SELECT DISTINCT call_id, received_at FROM {FRESH}").rows
    if not touched:
        return
    call_ids, since = [str(call_id) for call_id, _ in touched], min(at for _, at in touched)
    calls.own_rows(session, call_ids, since)
    session.run(f"INSERT INTO charges ({_ALL}) SELECT {_ALL} FROM {FRESH}")
    add_charges(session, FRESH)
    calls.recount(session, calls.ROWS, call_ids, since)


def reversals_of(ids: str) -> str:
    """Rows that undo the standing entries of attempts; `ids`: a query for (attempt_id, entry_id, reason)."""
    negated = [f"-{name} AS {name}" for name in _NEGATED] + [f"{_NEGATED_LINES} AS lines"]
    own = ["'reversal' AS entry", "marks.id AS reverses", "marks.entry_id AS entry_id", "marks.reason AS reason"]
    return f"""
        SELECT charges.* REPLACE ({", ".join([*negated, *own])})
        FROM charges JOIN (
          SELECT ids.entry_id::UUID AS entry_id, ids.reason, standing.id, standing.attempt_id
          FROM ({ids}) AS ids JOIN ({_STANDING_ALL.format(ids=f"SELECT attempt_id::UUID FROM ({ids})")}) AS standing
            ON standing.attempt_id = ids.attempt_id::UUID
        ) AS marks ON marks.attempt_id = charges.attempt_id
        WHERE coalesce(charges.entry_id, charges.attempt_id) = marks.id"""


_STANDING_ALL = """
    SELECT attempt_id, coalesce(entry_id, attempt_id) AS id FROM charges
    WHERE attempt_id IN ({ids}) AND weight = 1 AND coalesce(entry_id, attempt_id) NOT IN (
      SELECT reverses FROM charges WHERE reverses IS NOT NULL AND attempt_id IN ({ids})
    )"""
_STANDING = _STANDING_ALL.format(ids="SELECT unnest($ids)::UUID")


def _reversals(staged: str) -> str:
    return reversals_of(f"SELECT attempt_id, md5(entry_id || ':reversal')::UUID AS entry_id, reason FROM {staged}")


def _corrections(staged: str) -> str:
    """The attempt as it stood until now, with what is now known of its cost."""
    money = {
        **dict.fromkeys(("list_cost", "contracted_cost", "effective_cost", "billed_cost"), "list_pico"),
        "counterfactual_cost": "counterfactual_pico",
        **{column: f"{column}_pico" for column in COLUMNS.values()},
    }
    own = [STAGED_SQL["pico"].format(c=f"fresh.{staged_name}") + f" AS {name}" for name, staged_name in money.items()]
    own += [f"fresh.{name} AS {name}" for name in ("quality", "lever", "sku_id", "sku_price_id", "reason")]
    own += [
        STAGED_SQL["lines"].format(c="fresh.lines") + " AS lines",
        *(f"coalesce({_known(name)}, charges.{name}) AS {name}" for name in ("kept_us", "cache_storage_token_hours")),
        *(
            f"coalesce(make_timestamp({_known(name)}), charges.{name}) AS {name}"
            for name in ("kept_from", "kept_until")
        ),
        f"coalesce({_known('price_is_guess')} = 1, charges.price_is_guess) AS price_is_guess",
        "'correction' AS entry",
        "fresh.entry_id::UUID AS entry_id",
        "NULL::UUID AS reverses",
    ]
    return f"""
        SELECT charges.* REPLACE ({", ".join(own)})
        FROM charges JOIN {staged} AS fresh ON charges.attempt_id = fresh.attempt_id::UUID
        WHERE coalesce(charges.entry_id, charges.attempt_id) = fresh.standing::UUID"""


def _known(name: str) -> str:
    """A staged integer, NULL where it is left as it stands."""
    return f"nullif(fresh.{name}, {UNKNOWN})"


def _staged(fresh: dict[str, Correction], standing: dict[str, str]) -> Columns:
    rows = list(fresh.values())
    kept = [row.kept for row in rows]
    return {
        "entry_id": text_column(fresh),
        "attempt_id": text_column(row.attempt_id for row in rows),
        "list_pico": int_column(row.list_pico for row in rows),
        "counterfactual_pico": int_column(
            None if row.list_pico is None else row.list_pico + row.saved.total for row in rows
        ),
        **{
            f"{column}_pico": int_column(None if row.list_pico is None else getattr(row.saved, lever) for row in rows)
            for lever, column in COLUMNS.items()
        },
        "quality": text_column(row.quality.value for row in rows),
        "lever": text_column(row.saved.lever for row in rows),
        "sku_id": text_column(row.sku_id for row in rows),
        "sku_price_id": text_column(row.sku_price_id for row in rows),
        "reason": text_column(row.reason for row in rows),
        "lines": text_column(lines_json(row.lines) for row in rows),
        "standing": text_column(standing[row.attempt_id] for row in rows),
        "kept_us": int_column(None if time is None else time.us for time in kept),
        "cache_storage_token_hours": int_column(None if time is None else time.token_hours for time in kept),
        "kept_from": int_column(None if time is None else time.from_us for time in kept),
        "kept_until": int_column(None if time is None else time.until_us for time in kept),
        "price_is_guess": int_column(row.price_is_guess for row in rows),
    }


def _known_entries(session: Session, ids: Sequence[str]) -> set[str]:
    found = session.query("SELECT entry_id FROM charges WHERE entry_id IN (SELECT unnest($ids)::UUID)", {"ids": ids})
    return {str(known) for (known,) in found.rows}
