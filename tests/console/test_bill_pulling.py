"""Bills that are asked for, against a small server that answers as OpenAI and Anthropic do: pages, keys, refusals."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.console.conftest import make_context

from bursar.bench.reconcile_bills import anthropic_costs, anthropic_usage, openai_costs, openai_usage
from bursar.bench.reconcile_cases import make_cases
from bursar.config import load_config
from bursar.console.bill_pulling import BillPulling
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.domain.errors import ConfigError

KEY = "sk-admin-canary-7f3a"
CASES = make_cases(5)
OPENAI, ANTHROPIC = CASES[1].traffic, CASES[2].traffic
WORKSPACES = {"apikey_01a": "wrkspc_1", "apikey_01b": "wrkspc_2"}
PAGES = {
    "/v1/organization/costs": openai_costs(OPENAI, with_quantity=False),
    "/v1/organization/usage/completions": openai_usage(OPENAI),
    "/v1/organization/usage/embeddings": b'{"object": "page", "data": [], "has_more": false, "next_page": null}',
    "/v1/organizations/cost_report": anthropic_costs(ANTHROPIC, WORKSPACES),
    "/v1/organizations/usage_report/messages": anthropic_usage(ANTHROPIC, WORKSPACES),
}
DAYS_A_PAGE = 5


class Billing(BaseHTTPRequestHandler):
    """Pages of five days; the key in the header that each of them reads."""

    asked: list[str] = []

    def do_GET(self) -> None:
        at = urlsplit(self.path)
        self.asked.append(self.path)
        if KEY not in (self.headers.get("x-api-key"), self.headers.get("authorization", "").removeprefix("Bearer ")):
            self.send_response(401)
            self.end_headers()
            return
        whole = json.loads(PAGES[at.path])
        first = int(parse_qs(at.query).get("page", ["0"])[0])
        rest = whole["data"][first + DAYS_A_PAGE :]
        whole["data"] = whole["data"][first : first + DAYS_A_PAGE]
        whole |= {"has_more": bool(rest), "next_page": str(first + DAYS_A_PAGE) if rest else None}
        body = json.dumps(whole).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Billing.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Billing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def context(server, tmp_path, book):
    context = make_context(tmp_path, book, history=False)
    context.config.bills.openai_url = context.config.bills.anthropic_url = server
    context.config.bills.openai_admin_key_env = context.config.bills.anthropic_admin_key_env = "THE_KEY"
    context.clock = FixedClock(us_from_datetime(datetime(2026, 3, 20, tzinfo=UTC)))
    yield context
    context.ledger.close()


def test_every_page_is_asked_for_and_kept_once(context):
    pulling = BillPulling(context, {"THE_KEY": KEY})
    assert pulling.look() > 500
    bills = context.finance().invoices.book.all()
    assert [(one.provider, one.month) for one in bills] == [("anthropic", "2026-03"), ("openai", "2026-02")]
    assert sum("page=" in target for target in Billing.asked) == 8
    assert pulling.look() == 0  # not due yet
    again = BillPulling(context, {"THE_KEY": KEY})
    assert again.look() == 0
    asked = len(Billing.asked)
    context.clock = FixedClock(context.clock.now_us() + 7 * 3_600_000_000)
    again.look()
    assert len(Billing.asked) == 2 * asked - asked // 2


def test_a_refusal_is_logged_without_the_key(context):
    with capture_logs() as logs:
        assert BillPulling(context, {"THE_KEY": "another"}).look() == 0
    assert {(one["provider"], one["event"]) for one in logs} == {
        ("openai", "bill_not_pulled"), ("anthropic", "bill_not_pulled"),
    }  # fmt: skip
    assert "administrator's key" in logs[0]["error"]
    assert "another" not in str(logs)


def test_the_key_is_nowhere_afterwards(context, tmp_path):
    with capture_logs() as logs:
        BillPulling(context, {"THE_KEY": KEY}).look()
    assert KEY not in str(logs)
    assert KEY not in msgspec.json.encode(context.config).decode()
    held = [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert held == []


def test_without_a_key_nothing_is_asked(context):
    assert BillPulling(context, {}).look() == 0
    assert Billing.asked == []


@pytest.mark.parametrize(("field", "value"), [("every_h", 0), ("days", 0), ("openai_url", "ftp://x")])
def test_a_setting_that_cannot_be_is_refused(field, value):
    with pytest.raises(ConfigError, match=field):
        load_config(overrides={f"bills.{field}": value}, env={})
