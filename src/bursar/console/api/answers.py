"""What the API answers, as types: money as decimal text with every digit, times in UTC, unknown as null.

The `.json` and `.csv` twins of the pages are these same answers.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from bursar.console.figures import Amounts, CostRow, CostTable
from bursar.console.view import View, filter_text
from bursar.domain.money import plain
from bursar.domain.periods import Period
from bursar.domain.savings import COLUMNS
from bursar.explore.apart import EntriesApart
from bursar.explore.calls import CallsPage, CallSummary
from bursar.explore.detail import CallDetail


class PeriodAnswer(msgspec.Struct, frozen=True):
    """A half-open stretch of time, in UTC; `name` is what to ask for to get it again."""

    name: str
    start: datetime
    end: datetime
    timezone: str


class AmountsAnswer(msgspec.Struct, frozen=True):
    """What a group of charges adds up to.

    Costs are decimal text in `currency`; null where nothing in the group has a price. `unpriced_count` attempts are not
    in them. `total_input_tokens` are all tokens in, `cache_read_tokens` of them read from a provider's cache.
    """

    effective_cost: str | None
    list_cost: str | None
    saved_cost: str | None
    retry_cost: str | None
    calls: int
    attempts: int
    total_input_tokens: int
    cache_read_tokens: int
    total_output_tokens: int
    unpriced_count: int
    estimated_count: int
    assumed_count: int
    errors: int
    retries: int


class CostRowAnswer(AmountsAnswer, frozen=True, kw_only=True):
    """One group. `keys`: its values, in the order of `by`; the empty text means "not said"."""

    keys: list[str]
    share: str | None
    previous: AmountsAnswer | None = None


class CostsAnswer(msgspec.Struct, frozen=True):
    """Cost by one or two dimensions: `rows` and `others` add up to `totals`.

    compared_with: the earlier period that `previous` figures are of; null when nothing is compared.
    others: all the groups that `limit` left out, `others_count` of them; null when there are none.
    """

    by: list[str]
    period: PeriodAnswer
    compared_with: PeriodAnswer | None
    filters: list[str]
    currency: str
    rows: list[CostRowAnswer]
    others: CostRowAnswer | None
    others_count: int
    totals: CostRowAnswer


def period_answer(period: Period) -> PeriodAnswer:
    return PeriodAnswer(period.name, period.start, period.end, period.timezone)


def costs_answer(view: View, table: CostTable, currency: str) -> CostsAnswer:
    total = table.totals.now.cost
    return CostsAnswer(
        by=list(table.dimensions),
        period=period_answer(view.period),
        compared_with=period_answer(view.before) if view.before else None,
        filters=[filter_text(one) for one in view.filters],
        currency=currency,
        rows=[row_answer(row, total) for row in table.rows],
        others=row_answer(table.others, total) if table.others else None,
        others_count=table.others_count,
        totals=row_answer(table.totals, total),
    )


def row_answer(row: CostRow, total: Decimal) -> CostRowAnswer:
    share = (row.now.cost / total).quantize(_SHARE_PLACES) if total else None
    return CostRowAnswer(
        **_amounts(row.now),
        keys=list(row.keys),
        share=None if share is None else plain(share),
        previous=AmountsAnswer(**_amounts(row.before)) if row.before else None,
    )


def costs_csv(answer: CostsAnswer) -> bytes:
    """The table as CSV: a row per group. What a limit cut off is one row, "(others)", so that the sum holds; the pages'
    own CSV asks for all groups. No totals row: it would be added up."""
    compared = answer.compared_with is not None
    names = list(AmountsAnswer.__struct_fields__)
    heads = [*answer.by, *names, "share", "currency", *([f"previous_{name}" for name in names] if compared else [])]
    rows = [*answer.rows]
    if answer.others:
        label = ["(others)", *[""] * (len(answer.by) - 1)]
        rows.append(msgspec.structs.replace(answer.others, keys=label))
    return csv_bytes(
        heads,
        (
            [
                *row.keys,
                *(getattr(row, name) for name in names),
                row.share,
                answer.currency,
                *([getattr(row.previous, name) for name in names] if compared else []),
            ]
            for row in rows
        ),
    )


def csv_bytes(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """RFC 4180 in UTF-8. A text cell that a spreadsheet would run as a formula gets an apostrophe in front."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(heads)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value[:1] in _FORMULA_STARTS and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isascii() and text.lstrip("-").replace(".", "", 1).isdigit()


def _amounts(amounts: Amounts) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name in Amounts.__struct_fields__:
        value = getattr(amounts, name)
        told[name] = plain(value) if isinstance(value, Decimal) else value
    return told


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_SHARE_PLACES = Decimal("0.000001")


class CallsAnswer(msgspec.Struct, frozen=True):
    """A page of calls; `next_cursor` asks for the next page, null at the end. Costs are decimal text or null.

    entries_apart: with the first page, entries that stand for no call (docs/ledger.md): with them the calls add up.
    """

    period: PeriodAnswer
    filters: list[str]
    order: str
    currency: str
    calls: list[CallSummary]
    next_cursor: str | None
    entries_apart: list[EntriesApart] = []


class Live(msgspec.Struct, frozen=True):
    """How fresh the books are. `version` changes when charges came in; `state` is on, late or idle."""

    version: int
    state: str
    text: str
    last_call: datetime | None
    loaded_at: datetime | None
    in_flight: int
    calls_today: int
    spent_today: str | None
    currency: str


class FindingAnswer(msgspec.Struct, frozen=True):
    """One law and whether it holds."""

    law: str
    name: str
    ok: bool
    expected: str
    actual: str
    detail: str


class VerifyAnswer(msgspec.Struct, frozen=True):
    """Whether the books hold what the laws of the design promise; `ok` is true when every finding is."""

    ok: bool
    checked_at: datetime
    findings: list[FindingAnswer]


class StatusAnswer(msgspec.Struct, frozen=True):
    """What this installation is and how it does."""

    version: str
    organization: str
    timezone: str
    currency: str
    now: datetime
    first_call: datetime | None
    last_call: datetime | None
    loaded_at: datetime | None
    charges: int
    in_flight: int
    lost_workers: int
    journal_faults: int
    prices: str
    process: dict[str, Any]


def calls_answer(view: View, page: CallsPage, currency: str) -> CallsAnswer:
    return CallsAnswer(
        period_answer(view.period),
        [filter_text(one) for one in view.filters],
        page.order,
        currency,
        page.calls,
        page.next_cursor,
        page.apart,
    )


def calls_csv(answer: CallsAnswer) -> bytes:
    """A row per call, the same columns as the JSON; tags as `key=value` pairs, `saved_here` as a column per lever."""
    names = [name for name in CallSummary.__struct_fields__ if name not in ("tags", "saved_here")]
    return csv_bytes(
        [*names, *COLUMNS.values(), "tags", "currency"],
        (
            [
                *(getattr(call, name) for name in names),
                *((call.saved_here or {}).get(lever) for lever in COLUMNS),
                ";".join(f"{key}={value}" for key, value in sorted(call.tags.items())),
                answer.currency,
            ]
            for call in answer.calls
        ),
    )


def call_csv(detail: CallDetail) -> bytes:
    """The lines of a call's receipt."""
    heads = ["call_id", "attempt_id", "attempt_number", "unit", "quantity", "unit_price", "amount", "currency"]
    rows = (
        [
            detail.call_id, one.attempt_id, one.attempt_number, line.unit, line.quantity, line.unit_price, line.amount,
            one.currency,
        ]
        for one in detail.attempts
        for line in one.lines
    )  # fmt: skip
    return csv_bytes(heads, rows)
