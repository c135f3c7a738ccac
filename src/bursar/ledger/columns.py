"""Attempts as columns: what a batch of journal records looks like to the store.

Built a column at a time, because that is what a bulk insert wants: a numpy array of text costs DuckDB 35 ns a value
and one of integers 6 ns, where a row of parameters costs 20 µs. And a part of the batch at a time: what a few hundred
attempts hold stays in the processor's cache from column to column, a whole batch has to be fetched anew for each.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from bursar.domain.money import FEMTO_PER_USD
from bursar.ledger.schema import CHARGE_COLUMNS, LINES, MONEY, TAGS, Column
from bursar.spool.records import CostLineRow, Dispatched, Settled

Columns = dict[str, npt.NDArray[Any]]

PART_ATTEMPTS = 256  # 8 µs an attempt; 12 without parts

UNKNOWN = -(2**63)
"""Staged in place of an unknown integer; becomes NULL in the store."""

_TO_USD = "0.000000000001::DECIMAL(13,12)"  # multiplied, never divided: a division of decimals is a double

STAGED_SQL: dict[str, str] = {
    "text": "{c}",
    "int": "{c}",
    "bool": "{c}",
    "uuid": "{c}::UUID",
    "time": "make_timestamp(nullif({c}, 0))",
    "pico": f"(nullif({{c}}, {UNKNOWN})::DECIMAL(18,0) * {_TO_USD})::{MONEY}",
    "json": f"{{c}}::JSON::{TAGS}",
    "lines": f"{{c}}::JSON::{LINES}",
}
"""How a staged column of each kind becomes the ledger's, exactly."""


class Pair(msgspec.Struct, frozen=True, gc=False):
    """One attempt, dispatched and settled, and the worker that wrote both."""

    writer: str
    dispatched: Dispatched
    settled: Settled


def charge_columns(pairs: Sequence[Pair]) -> Columns:
    """What is staged for CHARGE_COLUMNS, one element per attempt, in their order."""
    columns = _staged(CHARGE_COLUMNS)
    whole = {column.name: np.empty(len(pairs), dtype=_dtype(column)) for column in columns}
    for start in range(0, len(pairs), PART_ATTEMPTS):
        part = pairs[start : start + PART_ATTEMPTS]
        records = _records(part)
        for column in columns:
            whole[column.name][start : start + len(part)] = _values(column, records)
    return whole


def count_calls(columns: Columns) -> tuple[int, int]:
    """Of staged charges: how many end their call, and how many are all there is of it."""
    if not columns:
        return 0, 0
    is_final = columns["is_final"]
    return int(is_final.sum()), int((is_final & (columns["attempt_number"] == 1)).sum())


def _records(pairs: Sequence[Pair]) -> dict[str, Sequence[Any]]:
    dispatched = [pair.dispatched for pair in pairs]
    calls = [record.call for record in dispatched]
    settled = [pair.settled for pair in pairs]
    return {
        "pair": pairs,
        "dispatched": dispatched,
        "call": calls,
        "scope": [call.scope for call in calls],
        "attribution": [call.attribution for call in calls],
        "settled": settled,
        "usage": [record.usage for record in settled],
        "saved": [record.saved_by_lever for record in settled],
    }


def staged_columns(columns: Iterable[Column], records: Mapping[str, Sequence[Any]]) -> Columns:
    """records: what a column's source names, one element per row: {"settled": […], "usage": […]}."""
    return {column.name: np.array(_values(column, records), dtype=_dtype(column)) for column in _staged(columns)}


def staged_select(columns: Iterable[Column]) -> str:
    """The select list that turns staged columns into the ledger's types."""
    return ", ".join(f"{_expression(column)} AS {column.name}" for column in columns)


def _expression(column: Column) -> str:
    match column.kind:
        case "sql":
            return column.source
        case "same":
            return STAGED_SQL["pico"].format(c=column.source)
        case kind:
            return STAGED_SQL[kind].format(c=column.name)


def text_column(values: Iterable[str | None]) -> npt.NDArray[Any]:
    return np.fromiter(values, dtype=object)


def int_column(values: Iterable[int | None]) -> npt.NDArray[np.int64]:
    return np.array([UNKNOWN if value is None else value for value in values], dtype=np.int64)


def tags_json(tags: dict[str, str]) -> str:
    return _JSON.encode(tags).decode() if tags else "{}"


def lines_json(lines: Sequence[CostLineRow]) -> str:
    """Lines as the JSON of LINES; the unit price as exact decimal text."""
    return "[" + ",".join([f"{_line_start(unit, femto)}{quantity}}}" for unit, quantity, femto in lines]) + "]"


@lru_cache(maxsize=4_096)
def _line_start(unit: str, femto: int) -> str:
    whole, rest = divmod(abs(femto), FEMTO_PER_USD)
    sign = "-" if femto < 0 else ""
    return f'{{"unit":"{unit}","unit_price":"{sign}{whole}.{rest:015d}","quantity":'


_JSON = msgspec.json.Encoder()


def _staged(columns: Iterable[Column]) -> list[Column]:
    return [column for column in columns if column.kind not in ("sql", "same")]


def _dtype(column: Column) -> npt.DTypeLike:
    match column.kind:
        case "text" | "uuid" | "json" | "lines":
            return object
        case "bool":
            return np.bool_
        case _:
            return np.int64


def _values(column: Column, records: Mapping[str, Sequence[Any]]) -> list[Any]:
    record, _, field = column.source.partition(".")
    values = map(attrgetter(field), records[record])
    match column.kind:
        case "json":
            return [tags_json(tags) for tags in values]
        case "lines":
            return [lines_json(lines) for lines in values]
        case "pico":
            return [UNKNOWN if pico is None else pico for pico in values]
        case _:
            return list(values)
