"""The embedded ledger: one DuckDB file, owned by one process.

Source: DuckDB 2.0.0. A second process is refused, even read-only, which is why the CLI asks the console. A cursor is a
connection of its own to the same database; an answer has to be fetched whole before the cursor is used again.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import duckdb

from bursar.domain.errors import LedgerBusy, Unavailable
from bursar.ledger.calls import CALLS_VIEW
from bursar.ledger.imported import IMPORTED_TABLES
from bursar.ledger.rollups import ROLLUP_TABLES, rebuild
from bursar.ledger.schema import ADDED_COLUMNS, BOOK_TABLES, SCHEMA_VERSION, SPLIT_SAVINGS
from bursar.ledger.store import Columns, Ledger, Params, Rows, Session, UnfitData

CHECKPOINT_BYTES = "256MB"  # of write-ahead log: each checkpoint packs the last row group again; a crash replays ≤ 2 s
MEMORY_SHARE = "40%"  # of the machine's, or of the container's
MEMORY_MAX = (
    "2 GiB"  # what is larger goes to the disk: a proof of ten million charges takes no longer with 1 than with 6
)


CLOSES_WITHIN_S = 30.0
BUSY_WAIT_S = 0.02


class DuckSession:
    """Statements on one cursor, inside the transaction that `DuckLedger` began."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def query(self, sql: str, params: Params | None = None) -> Rows:
        try:
            answer = self._cursor.execute(sql, dict(params)) if params else self._cursor.execute(sql)
        except duckdb.DataError as error:
            raise UnfitData(str(error).partition("\n")[0]) from error
        columns = [column[0] for column in answer.description or ()]
        return Rows(columns, answer.fetchall())

    def run(self, sql: str, params: Params | None = None) -> None:
        self.query(sql, params)

    @contextmanager
    def stage(self, name: str, columns: Columns) -> Iterator[None]:
        self._cursor.register(name, dict(columns))
        try:
            yield
        except BaseException:
            with suppress(duckdb.Error):  # the transaction may be over: the first error is the one to tell
                self._cursor.unregister(name)
            raise
        self._cursor.unregister(name)


class DuckLedger:
    """The ledger in a file. Readers each have a snapshot; one writer at a time."""

    dialect = "duckdb"

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.path = path
        self._connection = connection
        self._writing = threading.Lock()
        self._cursors = threading.local()
        self._version = 0
        self._narrowing = threading.Lock()

    @property
    def version(self) -> int:
        return self._version

    @contextmanager
    def reading(self) -> Iterator[Session]:
        cursor = self._cursor()
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        try:
            yield DuckSession(cursor)
        finally:
            cursor.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with self._writing:
            cursor = self._cursor()
            cursor.execute("BEGIN TRANSACTION")
            try:
                yield DuckSession(cursor)
            except BaseException:
                _abandon(cursor)
                raise
            cursor.execute("COMMIT")  # returns when the write-ahead log is on the disk
            self._version += 1

    @contextmanager
    def within(self, memory: str, threads: int) -> Iterator[None]:
        """The limits are the engine's own, not a connection's: one at a time, and what stood before is put back."""
        with self._narrowing, closing(self._connection.cursor()) as cursor:
            asked = "SELECT current_setting('memory_limit'), current_setting('threads')"
            before = cursor.execute(asked).fetchone() or (memory, threads)
            _narrow(cursor, memory, threads)
            try:
                yield
            finally:
                _narrow(cursor, *before)

    def close(self) -> None:
        """Waits for questions that are being answered, CLOSES_WITHIN_S at most: the engine refuses meanwhile."""
        until = time.monotonic() + CLOSES_WITHIN_S
        with self._writing:
            while True:
                try:
                    return self._connection.close()
                except duckdb.ResourceInUseException:
                    if time.monotonic() > until:
                        raise
                    time.sleep(BUSY_WAIT_S)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._cursors, "cursor", None)
        if cursor is None:
            cursor = self._cursors.cursor = self._connection.cursor()
        return cursor


def open_ledger(path: Path, *, threads: int | None = None) -> Ledger:
    """Open the ledger file, or make it.

    Raises LedgerBusy when another process has it: its message says which, and what to do. Raises Unavailable when the
    file can't be opened or is of a later version of Bursar.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = duckdb.connect(str(path), config=_settings(threads))
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise LedgerBusy(
                f"{path} is in use by another Bursar process (the console owns it). "
                "Ask it through its address, or stop it first: `bursar up` runs only once per data directory."
            ) from error
        raise Unavailable(f"can't open the ledger {path}: {error}") from error
    except duckdb.Error as error:
        raise Unavailable(f"can't open the ledger {path}: {error}") from error
    _bound_memory(connection)
    ledger = DuckLedger(path, connection)
    _make_tables(ledger)
    return ledger


def _settings(threads: int | None) -> dict[str, str | bool | int | float | list[str]]:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "checkpoint_threshold": CHECKPOINT_BYTES,
        "memory_limit": MEMORY_SHARE,
        "autoinstall_known_extensions": False,  # nothing is fetched behind the operator's back
        "autoload_known_extensions": False,
        "pandas_analyze_sample": 0,  # a staged column of objects is text: looking at a sample costs 0.5 µs a row
        "preserve_insertion_order": True,  # rows stay in time order, so that zone maps skip
    }
    if threads is not None:
        settings["threads"] = threads
    return settings


def _narrow(cursor: duckdb.DuckDBPyConnection, memory: str, threads: int) -> None:
    cursor.execute(f"SET memory_limit = '{memory}'")
    cursor.execute(f"SET threads = {threads:d}")


def _bound_memory(connection: duckdb.DuckDBPyConnection) -> None:
    share = "parse_formatted_bytes(current_setting('memory_limit'))"
    row = connection.execute(f"SELECT {share} > parse_formatted_bytes($most)", {"most": MEMORY_MAX}).fetchone()
    if row and row[0]:
        connection.execute(f"SET memory_limit = '{MEMORY_MAX}'")


def _make_tables(ledger: DuckLedger) -> None:
    with ledger.writing() as session:
        for statement in (*BOOK_TABLES, *ADDED_COLUMNS, *ROLLUP_TABLES, CALLS_VIEW, *IMPORTED_TABLES):
            session.run(statement)
        session.run(
            "INSERT INTO ledger_facts VALUES ('schema', $version) ON CONFLICT DO NOTHING",
            {"version": str(SCHEMA_VERSION)},
        )
        found = session.query("SELECT value FROM ledger_facts WHERE name = 'schema'").only()
        if int(found) < SCHEMA_VERSION:
            for statement in SPLIT_SAVINGS:
                session.run(statement)
            rebuild(session)
            session.run(
                "UPDATE ledger_facts SET value = $version WHERE name = 'schema'", {"version": str(SCHEMA_VERSION)}
            )
    if int(found) > SCHEMA_VERSION:
        ledger.close()
        raise Unavailable(f"{ledger.path} was written by a later Bursar (schema {found}); upgrade this one")


def _abandon(cursor: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.Error):  # the transaction may be over already: the first error says why
        cursor.execute("ROLLBACK")
