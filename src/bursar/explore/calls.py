"""The calls behind a figure, newest first or dearest first, a page at a time."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec
from sqlglot import exp

from bursar.domain.errors import BadQuery
from bursar.domain.periods import Period
from bursar.domain.savings import COLUMNS
from bursar.explore import compile as sql
from bursar.explore.apart import EntriesApart, entries_apart
from bursar.explore.filters import Filter, as_filters
from bursar.explore.vocabulary import DIMENSIONS, SAVED, filterable
from bursar.ledger.store import Session

PAGE_MAX = 1_000
_NOTHING = Decimal(0)
CallOrder = Literal["newest", "oldest", "dearest", "slowest"]

_LAST_ATTEMPTS = ("provider", "upstream", "model", "outcome", "quality", "lever", "error_code", "http_status")
OF_ATTEMPTS = {*_LAST_ATTEMPTS, SAVED, *(name for name, found in DIMENSIONS.items() if not found.on_calls)}
"""Dimensions in which the attempts of one call can differ."""


class CallSummary(msgspec.Struct, kw_only=True):
    """One call. `outcome` is the call's; provider, model, `http_status` and sizes are those of its last attempt.

    quality: the worst of its attempts; "" if it never had one. Costs in USD, over all attempts; None: all unpriced.
    cost_here: the effective cost of the attempts that the filters let through, where that can differ from all of it.
    saved_here: where a filter is on `saved`, lever → what it saved on those attempts, in USD.
    """

    call_id: str
    received_at: datetime
    ended_at: datetime
    outcome: str
    quality: str
    error_code: str
    client_status: int
    client_gone_percent: int
    attempts: int
    unpriced_count: int
    list_cost: Decimal | None
    effective_cost: Decimal | None
    counterfactual_cost: Decimal | None
    total_input_tokens: int
    total_output_tokens: int
    cache_read_tokens: int
    provider: str
    upstream: str
    dialect: str
    operation: str
    model: str
    model_asked: str
    is_stream: bool
    organization: str
    scope_team: str
    project: str
    credential_id: str
    credential_kind: str
    feature: str
    team: str
    customer: str
    environment: str
    request_type: str
    session: str
    agent: str
    consumer_id: str
    tags: dict[str, str]
    tags_dropped: int
    lever: str
    http_status: int
    request_fingerprint: str
    request_bytes: int
    response_bytes: int
    first_byte_ms: int | None
    duration_ms: int
    client: str
    client_retry: int
    writer: str
    traffic: str
    cost_here: Decimal | None = None
    saved_here: dict[str, Decimal] | None = None


class CallsPage(msgspec.Struct):
    """A page of calls; `next_cursor` asks for the next one, None at the end.

    apart: with the first page, entries that stand for no call: with them the calls add up to the figure.
    """

    calls: list[CallSummary]
    next_cursor: str | None
    period: Period
    order: str
    apart: list[EntriesApart] = []


class _Order(msgspec.Struct, frozen=True):
    """What to sort by (plain, so that zone maps help), how a cursor writes it, and how that is read back in SQL."""

    sort: str
    descending: bool
    cursor: str = "{sort}"
    after: str = "$after_key"


_TIME = ("epoch_us(received_at)", "make_timestamp($after_key::BIGINT)")
_ORDERS: dict[str, _Order] = {
    "newest": _Order("received_at", True, *_TIME),
    "oldest": _Order("received_at", False, *_TIME),
    "dearest": _Order("coalesce(effective_cost, -1)", True),
    "slowest": _Order("duration_ms", True),
}


def list_calls(
    session: Session,
    dialect: str,
    period: Period,
    filters: tuple[Filter | tuple[str, str], ...] = (),
    *,
    order: CallOrder = "newest",
    cursor: str | None = None,
    limit: int = 50,
) -> CallsPage:
    """A page of the calls received in a period that the filters let through.

    A filter on what attempts differ in (model, outcome, …) keeps a call if the call itself or any attempt matches.
    Raises BadQuery for a cursor that isn't ours, an unknown order or field.
    """
    if order not in _ORDERS:
        raise BadQuery(f"order is one of {', '.join(_ORDERS)}", field="order")
    if not 1 <= limit <= PAGE_MAX:
        raise BadQuery(f"limit is from 1 to {PAGE_MAX}", field="limit")
    given = as_filters(filters)
    params = sql.period_params(period, None) | sql.filter_params(given) | {"limit": limit + 1}
    after = ""
    if cursor:
        params["after_key"], params["after_id"] = _read_cursor(cursor)
        after = "after"
    text = _page_sql(sql.filter_shapes(given), order, bool(after), dialect)
    rows = session.query(text, params).dicts()
    page = _summaries(session, rows[:limit])
    if page and any(one.field in OF_ATTEMPTS for one in given):
        _add_cost_here(session, dialect, given, page)
    more = len(rows) > limit
    apart = entries_apart(session, dialect, period, given) if not cursor else []
    return CallsPage(page, _write_cursor(rows[limit - 1]) if more else None, period, order, apart)


def summary_of(session: Session, call_id: str) -> CallSummary | None:
    """The row of one call; None while it is in flight, or if there is none."""
    rows = session.query("SELECT * FROM calls WHERE call_id = $id::UUID", {"id": call_id}).dicts()
    if not rows:
        return None
    found = _summary(rows[-1])
    _add_adjustments(session, [found])
    return found


def calls_by_id(session: Session, call_ids: Sequence[str]) -> list[CallSummary]:
    """The rows of these calls, in any order; one that isn't in the books has none. Ids tell the engine where to look:
    they sort by time, as charges do."""
    if not call_ids:
        return []
    text = "SELECT * FROM calls WHERE call_id IN (SELECT TRY_CAST(unnest($ids) AS UUID))"
    found = session.query(text, {"ids": list(call_ids)})
    rows = [_summary(row) for row in found.dicts()]
    if rows:
        _add_adjustments(session, rows)
    return rows


def aware(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC)


def _page_sql(shapes: tuple[tuple[str, Any, int], ...], order: str, after: bool, dialect: str) -> str:
    found = _ORDERS[order]
    own = [
        (index, condition) for index, condition in enumerate(sql.conditions(shapes)) if _is_on_calls(shapes[index][0])
    ]
    where = ["received_at >= $start", "received_at < $end"]
    constant = [c.sql(dialect=dialect) for index, c in own if shapes[index][0] not in OF_ATTEMPTS]
    varying = [
        c.sql(dialect=dialect) for index, c in enumerate(sql.conditions(shapes)) if shapes[index][0] in OF_ATTEMPTS
    ]
    where += constant
    if varying:
        all_of = exp.Select().select("call_id").from_("charges").sql(dialect=dialect)
        matching = " AND ".join(["received_at >= $start", "received_at < $end", *constant, *varying])
        on_call = [c.sql(dialect=dialect) for index, c in own if shapes[index][0] in OF_ATTEMPTS]
        either = [f"call_id IN ({all_of} WHERE {matching})"]
        if len(on_call) == len(varying):
            either.append(" AND ".join(on_call))
        where.append("(" + " OR ".join(f"({one})" for one in either) + ")")
    sign = "<" if found.descending else ">"
    if after:
        where.append(f"{found.sort} {sign}= {found.after}")
        where.append(f"({found.sort}, call_id) {sign} ({found.after}, $after_id::UUID)")
    direction = "DESC" if found.descending else "ASC"
    cursor = found.cursor.format(sort=found.sort)
    return (
        f"SELECT call_id, received_at, {cursor} AS cursor_key FROM calls WHERE {' AND '.join(where)} "
        f"ORDER BY {found.sort} {direction}, call_id {direction} LIMIT $limit"
    )


def _summaries(session: Session, rows: list[dict[str, Any]]) -> list[CallSummary]:
    """Whole rows for a page, in its order: looked up afterwards, so that sorting carries three columns, not fifty."""
    if not rows:
        return []
    times = [row["received_at"] for row in rows]
    found = session.query(
        "SELECT * FROM calls WHERE received_at >= $first AND received_at <= $last "
        "AND call_id IN (SELECT unnest($ids)::UUID)",
        {"first": min(times), "last": max(times), "ids": [str(row["call_id"]) for row in rows]},
    )
    by_id = {row["call_id"]: _summary(row) for row in found.dicts()}
    page = [by_id[row["call_id"]] for row in rows]
    _add_adjustments(session, page)
    return page


def _add_adjustments(session: Session, page: Sequence[CallSummary]) -> None:
    """What contracts and invoices changed in these calls: kept beside the calls, so that none needs a row for it.

    Orders are by the cost before it.
    """
    found = session.query(
        "SELECT call_id, SUM(list_cost), SUM(effective_cost) FROM charges WHERE entry = 'adjustment' "
        "AND received_at >= $first AND received_at <= $last AND call_id IN (SELECT unnest($ids)::UUID) GROUP BY 1",
        {
            "first": sql.naive(min(call.received_at for call in page)),
            "last": sql.naive(max(call.received_at for call in page)),
            "ids": [call.call_id for call in page],
        },
    )
    changes = {str(call_id): costs for call_id, *costs in found.rows}
    for call in page:
        if call.call_id in changes:
            listed, effective = changes[call.call_id]
            call.list_cost = None if call.list_cost is None else call.list_cost + listed
            call.effective_cost = None if call.effective_cost is None else call.effective_cost + effective


def _is_on_calls(field: str) -> bool:
    return filterable(field).on_calls


def _add_cost_here(session: Session, dialect: str, filters: tuple[Filter, ...], page: list[CallSummary]) -> None:
    conditions = " AND ".join(c.sql(dialect=dialect) for c in sql.conditions(sql.filter_shapes(filters)))
    saved = ", ".join(f"SUM({column})" for column in COLUMNS.values())
    found = session.query(
        f"SELECT call_id, SUM(effective_cost), SUM(weight), {saved} FROM charges WHERE received_at >= $first "
        f"AND received_at <= $last AND call_id IN (SELECT unnest($ids)::UUID) AND {conditions} GROUP BY call_id",
        sql.filter_params(filters)
        | {
            "first": sql.naive(min(call.received_at for call in page)),
            "last": sql.naive(max(call.received_at for call in page)),
            "ids": [call.call_id for call in page],
        },
    )
    sums: dict[str, list[Any]] = {str(call_id): values for call_id, *values in found.rows}
    asks_saved = any(one.field == SAVED for one in filters)
    for call in page:
        cost, weight, *steps = sums.get(call.call_id, [None, 0, *[None] * len(COLUMNS)])
        call.cost_here = cost if cost is not None or weight else _NOTHING
        if asks_saved:
            call.saved_here = {lever: amount or _NOTHING for lever, amount in zip(COLUMNS, steps, strict=True)}


def _summary(row: dict[str, Any]) -> CallSummary:
    values = {name: row[name] for name in CallSummary.__struct_fields__ if name in row}
    values |= {
        "call_id": str(row["call_id"]),
        "received_at": aware(row["received_at"]),
        "ended_at": aware(row["ended_at"]),
        "tags": dict(row["tags"] or {}),
    }
    return CallSummary(**values)


def _write_cursor(row: dict[str, Any]) -> str:
    raw = msgspec.json.encode([str(row["cursor_key"]), str(row["call_id"])])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[Decimal, str]:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        key, call_id = msgspec.json.decode(raw, type=tuple[Decimal, str])
        if not key.is_finite():
            raise ValueError(key)
    except (ValueError, msgspec.DecodeError) as error:
        raise BadQuery("this cursor isn't one of ours; start from the first page", field="cursor") from error
    return key, call_id
