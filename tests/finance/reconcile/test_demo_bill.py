"""The demo's bill: what differs is what was put in, and what the made-up traffic leaves open by itself."""

from datetime import UTC, datetime

import pytest

from bursar.demo import DemoBill, fill_history
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.finance.reconcile.causes import Cause
from bursar.finance.reconcile.desk import InvoiceDesk
from bursar.finance.reconcile.price_command import price_command
from bursar.governance.store import ControlStore
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_book

pytestmark = pytest.mark.slow


def test_the_demos_bill_has_a_few_findings_and_each_has_its_cause(tmp_path):
    now_us = us_from_datetime(datetime(2026, 11, 20, 12, tzinfo=UTC))
    (tmp_path / "spool").mkdir()
    compile_book(tmp_path / "book.msgpack", None)
    book, bill = PriceBook.load(tmp_path / "book.msgpack"), DemoBill(now_us)
    fill_history(tmp_path / "spool", book, now_us=now_us, days=55, calls_per_day=150, seed=2, bill=bill)
    ledger = open_ledger(tmp_path / "ledger.duckdb", threads=1)
    clock = FixedClock(now_us)
    Loader(ledger, tmp_path / "spool", clock).load_all()
    desk = InvoiceDesk(ControlStore(tmp_path / "control.sqlite"), b"s" * 32, ledger, clock)
    for data in bill.reports():
        done = desk.take_file(data, "report", "", actor="demo")
    for team in bill.teams:
        desk.names.set_key("anthropic", f"apikey_{team}", [f"vk_demo_{team}"], actor="demo")
    found = desk.look(done.invoices[0], book).found
    causes = {one.cause for one in found.variances}
    assert {Cause.NOT_THROUGH, Cause.STALE_PRICE, Cause.CREDIT} <= causes
    assert causes <= {
        Cause.NOT_THROUGH, Cause.STALE_PRICE, Cause.CREDIT, Cause.ESTIMATED, Cause.ASSUMED, Cause.UNPRICED, Cause.TIMING
    }  # fmt: skip
    assert sum(one.money for one in found.variances) == found.difference
    told = [
        price_command(book, "anthropic", one, "bill_x") for one in found.variances if one.cause is Cause.STALE_PRICE
    ]
    assert all(one.startswith("bursar prices set anthropic/claude-") for one in told if one)
    assert any(" --output " in one and " --from 2026-10-21 --note 'bill bill_x'" in one for one in told)
    assert {price_command(book, "anthropic", one, "b") for one in found.variances if one.cause is Cause.CREDIT} == {""}
    ledger.close()
