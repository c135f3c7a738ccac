"""A console over forty days of simulated history, with names that try to break out of a page."""

import functools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from litestar.testing import TestClient
from tests.console.budgets_made import empty_budgets, make_budgets
from tests.console.records import awkward_calls
from tests.routes_once import routes_made_once  # noqa: F401  # a fixture for all below

from bursar.config import load_config
from bursar.console.anomalies import open_anomalies
from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.console.forecasting import open_plans
from bursar.console.initiatives import open_initiatives, open_store
from bursar.demo import fill_history
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.explore.query import Explorer
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_book
from bursar.site import Site
from bursar.spool.journal import Journal

RUNNING: list[Journal] = []
NOW = datetime(2026, 11, 23, 12, 7, tzinfo=UTC)


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    path = tmp_path_factory.mktemp("prices") / "book.msgpack"
    compile_book(path, None)
    return PriceBook.load(path)


def make_context(directory: Path, book: PriceBook, *, history: bool) -> ConsoleContext:
    spool = directory / "spool"
    spool.mkdir()
    if history:
        now_us = us_from_datetime(NOW)
        fill_history(spool, book, now_us=now_us, days=40, calls_per_day=40, seed=7, organization="acme")
        journal = Journal(spool, "awkward", sync=False)
        for record in awkward_calls(journal, now_us):
            journal.append(record)
        RUNNING.append(journal)  # its lock says that the writer lives, so its last call is still in flight
    ledger = open_ledger(directory / "ledger.duckdb", threads=1)
    Loader(ledger, spool, FixedClock(us_from_datetime(NOW))).load_all()
    clock = FixedClock(us_from_datetime(NOW))
    config = load_config(overrides={"organization": "acme", "data": str(directory)}, env={})
    budgets = (make_budgets if history else empty_budgets)(directory, us_from_datetime(NOW))
    return ConsoleContext(
        explorer=Explorer(ledger),
        ledger=ledger,
        prices=lambda: book,
        config=config,
        spool_dir=spool,
        budgets=lambda: budgets,
        publish_budgets=Site(config, clock).publish_budgets,
        control_state=functools.cache(Site(config, clock).control_state),
        clock=clock,
        open_controls=Site(config, clock).controls,
        open_initiatives=functools.partial(open_initiatives, Site(config, clock)),
        open_plans=functools.partial(open_plans, Site(config, clock)),
        open_store=functools.partial(open_store, Site(config, clock)),
        open_anomalies=functools.partial(open_anomalies, Site(config, clock)),
        lift_loop=functools.partial(Site(config, clock).lift_loop, actor="console"),
        alerts=functools.cache(Site(config, clock).alerts),
    )


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[ConsoleContext]:
    context = make_context(tmp_path_factory.mktemp("console"), book, history=True)
    yield context
    context.ledger.close()
    for journal in RUNNING:
        journal.close()


@pytest.fixture(scope="session")
def client(context: ConsoleContext) -> Iterator[TestClient]:
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        yield client


@pytest.fixture(scope="session")
def running_call(context: ConsoleContext) -> str:
    """The id of the call that hasn't ended."""
    with context.ledger.reading() as session:
        return str(session.query("SELECT call_id FROM pending").only())


@pytest.fixture(scope="session")
def empty_context(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[ConsoleContext]:
    context = make_context(tmp_path_factory.mktemp("empty"), book, history=False)
    yield context
    context.ledger.close()


@pytest.fixture(scope="session")
def empty_client(empty_context: ConsoleContext) -> Iterator[TestClient]:
    with TestClient(create_app(empty_context), base_url="http://127.0.0.1:8788") as client:
        yield client
