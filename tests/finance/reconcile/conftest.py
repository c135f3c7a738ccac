"""A world of bills with its ledger, and a desk over both."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bursar.bench.reconcile_cases import Case, make_cases
from bursar.bench.reconcile_planted import fill_ledger
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.finance.reconcile.desk import InvoiceDesk
from bursar.governance.store import ControlStore
from bursar.ledger.store import Ledger

SECRET = b"s" * 32
NOW = datetime(2027, 1, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return make_cases(5)


@pytest.fixture
def ledger(cases: list[Case], tmp_path: Path) -> Iterator[Ledger]:
    ledger = fill_ledger(cases, tmp_path)
    yield ledger
    ledger.close()


@pytest.fixture
def desk(ledger: Ledger, tmp_path: Path) -> InvoiceDesk:
    store = ControlStore(tmp_path / "control.sqlite")
    return InvoiceDesk(store, SECRET, ledger, FixedClock(us_from_datetime(NOW)))
