"""The control store: SQLite on one machine, PostgreSQL for several; any process of the site may open it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from bursar.domain.errors import ConfigError
from bursar.governance.schema import HEAD

BUSY_TIMEOUT_MS = 10_000
CONNECT_TIMEOUT_S = 5
CHANGES_LOCK = 0x62757273  # PostgreSQL's advisory lock of those who change what is audited


class ControlStore:
    """Opens the store and brings its schema up to date.

    location: a SQLite file, or the address of a PostgreSQL database (`postgresql+psycopg://user@host/name`).
    pooled: keep a connection, for a process that asks all the time; else each use opens its own.
    Raises ConfigError for an address that can't be used or doesn't answer.
    """

    def __init__(self, location: Path | str, *, pooled: bool = False) -> None:
        self.is_sqlite = isinstance(location, Path)
        self.engine = _sqlite(location, pooled) if isinstance(location, Path) else _postgresql(location, pooled)
        if isinstance(location, Path):
            location.touch(mode=0o600)
        try:
            with self.engine.connect() as connection:
                if _revision(connection) != HEAD:
                    _migrate(connection, self.is_sqlite)
        except OperationalError as error:
            raise ConfigError(f"the control store can't be opened: {error.orig}", field="control.url") from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that is rolled back."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def deciding(self) -> Iterator[Connection]:
        """A transaction for who locks the rows it decides about; SQLite has only one lock, held from the start."""
        with self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that nobody else's change comes between, committed at the end or undone by an error."""
        with self.deciding() as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CHANGES_LOCK})
            yield connection


class OpenTransaction(ControlStore):
    """The store inside one transaction that is under way: what is changed through it is changed all or nothing."""

    def __init__(self, store: ControlStore, connection: Connection) -> None:
        self.is_sqlite = store.is_sqlite
        self.engine = store.engine
        self._connection = connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        yield self._connection

    @contextmanager
    def deciding(self) -> Iterator[Connection]:
        yield self._connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        yield self._connection


def _sqlite(path: Path, pooled: bool) -> Engine:
    engine = create_engine(f"sqlite:///{path}", poolclass=QueuePool if pooled else NullPool)

    @event.listens_for(engine, "connect")
    def _prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver must not begin transactions itself
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    return engine


def _postgresql(url: str, pooled: bool) -> Engine:
    try:
        return create_engine(
            url,
            poolclass=QueuePool if pooled else NullPool,
            pool_pre_ping=pooled,
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
        )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(
            "control.url is not the address of a PostgreSQL database: postgresql+psycopg://user@host/name "
            "(needs the extra `postgres`)",
            field="control.url",
        ) from error


def _revision(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none() or "")


def _migrate(connection: Connection, is_sqlite: bool) -> None:
    # start-up: Alembic takes a fifth of a second; only a store that must be migrated pays it
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "bursar.governance:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    connection.rollback()
    if is_sqlite:  # two processes may start at once; the second finds it done
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CHANGES_LOCK})
    command.upgrade(config, "head")
    connection.commit()
