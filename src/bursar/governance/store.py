"""The control store: a small SQLite database that any process of the site may open."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from bursar.governance.schema import HEAD

BUSY_TIMEOUT_MS = 10_000


class ControlStore:
    """Opens the store and brings its schema up to date.

    Safe for several processes: a writer takes the lock when its transaction begins, so that what it read is still
    true when it writes. Connections are not kept: this store is used a few times an hour.
    """

    def __init__(self, path: Path) -> None:
        self.engine = _engine(path)
        path.touch(mode=0o600)
        with self.engine.connect() as connection:
            if _revision(connection) != HEAD:
                _migrate(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that is rolled back."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start, committed at the end or undone by an error."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)

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


def _revision(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none() or "")


def _migrate(connection: Connection) -> None:
    # start-up: Alembic takes a fifth of a second; only a store that must be migrated pays it
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "bursar.governance:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    connection.rollback()
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # two processes may start at once; the second finds it done
    command.upgrade(config, "head")
    connection.commit()
