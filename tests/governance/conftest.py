"""An empty control store of either kind, for each test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.postgres import postgresql

from bursar.governance.store import ControlStore


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a real PostgreSQL server's database."""
    with postgresql() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ControlStore:
    """An empty store of either kind."""
    if request.param == "sqlite":
        return ControlStore(tmp_path / "control.sqlite")
    address = request.getfixturevalue("server")
    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return ControlStore(address)
