"""A ledger and a spool in a directory of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ledger.records import T0

from bursar.domain.clock import FixedClock
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(tmp_path / "ledger.duckdb", threads=1)
    yield ledger
    ledger.close()


@pytest.fixture
def loader(ledger: Ledger, spool: Path) -> Loader:
    return Loader(ledger, spool, FixedClock(T0 + 3_600_000_000))
