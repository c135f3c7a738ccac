"""Finance's books of the close on a real PostgreSQL server: the same answers as on SQLite."""

from datetime import date
from decimal import Decimal

import pytest
from tests.finance.books.made import SECRET, World
from tests.finance.books.test_close import october
from tests.postgres import postgresql

from bursar.finance.allocation.book import AllocationBook
from bursar.finance.allocation.rules import RuleTerms
from bursar.finance.books.entries import Posting
from bursar.finance.books.journal import NewEntry
from bursar.finance.fx.book import RateBook
from bursar.finance.fx.rates import RateRow
from bursar.governance.store import ControlStore
from bursar.ledger.duckdb import open_ledger

pytestmark = pytest.mark.slow


def test_rates_the_close_and_allocation_are_the_same_on_postgresql(tmp_path):
    told = []
    with postgresql() as address:
        for at, store in enumerate((ControlStore(tmp_path / "control.sqlite"), ControlStore(address))):
            ledger = open_ledger(tmp_path / f"{at}.duckdb", threads=1)
            world = World(ledger, store)
            october(world)
            rates = RateBook(store, SECRET, world.clock)
            rates.add([RateRow(date(2026, 10, 30), "USD", "INR", Decimal("89.1"), "books", "FBIL")], actor="ada")
            allocation = AllocationBook(store, SECRET, ledger, world.clock, world.close, rates.rates)
            terms = RuleTerms(kind="flat", start=date(2026, 1, 1), amount="8910", currency="INR", method="even")
            allocation.set("seats", terms, actor="ada")
            bank = [Posting("Assets:Prepaid", Decimal(100)), Posting("Assets:Bank", Decimal(-100))]
            world.close.journal.post([NewEntry("credits", date(2026, 10, 3), "Credits", bank)], actor="ada")
            closed = world.close.close("2026-10", by="Ada", note="looked", accepted=True)
            assert all(proof.is_same for proof in world.close.prove("2026-10"))
            found = allocation.allocation("2026-10", "team")
            told.append((closed.hashes, closed.totals, found.shares, found.flat_pico))
            ledger.close()
            store.engine.dispose()
    assert told[0] == told[1]
    assert told[0][3] == 100 * 10**12
