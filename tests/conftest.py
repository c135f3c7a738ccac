"""What hundreds of tests would make again and is always the same, made once in each process that runs tests.

Only what happens in a test's own process: who starts Bursar as a process of its own has the real thing.
"""

import contextlib
import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from bursar.governance import store


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests go first: when only short files are left, the processes end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def tables_made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A new SQLite control store gets the tables of one that was migrated: to migrate takes a tenth of a second.

    What was written by an older version, and any PostgreSQL, is migrated each time.
    """
    migrate = store._migrate
    statements: list[str] = []

    def make_tables(connection: Connection, is_sqlite: bool) -> None:
        if not is_sqlite:
            migrate(connection, is_sqlite)
            return
        connection.rollback()
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        if connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one():
            migrate(connection, is_sqlite)
            return
        if not statements:
            statements.extend(_statements(tmp_path_factory))
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()

    def _statements(made: pytest.TempPathFactory) -> list[str]:
        path = made.mktemp("tables") / "control.sqlite"
        engine = store._sqlite(path, pooled=False)
        with engine.connect() as connection:
            migrate(connection, True)
        with contextlib.closing(sqlite3.connect(path)) as read:
            return [line for line in read.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;")]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_migrate", make_tables)
        yield
