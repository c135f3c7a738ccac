"""One Chromium and one console for all browser tests; the console listens on loopback, on any free port."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from tests.browser.books_made import fill_finance
from tests.console.conftest import make_context
from tests.console.watched_made import Case, add_findings
from tests.watch.conftest import HOUR_US

from bursar.console.app import create_app
from bursar.domain.alerts import Finding as AlertFinding
from bursar.domain.alerts import Severity
from bursar.domain.caching import CacheTerms, ExactCaching, PromptCaching, SemanticCaching
from bursar.domain.clock import us_from_datetime
from bursar.domain.initiatives import Guard, InitiativeTerms
from bursar.domain.watching import Change, Clock, SeriesKey, Signal
from bursar.governance.alerts import Channel
from bursar.governance.initiatives import Finding
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_book

BILLING = SeriesKey("feature", "billing-sync")
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP localhost 127.0.0.1",
]  # fmt: skip

expect.set_options(timeout=20_000)  # a machine may be busy with other tests; what is there is seen at once


@pytest.fixture(scope="module")  # not longer: while it lives, an event loop runs here and asyncio.run refuses
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    path = tmp_path_factory.mktemp("prices") / "book.msgpack"
    compile_book(path, None)
    return PriceBook.load(path)


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[str]:
    """Its address: a console over forty days of history."""
    prices = book
    context = make_context(tmp_path_factory.mktemp("console"), book, history=True)
    told = AlertFinding("loops", "c1", "", Severity.CRITICAL, "A loop was cut", "billing-sync, 40 times.", "/explore")
    desk = context.desk()
    desk.put_channel(Channel("ops", "apprise", "env:BURSAR_ALERT_SLACK"), actor="test")
    desk.outbox.raise_new([(told, ["ops"])], context.clock.now_us())
    caches = context.controls().caches
    all_three = CacheTerms(
        match={"feature": "support-bot"}, prompt=PromptCaching(), exact=ExactCaching(), semantic=SemanticCaching()
    )
    caches.create("support", all_three, is_on=True, actor="test")
    caches.stop("support", "writes cost $4.10 in 7 days, reads saved $1.20", actor="test")
    caches.create("never", CacheTerms(match={"feature": "payments"}, position=-1), is_on=False, actor="test")
    book = context.initiatives().book
    terms = InitiativeTerms(
        owner="ada", target=Decimal(40), baseline_from=date(2026, 10, 15), baseline_to=date(2026, 10, 31),
        filters=("feature=support-bot",), start=date(2026, 11, 1), guard=Guard("latency_p95_ms", 1.0),
    )  # fmt: skip
    book.create("shorter prompts", terms, actor="test")
    running = book.start("shorter prompts", actor="test")
    book.create("planned", msgspec.structs.replace(terms, start=None), actor="test")
    book.book([Finding(running.initiative_id, "2026-11", Decimal("3.5"), None, None, "before_after")], actor="test")
    day = us_from_datetime(datetime(2026, 11, 11, tzinfo=UTC))
    context.anomalies().markers.add("billing 3.1", actor="ci", at_us=day - HOUR_US, scope=BILLING)
    add_findings(
        context,
        [
            Case(BILLING, Signal.COST, Change.SPIKE, Clock.HOUR, day, day + 24 * HOUR_US, is_over=True),
            Case(SeriesKey(), Signal.CALLS, Change.GROWTH, Clock.DAY, day - 72 * HOUR_US, day + 48 * HOUR_US),
        ],
    )
    fill_finance(context)
    empty = make_context(tmp_path_factory.mktemp("empty"), prices, history=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        both = by_name({b"localhost": create_app(empty)}, create_app(context))
        server = uvicorn.Server(uvicorn.Config(both, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()
    context.ledger.close()
    empty.ledger.close()


@pytest.fixture(scope="session")
def empty_console(console: str) -> str:
    """The address of a console where nothing came yet, of the same server: it is told apart by its name."""
    return console.replace("127.0.0.1", "localhost")


def by_name(apps: Mapping[bytes, Any], otherwise: Any) -> Any:
    """An ASGI app that is another one for each name it is asked by."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        host = dict(scope.get("headers", ())).get(b"host", b"").partition(b":")[0]
        await apps.get(host, otherwise)(scope, receive, send)

    return app


def is_complaint(message: ConsoleMessage) -> bool:
    """An error, but that a form came back with its mistakes: Chromium tells of every answer of 400."""
    return message.type == "error" and "status of 400" not in message.text


@pytest.fixture
def page(browser: Browser, console: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that fails its test on any script error or breach of the content security policy."""
    options = getattr(request, "param", {})
    context = browser.new_context(base_url=console, **{"viewport": {"width": 1440, "height": 900}, **options})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []
