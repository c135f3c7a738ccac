"""An installation's alerts over facts that a test writes down, a mail server and a webhook that really listen."""

import http.server
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from tests.world import free_port

from bursar.alerts.deliver import Deliverer
from bursar.alerts.desk import AlertDesk
from bursar.alerts.facts import (
    ApprovalAsked,
    BudgetStanding,
    CoverageFacts,
    DayFacts,
    DoubtFacts,
    LoopCut,
    PeriodFacts,
    ProviderErrors,
    RetriesCapped,
    ReviewTold,
    UnpricedModel,
)
from bursar.alerts.watch import Watch
from bursar.domain.clock import FixedClock
from bursar.domain.findings import Finding as Anomaly
from bursar.governance.store import ControlStore

T0 = 1_795_000_000_000_000  # 2026-11-18 11:06:40 UTC, a Wednesday
SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000
SECRET = b"s" * 32


class Told:
    """Facts as a test says they are: nothing worth an alert, until it is changed."""

    def __init__(self) -> None:
        self.the_day = DayFacts("2026-11-18", Decimal(1), 0, (Decimal(1),) * 14)
        self.the_period = PeriodFacts("2026-11-01", "mtd", Decimal(10), 0)
        self.the_unpriced: list[UnpricedModel] = []
        self.the_doubts = DoubtFacts("2026-11-18", 100, 0, 0)
        self.the_providers: list[ProviderErrors] = []
        self.the_coverage = CoverageFacts("2026-W47", Decimal(100), Decimal(0))
        self.the_budgets: list[BudgetStanding] = []
        self.the_loops: list[LoopCut] = []
        self.the_retries: list[RetriesCapped] = []
        self.the_approvals: list[ApprovalAsked] = []
        self.the_review_due = ""
        self.the_recipients: list[str] = []
        self.reviews_written = 0
        self.the_anomalies: list[Anomaly] = []

    def anomalies(self):
        return self.the_anomalies

    def days(self, filters):
        return [self.the_day]

    def periods(self, filters, period):
        return [self.the_period]

    def unpriced(self, filters):
        return self.the_unpriced

    def doubts(self, filters):
        return self.the_doubts

    def providers(self):
        return self.the_providers

    def coverage(self, filters, dimension):
        return self.the_coverage

    def budgets(self):
        return self.the_budgets

    def loops(self):
        return self.the_loops

    def retries(self):
        return self.the_retries

    def approvals(self):
        return self.the_approvals

    def review_due(self, every, day, hour):
        return self.the_review_due

    def review(self, period):
        self.reviews_written += 1
        return ReviewTold(f"Weekly review of {period}", "What was spent", f"/reviews/{period}")

    def report(self, kind, month):
        self.reviews_written += 1
        return ReviewTold(f"Report {kind} of {month}", "It is attached", f"/reports/{kind}/{month}")

    def statements(self, by, of, month, *, closed_only):
        asked = [name for name in self.the_recipients if of in ("", name)]
        return [
            (
                name,
                ReviewTold(f"Statement of {name}", f"by {by}, {closed_only}", f"/statements?month={month}&of={name}"),
            )
            for name in asked
        ]


class World:
    """One installation: its desk, what it looks at, what it delivers, and a clock that a test sets."""

    def __init__(self, directory: Path) -> None:
        self.clock = FixedClock(T0)
        self.path = directory / "control.sqlite"
        self.store = ControlStore(self.path, pooled=True)
        self.desk = AlertDesk(self.store, SECRET, self.clock, "UTC")
        self.told = Told()
        self.env: dict[str, str] = {}
        self.watch = Watch(self.desk.outbox, self.desk.book, self.desk.settings, self.told, self.clock)

    def deliverer(self, send=None, files_of=None) -> Deliverer:
        more = ({"send": send} if send else {}) | ({"files_of": files_of} if files_of else {})
        return Deliverer(
            self.desk.outbox, self.desk.settings, self.clock, self.env,
            console_url="http://127.0.0.1:8788", organization="acme", timezone="UTC", **more,
        )  # fmt: skip

    def later(self, us: int) -> None:
        self.clock.at_us += us

    def storm(self, provider: str = "openai") -> None:
        self.told.the_providers = [*self.told.the_providers, ProviderErrors(provider, 40, 30)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Mailbox(MessageHandler):
    """Keeps the mails that came, with their words decoded; `refuse`: says so instead."""

    def __init__(self) -> None:
        super().__init__()
        self.subjects: list[str] = []
        self.words: list[str] = []
        self.files: list[str] = []

    def handle_message(self, message):
        self.files += [str(part.get_filename()) for part in message.walk() if part.get_filename()]
        self.subjects.append(str(message["subject"]))
        parts = message.walk() if message.is_multipart() else [message]
        told = [part.get_payload(decode=True) for part in parts if part.get_content_maintype() == "text"]
        self.words.append(b"\n".join(told).decode())


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    """A mail server on a free port, and its address as apprise writes it."""
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    address = f"mailto://127.0.0.1:{controller.port}?from=bursar@acme.example&to=ops@acme.example&mode=insecure"
    yield box, address
    controller.stop()


class Hook:
    """A webhook's receiver: the requests that came, and the status it answers with."""

    def __init__(self) -> None:
        self.status = 204
        self.accepted = 0
        self.says = b""
        self.requests: list[tuple[dict[str, str], bytes]] = []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
                hook.accepted += hook.status < 300
                self.send_response(hook.status)
                self.send_header("location", "/elsewhere")
                said = hook.says if hook.status != 204 else b""
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/bursar"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()
