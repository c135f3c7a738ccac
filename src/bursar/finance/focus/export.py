"""The books as a FOCUS file: a row by hour, key, model and token class, the whole of it from one instant.

Written in stretches of hours, so that ten million charges need no more memory than a few hundred thousand. Every cost
is exact: a row's cost is quantity times unit price, unrounded, and what the charges' own rounding makes of that is a
row of its own (`rest`), so that the file's sums are the ledger's to the last pico-dollar.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy.typing as npt

from bursar.domain.periods import Period
from bursar.finance.contracts.terms import Contract
from bursar.finance.focus import lines, statements
from bursar.finance.focus.columns import COLUMNS, COSTS, UNPRICED_COLUMNS
from bursar.finance.focus.commitments import promises_of
from bursar.finance.focus.statements import BY_RECEIPT, Booked
from bursar.finance.focus.told import literal
from bursar.ledger.columns import text_column
from bursar.ledger.store import Ledger, Rows, Session

FileFormat = Literal["csv", "parquet"]
FORMATS: tuple[FileFormat, ...] = ("csv", "parquet")
STRETCH_CHARGES = 250_000
MEMORY_MAX = "700 MB"  # of the engine; with Python and what a stretch needs beside it, 0.8 GB
THREADS = 1
"""With two it takes twice the processor time, most of it the kernel's, and calls need the other core. And the same
books give the same bytes: with one, rows of a Parquet file come one way."""
COPIED_AT_ONCE = 1 << 26
PARQUET = "FORMAT parquet, COMPRESSION zstd"
PARQUET_PART = "FORMAT parquet, COMPRESSION uncompressed"  # read once, a moment later
CSV = "FORMAT csv, HEADER false, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ'"
PICO = Decimal("1e-12")

Extra = Mapping[str, str]
"""A row that no charge is behind (tax, a credit, a commitment's purchase or its unused part): our names of the columns,
values as text. What it doesn't name is empty."""

Extras = Callable[[Period], Sequence[Extra]]


class Exported(msgspec.Struct, frozen=True):
    """What was written. costs: of the rows made of charges, by our names, USD; they are Explore's sums of the period.

    extra_rows, extra_costs: rows that were handed in. unpriced: charges that are in no row, as they have no price.
    """

    rows: int
    costs: dict[str, Decimal]
    extra_rows: int
    extra_costs: dict[str, Decimal]
    unpriced: int


def export(
    ledger: Ledger,
    period: Period,
    file: Path,
    *,
    form: FileFormat = "csv",
    splits: Sequence[str] = (),
    booked: Booked = BY_RECEIPT,
    extras: Sequence[Extras] = (),
    key_names: Mapping[str, str] | None = None,
    contracts: Sequence[Contract] = (),
) -> Exported:
    """Write `file`; beside it, while it is being written, its parts. It is there whole or not at all.

    splits: dimensions beside feature, team and environment that rows are split by, as "customer" or "tag:plan".
    key_names: what people call a key, by its id. contracts: whose commitments are among the charges.
    Raises BadQuery for a split that isn't one, OSError of the disk.
    """
    parts = file.with_name(f".{file.name}.parts")
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir(parents=True)
    try:
        with ThreadPoolExecutor(1) as joiner, ledger.within(MEMORY_MAX, THREADS), ledger.reading() as session:
            writing = _Writing(session, period, parts, form, splits, booked, joiner)
            writing.stage_promises(contracts)
            done = writing.all_parts(key_names or {}, [row for extra in extras for row in extra(period)])
            whole = writing.put_together()
        whole.replace(file)
    finally:
        shutil.rmtree(parts, ignore_errors=True)
    return done


def export_unpriced(
    ledger: Ledger, period: Period, file: Path, *, splits: Sequence[str] = (), booked: Booked = BY_RECEIPT
) -> int:
    """Write the list of charges without a price as CSV; how many charges it stands for."""
    split = statements.splits_of(splits)
    sql = statements.unpriced_sql(booked, split, UNPRICED_COLUMNS)
    params = _bounds(period) | booked.params | {one.param: one.tag for one in split if one.param}
    with ledger.reading() as session:
        query(session, f"CREATE OR REPLACE TEMP TABLE focus_unpriced AS {sql}", params)
        copy(session, "FROM focus_unpriced", file, CSV.replace("HEADER false", "HEADER true"))
        return unpriced_count(session, period, booked)


def unpriced_count(session: Session, period: Period, booked: Booked) -> int:
    """How many charges of a period have no price now."""
    sql = f"SELECT coalesce(SUM(weight), 0) FROM charges WHERE {booked.where} AND list_cost IS NULL"
    return int(query(session, sql, _bounds(period) | booked.params).only())


class _Writing:
    """One file's parts, one after another, within one session."""

    def __init__(
        self, session: Session, period: Period, parts: Path, form: FileFormat, splits: Sequence[str], booked: Booked,
        joiner: Executor,
    ) -> None:  # fmt: skip
        self._session = session
        self._period = period
        self._parts = parts
        self._form = form
        self._splits = statements.splits_of(splits)
        self._booked = booked
        self._params = _bounds(period) | booked.params
        self._params |= {split.param: split.tag for split in self._splits if split.param}
        self._written: list[Path] = []
        self._whole = parts / "whole"
        self._joiner = joiner
        self._joined: Future[None] | None = None
        if form == "csv":
            self._whole.write_bytes(lines.head(COLUMNS))

    def stage_promises(self, contracts: Sequence[Contract]) -> None:
        """What kind each commitment is, by its id."""
        known = list(promises_of(contracts))
        staged = {"promise": text_column(one for one, _ in known), "kind": text_column(kind for _, kind in known)}
        with self._session.stage("staged_promises", staged):
            columns = "promise, kind FROM staged_promises"
            self._session.run(f"CREATE OR REPLACE TEMP TABLE {statements.PROMISES} AS SELECT {columns}")

    def all_parts(self, key_names: Mapping[str, str], extras: Sequence[Extra]) -> Exported:
        session = self._session
        rows, costs = 0, [Decimal(0)] * len(COSTS)
        keys = {"id": text_column(key_names), "name": text_column(key_names.values())}
        with session.stage("staged_keys", keys):
            session.run(f"CREATE OR REPLACE TEMP TABLE {statements.KEYS} AS SELECT id, name FROM staged_keys")
        for start, end in self._stretches():
            self._fill(start, end)
            count, *sums = session.query(statements.totals_sql()).rows[0]
            rows += count
            costs = [total + part for total, part in zip(costs, sums, strict=True)]
            if count:
                self._write_charges()
        if self._form == "parquet" or extras:
            with session.stage(statements.EXTRAS, _staged(extras)):
                if self._form == "csv":
                    self._append(statements.extras_sql(COLUMNS), CSV)
                else:
                    session.run(f"CREATE OR REPLACE TEMP TABLE {statements.MORE} AS {statements.extras_sql(COLUMNS)}")
        return Exported(
            rows=rows + len(extras),
            costs={name: _plain(cost) for name, cost in zip(COSTS, costs, strict=True)},
            extra_rows=len(extras),
            extra_costs={name: sum((Decimal(row.get(name) or "0") for row in extras), Decimal(0)) for name in COSTS},
            unpriced=unpriced_count(session, self._period, self._booked),
        )

    def _stretches(self) -> Iterator[tuple[datetime, datetime]]:
        """Hours that have charges, put together until there are enough of those."""
        hours = query(self._session, statements.hours_sql(self._booked.where), self._params).rows
        first: datetime | None = None
        held = 0
        for hour, count in hours:
            if first is not None and held + count > STRETCH_CHARGES:
                yield first, hour
                first, held = None, 0
            first = first or hour
            held += count
        if first is not None:
            yield first, hours[-1][0] + timedelta(hours=1)

    def _fill(self, start: datetime, end: datetime) -> None:
        where = f"({self._booked.where}) AND received_at >= $stretch_start AND received_at < $stretch_end"
        params = self._params | {"stretch_start": start, "stretch_end": end}
        for sql in statements.stretch_sql(where, self._booked, self._splits):
            query(self._session, sql, params)

    def _write_charges(self) -> None:
        if self._form == "csv":
            self._session.run(statements.kinds_sql(lines.pieces_sql(COLUMNS)))
            self._session.run(statements.sorted_sql())
            with _as_written(self._session):
                self._append(lines.lines_sql(COLUMNS), lines.RAW)
        else:
            self._session.run(statements.kinds_sql(statements.texts_sql(COLUMNS)))
            for sql in statements.collected_sql(is_first=not self._written):
                self._session.run(sql)
            copy(self._session, f"FROM {statements.ROWS}", self._part(), PARQUET_PART)

    def put_together(self) -> Path:
        """The whole of it: text is there already; of Parquet, rows and what each says come together in one pass."""
        if self._form == "csv":
            self._wait_for_joined()
            return self._whole
        for sql in statements.named_sql(COLUMNS) if self._written else ():
            self._session.run(sql)
        files = ", ".join(literal(str(part)) for part in self._written)
        copy(self._session, statements.written_sql(COLUMNS, files), self._whole, PARQUET)
        return self._whole

    def _append(self, sql: str, how: str) -> None:
        """Put an answer behind what is there, while the engine is at the next one. Soon after it was written, most of
        it has never been on the disk."""
        part = self._part()
        copy(self._session, sql, part, how)
        self._wait_for_joined()
        self._joined = self._joiner.submit(append_text, self._whole, part)

    def _wait_for_joined(self) -> None:
        """Raises OSError where the part before couldn't be put behind the others."""
        if self._joined is not None:
            self._joined.result()

    def _part(self) -> Path:
        part = self._parts / f"{len(self._written):06d}"
        self._written.append(part)
        return part


def query(session: Session, sql: str, params: Mapping[str, Any]) -> Rows:
    """With those of the values that the text names: the engine refuses any that it doesn't need."""
    return session.query(sql, {name: params[name] for name in re.findall(r"\$(\w+)", sql)})


def copy(session: Session, sql: str, file: Path, how: str) -> None:
    """Write an answer to a file."""
    session.run(f"COPY ({sql}) TO {literal(str(file))} ({how})")


@contextlib.contextmanager
def _as_written(session: Session) -> Iterator[None]:
    """Joins are made as they are written, so that rows keep the order of the first table: the optimizer would build
    on the smaller side and stream the other, in whatever order that is."""
    session.run("PRAGMA disable_optimizer")
    try:
        yield
    finally:
        session.run("PRAGMA enable_optimizer")


def append_text(whole: Path, part: Path) -> None:
    """Put one behind the other, and remove it."""
    with whole.open("r+b") as out, part.open("rb") as one:
        out.seek(0, os.SEEK_END)
        while os.sendfile(out.fileno(), one.fileno(), None, COPIED_AT_ONCE):  # without a copy through here
            pass
    part.unlink()


def _bounds(period: Period) -> dict[str, Any]:
    return {"start": _naive(period.start), "end": _naive(period.end)}


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)


def _plain(cost: Decimal) -> Decimal:
    """An exact sum, cut to the places that it needs: whatever is beyond a pico-dollar has cancelled out."""
    return cost.quantize(PICO)


def _staged(rows: Sequence[Extra]) -> dict[str, npt.NDArray[Any]]:
    return {column.ours: text_column(row.get(column.ours, "") for row in rows) for column in COLUMNS}
