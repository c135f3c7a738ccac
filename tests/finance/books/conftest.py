"""A small world of books for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.finance.books.made import World

from bursar.governance.store import ControlStore
from bursar.ledger.duckdb import open_ledger


@pytest.fixture
def world(tmp_path: Path, store: ControlStore) -> Iterator[World]:
    ledger = open_ledger(tmp_path / "ledger.duckdb", threads=1)
    yield World(ledger, store)
    ledger.close()
