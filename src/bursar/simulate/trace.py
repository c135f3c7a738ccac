"""The real traces shipped with the simulator, read as (rows, faults). Sources and licences: data/SOURCES.md."""

import csv
import gzip
import io
from collections.abc import Iterable
from datetime import datetime
from importlib import resources
from typing import NamedTuple, TypeVar

import msgspec

BLOCK_TOKENS = 512
WINDOW_S = 600

Row = TypeVar("Row")

TRACES = ("azure-code", "azure-conv", "mooncake", "servegen")


class Fault(NamedTuple):
    """A line that can't be used, and why."""

    line: int
    reason: str


class Arrival(NamedTuple):
    """One request of a trace. Tokens; `cached_tokens` is the part of the input an earlier prompt began with."""

    at_s: float  # from the start of the trace
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


class Rates(NamedTuple):
    """One tenant's mean requests per second, a value per window of 600 s; the first day is read as a Tuesday."""

    tenant: str
    per_second: list[float]


def read_azure(lines: Iterable[str]) -> tuple[list[Arrival], list[Fault]]:
    """TIMESTAMP (7 fraction digits, no zone), ContextTokens, GeneratedTokens."""
    rows: list[Arrival] = []
    faults: list[Fault] = []
    start: datetime | None = None
    for number, row in enumerate(csv.reader(lines), 1):
        if number == 1:
            continue
        try:
            at = datetime.fromisoformat(row[0][:26])
            start = start or at
            rows.append(Arrival((at - start).total_seconds(), int(row[1]), int(row[2])))
        except (ValueError, IndexError) as error:
            faults.append(Fault(number, str(error)))
    return rows, faults


class _Line(msgspec.Struct):
    timestamp: int  # ms
    input_length: int
    output_length: int
    hash_ids: list[int]


def read_mooncake(lines: Iterable[str]) -> tuple[list[Arrival], list[Fault]]:
    """JSON lines; what was cached is counted here, from the leading blocks that an earlier prompt had."""
    rows: list[Arrival] = []
    faults: list[Fault] = []
    seen: set[int] = set()
    decoder = msgspec.json.Decoder(_Line)
    for number, text in enumerate(lines, 1):
        try:
            line = decoder.decode(text)
        except msgspec.DecodeError as error:
            faults.append(Fault(number, str(error)))
            continue
        known = 0
        for block in line.hash_ids:
            if block not in seen:
                break
            known += 1
        seen.update(line.hash_ids)
        cached = min(known * BLOCK_TOKENS, line.input_length)
        rows.append(Arrival(line.timestamp / 1000, line.input_length, line.output_length, cached))
    return rows, faults


def read_rates(lines: Iterable[str]) -> tuple[list[Rates], list[Fault]]:
    """A column per tenant, a row per window; a window without a row had no request."""
    table = list(csv.reader(lines))
    tenants = table[0][1:]
    faults: list[Fault] = []
    windows = int(table[-1][0]) // WINDOW_S + 1
    columns = [[0.0] * windows for _ in tenants]
    for number, row in enumerate(table[1:], 2):
        try:
            window = int(row[0]) // WINDOW_S
            for column, value in zip(columns, row[1:], strict=True):
                column[window] = float(value)
        except (ValueError, IndexError) as error:
            faults.append(Fault(number, str(error)))
    return [Rates(name, column) for name, column in zip(tenants, columns, strict=True)], faults


def load_arrivals(name: str) -> list[Arrival]:
    """A shipped trace of requests: "azure-code", "azure-conv" or "mooncake"."""
    if name == "mooncake":
        rows, faults = read_mooncake(_lines("mooncake-conversation.jsonl.gz"))
    else:
        rows, faults = read_azure(_lines(f"{name}.csv.gz"))
    return _whole(rows, faults)


def load_rates() -> dict[str, Rates]:
    """The shipped tenants' rates, by tenant."""
    rows, faults = read_rates(_lines("servegen-rates.csv.gz"))
    return {row.tenant: row for row in _whole(rows, faults)}


def _whole(rows: list[Row], faults: list[Fault]) -> list[Row]:
    """What ships with the package has no faults; if it has, the installation is damaged."""
    if faults:
        raise ValueError(f"a shipped trace is damaged, first at line {faults[0].line}: {faults[0].reason}")
    return rows


def _lines(name: str) -> list[str]:
    raw = resources.files("bursar.simulate").joinpath("data", name).read_bytes()
    return io.StringIO(gzip.decompress(raw).decode()).read().splitlines()
